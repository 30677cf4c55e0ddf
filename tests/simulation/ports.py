"""What stands between a simulated process and the world: clocks, keys, and ports on which calls get lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from incentives.domain.accounts import Account
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.ledger import Change, Lost, Record, Status
from tests.pacing.stage import Stage
from tests.support.fakes import FakeLedger, FakeTelemetry

#: Of one call to AWS each way, at most.
AWS_SECONDS: Final = 0.006


class Way(Protocol):
    """What happens on the way to a port and back."""

    def step(self, seconds: float) -> None:
        """Up to so much time passes, or the process dies."""

    def aws_fault(self) -> str | None:
        """What goes wrong with this call, if anything."""


class Died(BaseException):
    """The process is gone: nothing catches this but whoever started it."""


class ProcessClock:
    """`Clock` of one process."""

    def __init__(self, stage: Stage, skew: float) -> None:
        self._stage, self.skew = stage, timedelta(seconds=skew)

    def now(self) -> datetime:
        return self._stage.time + self.skew

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._stage.sleep(seconds)


class Port:
    """A port: time passes on the way there and back, calls and answers get lost, and the process may die."""

    def __init__(self, inner: object, way: Way, *, doubtful: bool = False, faulty: bool = True) -> None:
        """Put it in between.

        Args:
            inner: the port.
            way: what happens on it.
            doubtful: whether a write may have had its effect although it failed.
            faulty: whether calls fail.
        """
        self._inner, self._way, self._doubtful, self._faulty = inner, way, doubtful, faulty

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._inner, method)
        writes = self._doubtful and method in {"open", "apply", "reissue"}

        def call(*args: Any, **options: Any) -> Any:
            way = self._way
            way.step(AWS_SECONDS)
            fault = way.aws_fault() if self._faulty else None
            if fault == "throttled":
                raise LedgerUnavailable("the simulation says so", in_doubt=False)
            if fault == "request lost":
                raise LedgerUnavailable("the simulation says so", in_doubt=writes)
            result = real(*args, **options)
            if fault == "sent twice" and writes:
                # The SDK has lost the answer and sends the same write again, a little later.
                way.step(0.5)
                result = real(*args, **options)
            way.step(AWS_SECONDS)
            if fault == "answer lost":
                raise LedgerUnavailable("the simulation says so", in_doubt=writes)
            return result

        self.__dict__[method] = call
        return call


class Keys:
    """`Accounts` of one process, which keeps what it has read."""

    def __init__(self, secret: Callable[[], Account], faults: Counter[str]) -> None:
        self._secret, self._faults = secret, faults
        self._kept: Account | None = None

    def get(self, name: str, *, fresh: bool = False) -> Account:
        if self._kept is None or fresh:
            self._kept = self._secret()
        return self._kept

    def refused(self, name: str) -> None:
        self._faults["key refused"] += 1


class Telemetry(FakeTelemetry):
    """`Telemetry` that knows when."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def log(self, event: str, **facts: object) -> None:
        super().log(event, **facts)
        self.lines[-1] = (f"{self._stage.seconds:10.3f} {event}", facts)


class Ledger(FakeLedger):
    """`Ledger` in memory, that knows when.

    Attributes:
        void_at: when each record first came to an end without a charge, by the true time.
        stream: each record before and after every write but its first, in order.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.void_at: dict[str, datetime] = {}
        self.stream: list[tuple[Record, Record]] = []

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        before = self.records.get(change.before.request_id)
        written = super().apply(change, nonce)
        if isinstance(written, Record) and before is not None and written is not before:
            self.stream.append((before, written))
        if isinstance(written, Record) and written.status in {Status.REVERSED, Status.REFUSED}:
            self.void_at.setdefault(written.request_id, self._stage.time)
        return written
