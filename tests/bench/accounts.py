"""How the calls of an operation grow with the accounts that a deployment has: 1, 100 and 1,000 of them.

Counted, not timed. A request has to do with one account and must cost what it costs with one; only the watch, which
asks for the balance of each, may grow with them, and by the same for each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from incentives.bootstrap import container
from tests.bench import account
from tests.bench.events import create, issued, streamed
from tests.bench.operations import OPERATIONS, Operation, measure
from tests.bench.report import Line
from tests.bench.stand import Calls, Stand, standing

SIZES: Final = (1, 100, 1_000)

_WATCH: Final = "watch_account"


def cost_of_accounts() -> Iterable[Line]:
    """Each operation at each number of accounts."""
    yield from lines([_at(size) for size in SIZES])


def lines(found: list[dict[str, Calls]]) -> Iterable[Line]:
    """What was counted at each size."""
    names = [name for name in found[0] if name != _WATCH]
    others = [name for name in names if any(_of(each, name) != _of(found[0], name) for each in found)]
    yield Line(
        f"operations that make other calls at {SIZES[-1]:,} accounts than at one",
        f"{len(others)} of {len(names)}",
        "none",
        not others,
        baseline="; ".join(others) or f"at {SIZES[1]}: {len(others)}",
    )
    yield Line(
        _OF_THE_LAST,
        _in_words(found[-1]),
        "the same",
        _OF_THE_LAST not in others,
        baseline="; ".join(f"at {size}: {_in_words(each)}" for size, each in zip(SIZES[:-1], found[:-1], strict=True)),
    )
    calls = [sum(each[_WATCH].aws.values()) + len(each[_WATCH].amazon) for each in found]
    each_more = (calls[-1] - calls[0]) / (SIZES[-1] - 1)
    yield Line(
        f"watch, {SIZES[-1]:,} accounts",
        f"{calls[-1]} calls, {each_more:.2f} for each more",
        f"<= {calls[0]} an account",
        each_more <= calls[0],
        baseline="; ".join(f"at {size}: {number}" for size, number in zip(SIZES[:-1], calls[:-1], strict=True)),
    )


def _of(found: dict[str, Calls], name: str) -> tuple[object, object]:
    return found[name].aws, found[name].amazon


def _in_words(found: dict[str, Calls]) -> str:
    return f"{sum(found[_OF_THE_LAST].aws.values())} AWS, {len(found[_OF_THE_LAST].amazon)} Amazon"


_OF_THE_LAST: Final = "POST /gift-cards, of the account that was made last"


def _at(size: int) -> dict[str, Calls]:
    """What every operation calls in a deployment with so many accounts, each of which has issued a card."""
    with standing() as stand:
        names = ["default", *(f"account-{number:04}" for number in range(1, size))]
        _begin(stand, names[1:])
        found = {operation.name: measure(operation, stand) for operation in OPERATIONS if operation.function != _WATCH}
        found[_OF_THE_LAST] = measure(_create_of(names[-1]), stand)
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
        secrets.create_secret(
            Name=f"{stand.environment['ACCOUNT_SECRET_PREFIX']}/{name}", SecretString=json.dumps(account.secret())
        )
        for table, items in made.items():
            puts = [{"PutRequest": {"Item": _like(name, item)}} for item in items]
            dynamodb.batch_write_item(RequestItems={table: puts})


def _like(name: str, item: dict[str, Any]) -> dict[str, Any]:
    """The default account's item as another's; keys that do not name the account get it at their end."""
    text = json.dumps(item)
    of_another = text.replace("default", name)
    changed: dict[str, Any] = json.loads(of_another)
    if "id" in item and "default" not in item["id"]["S"]:
        changed["id"] = {"S": item["id"]["S"] + name.replace("-", "")}
    return changed


def _create_of(name: str) -> Operation:
    plain = OPERATIONS[0]

    def event(_: Stand) -> dict[str, object]:
        container.accounts.get(name)
        return create(account=name)

    return Operation(_OF_THE_LAST, plain.function, plain.aws, plain.amazon, plain.why, event)
