"""The ledger of the unit tests and the simulation keeps the real one's promises."""

from __future__ import annotations

import pytest

from incentives.domain.single_requests.record import Change, KeyItem, KeyTaken, Lost, OrderRow, Record, Reissue
from incentives.usecases.ports import Ledger
from tests.contract.ledger_suite import LedgerContract
from tests.contract.subject import Subject
from tests.support.fakes import FakeLedger


class TestFakeLedger(LedgerContract):
    @pytest.fixture
    def subject(self) -> Subject:
        ledger = FakeLedger()
        return Subject(ledger, _Repeated(ledger))


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
