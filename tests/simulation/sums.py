"""I12: of each budget and period, what remains, is held, is spent and has ended uncounted comes to the limit; always.

Held and spent are not read from what the product has added up, but from the records and orders themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.items import decode
from incentives.domain.accounts.spend import charge_of, minor_units
from incentives.domain.single_requests.record import Record, Status

if TYPE_CHECKING:
    from tests.simulation.tables import Tables

#: Names of tables, and the partition of the budgets' definitions.
ORDERS: Final = "orders"
ACCOUNTS: Final = "accounts"
BUDGETS: Final = "budgets"
LIST: Final = "#budgets"

#: Periods that each change of a budget changes too; of the month that ends, somebody whose clock is ahead may not know.
_KEPT_UP: Final = frozenset({"period#total", "period#2026-03"})

_GIVES_BACK: Final = frozenset({Status.REFUSED, Status.REVERSED})
Place = tuple[str, str]


def differing(tables: Tables) -> Iterator[str]:
    """Where the sum is not the limit, or less than nothing remains."""
    for record in tables.ledger.records.values():
        if record.budget is not None and record.budget_period is None:
            yield f"I12 {record.request_id} names {record.budget}, and took from none of its periods"
    held = _held(tables)
    defined = {item["part"]: item for item in _items(tables, BUDGETS) if item["budget"] == LIST}
    for period in _periods(tables):
        definition = defined[period["budget"]]
        if period["part"] in _KEPT_UP and any(period[name] != definition[name] for name in ("limit", "active")):
            yield f"I12 {period['budget']} has a limit of {definition['limit']}, and {period['part']} has another"
        place = period["budget"], period["part"].removeprefix("period#")
        total = period["remaining"] + held[place]
        if total != period["limit"]:
            yield f"I12 {place}: {period['remaining']} left and {held[place]} in use are not {period['limit']}"
        if period["remaining"] < 0:
            yield f"I12 {place} is overspent by {-period['remaining']}"
    for place in held.keys() - {(each["budget"], each["part"].removeprefix("period#")) for each in _periods(tables)}:
        if held[place]:
            yield f"I12 {held[place]} of {place} are in use, and nothing was taken from it"


def of_write(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one write of a period."""
    if "remaining" not in before:
        return
    is_taken = after["remaining"] < before["remaining"] and after["limit"] == before["limit"]
    if is_taken and not before["active"]:
        yield f"I12 {before['budget']} is inactive, and was taken from"
    if after["version"] != before["version"] + 1:
        yield f"I12 a write of {before['budget']} left its version as it was"


def check_end(tables: Tables) -> Iterator[str]:
    """Once all that was told is counted: nothing has ended uncounted, and what is spent was charged."""
    yield from differing(tables)
    spent = Counter[Place]()
    for record in tables.ledger.records.values():
        if record.budget is None or record.budget_period is None:
            continue
        spent[record.budget, record.budget_period] += minor_units(record.value) if charge_of(record) else 0
        if _has_ended(record) and not _is_given_back(tables, record):
            yield f"I12 {record.request_id} ({record.status.value}) was never given back"
    counted = Counter[Place]()
    for item in _items(tables, BUDGETS):
        if item["part"].startswith("spent#"):
            counted[item["budget"], item["part"].removeprefix("spent#")] = item["spent"]
    for place in spent.keys() | counted.keys():
        if spent[place] != counted[place]:
            yield f"I12 {counted[place]} of {place} were counted as spent, and {spent[place]} are"


def _held(tables: Tables) -> Counter[Place]:
    """What is in use, whatever for: by open and issued requests, by those that ended uncounted, and by orders."""
    held = Counter[Place]()
    opened = Counter[str]()
    for record in tables.ledger.records.values():
        if record.budget is None or record.budget_period is None:
            continue
        minor = minor_units(record.value)
        if record.order_id is not None and record.generation == 0:
            opened[record.order_id] += minor
        if record.replaced_by is None and not (_has_ended(record) and _is_given_back(tables, record)):
            held[record.budget, record.budget_period] += minor
    for order in _orders(tables):
        if order.get("held") and order["status"] != "FINISHED":
            held[order["budget"], order["budgetPeriod"]] += order["held"] - opened[order["orderId"]]
    return held


def _has_ended(record: Record) -> bool:
    return record.replaced_by is None and record.status in _GIVES_BACK


def _is_given_back(tables: Tables, record: Record) -> bool:
    item = tables.dynamo.tables[ACCOUNTS].get((record.account, f"counted#{record.request_id}"))
    return item is not None and item.get("givenBack") == {"BOOL": True}


def _periods(tables: Tables) -> Iterator[dict[str, Any]]:
    return (item for item in _items(tables, BUDGETS) if item["part"].startswith("period#") and item["budget"] != LIST)


def _orders(tables: Tables) -> Iterator[dict[str, Any]]:
    return (item for item in _items(tables, ORDERS) if item["part"] == "order")


def _items(tables: Tables, name: str) -> Iterator[dict[str, Any]]:
    """All items of a table; what has not been written since the last look has been decoded before."""
    known = tables.decoded
    for place, item in tables.dynamo.tables[name].items():
        found = known.get((name, place))
        if found is None or found[0] is not item:
            found = known[name, place] = item, decode(item)
        yield found[1]
