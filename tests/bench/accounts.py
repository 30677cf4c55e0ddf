"""How the calls of an operation grow with the accounts that a deployment has: 1 and 1,000 of them.

Counted, not timed. A request has to do with one account and must cost what it costs with one; only the watch, which
asks for the balance of each, and the recount of budgets, which reads the requests of each, may grow with them, and by
the same for each. The emulator takes minutes for a watch of
1,000: what one account takes is measured among few, what a watch takes beside them at 1,000, and the rest is a sum.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from incentives.usecases.accounts.get_accounts import PAGE_MAX
from incentives.usecases.accounts.watch_account import SECONDS_FOR_AN_ACCOUNT
from tests.bench import account
from tests.bench.events import create, issued, request, streamed
from tests.bench.operations import OPERATIONS, measure
from tests.bench.report import Line
from tests.bench.stand import Calls, Stand, know_account, standing

SIZES: Final = (1, 1_000)

#: Accounts of which a watch asks about each.
WATCHED: Final = (1, 10, 20)

_WATCH: Final = "watch_account"

#: The list shows so many at once, and reads of each what it shows.
_LIST: Final = "get_accounts"

#: Reads the requests of all accounts, whatever budget they are of.
_RECOUNT: Final = "recount_budgets"

#: Too few for any account: a watch lists them, sees to what is frozen, and leaves the rest to the next.
_SECONDS_LEFT: Final = SECONDS_FOR_AN_ACCOUNT / 2

#: Of items that DynamoDB takes in one call.
_BATCH: Final = 25
_OF_THE_LAST: Final = "POST /gift-cards, of the account that was made last"


@dataclass(frozen=True)
class Counted:
    """At one number of accounts.

    Attributes:
        beside: calls of a watch that asks about none.
        listed: of a page of the list of accounts.
        calls: of each other operation.
    """

    beside: int
    listed: int
    calls: dict[str, Calls]


def cost_of_accounts() -> Iterable[Line]:
    """Each operation at each number of accounts."""
    yield from lines(*map(_at, SIZES), dict(zip(WATCHED, map(_asked, WATCHED), strict=True)))


def lines(one: Counted, many: Counted, asked: Mapping[int, float]) -> Iterable[Line]:
    """What was counted at each size; `asked` is by accounts what a watch calls to ask about each of them."""
    recounts = {each.name for each in OPERATIONS if each.function == _RECOUNT}
    pairs = {name: (calls, many.calls[name]) for name, calls in one.calls.items() if name not in recounts}
    others = [name for name, (at_one, now) in pairs.items() if (at_one.aws, at_one.amazon) != (now.aws, now.amazon)]
    yield Line(
        f"operations that make other calls at {SIZES[-1]:,} accounts than at one",
        f"{len(others)} of {len(pairs)}",
        "none",
        not others,
        baseline="; ".join(others),
    )
    most = max(asked)
    yield Line(
        f"watch, to ask about an account of {most}",
        f"{asked[most]:.2f} calls",
        f"<= {asked[1]:.0f}, as where there is one",
        asked[most] <= asked[1],
        baseline="; ".join(f"of {size}: {each:.2f}" for size, each in asked.items() if size != most),
    )
    alone, computed = one.beside + asked[1], many.beside + asked[most] * SIZES[-1]
    yield Line(
        f"watch, {SIZES[-1]:,} accounts: computed from {most}",
        f"{computed:.0f} calls",
        f"<= {alone:.0f} an account",
        computed <= alone * SIZES[-1],
        baseline=f"{many.beside} of them counted at {SIZES[-1]:,}; one account: {alone:.0f}, {one.beside} of them",
    )
    for name in sorted(recounts):
        alone, together = _all(one.calls[name]), _all(many.calls[name])
        each_more = (together - alone) / (SIZES[-1] - 1)
        yield Line(
            f"{name}, {SIZES[-1]:,} accounts",
            f"{together} calls, {each_more:.2f} for each more",
            f"<= {alone} an account",
            each_more <= alone,
            baseline=f"at 1: {alone}",
        )
    yield Line(
        f"list of {SIZES[-1]:,} accounts, a page of {PAGE_MAX}", f"{many.listed} calls", baseline=f"of 1: {one.listed}"
    )


def _at(size: int) -> Counted:
    """What every operation calls in a deployment with so many accounts, each of which has issued a card."""
    with _having(size) as (stand, names):
        beside = _watch(stand, size, seconds=_SECONDS_LEFT)
        listed = stand.fresh_count()
        if len(stand.call(_LIST, request("/accounts"))["accounts"]) != min(size, PAGE_MAX):
            raise RuntimeError(f"of {size} accounts a page shows fewer")
        listing = _all(listed)
        calls = {
            operation.name: measure(operation, stand)
            for operation in OPERATIONS
            if operation.function not in {_WATCH, _LIST}
        }

        def of_the_last(_: Stand) -> dict[str, Any]:
            know_account(names[-1])
            return create(account=names[-1])

        calls[_OF_THE_LAST] = measure(replace(OPERATIONS[0], event=of_the_last), stand)
        return Counted(beside, listing, calls)


def _asked(size: int) -> float:
    """The calls with which a watch of so many accounts asks about each, and writes and tells what it hears."""
    with _having(size) as (stand, _):
        # The first one makes what there is to make.
        _watch(stand, size)
        beside = _watch(stand, size, seconds=_SECONDS_LEFT)
        return (_watch(stand, size) - beside) / size


def _watch(stand: Stand, size: int, *, seconds: float | None = None) -> int:
    """The calls of a watch: of all, or with so few seconds that all are left for the next time."""
    # Long after whatever this process knows of any of them.
    stand.clock.sleep(3600)
    calls = stand.fresh_count()
    told = stand.run(_WATCH, {}, seconds=seconds)
    if told["watched" if seconds is None else "skipped"] != size:
        raise RuntimeError(f"of {size} accounts not all were watched, or left: {told}")
    return _all(calls)


def _all(calls: Calls) -> int:
    return calls.aws.total() + len(calls.amazon)


@contextmanager
def _having(size: int) -> Iterator[tuple[Stand, list[str]]]:
    """A deployment with so many accounts, and their names."""
    with standing() as stand:
        names = ["default", *(f"account-{number:04}" for number in range(1, size))]
        _begin(stand, names[1:])
        yield stand, names


def _begin(stand: Stand, others: list[str]) -> None:
    """The default account issues a card and is watched; of the others there is then whatever there is of it."""
    issued(stand)
    stand.run("count_spend", streamed(stand))
    stand.run(_WATCH, {})
    secrets, dynamodb = stand.client("secretsmanager"), stand.client()
    tables = [
        stand.environment[name] for name in ("RATE_LIMITER_TABLE", "ACCOUNT_TABLE", "LEDGER_TABLE", "BOOKS_TABLE")
    ]
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
