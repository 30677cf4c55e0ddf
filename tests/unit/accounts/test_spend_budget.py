"""What comes back to a budget, told by the ledger's stream as the template filters it: in any order, twice, or late."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.domain.accounts.spend import charge_of
from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.single_requests.record import Record, Status
from local.template import read
from tests.contract.tables import TEMPLATE
from tests.support.fakes import START, FakeAccountStates
from tests.unit.accounts.test_spend import CHARGED, KINDS, count, life, stream_of
from tests.unit.builders import record
from tests.unit.watching import Company

S = Status
NAME: Final = "spring"


@cache
def patterns() -> tuple[Any, ...]:
    """What `count_spend` is called for."""
    events = read(TEMPLATE)["Resources"]["CountSpendFunction"]["Properties"]["Events"]
    filters = events["Ledger"]["Properties"]["FilterCriteria"]["Filters"]
    return tuple(json.loads(each["Pattern"])["dynamodb"]["NewImage"] for each in filters)


def passes(told: dict[str, Any]) -> bool:
    """Whether Lambda calls the function for a record of the stream."""
    image = told["dynamodb"]["NewImage"]

    def fits(value: str | None, tests: list[dict[str, Any]]) -> bool:
        return value is not None and any(
            value.startswith(test["prefix"]) if "prefix" in test else test["exists"] for test in tests
        )

    return any(
        all(fits(image.get(name, {}).get("S"), wanted["S"]) for name, wanted in pattern.items())
        for pattern in patterns()
    )


def company() -> Company:
    """With a budget of which 25.00 are held, and whoever counts by its ledger."""
    c = Company()
    c.states = FakeAccountStates(ledger=c.world.ledger)
    c.world.budgets.define(NAME, "100.00", kind=PeriodKind.TOTAL)
    return c


def lived(kind: str, c: Company) -> list[Record]:
    """A request of the budget, with all its versions; the ledger has the newest."""
    first = record(created_at=START, budget=NAME)
    period = c.world.budgets.take(NAME, first.value, START)
    versions = life("refused" if kind == "ordered again" else kind, replace(first, budget_period=period))
    if kind == "ordered again":
        versions.append(replace(versions[-1], replaced_by="Test1NEXT", version=3))
    c.world.ledger.records[first.request_id] = versions[-1]
    return versions


def figures(c: Company) -> tuple[int, int]:
    budgets = c.world.budgets
    return budgets.periods[NAME, "total"].remaining, budgets.spent.get((NAME, "total"), 0)


def due(kind: str) -> tuple[int, int]:
    """What remains, and what is spent, once all is told."""
    if kind in CHARGED:
        return 75_00, 25_00
    return (75_00 if kind in {"open", "ordered again"} else 100_00), 0


@given(st.data())
def test_in_whatever_order_it_is_told_and_however_often(data: st.DataObject) -> None:
    c = company()
    kind = data.draw(st.sampled_from([*KINDS, "ordered again"]))
    told = [each for each in stream_of(lived(kind, c)) if passes(each)]
    for each in data.draw(st.permutations(told * 2)):
        if data.draw(st.booleans()):
            # A batch that fails comes again, whole.
            assert isinstance(c.states, FakeAccountStates)
            c.states.works = False
            count([each], c)
            c.states.works = True
        count([each], c)
    assert figures(c) == due(kind)


@pytest.mark.parametrize("status", [S.REFUSED, S.SUCCEEDED])
def test_a_request_that_holds_nothing_keeps_no_other_from_being_counted(status: Status) -> None:
    """No process writes such a record; it would stand in the way of a whole shard."""
    c = company()
    assert count(stream_of([record(status, budget=NAME, answered_at=START)]), c) is None
    assert c.world.budgets.periods == {}


@pytest.mark.parametrize("status", [S.SUCCEEDED, S.REFUSED, S.REVERSED, S.ESCALATED])
def test_every_end_of_a_request_with_a_budget_is_told(status: Status) -> None:
    """Also one that Amazon has never answered, and that has neither an error nor a refusal."""
    for budget, is_told in ((NAME, True), (None, status in {S.REVERSED, S.ESCALATED})):
        (told,) = stream_of([record(status, budget=budget)])
        assert passes(told) is is_told


def test_no_more_than_five_patterns_are_taken() -> None:
    assert len(patterns()) <= 5


def test_a_write_of_an_open_request_costs_no_look() -> None:
    c = company()
    versions = lived("open", c)
    c.states.count = lambda *_: pytest.fail("looked")  # type: ignore[method-assign]
    assert count(stream_of(versions), c) is None
    assert charge_of(versions[-1]) is None
