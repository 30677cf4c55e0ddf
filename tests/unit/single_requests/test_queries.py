"""Questions that move no money: a card's state, a page of activity; who is asked, how often, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from incentives.agcod.activity import ActivityPage
from incentives.agcod.reading.responses import Funds
from incentives.api import accounts, parameters
from incentives.api.gateway import ApiCall
from incentives.api.models.accounts import Money as ToldMoney
from incentives.api.models.base import parse
from incentives.api.models.single_requests import (
    ActivateGiftCardBody,
    CheckActivationStatusBody,
    CreateGiftCardBody,
    LoadAmazonBalanceBody,
)
from incentives.api.problems import status_of
from incentives.domain.accounts.account import AccountFunds, Activity, CardState
from incentives.domain.errors import AccountUnusable, AmazonUnavailable, GatewayError, InvalidInput, LedgerUnavailable
from incentives.domain.money import Money
from incentives.domain.outcomes import AmazonError, NotExecuted, NotExecutedBecause, Refused, Unknown, UnknownBecause
from incentives.domain.secret_text import Secret
from incentives.usecases.accounts.funds import available_funds
from incentives.usecases.accounts.get_activity import get_activity
from incentives.usecases.single_requests.check_activation_status import check_activation_status
from tests.support.fakes import START, ScriptedAmazon, World, account, usd, world
from tests.unit.builders import KEY_REFUSED, NOT_SENT, RESEND, THROTTLED, TIMED_OUT

NUMBER: Final = "6006490000000001234"
ACTIVE: Final = CardState("Activated", usd("25.00"), None)
PAGE: Final = ActivityPage((), 0)
END: Final = START + timedelta(days=1)


class Listening(ScriptedAmazon):
    """Remembers what it was asked."""

    def __init__(self, w: World, *script: Any) -> None:
        super().__init__(w.clock, script)
        self.asked: list[dict[str, Any]] = []

        self.on_query: Callable[[], None] = lambda: None

    def _response(self, account: Any, **asked: Any) -> Any:
        self.asked.append({"account": account.name, **asked})
        self.on_query()
        return self.script.pop(0)

    activation_status = activity_page = funds = _response


def listening(*script: Any) -> tuple[World, Listening]:
    w = world()
    amazon = Listening(w, *script)
    object.__setattr__(w.dependencies, "amazon", amazon)
    return w, amazon


def state(w: World, request_id: str | None = None, name: str = "default") -> CardState:
    return check_activation_status(name, Secret(NUMBER), request_id, w.dependencies, w.budget())


def page(w: World, name: str = "default") -> ActivityPage:
    return get_activity(name, START, END, index=0, dependencies=w.dependencies, budget=w.budget())


def balance(w: World) -> AccountFunds:
    return available_funds("default", w.dependencies, w.budget())


ASK: Final = {"status": (state, ACTIVE), "activity": (page, PAGE)}
both = pytest.mark.parametrize(("ask", "response"), ASK.values(), ids=ASK)


# ---- asking -------------------------------------------------------------------------------------


@both
def test_an_response_is_told_after_one_query_in_the_accounts_own_pace(ask: Any, response: Any) -> None:
    w, amazon = listening(response)
    assert ask(w) == response
    assert (len(amazon.asked), w.rate_limiter.reserved, w.ledger.writes) == (1, 1, 0)


@both
@pytest.mark.parametrize(
    "trouble", [RESEND, TIMED_OUT, THROTTLED, NOT_SENT], ids=["resend", "late", "throttle", "gone"]
)
def test_a_query_without_an_response_is_asked_again_a_second_later(ask: Any, response: Any, trouble: Any) -> None:
    w, amazon = listening(trouble, response)
    assert ask(w) == response
    assert len(amazon.asked) == 2
    assert w.clock.time - START >= timedelta(seconds=1)


@both
def test_it_is_asked_no_longer_than_the_function_has_time(ask: Any, response: Any) -> None:
    w, amazon = listening(*[TIMED_OUT] * 100)
    with pytest.raises(AmazonUnavailable):
        ask(w)
    assert len(amazon.asked) < 30


@both
def test_it_is_not_asked_again_after_a_permit_that_took_all_the_time(ask: Any, response: Any) -> None:
    w, amazon = listening(TIMED_OUT, response)
    w.rate_limiter.begins_in = [0.0, 13.5]
    with pytest.raises(AmazonUnavailable):
        ask(w)
    assert len(amazon.asked) == 1


@pytest.mark.parametrize(
    ("ask", "response"), [*ASK.values(), (balance, Funds(usd("12.50"), START))], ids=[*ASK, "funds"]
)
def test_a_frozen_account_is_asked_all_the_same(ask: Any, response: Any) -> None:
    w, amazon = listening(response)
    w.freeze()
    ask(w)
    assert len(amazon.asked) == 1


@dataclass(frozen=True)
class Told:
    """What a caller is told: code, HTTP status, Retry-After, words of the detail, and whether it may be tried again."""

    code: str
    http_status: int
    retry_after: int | None
    words: str
    retryable: bool = True


def refused_with(code: str | None, kind: str | None, message: str | None = None) -> Refused:
    return Refused(AmazonError(code, kind, message))


CLOCK: Final = NotExecuted(NotExecutedBecause.CREDENTIALS, AmazonError(type="RequestExpired"))
FAULT: Final = Unknown(UnknownBecause.AMAZON_FAULT, AmazonError("F500", "InternalServerException"))

#: By cause: what Amazon comes back with each time, and what is told.
CAUSES: Final[dict[str, tuple[Any, Told]]] = {
    "throttled": (THROTTLED, Told("AmazonThrottled", 503, 60, "asked too often")),
    "key refused": (KEY_REFUSED, Told("AccountUnusable", 503, 60, "a key that Amazon refuses")),
    "clock refused": (CLOCK, Told("AmazonUnavailable", 503, 2, "clock")),
    "not reached": (NOT_SENT, Told("AmazonUnavailable", 503, 2, "cannot be reached")),
    "no answer": (TIMED_OUT, Told("AmazonUnavailable", 503, 2, "did not answer in time")),
    "connection lost": (
        Unknown(UnknownBecause.CONNECTION_LOST), Told("AmazonUnavailable", 503, 2, "did not answer in time")
    ),
    "fault": (FAULT, Told("AmazonUnavailable", 503, 2, "a fault of its own (F500 InternalServerException)")),
    "resend": (RESEND, Told("AmazonUnavailable", 503, 2, "a fault of its own")),
    "not readable": (Unknown(UnknownBecause.UNREADABLE), Told("AmazonUnreadable", 503, 2, "cannot be read")),
    "account refused": (
        refused_with("F300", "AccountHasProblems"),
        Told("RefusedByAmazon", 403, None, "Amazon refused to tell", retryable=False),
    ),
    "refused without a code": (
        refused_with(None, None, "Not a word of a code"),
        Told("RefusedByAmazon", 422, None, "Not a word of a code", retryable=False),
    ),
}  # fmt: skip

every = pytest.mark.parametrize("ask", [state, page, balance], ids=["status", "activity", "funds"])


def is_told(ask: Any, w: World, told: Told) -> None:
    with pytest.raises(GatewayError) as failed:
        ask(w)
    error = failed.value
    assert (error.code, status_of(error), error.retry_after_seconds, error.retryable) == (
        told.code, told.http_status, told.retry_after, told.retryable,
    )  # fmt: skip
    assert told.words in error.detail
    assert "'default'" in error.detail
    assert NUMBER not in error.detail


@every
@pytest.mark.parametrize(("cause", "told"), CAUSES.values(), ids=CAUSES)
def test_an_error_names_its_cause(ask: Any, cause: Any, told: Told) -> None:
    is_told(ask, listening(*[cause] * 100)[0], told)


@every
@pytest.mark.parametrize(("cause", "told"), CAUSES.values(), ids=CAUSES)
def test_that_there_is_no_second_permit_hides_no_cause(ask: Any, cause: Any, told: Told) -> None:
    # given a page that may be asked for once a minute, or a busy account
    w, amazon = listening(cause)
    amazon.on_query = lambda: setattr(w.rate_limiter, "full_for", 50.0)
    is_told(ask, w, told)
    assert len(amazon.asked) == 1


@every
def test_without_a_permit_nothing_is_asked_and_that_is_said(ask: Any) -> None:
    w, amazon = listening()
    w.rate_limiter.full_for = 30
    is_told(ask, w, Told("RateInUse", 503, 30, "nothing was asked"))
    assert amazon.asked == []


@every
def test_a_rate_limiter_that_cannot_be_reached_is_not_amazon(ask: Any) -> None:
    w, amazon = listening()
    w.rate_limiter.fails = {"reserve"}
    with pytest.raises(LedgerUnavailable):
        ask(w)
    assert amazon.asked == []


@both
def test_a_refused_key_is_read_anew_once(ask: Any, response: Any) -> None:
    w, amazon = listening(KEY_REFUSED, response)
    assert ask(w) == response
    assert w.accounts.reread == 1
    w, amazon = listening(*[KEY_REFUSED] * 5)
    with pytest.raises(AccountUnusable):
        ask(w)
    assert len(amazon.asked) == 2


@both
def test_the_named_account_is_asked(ask: Any, response: Any) -> None:
    w, amazon = listening(response)
    w.accounts.accounts["jp"] = account("jp", partner_id="Jpan1")
    ask(w, name="jp")
    assert amazon.asked[0]["account"] == "jp"
    assert amazon.asked[0]["request_id"].startswith("Jpan1")


@both
def test_an_unknown_account_is_named(ask: Any, response: Any) -> None:
    w, amazon = listening(response)
    with pytest.raises(AccountUnusable) as told:
        ask(w, name="nobody")
    assert told.value.account == "nobody"
    assert amazon.asked == []


def test_the_card_asked_about_is_told_to_amazon_and_to_nobody_else() -> None:
    w, amazon = listening(ACTIVE)
    state(w, "Test1MINE")
    (asked,) = amazon.asked
    assert (asked["card_number"].reveal(), asked["request_id"]) == (NUMBER, "Test1MINE")
    assert NUMBER not in repr(w.telemetry.lines)
    assert NUMBER not in repr(asked)


def test_a_query_without_a_request_id_has_one_of_its_own_each_time() -> None:
    w, amazon = listening(ACTIVE, ACTIVE, PAGE, PAGE)
    for _ in range(2):
        state(w)
    for _ in range(2):
        page(w)
    request_ids = [asked["request_id"] for asked in amazon.asked]
    assert len({*request_ids}) == 4
    assert all(each.isalnum() and len(each) <= 40 and each.startswith("Test1") for each in request_ids)


def test_a_page_is_asked_for_in_amazons_words() -> None:
    w, amazon = listening(PAGE)
    get_activity("default", START, END, index=3, dependencies=w.dependencies, budget=w.budget())
    assert amazon.asked[0]["query"] == {
        "utcStartDate": "2026-03-01T12:00:00", "utcEndDate": "2026-03-02T12:00:00", "pageIndex": 3, "pageSize": 1000,
        "showNoOps": False,
    }  # fmt: skip


# ---- over HTTP ----------------------------------------------------------------------------------


def call(**parameters: str) -> ApiCall:
    return ApiCall(headers={}, path={}, query=parameters, body=b"", caller=None, base_path="")


def test_days_are_whole_and_both_included() -> None:
    found = accounts.read_activity(call(**{"from": "2026-03-01", "to": "2026-03-02", "page": "7"}))
    assert found == (None, datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC), 7)


MARCH: Final = {"from": "2026-03-01", "to": "2026-03-01"}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"to": "2026-03-01"}, "from"),
        ({"from": "2026-03-01"}, "to"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        (MARCH | {"page": "-1"}, "page"),
        (MARCH | {"page": "1.0"}, "page"),
        (MARCH | {"page": ""}, "page"),
        (MARCH | {"page": "1000000"}, "page"),
        (MARCH | {"page": "\u0661"}, "page"),
        (MARCH | {"pageSize": "5"}, "pageSize"),
        ({"from": "0001-01-01", "to": "2026-03-01"}, "from"),
    ],
    ids=repr,
)
def test_a_bad_parameter_is_named(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as told:
        accounts.read_activity(call(**parameters))
    assert told.value.field == field


def test_a_page_is_told_in_amazons_words() -> None:
    row = Activity("Test1A", "GCCreation", "Success", START, usd("25.00"), "G1", None, is_real=True)
    blank = Activity("Test1B", None, None, None, None, None, "InvalidAmountValue", is_real=False)
    body = accounts.activity("default", 0, (row, blank), None, left_out=3).body
    assert (body["page"], body["total"], body["rowsLeftOut"]) == (0, None, 3)
    assert body["activities"][0]["value"] == {"amount": "25.00", "currencyCode": "USD"}
    assert body["activities"][0]["activityTime"] == "2026-03-01T12:00:00Z"
    assert (body["activities"][1]["activityTime"], body["activities"][1]["isRealOp"]) == (None, False)


def test_a_state_is_told_masked() -> None:
    told = accounts.card_state("default", "*" * 15 + "1234", CardState("AwaitingActivation", None, None)).body
    assert told["value"] is None
    assert told["cardNumber"] == "***************1234"


def test_a_balance_below_zero_is_told() -> None:
    assert ToldMoney.of(Money(-usd("12.50").amount, "USD")).dump() == {"amount": "-12.50", "currencyCode": "USD"}


# ---- who is meant -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "default"),
    [
        (None, None),
        ("", "default"),
        ("../x", None),
        ("Default", "default"),
        ("a" * 64, None),
        ("\ud800", None),
        ("a\n", None),
    ],
    ids=repr,
)
def test_an_account_that_cannot_be_is_named(name: str | None, default: str | None) -> None:
    with pytest.raises(InvalidInput) as told:
        parameters.account_or_default(name, default)
    assert told.value.field == "account"


# ---- bodies -------------------------------------------------------------------------------------

ORDER: Final = {"amount": "25.00", "currencyCode": "USD"}
ACTIVATION: Final = ORDER | {"cardNumber": NUMBER}
CUSTOMER: Final = {"id": "amzn1.account.X", "type": "2"}
LOAD: Final = ORDER | {"customerAccount": CUSTOMER}
SOURCE: Final = {"sourceId": "shop-7", "institutionId": "chain-1", "sourceDetails": {"a": {"b": 1}}}

WRONG: Final[dict[str, tuple[Any, dict[str, Any], str]]] = {
    "no card": (ActivateGiftCardBody, ORDER, "cardNumber"),
    "a short card": (ActivateGiftCardBody, ACTIVATION | {"cardNumber": "1" * 18}, "cardNumber"),
    "a long card": (ActivateGiftCardBody, ACTIVATION | {"cardNumber": "1" * 20}, "cardNumber"),
    "a card and a line": (ActivateGiftCardBody, ACTIVATION | {"cardNumber": NUMBER + "\n"}, "cardNumber"),
    "a card in other digits": (ActivateGiftCardBody, ACTIVATION | {"cardNumber": "\u0661" * 19}, "cardNumber"),
    "a card as a number": (ActivateGiftCardBody, ACTIVATION | {"cardNumber": int(NUMBER)}, "cardNumber"),
    "a customer of a card": (CreateGiftCardBody, LOAD, "customerAccount"),
    "a notification of a card": (ActivateGiftCardBody, ACTIVATION | {"notification": {}}, "notification"),
    "no customer": (LoadAmazonBalanceBody, ORDER, "customerAccount"),
    "a customer as text": (LoadAmazonBalanceBody, ORDER | {"customerAccount": "x"}, "customerAccount"),
    "a customer without type": (
        LoadAmazonBalanceBody, ORDER | {"customerAccount": {"id": "x"}}, "customerAccount.type"
    ),
    "a customer without id": (
        LoadAmazonBalanceBody, ORDER | {"customerAccount": CUSTOMER | {"id": ""}}, "customerAccount.id"
    ),
    "a customer's name": (
        LoadAmazonBalanceBody, ORDER | {"customerAccount": CUSTOMER | {"name": "x"}}, "customerAccount.name"
    ),
    "a notification as text": (LoadAmazonBalanceBody, LOAD | {"notification": "x"}, "notification"),
    "a source without id": (CreateGiftCardBody, ORDER | {"transactionSource": {}}, "transactionSource.sourceId"),
    "a source's colour": (
        CreateGiftCardBody, ORDER | {"transactionSource": SOURCE | {"colour": "red"}}, "transactionSource.colour"
    ),
    "a source's empty institution": (
        CreateGiftCardBody, ORDER | {"transactionSource": SOURCE | {"institutionId": ""}},
        "transactionSource.institutionId",
    ),
    "a program in words": (CreateGiftCardBody, ORDER | {"programId": "my program"}, "programId"),
    "a long product": (CreateGiftCardBody, ORDER | {"productType": "x" * 51}, "productType"),
    "an amount of a question": (CheckActivationStatusBody, ACTIVATION, "amount"),
    "a question without card": (CheckActivationStatusBody, {}, "cardNumber"),
    "a request id with a hash": (
        CheckActivationStatusBody, {"cardNumber": NUMBER, "requestId": "KEY#1"}, "requestId"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("model", "members", "field"), WRONG.values(), ids=WRONG)
def test_a_wrong_member_is_named_with_its_path_and_not_quoted(model: Any, members: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as told:
        parse(model, members)
    assert told.value.field == field
    assert NUMBER not in str(told.value)


def test_what_is_given_passes_through_as_the_ledger_names_it() -> None:
    body = parse(
        LoadAmazonBalanceBody,
        LOAD | {"programId": "P1", "productType": "V1", "transactionSource": SOURCE, "notification": {"a": [1]}},
    )
    assert body.given() == {
        "account": LOAD["customerAccount"],
        "programId": "P1",
        "productType": "V1",
        "transactionSource": SOURCE,
        "notification": {"a": [1]},
    }
    assert parse(ActivateGiftCardBody, ACTIVATION).given() == {"cardNumber": NUMBER}


def test_a_body_is_shown_without_what_it_holds() -> None:
    body = parse(ActivateGiftCardBody, ACTIVATION)
    assert body.card_number == NUMBER
    assert NUMBER not in f"{body!r}{body}"
