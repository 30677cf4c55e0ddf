"""A small Amazon with a memory: cards by request id, 15 minutes to cancel, calls that get lost or come late."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from incentives.agcod.amazon import FundsAnswer, SignedCall
from incentives.domain.accounts import Account
from incentives.domain.calls import Attempt, Call
from incentives.domain.outcomes import (
    AmazonError,
    Card,
    ClaimCode,
    Conflict,
    ConflictKind,
    NoSuchRequest,
    NotExecuted,
    NotExecutedBecause,
    Outcome,
    Refused,
    ReversalOutcome,
    Reversed,
    Succeeded,
    TooLate,
    Unknown,
    UnknownBecause,
    Unresolved,
)
from tests.support.fakes import FakeClock, ScriptedAmazon, evidence

CANCEL_WINDOW = timedelta(minutes=15)

#: A signature is good for 15 minutes: the latest that a call which left may still arrive.
LATEST_ARRIVAL = timedelta(minutes=14, seconds=55)


class Fault(Enum):
    """What goes wrong with one call."""

    NONE = auto()
    LOST_BEFORE = auto()  # it never arrives
    LOST_AFTER = auto()  # it has its effect, its answer is lost
    LATE = auto()  # no answer, and it arrives at the last moment
    RESEND = auto()  # it has its effect, and Amazon answers that it does not know
    REFUSED = auto()  # refused before the request id is looked up
    THROTTLED = auto()
    KEY_REFUSED = auto()


@dataclass
class ModelCard:
    """A card at Amazon."""

    gc_id: str
    code: str
    born: datetime
    call: Call
    refunded: bool = False


@dataclass
class ModelAmazon:
    """`Amazon`, idempotent by request id.

    Attributes:
        faults: of the next calls, one each.
        arrivals: calls on their way, with the time at which they arrive.
    """

    clock: FakeClock
    faults: list[Fault] = field(default_factory=list)
    cards: dict[str, ModelCard] = field(default_factory=dict)
    arrivals: list[tuple[datetime, Call]] = field(default_factory=list)
    calls: int = 0

    def sign(self, call: Call, account: Account) -> SignedCall:
        return ScriptedAmazon(self.clock).sign(call, account)

    def attempt(self, signed: SignedCall, *, seconds: float) -> Attempt[Outcome]:
        match self._begin(signed):
            case Fault.LOST_BEFORE | Fault.LATE | Fault.LOST_AFTER:
                return self._attempt(signed, Unknown(UnknownBecause.TIMED_OUT), answered=False)
            case Fault.RESEND:
                return self._attempt(signed, Unknown(UnknownBecause.RESEND))
            case Fault.REFUSED:
                error = AmazonError(code="F300", type="OperationNotPermitted", message="not permitted")
                return self._attempt(signed, Refused(error))
            case Fault.THROTTLED:
                return self._attempt(signed, NotExecuted(NotExecutedBecause.THROTTLED))
            case Fault.KEY_REFUSED:
                return self._attempt(signed, NotExecuted(NotExecutedBecause.CREDENTIALS))
            case _:
                return self._attempt(signed, self._show(signed.call))

    def attempt_reversal(self, signed: SignedCall, *, seconds: float) -> Attempt[ReversalOutcome]:
        known = self.cards.get(signed.call.request_id)
        age = self.clock.now() - known.born if known else timedelta()
        match self._begin(signed):
            case Fault.LOST_BEFORE | Fault.LATE | Fault.LOST_AFTER:
                return self._attempt(signed, Unresolved(unknown=UnknownBecause.TIMED_OUT), answered=False)
            case Fault.NONE if known is None:
                return self._attempt(signed, NoSuchRequest())
            case Fault.NONE if known is not None and (known.refunded or age <= CANCEL_WINDOW):
                return self._attempt(signed, Reversed())
            case Fault.NONE:
                return self._attempt(signed, TooLate())
            case _:
                return self._attempt(signed, Unresolved())

    def funds(self, account: Account, *, seconds: float) -> FundsAnswer:
        raise NotImplementedError

    def leave(self, signed: SignedCall) -> None:
        """The caller dies while the call is on its way."""
        self.arrivals.append((self.clock.now() + LATEST_ARRIVAL, signed.call))

    def deliver_late_calls(self) -> None:
        """What has arrived by now has its effect."""
        due = [call for at, call in self.arrivals if at <= self.clock.now()]
        self.arrivals = [(at, call) for at, call in self.arrivals if at > self.clock.now()]
        for call in due:
            self._have_effect(call)

    @property
    def live(self) -> dict[str, ModelCard]:
        """Cards that are charged, by request id."""
        return {request_id: card for request_id, card in self.cards.items() if not card.refunded}

    def _begin(self, signed: SignedCall) -> Fault:
        self.clock.sleep(0.2)
        self.deliver_late_calls()
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        match fault:
            case Fault.NONE | Fault.LOST_AFTER | Fault.RESEND:
                self._have_effect(signed.call)
            case Fault.LATE:
                self.leave(signed)
        return fault

    def _have_effect(self, call: Call) -> None:
        known = self.cards.get(call.request_id)
        if call.name == "CreateGiftCard":
            number = len(self.cards)
            new = ModelCard(f"GC{number}", f"TEST-CANARY-{number:04}", self.clock.now(), call)
            self.cards.setdefault(call.request_id, new)
        elif known is not None and self.clock.now() - known.born <= CANCEL_WINDOW:
            known.refunded = True

    def _show(self, call: Call) -> Outcome:
        card = self.cards[call.request_id]
        if card.refunded:
            return Conflict(ConflictKind.REFUNDED, card.gc_id)
        assert call.value == card.call.value
        assert call.value is not None
        return Succeeded(Card(card.gc_id, ClaimCode(card.code), None, "Fulfilled", call.value))

    def _attempt(self, signed: SignedCall, outcome: Any, *, answered: bool = True) -> Attempt[Any]:
        date = self.clock.now().replace(microsecond=0) if answered else None
        return Attempt(outcome=outcome, evidence=evidence(signed), amazon_date=date)


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@dataclass
class Killer:
    """Counts the moments at which a process may die, and lets it die at some.

    Attributes:
        at: numbers of the moments to die at.
        armed: whether moments are counted at all.
    """

    at: frozenset[int] = frozenset()
    armed: bool = True
    moments: list[str] = field(default_factory=list)

    def moment(self, name: str) -> bool:
        """Count one; whether to die now."""
        if not self.armed:
            return False
        self.moments.append(name)
        return len(self.moments) - 1 in self.at


class Mortal:
    """A port whose every call is a moment to die before and after; a call to Amazon also one while it is under way."""

    def __init__(self, port: object, name: str, killer: Killer) -> None:
        self._port, self._name, self._killer = port, name, killer

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)

        def call(*args: Any, **options: Any) -> Any:
            name = f"{self._name}.{method}"
            if self._killer.moment(f"before {name}"):
                raise Killed(name)
            if method.startswith("attempt") and self._killer.moment(f"during {name}"):
                assert isinstance(self._port, ModelAmazon)
                self._port.leave(args[0])
                raise Killed(name)
            result = real(*args, **options)
            if self._killer.moment(f"after {name}"):
                raise Killed(name)
            return result

        return call
