"""Values that tests begin from: a record in each state, orders, and attempts with each outcome."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from incentives.domain.calls import Attempt, Evidence
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.outcomes import (
    AmazonError,
    Card,
    ClaimCode,
    Conflict,
    ConflictKind,
    NotExecuted,
    NotExecutedBecause,
    Outcome,
    Refused,
    ReversalOutcome,
    Succeeded,
    Unknown,
    UnknownBecause,
)
from incentives.domain.recovery.waits import deadline
from incentives.domain.single_requests.record import Cause, Intent, Record, Status
from incentives.domain.single_requests.transitions import DEADLINE
from incentives.usecases.single_requests.issue import NewRequest
from incentives.usecases.single_requests.results import Delivered
from tests.support.fakes import CODE, START, World, usd, world

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

REFUSAL = AmazonError(code="F200", type="MaxAmountExceeded", message="Max Amount Exceeded")
RESEND = Unknown(UnknownBecause.RESEND, AmazonError(code="F400", type="SystemTemporarilyUnavailable"))
TIMED_OUT = Unknown(UnknownBecause.TIMED_OUT)
THROTTLED = NotExecuted(NotExecutedBecause.THROTTLED)
NOT_SENT = NotExecuted(NotExecutedBecause.NOT_SENT)
KEY_REFUSED = NotExecuted(NotExecutedBecause.CREDENTIALS)
REFUSED = Refused(REFUSAL)
REFUNDED = Conflict(ConflictKind.REFUNDED, gc_id="GC1")
EXPIRED = Conflict(ConflictKind.EXPIRED, gc_id="GC1")
OTHER_VALUE = Conflict(ConflictKind.VALUE, gc_id="GC1")

UNKNOWNS: Mapping[str, Unknown] = {because.value: Unknown(because) for because in UnknownBecause}

CARD_NUMBER = "6" * 15 + "4321"
CUSTOMER = "amz1.account.TESTTESTTEST"

#: What makes an order of each operation.
ORDERS: dict[Operation, dict[str, Any]] = {
    Operation.CREATE_GIFT_CARD: {},
    Operation.ACTIVATE_GIFT_CARD: {"operation": Operation.ACTIVATE_GIFT_CARD, "given": {"cardNumber": CARD_NUMBER}},
    Operation.LOAD_AMAZON_BALANCE: {
        "operation": Operation.LOAD_AMAZON_BALANCE,
        "given": {"account": {"id": CUSTOMER, "type": "2"}},
    },
}

LIVE = Card(gc_id="GC1", claim_code=ClaimCode(CODE), expires_at=None, status="Fulfilled", value=usd("25.00"))
SUCCESS = Succeeded(LIVE)


def order(**updates: Any) -> NewRequest:
    base = NewRequest(key="order-1", operation=Operation.CREATE_GIFT_CARD, account="default", value=usd("25.00"))
    return replace(base, **updates)


def record(status: Status = Status.PENDING, **updates: Any) -> Record:
    """A record that was sent once, at `START`, and has no response yet."""
    base = Record(
        request_id="Test1AAAA",
        operation=Operation.CREATE_GIFT_CARD,
        account="default",
        partner_id="Test1",
        value=usd("25.00"),
        key_hash="0" * 64,
        status=status,
        intent=Intent.RETRY,
        created_at=START,
        updated_at=START,
        attempts=1,
        in_flight=True,
        first_sent_at=START,
        last_sent_at=START,
        wake_at=START + 30 * SECOND if status.is_open else None,
    )
    return replace(base, **updates)


def holding(kept: Record, *script: Any) -> World:
    """A world whose ledger has this one record."""
    w = world(*script)
    w.ledger.records[kept.request_id] = kept
    return w


def unknown_since(moment: datetime = START, **updates: Any) -> Record:
    """RECOVERING, after an attempt that ended unknown."""
    known = {
        "in_flight": False,
        "doubt": True,
        "first_unknown_at": moment,
        "deadline_at": moment + DEADLINE,
        "phase_started_at": moment,
        "due_at": moment,
    }
    return record(Status.RECOVERING, **(known | updates))


def reversing(cause: Cause = Cause.CANCEL, **updates: Any) -> Record:
    """REVERSING, nothing reversed yet, the card never seen."""
    known = {"cause": cause, "intent": Intent.REVERSE if cause is Cause.CANCEL else Intent.RETRY}
    if cause is Cause.REISSUE:
        known["intent"] = Intent.REISSUE
    return replace(unknown_since(**updates), status=Status.REVERSING, **(known | updates))


def attempt(outcome: Outcome, at: datetime | None = START) -> Attempt[Outcome]:
    return Attempt(outcome=outcome, evidence=_evidence(), amazon_date=at)


def reversal(outcome: ReversalOutcome, at: datetime | None = START) -> Attempt[ReversalOutcome]:
    return Attempt(outcome=outcome, evidence=_evidence(), amazon_date=at)


def past_deadline(of: Record) -> datetime:
    return deadline(of) + SECOND


def _evidence() -> Evidence:
    return Evidence(url="https://amazon.test/CreateGiftCard", amz_date="20260301T120000Z", string_to_sign="test")


def code_of(response: object) -> str:
    """The claim code that a response delivers."""
    assert isinstance(response, Delivered)
    assert response.card is not None
    assert response.card.claim_code is not None
    return response.card.claim_code.reveal()


def gc_id_of(response: object) -> str | None:
    """The id of the card that a response delivers."""
    assert isinstance(response, Delivered)
    assert response.card is not None
    return response.card.gc_id


def fails(
    port: object, method: str, *, at: int | None = 1, takes_effect: bool = False, in_doubt: bool | None = None
) -> None:
    """Let a call of a port fail, the one of this number or each; it may take effect, and be told as it is or not."""
    real, numbers = getattr(port, method), itertools.count(1)

    def call(*args: Any, **named: Any) -> Any:
        if at not in {None, next(numbers)}:
            return real(*args, **named)
        if takes_effect:
            real(*args, **named)
        raise LedgerUnavailable(method, in_doubt=takes_effect if in_doubt is None else in_doubt)

    setattr(port, method, call)


def before(port: object, method: str, happens: Callable[[], object], *, times: int = 1) -> None:
    """Let something happen just before the next calls of a port."""
    real, numbers = getattr(port, method), itertools.count(1)

    def call(*args: Any, **named: Any) -> Any:
        if next(numbers) <= times:
            happens()
        return real(*args, **named)

    setattr(port, method, call)
