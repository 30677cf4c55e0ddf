"""The simulation's DynamoDB answers as moto's does, call by call, to whatever the adapters ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from tests.contract import motos
from tests.contract.tables import create_table
from tests.simulation.dynamo import Dynamo
from tests.simulation.life import Life
from tests.simulation.plan import draw
from tests.simulation.tables import KEYS

_LOGICAL: Final = {
    "ledger": "LedgerTable",
    "orders": "OrdersTable",
    "accounts": "AccountTable",
    "budgets": "BudgetsTable",
}

#: Of what DynamoDB says, what is looked at.
_MEMBERS: Final = ("Item", "Items", "Attributes", "Responses", "Count")

#: Histories in which much is asked.
SEEDS: Final = 2


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        yield motos.client()


def _seeds() -> list[int]:
    # Nothing goes wrong with AWS: of transactions that come twice under one token moto knows nothing.
    plans = (draw(seed) for seed in range(1, 1000))
    found = (each.seed for each in plans if each.control.bulk_budget and len(each.visits) > 8 and not each.aws)
    return [next(found) for _ in range(SEEDS)]


@pytest.mark.parametrize("seed", _seeds())
def test_a_whole_history_gets_the_same_answers(seed: int, moto: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # given tables of both, and a history of which each call is sent to both
    names = {name: create_table(moto, logical) for name, logical in _LOGICAL.items()}
    asked = 0

    def both(method: str) -> None:
        ours = getattr(Dynamo, method)

        def call(dynamo: Dynamo, **params: Any) -> Any:
            nonlocal asked
            asked += 1
            response, error = _answered(lambda: ours(dynamo, **params))
            expected = _answered(lambda: getattr(moto, method)(**_renamed(params, names)))
            assert _facts(response, error, {}) == _facts(*expected, {name: key for key, name in names.items()}), params
            if error is not None:
                raise error
            return response

        monkeypatch.setattr(Dynamo, method, call)

    for method in ("get_item", "batch_get_item", "query", "put_item", "update_item", "transact_write_items"):
        both(method)
    # when
    Life(draw(seed)).play()
    # then
    assert asked > 100
    assert set(KEYS) == set(_LOGICAL)


def _answered(call: Any) -> tuple[Any, ClientError | None]:
    try:
        return call(), None
    except ClientError as error:
        return None, error


def _facts(response: Any, error: ClientError | None, names: dict[str, str]) -> dict[str, Any]:
    if error is not None:
        told: Any = error.response
        reasons = [
            {name: reason.get(name) for name in ("Code", "Item") if reason.get(name)}
            for reason in told.get("CancellationReasons", [])
        ]
        return {"code": told["Error"]["Code"], "item": told.get("Item"), "reasons": reasons}
    found = {name: response[name] for name in _MEMBERS if name in response}
    if "Responses" in found:
        found["Responses"] = {
            names.get(table, table): sorted(items, key=repr) for table, items in found["Responses"].items()
        }
    return found


def _renamed(params: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The same call to moto's tables."""
    found = dict(params)
    if "TableName" in found:
        found["TableName"] = names[found["TableName"]]
    if "RequestItems" in found:
        found["RequestItems"] = {names[table]: asked for table, asked in found["RequestItems"].items()}
    if "TransactItems" in found:
        found["TransactItems"] = [
            {kind: {**action, "TableName": names[action["TableName"]]} for kind, action in each.items()}
            for each in found["TransactItems"]
        ]
    return found
