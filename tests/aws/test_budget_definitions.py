"""Setting a budget when responses get lost: what may have been done is never told as not done."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

from incentives.aws.budgets.budget_items import encode_budget, encode_period
from incentives.aws.budgets.definitions import TRIES_MAX, DynamoDbBudgetDefinitions
from incentives.aws.clients import CLIENT_CONFIG
from incentives.domain.budgets.budget import Budget, new_period
from incentives.domain.budgets.figures import BudgetMoved, TooLittleLeft
from incentives.domain.errors import LedgerUnavailable
from tests.aws.scripted import CONFLICT, NONE, THROTTLED, Hangup, Response, Script, cancelled, ok, scripted_dynamodb
from tests.contract.budgets_suite import NOVEMBER, new_budget

BEFORE = new_budget()
AFTER = replace(BEFORE, limit=20_000, version=2)
PERIOD = replace(new_period(BEFORE, NOVEMBER), remaining=7_500, version=3)
THERE = ok(Item=encode_period(PERIOD))


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_dynamodb() as server:
        yield server


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


def failed(item: Any = None) -> dict[str, Any]:
    return {"Code": "ConditionalCheckFailed", **({"Item": item} if item else {})}


def define(script: Script, *responses: Any, after: Budget = AFTER) -> Budget | BudgetMoved | TooLittleLeft:
    script.responses = [THERE, *responses]
    client = boto3.client(
        "dynamodb",
        config=CLIENT_CONFIG.merge(Config(read_timeout=0.3)),
        endpoint_url=script.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    tokens = (f"token-{number}" for number in itertools.count())
    definitions = DynamoDbBudgetDefinitions(
        client, "budgets", sleep=lambda _: None, random=lambda: 0.0, new_nonce=lambda: next(tokens)
    )
    return definitions.define(BEFORE, after, [NOVEMBER], "mine")


def test_each_try_has_a_token_of_its_own_and_the_nonce_stays(script: Script) -> None:
    assert define(script, cancelled(NONE, CONFLICT), ok()) == replace(AFTER, nonce="mine")
    writes = [call for name, call in script.calls if name == "TransactWriteItems"]
    assert [each["ClientRequestToken"] for each in writes] == ["token-0", "token-1"]
    assert {each["TransactItems"][0]["Put"]["Item"]["nonce"]["S"] for each in writes} == {"mine"}


def test_a_try_that_took_effect_unheard_is_known_by_its_nonce(script: Script) -> None:
    # given a write whose response is lost, and whose repeat another write is in the way of
    mine = cancelled(failed(encode_budget(replace(AFTER, nonce="mine"))), NONE)
    assert define(script, Hangup(), cancelled(NONE, CONFLICT), mine) == replace(AFTER, nonce="mine")
    # somebody else's is none of ours
    others = replace(AFTER, limit=1, nonce="others")
    assert define(script, Hangup(), cancelled(failed(encode_budget(others)), NONE)) == BudgetMoved(others)


@pytest.mark.parametrize(
    ("responses", "in_doubt"),
    [
        ([THROTTLED] * 3, False),
        ([Response(400, b"{}")], False),
        ([Hangup()] * 3, True),
        ([Hangup(), THROTTLED, THROTTLED], True),
        ([Hangup(), *[cancelled(NONE, CONFLICT)] * TRIES_MAX], True),
    ],
    ids=["throttled", "a plain no", "silence", "silence, then throttled", "silence, then busy"],
)
def test_what_may_have_been_done_is_told_as_such(script: Script, responses: list[Any], in_doubt: bool) -> None:
    with pytest.raises(LedgerUnavailable) as caught:
        define(script, *responses)
    assert caught.value.in_doubt is in_doubt


def test_too_little_is_what_the_item_says_and_the_definition_goes_first(script: Script) -> None:
    lower = replace(AFTER, limit=1_000)
    item = failed(encode_period(PERIOD))
    assert define(script, cancelled(NONE, item), after=lower) == TooLittleLeft(PERIOD)
    # who was faster may have lowered it, so that his is the word
    others = replace(AFTER, limit=2_500, nonce="others")
    assert define(script, cancelled(failed(encode_budget(others)), item), after=lower) == BudgetMoved(others)
