"""What is done to the system while callers order: processes die, a schedule is missed, the emulator is restarted."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from local.cloud import processes, services
from local.settings import Settings
from tests.chaos.plan import Blow, blows
from tests.stack.cloud import Cloud, LambdaProcess

#: Time to write down what it holds; on a busy machine that takes longer than ending does.
STOP_SECONDS: Final = 60.0

SWEEP: Final = "SweepRequests"


@dataclass(frozen=True)
class Kill:
    at: datetime
    pid: int
    function: str
    signal: str
    blow: Blow


@dataclass(frozen=True)
class Outage:
    since: datetime
    until: datetime


class StateLostError(Exception):
    """The emulator did not keep what it held, which says nothing about the system under test."""


class Trouble:
    """Everything that happens to the system in one run."""

    def __init__(self, cloud: Cloud, settings: Settings, seed: int, seconds: float) -> None:
        self.kills: list[Kill] = []
        self.outages: list[Outage] = []
        self.missed_seconds = 0.0
        self._cloud = cloud
        self._settings = settings
        self._chance = random.Random(f"trouble {seed}")
        self._blows = blows(seed, seconds)
        self._schedule_off_at: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Deal each blow at its time; leave the schedule as it was found."""
        begun = time.monotonic()
        try:
            for at, blow in self._blows:
                if stop.wait(max(0.0, begun + at - time.monotonic())):
                    return
                self._deal(blow)
        finally:
            if self._schedule_off_at is not None:
                self._deal(Blow.KEEP_SCHEDULE)

    def _deal(self, blow: Blow) -> None:
        match blow:
            case Blow.KILL:
                if found := self._cloud.lambda_processes():
                    self._end(self._chance.choice(found), blow)
            case Blow.KILL_ALL:
                for process in self._cloud.lambda_processes():
                    self._end(process, blow)
            case Blow.MISS_SCHEDULE:
                self._switch_sweep("DISABLED")
                self._schedule_off_at = time.monotonic()
            case Blow.KEEP_SCHEDULE:
                self._switch_sweep("ENABLED")
                if self._schedule_off_at is not None:
                    self.missed_seconds += time.monotonic() - self._schedule_off_at
                self._schedule_off_at = None
            case Blow.RESTART:
                self._restart()

    def _end(self, process: LambdaProcess, blow: Blow) -> None:
        # A function that is told to end has as little say in it as one that is killed: both happen on AWS.
        chosen = self._chance.choice([signal.SIGKILL, signal.SIGTERM])
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, chosen)
            self.kills.append(Kill(datetime.now(UTC), process.pid, process.function_name, chosen.name, blow))

    def _switch_sweep(self, state: str) -> None:
        scheduler = self._cloud.client("scheduler")
        function = self._cloud.outputs.functionNames[SWEEP]
        (name,) = [
            each["Name"]
            for each in scheduler.list_schedules()["Schedules"]
            if each["Target"]["Arn"].endswith(f":{function}")
        ]
        schedule = scheduler.get_schedule(Name=name)
        kept = ("Name", "GroupName", "Description", "ScheduleExpression", "FlexibleTimeWindow", "Target")
        scheduler.update_schedule(**{part: schedule[part] for part in kept if part in schedule}, State=state)

    def _restart(self) -> None:
        """End the emulator with all functions, and start it with what it had; its executions have died."""
        since = datetime.now(UTC)
        port = int(self._cloud.outputs.awsEndpointUrl.rsplit(":", 1)[1])
        for process in self._cloud.lambda_processes():
            self.kills.append(Kill(since, process.pid, process.function_name, "SIGTERM", Blow.RESTART))
        restart_emulator(replace(self._settings, ministack_port=port))
        self.outages.append(Outage(since, datetime.now(UTC)))


def restart_emulator(settings: Settings) -> None:
    """End the emulator of a local cloud and start it again at the port that the settings name, with what it held.

    Raises:
        StateLostError: it has not written down what it held.
    """
    kept = settings.directory / "state" / "dynamodb.json"
    kept.unlink(missing_ok=True)
    processes.stop("ministack", settings.directory, grace_seconds=STOP_SECONDS)
    if not kept.exists():
        raise StateLostError(f"{kept.name} was not written when the emulator ended")
    services.start_ministack(settings)
