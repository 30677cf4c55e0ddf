"""What stands between a simulated process and the world: clocks, keys, and ports on which calls get lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.events import Event, NotPublished
from incentives.domain.single_requests.record import Change, KeyItem, KeyTaken, Lost, OrderRow, Record, Reissue, Status
from tests.pacing.stage import Stage
from tests.support.fakes import FakeLedger, FakeNotifier, FakeTelemetry

#: Of one call to AWS each way, at most.
AWS_SECONDS: Final = 0.006

#: For so long the ledger's adapter tries again what is in another write's way.
CONFLICT_SECONDS: Final = 1.0


class Way(Protocol):
    """What happens on the way to a port and back."""

    def step(self, seconds: float) -> None:
        """Up to so much time passes, or the process dies."""

    def aws_fault(self) -> str | None:
        """What goes wrong with this call, if anything."""


class EventsWay(Way, Protocol):
    """The way to the event bus.

    Attributes:
        events: what got there.
    """

    events: list[Event]


class PeopleWay(Way, Protocol):
    def notifier_fault(self) -> str | None:
        """Why they cannot be reached, if they cannot."""


class Died(BaseException):
    """The process is gone: nothing catches this but whoever started it."""


class ProcessClock:
    def __init__(self, stage: Stage, skew: float) -> None:
        self._stage, self.skew = stage, timedelta(seconds=skew)

    def now(self) -> datetime:
        return self._stage.time + self.skew

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._stage.sleep(seconds)


def ledger_unavailable(in_doubt: bool) -> Exception:
    """What the ledger, the rate limiter and their like raise."""
    return LedgerUnavailable("the simulation says so", in_doubt=in_doubt)


def secret_unread(_in_doubt: bool) -> Exception:
    return AccountUnusable("default", "has a secret that cannot be read now")


class Port:
    """A port: time passes on the way there and back, calls and answers get lost, and the process may die."""

    def __init__(
        self,
        inner: object,
        way: Way,
        *,
        writes: Collection[str] = (),
        faulty: bool = True,
        failure: Callable[[bool], Exception] = ledger_unavailable,
    ) -> None:
        """Put it in between.

        Args:
            inner: the port.
            way: what happens on it.
            writes: methods that may have had their effect although they failed.
            faulty: whether calls fail.
            failure: what a failing call raises, given whether it may have had its effect.
        """
        self._inner, self._way, self._writes, self._faulty, self._failure = inner, way, writes, faulty, failure

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._inner, method)
        writes = method in self._writes

        def call(*args: Any, **options: Any) -> Any:
            way = self._way
            way.step(AWS_SECONDS)
            fault = way.aws_fault() if self._faulty else None
            if fault == "throttled":
                raise self._failure(False)
            if fault == "request lost":
                raise self._failure(writes)
            if fault == "conflict" and writes:
                # Another write is under way on the item: this one is refused without effect, and tried again later.
                way.step(CONFLICT_SECONDS)
            result = real(*args, **options)
            if fault == "sent twice" and writes:
                # The SDK has lost the response and sends the same write again, a little later.
                way.step(0.5)
                result = real(*args, **options)
            way.step(AWS_SECONDS)
            if fault == "answer lost":
                raise self._failure(writes)
            return result

        self.__dict__[method] = call
        return call


class Bus:
    """The application's event bus, which takes some events of a call and not others."""

    def __init__(self, way: EventsWay) -> None:
        self._way = way

    def publish(self, events: Sequence[Event]) -> None:
        way = self._way
        way.step(AWS_SECONDS)
        fault = way.aws_fault()
        taken = {"throttled": 0, "request lost": 0, "sent twice": len(events) // 2}.get(fault or "", len(events))
        way.events.extend(events[:taken])
        way.step(AWS_SECONDS)
        if fault is not None:
            raise NotPublished([event.event_id for event in events[taken:]], "the simulation says so")


class Notifier(FakeNotifier):
    """`Notifier` who cannot always be reached, and for whom it takes its time.

    Attributes:
        mailed: each mail, with the true time.
    """

    def __init__(self, way: PeopleWay, stage: Stage) -> None:
        super().__init__()
        self._way, self._stage = way, stage
        self.mailed: list[tuple[datetime, str]] = []

    def mail(self, to: str, subject: str, text: str) -> str | None:
        self._way.step(AWS_SECONDS)
        self.mailed.append((self._stage.time, text))
        fault = self._way.notifier_fault() or super().mail(to, subject, text)
        self._way.step(AWS_SECONDS)
        return fault

    def notify(self, subject: str, text: str) -> str | None:
        self._way.step(AWS_SECONDS)
        fault = self._way.notifier_fault() or super().notify(subject, text)
        self._way.step(AWS_SECONDS)
        return fault


class Telemetry(FakeTelemetry):
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
        opened_at: when each record was first written, by the true time.
        nonces: of all writes.
        stream: each record before and after every write, in order.
        on_write: told of each record that was written.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.void_at: dict[str, datetime] = {}
        self.opened_at: dict[str, datetime] = {}
        self.nonces: set[str] = set()
        self.stream: list[tuple[Record | None, Record]] = []
        self.on_write: Callable[[Record], None] = lambda _: None

    def open(self, record: Record, key: KeyItem, nonce: str, *, row: OrderRow | None = None) -> Record | KeyTaken:
        is_new = record.request_id not in self.records
        opened = super().open(record, key, nonce, row=row)
        if isinstance(opened, Record) and is_new:
            self._written(None, opened)
        return opened

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        before = self.records.get(change.before.request_id)
        written = super().apply(change, nonce)
        if isinstance(written, Record) and written is not before:
            self._written(before, written)
        return written

    def reissue(self, plan: Reissue, nonce: str, *, row: OrderRow | None = None) -> Record | Lost:
        is_new = plan.successor.request_id not in self.records
        opened = super().reissue(plan, nonce, row=row)
        if isinstance(opened, Record) and is_new:
            self._written(None, opened)
        return opened

    def _written(self, before: Record | None, written: Record) -> None:
        self.stream.append((before, written))
        self.nonces.add(written.nonce)
        self.opened_at.setdefault(written.request_id, self._stage.time)
        self.on_write(written)
        if written.status in {Status.REVERSED, Status.REFUSED}:
            self.void_at.setdefault(written.request_id, self._stage.time)
