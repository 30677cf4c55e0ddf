"""What is known of accounts, in memory; passes the suite of the real table."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from incentives.domain.accounts.alerts import AlertStanding
from incentives.domain.accounts.funds import STALE_MAX, AccountState, Snapshot
from incentives.domain.accounts.spend import (
    AVERAGE_DAYS,
    Charge,
    Tally,
    charge_of,
    counted_for,
    difference,
    forgotten,
    is_to_be_given_back,
    minor_units,
)
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.single_requests.record import Record

if TYPE_CHECKING:
    from tests.support.fakes import FakeLedger


@dataclass
class FakeAccountStates:
    """What is known of accounts, in memory.

    Attributes:
        works: False: the table cannot be reached.
        ledger: whose records' versions giving back depends on, and whose budgets it goes to.
    """

    states: dict[str, AccountState] = field(default_factory=dict)
    counted: dict[str, tuple[int, Charge | None]] = field(default_factory=dict)
    works: bool = True
    ledger: FakeLedger | None = None

    def read(self, account: str, today: date) -> AccountState:
        self._reach()
        state = self.states.get(account, AccountState())
        first = today - timedelta(days=AVERAGE_DAYS)
        return replace(state, days={day: dict(kinds) for day, kinds in state.days.items() if day >= first})

    def keep_funds(self, snapshot: Snapshot) -> None:
        self._reach()
        name, state = snapshot.funds.account, self.states.get(snapshot.funds.account, AccountState())
        kept = state.snapshot
        if kept is None or not snapshot.taken_at <= kept.taken_at <= snapshot.taken_at + STALE_MAX:
            since = state.known_since or snapshot.taken_at
            self.states[name] = replace(state, snapshot=snapshot, known_since=since)

    def keep_standing(self, account: str, standing: AlertStanding) -> bool:
        self._reach()
        state = self.states.get(account, AccountState())
        if state.standing.version != standing.version:
            return False
        self.states[account] = replace(state, standing=replace(standing, version=standing.version + 1))
        return True

    def accounts(self) -> list[str]:
        self._reach()
        return list(self.states)

    def count(self, record: Record, was: Charge | None, now: datetime) -> bool:
        self._reach()
        with self.ledger.lock if self.ledger else nullcontext():
            return self._count(record, was, now)

    def _count(self, record: Record, was: Charge | None, now: datetime) -> bool:
        seen = self.counted.get(record.request_id)
        if seen is not None and seen[0] >= record.version:
            return False
        charge = charge_of(record)
        counted = seen[1] if seen else forgotten(was, now.date(), counted_for(record))
        if not self._count_budget(record, counted, charge):
            return False
        self.counted[record.request_id] = (record.version, charge)
        state = self.states.get(record.account, AccountState())
        days = {day: dict(kinds) for day, kinds in state.days.items()}
        for day, kinds in difference(counted, charge).items():
            for kind, tally in kinds.items():
                days.setdefault(day, {})[kind] = days.get(day, {}).get(kind, Tally()) + tally
        self.states[record.account] = replace(state, days=days)
        return True

    def _count_budget(self, record: Record, counted: Charge | None, charge: Charge | None) -> bool:
        """False: the record has a newer version, which decides whether what it holds is given back."""
        if record.budget is None or record.budget_period is None:
            return True
        assert self.ledger is not None
        budgets, given_back = self.ledger.budgets, self.ledger.given_back
        if is_to_be_given_back(record) and record.request_id not in given_back:
            current = self.ledger.records.get(record.request_id)
            if current is None or current.version != record.version:
                return False
            given_back.add(record.request_id)
            budgets.give_back(record.budget, record.budget_period, minor_units(record.value))
        now, before = (minor_units(each.value) if each else 0 for each in (charge, counted))
        budgets.add_spent(record.budget, record.budget_period, now - before)
        return True

    def _reach(self) -> None:
        if not self.works:
            raise LedgerUnavailable("the accounts' table could not be reached", in_doubt=False)
