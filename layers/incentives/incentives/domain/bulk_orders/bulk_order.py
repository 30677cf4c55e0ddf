"""Bulk orders: a file of gift cards, validated whole, then issued row by row at the pace that callers leave over.

    AWAITING_FILE -> VALIDATING -> INVALID | VALIDATED (dry run) | ISSUING
    VALIDATING -> AWAITING_APPROVAL -> ISSUING           (its sum is one that a second person has to approve)
    AWAITING_APPROVAL -> VALIDATED                       (rejected, or approved by nobody in time)
    VALIDATING, AWAITING_APPROVAL -> VALIDATED           (its budget does not allow it)
    AWAITING_APPROVAL -> INVALID                         (another order has the same rows meanwhile)
    INVALID, VALIDATED -> VALIDATING                     (started again, perhaps with another file)
    ISSUING <-> PAUSED
    VALIDATING, ISSUING, PAUSED -> STOPPING -> SETTLING  (somebody stopped it)
    ISSUING -> SETTLING -> FINISHED                      (every row has been tried; now each has to end)
    SETTLING -> PAUSED                                   (rows have ended without Amazon having looked at them)
    AWAITING_FILE, INVALID, VALIDATED, AWAITING_APPROVAL -> FINISHED    (stopped before anything was issued)

A round is one life of the order's workflow. Starting, approving and resuming raise it, and whoever works in another
round than the order's does nothing. Handing the file's address to one more person raises it too: of two writes, one of
which knows of that person and one does not, the second is refused. Rows are worked on in batches; how far one has come
is an item of its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.single_requests.record import Intent, Record, Status
from incentives.domain.single_requests.request_ids import hash_key

if TYPE_CHECKING:
    from incentives.domain.money import Money
    from incentives.domain.persons import Identity

#: Rows that one child of the workflow works on: at one a second it is done within an Express execution's five minutes.
BATCH_ROWS: Final = 50

#: Characters of an order id: 130 bits of a SHA-256.
ORDER_ID_LENGTH: Final = 26

#: So long the rows of one order are not to be issued by another, unless that is said to be on purpose.
SAME_ROWS_FOR: Final = timedelta(days=90)


class FileFormat(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    JSONL = "jsonl"


class OrderStatus(StrEnum):
    """Where a bulk order stands."""

    AWAITING_FILE = "AWAITING_FILE"
    VALIDATING = "VALIDATING"
    INVALID = "INVALID"
    VALIDATED = "VALIDATED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    ISSUING = "ISSUING"
    PAUSED = "PAUSED"
    STOPPING = "STOPPING"
    SETTLING = "SETTLING"
    FINISHED = "FINISHED"

    @property
    def takes_file(self) -> bool:
        """Whether the file may still be put, or put anew."""
        return self in _TAKES_FILE

    @property
    def is_worked_on(self) -> bool:
        """Whether a workflow runs for it."""
        return self in _WORKED_ON


S = OrderStatus

_TAKES_FILE: Final = frozenset({S.AWAITING_FILE, S.INVALID, S.VALIDATED})
_WORKED_ON: Final = frozenset({S.VALIDATING, S.ISSUING, S.STOPPING, S.SETTLING})

#: Every edge there is. To itself: another round, because the workflow of the last one has died, or because one more
#: person may put the file; or the note that the operators know of an order that awaits its approval.
EDGES: Final[Mapping[S, frozenset[S]]] = {
    S.AWAITING_FILE: frozenset({S.AWAITING_FILE, S.VALIDATING, S.FINISHED}),
    S.VALIDATING: frozenset({S.VALIDATING, S.INVALID, S.VALIDATED, S.AWAITING_APPROVAL, S.ISSUING, S.STOPPING}),
    S.INVALID: frozenset({S.INVALID, S.VALIDATING, S.FINISHED}),
    S.VALIDATED: frozenset({S.VALIDATED, S.VALIDATING, S.FINISHED}),
    S.AWAITING_APPROVAL: frozenset({S.AWAITING_APPROVAL, S.ISSUING, S.VALIDATED, S.INVALID, S.FINISHED}),
    S.ISSUING: frozenset({S.ISSUING, S.PAUSED, S.STOPPING, S.SETTLING}),
    S.PAUSED: frozenset({S.ISSUING, S.STOPPING}),
    S.STOPPING: frozenset({S.STOPPING, S.SETTLING}),
    S.SETTLING: frozenset({S.SETTLING, S.PAUSED, S.FINISHED}),
    S.FINISHED: frozenset(),
}


class Decision(StrEnum):
    """What a second person said of an order."""

    APPROVE = "approve"
    REJECT = "reject"


class RowOutcome(StrEnum):
    """How one row stands; the word in the result file, and the name of its count."""

    ISSUED = "issued"
    REFUSED = "refused"
    OPEN = "open"
    REVERSED = "reversed"
    ESCALATED = "escalated"
    NOT_ISSUED = "notIssued"


def row_outcome(record: Record | None) -> RowOutcome:
    """What the newest generation of a row's request says; None: there is no request."""
    if record is None:
        return RowOutcome.NOT_ISSUED
    match record.status:
        case Status.SUCCEEDED:
            return RowOutcome.ISSUED
        case Status.REFUSED:
            return RowOutcome.REFUSED
        case Status.REVERSED:
            return RowOutcome.REVERSED
        case Status.ESCALATED:
            return RowOutcome.ESCALATED
        case Status.PENDING | Status.RECOVERING | Status.REVERSING:
            return RowOutcome.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows stand how.

    Attributes:
        waiting: not tried yet.
        not_issued: not tried, and never will be: the order was stopped.
    """

    issued: int = 0
    refused: int = 0
    open: int = 0
    reversed: int = 0
    escalated: int = 0
    not_issued: int = 0
    waiting: int = 0

    def plus(self, outcome: RowOutcome, rows: int = 1) -> Counts:
        """With rows of an outcome added."""
        name = _COUNT_OF[outcome]
        return replace(self, **{name: getattr(self, name) + rows})

    @property
    def done(self) -> int:
        """Rows that have been tried, or never will be."""
        return self.issued + self.refused + self.open + self.reversed + self.escalated + self.not_issued


_COUNT_OF: Final[Mapping[RowOutcome, str]] = {
    RowOutcome.ISSUED: "issued",
    RowOutcome.REFUSED: "refused",
    RowOutcome.OPEN: "open",
    RowOutcome.REVERSED: "reversed",
    RowOutcome.ESCALATED: "escalated",
    RowOutcome.NOT_ISSUED: "not_issued",
}


def add(total: dict[str, Decimal], value: Money) -> None:
    """Add an amount to a sum by currency."""
    total[value.currency] = total.get(value.currency, Decimal()) + value.amount


def sum_of(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    total = dict.fromkeys((each.name for each in fields(Counts)), 0)
    for one in counts:
        for name in total:
            total[name] += getattr(one, name)
    return Counts(**total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How far the rows of one batch have come.

    Attributes:
        number: from 1.
        counts: of its first rows, in order, as they stood when they were tried or settled.
        issued_value: sum of the issued rows, by currency.
        settled: each of its rows has ended, and its part of the result is written.
        round: of the order, in which that was written.
        unopened: sum of the rows that no record had taken over when they were settled, in minor units.
    """

    number: int
    counts: Counts = field(default_factory=Counts)
    issued_value: Mapping[str, Decimal] = field(default_factory=dict)
    settled: bool = False
    round: int = 0
    updated_at: datetime | None = None
    unopened: int = 0

    @property
    def done(self) -> int:
        """Rows tried, from the first."""
        return self.counts.done


@dataclass(frozen=True, slots=True)
class FileError:
    """What is wrong with the file.

    Attributes:
        line: from 1, on which the row begins; 1 also for what is wrong with the file as a whole.
        field: the column, or the field of a line of JSON, that is to blame; None for the whole line.
        problem: what is wrong with it.
    """

    line: int
    field: str | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOrder:
    """One bulk order as its table holds it. Times are aware UTC.

    Attributes:
        round: counts the lives of its workflow; 0: never started.
        partner_id: whose request ids its rows have; fixed once rows are issued.
        on_unknown: what is to become of a row whose outcome is unknown.
        caller: who ordered, as shown to people; goes into every row's record.
        makers: who ordered, may have put the file, or started it, as their signatures told: none of them approves it.
            None at all: of a time before makers were kept.
        started_by: who started it last, as shown to people.
        budget: that its sum is taken from.
        budget_period: of the budget, that the order holds from.
        held: what it took from there when it began, in minor units; its rows' records take over from this.
        dry_run: only to be validated.
        totals_seen: what whoever started it had seen of `totals`: a file of another sum is not issued. Empty: any is.
        rows: of the file; 0 until it was found valid.
        row_bytes: width of one row in `rows_name`.
        rows_name: of the object that holds the rows, named by what is in it; only while they are issued or may be.
        rows_digest: what these rows are known by among orders; None where they were begun before it was kept.
        totals: the file's, by currency.
        errors: the first hundred.
        blank_rows, empty_columns: of the file, left out.
        allow_same_rows: its rows are issued even if another order of the account issues the same.
        same_rows_as: the other order, on whose account it is INVALID.
        approval_digest: what is approved: account, budget and rows.
        approval_until: from then on nobody can.
        told_at: when the operators were told that it awaits its approval.
        decision, decided_by, decided_at: of the last one, since it was started.
        rejected_because: in the words of whoever rejected it.
        why_not_started: it is VALIDATED, and that is why.
        stopped_at: when somebody stopped it.
        why_paused: what must be mended before resuming; None: a caller paused it.
        issuing_since: when issuing last began; `done_before`: the rows tried by then.
        issuing_until: when it last ended.
    """

    order_id: str
    account: str
    partner_id: str
    format: FileFormat
    on_unknown: Intent
    status: OrderStatus
    created_at: datetime
    updated_at: datetime
    round: int = 0
    caller: str | None = None
    dry_run: bool = False
    totals_seen: Mapping[str, Decimal] = field(default_factory=dict)
    rows: int = 0
    row_bytes: int = 0
    rows_name: str | None = None
    totals: Mapping[str, Decimal] = field(default_factory=dict)
    errors: tuple[FileError, ...] = ()
    error_count: int = 0
    blank_rows: int = 0
    empty_columns: int = 0
    allow_same_rows: bool = False
    same_rows_as: str | None = None
    makers: tuple[Identity, ...] = ()
    started_by: str | None = None
    budget: str | None = None
    budget_period: str | None = None
    held: int = 0
    rows_digest: str | None = None
    approval_digest: str | None = None
    approval_until: datetime | None = None
    told_at: datetime | None = None
    decision: Decision | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    rejected_because: str | None = None
    why_not_started: str | None = None
    stopped_at: datetime | None = None
    why_paused: str | None = None
    issuing_since: datetime | None = None
    issuing_until: datetime | None = None
    done_before: int = 0
    finished_at: datetime | None = None

    @property
    def batches(self) -> int:
        """How many there are; they are numbered from 1."""
        return -(-self.rows // BATCH_ROWS)

    def rows_of(self, batch: int) -> range:
        """Numbers of a batch's rows, from 0."""
        return range((batch - 1) * BATCH_ROWS, min(batch * BATCH_ROWS, self.rows))

    def looks_again(self, batch: Batch) -> bool:
        """Whether the rows of a batch that have been tried are to be looked at again.

        A row that was open when an earlier round tried it may have ended since without Amazon having looked at it.
        """
        return batch.counts.open > 0 and batch.round < self.round

    def has_work(self, batch: Batch) -> bool:
        """Whether a batch has rows that this round is to try or to look at again."""
        return batch.done < len(self.rows_of(batch.number)) or self.looks_again(batch)

    def key_hash(self, row_key: str) -> str:
        """By which a row's request is found: whoever has the order and the row has it."""
        return hash_key(row_idempotency_key(self.order_id, row_key))


@dataclass(frozen=True, slots=True)
class Upload:
    """Where the file is to be put, by whoever has this URL.

    Attributes:
        headers: to be sent as they are.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str]
    expires_at: datetime
    method: str = "PUT"


@dataclass(frozen=True, slots=True)
class Download:
    """Where the result is, for whoever has this URL."""

    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as its callers see it.

    Attributes:
        order: as its table holds it.
        counts: of all rows; each waits until it is tried.
        issued_value: sum of the issued rows, by currency.
        requests_per_second: rows tried since issuing last began; None before the first.
        estimated_end_at: of issuing, at this rate; None unless rows are being issued.
        upload: where the file may be put now.
        result: once finished; None if nothing was ever to be issued.
        replayed: it stood so before this call.
    """

    order: BulkOrder
    counts: Counts = field(default_factory=Counts)
    issued_value: Mapping[str, Decimal] = field(default_factory=dict)
    requests_per_second: float | None = None
    estimated_end_at: datetime | None = None
    upload: Upload | None = None
    result: Download | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """An order that is not, or no longer, as a write took it to be.

    Attributes:
        current: as it stands; None if there is none.
    """

    current: BulkOrder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsClaim:
    """That an order is the one that issues its rows.

    Attributes:
        digest: what the rows are known by.
        claimed_at: aware UTC.
        round: of the order, in which it was made; 0: before this was kept.
        instead_of: the order whose claim it takes the place of, by intent or because nothing is charged for that one;
            None: of none that still holds.
        is_firm: it holds whatever becomes of its order: it has taken the place of one that held.
    """

    account: str
    digest: str
    order_id: str
    claimed_at: datetime
    round: int = 0
    instead_of: str | None = None
    is_firm: bool = False

    @property
    def expires_at(self) -> datetime:
        """From when on anybody may claim these rows."""
        return self.claimed_at + SAME_ROWS_FOR


@dataclass(frozen=True, slots=True)
class RowsTaken:
    """The rows of an order are another's; nothing was written.

    Attributes:
        claim: the other's.
    """

    claim: RowsClaim


class Started(Enum):
    """What became of starting a round's workflow."""

    RUNNING = auto()  # by this start, or by an earlier one
    ENDED = auto()  # it has run, and runs no more
    FAILED = auto()  # not now


def moved(order: BulkOrder, status: OrderStatus, now: datetime, **updates: Any) -> BulkOrder:  # noqa: ANN401 - fields of `BulkOrder`, each of its own type
    """An order that has come to another state, or to another round of the same.

    Raises:
        ValueError: there is no such edge.
    """
    if status not in EDGES[order.status]:
        raise ValueError(f"there is no edge from {order.status} to {status}")
    return replace(order, status=status, updated_at=now, **updates)


def next_round(order: BulkOrder, status: OrderStatus, now: datetime, **updates: Any) -> BulkOrder:  # noqa: ANN401 - as above
    """The same in another round: whoever works in an older one stops."""
    return moved(order, status, now, round=order.round + 1, **updates)


def not_started(order: BulkOrder, now: datetime, why: str | None, **updates: Any) -> BulkOrder:  # noqa: ANN401 - as above
    """An order that is not issued for now: it lets its rows go, and may be started again."""
    return moved(order, OrderStatus.VALIDATED, now, why_not_started=why, **NO_ROWS, **updates)


#: Of an order whose rows are neither issued nor about to be.
NO_ROWS: Final[Mapping[str, Any]] = {"row_bytes": 0, "rows_name": None, "rows_digest": None}


def derive_order_id(account: str, key: str) -> str:
    """The id of the order that an idempotency key names: a repeat cannot make a second one."""
    digest = hashlib.sha256(f"bulk order\n{account}\n{key}".encode()).digest()
    return base64.b32encode(digest).decode("ascii")[:ORDER_ID_LENGTH]


def row_idempotency_key(order_id: str, row_key: str) -> str:
    """A row's idempotency key. No caller can send this one: it holds a line feed."""
    return f"{order_id}\n{row_key}"
