"""What the control API does to the activity log behind the callers' back, and the download of the same rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.control.api import handle
from sandbox.control.desk import Csv
from sandbox.model.activity import ROW_FIELDS
from sandbox.model.clock import Clock
from sandbox.model.plants import Plant, plant
from sandbox.model.values import Money
from sandbox.model.world import DEFAULT_FUNDS
from tests.sandbox.callers import PARTNER, START, Api, Model

TOTAL = "totalNumberOfTransactionsInRequestedTimeFrame"


def control(model: Model, method: str, name: str, **body: object) -> Any:
    status, response = handle(model.sandbox, Clock(lambda: model.time.now), method, name, body)
    assert status == 200, response
    return response


def page(model: Model, start: str = "2030-06-01T00:00:00", end: str = "2030-06-01T23:59:59") -> dict[str, Any]:
    frame = {"utcStartDate": start, "utcEndDate": end, "pageIndex": 0, "pageSize": 1000, "showNoOps": False}
    return model.ask("GetGiftCardActivityPage", requestId="1", **frame)[1]


def row_of(model: Model, request_id: str) -> dict[str, Any]:
    (row,) = [row for row in page(model)["cardActivityList"] if row["requestId"] == request_id]
    return dict(row)


def spent(model: Model) -> Decimal:
    """By the balance; it agrees with charges and movements, whatever was done."""
    amount = Decimal(str(model.ask("GetAvailableFunds")[1]["availableFunds"]["amount"]))
    world = model.sandbox.world
    charges = sum(charge.value.amount for charge in world.charges if charge.value.currency == "USD")
    moved = sum(movement.value.amount for movement in world.movements)
    assert amount == DEFAULT_FUNDS + moved - charges
    return DEFAULT_FUNDS - amount


def test_rows_that_no_call_made_are_shown_at_their_time_and_move_the_balance(model: Model) -> None:
    model.time.advance(3600)
    model.create("Sandb1", 25)
    control(model, "POST", "rows", requestId="Other1", amount="10.50", at="2030-06-01T11:00:00Z")
    control(model, "POST", "rows", requestId="Sandb1", amount=25, operation="CancelGiftCard")
    control(model, "POST", "rows", requestId="Other2", amount=7, movesBalance=False)
    rows = page(model)["cardActivityList"]
    assert [(row["activityType"], row["requestId"]) for row in rows] == [
        ("GCCreation", "Other1"),
        ("GCCreation", "Sandb1"),
        ("GCCancellation", "Sandb1"),
        ("GCCreation", "Other2"),
    ]
    assert rows[0]["activityTime"] == "Sat Jun 01 11:00:00 UTC 2030"
    assert rows[0]["cardValue"] == {"amount": 10.5, "currencyCode": "USD"}
    assert spent(model) == Decimal("10.50")


def test_the_balance_moves_without_a_row_and_is_set(model: Model) -> None:
    control(model, "POST", "movements", amount=100)
    control(model, "POST", "movements", amount="-3.50")
    assert spent(model) == Decimal("-96.50")
    control(model, "POST", "funds", amount=40)
    model.create("Sandb1", 15)
    assert spent(model) == DEFAULT_FUNDS - 25
    control(model, "POST", "accounts", partnerId=PARTNER, funds={"USD": 5})
    assert spent(model) == DEFAULT_FUNDS - 5
    assert page(model)[TOTAL] == 1


def test_a_row_that_a_call_made_becomes_another_one(model: Model) -> None:
    model.create("Sandb1", 25)
    control(model, "PUT", "rows", requestId="Sandb1", amount=30)
    assert (row_of(model, "Sandb1")["cardValue"]["amount"], spent(model)) == (30, 30)
    control(model, "PUT", "rows", requestId="Sandb1", amount=31, movesBalance=False)
    assert (row_of(model, "Sandb1")["cardValue"]["amount"], spent(model)) == (31, 30)
    control(model, "PUT", "rows", requestId="Sandb1", lateSeconds=60)
    assert page(model)[TOTAL] == 0
    model.time.advance(60)
    control(model, "PUT", "rows", requestId="Sandb1", currencyCode="EUR")
    assert row_of(model, "Sandb1")["cardValue"] == {"amount": 31.0, "currencyCode": "EUR"}


def test_a_row_is_taken_out_with_what_it_moved_or_without(model: Model) -> None:
    for request_id in ("Sandb1", "Sandb2"):
        model.create(request_id, 25)
    control(model, "DELETE", "rows", requestId="Sandb1")
    assert (page(model)[TOTAL], spent(model)) == (1, 25)
    control(model, "DELETE", "rows", requestId="Sandb2", movesBalance=False)
    assert (page(model)[TOTAL], spent(model)) == (0, 25)


@pytest.mark.parametrize("field", ROW_FIELDS)
def test_any_field_of_a_row_may_be_missing(model: Model, field: str) -> None:
    control(model, "POST", "rows", requestId="Sandb1", amount=5, shown={field: None})
    (row,) = page(model)["cardActivityList"]
    assert row[field] is None
    assert sum(value is None for value in row.values()) <= 3  # cardNumber and failureCode are, of a code
    assert spent(model) == 5


def test_many_rows_in_one_second_and_spread_over_a_day(model: Model) -> None:
    control(model, "POST", "rows", requestId="A", amount=1, count=2500)
    second = page(model, "2030-06-01T12:00:00", "2030-06-01T12:00:00")
    assert (len(second["cardActivityList"]), second[TOTAL]) == (1000, 2500)
    assert [row["requestId"] for row in second["cardActivityList"][::999]] == ["A000000", "A000999"]
    value = Money(Decimal("1.00"), "USD")
    spread = Plant("LoadAmazonBalance", "B", value, START - timedelta(hours=12), count=1440, every_seconds=30)
    plant(model.sandbox.world, PARTNER, spread)
    assert page(model, "2030-06-01T00:01:00", "2030-06-01T00:02:00")[TOTAL] == 3
    assert spent(model) == 3940


def test_a_total_that_no_window_over_a_time_frame_can_match(model: Model) -> None:
    model.create()
    frame = {"from": "2030-06-01T13:00:00Z", "to": "2030-06-01T13:00:00Z"}
    control(model, "POST", "totals", extra=2, **frame)
    assert page(model, "2030-06-01T12:00:00", "2030-06-01T13:00:00")[TOTAL] == 3
    assert page(model, "2030-06-01T13:00:00", "2030-06-01T13:00:00")[TOTAL] == 2
    assert page(model, "2030-06-01T12:00:00", "2030-06-01T12:59:59")[TOTAL] == 1
    control(model, "DELETE", "totals")
    assert page(model)[TOTAL] == 1


def test_the_download_has_the_pages_rows_in_a_form_of_its_own(model: Model) -> None:
    card = model.create("Sandb1", 25)[1]
    model.time.advance(60)
    model.cancel("Sandb1")
    model.create("Sandb1", 25)
    amount, account = {"currencyCode": "USD", "value": "500"}, {"id": "a", "type": "2"}
    model.ask("LoadAmazonBalance", loadBalanceRequestId="Sandb2", amount=amount, account=account)
    odd = {"requestId": None, "activityTime": None, "activityStatus": "Pending", "cardValue": None}
    control(model, "POST", "rows", requestId="x", operation="ActivateGiftCard", amount=5, shown=odd)
    control(model, "POST", "rows", requestId="late", amount=5, lateSeconds=10)
    control(model, "POST", "accounts", partnerId=PARTNER, activityDisabled=True)
    model.time.advance(5)
    control(model, "POST", "rows", requestId="after", amount=5)
    frame = {"from": "2030-06-01T12:00:00Z", "to": "2030-06-01T12:01:05Z", "zone": "Europe/Berlin"}
    download = control(model, "GET", "statement", **frame)
    gc_id, code = card["gcId"], card["gcClaimCode"]
    assert isinstance(download, Csv)
    assert download.text.splitlines() == [
        "Transaction Date,Transaction,Result,Client Reference,Card Serial,Claim Code,Amount,Currency",
        f"06/01/2030 02:00:00 PM,Gift card order,Completed,Sandb1,{gc_id},{code},25.00,USD",
        f"06/01/2030 02:01:00 PM,Gift card order cancelled,Completed,Sandb1,{gc_id},,-25.00,USD",
        "06/01/2030 02:01:00 PM,Balance top-up,Completed,Sandb2,,,5.00,USD",
        ",Card activation,Pending,,,,,",
    ]


def test_the_download_over_http(api: Api) -> None:
    api.create()
    url = f"{api.url}/_sandbox/statement?from=2020-01-01T00:00:00Z&to=2090-01-01T00:00:00%2B01:00"
    response = api.session.get(url, timeout=5)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert [line.split(",")[3] for line in response.text.splitlines()] == ["Client Reference", "Sandb1"]


@pytest.mark.parametrize(
    ("method", "name", "body", "named"),
    [
        ("POST", "rows", {"amount": 5}, "requestId"),
        ("POST", "rows", {"requestId": "a"}, "amount"),
        ("POST", "rows", {"requestId": "a", "amount": -5}, "amount"),
        ("POST", "rows", {"requestId": "a", "amount": "0.001"}, "amount"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "currencyCode": "XXX"}, "currencyCode"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "operation": "GetAvailableFunds"}, "operation"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "at": "yesterday"}, "at"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "at": "2030-06-01T12:00:01Z"}, "at"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "count": 2, "everySeconds": 1}, "at"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "count": 200_001}, "count"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "lateSeconds": -1}, "lateSeconds"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "shown": {"time": None}}, "shown"),
        ("POST", "rows", {"requestId": "a", "amount": 5, "account": "Nobod"}, "account"),
        ("PUT", "rows", {"requestId": "Sandb1"}, "lateSeconds"),
        ("PUT", "rows", {"requestId": "Sandb1", "amount": "0.001"}, "amount"),
        ("PUT", "rows", {"requestId": "Sandb2", "amount": 5}, "requestId"),
        ("DELETE", "rows", {"requestId": "Sandb1", "operation": "CancelGiftCard"}, "requestId"),
        ("POST", "movements", {"amount": "much"}, "amount"),
        ("POST", "movements", {"amount": 5, "currencyCode": "EUR"}, "currencyCode"),
        ("POST", "totals", {"from": "2030-06-01T12:00:00Z"}, "to"),
        ("POST", "totals", {"from": "2030-06-02T12:00:00Z", "to": "2030-06-01T12:00:00Z"}, "from"),
        ("POST", "totals", {"from": "2030-06-01T12:00:00Z", "to": "2030-06-01T12:00:00Z", "extra": 0}, "extra"),
        ("GET", "statement", {"to": "2030-06-01T12:00:00Z"}, "from"),
        ("GET", "statement", {"from": "0001-01-01T00:00:00+14:00", "to": "2030-06-01T12:00:00Z"}, "from"),
        ("GET", "statement", {"from": "2030-06-01", "to": "2030-06-02", "zone": "Mars/Olympus"}, "zone"),
        ("POST", "options", {"activityTypes": {"GetAvailableFunds": "x"}}, "activityTypes"),
        ("POST", "options", {"activityLate": "sometimes"}, "activityLate"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    model: Model, method: str, name: str, body: dict[str, object], named: str
) -> None:
    model.create("Sandb1", 25)
    status, response = handle(model.sandbox, Clock(lambda: model.time.now), method, name, body)
    assert status == 400
    assert isinstance(response, dict)
    assert named in response["error"]
    assert (page(model)[TOTAL], spent(model)) == (1, 25)
