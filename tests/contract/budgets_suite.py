"""What every table of budgets promises to whoever defines them, while others take from them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from incentives.domain.budgets.budget import Budget, PeriodKind
from incentives.domain.budgets.figures import BudgetFigures, BudgetMoved, TooLittleLeft
from incentives.domain.errors import BudgetExceeded, BudgetUnusable, LedgerUnavailable
from incentives.usecases.budgets.ports import BudgetDefinitions
from tests.contract.records import new_nonce
from tests.contract.subject import all_at_once
from tests.support.fakes import START

NOVEMBER, DECEMBER = "2026-11", "2026-12"
MIDDLE = datetime(2026, 11, 15, 12, tzinfo=UTC)

_names = itertools.count(1)


@dataclass(frozen=True)
class Till:
    """A table of budgets, seen by all who write to it.

    Attributes:
        definitions: by one whose calls are answered.
        repeated: by one whose first try of each write takes effect and loses its response, and whose SDK repeats it.
        take: takes an amount, in minor units, at a moment, as opening a request does.
        give_back: gives it back to a period.
        add_spent: adds to what is spent of a period.
    """

    definitions: BudgetDefinitions
    repeated: BudgetDefinitions
    take: Callable[[str, int, datetime], None]
    give_back: Callable[[str, str, int], None]
    add_spent: Callable[[str, str, int], None]

    def figures(self, name: str, period: str = NOVEMBER) -> BudgetFigures:
        """How a budget stands."""
        (found,) = self.definitions.figures([(name, period)])
        return found


def new_budget(**updates: object) -> Budget:
    """A budget that nobody else has; nothing in it is as it would be by default."""
    base = Budget(
        name=f"budget-{next(_names)}",
        limit=10_000,
        currency="USD",
        kind=PeriodKind.MONTH,
        active=True,
        version=1,
        created_at=START,
        changed_at=START + timedelta(seconds=1),
        changed_by="arn:aws:iam::123456789012:user/anna",
    )
    return replace(base, **updates)  # type: ignore[arg-type]


def defined(definitions: BudgetDefinitions, budget: Budget | None = None) -> Budget:
    """Make a budget."""
    made = definitions.define(None, budget or new_budget(), [NOVEMBER, DECEMBER], new_nonce())
    assert isinstance(made, Budget)
    return made


def changed(
    definitions: BudgetDefinitions, before: Budget, *periods: str, **updates: object
) -> Budget | BudgetMoved | TooLittleLeft:
    """Change a budget."""
    after = replace(before, version=before.version + 1, **updates)  # type: ignore[arg-type]
    return definitions.define(before, after, periods or (NOVEMBER, DECEMBER), new_nonce())


class BudgetContract:
    """A class of tests inherits this and supplies the fixture `till`."""

    # ---- definitions ------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "updates", [{}, {"kind": PeriodKind.TOTAL, "active": False, "currency": "JPY", "changed_by": None}]
    )
    def test_what_is_defined_is_read(self, till: Till, updates: dict[str, object]) -> None:
        budget = new_budget(**updates)
        written = defined(till.definitions, budget)
        found = till.definitions.get(budget.name)
        assert found == written == replace(budget, nonce=written.nonce)
        assert written.nonce
        assert {each.name for each in fields(Budget)} >= {*updates}

    def test_there_is_no_other(self, till: Till) -> None:
        assert till.definitions.get("nobody") is None
        assert till.definitions.figures([("nobody", NOVEMBER)]) == []

    def test_a_name_is_defined_once(self, till: Till) -> None:
        first = defined(till.definitions)
        again = till.definitions.define(None, replace(first, limit=1), [NOVEMBER], new_nonce())
        assert again == BudgetMoved(first)
        assert till.definitions.get(first.name) == first

    def test_a_definition_is_changed_by_who_has_seen_it(self, till: Till) -> None:
        first = defined(till.definitions)
        second = changed(till.definitions, first, limit=20_000, active=False)
        assert isinstance(second, Budget)
        assert (second.version, second.limit, second.active) == (2, 20_000, False)
        assert changed(till.definitions, first, limit=5_000) == BudgetMoved(second)
        assert till.definitions.get(first.name) == second

    def test_a_write_whose_response_was_lost_is_known_again(self, till: Till) -> None:
        # given a caller whose every write takes effect, and whose SDK sends it once more
        made = defined(till.repeated)
        till.take(made.name, 2_500, MIDDLE)
        # when it changes the limit
        after = changed(till.repeated, made, limit=12_000)
        # then it was done, and done once
        assert isinstance(after, Budget)
        assert till.definitions.get(made.name) == after
        assert (till.figures(made.name).limit, till.figures(made.name).remaining) == (12_000, 9_500)

    def test_one_of_many_makes_it_and_one_of_many_changes_it(self, till: Till) -> None:
        budget = new_budget()
        made = all_at_once(
            *(
                lambda limit=limit: till.definitions.define(None, replace(budget, limit=limit), [NOVEMBER], new_nonce())
                for limit in range(1_000, 1_008)
            )
        )
        (won,) = [each for each in made if isinstance(each, Budget)]
        assert {each.current for each in made if isinstance(each, BudgetMoved)} == {won}
        written = all_at_once(*(lambda n=n: changed(till.definitions, won, limit=2_000 + n) for n in range(8)))
        (second,) = [each for each in written if isinstance(each, Budget)]
        assert till.definitions.get(budget.name) == second

    def test_definitions_are_listed_by_name_in_pages(self, till: Till) -> None:
        names = [defined(till.definitions).name for _ in range(5)]
        ours = sorted(names)
        first = [each.name for each in till.definitions.listed("", 1_000) if each.name in names]
        assert first == ours
        after = till.definitions.listed(ours[1], 2)
        assert len(after) == 2
        assert after[0].name > ours[1]
        assert till.definitions.listed("zzzzzzzz", 10) == []

    # ---- periods ----------------------------------------------------------------------------------------------

    def test_a_period_that_nobody_has_taken_from_is_what_the_definition_says(self, till: Till) -> None:
        budget = defined(till.definitions)
        found = till.figures(budget.name)
        assert found == BudgetFigures(budget=budget, period=NOVEMBER, limit=10_000, remaining=10_000, spent=0)
        assert found.held == 0

    def test_figures_are_what_is_held_and_spent(self, till: Till) -> None:
        budget = defined(till.definitions)
        till.take(budget.name, 2_500, MIDDLE)
        till.take(budget.name, 1_000, MIDDLE)
        till.add_spent(budget.name, NOVEMBER, 1_000)
        found = till.figures(budget.name)
        assert (found.limit, found.remaining, found.spent, found.held) == (10_000, 6_500, 1_000, 2_500)
        till.give_back(budget.name, NOVEMBER, 2_500)
        assert (till.figures(budget.name).held, till.figures(budget.name, DECEMBER).held) == (0, 0)
        # each of many is told, in the order in which they are asked for
        others = [defined(till.definitions).name for _ in range(45)]
        told = till.definitions.figures([*((name, NOVEMBER) for name in others), (budget.name, NOVEMBER)])
        assert [each.budget.name for each in told] == [*others, budget.name]
        assert told[-1].spent == 1_000

    @pytest.mark.parametrize("limit", [15_000, 4_000])
    def test_a_limit_changes_what_remains_by_the_difference(self, till: Till, limit: int) -> None:
        budget = defined(till.definitions)
        till.take(budget.name, 2_500, MIDDLE)
        before = till.figures(budget.name).version
        assert isinstance(changed(till.definitions, budget, limit=limit), Budget)
        found = till.figures(budget.name)
        assert (found.limit, found.remaining, found.held) == (limit, limit - 2_500, 2_500)
        assert found.version == before + 1
        # and of the month that nobody has taken from yet
        till.take(budget.name, 500, MIDDLE + timedelta(days=30))
        assert till.figures(budget.name, DECEMBER).remaining == limit - 500

    def test_a_limit_is_not_lowered_below_what_is_held_and_spent(self, till: Till) -> None:
        budget = defined(till.definitions)
        till.take(budget.name, 6_000, MIDDLE)
        till.add_spent(budget.name, NOVEMBER, 2_000)
        refused = changed(till.definitions, budget, limit=5_999)
        assert isinstance(refused, TooLittleLeft)
        assert (refused.period.period, refused.period.remaining) == (NOVEMBER, 4_000)
        assert till.definitions.get(budget.name) == budget
        # to the last cent it is
        assert isinstance(changed(till.definitions, budget, limit=6_000), Budget)
        assert till.figures(budget.name).remaining == 0

    def test_the_month_to_come_keeps_its_limit_too(self, till: Till) -> None:
        budget = defined(till.definitions)
        till.take(budget.name, 6_000, MIDDLE + timedelta(days=30))
        assert isinstance(changed(till.definitions, budget, limit=5_999), TooLittleLeft)
        assert till.definitions.get(budget.name) == budget
        assert till.figures(budget.name).limit == 10_000

    def test_what_is_inactive_is_not_taken_from_and_takes_back(self, till: Till) -> None:
        budget = defined(till.definitions)
        till.take(budget.name, 2_500, MIDDLE)
        stopped = changed(till.definitions, budget, active=False)
        assert isinstance(stopped, Budget)
        for moment in (MIDDLE, MIDDLE + timedelta(days=30)):
            with pytest.raises(BudgetUnusable):
                till.take(budget.name, 100, moment)
        till.give_back(budget.name, NOVEMBER, 2_500)
        assert till.figures(budget.name).remaining == 10_000
        assert isinstance(changed(till.definitions, stopped, active=True), Budget)
        till.take(budget.name, 100, MIDDLE)

    def test_a_month_that_is_over_keeps_its_limit(self, till: Till) -> None:
        budget = defined(till.definitions)
        till.take(budget.name, 2_500, MIDDLE - timedelta(days=30))
        assert isinstance(changed(till.definitions, budget, limit=20_000), Budget)
        assert till.figures(budget.name, "2026-10").limit == 10_000

    # ---- at the same time -------------------------------------------------------------------------------------

    def test_nothing_is_lost_between_holds_and_changes_of_the_limit(self, till: Till) -> None:
        # given a budget that some take from, give back to and spend, while its limit goes up and down
        budget = defined(till.definitions)
        taken: list[int] = []

        def take(amount: int) -> None:
            try:
                till.take(budget.name, amount, MIDDLE)
            except BudgetExceeded:
                return
            taken.append(amount)

        def change(limit: int) -> None:
            before = till.definitions.get(budget.name)
            assert before is not None
            changed(till.definitions, before, limit=limit)

        calls: list[Callable[[], None]] = [lambda n=n: take(700 + n) for n in range(9)]  # type: ignore[misc]
        calls += [lambda limit=limit: change(limit) for limit in (4_000, 12_000, 9_000)]  # type: ignore[misc]
        random.Random(1).shuffle(calls)
        all_at_once(*calls)
        # then what remains is the limit less what was taken, and that is the definition's
        defined_now, found = till.definitions.get(budget.name), till.figures(budget.name)
        assert defined_now is not None
        assert found.limit == defined_now.limit
        assert found.remaining == found.limit - sum(taken) >= 0

    def test_a_period_made_meanwhile_has_the_new_limit(self, till: Till) -> None:
        for _ in range(10):
            budget = defined(till.definitions)
            # when the first request of a month and a change of the limit come together
            _, after = all_at_once(
                lambda name=budget.name: till.take(name, 2_500, MIDDLE),
                lambda before=budget: changed(till.definitions, before, limit=8_000),
            )
            # then both are done, whichever was first
            assert isinstance(after, Budget)
            found = till.figures(budget.name)
            assert (found.limit, found.remaining) == (8_000, 5_500)

    def test_a_reader_never_sees_half_of_a_write(self, till: Till) -> None:
        budget = defined(till.definitions)
        till.take(budget.name, 2_500, MIDDLE)

        def write(number: int) -> BudgetFigures | None:
            before = till.definitions.get(budget.name)
            assert before is not None
            changed(till.definitions, before, limit=10_000 + number)
            return None

        seen = all_at_once(
            *(lambda n=n: write(n) for n in range(4)), *(lambda: till.figures(budget.name) for _ in range(8))
        )
        for figures in filter(None, seen):
            assert figures.limit == figures.budget.limit
            assert figures.held == 2_500


def unreachable(definitions: BudgetDefinitions) -> None:
    """Each method says so."""
    budget = new_budget()
    for call in (
        lambda: definitions.get("a"),
        lambda: definitions.listed("", 1),
        lambda: definitions.figures([("a", NOVEMBER)]),
        lambda: definitions.define(None, budget, [NOVEMBER], "nonce"),
        lambda: definitions.define(budget, budget, [NOVEMBER], "nonce"),
    ):
        with pytest.raises(LedgerUnavailable):
            call()
