"""How several processes share the tests out (`pytest -n 3`); without `-n` one runs them all, in the order of files."""

import fcntl
import os

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from local import settings
from local.cloud import processes

# Before anything imports them: what they assert is told in full, as in files of tests.
pytest.register_assert_rewrite(
    "tests.contract", "tests.openapi", "tests.pacing", "tests.simulation", "tests.support", "tests.workflow"
)

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

STACK = "tests/stack"

# What takes longest is begun first, however few tests it has. The cloud's share mostly waits.
FIRST = (
    STACK,
    "tests/simulation/test_simulation.py",
    "tests/unit/test_crash_points.py",
    "tests/pacing/test_under_load.py",
)


class _Shares(LoadScopeScheduling):
    """A file's tests stay together and in order; those of the local cloud with all their files, as there is only one.

    After those that take longest come the files with most tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return STACK if file.startswith(f"{STACK}/") else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        for scope in reversed(FIRST):
            if scope in self.workqueue:
                self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def pytest_configure(config: pytest.Config) -> None:
    """Let the first process, which has the cloud's tests, go first: all others wait for it in the end."""
    if getattr(config, "workerinput", {}).get("workerid", "gw0") != "gw0":
        os.nice(10)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share out as above, whatever `--dist` says."""
    return _Shares(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what is left of a cloud whose process has ended.

    After Ctrl-C a process is interrupted again five seconds later, maybe while it takes its cloud down, and is killed
    another five seconds later.
    """
    if not config.getoption("tx", None):
        return
    for folder in settings.ROOT.glob(".local-test*"):
        with (folder / "in-use").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for file in folder.glob("*.pid"):
                processes.stop(file.stem, folder)
