"""The ledger and the pacer against a DynamoDB with threads of its own: the same suites, and real races."""

from __future__ import annotations

from typing import Any

import pytest

from incentives.aws.pacer import DynamoDbPacer
from incentives.domain.pacing import Pace
from tests.contract.dynamodb_suite import DynamoDbLedgerContract, Shop, lose_first_answers
from tests.contract.pacer_model import Now
from tests.contract.pacer_suite import PACE, MakePacer, PacerContract, account
from tests.contract.tables import create_table
from tests.stack.cloud import Cloud

pytestmark = pytest.mark.stack

__all__ = ["account"]


@pytest.fixture(scope="module")
def shared(cloud: Cloud) -> Shop:
    """A table of our own: what these suites write is no work for the deployed functions."""
    client = cloud.client("dynamodb")
    table = create_table(client, "LedgerTable")
    return Shop(client, lose_first_answers(cloud.own_client("dynamodb"), in_process=False), table)


class TestLedgerOnLocalCloud(DynamoDbLedgerContract):
    @pytest.fixture
    def shop(self, shared: Shop) -> Shop:
        return shared


@pytest.fixture(scope="module")
def pacer_client(cloud: Cloud) -> Any:
    return cloud.own_client("dynamodb")


@pytest.fixture(scope="module")
def pacer_table(pacer_client: Any) -> str:
    return create_table(pacer_client, "PacerTable")


class TestPacerOnLocalCloud(PacerContract):
    @pytest.fixture
    def make_pacer(self, pacer_client: Any, pacer_table: str) -> MakePacer:
        def make(now: Now, pace: Pace = PACE) -> DynamoDbPacer:
            return DynamoDbPacer(pacer_client, pacer_table, pace=pace, now=now)

        return make
