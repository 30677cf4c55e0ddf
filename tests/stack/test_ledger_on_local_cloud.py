"""The ledger and the pacer against a DynamoDB with threads of its own: the same suites, and real races."""

from __future__ import annotations

from typing import Any

import pytest

for _suite in ("ledger_suite", "ledger_kept", "ledger_races", "dynamodb_suite", "pacer_suite", "subject"):
    pytest.register_assert_rewrite(f"tests.contract.{_suite}")

from incentives.aws.pacer import DynamoDbPacer  # noqa: E402 - assertions are rewritten on import
from tests.contract.dynamodb_suite import DynamoDbLedgerContract, Shop, lose_first_answers  # noqa: E402
from tests.contract.pacer_suite import RATE, MakePacer, PacerContract, account  # noqa: E402
from tests.contract.tables import create_table  # noqa: E402
from tests.stack.cloud import Cloud  # noqa: E402

pytestmark = pytest.mark.stack

__all__ = ["account"]


@pytest.fixture(scope="module")
def shared(cloud: Cloud) -> Shop:
    """A table of our own: what these suites write is no work for the deployed functions."""
    client = cloud.client("dynamodb")
    table = create_table(client, "LedgerTable")
    return Shop(client, lose_first_answers(cloud.client("dynamodb"), in_process=False), table)


class TestLedgerOnLocalCloud(DynamoDbLedgerContract):
    @pytest.fixture
    def shop(self, shared: Shop) -> Shop:
        return shared


@pytest.fixture(scope="module")
def pacer_client(cloud: Cloud) -> Any:
    return cloud.client("dynamodb")


@pytest.fixture(scope="module")
def pacer_table(pacer_client: Any) -> str:
    return create_table(pacer_client, "PacerTable")


class TestPacerOnLocalCloud(PacerContract):
    @pytest.fixture
    def make_pacer(self, pacer_client: Any, pacer_table: str) -> MakePacer:
        return lambda now: DynamoDbPacer(pacer_client, pacer_table, requests_per_second=RATE, now=now)
