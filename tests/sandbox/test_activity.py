from __future__ import annotations

from typing import Any

import pytest

from sandbox.control.api import handle
from sandbox.model.clock import Clock
from tests.sandbox.callers import PARTNER, Model


def page(model: Model, **rest: object) -> tuple[int, dict[str, Any]]:
    fields = {
        "requestId": "123", "utcStartDate": "2030-06-01T00:00:00", "utcEndDate": "2030-06-01T23:59:59Z",
        "pageIndex": 0, "pageSize": 1000, "showNoOps": False,
    }  # fmt: skip
    return model.ask("GetGiftCardActivityPage", **(fields | rest))


def ids(response: dict[str, Any]) -> list[str]:
    return [row["requestId"] for row in response["cardActivityList"]]


def test_a_creation_and_a_cancellation_have_the_recorded_shape(model: Model) -> None:
    card = model.create(amount=10)[1]
    model.time.advance(61)
    model.cancel()
    status, response = page(model)
    created = {
        "activityStatus": "Success",
        "activityTime": "Sat Jun 01 12:00:00 UTC 2030",
        "activityType": "GCCreation",
        "cardNumber": None,
        "cardValue": {"amount": 10.0, "currencyCode": "USD"},
        "failureCode": None,
        "gcId": card["gcId"],
        "isRealOp": "true",
        "partnerId": PARTNER,
        "requestId": "Sandb1",
    }
    cancelled = created | {
        "activityTime": "Sat Jun 01 12:01:01 UTC 2030",
        "activityType": "GCCancellation",
        "cardValue": None,
    }
    assert status == 200
    assert response == {
        "cardActivityList": [created, cancelled],
        "pageIndex": 0,
        "requestId": "123",
        "status": "SUCCESS",
        "totalNumberOfTransactionsInRequestedTimeFrame": 2,
    }


def test_repeats_and_failures_are_listed_only_when_asked_for(model: Model) -> None:
    model.create()
    model.create()
    model.create(amount=-1)
    model.create("F2003")
    assert page(model)[1]["totalNumberOfTransactionsInRequestedTimeFrame"] == 1
    rows = page(model, showNoOps=True)[1]["cardActivityList"]
    assert [(row["isRealOp"], row["activityStatus"], row["failureCode"]) for row in rows] == [
        ("true", "Success", None),
        ("false", "Success", None),
        ("false", "Failed", "InvalidAmountValue"),
    ]


@pytest.mark.parametrize(
    ("reading", "index", "first"), [("page", 1, "Sandb3"), ("offset", 1, "Sandb1"), ("offset", 3, "Sandb3")]
)
def test_both_readings_of_the_page_index(model: Model, reading: str, index: int, first: str) -> None:
    model.set(pageIndex=reading)
    for number in range(5):
        model.create(f"Sandb{number}")
    rows = page(model, pageIndex=index, pageSize=3)[1]["cardActivityList"]
    assert rows[0]["requestId"] == first
    assert len(rows) == min(3, 5 - int(first[-1]))
    assert page(model, pageIndex=9, pageSize=3)[1]["cardActivityList"] == []


def test_dates_bound_the_page_to_the_second(model: Model) -> None:
    model.time.advance(0.9)
    model.create()
    inside = {"utcStartDate": "2030-06-01T12:00:00Z", "utcEndDate": "2030-06-01T12:00:00Z"}
    assert len(page(model, **inside)[1]["cardActivityList"]) == 1
    assert page(model, utcEndDate="2030-06-01T11:59:59")[1]["cardActivityList"] == []
    assert page(model, utcStartDate="2030-06-01T12:00:01")[1]["cardActivityList"] == []


@pytest.mark.parametrize(
    ("wrong", "error_type"),
    [
        ({"requestId": None}, "InvalidRequestIdInput"),
        ({"utcStartDate": None}, "InvalidStartDate"),
        ({"utcEndDate": ""}, "InvalidEndDate"),
        ({"utcStartDate": "2030-02-31T00:00:00"}, "InvalidStartDate"),
        ({"utcEndDate": "01.06.2030"}, "InvalidDateFormat"),
        ({"utcStartDate": "2030-06-02T00:00:00"}, "StartDateAfterEndDate"),
        ({"pageIndex": -1}, "InvalidPageIndex"),
        ({"pageIndex": None}, "InvalidPageIndex"),
        ({"pageSize": 0}, "InvalidPageSize"),
        ({"pageSize": 1001}, "MaxPageSizeExceeded"),
        ({"requestId": "F4000"}, "SystemTemporarilyUnavailable"),
    ],
)
def test_bad_queries_are_refused(model: Model, wrong: dict[str, Any], error_type: str) -> None:
    assert page(model, **wrong)[1]["errorType"] == error_type


def test_the_page_may_be_disabled_for_a_partner(model: Model) -> None:
    handle(model.sandbox, Clock(), "POST", "accounts", {"partnerId": PARTNER, "activityDisabled": True})
    response = page(model)[1]
    assert (response["errorCode"], response["errorType"]) == ("F300", "APIGetGiftCardActivityPageIsDisabled")


def test_every_kind_of_operation_is_logged_by_the_name_that_it_is_given(model: Model) -> None:
    card = {"activationRequestId": "Sandb2", "cardNumber": "1" * 19, "value": {"amount": 5, "currencyCode": "USD"}}
    model.ask("ActivateGiftCard", **card)
    model.ask("DeactivateGiftCard", **card)
    amount, account = {"currencyCode": "USD", "value": "500"}, {"id": "a", "type": "2"}
    model.ask("LoadAmazonBalance", loadBalanceRequestId="Sandb3", amount=amount, account=account)
    model.ask("VoidAmazonBalanceLoad", loadBalanceRequestId="Sandb3")
    rows = page(model)[1]["cardActivityList"]
    assert [row["activityType"] for row in rows] == ["GCActivation", "GCDeactivation", "BalanceLoad", "BalanceLoadVoid"]
    assert [row["cardValue"] is None for row in rows] == [False, True, False, True]
    model.set(activityTypes={"LoadAmazonBalance": "ABLoad"}, refundAmounts=True)
    rows = page(model)[1]["cardActivityList"]
    assert [row["activityType"] for row in rows] == ["GCActivation", "GCDeactivation", "ABLoad", "BalanceLoadVoid"]
    assert [row["cardValue"]["amount"] for row in rows] == [5, 5, 5, 5]


def test_rows_are_shown_and_counted_as_late_as_the_option_says(model: Model) -> None:
    model.set(activityLateSeconds=60)
    model.create()
    model.set(activityLateSeconds=0)
    model.time.advance(59)
    model.create("Sandb2")
    model.create("Sandb3")
    early = page(model, pageSize=1)[1]
    assert (ids(early), early["totalNumberOfTransactionsInRequestedTimeFrame"]) == (["Sandb2"], 2)
    model.time.advance(1)
    assert ids(page(model)[1]) == ["Sandb1", "Sandb2", "Sandb3"]


def test_a_drawn_lateness_is_the_same_for_the_same_seed() -> None:
    def shown(seed: str) -> list[list[str]]:
        model = Model()
        model.set(activityLateSeconds=100, activityLate="drawn", seed=seed)
        for number in range(8):
            model.create(f"Sandb{number}")
        seen = []
        for _ in range(5):
            model.time.advance(20)
            seen.append(ids(page(model)[1]))
        return seen

    first = shown("two")
    assert 0 < len(first[0]) < len(first[1]) < len(first[4]) == 8
    assert first == shown("two") != shown("one")


def test_a_late_effect_is_logged_at_the_moment_it_lands(model: Model) -> None:
    model.fault("lateEffect", "CreateGiftCard", delaySeconds=90)
    model.send("CreateGiftCard", creationRequestId="Sandb1", value={"amount": 5, "currencyCode": "USD"})
    assert page(model)[1]["cardActivityList"] == []
    model.time.advance(600)
    assert page(model)[1]["cardActivityList"][0]["activityTime"] == "Sat Jun 01 12:01:30 UTC 2030"
