"""How the calls of an operation grow with the accounts that a deployment has: 1 and 1,000 of them.

Counted, not timed. A request has to do with one account and must cost what it costs with one; only the watch, which
asks for the balance of each, may grow with them, and by the same for each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from tests.bench import account
from tests.bench.events import create, issued, streamed
from tests.bench.operations import OPERATIONS, measure
from tests.bench.report import Line
from tests.bench.stand import Calls, Stand, know_account, standing

SIZES: Final = (1, 1_000)

_WATCH: Final = "watch_account"

#: Of items that DynamoDB takes in one call.
_BATCH: Final = 25
_OF_THE_LAST: Final = "POST /gift-cards, of the account that was made last"


def cost_of_accounts() -> Iterable[Line]:
    """Each operation at each number of accounts."""
    yield from lines(*map(_at, SIZES))


def lines(one: dict[str, Calls], many: dict[str, Calls]) -> Iterable[Line]:
    """What was counted at each size."""
    names = [name for name in one if name != _WATCH]
    others = [name for name in names if (one[name].aws, one[name].amazon) != (many[name].aws, many[name].amazon)]
    yield Line(
        f"operations that make other calls at {SIZES[-1]:,} accounts than at one",
        f"{len(others)} of {len(names)}",
        "none",
        not others,
        baseline="; ".join(others),
    )
    alone, together = (each[_WATCH].aws.total() + len(each[_WATCH].amazon) for each in (one, many))
    each_more = (together - alone) / (SIZES[-1] - 1)
    yield Line(
        f"watch, {SIZES[-1]:,} accounts",
        f"{together} calls, {each_more:.2f} for each more",
        f"<= {alone} an account",
        each_more <= alone,
        baseline=f"at 1: {alone}",
    )


def _at(size: int) -> dict[str, Calls]:
    """What every operation calls in a deployment with so many accounts, each of which has issued a card."""
    with standing() as stand:
        names = ["default", *(f"account-{number:04}" for number in range(1, size))]
        _begin(stand, names[1:])
        found = {operation.name: measure(operation, stand) for operation in OPERATIONS if operation.function != _WATCH}

        def of_the_last(_: Stand) -> dict[str, Any]:
            know_account(names[-1])
            return create(account=names[-1])

        found[_OF_THE_LAST] = measure(replace(OPERATIONS[0], event=of_the_last), stand)
        # Long after whatever this process knows of any of them.
        stand.clock.sleep(3600)
        found[_WATCH] = stand.fresh_count()
        told = stand.run(_WATCH, {})
        if told["watched"] != size:
            raise RuntimeError(f"of {size} accounts not all were watched: {told}")
        return found


def _begin(stand: Stand, others: list[str]) -> None:
    """The default account issues a card and is watched; of the others there is then whatever there is of it."""
    issued(stand)
    stand.run("count_spend", streamed(stand))
    stand.run(_WATCH, {})
    secrets, dynamodb = stand.client("secretsmanager"), stand.client()
    tables = [stand.environment[name] for name in ("RATE_LIMITER_TABLE", "ACCOUNT_TABLE", "LEDGER_TABLE")]
    made = {table: dynamodb.scan(TableName=table)["Items"] for table in tables}
    for name in others:
        secrets.create_secret(Name=f"{account.SECRET_PREFIX}/{name}", SecretString=json.dumps(account.secret()))
    for table, items in made.items():
        puts = [{"PutRequest": {"Item": _like(name, item)}} for name in others for item in items]
        for first in range(0, len(puts), _BATCH):
            dynamodb.batch_write_item(RequestItems={table: puts[first : first + _BATCH]})


def _like(name: str, item: dict[str, Any]) -> dict[str, Any]:
    """The default account's item as another's; keys that do not name the account get it at their end."""
    changed: dict[str, Any] = json.loads(json.dumps(item).replace("default", name))
    if "id" in item and "default" not in item["id"]["S"]:
        changed["id"] = {"S": item["id"]["S"] + name.replace("-", "")}
    return changed
