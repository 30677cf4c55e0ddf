"""The table of the simulations answers as moto's DynamoDB does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from incentives.aws.pacer import DynamoDbPacer
from incentives.domain.pacing import Allowance, Lane, Pace
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
        answers = [_answer(self.quick, params), _answer(self._client, params | {"TableName": self._table})]
        assert answers[0] == answers[1], params
        if "Error" in answers[0]:
            raise ClientError(answers[0], "UpdateItem")
        return answers[0]


def _answer(client: Any, params: dict[str, Any]) -> dict[str, Any]:
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
    pacers = [
        DynamoDbPacer(both, "either", pace=Pace(burst=2), now=lambda skew=skew: clock.now() + timedelta(seconds=skew))
        for skew in (0.0, 0.2, -0.2, 8000.0 * seed)
    ]
    # when they do all that pacers do
    for _ in range(80):
        clock.sleep(chance.choice([0, 0, 0.02, 0.1, 2, 60]))
        pacer = chance.choice(pacers)
        match chance.randrange(8):
            case 0:
                pacer.slow_down("default")
            case 1 | 2:
                pacer.line_up("default")
            case _:
                pacer.reserve("default", chance.choice(list(Lane)), allowance=chance.choice([None, None, *Allowance]))
    # then no answer differed, and there were enough of each kind
    assert min(both.quick.written, both.quick.refused) > 15
