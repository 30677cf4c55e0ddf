"""The table of budgets on moto, and the one in memory, each with holds and changes of limits at the same time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.retries.standard import ExponentialBackoff

from incentives.aws.budgets.definitions import TRIES_MAX, WAIT_SECONDS_MAX, DynamoDbBudgetDefinitions
from incentives.aws.budgets.holds import Asked, DynamoDbHolds, Hold, NotHeldError
from incentives.domain.accounts.spend import money_of
from incentives.domain.budgets.budget import Budget
from incentives.domain.budgets.figures import BudgetMoved, TooLittleLeft
from incentives.domain.errors import BudgetBusy, LedgerUnavailable
from tests.contract import motos
from tests.contract.budgets_suite import (
    DECEMBER,
    MIDDLE,
    NOVEMBER,
    BudgetContract,
    Till,
    changed,
    defined,
    new_budget,
    unreachable,
)
from tests.contract.dynamodb_suite import Shop, lose_first_responses
from tests.contract.records import new_nonce
from tests.contract.tables import create_table
from tests.support.budget_definitions import FakeBudgetDefinitions
from tests.support.budgets import FakeBudgets
from tests.support.holds import holds_of

_tokens = itertools.count()


def definitions_on(client: Any, table: str, sleep: Callable[[float], None] = lambda _: None) -> Any:
    return DynamoDbBudgetDefinitions(
        client, table, sleep=sleep, random=lambda: 0.5, new_nonce=lambda: f"token-{next(_tokens)}"
    )


def take_on(client: Any, holds: DynamoDbHolds) -> Callable[[str, int, datetime], None]:
    """Take as whoever opens a request does, with nothing of one's own in the transaction."""

    def take(name: str, minor: int, moment: datetime) -> None:
        def write(hold: Hold) -> bool:
            try:
                client.transact_write_items(TransactItems=hold.actions)
            except ClientError as error:
                reasons = error.response.get("CancellationReasons", [])
                passing = any(reason.get("Code") == "TransactionConflict" for reason in reasons)
                raise NotHeldError([reason.get("Item") for reason in reasons], passing=passing) from error
            return True

        holds.take(Asked(name, money_of(minor, "USD"), moment), write, lambda: None)

    return take


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        client = motos.client()
        yield Shop(client, lose_first_responses(motos.client(), in_process=True), create_table(client, "BudgetsTable"))


def till_on(shop: Shop) -> Till:
    holds = holds_of(shop.client, shop.table)
    return Till(
        definitions_on(shop.client, shop.table),
        definitions_on(shop.losing, shop.table),
        take_on(shop.client, holds),
        lambda *args: shop.client.transact_write_items(TransactItems=[holds.give_back(*args)]),
        lambda *args: shop.client.transact_write_items(TransactItems=[holds.add_spent(*args)]),
    )


class TestBudgetsOnMoto(BudgetContract):
    @pytest.fixture
    def till(self, shop: Shop) -> Till:
        return till_on(shop)


class TestBudgetsInMemory(BudgetContract):
    @pytest.fixture
    def till(self) -> Till:
        budgets = FakeBudgets()
        definitions = FakeBudgetDefinitions(budgets)
        return Till(
            definitions,
            # In memory no response is ever lost.
            definitions,
            lambda name, minor, moment: _taken(budgets.take(name, money_of(minor, "USD"), moment)),
            budgets.give_back,
            budgets.add_spent,
        )


def _taken(period: str) -> None:
    assert period


def test_a_table_that_cannot_be_reached_is_told(shop: Shop) -> None:
    unreachable(definitions_on(shop.client, "no-such-table"))
    unreachable(FakeBudgetDefinitions(fails=True))


# ---- what moto cannot show by itself ---------------------------------------------------------------------------


@contextmanager
def in_the_way(client: Any, operation: str, *codes: str | None, at: int = 1) -> Iterator[None]:
    """Calls end in these errors, one after the other, before any is carried out; None: that one is carried out."""
    left = iter(codes)

    def refuse(**_: object) -> Any:
        code = next(left, None)
        if code is None:
            return None
        reasons = [{"Code": "None"}] * at + [{"Code": code}]
        error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        return type("Response", (), {"status_code": 400}), error | {"ResponseMetadata": {}}

    client.meta.events.register(f"before-call.dynamodb.{operation}", refuse)
    try:
        yield
    finally:
        client.meta.events.unregister(f"before-call.dynamodb.{operation}", refuse)


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_change_that_requests_are_in_the_way_of_is_tried_again_and_not_for_ever(shop: Shop, code: str) -> None:
    waits: list[float] = []
    definitions = definitions_on(shop.client, shop.table, waits.append)
    budget = defined(definitions)
    with in_the_way(shop.client, "TransactWriteItems", code, code):
        after = changed(definitions, budget, limit=20_000)
    assert isinstance(after, Budget)
    assert waits == [WAIT_SECONDS_MAX / 2] * 2
    with in_the_way(shop.client, "TransactWriteItems", *[code] * TRIES_MAX), pytest.raises(BudgetBusy):
        changed(definitions, after, limit=30_000)
    assert definitions.get(budget.name) == after


def test_figures_of_a_budget_that_is_being_written_hold_up_no_others(shop: Shop) -> None:
    definitions = definitions_on(shop.client, shop.table)
    names = [defined(definitions).name for _ in range(3)]
    wanted = [(name, NOVEMBER) for name in names]
    # when all are read at once, then each by itself
    with in_the_way(shop.client, "TransactGetItems", "TransactionConflict", None, "TransactionConflict", at=4):
        assert [each.budget.name for each in definitions.figures(wanted)] == names
    conflicts = in_the_way(shop.client, "TransactGetItems", *["TransactionConflict"] * (TRIES_MAX + 1))
    with conflicts, pytest.raises(BudgetBusy):
        definitions.figures(wanted)
    with in_the_way(shop.client, "TransactGetItems", "ValidationError"), pytest.raises(LedgerUnavailable):
        definitions.figures(wanted)


@pytest.mark.parametrize("made", [NOVEMBER, DECEMBER])
def test_a_period_is_made_between_looking_and_writing(shop: Shop, made: str) -> None:
    # given a budget of which nobody has taken anything when its periods are looked for
    till = till_on(shop)
    budget = defined(till.definitions)
    looked, once = itertools.count(), []

    def take_first(**_: object) -> None:
        if not once:
            once.append(next(looked))
            other = motos.client()
            take_on(other, holds_of(other, shop.table))(budget.name, 2_500, MIDDLE if made == NOVEMBER else LATER)

    shop.client.meta.events.register("before-call.dynamodb.TransactWriteItems", take_first)
    try:
        # when a request comes in between
        after = changed(till.definitions, budget, limit=8_000)
    finally:
        shop.client.meta.events.unregister("before-call.dynamodb.TransactWriteItems", take_first)
    # then its period has the new limit, and what it took is taken
    assert isinstance(after, Budget)
    found = till.figures(budget.name, made)
    assert (found.limit, found.remaining) == (8_000, 5_500)


LATER = datetime(2026, 12, 15, 12, tzinfo=MIDDLE.tzinfo)


def test_a_process_that_dies_before_its_write_has_changed_nothing_and_one_after_it_everything(shop: Shop) -> None:
    # given a change that dies at each of its calls
    till = till_on(shop)
    for died_at in itertools.count(1):
        budget = defined(till.definitions)
        till.take(budget.name, 2_500, MIDDLE)
        client = motos.client()
        calls = itertools.count(1)

        def die(calls: Iterator[int] = calls, at: int = died_at, **_: object) -> None:
            if next(calls) == at:
                raise KeyboardInterrupt

        client.meta.events.register("before-call.dynamodb", die)
        client.meta.events.register("after-call.dynamodb.TransactWriteItems", die)
        dying = definitions_on(client, shop.table)
        try:
            changed(dying, budget, limit=8_000)
        except KeyboardInterrupt:
            pass
        else:
            break
        # then all of it is done, or nothing
        now, found = till.definitions.get(budget.name), till.figures(budget.name)
        assert now is not None
        assert (now.limit, found.limit, found.remaining) in {(10_000, 10_000, 7_500), (8_000, 8_000, 5_500)}
        # and the same call again finishes it
        if now.limit == 10_000:
            assert isinstance(changed(till.definitions, now, limit=8_000), Budget)
        assert till.figures(budget.name).remaining == 5_500
    assert died_at > 3


def test_too_little_is_told_of_an_item_that_is_there_only(shop: Shop) -> None:
    definitions = definitions_on(shop.client, shop.table)
    budget = defined(definitions)
    # of a period that nobody has taken from, any limit is enough
    assert isinstance(changed(definitions, budget, limit=1), Budget)
    assert not isinstance(definitions.define(None, new_budget(limit=1), [NOVEMBER], new_nonce()), TooLittleLeft)
    assert isinstance(definitions.define(budget, budget, [NOVEMBER], new_nonce()), BudgetMoved)
