"""Starts the services in process groups of their own, and ends every process of such a group, whoever started it.

A service's process id is kept in a file, so that a later command, or a start after a crash, can end it. An id alone
proves nothing, because the system gives it to others later: every process that is started here carries the folder of
its local cloud in its environment, and only processes that carry it are ended.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MARKER = "INCENTIVES_LOCAL_DIR"
# A service that has not ended by itself after this time is ended by force.
STOP_GRACE_SECONDS = 5.0
# Between two looks at whether something has come about; short beside everything that is waited for.
POLL_SECONDS = 0.05
# Services that this very process started: only their parent can take note of their end.
_children: dict[int, subprocess.Popen[bytes]] = {}


class ServiceFailedError(Exception):
    """A service or step did not do what it should; the message holds the end of its log."""


@dataclass(frozen=True)
class Service:
    """A started service: its process id, which is also its group's, and its log."""

    name: str
    pid: int
    log: Path


def start(name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str], cwd: Path) -> Service:
    """Start a service of the local cloud in ``directory``; its output goes to ``logs/<name>.log``."""
    process, log = _launch(name, command, directory, environment, cwd)
    _children[process.pid] = process
    (directory / f"{name}.pid").write_text(f"{process.pid}\n", encoding="utf-8")
    return Service(name, process.pid, log)


def wait_until(service: Service, is_ready: Callable[[], bool], seconds: float) -> None:
    """Wait until a service is ready.

    Raises:
        ServiceFailedError: it ended, or was not ready in time.
    """
    give_up = time.monotonic() + seconds
    while not is_ready():
        if _children[service.pid].poll() is not None:
            raise ServiceFailedError(f"{service.name} ended while starting:\n{tail(service.log)}")
        if time.monotonic() > give_up:
            raise ServiceFailedError(f"{service.name} was not ready after {seconds:.0f} s:\n{tail(service.log)}")
        time.sleep(POLL_SECONDS)


def run_step(name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str], cwd: Path) -> None:
    """Run one step to its end, with its output in ``logs/<name>.log``.

    Raises:
        ServiceFailedError: it failed.
    """
    step, log = _launch(name, command, directory, environment, cwd)
    try:
        status = step.wait()
    except BaseException:
        # Interrupted: what the step has started must not go on alone.
        _signal_group(step.pid, signal.SIGKILL)
        step.wait()
        raise
    if status != 0:
        raise ServiceFailedError(f"{name} failed ({status}); all of it is in {log}:\n{tail(log)}")


def _launch(
    name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str], cwd: Path
) -> tuple[subprocess.Popen[bytes], Path]:
    log = directory / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**environment, MARKER: str(directory)},
            start_new_session=True,
        )
    return process, log


def stop(name: str, directory: Path, grace_seconds: float | None = None) -> bool:
    """End a service that this local cloud started, with all that it started; tell whether there was anything to end.

    Args:
        name: of the service.
        directory: of its local cloud.
        grace_seconds: for ending by itself; a few seconds unless told otherwise.
    """
    file = directory / f"{name}.pid"
    try:
        group = int(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        file.unlink(missing_ok=True)
        return False
    ended = _stop_group(group, directory, STOP_GRACE_SECONDS if grace_seconds is None else grace_seconds)
    file.unlink(missing_ok=True)
    return ended


def group_members(group: int, directory: Path) -> list[int]:
    """Processes of a group that belong to the local cloud in ``directory``."""
    return [each for each in psutil.pids() if _group_of(each) == group and belongs_to(each, directory)]


def belongs_to(pid: int, directory: Path) -> bool:
    """Whether a process carries the mark of the local cloud in ``directory``."""
    try:
        return psutil.Process(pid).environ().get(MARKER) == str(directory)
    except psutil.Error:
        return False


def tail(log: Path, lines: int = 25) -> str:
    """The end of a log, or nothing where there is none."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _stop_group(group: int, directory: Path, grace_seconds: float) -> bool:
    if not group_members(group, directory):
        return False
    _signal_group(group, signal.SIGTERM)
    give_up = time.monotonic() + grace_seconds
    while group_members(group, directory):
        if time.monotonic() > give_up:
            _signal_group(group, signal.SIGKILL)
        if group in _children:
            # So that it does not linger as a zombie.
            _children[group].poll()
        time.sleep(POLL_SECONDS)
    if (child := _children.pop(group, None)) is not None:
        # It has let go of all it had; what is left is to take note of its end.
        child.wait()
    return True


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None
