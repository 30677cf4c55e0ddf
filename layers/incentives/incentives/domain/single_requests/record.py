"""The ledger's records: states, edges, and the conditional writes that move a record along them.

    PENDING    -> SUCCEEDED | REFUSED | RECOVERING | REVERSING
    RECOVERING -> SUCCEEDED | REFUSED | REVERSING | ESCALATED
    SUCCEEDED  -> REVERSING                                   (cancel, deactivate, void)
    REVERSING  -> REVERSED | SUCCEEDED | REFUSED | ESCALATED  (never back to sending the operation)
    ESCALATED  -> RECOVERING | REVERSING                      (an operator starts another round)
    REFUSED    -> REFUSED                                     (only to name the generation that follows it)

A `Change` names the state and the epoch that it leaves. Whoever holds an older epoch, or thinks the record is in
another state, loses the write and is told how the record stands now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.caller_fields import passed_on

if TYPE_CHECKING:
    from incentives.domain.calls import Evidence
    from incentives.domain.money import Money
    from incentives.domain.operations import Operation
    from incentives.domain.outcomes import AmazonError, ConflictKind


class Status(StrEnum):
    """Where a request stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"
    RECOVERING = "RECOVERING"
    REVERSING = "REVERSING"
    REVERSED = "REVERSED"
    ESCALATED = "ESCALATED"

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something: the record has a `wake_at`."""
        return self in _OPEN


_OPEN: Final = frozenset({Status.PENDING, Status.RECOVERING, Status.REVERSING})

#: Every edge there is. An open state also has an edge to itself: a recorded send, a response that settles nothing,
#: or the raised epoch of whoever takes over.
EDGES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.PENDING, Status.SUCCEEDED, Status.REFUSED, Status.RECOVERING, Status.REVERSING}),
    Status.RECOVERING: frozenset(
        {Status.RECOVERING, Status.SUCCEEDED, Status.REFUSED, Status.REVERSING, Status.ESCALATED}
    ),
    Status.SUCCEEDED: frozenset({Status.REVERSING}),
    Status.REVERSING: frozenset(
        {Status.REVERSING, Status.REVERSED, Status.SUCCEEDED, Status.REFUSED, Status.ESCALATED}
    ),
    # To itself: its case file is completed once the last signature in it is stale.
    Status.ESCALATED: frozenset({Status.ESCALATED, Status.RECOVERING, Status.REVERSING}),
    Status.REFUSED: frozenset({Status.REFUSED}),
    Status.REVERSED: frozenset(),
}


class Intent(StrEnum):
    """What is to become of a request whose outcome is unknown."""

    RETRY = "retry"  # repeat it under the same id until it is answered
    REVERSE = "reverse"  # make sure that nothing is charged
    REISSUE = "reissue"  # reverse it, then issue it under a new id


class Cause(StrEnum):
    """Why a request is being reversed."""

    CANCEL = "cancel"  # a caller asked
    REVERSE = "reverse"  # unknown, and its intent is reverse
    REISSUE = "reissue"  # unknown, and its intent is reissue
    REFUSED = "refused"  # refused after an attempt that may have had its effect
    REFUNDED = "refunded"  # Amazon says that the card was refunded


class TooLateStage(StrEnum):
    """What is known after Amazon called a reversal too late."""

    ANSWERED = "answered"  # no proof of life: the card must be read
    ALIVE = "alive"  # read, and Fulfilled: one more reversal, then it stays
    FINAL = "final"  # too late once more: it is alive, and nobody wants it


#: What of a record the request that follows it has, too, and what is each request's own. Every field says which.
PASSED_ON: Final = MappingProxyType({"passed_on": True})
OWN: Final = MappingProxyType({"passed_on": False})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request as the ledger holds it. Times are aware UTC.

    Attributes:
        request_id: what Amazon knows it by.
        value: what it charges.
        intent: fixed by the caller; accepting a cancel sets it to `reverse` for good.
        epoch: raised by whoever takes the record over; a process with an older one loses every write.
        version: counts writes, for events.
        nonce: of the attempt at the last write, so that a repeated write recognises itself.
        generation: 0 for the first request of its key, one more for each that followed it.
        renewals: how many of those followed a refusal that Amazon had no part in; the others are reissues.
        details: the caller's fields that are readable at rest, as `domain.caller_fields` declares them.
        encrypted: those that are not (a card number), encrypted.
        subject: what of them may be shown: a card number or customer id, masked to its last four characters.
        budget, budget_period: that its amount was taken from, and of which period.
        order_id: of the bulk order that it is a row of.
        decided_by, decided_at: who asked for its last round of recovery, and when.
        attempts: sends of the operation recorded so far, each before it left.
        in_flight: the last recorded send has no recorded response.
        doubt: some attempt may have had its effect without our having read a response that says so.
        first_sent_at, last_sent_at, last_reversal_sent_at: x-amz-dates, whole seconds.
        first_unknown_at: when the first attempt ended unknown.
        answered_at: our clock when Amazon's SUCCESS had been read; the card is no younger than that.
        card_seen: Amazon has shown us this card.
        undone: nothing is charged under this id any more; what is left is to issue its successor.
        no_such_request_at: Amazon's clock when it first said, after the in-flight window, that it knows no such
        request. phase_started_at: when RECOVERING or REVERSING began, or an operator's new round.
        wait_seconds: the last wait between two tries.
        due_at: when the next try is due, for whoever holds the record.
        wake_at: when the holder is presumed dead and anybody may take the record.
        deadline_at: when tries end.
        gave_up: the last try was due and could not even be signed.
        refusal: Amazon's refusal, if one was read.
        error: the last error of any kind.
        history: attempts that did not end the request, oldest first, one line each; the middle of a long one left out.
        case_file: JSON text for Amazon's support, on escalated records.
        mailed_at: when the case was mailed.
    """

    request_id: str = field(metadata=OWN)
    operation: Operation = field(metadata=PASSED_ON)
    account: str = field(metadata=PASSED_ON)
    partner_id: str = field(metadata=PASSED_ON)
    value: Money = field(metadata=PASSED_ON)
    key_hash: str = field(metadata=PASSED_ON)
    status: Status = field(metadata=OWN)
    intent: Intent = field(metadata=PASSED_ON)
    created_at: datetime = field(metadata=OWN)
    updated_at: datetime = field(metadata=OWN)
    epoch: int = field(default=0, metadata=OWN)
    version: int = field(default=1, metadata=OWN)
    nonce: str = field(default="", metadata=OWN)
    generation: int = field(default=0, metadata=OWN)
    renewals: int = field(default=0, metadata=PASSED_ON)
    replaces: str | None = field(default=None, metadata=OWN)
    replaced_by: str | None = field(default=None, metadata=OWN)
    details: Mapping[str, Any] = field(default_factory=dict, metadata=PASSED_ON)
    encrypted: str | None = field(default=None, metadata=PASSED_ON)
    subject: str | None = field(default=None, metadata=PASSED_ON)
    caller: str | None = field(default=None, metadata=PASSED_ON)
    budget: str | None = field(default=None, metadata=PASSED_ON)
    budget_period: str | None = field(default=None, metadata=PASSED_ON)
    order_id: str | None = field(default=None, metadata=PASSED_ON)
    decided_by: str | None = field(default=None, metadata=OWN)
    decided_at: datetime | None = field(default=None, metadata=OWN)
    attempts: int = field(default=0, metadata=OWN)
    in_flight: bool = field(default=False, metadata=OWN)
    doubt: bool = field(default=False, metadata=OWN)
    first_sent_at: datetime | None = field(default=None, metadata=OWN)
    last_sent_at: datetime | None = field(default=None, metadata=OWN)
    first_unknown_at: datetime | None = field(default=None, metadata=OWN)
    answered_at: datetime | None = field(default=None, metadata=OWN)
    card_seen: bool = field(default=False, metadata=OWN)
    gc_id: str | None = field(default=None, metadata=OWN)
    expires_at: datetime | None = field(default=None, metadata=OWN)
    conflict: ConflictKind | None = field(default=None, metadata=OWN)
    cause: Cause | None = field(default=None, metadata=OWN)
    reversal_attempts: int = field(default=0, metadata=OWN)
    last_reversal_sent_at: datetime | None = field(default=None, metadata=OWN)
    too_late: TooLateStage | None = field(default=None, metadata=OWN)
    undone: bool = field(default=False, metadata=OWN)
    no_such_request_at: datetime | None = field(default=None, metadata=OWN)
    phase_started_at: datetime | None = field(default=None, metadata=OWN)
    wait_seconds: int | None = field(default=None, metadata=OWN)
    due_at: datetime | None = field(default=None, metadata=OWN)
    wake_at: datetime | None = field(default=None, metadata=OWN)
    deadline_at: datetime | None = field(default=None, metadata=PASSED_ON)
    gave_up: bool = field(default=False, metadata=OWN)
    refusal: AmazonError | None = field(default=None, metadata=OWN)
    error: AmazonError | None = field(default=None, metadata=OWN)
    evidence: Evidence | None = field(default=None, metadata=OWN)
    history: tuple[str, ...] = field(default=(), metadata=OWN)
    case_file: str | None = field(default=None, metadata=OWN)
    mailed_at: datetime | None = field(default=None, metadata=OWN)

    @property
    def may_have_executed(self) -> bool:
        """Whether Amazon may have done something that we have no response for."""
        return self.doubt or self.in_flight

    @property
    def reissues(self) -> int:
        """How many requests of its key before it were reversed and issued again."""
        return self.generation - self.renewals

    @property
    def never_sent(self) -> bool:
        """Whether nothing ever left this side: every send is recorded before it leaves."""
        return self.attempts == 0

    @property
    def is_at_risk(self) -> bool:
        """Whether Amazon may have charged it without our having read how it ended."""
        return not self.never_sent and not self.undone and (self.status.is_open or self.status is Status.ESCALATED)

    @property
    def waits_for_permit(self) -> bool:
        """Whether nothing but the rate limit has kept it from being sent."""
        return self.status is Status.PENDING and self.never_sent and self.wait_seconds is None


def sum_at_risk(records: Iterable[Record]) -> dict[str, Decimal]:
    """By currency, the sum of those of some records that are at risk."""
    sums: dict[str, Decimal] = {}
    for record in records:
        if record.is_at_risk:
            sums[record.value.currency] = sums.get(record.value.currency, Decimal(0)) + record.value.amount
    return sums


def successor_of(record: Record, **own: Any) -> Record:  # noqa: ANN401 - fields of a record
    """The request that follows another: what is passed on, and what is its own."""
    kept = {each.name: getattr(record, each.name) for each in fields(Record) if each.metadata["passed_on"]}
    return Record(**kept | {"details": passed_on(record.details)} | own)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyItem:
    """What guards one idempotency key, for good.

    Attributes:
        request_id: of the first generation, or of the newest that followed a refusal which Amazon had no part in. Its
            reissues are found by their records' links.
        fingerprint: of the caller's fields, see `request_ids.fingerprint`.
    """

    key_hash: str
    request_id: str
    account: str
    operation: Operation
    fingerprint: Mapping[str, str]
    nonce: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One conditional write.

    It takes effect only if the record still has the status and epoch of `before`, and every field named in
    `requires` is still as it was. Only fields that differ are written.
    """

    before: Record
    after: Record
    requires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.after.status not in EDGES[self.before.status]:
            raise ValueError(f"there is no edge from {self.before.status} to {self.after.status}")
        if self.after.status.is_open and self.after.wake_at is None:
            raise ValueError(f"{self.after.status} without wake_at would never end")
        if self.before.status is Status.REFUSED and (self.before.replaced_by or not self.after.replaced_by):
            raise ValueError("a refused record changes once, and only to name the one that follows it")

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """Names of the record's fields that the write sets or removes."""
        return tuple(name for name in _WRITABLE if getattr(self.before, name) != getattr(self.after, name))

    def is_possible(self, current: Record) -> bool:
        """Whether a record, as it stands, is still what this changes."""
        names = ("status", "epoch", *self.requires)
        return all(getattr(current, name) == getattr(self.before, name) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """That a request is a row of a bulk order, whose record takes over its share of what the order holds.

    Attributes:
        order_id: the order.
        batch: the row's batch, by number; none of its rows is opened once it is closed.
        budget_period: that the order's sum was taken from; None: the order has no budget.
    """

    order_id: str
    batch: int
    budget_period: str | None = None


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """The idempotency key has its item already."""

    key: KeyItem


@dataclass(frozen=True, slots=True)
class Lost:
    """A conditional write whose condition did not hold.

    Attributes:
        current: the record as it stands; None if there is none.
    """

    current: Record | None


@dataclass(frozen=True, slots=True)
class Due:
    """Open requests whose holder is presumed dead.

    Attributes:
        request_ids: longest silent first.
        is_whole: whether all of the index could be read.
    """

    request_ids: tuple[str, ...]
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequests:
    """How many requests are open.

    Attributes:
        unknown: of them, those being recovered or reversed.
        waiting: all others: they wait for their permit, or are being sent at this moment.
        oldest_unknown: since when the oldest of the unknown ones has been recovered or reversed.
    """

    unknown: int = 0
    waiting: int = 0
    oldest_unknown: datetime | None = None


#: `version` and `nonce` belong to the write itself.
_WRITABLE: Final = tuple(f.name for f in fields(Record) if f.name not in {"request_id", "version", "nonce"})


def change(before: Record, *, requires: tuple[str, ...] = (), **updates: Any) -> Change:  # noqa: ANN401 - fields of `Record`, each of its own type
    """Build a `Change` from the fields that it sets. A closing state has no clocks left."""
    status = updates.get("status", before.status)
    if not status.is_open:
        updates |= {"wake_at": None, "due_at": None}
    return Change(before=before, after=replace(before, **updates), requires=requires)


@dataclass(frozen=True, slots=True)
class Reissue:
    """Close the reversed generation and open the next, in one transaction.

    Attributes:
        moves_key: the key's item is to name the successor from now on.
    """

    close: Change
    successor: Record
    moves_key: bool = False
