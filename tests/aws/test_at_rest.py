"""What stands in the tables outlives every version of the code: items of a release before are read, and written alike.

`at_rest.json` was written by that release. It grows, and is never written anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.aws.accounts import account_states, freezes
from incentives.aws.budgets import budget_items, recounts
from incentives.aws.budgets.definitions import DynamoDbBudgetDefinitions
from incentives.aws.bulk_orders import order_items
from incentives.aws.bulk_orders.orders import DynamoDbOrders
from incentives.aws.items import decode
from incentives.aws.keys.rotations import DynamoDbRotations
from incentives.aws.rate_limiter import _read as read_pace
from incentives.aws.reconciliation import book_items
from incentives.aws.reconciliation.books import DynamoDbBooks
from incentives.aws.recovery.kept_pages import _decode as decode_page
from incentives.aws.single_requests.record_items import decode_key, decode_record, encode_key, encode_record
from incentives.domain.accounts.alerts import Raised
from incentives.domain.accounts.freezing import Freeze
from incentives.domain.budgets.recount import Counted
from incentives.domain.keys.rotation import Rotation, Stage
from incentives.domain.operations import Operation
from incentives.usecases.bulk_orders.settle_order import _decode_part
from tests.support.holds import holds_of

KEPT: Final[dict[str, list[dict[str, Any]]]] = json.loads(Path(__file__).with_name("at_rest.json").read_text())
AT: Final = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


def items(table: str, attribute: str, begins: str) -> list[dict[str, Any]]:
    found = [item for item in KEPT[table] if item[attribute]["S"].startswith(begins)]
    assert found
    return found


def _not_none(freeze: Freeze | None) -> Freeze:
    assert freeze is not None
    return freeze


def of_orders(table: Any) -> DynamoDbOrders:
    return DynamoDbOrders(table, "orders", holds=lambda: holds_of(table), sleep=lambda _: None)


def order_again(item: dict[str, Any]) -> dict[str, Any]:
    again = order_items.encode_order(order_items.decode_order(decode(item)), item["nonce"]["S"])
    # Orders of a time before there was a list get into it with their next write.
    assert again["listed"] == {"S": "orders"}
    return again if "listed" in item else {name: again[name] for name in again if name != "listed"}


@pytest.mark.parametrize(
    ("items", "again"),
    [
        (items("ledger", "id", "R"), lambda item: encode_record(decode_record(item))),
        (items("ledger", "id", "KEY#"), lambda item: encode_key(decode_key(item))),
        (items("orders", "part", "order"), order_again),
        (
            items("orders", "part", "batch#"),
            lambda item: order_items.encode_batch(item["orderId"]["S"], order_items.decode_batch(decode(item))),
        ),
        (
            items("orders", "part", "claim"),
            lambda item: order_items.encode_claim(order_items.decode_claim(decode(item))),
        ),
        (items("accounts", "part", "freeze"), lambda item: freezes._item(_not_none(freezes._read(item)))),
        (
            items("budgets", "budget", "#budgets"),
            lambda item: budget_items.encode_budget(budget_items.decode_budget(decode(item))),
        ),
        (
            items("budgets", "part", "period#"),
            lambda item: budget_items.encode_period(budget_items.decode_period(decode(item))),
        ),
        (
            items("books", "part", "day#"),
            lambda item: book_items.encode_day(book_items.decode_day(decode(item)), item["nonce"]["S"]),
        ),
        (
            items("books", "part", "balance#"),
            lambda item: book_items.encode_balance(book_items.decode_balance(decode(item))),
        ),
        (
            items("books", "part", "resolution#"),
            lambda item: book_items.encode_resolution(book_items.decode_resolution(decode(item)), item["nonce"]["S"]),
        ),
        (
            items("books", "part", "movement#"),
            lambda item: (
                book_items.encode_movement(book_items.decode_movement(decode(item)), item["nonce"]["S"])
                | {"before": item["before"]}
            ),
        ),
        (
            items("books", "part", "statement#"),
            lambda item: book_items.encode_statement(book_items.decode_statement(decode(item)), item["nonce"]["S"]),
        ),
        (
            items("books", "part", "close#"),
            lambda item: book_items.encode_close(book_items.decode_close(decode(item)), item["nonce"]["S"]),
        ),
    ],
    ids=[
        *("record", "key", "order", "batch", "claim", "freeze", "budget", "period"),
        *("day", "balance", "resolution", "movement", "statement", "close"),
    ],
)
def test_items_are_written_as_they_were(items: list[dict[str, Any]], again: Callable[[Any], Any]) -> None:
    for item in items:
        assert again(item) == item


def test_what_is_known_of_an_account_is_read() -> None:
    parts = {item["part"]["S"]: decode(item) for item in KEPT["accounts"]}

    totals = account_states._read_totals(parts["day#2026-03-01"])
    assert {kind: (tally.minor, tally.count) for kind, tally in totals.items()} == {
        ("USD", Operation.CREATE_GIFT_CARD): (2500, 1)
    }
    assert account_states._read_counted(parts["counted#R4"]).charge is not None
    snapshot = account_states._read_snapshot("default", parts["funds"])
    assert (snapshot.funds.available.amount, snapshot.funds.as_of) == (Decimal("12.50"), AT)
    standing = account_states._read_standing(parts["watch"])
    assert standing.version == 2
    assert [*standing.alerts.values()] == [Raised(AT, True, None)]


def test_what_is_kept_beside_the_pace_is_read() -> None:
    kept = {item["id"]["S"]: item for item in KEPT["rate limiter"]}

    pace = read_pace("default", kept["default"])
    assert all(
        (pace.tat, pace.clockAt, pace.clockBefore, pace.lineTat, pace.slowedAt, pace.slowInterval, pace.fundsTat)
    )
    frozen = read_pace("frozen", kept["frozen"])
    assert (frozen.frozen, frozen.freezeVersion, pace.frozen, pace.freezeVersion) == (1, 1772366400123, 0, 0)
    page, none_shown = decode_page(kept["book#default"]), decode_page(kept["book#jp"])
    assert page is not None
    assert (page.partner_id, page.as_of, page.request_ids) == ("P", AT, {"R1", "R2"})
    assert none_shown is not None
    assert (none_shown.is_available, none_shown.is_whole, none_shown.request_ids) == (False, False, set())


def test_how_far_a_rotation_is_is_read() -> None:
    (item,) = items("accounts", "part", "rotation")
    table: Any = SimpleNamespace(get_item=lambda **_: {"Item": item})

    assert DynamoDbRotations(table, "accounts").read("default") == Rotation(
        account="default", new_key="n", old_key="o", stage=Stage.PROMOTED, promoted_at=AT, at=AT
    )


def test_a_part_of_a_result_is_read() -> None:
    found = items("orders", "part", "result#")
    table: Any = SimpleNamespace(query=lambda **_: {"Items": found})

    (row,) = (row for part in of_orders(table).results("A" * 26) for row in _decode_part(part))

    assert (row["key"], row["amount"], row["outcome"]) == ("x", "25.00", "issued")


def test_notes_of_the_books_are_read() -> None:
    ended, rows = items("books", "part", "ended#"), items("books", "part", "rows#")
    table: Any = SimpleNamespace(
        query=lambda **_: {"Items": ended}, batch_get_item=lambda **_: {"Responses": {"books": rows}}
    )
    books = DynamoDbBooks(table, "books", sleep=lambda _: None, new_nonce=str)

    assert [*books.ended("default", AT.date())] == ["R1"]
    assert books.days_of_rows("default", ["R1"]) == {"R1": {date(2026, 3, 1), date(2026, 3, 2)}}


def test_how_a_budget_stands_is_read() -> None:
    kept = {item["part"]["S"]: item for item in KEPT["budgets"]}
    responses = [{"Item": kept[part]} for part in ("spring", "period#2026-03", "spent#2026-03")]
    table: Any = SimpleNamespace(
        transact_get_items=lambda **_: {"Responses": responses},
        meta=SimpleNamespace(
            service_model=SimpleNamespace(service_id=SimpleNamespace(hyphenize=lambda: "dynamodb")),
            events=SimpleNamespace(register=lambda *_: None),
        ),
    )
    budgets = DynamoDbBudgetDefinitions(table, "budgets", sleep=lambda _: None, random=lambda: 0.0, new_nonce=str)

    (found,) = budgets.figures([("spring", "2026-03")])
    assert (found.limit, found.remaining, found.spent, found.held, found.version) == (1_000_000, 997_500, 2_500, 0, 7)


def test_what_a_request_was_counted_as_is_read_for_a_recount() -> None:
    parts = {item["part"]["S"]: decode(item) for item in KEPT["accounts"]}

    assert recounts._counted_of(parts["counted#R5"]) == Counted(0, True, AT)
    # of before there were budgets
    assert recounts._counted_of(parts["counted#R4"]) == Counted(2_500, False, None)
