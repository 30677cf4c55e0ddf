"""One request's story: every version of its record with the time at which it was written, and Amazon's rows of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from incentives.domain.accounts.account import Activity
from incentives.domain.money import Money, parse_money
from incentives.domain.operations import Operation
from incentives.domain.reconciliation.findings import Kind
from incentives.domain.single_requests.record import Cause, Intent, Record, Status

ACCOUNT: Final = "default"
PARTNER: Final = "Test1"

#: Amazon's names for what charges and what refunds.
CHARGES: Final = {
    Operation.CREATE_GIFT_CARD: "GCCreation",
    Operation.ACTIVATE_GIFT_CARD: "GCActivation",
    Operation.LOAD_AMAZON_BALANCE: "BalanceLoad",
}
REFUNDS: Final = {
    Operation.CREATE_GIFT_CARD: "GCCancellation",
    Operation.ACTIVATE_GIFT_CARD: "GCDeactivation",
    Operation.LOAD_AMAZON_BALANCE: "BalanceLoadVoid",
}


@dataclass(frozen=True, slots=True)
class AmazonRow:
    """One row.

    Attributes:
        at: by Amazon's clock, in whole seconds; the page's frame goes by it, whatever the row shows.
        visible_at: the true time from which the page has it.
        signed: what it moved, in minor units: charges are positive.
    """

    at: datetime
    visible_at: datetime
    activity: Activity
    signed: int


@dataclass
class Story:
    """One request, told from the beginning.

    Attributes:
        amazon: by how much Amazon's clock is ahead.
        late: how long after the event each of its rows is shown.
        states: versions of its record, each with its true time; empty: the ledger knows nothing of it.
        planted: what is to be found of it.
        passing: what may be found of it until a later row mends it.
        settles: how finance settles it, days after it was escalated.
    """

    request_id: str
    operation: Operation
    value: Money
    amazon: timedelta
    late: timedelta
    states: list[tuple[datetime, Record]] = field(default_factory=list)
    rows: list[AmazonRow] = field(default_factory=list)
    planted: list[Kind] = field(default_factory=list)
    passing: list[Kind] = field(default_factory=list)
    settles: tuple[datetime, bool] | None = None

    # ---- the ledger ------------------------------------------------------------------------------

    def created(self, at: datetime, **more: Any) -> Story:
        record = Record(
            request_id=self.request_id,
            operation=self.operation,
            account=ACCOUNT,
            partner_id=PARTNER,
            value=self.value,
            key_hash=f"key-{self.request_id}",
            status=Status.PENDING,
            intent=Intent.RETRY,
            created_at=_ms(at),
            updated_at=_ms(at),
            wake_at=_ms(at),
            **more,
        )
        self.states.append((at, record))
        return self

    def write(self, at: datetime, **updates: Any) -> Story:
        now = self.states[-1][1]
        after = replace(now, updated_at=_ms(at), version=now.version + 1, **updates)
        if not after.status.is_open:
            after = replace(after, wake_at=None)
        self.states.append((at, after))
        return self

    def sent(self, at: datetime) -> Story:
        now = self.states[-1][1]
        second = at.replace(microsecond=0)
        return self.write(at, attempts=now.attempts + 1, first_sent_at=now.first_sent_at or second, last_sent_at=second)

    def succeeded(self, at: datetime) -> Story:
        answered = self.states[-1][1].answered_at or _ms(at)
        return self.write(at, status=Status.SUCCEEDED, answered_at=answered, phase_started_at=None)

    def unknown(self, at: datetime) -> Story:
        return self.write(at, status=Status.RECOVERING, phase_started_at=_ms(at), doubt=True)

    def reversing(self, at: datetime, cause: Cause = Cause.CANCEL) -> Story:
        self.write(at, status=Status.REVERSING, phase_started_at=_ms(at), cause=cause)
        return self.undo_sent(at)

    def undo_sent(self, at: datetime) -> Story:
        now = self.states[-1][1]
        return self.write(
            at, reversal_attempts=now.reversal_attempts + 1, last_reversal_sent_at=at.replace(microsecond=0)
        )

    def reversed(self, at: datetime) -> Story:
        return self.write(at, status=Status.REVERSED, undone=True)

    # ---- Amazon ----------------------------------------------------------------------------------

    def charge(self, at: datetime, paid: Money | None = None, **shown: Any) -> Story:
        return self._row(at, CHARGES[self.operation], paid or self.value, 1, **shown)

    def refund(self, at: datetime, *, bare: bool = True, **shown: Any) -> Story:
        """Amazon names the amount of most refunds no more."""
        return self._row(at, REFUNDS[self.operation], self.value, -1, **({"value": None} if bare else {}), **shown)

    def noise(self, at: datetime, **shown: Any) -> Story:
        """A row that moves nothing."""
        return self._row(at, CHARGES[self.operation], self.value, 0, **shown)

    def _row(self, at: datetime, kind: str, paid: Money, sign: int, **shown: Any) -> Story:
        by_amazon = (at + self.amazon).replace(microsecond=0)
        activity = Activity(
            request_id=self.request_id,
            type=kind,
            status="Success",
            time=by_amazon,
            value=paid,
            gc_id=None,
            failure=None,
            is_real=True,
        )
        activity = replace(activity, **shown)
        minor = int(paid.amount * 100) if paid.currency == "USD" else 0
        self.rows.append(AmazonRow(by_amazon, at + self.late, activity, sign * minor))
        return self

    def plant(self, *kinds: Kind) -> Story:
        self.planted += kinds
        return self

    def passes(self, kind: Kind) -> Story:
        self.passing.append(kind)
        return self

    def at(self, now: datetime) -> Record | None:
        """The record as it stood."""
        found = None
        for moment, record in self.states:
            if moment > now:
                break
            found = record
        return found


def dollars(cents: int) -> Money:
    return parse_money(f"{cents // 100}.{cents % 100:02d}", "USD")


def _ms(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)
