"""MiniStack, with three small additions, and what it does otherwise than AWS put right (`local.emulator.fixes`).

Run by MiniStack's own interpreter, not by the project's.

A bound on the processes of each function: MiniStack starts a process for every call that finds the others busy, as AWS
starts an instance. AWS has the machines for it; here fifty interpreters starting at once on two cores would all run
into their time-outs. A call beyond the bound waits for a process to come free, which is safe because no function of
this project calls itself.

The encryption context of a call to KMS, for the policies that ask for it.

Waits of workflows that notice when their scale is changed: a test shortens the one that is under way, too.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, lambda_runtime
from ministack.services import stepfunctions

# As many as two cores start in a few seconds, and more than Amazon's ten requests a second keep busy.
PROCESSES_PER_FUNCTION = int(os.environ.get("FUNCTION_PROCESSES_MAX", "10"))
LOOK_SECONDS = 0.02

_acquire = lambda_runtime.acquire_worker


def acquire_worker(
    func_name: str,
    config: Any,  # noqa: ANN401 - MiniStack has no types
    code_zip: bytes,
    qualifier: str = "$LATEST",
    max_concurrency: int | None = None,
) -> Any:  # noqa: ANN401 - likewise
    """A free process of a function, or a new one while there are few, or else the next one that comes free."""
    while True:
        worker, reason = _acquire(
            func_name, config, code_zip, qualifier=qualifier, max_concurrency=max_concurrency or PROCESSES_PER_FUNCTION
        )
        if worker is not None:
            return worker, reason
        time.sleep(LOOK_SECONDS)


_request_context = iam_actions.request_tag_context


def request_context(service: str, iam_action: str, body: bytes, params: object) -> dict[str, Any]:
    """The condition keys of one request, with those of its encryption context if it is one to KMS."""
    found: dict[str, Any] = _request_context(service, iam_action, body, params)
    if service != "kms":
        return found
    try:
        given = json.loads(body or b"{}").get("EncryptionContext") or {}
    except (ValueError, AttributeError):
        return found
    return {**found, **{f"kms:EncryptionContext:{name}": str(value) for name, value in given.items()}}


def scaled_sleep(seconds: float) -> None:
    """Sleep for a workflow's seconds, each as long as the scale says at that time; not at all once it is 0."""
    while seconds > 0 and (scale := stepfunctions._SFN_WAIT_SCALE) > 0:  # noqa: SLF001 - what its own config call sets
        slept = min(seconds * scale, LOOK_SECONDS)
        time.sleep(slept)
        seconds -= slept / scale


# Before the services import it by name.
lambda_runtime.acquire_worker = acquire_worker
iam_actions.request_tag_context = request_context
stepfunctions._scaled_sleep = scaled_sleep  # noqa: SLF001 - there is no other way in

if __name__ == "__main__":
    # Run as a file, by an interpreter that does not know where this project is.
    sys.path.append(str(Path(__file__).parents[2]))
    from local.emulator import fixes

    fixes.install()

    from ministack.app import main

    main()
