"""Amounts as Amazon may write them: a float's noise is no other amount, and a list of one is the one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.agcod.activity import judge_activity
from incentives.agcod.reading.responses import Funds, judge_card_state, judge_funds, judge_outcome, open_response
from incentives.domain.accounts.account import CardState
from incentives.domain.calls import Call
from incentives.domain.money import CURRENCY_DECIMALS, without_noise
from incentives.domain.outcomes import Conflict, ConflictKind, Succeeded, Unknown
from incentives.domain.secret_text import Secret
from tests.agcod.samples import CALLS, CARD_NUMBER, card_info, response, success, to_json, to_xml
from tests.agcod.test_activity import CALL, page, row

FUNDS = Call(name="GetAvailableFunds", request_id="")
CHECK = Call(name="ActivationStatusCheck", request_id="AwssbT1", card_number=Secret(CARD_NUMBER))
TOLD = datetime(2026, 3, 1, tzinfo=UTC)

PLAIN = {"amount": Decimal("4999.85"), "currencyCode": "USD"}
NOISY = {"amount": Decimal("4999.849999999999"), "currencyCode": "USD"}

READ: dict[str, tuple[object, str]] = {
    "plain": (PLAIN, "4999.85 USD"),
    "noise": (NOISY, "4999.85 USD"),
    "noise above": ({"amount": Decimal("0.30000000000000004"), "currencyCode": "EUR"}, "0.30 EUR"),
    "noise around nothing": ({"amount": Decimal("-3.637978807091713E-13"), "currencyCode": "USD"}, "0.00 USD"),
    "noise below zero": ({"amount": Decimal("-12.500000000000002"), "currencyCode": "USD"}, "-12.50 USD"),
    "noise as text": (NOISY | {"amount": "4999.849999999999"}, "4999.85 USD"),
    "noise without decimals": ({"amount": Decimal("5000.000000000001"), "currencyCode": "JPY"}, "5000 JPY"),
    "with all digits": ({"amount": Decimal("4999.8500000000004"), "currencyCode": "USD"}, "4999.85 USD"),
    "a large float": ({"amount": Decimal("99999999.84999999"), "currencyCode": "USD"}, "99999999.85 USD"),
    "a list of one": ([PLAIN], "4999.85 USD"),
    "an element of its own": ({"member": NOISY}, "4999.85 USD"),
}
UNREAD: dict[str, object] = {
    "no balance": [],
    "one of two": [PLAIN, PLAIN],
    "a list of lists": [[PLAIN]],
    "half a cent": PLAIN | {"amount": Decimal("4999.855")},
    "more decimals than a cent has": PLAIN | {"amount": Decimal("4999.8499999")},
    "near a cent, with too few digits for a float's": {"amount": Decimal("25.00000001"), "currencyCode": "USD"},
    "far from a cent, with a float's digits": PLAIN | {"amount": Decimal("4999.854999999999")},
    "a single's noise": PLAIN | {"amount": Decimal("4999.85009765625")},
    "no float's digits": {"amount": Decimal("25.000000000000001"), "currencyCode": "USD"},
    "more digits than a float's": {"amount": Decimal("24.999999999999999999"), "currencyCode": "USD"},
    "half a yen": {"amount": Decimal("5000.5"), "currencyCode": "JPY"},
    "no such currency": NOISY | {"currencyCode": "XTS"},
    "no amount": {"currencyCode": "USD"},
    "text": "4999.85",
}


def funds(value: object, write: Any = to_json) -> Any:
    members = {"availableFunds": value, "status": "SUCCESS", "timestamp": None}
    return judge_funds(open_response(response(write(members)), FUNDS), 200, FUNDS, TOLD)


@pytest.mark.parametrize(("value", "read"), READ.values(), ids=READ)
@pytest.mark.parametrize("write", [to_json, to_xml])
def test_a_balance_is_read(value: object, read: str, write: Any) -> None:
    told = funds(value, write)
    assert isinstance(told, Funds)
    assert str(told.value) == read


@pytest.mark.parametrize("value", UNREAD.values(), ids=UNREAD)
def test_what_leaves_a_doubt_is_no_balance(value: object) -> None:
    assert isinstance(funds(value), Unknown)


@pytest.mark.parametrize(("value", "read"), READ.values(), ids=READ)
def test_the_value_of_a_card_and_of_a_row_is_read_the_same_way(value: object, read: str) -> None:
    members = {
        "statusCheckRequestId": "AwssbT1",
        "status": "SUCCESS",
        "cardInfo": card_info("Activated", cardNumber=CARD_NUMBER) | {"value": value},
    }
    state = judge_card_state(open_response(response(to_json(members)), CHECK), 200, CHECK)
    assert isinstance(state, CardState)
    assert str(state.value) == read
    rows = judge_activity(open_response(response(to_json(page(row(cardValue=value), total=1))), CALL), CALL)
    assert rows is not None
    assert [str(each.value) for each in rows.rows] == [read]


@pytest.mark.parametrize("name", ["CreateGiftCard", "ActivateGiftCard"])
def test_a_floats_noise_makes_no_other_amount_of_the_one_asked_for(name: str) -> None:
    call = CALLS[name]
    assert call.value is not None

    def judged(amount: Decimal | list[object]) -> object:
        members = success(name)
        members["cardInfo"]["value"]["amount"] = amount
        return judge_outcome(open_response(response(to_json(members)), call), 200, call)

    asked = call.value.amount
    noise = Decimal("0.000000000000004")
    succeeded = judged(asked + noise)
    assert isinstance(succeeded, Succeeded)
    assert succeeded.card.value == call.value
    for other in ("0.01", "-0.01", "0.001", "0.0000001", "0.000000100000004", "0.000000000000001"):
        judged_other = judged(asked + Decimal(other))
        assert isinstance(judged_other, Conflict), other
        assert judged_other.kind is ConflictKind.VALUE


def test_a_card_whose_value_is_a_list_is_no_success() -> None:
    members = success("CreateGiftCard")
    members["cardInfo"]["value"] = [members["cardInfo"]["value"]]
    call = CALLS["CreateGiftCard"]
    assert isinstance(judge_outcome(open_response(response(to_json(members)), call), 200, call), Unknown)


@given(
    currency=st.sampled_from([*CURRENCY_DECIMALS]),
    units=st.integers(-(10**8), 10**8),
    spent=st.lists(st.integers(1, 10**6), max_size=5),
)
def test_what_floats_make_of_an_amount_is_undone(currency: str, units: int, spent: list[int]) -> None:
    decimals = CURRENCY_DECIMALS[currency]
    exact = Decimal(units - sum(spent)).scaleb(-decimals)
    as_float = units / 10**decimals
    for each in spent:
        as_float -= each / 10**decimals
    assert without_noise(Decimal(repr(as_float)), currency) == exact
