"""`Prefer: respond-async`: who would rather not wait is told at once, and everybody else as before."""

from __future__ import annotations

import pytest

from incentives.api import parameters
from incentives.api.gateway import decode
from tests.openapi.served import served
from tests.support.fakes import CODE

ISSUES = ("create_gift_card", "activate_gift_card", "load_amazon_balance")
ASYNC = {"Prefer": "respond-async"}


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        (["respond-async"], True),
        (["Respond-Async"], True),
        (["respond-async; reason=batch"], True),
        (['respond-async=""'], True),
        (["wait=10, respond-async"], True),
        (["return=minimal;x=1 ,, respond-async , wait=10"], True),
        (["return=minimal", "respond-async"], True),
        (['foo="a, b"; bar="\\", respond-async, \\"", respond-async'], True),
        ([], False),
        ([""], False),
        (["return=representation"], False),
        (["respond-async=no"], False),
        (["respond-async-later"], False),
        (['foo="a, respond-async"'], False),
        (['foo="\\", respond-async"'], False),
        (["foo; respond-async"], False),
        (['foo="never closed, respond-async'], False),
        (['respond-async, foo="never closed, \\'], True),
    ],
)
def test_the_header_is_a_list_of_preferences(values: list[str], asked: bool) -> None:
    call = decode({"path": "/gift-cards", "multiValueHeaders": {"PREFER": values}})
    assert parameters.prefers_async(call) is asked


def test_one_value_is_enough_where_there_are_no_lists() -> None:
    assert parameters.prefers_async(decode({"path": "/gift-cards", "headers": {"prefer": "respond-async"}}))


@pytest.mark.parametrize("function", ISSUES)
def test_a_request_is_written_down_and_sent_in_its_turn(function: str) -> None:
    with served() as api:
        # when a caller prefers not to wait
        told = api.issue(function, headers=ASYNC)
        # then it is told so at once, and nothing was sent
        assert (told.status, told.headers["Preference-Applied"]) == (202, "respond-async")
        assert api.world.amazon.sent == []
        # and the request is known, in line, and due
        request_id = told.body["requestId"]
        assert told.headers["Location"] == f"/v1{told.headers['Location'][3:].rpartition('/')[0]}/{request_id}"
        assert [put for put, _ in api.world.backlog.puts] == [request_id]
        assert told.body["status"] == "PENDING"
        assert told.body["dueAt"] == "2026-03-01T12:00:00Z"


def test_without_a_permit_a_caller_is_told_when_there_is_one() -> None:
    with served() as api:
        api.world.rate_limiter.full_for = 42.0
        told = api.issue("create_gift_card")
        assert (told.status, told.headers["Retry-After"]) == (202, "42")
        assert told.body["dueAt"] == "2026-03-01T12:00:42Z"
        # and nothing says that this was what the caller wanted
        assert "Preference-Applied" not in told.headers
        # and whoever asks later is told the same
        assert api.send("get_gift_card", told.body["requestId"]).body["dueAt"] == "2026-03-01T12:00:42Z"


def test_other_preferences_change_nothing() -> None:
    with served() as api:
        told = api.issue("create_gift_card", headers={"Prefer": "return=minimal, wait=1"})
        assert told.status == 201
        assert told.body["gcClaimCode"] == CODE


def test_what_is_done_already_is_told_as_done() -> None:
    with served() as api:
        first = api.issue("create_gift_card")
        again = api.issue("create_gift_card", headers=ASYNC)
        assert (again.status, again.body) == (200, first.body)
        # and no preference was heeded by that
        assert "Preference-Applied" not in again.headers


def test_whatever_is_under_way_is_not_due() -> None:
    with served() as api:
        card = api.issue("create_gift_card")
        assert card.body["dueAt"] is None
