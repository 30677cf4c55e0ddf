from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.agcod.activity import Activity, ActivityPage, Walk, judge_activity, query_of
from incentives.agcod.amazon import Amazon, CardState
from incentives.agcod.answers import judge_card_state, judge_failure, open_answer
from incentives.agcod.client import IncentivesClient
from incentives.domain.accounts import Secret
from incentives.domain.calls import Call
from incentives.domain.errors import InvalidInput
from incentives.domain.outcomes import Refused, Unknown
from tests.agcod.samples import ACCOUNT, CARD_NUMBER, answer, card_info, failure, to_json, to_xml
from tests.agcod.servers import answering, http, serving

CALL = Call(name="GetGiftCardActivityPage", request_id="123456987")
CHECK = Call(name="ActivationStatusCheck", request_id="AwssbT1", card_number=Secret(CARD_NUMBER))
START = datetime(2026, 3, 1, tzinfo=UTC)


def row(number: int = 1, **changes: object) -> dict[str, Any]:
    return {
        "activityStatus": "Success",
        "activityTime": "Mon Sep 22 16:39:07 UTC 2014",
        "activityType": "GCCreation",
        "cardNumber": None,
        "cardValue": {"amount": Decimal("10.0"), "currencyCode": "GBP"},
        "failureCode": None,
        "gcId": "A1UJH7660ANXNT",
        "isRealOp": "true",
        "partnerId": "Awssb",
        "requestId": f"AwssbT{number}",
    } | changes


def page(*rows: dict[str, Any], total: int | None = None) -> dict[str, Any]:
    return {
        "cardActivityList": list(rows),
        "pageIndex": 0,
        "requestId": "123456987",
        "status": "SUCCESS",
        "totalNumberOfTransactionsInRequestedTimeFrame": total,
    }


def xml_page(*rows: dict[str, Any], total: int) -> bytes:
    return to_xml(page(total=total) | {"cardActivityList": {"member": list(rows)}})


REFUSED_ROW = {
    "activityStatus": "Failed",
    "isRealOp": "false",
    "failureCode": "OperationNotPermitted",
    "cardValue": None,
}


@pytest.mark.parametrize(
    "body",
    [
        to_json(page(row(), row(2, **REFUSED_ROW), total=36)),
        xml_page(row(), row(2, **REFUSED_ROW), total=36),
        to_xml(page(row(), row(2, **REFUSED_ROW), total=36)),
    ],
    ids=["json", "xml with members", "xml repeated"],
)
def test_a_page_is_read(body: bytes) -> None:
    read = judge_activity(open_answer(answer(body), CALL), CALL)
    assert read is not None
    assert read.total == 36
    first, second = read.rows
    assert (first.request_id, first.type, first.status, first.is_real) == ("AwssbT1", "GCCreation", "Success", True)
    assert str(first.value) == "10.00 GBP"
    assert first.time == datetime(2014, 9, 22, 16, 39, 7, tzinfo=UTC)
    assert (second.failure, second.value, second.is_real) == ("OperationNotPermitted", None, False)


@pytest.mark.parametrize("bad", ["text", 5, {"requestId": None}, {"requestId": 5}, {"a": 1, "b": 2}])
def test_a_row_that_is_none_makes_the_page_unreadable(bad: object) -> None:
    members = page(row(), total=2)
    members["cardActivityList"].append(bad)
    assert judge_activity(open_answer(answer(to_json(members)), CALL), CALL) is None


@pytest.mark.parametrize("body", [to_json(page(row(), total=1)), to_xml(page(row(), total=1))], ids=["json", "xml"])
def test_a_single_row_is_a_row(body: bytes) -> None:
    # XML does not show whether an element may be repeated: a list of one looks like the one.
    read = judge_activity(open_answer(answer(body), CALL), CALL)
    assert read is not None
    assert [(each.request_id, str(each.value)) for each in read.rows] == [("AwssbT1", "10.00 GBP")]


@pytest.mark.parametrize(("total", "is_read"), [(0, True), (36, True), (None, False)])
def test_a_page_without_rows_is_one_only_if_it_tells_the_total(total: int | None, is_read: bool) -> None:
    # Otherwise an answer that has lost its rows would end the search for a request as if it were not in the book.
    members = page(total=total) | {"cardActivityList": None}
    read = judge_activity(open_answer(answer(to_json(members)), CALL), CALL)
    assert read == (ActivityPage((), total) if is_read else None)


def test_a_refused_page() -> None:
    members = failure("GetGiftCardActivityPage", "F300", "APIGetGiftCardActivityPageIsDisabled")
    members["agcodResponse"]["requestId"] = "123456987"
    assert isinstance(judge_failure(open_answer(answer(to_json(members), 400), CALL), 400, CALL), Refused)


def activities(count: int) -> list[Activity]:
    return [
        Activity(f"AwssbT{n}", "GCCreation", "Success", START + timedelta(seconds=n), None, None, None, is_real=True)
        for n in range(count)
    ]


@pytest.mark.parametrize("counts_records", [True, False])
@pytest.mark.parametrize("says_total", [True, False])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 23])
def test_a_walk_finds_everything_whatever_an_index_counts(count: int, says_total: bool, counts_records: bool) -> None:
    everything, size = activities(count), 5
    walk, asked = Walk(), 0
    while walk.next_index is not None:
        start = walk.next_index if counts_records else walk.next_index * size
        walk = walk.take(ActivityPage(tuple(everything[start : start + size]), count if says_total else None))
        asked += 1
        assert asked < 20
    assert list(walk.rows) == everything
    assert walk.take(ActivityPage(tuple(everything), count)) == walk


def test_a_query_names_what_is_wrong() -> None:
    end = START + timedelta(days=1)
    assert query_of(start=START, end=end, index=0)["utcStartDate"] == "2026-03-01T00:00:00"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"start": end, "end": START}, "from"),
        ({"index": -1}, "page"),
        ({"size": 1001}, "pageSize"),
    ]
    for change, field in wrong:
        with pytest.raises(InvalidInput) as caught:
            query_of(**{"start": START, "end": end, "index": 0, **change})
        assert caught.value.field == field


@pytest.mark.parametrize("status", ["Activated", "AwaitingActivation"])
def test_a_status_check(status: str) -> None:
    members = {"statusCheckRequestId": "AwssbT1", "status": "SUCCESS"}
    good = answer(to_json(members | {"cardInfo": card_info(status, cardNumber=CARD_NUMBER)}))
    state = judge_card_state(open_answer(good, CHECK), 200, CHECK)
    assert isinstance(state, CardState)
    assert state.status == status
    other = answer(to_json(members | {"cardInfo": card_info(status, cardNumber="1" * 19)}))
    assert isinstance(judge_card_state(open_answer(other, CHECK), 200, CHECK), Unknown)


def test_questions_over_the_wire() -> None:
    body = {"statusCheckRequestId": "AwssbT1", "status": "SUCCESS", "cardInfo": card_info("Activated")}
    with serving(answering(http(to_json(body)))) as seen:
        client = IncentivesClient(f"http://127.0.0.1:{seen.port}")
        amazon = Amazon(client)
        state = amazon.activation_status(ACCOUNT, request_id="AwssbT1", card_number=Secret(CARD_NUMBER), seconds=5)
        assert isinstance(state, CardState)
        query = query_of(start=START, end=START, index=0)
        assert isinstance(amazon.activity_page(ACCOUNT, request_id="x", query=query, seconds=5), Unknown)
        client.close()
    with serving(answering(http(to_json(page(row(), total=1))))) as seen:
        client = IncentivesClient(f"http://127.0.0.1:{seen.port}")
        read = Amazon(client).activity_page(ACCOUNT, request_id="123456987", query=query, seconds=5)
        assert isinstance(read, ActivityPage)
        client.close()
    assert seen.requests == ["POST /GetGiftCardActivityPage HTTP/1.1"]
