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
from tests.waiting import NO_BROWSER, chromium_program

# Before anything imports them: what they assert is told in full, as in files of tests.
pytest.register_assert_rewrite(
    "tests.console",
    "tests.contract",
    "tests.openapi",
    "tests.pacing",
    "tests.simulation",
    "tests.support",
    "tests.workflow",
)

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

STACK = "tests/stack"
#: The local cloud mostly waits, and what waits in one cloud does not hold up another: where there are several
#: processes, these files have the second of two clouds. All others, also those to come, have the first.
SECOND_CLOUD = {
    f"{STACK}/{name}.py"
    for name in (
        *("test_activations_and_loads", "test_approval", "test_backlog", "test_book_rounds", "test_books"),
        *("test_books_on_local_cloud", "test_budgets", "test_freeze", "test_least_privilege", "test_openapi"),
        *("test_refused_key", "test_rotation", "test_watch"),
    )
}
#: What looks at all that a cloud's tests have left behind does so in each: its tests name the cloud at their end.
FIRST_SHARE, SECOND_SHARE = f"{STACK}, first cloud", f"{STACK}, second cloud"

# What takes longest is begun first, however few tests it has.
FIRST = (
    FIRST_SHARE,
    SECOND_SHARE,
    "tests/simulation/test_simulation.py",
    "tests/unit/test_crash_points.py",
    "tests/pacing/test_under_load.py",
)


class _Shares(LoadScopeScheduling):
    """A file's tests stay together and in order; those of a local cloud with all the files that have the same one.

    After those that take longest come the files with most tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if not file.startswith(f"{STACK}/"):
            return file
        return SECOND_SHARE if file in SECOND_CLOUD or nodeid.endswith("[second cloud]") else FIRST_SHARE

    def schedule(self) -> None:
        # The processes come as they happen to be ready; what is begun first is for those that are not slowed down.
        self.assigned_work = dict(sorted(self.assigned_work.items(), key=lambda each: str(each[0].gateway.id)))
        super().schedule()

    def _assign_work_unit(self, node: WorkerController) -> None:
        for scope in reversed(FIRST):
            if scope in self.workqueue:
                self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def pytest_configure(config: pytest.Config) -> None:
    """Let the first two processes, which have the clouds' tests, go first: all others wait for them in the end."""
    if getattr(config, "workerinput", {}).get("workerid", "gw0") not in {"gw0", "gw1"}:
        os.nice(10)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share out as above, whatever `--dist` says."""
    return _Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests wait for a browser where there is none; in continuous integration they fail."""
    if chromium_program() is not None or os.environ.get("CI") == "true":
        return
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests wait for a browser."""
    skipped = terminalreporter.stats.get("skipped", [])
    waiting = sum(NO_BROWSER in str(each.longrepr) for each in skipped)
    if waiting:
        terminalreporter.write_line(f"{waiting} tests wait for a browser: {NO_BROWSER}", yellow=True)


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
