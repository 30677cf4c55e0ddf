"""A small Amazon with a memory: what it charges for by request id, calls that get lost or come late."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from incentives.agcod.amazon import FundsResponse, SignedCall
from incentives.domain.accounts.account import Account
from incentives.domain.calls import Attempt, Call
from incentives.domain.operations import Operation
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
from incentives.domain.secret_text import Secret
from tests.support.fakes import FakeClock, ScriptedAmazon, evidence

CANCEL_WINDOW = timedelta(minutes=15)

#: A signature is good for 15 minutes: the latest that a call which left may still arrive.
LATEST_ARRIVAL = timedelta(minutes=14, seconds=55)

#: F2010: the physical card is active under another request id.
ALREADY_ACTIVE = AmazonError(code="F200", type="CardAlreadyActivatedWithDifferentRequestId")


class Fault(Enum):
    """What goes wrong with one call."""

    NONE = auto()
    LOST_BEFORE = auto()  # it never arrives
    LOST_AFTER = auto()  # it has its effect, its response is lost
    LATE = auto()  # no response, and it arrives at the last moment
    RESEND = auto()  # it has its effect, and Amazon answers that it does not know
    REFUSED = auto()  # refused before the request id is looked up
    THROTTLED = auto()
    KEY_REFUSED = auto()
    OTHER_VALUE = auto()  # it has its effect, with another amount than asked for
    STALE = auto()  # a reversal is told that there is no such request, whatever there is


@dataclass(slots=True)
class ModelCard:
    """What Amazon charges for under one request id: a card, an activation, a load."""

    gc_id: str
    code: str
    born: datetime
    call: Call
    refunded: bool = False
    other_value: bool = False


@dataclass
class ModelAmazon:
    """`Amazon`, idempotent by request id.

    A created card can be cancelled for 15 minutes, and stays refunded whatever comes late. An activation or a load can
    be undone at any time, and one that comes late undoes its reversal.

    Attributes:
        faults: of the next calls, one each.
        cards: by request id.
        arrivals: calls on their way, with the time at which they arrive.
        late_by: how long a call is on its way that comes late.
        ahead: of our own clock is Amazon's by this much.
        live_max: the most that was ever charged at the same time.
    """

    clock: FakeClock
    faults: list[Fault] = field(default_factory=list)
    cards: dict[str, ModelCard] = field(default_factory=dict)
    arrivals: list[tuple[datetime, Call]] = field(default_factory=list)
    late_by: timedelta = LATEST_ARRIVAL
    ahead: timedelta = timedelta()
    calls: int = 0
    live_max: int = 0

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
        match self._begin(signed):
            case Fault.LOST_BEFORE | Fault.LATE | Fault.LOST_AFTER:
                return self._attempt(signed, Unresolved(unknown=UnknownBecause.TIMED_OUT), answered=False)
            case Fault.STALE:
                return self._attempt(signed, NoSuchRequest())
            case Fault.NONE if known is None:
                return self._attempt(signed, NoSuchRequest())
            case Fault.NONE if known is not None and not self._is_too_late(known, self.now()):
                return self._attempt(signed, Reversed())
            case Fault.NONE:
                # Whether it is alive or had been cancelled in time: the response is the same.
                return self._attempt(signed, TooLate())
            case _:
                return self._attempt(signed, Unresolved())

    def funds(self, account: Account, *, seconds: float) -> FundsResponse:
        raise NotImplementedError

    def activation_status(self, account: Account, *, request_id: str, card_number: Secret, seconds: float) -> Any:
        raise NotImplementedError

    def activity_page(self, account: Account, *, request_id: str, query: Any, seconds: float) -> Any:
        # The gateway's crash points are elsewhere; the activity itself has tests of its own.
        return Refused(AmazonError("F300", "APIGetGiftCardActivityPageIsDisabled"))

    def now(self) -> datetime:
        """Amazon's own clock."""
        return self.clock.now() + self.ahead

    def leave(self, signed: SignedCall) -> None:
        """The caller dies while the call is on its way."""
        self.arrivals.append((self.now() + self.late_by, signed.call))

    def deliver_late_calls(self) -> None:
        """What has arrived by now has its effect."""
        if not self.arrivals:
            return
        now = self.now()
        due = [(at, call) for at, call in self.arrivals if at <= now]
        self.arrivals = [(at, call) for at, call in self.arrivals if at > now]
        for at, call in due:
            self._have_effect(call, at)

    @property
    def live(self) -> dict[str, ModelCard]:
        """What is charged, by request id."""
        return {request_id: card for request_id, card in self.cards.items() if not card.refunded}

    def _begin(self, signed: SignedCall) -> Fault:
        self.clock.sleep(0.2)
        self.deliver_late_calls()
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        match fault:
            case Fault.NONE | Fault.LOST_AFTER | Fault.RESEND:
                self._have_effect(signed.call, self.now())
            case Fault.OTHER_VALUE:
                self._have_effect(signed.call, self.now())
                self.cards[signed.call.request_id].other_value = True
            case Fault.LATE:
                self.leave(signed)
        return fault

    def _have_effect(self, call: Call, at: datetime) -> None:
        known = self.cards.get(call.request_id)
        if call.name not in set(Operation):
            if known is not None and not self._is_too_late(known, at):
                known.refunded = True
        elif known is None:
            if not self._is_active_elsewhere(call):
                number = len(self.cards)
                new = ModelCard(f"GC{number}", f"TEST-CANARY-{number:04}", at, call)
                self.cards[call.request_id] = new
        elif call.name != Operation.CREATE_GIFT_CARD and not self._is_active_elsewhere(call):
            known.refunded = False
        self.live_max = max(self.live_max, len(self.live))

    def _is_too_late(self, card: ModelCard, at: datetime) -> bool:
        return card.call.name == Operation.CREATE_GIFT_CARD and at - card.born > CANCEL_WINDOW

    def _is_active_elsewhere(self, call: Call) -> bool:
        return call.card_number is not None and any(
            card.call.card_number == call.card_number and request_id != call.request_id
            for request_id, card in self.live.items()
        )

    def _show(self, call: Call) -> Outcome:
        card = self.cards.get(call.request_id)
        if card is None or self._is_active_elsewhere(call):
            return Refused(ALREADY_ACTIVE)
        if card.refunded:
            return Conflict(ConflictKind.REFUNDED, card.gc_id)
        if card.other_value:
            return Conflict(ConflictKind.VALUE, card.gc_id)
        assert call.value is not None
        assert call.value == card.call.value
        if call.name != Operation.CREATE_GIFT_CARD:
            return Succeeded(Card(None, None, None, "Activated", call.value))
        return Succeeded(Card(card.gc_id, ClaimCode(card.code), None, "Fulfilled", call.value))

    def _attempt(self, signed: SignedCall, outcome: Any, *, answered: bool = True) -> Attempt[Any]:
        date = self.now().replace(microsecond=0) if answered else None
        return Attempt(outcome=outcome, evidence=evidence(signed), amazon_date=date)
