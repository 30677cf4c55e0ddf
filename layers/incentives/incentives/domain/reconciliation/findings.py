"""What judging a day finds: differences of Amazon and the ledger, items that are still open, and the day's figures.

All sums are whole numbers in minor units (cents, yen). A finding's id is a hash of its facts: facts that change make
another finding, which nobody has resolved yet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

# What is at rest as JSON is read by these types, so they are needed when it is.
from incentives.domain.reconciliation.balance import Level  # noqa: TC001 - see above
from incentives.domain.reconciliation.day_state import Found


class Kind(StrEnum):
    """How Amazon and the ledger stand to each other in one request."""

    MATCHED = "matched"
    REVERSED_PAIR = "reversedPair"
    IN_TRANSIT = "inTransit"
    ESCALATED = "escalated"
    UNKNOWN_TO_LEDGER = "unknownToLedger"
    MISSING_AT_AMAZON = "missingAtAmazon"
    REFUNDED_UNEXPECTEDLY = "refundedUnexpectedly"
    CHARGED_UNEXPECTEDLY = "chargedUnexpectedly"
    CHARGED_TWICE = "chargedTwice"
    AMOUNT_DIFFERS = "amountDiffers"
    UNREADABLE_ROW = "unreadableRow"


SETTLED: Final = frozenset({Kind.MATCHED, Kind.REVERSED_PAIR})
OPEN_KINDS: Final = frozenset({Kind.IN_TRANSIT, Kind.ESCALATED})

#: Money that nobody ordered: people are told at once.
ALERT_KINDS: Final = frozenset(
    {Kind.UNKNOWN_TO_LEDGER, Kind.CHARGED_UNEXPECTEDLY, Kind.CHARGED_TWICE, Kind.AMOUNT_DIFFERS}
)

#: In the bridge, of what both sides have and book on different days.
TIMING: Final = "timing"

#: Of the ids in an event and in an alert.
_NAMED_MAX: Final = 10


class Reason(StrEnum):
    """Why a finding needs nobody's attention any more."""

    EXPLAINED_BY_AMAZON = "explainedByAmazon"
    OTHER_SYSTEM = "otherSystem"
    SUPPORT_CASE = "supportCase"
    SETTLED_CHARGED = "settledCharged"  # an escalated request: the card was charged, and stays so
    SETTLED_REFUNDED = "settledRefunded"  # an escalated request: nothing is charged
    WRITTEN_OFF = "writtenOff"


#: Reasons that say how an escalated request ended; all others are for differences.
SETTLING: Final = frozenset({Reason.SETTLED_CHARGED, Reason.SETTLED_REFUNDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided about a finding."""

    reason: Reason
    note: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What was decided about one finding, the newest last: corrections append."""

    account: str
    difference_id: str
    kind: Kind
    request_id: str
    day: date
    decisions: tuple[Decision, ...]

    @property
    def newest(self) -> Decision:
        """The one that counts."""
        return self.decisions[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSide:
    """The request as the ledger holds it."""

    status: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmazonSide:
    """The request as Amazon's rows show it.

    Attributes:
        nets: charges less refunds, by currency.
        why: of a row that cannot be read.
    """

    charges: int = 0
    refunds: int = 0
    nets: Mapping[str, int] = field(default_factory=dict)
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference, or an item that is still open.

    Attributes:
        request_id: empty for a row that names none.
        amount: what is at stake, never negative: the difference, or the amount at risk of an open item.
        found_on: the booking day that it was found on.
    """

    difference_id: str
    kind: Kind
    request_id: str
    ledger: LedgerSide | None
    amazon: AmazonSide
    amount: int
    currency: str
    found_at: datetime
    found_on: date


def difference_id(kind: Kind, request_id: str, *facts: object) -> str:
    """A finding's id: 24 hexadecimal digits that change with its facts."""
    text = json.dumps([kind.value, request_id, *facts], separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Sum:
    """So many rows, of so much."""

    count: int = 0
    amount: int = 0

    def plus(self, amount: int) -> Sum:
        """With one more row."""
        return Sum(self.count + 1, self.amount + amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What was charged and refunded for one budget, cost center and operation, in one currency."""

    budget: str
    cost_center: str
    operation: str
    currency: str
    charged: int
    refunded: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """A file of the books: where it is, what is in it, and how many rows."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of judging one booking day.

    Attributes:
        currency: the account's.
        carried_from: digest of what the day before left unsettled, that it goes on from.
        source: where Amazon's rows are from.
        charges, refunds: of the rows booked on this day, in the account's currency.
        foreign: charged and refunded in other currencies.
        ledger: what the ledger says was charged on this day, less what was taken back.
        bridge: from the ledger to Amazon, by kind: ledger + bridge = charges - refunds.
        findings: differences that were found on this day and stand.
        cleared: those that an earlier judgement of this day found, and that are gone.
        open_items: requests whose end, or whose rows, are still to come.
        carry: everything that the next day has to look at again: open items, and differences that stand.
        later: requests that are settled, and of which one side books something on a later day.
        levels: the day's balances beside its rows.
        transactions: the day's rows, one line each.
    """

    account: str
    day: date
    currency: str
    zone: str
    tzdata: str
    partner_id: str
    source: str
    final: bool
    incomplete: str | None
    carried_from: str | None
    charges: Sum
    refunds: Sum
    foreign: Mapping[str, tuple[int, int]]
    ledger: int
    bridge: Mapping[str, int]
    findings: tuple[Finding, ...]
    cleared: tuple[Finding, ...]
    open_items: tuple[Finding, ...]
    carry: tuple[Finding, ...]
    later: tuple[str, ...]
    allocation: tuple[Allocation, ...]
    levels: tuple[Level, ...]
    transactions: FileRef

    @property
    def net(self) -> int:
        """Charges less refunds."""
        return self.charges.amount - self.refunds.amount


def carry_digest(carry: Iterable[Finding], later: Iterable[str]) -> str:
    """Tells what one day leaves to the next from anything else that it might leave."""
    text = json.dumps([sorted(f"{each.difference_id}@{each.found_on}" for each in carry), sorted(later)])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def found_by_kind(findings: Iterable[Finding], resolved: Iterable[str], currency: str) -> dict[Kind, Found]:
    """What of the findings is not resolved, by kind; sums are of the account's currency."""
    known, kinds = frozenset(resolved), dict[Kind, list[Finding]]()
    for finding in findings:
        if finding.difference_id not in known:
            kinds.setdefault(finding.kind, []).append(finding)
    return {
        kind: Found(
            count=len(found),
            amount=sum(finding.amount for finding in found if finding.currency == currency),
            request_ids=tuple(finding.request_id for finding in found[:_NAMED_MAX] if finding.request_id),
        )
        for kind, found in sorted(kinds.items())
    }
