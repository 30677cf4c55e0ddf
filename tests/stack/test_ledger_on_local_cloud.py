"""The ledger and the rate limiter against a DynamoDB with threads of its own: the same suites, and real races."""

from __future__ import annotations

from typing import Any

import pytest

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.rate_limit import Pace
from tests.contract.dynamodb_suite import DynamoDbLedgerContract, Shop, lose_first_responses, open_shop
from tests.contract.rate_limiter_model import Now
from tests.contract.rate_limiter_suite import PACE, MakeRateLimiter, RateLimiterContract, account
from tests.contract.tables import create_table
from tests.stack.cloud import Cloud

pytestmark = pytest.mark.stack

__all__ = ["account"]


@pytest.fixture(scope="module")
def shared(cloud: Cloud) -> Shop:
    """A table of our own: what these suites write is no work for the deployed functions."""
    return open_shop(cloud.client("dynamodb"), lose_first_responses(cloud.own_client("dynamodb"), in_process=False))


class TestLedgerOnLocalCloud(DynamoDbLedgerContract):
    @pytest.fixture
    def shop(self, shared: Shop) -> Shop:
        return shared


@pytest.fixture(scope="module")
def rate_limiter_client(cloud: Cloud) -> Any:
    return cloud.own_client("dynamodb")


@pytest.fixture(scope="module")
def rate_limiter_table(rate_limiter_client: Any) -> str:
    return create_table(rate_limiter_client, "PacerTable")


class TestRateLimiterOnLocalCloud(RateLimiterContract):
    @pytest.fixture
    def make_rate_limiter(self, rate_limiter_client: Any, rate_limiter_table: str) -> MakeRateLimiter:
        def make(now: Now, pace: Pace = PACE) -> DynamoDbRateLimiter:
            return DynamoDbRateLimiter(rate_limiter_client, rate_limiter_table, pace=pace, now=now)

        return make
