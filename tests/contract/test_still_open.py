"""What is open, and what of it is at risk: every ledger counts the same, each in a table of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.domain.money import Money
from incentives.domain.single_requests.record import OpenRequests, Status, change
from incentives.usecases.ports import Ledger
from tests.contract import motos
from tests.contract.records import in_state, new_nonce
from tests.contract.subject import opened
from tests.contract.tables import create_table
from tests.support.fakes import FakeLedger
from tests.support.holds import beside

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["in memory", "DynamoDB"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "in memory":
        yield FakeLedger()
        return
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        client = motos.client()
        yield DynamoDbLedger(client, create_table(client, "LedgerTable"), beside=beside(client), sleep=lambda _: None)


def test_nothing_is_open_at_first(ledger: Ledger) -> None:
    assert ledger.still_open() == OpenRequests(unknown=0, waiting=0, oldest_unknown=None)


def test_open_requests_are_counted_by_whether_their_outcome_is_known(ledger: Ledger) -> None:
    # given two in doubt, three that wait, and some that have ended
    opened(ledger, in_state(Status.RECOVERING, phase_started_at=BEGAN + HOUR))
    oldest = opened(ledger, in_state(Status.REVERSING, phase_started_at=BEGAN))
    for _ in range(3):
        opened(ledger, in_state(Status.PENDING))
    for status in (Status.SUCCEEDED, Status.REFUSED, Status.REVERSED, Status.ESCALATED):
        opened(ledger, in_state(status, phase_started_at=BEGAN - HOUR))
    # then
    assert ledger.still_open() == OpenRequests(unknown=2, waiting=3, oldest_unknown=BEGAN)
    # and when the oldest ends, the next one is the oldest
    ledger.apply(change(oldest, status=Status.REVERSED), new_nonce())
    assert ledger.still_open() == OpenRequests(unknown=1, waiting=3, oldest_unknown=BEGAN + HOUR)


def test_at_risk_is_what_may_have_been_sent_and_has_not_ended(ledger: Ledger) -> None:
    assert ledger.amount_at_risk("default") == {}
    # given one in each state that was sent, and others that cannot have cost anything
    records = {status: opened(ledger, in_state(status, attempts=1)) for status in Status}
    opened(ledger, in_state(Status.PENDING))
    opened(ledger, in_state(Status.REVERSING, attempts=1, undone=True))
    opened(ledger, in_state(Status.PENDING, attempts=1, account="another"))
    opened(ledger, in_state(Status.PENDING, attempts=1, value=Money(Decimal(700), "JPY")))
    # then
    assert ledger.amount_at_risk("default") == {"USD": Decimal("75.00"), "JPY": Decimal(700)}
    # and when one has ended, it is not any more
    ledger.apply(change(records[Status.RECOVERING], status=Status.SUCCEEDED), new_nonce())
    assert ledger.amount_at_risk("default") == {"USD": Decimal("50.00"), "JPY": Decimal(700)}
