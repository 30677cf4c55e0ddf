"""A local cloud for the tests of a process, in a folder of its own; it is there until the process ends."""

import fcntl
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from local import cloud as local_cloud
from local import settings
from local.cloud.processes import tail
from tests.stack.cloud import Cloud
from tests.stack.console import SERVED
from tests.stack.orders import APPROVAL_ABOVE, NEEDS_APPROVAL

#: Of one account, whose bulk orders wait for a second person: see test_approval.
PARAMETERS = {"ApprovalAbove": f"{NEEDS_APPROVAL}={APPROVAL_ABOVE}"}


def _own_folder() -> tuple[Path, TextIO]:
    """The first of .local-test, .local-test-2 ... that no other test run uses; one kept from earlier saves building."""
    for number in itertools.count(1):
        folder = settings.ROOT / (".local-test" if number == 1 else f".local-test-{number}")
        folder.mkdir(exist_ok=True)
        handle = (folder / "in-use").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            continue
        return folder, handle
    raise AssertionError("unreachable: there is always another number")


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """The deployed system with its sandbox, torn down at the end of the run."""
    folder, handle = _own_folder()
    shutil.rmtree(folder / SERVED, ignore_errors=True)
    chosen = settings.Settings(folder, parameters=PARAMETERS)
    said: list[str] = []
    try:
        try:
            outputs = local_cloud.up(chosen, said.append)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run wants to know why
            logs = "\n".join(f"--- {file.name}\n{tail(file)}" for file in sorted(chosen.logs.glob("*.log")))
            pytest.fail("The local cloud did not start:\n" + "\n".join(said) + f"\n{error}\n{logs}", pytrace=False)
        yield Cloud(outputs, folder)
    finally:
        local_cloud.down(chosen)
        handle.close()
