"""The table of the simulations answers as moto's DynamoDB does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.rate_limit import Allowance, Pace, Priority
from tests.contract import motos
from tests.contract.tables import create_table
from tests.pacing.table import Table
from tests.support.fakes import FakeClock


class Both:
    """Sends each update to two tables, and passes on what both have answered."""

    def __init__(self, client: Any, table: str) -> None:
        self.quick = Table()
        self._client = client
        self._table = table

    def update_item(self, **params: Any) -> Any:
        responses = [_response(self.quick, params), _response(self._client, params | {"TableName": self._table})]
        assert responses[0] == responses[1], params
        if "Error" in responses[0]:
            raise ClientError(responses[0], "UpdateItem")
        return responses[0]


def _response(client: Any, params: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"Attributes": client.update_item(**params)["Attributes"]}
    except ClientError as error:
        return {"Error": {"Code": error.response["Error"]["Code"]}, "Item": error.response.get("Item")}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        yield motos.client()


@pytest.mark.parametrize("seed", range(2))
def test_the_quick_table_answers_as_moto_does(seed: int, client: Any) -> None:
    # given processes whose clocks differ, one of them wildly
    chance = random.Random(seed)
    clock = FakeClock()
    both = Both(client, create_table(client, "PacerTable"))
    rate_limiters = [
        DynamoDbRateLimiter(
            both, "either", pace=Pace(burst=2), now=lambda skew=skew: clock.now() + timedelta(seconds=skew)
        )
        for skew in (0.0, 0.2, -0.2, 8000.0 * seed)
    ]
    # when they do all that rate limiters do
    for _ in range(80):
        clock.sleep(chance.choice([0, 0, 0.02, 0.1, 2, 60]))
        rate_limiter = chance.choice(rate_limiters)
        match chance.randrange(10):
            case 0:
                rate_limiter.slow_down("default")
            case 1 | 2:
                rate_limiter.line_up("default")
            case 3:
                rate_limiter.want_activity("default")
            case 4:
                rate_limiter.freeze("default", frozen=chance.random() < 0.5, version=chance.randrange(6))
            case _:
                rate_limiter.reserve(
                    "default",
                    chance.choice(list(Priority)),
                    allowance=chance.choice([None, None, *Allowance]),
                    never_sent=chance.random() < 0.5,
                )
    # then no response differed, and there were enough of each kind
    assert min(both.quick.written, both.quick.refused) > 15
