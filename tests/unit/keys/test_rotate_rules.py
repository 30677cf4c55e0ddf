"""The rules of a rotation: what a key is refused for, what a response says of it, and when the old one may go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.agcod.reading.responses import UNREADABLE, Funds
from incentives.domain.keys.rotation import (
    KeyNotes,
    Labels,
    Verdict,
    ending,
    fault_of,
    safe_to_deactivate_at,
    verdict_of,
    was_refused,
)
from incentives.domain.money import Money
from incentives.domain.outcomes import AmazonError, NotExecuted, NotExecutedBecause, Refused, Unknown, UnknownBecause
from incentives.domain.rate_limit import Allowance, Full, Priority
from incentives.usecases.keys.dependencies import PATIENCE, prove
from tests.support.fakes import START, account, world
from tests.unit.builders import KEY_REFUSED, MINUTE, NOT_SENT, REFUSED, SECOND, THROTTLED, TIMED_OUT

OLD = account(key_created_at=START - timedelta(days=170))
NEW = account(access_key_id="AKIDNEWNEWNEWXYZ", key_created_at=START)
BALANCE = Funds(Money(Decimal(0), "USD"), START)
CLOCK_WRONG = NotExecuted(NotExecutedBecause.CREDENTIALS, AmazonError(type="RequestExpired"))


def test_a_new_key_of_the_same_account_is_fine() -> None:
    assert fault_of(NEW, OLD) is None
    # also if nobody noted when the old one was made
    assert fault_of(NEW, replace(OLD, key_created_at=None)) is None


@pytest.mark.parametrize(
    ("updates", "named"),
    [
        ({"partner_id": "Other"}, "partnerId"),
        ({"marketplace": "UK"}, "marketplace"),
        ({"access_key_id": OLD.access_key_id}, "accessKeyId"),
        ({"key_created_at": None}, "keyCreatedAt is missing"),
        ({"key_created_at": START - timedelta(days=171)}, "keyCreatedAt is before"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(updates: dict[str, Any], named: str) -> None:
    fault = fault_of(replace(NEW, **updates), OLD)
    assert fault is not None
    assert fault.startswith(named)
    for value in (OLD.partner_id, OLD.access_key_id, "not-a-real-secret"):
        assert value not in fault


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (BALANCE, Verdict.GOOD),
        (KEY_REFUSED, Verdict.REFUSED),
        (REFUSED, Verdict.REFUSED),
        (Refused(AmazonError("F300", "OperationNotPermitted")), Verdict.REFUSED),
        (CLOCK_WRONG, Verdict.UNANSWERED),
        (THROTTLED, Verdict.UNANSWERED),
        (NOT_SENT, Verdict.UNANSWERED),
        (TIMED_OUT, Verdict.UNANSWERED),
        (UNREADABLE, Verdict.UNANSWERED),
        (Unknown(UnknownBecause.AMAZON_FAULT), Verdict.UNANSWERED),
    ],
)
def test_only_a_balance_proves_a_key_and_only_a_refusal_condemns_it(response: Any, verdict: Verdict) -> None:
    assert verdict_of(response) is verdict


@pytest.mark.parametrize(
    ("last_used_at", "safe_at"),
    [
        (None, START + 20 * MINUTE),
        (START - timedelta(days=1), START + 20 * MINUTE),
        (START + 4 * MINUTE, START + 24 * MINUTE),
        (START + 60 * MINUTE, START + 80 * MINUTE),
    ],
)
def test_an_old_key_may_go_when_neither_a_memory_nor_a_signature_of_it_is_left(
    last_used_at: datetime | None, safe_at: datetime
) -> None:
    assert safe_to_deactivate_at(START, last_used_at) == safe_at


def test_a_refusal_counts_from_the_promotion_on() -> None:
    assert not was_refused(KeyNotes(), START)
    assert not was_refused(KeyNotes(used_at=START), START)
    assert not was_refused(KeyNotes(refused_at=START - MINUTE), START)
    assert was_refused(KeyNotes(refused_at=START + SECOND), START)
    # by a clock that is a little behind
    assert was_refused(KeyNotes(refused_at=START - SECOND), START)


@pytest.mark.parametrize(
    ("labels", "on_trial"),
    [
        (Labels("a", None, None), False),
        (Labels("a", "b", None), False),
        (Labels("b", "b", "a"), True),
        (Labels(None, None, None), False),
    ],
)
def test_a_key_is_on_trial_while_it_is_current_and_pending(labels: Labels, on_trial: bool) -> None:
    assert labels.is_on_trial is on_trial


def test_people_tell_keys_apart_by_their_last_four_characters() -> None:
    assert ending(NEW) == "...WXYZ"


# ---- a proof ------------------------------------------------------------------------------------


def test_a_proof_takes_a_permit_of_recovery_and_of_the_balances_own_rate() -> None:
    w = world()
    w.amazon.funds_response = BALANCE
    assert prove(NEW, w.dependencies).verdict is Verdict.GOOD
    assert (w.rate_limiter.priorities, w.rate_limiter.allowances) == ([Priority.RECOVERY], [Allowance.FUNDS])


def test_a_proof_waits_for_its_permit_but_not_for_ever() -> None:
    w = world()
    w.amazon.funds_response = BALANCE
    w.rate_limiter.free_at = START + timedelta(seconds=1)
    assert prove(NEW, w.dependencies).verdict is Verdict.GOOD
    assert w.clock.now() == START + timedelta(seconds=1)
    w.rate_limiter.full_for = 1.0
    began_at = w.clock.now()
    assert prove(NEW, w.dependencies).verdict is Verdict.UNANSWERED
    assert PATIENCE <= w.clock.now() - began_at <= PATIENCE + timedelta(seconds=1)


def test_a_proof_without_a_pace_says_nothing_and_asks_nothing() -> None:
    w = world()
    w.amazon.funds_response = KEY_REFUSED
    w.rate_limiter.fails = {"reserve"}
    assert prove(NEW, w.dependencies).verdict is Verdict.UNANSWERED


def test_a_permit_that_begins_at_once_again_is_not_asked_for_without_a_pause() -> None:
    w = world()
    asked = 0
    reserve = w.rate_limiter.reserve

    def full_now(*args: Any, **members: Any) -> Any:
        nonlocal asked
        asked += 1
        reserve(*args, **members)
        return Full(w.clock.now(), w.clock.now())

    w.rate_limiter.reserve = full_now  # type: ignore[method-assign]
    assert prove(NEW, w.dependencies).verdict is Verdict.UNANSWERED
    assert asked < 100
