"""The DynamoDB ledger on moto. What moto cannot show, real races, is shown on the local cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import motos
from tests.contract.dynamodb_suite import DynamoDbLedgerContract, Shop, lose_first_responses, open_shop


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[Any, Any]]:
    """One that is answered, and one that loses the first response of each write."""
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        yield motos.client(), lose_first_responses(motos.client(), in_process=True)


class TestDynamoDbLedgerOnMoto(DynamoDbLedgerContract):
    @pytest.fixture
    def shop(self, clients: tuple[Any, Any]) -> Shop:
        # A table for each test: moto copies a whole table in each transaction.
        answered, losing = clients
        return open_shop(answered, losing)
