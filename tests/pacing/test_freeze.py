"""An account is frozen under load, in virtual time: from the answer on nothing arrives that Amazon has never seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import pytest

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.calls import LEAVES_WITHIN_SECONDS
from incentives.domain.rate_limit import Allowance, Frozen, Full, Pace, Permit, Priority
from incentives.domain.single_requests.record import Status
from incentives.usecases.accounts import freeze
from incentives.usecases.accounts.dependencies import AccountDependencies
from tests.pacing import promises, shop
from tests.pacing.shop import Load, MakeRateLimiter, Shop, real_rate_limiter
from tests.support.fakes import FakeAccountStates
from tests.support.freezes import FakeFreezes

pytestmark = pytest.mark.slow

#: More orders than there are permits, so that all permits of the next two seconds are taken when it is frozen.
LOAD: Final = Load(seconds=14, per_second=20, skews=(-0.2, 0.0, 0.2))
FROZEN_AT: Final = 6.0
UNFROZEN_AT: Final = 1_000.0


@dataclass
class Operator:
    """Freezes the shop's account and unfreezes it, in a process that is new to the account.

    Attributes:
        frozen: from when to when freezing took, by the true time in seconds from the beginning.
        unfrozen: when it was unfrozen.
    """

    shop: Shop
    skew: float = 0.4
    make_rate_limiter: MakeRateLimiter = real_rate_limiter
    frozen: tuple[float, float] = (0.0, 0.0)
    unfrozen: float = 0.0
    freezes: FakeFreezes = field(default_factory=FakeFreezes)

    def __post_init__(self) -> None:
        self.shop.stage.spawn(self._freeze, after_seconds=FROZEN_AT)
        self.shop.stage.spawn(self._unfreeze, after_seconds=UNFROZEN_AT)

    def _here(self) -> AccountDependencies:
        return AccountDependencies(
            dependencies=self.shop._process(self.skew, self.make_rate_limiter),
            freezes=self.freezes,
            states=FakeAccountStates(),
            default="default",
        )

    def _freeze(self) -> None:
        begun = self.shop.stage.seconds
        freeze.freeze("default", "A key has leaked", "arn:aws:iam::123456789012:user/anna", self._here())
        self.frozen = begun, self.shop.stage.seconds

    def _unfreeze(self) -> None:
        freeze.unfreeze("default", None, self._here())
        self.unfrozen = self.shop.stage.seconds


def nothing_new_arrives(operator: Operator) -> None:
    """From the answer on until it is unfrozen, by what the sandbox counts."""
    _, answered = operator.frozen
    calls = operator.shop.sandbox.calls
    seen = {call.request_id for call in calls if call.tick < answered}
    new = [call for call in calls if answered <= call.tick < operator.unfrozen and call.request_id not in seen]
    assert not new, f"{len(new)} requests arrived, the last {new[-1].tick - answered:.2f} s after the answer"


def the_rest_goes_on(operator: Operator) -> None:
    """Reversals are carried out, callers are told, and what was recorded is issued once it is unfrozen."""
    of, (begun, answered) = operator.shop, operator.frozen
    assert answered - begun < 6.0
    reversals = [
        each for each in promises.calls_between(of, answered, UNFROZEN_AT) if each.operation == "CancelGiftCard"
    ]
    assert len(reversals) >= 3
    promises.reversals_are_carried_out(of)
    promises.no_second_is_too_full(of)
    promises.sweeps_find_nothing(of)
    statuses = {status for status, _ in of.responses}
    assert statuses == {201, 202, 503}
    assert {record.status for record in of.records} == {Status.SUCCEEDED, Status.REVERSED}
    refused = sum(status == 503 for status, _ in of.responses)
    assert len(of.records) == len(of.responses) - refused
    assert all("AccountFrozen" in body for status, body in of.responses if status == 503)
    # and some had to wait for it
    assert promises.calls_between(of, operator.unfrozen, float("inf"))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("skew", [-0.4, 0.0, 0.4])
def test_a_shop_is_frozen_under_load(seed: int, skew: float) -> None:
    of = Shop(replace(LOAD, seed=seed))
    operator = Operator(of, skew)
    of.run()
    nothing_new_arrives(operator)
    the_rest_goes_on(operator)


@pytest.mark.parametrize("seed", range(2))
def test_a_shop_whose_processes_are_held_up_is_frozen(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given calls to DynamoDB that take up to half a second, so that permits are late
    monkeypatch.setattr(shop, "DYNAMODB_SECONDS", (0.001, 0.5))
    of = Shop(replace(LOAD, seed=seed))
    operator = Operator(of)
    of.run()
    nothing_new_arrives(operator)
    # and some that had been written down as sent did not leave
    kept_back = {record.request_id for record in of.records if record.attempts > 1}
    assert kept_back
    assert {record.status for record in of.records} == {Status.SUCCEEDED, Status.REVERSED}


def test_a_shop_whose_connections_are_slow_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    # given connections to Amazon that take as long as they may, for processes that are held up as well
    monkeypatch.setattr(shop, "TO_AMAZON_SECONDS", (LEAVES_WITHIN_SECONDS, LEAVES_WITHIN_SECONDS))
    monkeypatch.setattr(shop, "DYNAMODB_SECONDS", (0.001, 0.2))
    of = Shop(replace(LOAD, seed=0))
    operator = Operator(of)
    of.run()
    nothing_new_arrives(operator)


# ---- the judge can condemn ----------------------------------------------------------------------


class NeverFrozen(DynamoDbRateLimiter):
    """A rate limiter that does not ask what a permit is for."""

    def reserve(
        self, account: str, priority: Priority, *, allowance: Allowance | None = None, never_sent: bool = False
    ) -> Permit | Full | Frozen:
        return super().reserve(account, priority, allowance=allowance)


def never_frozen(table: Any, pace: Pace, now: Callable[[], datetime]) -> DynamoDbRateLimiter:
    return NeverFrozen(table, "rate_limiter", pace=pace, now=now)


def test_permits_that_do_not_look_are_found() -> None:
    of = Shop(LOAD, make_rate_limiter=never_frozen)
    operator = Operator(of)
    of.run()
    with pytest.raises(AssertionError, match="requests arrived"):
        nothing_new_arrives(operator)


def test_an_answer_that_does_not_wait_for_those_who_have_a_permit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "LAST_CALL_LEAVES_AFTER", freeze.LAST_CALL_LEAVES_AFTER / 100)
    of = Shop(LOAD)
    operator = Operator(of)
    of.run()
    with pytest.raises(AssertionError, match="requests arrived"):
        nothing_new_arrives(operator)
