"""What is started can be ended, with all that it started itself; what is not ours is left alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.cloud import processes

# Starts a child of its own, tells its id, and waits for ever; the child does not even mind being asked to end.
STUBBORN = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
started = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
started.stdout.readline()
print(started.pid, flush=True)
time.sleep(600)
"""
SECONDS_MAX = 20.0


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[processes.Service]:
    monkeypatch.setattr(processes, "STOP_GRACE_SECONDS", 0.2)
    started = processes.start("stubborn", [sys.executable, "-c", STUBBORN], tmp_path, os.environ, tmp_path)
    wait_for(lambda: started.log.read_text().strip().isdigit())
    yield started
    processes.stop("stubborn", tmp_path)


def test_stop_ends_the_whole_group(service: processes.Service, tmp_path: Path) -> None:
    # given a service with a child that will not end by itself
    assert len(processes.group_members(service.pid, tmp_path)) == 2
    # when it is stopped
    assert processes.stop("stubborn", tmp_path)
    # then nothing of it is left, and there is nothing to stop any more
    assert processes.group_members(service.pid, tmp_path) == []
    assert not processes.stop("stubborn", tmp_path)


def test_stop_ends_what_outlived_its_parent(service: processes.Service, tmp_path: Path) -> None:
    # given a service that was killed, whose child lives on
    os.kill(service.pid, signal.SIGKILL)
    wait_for(lambda: len(processes.group_members(service.pid, tmp_path)) == 1)
    # when a later command stops it, then the child ends too
    assert processes.stop("stubborn", tmp_path)
    assert processes.group_members(service.pid, tmp_path) == []


def test_stop_leaves_alone_what_is_not_ours(tmp_path: Path) -> None:
    # given a process id in the file that by now belongs to something else
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        (tmp_path / "service.pid").write_text(str(other.pid))
        # when the service is stopped
        assert not processes.stop("service", tmp_path)
        # then the other one lives, and the stale file is gone
        assert other.poll() is None
        assert not (tmp_path / "service.pid").exists()
        other.communicate(b"\n")


def test_garbled_pid_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "service.pid").write_text("not a number")
    assert not processes.stop("service", tmp_path)


def test_service_that_ends_while_starting_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such luck')"]
    service = processes.start("failing", command, tmp_path, os.environ, tmp_path)
    with pytest.raises(processes.ServiceFailedError, match="no such luck"):
        processes.wait_until(service, lambda: False, SECONDS_MAX)


def test_service_that_is_never_ready_is_given_up(service: processes.Service) -> None:
    with pytest.raises(processes.ServiceFailedError, match="was not ready"):
        processes.wait_until(service, lambda: False, 0.0)


def test_failed_step_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(processes.ServiceFailedError, match=r"(?s)step failed \(3\).*the reason"):
        processes.run_step("step", command, tmp_path, os.environ, tmp_path)


class InterruptedForTestError(BaseException):
    """What a signal handler raises."""


def test_interrupted_step_leaves_nothing_behind(tmp_path: Path) -> None:
    # given a step that has started a process of its own
    log = tmp_path / "logs" / "step.log"

    def interrupt(_number: int, _frame: object) -> None:
        raise InterruptedForTestError

    def when_started() -> None:
        wait_for(lambda: log.exists() and log.read_text().strip().isdigit())
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=when_started)
    try:
        thread.start()
        # when the step is interrupted
        with pytest.raises(InterruptedForTestError):
            processes.run_step("step", [sys.executable, "-c", STUBBORN], tmp_path, os.environ, tmp_path)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    # then the process that it had started is gone
    child = int(log.read_text())
    wait_for(lambda: not processes.belongs_to(child, tmp_path))
