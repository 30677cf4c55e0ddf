"""The balance: kept for a minute, asked for by one of many, and an older one while Amazon does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from incentives.bootstrap import container
from incentives.agcod.reading.responses import Failure, Funds
from incentives.domain.accounts.account import Account, AccountFunds
from incentives.domain.accounts.funds import FRESH_FOR, STALE_MAX, Snapshot, days_remaining
from incentives.domain.errors import (
    AccountUnusable,
    AmazonUnavailable,
    GatewayError,
    InvalidInput,
    LedgerUnavailable,
    RefusedByAmazon,
)
from incentives.domain.money import Money
from incentives.domain.outcomes import AmazonError, Refused
from incentives.domain.rate_limit import Allowance, Full, Permit, Priority
from incentives.usecases.accounts.funds import funds_outlook
from incentives.usecases.ports import Balances
from tests.openapi.served import handler_of
from tests.support.fakes import START, FakeAccountStates, World, usd, world
from tests.unit.builders import KEY_REFUSED, MINUTE, SECOND, THROTTLED, TIMED_OUT

Response = Funds | Failure | Callable[[], Funds | Failure]


@dataclass
class Bank:
    """Amazon's side of an account, and ours."""

    world: World
    states: FakeAccountStates = field(default_factory=FakeAccountStates)
    responses: list[Response] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.amazon.funds = self._funds  # type: ignore[method-assign]

    def _funds(self, account: Account, *, seconds: float) -> Funds | Failure:
        self.asked.append((self.world.clock.now() - START).total_seconds())
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return response() if callable(response) else response

    def told(self, account: str = "default", states: Balances | None = None) -> AccountFunds:
        return funds_outlook(account, self.world.dependencies, states or self.states, self.world.budget()).funds

    def keep(self, amount: str, age: timedelta) -> AccountFunds:
        """A balance that was told some time ago."""
        funds = AccountFunds("default", usd(amount), self.world.clock.now() - age)
        self.states.keep_funds(Snapshot(funds, self.world.clock.now() - age))
        return funds

    @property
    def logged(self) -> list[str]:
        return [event for event, _ in self.world.telemetry.lines]


def bank(*responses: Response) -> Bank:
    return Bank(world(), responses=list(responses) or [balance("100.00")])


def balance(amount: str) -> Funds:
    return Funds(usd(amount), START - timedelta(seconds=1))


# ---- a minute -----------------------------------------------------------------------------------


def test_the_first_query_is_amazons_and_its_response_is_kept() -> None:
    b = bank()
    told = b.told()
    assert told == AccountFunds("default", usd("100.00"), START - SECOND)
    assert b.states.states["default"].snapshot == Snapshot(told, START)
    assert b.world.rate_limiter.allowances == [Allowance.FUNDS]


def test_within_a_minute_everybody_is_told_the_same_and_no_permit_is_taken() -> None:
    b = bank(balance("100.00"), balance("90.00"))
    first = b.told()
    b.world.clock.sleep(FRESH_FOR.total_seconds() - 1)
    second = b.told()
    b.world.clock.sleep(1)
    third = b.told()
    assert (first, third.available) == (second, usd("90.00"))
    assert b.asked == [0.0, 60.0]
    assert b.world.rate_limiter.reserved == 2


def test_a_balance_from_the_future_is_the_work_of_a_wrong_clock() -> None:
    b = bank()
    b.keep("1.00", -2 * STALE_MAX)
    assert b.told().available == usd("100.00")
    assert b.states.read("default", START.date()).snapshot == Snapshot(b.told(), START)


def test_a_balance_below_nothing_is_told_as_it_is() -> None:
    b = bank(Funds(Money(Decimal("-3.50"), "USD"), None))
    assert (b.told(), b.told()) == (AccountFunds("default", Money(Decimal("-3.50"), "USD"), START),) * 2


# ---- many at once -------------------------------------------------------------------------------


def test_whoever_waits_for_a_permit_is_told_what_the_one_before_was_told() -> None:
    b = bank()
    reserve = b.world.rate_limiter.reserve

    def behind_another(account: str, priority: Priority, **more: Any) -> Permit | Full:
        b.keep("77.00", timedelta())
        return reserve(account, priority, **more)

    b.world.rate_limiter.reserve = behind_another  # type: ignore[method-assign]
    assert b.told().available == usd("77.00")
    assert b.asked == []


def test_whoever_finds_no_permit_is_told_what_others_were_told_meanwhile() -> None:
    b = bank()
    b.world.rate_limiter.full_for = 5.0
    reserve = b.world.rate_limiter.reserve

    def others_are_faster(account: str, priority: Priority, **more: Any) -> Permit | Full:
        b.keep("77.00", timedelta())
        return reserve(account, priority, **more)

    b.world.rate_limiter.reserve = others_are_faster  # type: ignore[method-assign]
    assert b.told().available == usd("77.00")


# ---- Amazon does not answer ---------------------------------------------------------------------


@pytest.mark.parametrize("response", [TIMED_OUT, THROTTLED], ids=repr)
def test_an_older_balance_is_told_with_its_time_after_one_try(response: Failure) -> None:
    b = bank(response)
    older = b.keep("55.00", STALE_MAX - SECOND)
    assert b.told() == older
    assert b.asked == [0.0]
    assert b.world.telemetry.counts["OlderFundsTold"] == 1


def test_a_balance_of_more_than_an_hour_ago_is_none() -> None:
    b = bank(TIMED_OUT)
    b.keep("55.00", STALE_MAX)
    with pytest.raises(AmazonUnavailable):
        b.told()
    assert len(b.asked) > 1, "with nothing to fall back on it is tried for as long as there is time"


def test_without_a_permit_an_older_balance_is_told() -> None:
    b = bank()
    b.keep("55.00", 2 * MINUTE)
    b.world.rate_limiter.full_for = 5.0
    assert b.told().available == usd("55.00")
    assert b.asked == []


@pytest.mark.parametrize(
    ("response", "error"),
    [(KEY_REFUSED, AccountUnusable), (Refused(AmazonError("F300", "ActiveContractNotFound")), RefusedByAmazon)],
    ids=["key", "account"],
)
def test_an_account_that_amazon_refuses_is_an_error_whatever_was_known(
    response: Failure, error: type[GatewayError]
) -> None:
    b = bank(response)
    b.keep("55.00", 2 * MINUTE)
    with pytest.raises(error):
        b.told()


@pytest.mark.parametrize(("name", "error"), [("nobody", AccountUnusable), ("default", InvalidInput)])
def test_an_unknown_account_is_told_as_such_whatever_was_known(name: str, error: type[GatewayError]) -> None:
    b = bank()
    b.states.keep_funds(Snapshot(AccountFunds(name, usd("1.00"), START), START))
    if error is InvalidInput:
        b.world.accounts.get = refuse_name  # type: ignore[method-assign]
    with pytest.raises(error):
        b.told(name)
    assert b.asked == []


def refuse_name(name: str, *, fresh: bool = False) -> Account:
    raise InvalidInput("account", "must be something else")


# ---- our own table ------------------------------------------------------------------------------


def test_a_table_that_cannot_be_reached_costs_a_query_and_nothing_else() -> None:
    b = bank()
    b.states.works = False
    assert b.told().available == usd("100.00")
    assert {"accountUnread", "fundsNotKept"} <= set(b.logged)


def test_without_the_table_and_without_amazon_the_caller_is_told_why() -> None:
    b = bank(TIMED_OUT)
    b.states.works = False
    with pytest.raises(AmazonUnavailable):
        b.told()


def test_a_pace_that_cannot_be_kept_is_no_reason_to_hide_what_is_known() -> None:
    b = bank()
    b.keep("55.00", 2 * MINUTE)

    def broken(*_: object, **__: object) -> Permit:
        raise LedgerUnavailable("the pace could not be kept", in_doubt=False)

    b.world.rate_limiter.reserve = broken  # type: ignore[method-assign]
    assert b.told().available == usd("55.00")


# ---- over HTTP ----------------------------------------------------------------------------------


def test_the_function_tells_the_balance_and_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    b = bank()
    handler = handler_of("get_available_funds")
    monkeypatch.setitem(vars(container), "settings", SimpleNamespace(default_account="default"))
    monkeypatch.setitem(vars(container), "telemetry", b.world.telemetry)
    monkeypatch.setitem(vars(container), "dependencies", b.world.dependencies)
    monkeypatch.setitem(vars(container), "account_states", b.states)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 25_000)
    responses = [handler({"queryStringParameters": None}, context) for _ in range(3)]
    bodies = [json.loads(response["body"]) for response in responses]
    assert [response["statusCode"] for response in responses] == [200] * 3
    assert all(body["availableFunds"] == {"amount": "100.00", "currencyCode": "USD"} for body in bodies)
    assert {body["asOf"] for body in bodies} == {"2026-03-01T11:59:59Z"}
    assert b.asked == [0.0]


# ---- how long it lasts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("available", "average", "days"),
    [
        ("100.00", "30.00", "3.3"),
        ("100.00", "33.34", "2.9"),
        ("0.00", "30.00", "0.0"),
        ("-5.00", "30.00", "0.0"),
        ("100.00", "0.00", None),
        ("100.00", None, None),
    ],
)
def test_days_remaining_are_rounded_down(available: str, average: str | None, days: str | None) -> None:
    spend = Money(Decimal(average), "USD") if average is not None else None
    left = days_remaining(Money(Decimal(available), "USD"), spend)
    assert left == (Decimal(days) if days is not None else None)
