"""Answers that tell the truth in a strange way, as they come over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.callers import PARTNER, SECRET

if TYPE_CHECKING:
    from tests.sandbox.callers import Api

JSON, XML = "application/json", "application/xml"
SLOW = {"kind": "throttle", "errorType": "SlowDown", "message": "Wait."}
MISMATCH = "The request signature we calculated does not match"
NULLS = (
    '"agcodResponse":{"__type":"CreateGiftCardResponse:http://internal.amazon.com/coral/com.amazonaws.agcod/",'
    '"cardInfo":null,"creationRequestId":null,"gcClaimCode":null,"gcExpirationDate":null,"gcId":null,"status":"FAILURE"}'
)


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "header", "body"),
    [
        (
            {"kind": "connectionLost", "message": "Closed."},
            400,
            JSON,
            "HttpFailureException",
            '{"__type":"HttpFailureException","message":"Closed."}',
        ),
        (
            {"kind": "internalFault", "errorType": "ServiceUnavailable", "message": "", "form": "body"},
            400,
            JSON,
            None,
            '{"__type":"ServiceUnavailable","message":""}',
        ),
        (
            {"kind": "capacity", "message": "Later.", "form": "xml"},
            400,
            XML,
            None,
            "<ProvisionedThroughputExceededException><Message>Later.</Message></ProvisionedThroughputExceededException>",
        ),
        (SLOW | {"form": "header", "httpStatus": 503}, 503, JSON, "SlowDown", '{"message":"Wait."}'),
        (SLOW | {"form": "message", "httpStatus": 429}, 429, JSON, None, '{"message":"Wait."}'),
        (SLOW | {"form": "xmlCode"}, 400, XML, None, "<Error><Code>SlowDown</Code><Message>Wait.</Message></Error>"),
        (
            SLOW | {"form": "wrapper", "httpStatus": 200},
            200,
            JSON,
            None,
            '{"Output":{"__type":"com.amazon.coral.availability#SlowDown","message":"Wait."},"Version":"1.0"}',
        ),
        (
            {"kind": "page", "httpStatus": 403},
            403,
            "text/html",
            None,
            "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>",
        ),
        (
            {"kind": "message", "message": "class java.lang.String is not an expected Json type"},
            400,
            JSON,
            None,
            '{"Message":"class java.lang.String is not an expected Json type"}',
        ),
        (
            {"kind": "wrongSignature", "message": "No."},
            400,
            JSON,
            None,
            f'{{{NULLS},"errorCode":"F200","errorType":null,"message":"No."}}',
        ),
    ],
    ids=lambda each: f"{each['kind']} {each.get('form', '')}" if isinstance(each, dict) else "",
)
def test_a_fault_is_told_to_the_byte(
    api: Api, fault: dict[str, Any], status: int, content_type: str, header: str | None, body: str
) -> None:
    api.control("faults", fault)

    response = api.create()

    assert (response.status_code, response.headers["Content-Type"]) == (status, content_type)
    assert response.headers.get("X-Amzn-Errortype") == header
    assert response.text == body


def test_a_card_is_created_for_a_while_and_then_fulfilled(api: Api) -> None:
    api.control("faults", {"kind": "created", "operation": "CreateGiftCard", "calls": {"first": 2}})

    responses = [api.create().json() for _ in range(3)]

    assert [each["cardInfo"].pop("cardStatus") for each in responses] == ["Created", "Created", "Fulfilled"]
    assert responses[0] == responses[2]
    assert api.report()["charges"] == {"USD": "25.00"}


@pytest.mark.parametrize(
    ("kind", "funds"),
    [
        ("fundsList", [{"amount": 4999.85, "currencyCode": "USD"}]),
        ("noisyAmount", {"amount": 4999.849999999999, "currencyCode": "USD"}),
    ],
)
def test_a_balance_is_told_strangely(api: Api, kind: str, funds: object) -> None:
    api.control("funds", {"amount": "4999.85"})
    api.control("faults", {"kind": kind})

    assert api.post("GetAvailableFunds", {"partnerId": PARTNER}).json()["availableFunds"] == funds


@pytest.mark.parametrize("cards", [0, 2])
def test_a_row_of_nobody_s_request_stands_before_the_others(api: Api, cards: int) -> None:
    for number in range(cards):
        api.create(f"Sandb{number}")
    api.control("faults", {"kind": "nullRow"})
    asked = {"requestId": "1", "partnerId": PARTNER, "pageIndex": 0, "pageSize": 10, "showNoOps": False}

    page = api.post(
        "GetGiftCardActivityPage", asked | {"utcStartDate": "2000-01-01T00:00:00", "utcEndDate": "2100-01-01T00:00:00"}
    ).json()

    assert [row["requestId"] for row in page["cardActivityList"]] == [None, *(f"Sandb{n}" for n in range(cards))]
    assert page["totalNumberOfTransactionsInRequestedTimeFrame"] == cards + 1


@pytest.mark.parametrize(("told_as", "error_type"), [("F200", None), ("GeneralError", "GeneralError")])
def test_a_wrong_secret_is_told_as_a_business_error(api: Api, told_as: str, error_type: str | None) -> None:
    api.control("options", {"wrongSignature": told_as})

    response = api.create(secret="another")

    told = response.json()
    assert (response.status_code, told["errorCode"], told["errorType"]) == (400, "F200", error_type)
    assert told["message"].startswith(MISMATCH)
    assert told["agcodResponse"]["status"] == "FAILURE"
    assert (api.report()["cards"], api.report()["calls"][0]["outcome"]) == ([], f"F200 {error_type or ''}".strip())
    assert api.create(secret=SECRET).status_code == 200
