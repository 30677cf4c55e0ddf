"""MiniStack, with a bound on the processes of each function. Run by MiniStack's own interpreter, not by the project's.

MiniStack starts a process for every call that finds the others busy, as AWS starts an instance. AWS has the machines for it;
here fifty interpreters starting at once on two cores would all run into their time-outs. A call beyond the bound waits for a
process to come free, which is safe because no function of this project calls itself.
"""

import os
import time
from typing import Any

from ministack.core import lambda_runtime

# As many as two cores start in a few seconds, and more than Amazon's ten requests a second keep busy.
PROCESSES_PER_FUNCTION = int(os.environ.get("FUNCTION_PROCESSES_MAX", "10"))
LOOK_SECONDS = 0.02

_acquire = lambda_runtime.acquire_worker


def acquire_worker(
    func_name: str, config: Any, code_zip: bytes, qualifier: str = "$LATEST", max_concurrency: int | None = None
) -> Any:
    """A free process of a function, or a new one while there are few, or else the next one that comes free."""
    while True:
        worker, reason = _acquire(
            func_name, config, code_zip, qualifier=qualifier, max_concurrency=max_concurrency or PROCESSES_PER_FUNCTION
        )
        if worker is not None:
            return worker, reason
        time.sleep(LOOK_SECONDS)


# Before the services import it by name.
lambda_runtime.acquire_worker = acquire_worker

if __name__ == "__main__":
    from ministack.app import main

    main()
