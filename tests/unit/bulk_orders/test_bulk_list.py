"""Bulk orders in a list: newest first, by status and account, a page at a time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from incentives.domain.bulk_orders.approval import APPROVAL_FOR
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.errors import InvalidInput
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.bulk_orders.list_orders import LOOKED_AT_MAX, OrdersPage, OrdersQuery, list_orders
from tests.support.bulk import Bulk, bulk, csv_of
from tests.support.fakes import account

S = OrderStatus


def page(here: Bulk, limit: int = 20, **wanted: object) -> OrdersPage:
    return list_orders(OrdersQuery(limit=limit, **wanted), here.dependencies)  # type: ignore[arg-type]


def made(here: Bulk, number: int, **updates: object) -> list[str]:
    """So many orders, a second between each and the next; oldest first."""
    found = []
    for n in range(number):
        key = f"bulk-{len(here.orders.orders)}-{n}"
        found.append(here.make(csv_of((key, "10.00")), key, **updates))
        here.world.clock.sleep(1)
    return found


def test_orders_come_newest_first_and_every_page_goes_on_where_the_last_one_ended() -> None:
    here = bulk()
    expected = made(here, 5)[::-1]
    found: list[str] = []
    cursor = None
    for size in (2, 2, 1):
        some = page(here, limit=2, cursor=cursor)
        assert len(some.orders) == size
        found += [order.order_id for order in some.orders]
        cursor = some.cursor
    assert (found, cursor) == (expected, None)


def test_an_order_that_is_made_between_two_pages_moves_nothing() -> None:
    here = bulk()
    oldest, older, newer = made(here, 3)
    first = page(here, limit=1)
    made(here, 1)
    second = page(here, limit=2, cursor=first.cursor)
    assert [order.order_id for each in (first, second) for order in each.orders] == [newer, older, oldest]


def test_orders_are_asked_for_by_account_and_by_status_as_it_counts_now() -> None:
    here = bulk(approvals={"": Decimal(1)})
    here.world.accounts.accounts["other"] = account("other")
    waiting, validated = made(here, 2)
    (others,) = made(here, 1, account="other")
    here.ask(waiting, Action.START)
    here.run(waiting)
    here.ask(validated, Action.START, dry_run=True)
    here.run(validated)

    def ids(**wanted: object) -> list[str]:
        return [order.order_id for order in page(here, **wanted).orders]

    assert ids(account="other") == [others]
    assert ids(account="default", status=S.AWAITING_APPROVAL) == [waiting]
    assert ids(status=S.VALIDATED) == [validated]
    # once nobody can approve it any more, it counts as validated, and says so
    here.world.clock.sleep(APPROVAL_FOR.total_seconds())
    assert (ids(status=S.AWAITING_APPROVAL), ids(status=S.VALIDATED)) == ([], [validated, waiting])


def test_a_page_of_few_among_many_ends_before_it_has_looked_at_all_and_can_be_gone_on_with() -> None:
    here = bulk()
    here.world.accounts.accounts["other"] = account("other")
    (wanted,) = made(here, 1, account="other")
    made(here, LOOKED_AT_MAX)
    first = page(here, account="other")
    assert (first.orders, first.cursor is None) == ((), False)
    second = page(here, account="other", cursor=first.cursor)
    assert ([order.order_id for order in second.orders], second.cursor) == ([wanted], None)


#: Of an order whose id is half a character, which no table takes.
HALF = "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsIlx1ZDgwMCJd"


@pytest.mark.parametrize(
    "cursor", ["", "x", "bm90aGluZw", "e30", "WzEsMl0", "WyJub3ciLCAieCJd", HALF, "x" * 300, "\u0661"]
)
def test_a_text_that_is_no_cursor_is_refused_by_name(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        page(bulk(), cursor=cursor)
    assert refused.value.fields[0][0] == "cursor"
