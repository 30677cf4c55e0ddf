"""Amazon as the use cases see it, when no response comes, or one that this room fails to read."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import NoReturn

import pytest

from incentives.agcod import activity as activities
from incentives.agcod import amazon as room
from incentives.agcod.activity import ActivityPage, query_of
from incentives.agcod.amazon import Amazon
from incentives.agcod.client import IncentivesClient
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Succeeded, Unknown, UnknownBecause, Unresolved
from incentives.domain.secret_text import Secret
from tests.agcod.samples import ACCOUNT, CALLS, CARD_NUMBER, card_info, success, to_json
from tests.agcod.servers import Behaviour, answering, dropping, http, serving, silent

PATIENCE = 5.0
A_DAY = datetime(2026, 3, 1, tzinfo=UTC)

Ask = Callable[[Amazon, float], object]


def funds(amazon: Amazon, seconds: float) -> object:
    return amazon.funds(ACCOUNT, seconds=seconds)


def card_state(amazon: Amazon, seconds: float) -> object:
    return amazon.activation_status(ACCOUNT, request_id="AwssbT1", card_number=Secret(CARD_NUMBER), seconds=seconds)


def activity(amazon: Amazon, seconds: float) -> object:
    query = query_of(start=A_DAY, end=A_DAY, index=0)
    return amazon.activity_page(ACCOUNT, request_id="AwssbT1", query=query, seconds=seconds)


def operation(amazon: Amazon, seconds: float) -> object:
    return amazon.attempt(amazon.sign(CALLS["CreateGiftCard"], ACCOUNT), seconds=seconds).outcome


def reversal(amazon: Amazon, seconds: float) -> object:
    return amazon.attempt_reversal(amazon.sign(CALLS["CancelGiftCard"], ACCOUNT), seconds=seconds).outcome


QUERIES: dict[Ask, dict[str, object]] = {
    funds: {"availableFunds": {"amount": 5, "currencyCode": "USD"}, "status": "SUCCESS"},
    card_state: {"statusCheckRequestId": "AwssbT1", "status": "SUCCESS", "cardInfo": card_info("Activated")},
    activity: {"requestId": "AwssbT1", "status": "SUCCESS", "totalNumberOfTransactionsInRequestedTimeFrame": 0},
}
CALLED: dict[Ask, dict[str, object]] = {operation: success("CreateGiftCard"), reversal: success("CancelGiftCard")}


@contextlib.contextmanager
def amazon_that(behave: Behaviour) -> Iterator[Amazon]:
    with serving(behave) as seen, contextlib.closing(IncentivesClient(f"http://127.0.0.1:{seen.port}")) as client:
        yield Amazon(client)


def without_response(ask: Ask, because: UnknownBecause | NotExecutedBecause) -> object:
    """What a call is that was not answered."""
    if isinstance(because, UnknownBecause):
        return Unresolved(unknown=because) if ask is reversal else Unknown(because)
    return Unresolved(not_executed=because) if ask is reversal else NotExecuted(because)


@pytest.mark.parametrize("ask", QUERIES | CALLED)
def test_what_is_not_answered_is_told_by_how_far_it_came(ask: Ask) -> None:
    # given nobody at the address
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    amazon = Amazon(IncentivesClient(f"http://127.0.0.1:{port}"))
    assert ask(amazon, PATIENCE) == without_response(ask, NotExecutedBecause.NOT_SENT)
    # then a connection that breaks, and one that says nothing for longer than there is time
    with amazon_that(dropping) as amazon:
        assert ask(amazon, PATIENCE) == without_response(ask, UnknownBecause.CONNECTION_LOST)
    with amazon_that(silent) as amazon:
        assert ask(amazon, 0.1) == without_response(ask, UnknownBecause.TIMED_OUT)


@pytest.mark.parametrize(
    ("ask", "of", "reader"),
    [
        (operation, room, "judge_outcome"),
        (reversal, room, "judge_reversal"),
        (funds, room, "judge_funds"),
        (card_state, room, "judge_card_state"),
        (activity, activities, "judge_activity"),
    ],
)
@pytest.mark.parametrize("breaks", ["opening", "judging"])
def test_a_bug_of_ours_makes_no_response_of_a_good_one(
    ask: Ask, of: ModuleType, reader: str, breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> NoReturn:
        raise KeyError(CARD_NUMBER)

    with amazon_that(answering(http(to_json((QUERIES | CALLED)[ask])))) as amazon:
        # given a response that is read as long as the reader works
        read = ask(amazon, PATIENCE)
        assert not isinstance(read, Unknown | Unresolved)
        # when the reader raises
        monkeypatch.setattr(*((room, "open_response") if breaks == "opening" else (of, reader)), bug)
        # then nobody is told that anything has failed: whether it has is not known
        assert ask(amazon, PATIENCE) == without_response(ask, UnknownBecause.UNREADABLE)


def test_an_attempt_that_ends_unread_keeps_its_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(room, "judge_outcome", bug)
    response = http(to_json(success("CreateGiftCard")), "200 OK", "X-Amzn-RequestId: a-request-id-of-aws")
    with amazon_that(answering(response)) as amazon:
        attempt = amazon.attempt(amazon.sign(CALLS["CreateGiftCard"], ACCOUNT), seconds=PATIENCE)

    assert not isinstance(attempt.outcome, Succeeded)
    # so that a person can find out what the response was
    assert (attempt.evidence.http_status, attempt.evidence.amazon_request_id) == (200, "a-request-id-of-aws")
    assert attempt.evidence.response["status"] == "SUCCESS"


def test_a_page_beyond_the_last_one_is_empty() -> None:
    with amazon_that(answering(http(to_json(QUERIES[activity])))) as amazon:
        assert activity(amazon, PATIENCE) == ActivityPage((), 0)
