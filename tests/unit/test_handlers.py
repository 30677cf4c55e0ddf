"""The functions, called as Lambda calls them, with everything outside replaced by fakes."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.bootstrap import container
from incentives.agcod.responses import Funds
from incentives.domain.outcomes import Reversed
from incentives.domain.single_requests.record import Status
from tests.support.fakes import CODE, START, FakeAccountStates, World, account, usd, world
from tests.unit.builders import KEY_REFUSED, MINUTE, REFUNDED, REFUSED, TIMED_OUT

FUNCTIONS: Final = Path(__file__).parents[2] / "functions"
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

GOOD: Final = {"amount": "25.00", "currencyCode": "USD"}


def load(name: str) -> Handler:
    spec = importlib.util.spec_from_file_location(f"handler_of_{name}", FUNCTIONS / name / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler


HANDLERS: Final = {
    name: load(name)
    for name in ("create_gift_card", "get_gift_card", "reveal_claim_code", "cancel_gift_card", "get_available_funds")
}


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]
    text: str


@dataclass
class Api:
    """The functions behind one address."""

    world: World

    def call(self, name: str, event: dict[str, Any]) -> Response:
        budget = self.world.budget()

        class Context:
            @staticmethod
            def get_remaining_time_in_millis() -> int:
                return int(budget.seconds_left() * 1000)

        raw = HANDLERS[name](event, Context())
        return Response(raw["statusCode"], raw["headers"], json.loads(raw["body"]), raw["body"])

    def create(self, body: object = None, key: str | None = "order-1", **event: Any) -> Response:
        text = body if isinstance(body, str) else json.dumps(GOOD if body is None else body)
        headers = {} if key is None else {"idempotency-KEY": [key]}
        base = {
            "path": "/gift-cards",
            "multiValueHeaders": headers,
            "body": text,
            "requestContext": {"path": "/prod/gift-cards", "identity": {"userArn": "arn:caller"}},
        }
        return self.call("create_gift_card", base | event)

    def on(self, name: str, request_id: str, **event: Any) -> Response:
        return self.call(name, {"pathParameters": {"requestId": request_id}, "path": "/x"} | event)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    w, states = world(), FakeAccountStates()
    settings = SimpleNamespace(default_account="default")
    flushed: list[bool] = []

    class Telemetry:
        log = staticmethod(w.telemetry.log)
        count = staticmethod(w.telemetry.count)
        begin = staticmethod(w.telemetry.begin)

        @staticmethod
        def flush() -> None:
            flushed.append(True)

    monkeypatch.setitem(vars(container), "settings", settings)
    monkeypatch.setitem(vars(container), "telemetry", Telemetry())
    monkeypatch.setitem(vars(container), "dependencies", w.dependencies)
    monkeypatch.setitem(vars(container), "account_states", states)
    yield Api(w)
    assert flushed, "what was counted is written out"
    assert CODE not in repr(w.telemetry.lines)


# ---- good input ---------------------------------------------------------------------------------


def test_a_card_is_created_replayed_read_revealed_and_cancelled(api: Api) -> None:
    created = api.create()
    replayed = api.create()
    request_id = created.body["requestId"]
    read = api.on("get_gift_card", request_id)
    revealed = api.on("reveal_claim_code", request_id)
    cancelled = api.on("cancel_gift_card", request_id)
    again = api.on("cancel_gift_card", request_id)

    assert [each.status for each in (created, replayed, read, revealed, cancelled, again)] == [201] + [200] * 5
    assert created.body["gcClaimCode"] == replayed.body["gcClaimCode"] == revealed.body["gcClaimCode"] == CODE
    assert created.body["gcId"] == replayed.body["gcId"]
    assert "gcClaimCode" not in read.body | cancelled.body
    assert CODE not in read.text + cancelled.text
    assert "Idempotent-Replayed" not in created.headers | cancelled.headers
    assert replayed.headers["Idempotent-Replayed"] == again.headers["Idempotent-Replayed"] == "true"
    assert cancelled.body["status"] == "REVERSED"
    assert all(each.headers["Cache-Control"] == "no-store" for each in (created, replayed, read, revealed, cancelled))


def test_each_time_a_code_is_delivered_it_is_logged_to_whom(api: Api) -> None:
    def caller(name: str) -> dict[str, Any]:
        return {"requestContext": {"identity": {"userArn": f"arn:{name}"}}}

    request_id = api.create(**caller("first")).body["requestId"]
    api.create(**caller("repeats"))
    api.on("reveal_claim_code", request_id, **caller("reads"))
    api.on("get_gift_card", request_id, **caller("looks"))

    delivered = [facts for event, facts in api.world.telemetry.lines if event == "claimCodeDelivered"]
    assert delivered == [
        {"httpStatus": status, "requestId": request_id, "caller": f"arn:{name}"}
        for status, name in ((201, "first"), (200, "repeats"), (200, "reads"))
    ]


@pytest.mark.parametrize("header", ['"order-1"', "order-1", ' \t"order-1" ', "\torder-1 "])
def test_a_key_in_quotes_and_without_is_one_key(api: Api, header: str) -> None:
    api.create(key="order-1")

    assert api.create(key=header).status == 200
    assert len(api.world.ledger.keys) == 1


def test_a_quoted_key_has_its_escapes(api: Api) -> None:
    api.create(key=r'"a\"b\\c"')

    assert api.create(key=r'a"b\c').status == 200


def test_an_response_has_every_member_of_the_api(api: Api) -> None:
    body = api.create({"amount": 25, "currencyCode": "USD", "externalReference": "po-7"}).body

    assert body["amount"] == "25.00"
    assert (body["operation"], body["status"], body["account"]) == ("CreateGiftCard", "SUCCEEDED", "default")
    assert (body["createdAt"], body["cancellableUntil"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:15:00Z")
    assert (body["gcExpirationDate"], body["replaces"], body["replacedBy"]) == (None, None, None)
    assert body["externalReference"] == "po-7"


def test_what_is_unknown_is_a_202_that_says_where_and_when_to_ask(api: Api) -> None:
    api.world.amazon.script = [TIMED_OUT] * 50

    first, repeat = api.create(), api.create()

    for response in (first, repeat):
        assert response.status == 202
        assert response.headers["Location"] == f"/prod/gift-cards/{first.body['requestId']}"
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert "gcClaimCode" not in response.body
    assert repeat.body["status"] == "RECOVERING"


def test_the_balance_is_told(api: Api) -> None:
    api.world.amazon.funds_response = Funds(usd("125.50"), START)

    response = api.call("get_available_funds", {"queryStringParameters": {"account": "default"}})

    assert response.status == 200
    assert response.body == {
        "account": "default",
        "availableFunds": {"amount": "125.50", "currencyCode": "USD"},
        "asOf": "2026-03-01T12:00:00Z",
        "averageDailySpend": None,
        "daysRemaining": None,
    }


# ---- bad input ----------------------------------------------------------------------------------

BAD_BODIES: Final = {
    "amount of zero": (GOOD | {"amount": 0}, "amount"),
    "negative amount": (GOOD | {"amount": "-25.00"}, "amount"),
    "amount NaN as text": (GOOD | {"amount": "NaN"}, "amount"),
    "amount NaN": ('{"amount": NaN, "currencyCode": "USD"}', "body"),
    "amount Infinity": ('{"amount": Infinity, "currencyCode": "USD"}', "body"),
    "amount 1e400": ('{"amount": 1e400, "currencyCode": "USD"}', "amount"),
    "amount 1e400 as text": (GOOD | {"amount": "1e400"}, "amount"),
    "amount beyond decimals": ('{"amount": 1e99999999999999999999, "currencyCode": "USD"}', "body"),
    "amount of 9,000 digits": ('{"amount": ' + "9" * 9000 + ', "currencyCode": "USD"}', "amount"),
    "amount with an underscore": (GOOD | {"amount": "1_000"}, "amount"),
    "amount in other digits": (GOOD | {"amount": "\u0662\u0665"}, "amount"),
    "amount true": (GOOD | {"amount": True}, "amount"),
    "amount null": (GOOD | {"amount": None}, "amount"),
    "amount as object": (GOOD | {"amount": {"value": 1}}, "amount"),
    "no amount": ({"currencyCode": "USD"}, "amount"),
    "too many decimals": (GOOD | {"amount": "25.001"}, "amount"),
    "a thousand with a point": (GOOD | {"amount": "1.000"}, "amount"),
    "a thousand with a point as a number": ('{"amount": 1.000, "currencyCode": "USD"}', "amount"),
    "amount above the marketplace's": (GOOD | {"amount": "2000.01"}, "amount"),
    "unknown currency": (GOOD | {"currencyCode": "XXX"}, "currencyCode"),
    "lower-case currency": (GOOD | {"currencyCode": "usd"}, "currencyCode"),
    "another marketplace's currency": (GOOD | {"currencyCode": "EUR"}, "currencyCode"),
    "no currency": ({"amount": "25.00"}, "currencyCode"),
    "unknown field": (GOOD | {"colour": "red"}, "colour"),
    "field in another spelling": (GOOD | {"Amount": "25.00"}, "Amount"),
    "field given twice": ('{"amount": "25.00", "amount": "25.00", "currencyCode": "USD"}', "amount"),
    "unknown intent": (GOOD | {"onUnknown": "ignore"}, "onUnknown"),
    "empty account": (GOOD | {"account": ""}, "account"),
    "account null is absent, number is not": (GOOD | {"account": 7}, "account"),
    "long reference": (GOOD | {"externalReference": "x" * 101}, "externalReference"),
    "a null character": (GOOD | {"externalReference": "a\u0000b"}, "externalReference"),
    "a line break": (GOOD | {"transactionSource": {"sourceId": "a\nb"}}, "transactionSource.sourceId"),
    "a blank at an end": (GOOD | {"externalReference": "po-7 "}, "externalReference"),
    "half a character": (
        '{"amount": "25.00", "currencyCode": "USD", "externalReference": "\\ud800"}',
        "externalReference",
    ),
    "no JSON": ("amount=25", "body"),
    "a list": ([], "body"),
    "no body": ("", "body"),
}


def assert_nothing_happened(api: Api, *, writes: int = 0, sent: int = 0) -> None:
    assert api.world.ledger.writes == writes
    assert len(api.world.amazon.sent) == sent


@pytest.mark.parametrize(("body", "field"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_body_is_a_400_that_names_the_field(api: Api, body: object, field: str) -> None:
    response = api.create(body)

    assert (response.status, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert [each["field"] for each in response.body["errors"]] == [field]
    assert not response.body["retryable"]
    assert_nothing_happened(api)


@pytest.mark.parametrize(
    "key",
    [
        None, "", " ", "x" * 256, "a\nb", "caf\u00e9", '"', '""', '"a', 'a"', '"a"b', '"a";b=c', '"a" "b"', '"a "',
        '" a"', '"a\\b"', '"a"b"', '"caf\u00e9"', '"a\tb"', f'"{"x" * 256}"',
    ],
    ids=repr,
)  # fmt: skip
def test_a_bad_key_is_a_400_that_names_the_header(api: Api, key: str | None) -> None:
    response = api.create(key=key)

    assert response.status == 400
    assert response.body["errors"][0]["field"] == "Idempotency-Key"
    assert_nothing_happened(api)


def test_a_body_over_10_kb_is_a_413(api: Api) -> None:
    response = api.create(GOOD | {"externalReference": "x" * 10_240})

    assert (response.status, response.body["errors"][0]["field"]) == (413, "body")
    assert_nothing_happened(api)


def test_an_unknown_account_is_a_503_that_names_it(api: Api) -> None:
    response = api.create(GOOD | {"account": "nobody"})

    assert response.status == 503
    assert response.body["errors"][0]["field"] == "account"
    assert "nobody" in response.body["detail"]
    assert "Retry-After" in response.headers
    assert_nothing_happened(api)


@pytest.mark.parametrize("name", ["get_gift_card", "reveal_claim_code", "cancel_gift_card"])
@pytest.mark.parametrize("request_id", ["Test1UNKNOWN", "", "a/b", "\u0661", "x" * 41])
def test_an_unknown_request_is_a_404(api: Api, name: str, request_id: str) -> None:
    response = api.on(name, request_id)

    assert response.status == 404
    assert response.body["errors"][0]["field"] == "requestId"
    assert_nothing_happened(api)


@pytest.mark.parametrize("name", HANDLERS)
def test_an_unknown_query_parameter_is_a_400_that_names_it(api: Api, name: str) -> None:
    query: dict[str, Any] = {"multiValueQueryStringParameters": {"dryRun": ["true"]}}

    response = api.create(**query) if name == "create_gift_card" else api.on(name, "Test1UNKNOWN", **query)

    assert (response.status, response.body["errors"][0]["field"]) == (400, "dryRun")
    assert_nothing_happened(api)


@pytest.mark.parametrize("name", ["reveal_claim_code", "cancel_gift_card"])
def test_a_body_where_none_belongs_is_a_400_that_names_its_member(api: Api, name: str) -> None:
    response = api.on(name, "Test1UNKNOWN", body='{"amount": 1}')

    assert (response.status, response.body["errors"][0]["field"]) == (400, "amount")


def test_the_same_key_with_another_amount_is_a_422_that_names_it(api: Api) -> None:
    api.create()

    response = api.create(GOOD | {"amount": "50.00"})

    assert (response.status, response.body["errors"][0]["field"]) == (422, "amount")
    assert_nothing_happened(api, writes=2, sent=1)


def test_a_cancel_after_15_minutes_is_a_409_that_names_the_deadline(api: Api) -> None:
    request_id = api.create().body["requestId"]
    api.world.clock.time = START + 16 * MINUTE

    response = api.on("cancel_gift_card", request_id)

    assert (response.status, response.body["requestStatus"]) == (409, "SUCCEEDED")
    assert "2026-03-01T12:15:00Z" in response.body["detail"]
    assert_nothing_happened(api, writes=2, sent=1)


def test_the_code_of_a_cancelled_card_is_a_409(api: Api) -> None:
    request_id = api.create().body["requestId"]
    api.on("cancel_gift_card", request_id)
    sent = len(api.world.amazon.sent)

    response = api.on("reveal_claim_code", request_id)

    assert (response.status, response.body["requestStatus"]) == (409, "REVERSED")
    assert len(api.world.amazon.sent) == sent


def test_without_a_default_account_each_request_has_to_name_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(container), "settings", SimpleNamespace(default_account=None))

    created, funds = api.create(), api.call("get_available_funds", {})

    for response in (created, funds):
        assert (response.status, response.body["errors"][0]["field"]) == (400, "account")
    assert_nothing_happened(api)


# ---- refusals and what nobody foresaw -----------------------------------------------------------


@pytest.mark.parametrize(("outcome", "status"), [(REFUSED, 422), (REFUNDED, 409)], ids=["refused", "refunded"])
def test_what_ended_without_a_card_is_an_error_each_time(api: Api, outcome: Any, status: int) -> None:
    api.world.amazon.script = [outcome] * 2

    assert [api.create().status, api.create().status] == [status, status]


def test_an_order_that_amazon_never_looked_at_may_be_repeated(api: Api) -> None:
    api.world.amazon.script = [KEY_REFUSED] * 2

    refused = api.create()
    issued = api.create()

    assert (refused.status, refused.body["retryable"], refused.body["errorType"]) == (503, True, "AccountKeyRefused")
    assert int(refused.headers["Retry-After"]) > 0
    assert (issued.status, issued.body["replaces"]) == (201, refused.body["requestId"])


@pytest.mark.parametrize("name", HANDLERS)
def test_an_unforeseen_error_is_a_500_without_a_word_of_it(
    api: Api, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"boom {CODE}")

    monkeypatch.setattr(api.world.ledger, "get", fail)
    monkeypatch.setattr(api.world.ledger, "open", fail)
    monkeypatch.setattr(api.world.accounts, "get", fail)

    response = api.create() if name == "create_gift_card" else api.on(name, "Test1UNKNOWN")

    assert response.status == 500
    assert "boom" not in response.text
    assert api.world.telemetry.lines[-1][1]["exception"] == "RuntimeError"
    assert "boom" not in repr(api.world.telemetry.lines)


def test_a_cancel_without_a_clear_response_is_a_202(api: Api) -> None:
    request_id = api.create().body["requestId"]
    api.world.accounts.accounts["default"] = account(partner_id="Other")

    response = api.on("cancel_gift_card", request_id)

    assert (response.status, response.body["status"]) == (202, Status.REVERSING)
    assert response.headers["Location"].endswith(f"/gift-cards/{request_id}")


def test_a_scripted_reversal_is_what_the_cancel_says(api: Api) -> None:
    request_id = api.create().body["requestId"]
    api.world.amazon.script = [Reversed()]

    assert api.on("cancel_gift_card", request_id).body["status"] == "REVERSED"
