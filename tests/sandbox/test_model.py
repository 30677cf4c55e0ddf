from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.http.gateway import Arrival, members
from sandbox.model.clock import Clock
from sandbox.model.values import Json, expiration_of, java_date, parse_iso
from tests.sandbox.callers import KEY, PARTNER, START, Model

BODY = b'{"creationRequestId":"Sandb1","partnerId":"Sandb","value":{"amount":25.10,"currencyCode":"USD"}}'


def test_a_simulation_calls_without_http_and_reads_exact_amounts(model: Model) -> None:
    fields: dict[str, Json] = {
        "creationRequestId": "Sandb1",
        "partnerId": PARTNER,
        "value": {"amount": Decimal("25.10"), "currencyCode": "USD"},
    }
    delivery = model.sandbox.call("CreateGiftCard", fields, signed_at=START)
    info = members(delivery.body)["cardInfo"]
    assert isinstance(info, dict)
    assert info["value"] == {"amount": Decimal("25.1"), "currencyCode": "USD"}
    assert model.net == Decimal("25.10")
    assert members(None) == members(b"<xml/>") == members(b"[]") == {}


@pytest.mark.parametrize(("age", "status"), [(900, 200), (900.001, 400), (-900, 200), (-900.001, 400)])
def test_the_age_of_a_signature_is_checked_without_http_too(model: Model, age: float, status: int) -> None:
    delivery = model.sandbox.call("GetAvailableFunds", {"partnerId": PARTNER}, signed_at=START - timedelta(seconds=age))
    assert delivery.http_status == status
    assert delivery.executed == (status == 200)


def test_the_throttle_comes_before_the_signature(model: Model) -> None:
    model.set(perSecond=1)
    wrong = Arrival("CreateGiftCard", BODY, KEY, prove=lambda _secret: "wrong")
    assert [model.sandbox.exchange(wrong).http_status for _ in range(2)] == [403, 400]


def test_the_signature_comes_before_the_body_and_the_body_before_mock_ids(model: Model) -> None:
    broken = Arrival("CreateGiftCard", b"{", KEY, prove=lambda _secret: "wrong")
    assert model.sandbox.exchange(broken).http_status == 403
    typed = b'{"creationRequestId":"F0000","value":{"amount":25,"currencyCode":"USD"}}'
    assert model.sandbox.exchange(Arrival("CreateGiftCard", typed, KEY)).http_status == 200


def test_faults_count_only_calls_that_got_past_the_door(model: Model) -> None:
    model.fault("resend", calls={"nth": 1})
    model.sandbox.exchange(Arrival("CreateGiftCard", BODY, KEY, prove=lambda _secret: "wrong"))
    model.sandbox.exchange(Arrival("CreateGiftCard", BODY, "NO-KEY"))
    assert members(model.sandbox.exchange(Arrival("CreateGiftCard", BODY, KEY)).body)["errorCode"] == "F400"


def test_an_unknown_operation_is_the_caller_s_mistake(model: Model) -> None:
    with pytest.raises(KeyError):
        model.sandbox.call("Nothing", {})


def test_the_same_history_gives_the_same_bytes() -> None:
    def history() -> list[bytes | None]:
        model = Model()
        model.fault("garbledCode", calls={"probability": 0.5, "seed": 3})
        deliveries = []
        for number in range(20):
            value: Json = {"amount": number + 1, "currencyCode": "USD"}
            deliveries.append(model.send("CreateGiftCard", creationRequestId=f"Sandb{number % 7}", value=value).body)
            model.time.advance(1)
        return deliveries

    assert history() == history()


def test_the_clock_shifts_freezes_jumps_and_runs_on() -> None:
    real = [datetime(2030, 1, 1, tzinfo=UTC)]
    clock = Clock(real=lambda: real[0])
    clock.shift_to(3600)
    assert clock.now().hour == 1
    clock.freeze()
    real[0] += timedelta(hours=5)
    assert clock.now().hour == 1
    clock.advance(60)
    assert (clock.now().hour, clock.now().minute) == (1, 1)
    clock.run()
    real[0] += timedelta(minutes=1)
    assert (clock.now().hour, clock.now().minute) == (1, 2)
    clock.reset()
    assert clock.now() == real[0]


def test_dates_as_java_prints_them() -> None:
    assert java_date(datetime(2032, 6, 10, 14, 59, 59, tzinfo=UTC)) == "Thu Jun 10 14:59:59 UTC 2032"
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert expiration_of("EUR", leap) == datetime(2038, 2, 28, 21, 59, 59, tzinfo=UTC)
    evening = datetime(2030, 6, 1, 23, tzinfo=UTC)
    assert expiration_of("JPY", evening) == datetime(2040, 6, 2, 14, 59, 59, tzinfo=UTC)
    assert expiration_of("USD", evening) is None
    assert parse_iso("2030-06-01T12:00:00") == START
    assert parse_iso("noon") is None
