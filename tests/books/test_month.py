"""A drawn month of the books: everything planted is found, and nothing else; `make books` takes each rule out."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.books.checks import examine
from tests.books.desk import Desk
from tests.books.mutants import MUTANTS, small_pages
from tests.books.world import PLANTS, draw_world
from tests.simulation.mutants_run import source_of

#: Weeks across changes of the clock: in autumn and in spring, and where a midnight is skipped.
WEEKS = [
    ("Europe/Berlin", date(2026, 10, 22)),
    ("Europe/Berlin", date(2026, 3, 27)),
    ("America/Santiago", date(2026, 9, 3)),
    ("Asia/Kathmandu", date(2026, 12, 29)),
]


def test_what_is_planted_in_a_month_is_found_and_nothing_else() -> None:
    # given requests across the change of clocks and the month's end; `make books` has 8,000
    world = draw_world(1, requests=800, plants=4 * len(PLANTS))
    # when its days are judged as they come
    desk = Desk(world).run()
    # then
    assert list(examine(desk)) == []
    assert sum(world.planted.values()) >= 4 * len(PLANTS)


@pytest.mark.parametrize(("zone", "first"), WEEKS)
@pytest.mark.parametrize("minutes", [-5, 5])
def test_in_any_zone_and_whichever_clock_is_ahead(zone: str, first: date, minutes: int) -> None:
    world = draw_world(
        minutes + 7, zone=zone, first=first, days=5, requests=120, plants=34, skew=timedelta(minutes=minutes)
    )

    with small_pages():
        assert list(examine(Desk(world, page_rows=40).run())) == []


def test_each_rule_that_is_taken_out_by_make_books_is_still_there() -> None:
    for each in MUTANTS:
        for place in each.cuts:
            assert place.applied_to(source_of(place.where)) != source_of(place.where), each.says
