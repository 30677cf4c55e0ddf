"""The ledger of the unit tests and the simulation keeps the real one's promises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from incentives.domain.accounts.spend import Charge
from incentives.domain.budgets.budget import Budget
from incentives.domain.single_requests.record import Change, KeyItem, KeyTaken, Lost, OrderRow, Record, Reissue
from incentives.usecases.ports import Ledger
from tests.contract.ledger_suite import LedgerContract
from tests.contract.subject import Figures, Subject
from tests.support.fakes import FakeAccountStates, FakeLedger


class TestFakeLedger(LedgerContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return fake_subject()


def fake_subject() -> Subject:
    """The doubles, all of one ledger."""
    ledger = FakeLedger()
    states = FakeAccountStates(ledger=ledger)
    return Subject(ledger, _Repeated(ledger), states, _RepeatedStates(states), FakeDesk(ledger))


class _Repeated(FakeLedger):
    """Carries out every write twice and returns the second response, as an SDK does whose first one was lost."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def open(self, record: Record, key: KeyItem, nonce: str, *, row: OrderRow | None = None) -> Record | KeyTaken:
        self._ledger.open(record, key, nonce, row=row)
        return self._ledger.open(record, key, nonce, row=row)

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        self._ledger.apply(change, nonce)
        return self._ledger.apply(change, nonce)

    def reissue(self, plan: Reissue, nonce: str, *, row: OrderRow | None = None) -> Record | Lost:
        self._ledger.reissue(plan, nonce, row=row)
        return self._ledger.reissue(plan, nonce, row=row)


class _RepeatedStates(FakeAccountStates):
    """Counts everything twice."""

    def __init__(self, states: FakeAccountStates) -> None:
        super().__init__()
        self._counting = states

    def count(self, record: Record, was: Charge | None, now: datetime) -> bool:
        counted = self._counting.count(record, was, now)
        assert not self._counting.count(record, was, now)
        return counted


@dataclass
class FakeDesk:
    ledger: FakeLedger

    def define(self, budget: Budget) -> None:
        self.ledger.budgets.definitions[budget.name] = budget

    def figures(self, name: str, period: str) -> Figures | None:
        budgets = self.ledger.budgets
        found = budgets.periods.get((name, period))
        return Figures(found.limit, found.remaining, budgets.spent.get((name, period), 0)) if found else None

    def set_limit(self, name: str, period: str, minor: int, *, active: bool = True) -> None:
        budgets = self.ledger.budgets
        before = budgets.definitions[name]
        changed = replace(before, limit=minor, active=active, version=before.version + 1)
        budgets.definitions[name] = changed
        found = budgets.periods.get((name, period))
        if found is not None:
            budgets.add(name, replace(found, limit=minor, active=active), minor - found.limit)

    def close(self, order_id: str, batch: int) -> None:
        self.ledger.closed.add((order_id, batch))
