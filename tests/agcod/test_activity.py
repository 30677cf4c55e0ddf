from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incentives.agcod.activity import Activity, ActivityPage, judge_activity, query_of
from incentives.agcod.amazon import Amazon, CardState
from incentives.agcod.client import IncentivesClient
from incentives.agcod.reading.responses import judge_card_state, judge_failure, open_response
from incentives.domain.calls import Call
from incentives.domain.errors import InvalidInput
from incentives.domain.outcomes import Refused, Unknown
from incentives.domain.secret_text import Secret
from tests.agcod.samples import ACCOUNT, CARD_NUMBER, card_info, failure, response, to_json, to_xml
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
    read = judge_activity(open_response(response(body), CALL), CALL)
    assert read is not None
    assert read.total == 36
    first, second = read.rows
    assert (first.request_id, first.type, first.status, first.is_real) == ("AwssbT1", "GCCreation", "Success", True)
    assert str(first.value) == "10.00 GBP"
    assert first.time == datetime(2014, 9, 22, 16, 39, 7, tzinfo=UTC)
    assert (second.failure, second.value, second.is_real) == ("OperationNotPermitted", None, False)


def read(members: dict[str, Any]) -> ActivityPage | None:
    return judge_activity(open_response(response(to_json(members)), CALL), CALL)


CANCELLATION = {"activityType": "GCCancellation", "cardValue": None}

#: Rows that are left out, each with the request that it names.
ODD: dict[str, tuple[object, str]] = {
    "null": (None, ""),
    "text": ("text", ""),
    "number": (5, ""),
    "list": ([], ""),
    "nothing": ({}, ""),
    "another object": ({"a": 1, "b": 2}, ""),
    "no request id": (row(requestId=None), ""),
    "a blank for a request id": (row(requestId=" "), ""),
    "a number for a request id": (row(requestId=5), ""),
    "no time": (row(activityTime=None), "AwssbT1"),
    "no time that can be read": (row(activityTime="yesterday"), "AwssbT1"),
    "no amount": (row(cardValue=None), "AwssbT1"),
    "no amount that can be read": (row(cardValue={"amount": "ten", "currencyCode": "GBP"}), "AwssbT1"),
    "an amount of a cancellation that cannot be read": (row(**CANCELLATION | {"cardValue": 5}), "AwssbT1"),
    "no amount of nobody knows what": (row(activityType=None, cardValue=None), "AwssbT1"),
    "no status": (row(activityStatus=None), "AwssbT1"),
    "a status that nobody knows": (row(activityStatus="Pending"), "AwssbT1"),
    "a list for a status": (row(activityStatus=["Success"]), "AwssbT1"),
}
#: Rows that lack something and are read.
LACKING: dict[str, dict[str, Any]] = {
    "an amount of a cancellation": CANCELLATION,
    "an amount of a failure": REFUSED_ROW,
    "a type": {"activityType": None},
    "a type in one word": {"activityType": "no such type"},
    "a card's id": {"gcId": None},
    "whether it is real": {"isRealOp": None},
}


@pytest.mark.parametrize(("odd", "names"), ODD.values(), ids=ODD)
def test_an_odd_row_is_left_out_and_told_and_the_others_are_read(odd: object, names: str) -> None:
    members = page(row(7), row(8), total=3)
    members["cardActivityList"].insert(1, odd)
    found = read(members)
    assert found is not None
    assert [each.request_id for each in found.rows] == ["AwssbT7", "AwssbT8"]
    assert [each.request_id for each in found.left_out] == [names]
    assert found.total == 3


@pytest.mark.parametrize("lacking", LACKING.values(), ids=LACKING)
def test_what_a_row_need_not_have(lacking: dict[str, Any]) -> None:
    found = read(page(row(**lacking), total=1))
    assert found is not None
    assert [each.request_id for each in found.rows] == ["AwssbT1"]
    assert found.left_out == ()


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*row()]), inner, max_size=3),
    max_leaves=6,
)
_ODD_ROWS = _JUNK | st.tuples(st.sampled_from([*row()]), _JUNK).map(lambda change: row(1, **{change[0]: change[1]}))


@given(rows=st.lists(st.just(None) | _ODD_ROWS, max_size=8), good=st.sets(st.integers(0, 8), max_size=4))
@settings(deadline=None)
def test_whatever_rows_stand_among_them_all_good_ones_are_read(rows: list[object], good: set[int]) -> None:
    # given good rows here and there among others
    for place in sorted(good):
        rows.insert(place, row(100 + place))
    found = read(page(*rows, total=len(rows)))  # type: ignore[arg-type]
    # then each good one is read, in order, and none is lost without being counted
    assert found is not None
    ids = [each.request_id for each in found.rows]
    assert [each for each in ids if len(each) == len("AwssbT100")] == [f"AwssbT{100 + place}" for place in sorted(good)]
    assert len(found.rows) + len(found.left_out) == len(rows)


@pytest.mark.parametrize("rows", ["text", 5, True])
def test_a_list_that_is_none_is_no_page(rows: object) -> None:
    assert read(page(total=2) | {"cardActivityList": rows}) is None


@pytest.mark.parametrize("body", [to_json(page(row(), total=1)), to_xml(page(row(), total=1))], ids=["json", "xml"])
def test_a_single_row_is_a_row(body: bytes) -> None:
    # XML does not show whether an element may be repeated: a list of one looks like the one.
    read = judge_activity(open_response(response(body), CALL), CALL)
    assert read is not None
    assert [(each.request_id, str(each.value)) for each in read.rows] == [("AwssbT1", "10.00 GBP")]


@pytest.mark.parametrize(("total", "is_read"), [(0, True), (36, True), (None, False)])
def test_a_page_without_rows_is_one_only_if_it_tells_the_total(total: int | None, is_read: bool) -> None:
    # Otherwise a response that has lost its rows would end the search for a request as if it were not in the activity.
    members = page(total=total) | {"cardActivityList": None}
    read = judge_activity(open_response(response(to_json(members)), CALL), CALL)
    assert read == (ActivityPage((), total) if is_read else None)


def test_a_refused_page() -> None:
    members = failure("GetGiftCardActivityPage", "F300", "APIGetGiftCardActivityPageIsDisabled")
    members["agcodResponse"]["requestId"] = "123456987"
    assert isinstance(judge_failure(open_response(response(to_json(members), 400), CALL), 400, CALL), Refused)


def activities(count: int) -> list[Activity]:
    return [
        Activity(f"AwssbT{n}", "GCCreation", "Success", START + timedelta(seconds=n), None, None, None, is_real=True)
        for n in range(count)
    ]


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
    good = response(to_json(members | {"cardInfo": card_info(status, cardNumber=CARD_NUMBER)}))
    state = judge_card_state(open_response(good, CHECK), 200, CHECK)
    assert isinstance(state, CardState)
    assert state.status == status
    other = response(to_json(members | {"cardInfo": card_info(status, cardNumber="1" * 19)}))
    assert isinstance(judge_card_state(open_response(other, CHECK), 200, CHECK), Unknown)


def test_queries_over_the_wire() -> None:
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
