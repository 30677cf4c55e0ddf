"""The example client against the functions: each of its requests and each response is as docs/openapi.json has it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import pytest
import requests
from requests.adapters import BaseAdapter

from incentives.api.routes import ROUTES
from incentives.domain.outcomes import AmazonError, Refused
from incentives.domain.single_requests.record import Status
from tests.openapi.contract import ROOT, contract
from tests.openapi.served import Served, served, split_url
from tests.support.fakes import CODE, START
from tests.unit.builders import MINUTE, TIMED_OUT

FILE: Final = ROOT / "docs" / "example_client.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_client", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CLIENT: Final = load()


@dataclass
class Wire(BaseAdapter):
    """Carries requests to the functions instead of over a network.

    Attributes:
        base_path: what precedes the routes in URLs.
        hidden: the part of it that the functions do not know of.
        faults: answers that come first, or errors.
        sent: method and path.
    """

    api: Served
    base_path: str = "/v1"
    hidden: str = ""
    faults: list[Any] = field(default_factory=list)
    sent: list[tuple[str, str, str | None]] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        assert request.url is not None
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
        path, query = split_url(request.url, self.hidden + self.base_path)
        body = json.loads(request.body) if request.body else None
        method = str(request.method)
        headers = {
            name: str(request.headers[name]) for name in ("Idempotency-Key", "Prefer") if name in request.headers
        }
        contract().check_request(method, path, headers=headers, query=query, body=body)
        self.sent.append((method, path, headers.get("Idempotency-Key")))
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return reply(request, *fault)
        operation_id = contract().operation(method, path)["operationId"]
        (route,) = [each for each in ROUTES if each.name.replace("_", "") == operation_id.lower()]
        response = self.api.response(route, path, headers=headers, query=query, body=body, base_path=self.base_path)
        return reply(request, response.status, response.headers, response.text)

    def close(self) -> None:
        """Nothing is open."""


def reply(request: requests.PreparedRequest, status: int, headers: Any, text: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    response._content = text.encode()
    response.request = request
    return response


@dataclass
class Caller:
    gateway: Any
    wire: Wire
    api: Served

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Method and path, with the request id left out."""
        return [
            (method, path.replace(self.request_id, "X") if self.api.world.ledger.records else path)
            for method, path, _ in self.wire.sent
        ]

    @property
    def request_id(self) -> str:
        return next(iter(self.api.world.ledger.records))


@pytest.fixture(params=["", "/_aws/execute-api/abc"], ids=["deployed", "under a longer path"])
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    with served() as api:
        session = CLIENT.signed_session("DUMMYKEY", "dummy-secret", "us-east-1")
        wire = Wire(api, hidden=request.param)
        session.mount("https://api.test", wire)
        gateway = CLIENT.Gateway(f"https://api.test{request.param}/v1", session, api.world.clock.sleep)
        yield Caller(gateway, wire, api)


def test_a_card_is_created_read_revealed_and_cancelled(caller: Caller) -> None:
    card = caller.gateway.create("25.00", "USD", key="order-1", externalReference="invoice 17")
    assert card["gcClaimCode"] == CODE
    assert caller.gateway.create("25.00", "USD", key="order-1", externalReference="invoice 17") == card
    assert "gcClaimCode" not in caller.gateway.read(card["requestId"])
    assert caller.gateway.reveal(card["requestId"])["gcClaimCode"] == CODE
    assert caller.gateway.cancel(card["requestId"])["status"] == "REVERSED"
    assert caller.routes == [
        ("POST", "/gift-cards"),
        ("POST", "/gift-cards"),
        ("GET", "/gift-cards/X"),
        ("POST", "/gift-cards/X/claim-code"),
        ("POST", "/gift-cards/X/cancel"),
    ]


def test_after_a_202_it_asks_at_location_and_then_for_the_code(caller: Caller) -> None:
    caller.api.world.amazon.script = [TIMED_OUT] * 50
    began = caller.api.world.clock.time

    def settle(seconds: float) -> None:
        # Meanwhile the request is recovered.
        caller.api.world.clock.sleep(seconds)
        caller.api.world.amazon.script = []
        if len(caller.wire.sent) > 1:
            record = caller.api.world.ledger.records[caller.request_id]
            caller.api.world.ledger.records[caller.request_id] = _succeeded(caller, record)

    object.__setattr__(caller.gateway, "sleep", settle)
    card = caller.gateway.create("25.00", "USD", key="order-1")
    assert card["gcClaimCode"] == CODE
    assert caller.routes == [
        ("POST", "/gift-cards"),
        ("GET", "/gift-cards/X"),
        ("GET", "/gift-cards/X"),
        ("POST", "/gift-cards/X/claim-code"),
    ]
    assert caller.api.world.clock.time > began


def _succeeded(caller: Caller, record: Any) -> Any:
    from dataclasses import replace  # noqa: PLC0415 - only here

    return replace(record, status=Status.SUCCEEDED, wake_at=None, gc_id=f"GC{record.request_id[-8:]}")


def test_many_are_asked_for_at_once_and_each_is_issued_in_its_turn(caller: Caller) -> None:
    # given a busy account
    caller.api.world.rate_limiter.full_for = 90.0
    later = {key: caller.gateway.create_later("25.00", "USD", key=key) for key in ("order-1", "order-2")}
    assert [each.request["status"] for each in later.values()] == ["PENDING", "PENDING"]
    assert [each.request["dueAt"] for each in later.values()] == ["2026-03-01T12:01:30Z"] * 2
    assert caller.api.world.amazon.sent == []

    def settle(seconds: float) -> None:
        caller.api.world.clock.sleep(seconds)
        if caller.api.world.clock.time < START + 20 * MINUTE:
            return
        # Long after a client's patience with what is unknown would have ended, their turn is there.
        caller.api.world.rate_limiter.full_for = None
        for request_id, record in caller.api.world.ledger.records.items():
            caller.api.world.ledger.records[request_id] = _succeeded(caller, record)

    object.__setattr__(caller.gateway, "sleep", settle)
    # when they are waited for, then there is a card for each
    cards = {key: caller.gateway.wait_for(each) for key, each in later.items()}
    assert [card["gcClaimCode"] for card in cards.values()] == [CODE, CODE]
    assert len({card["requestId"] for card in cards.values()}) == 2
    # and asking later once more for one that is issued already gets the card at once
    again = caller.gateway.create_later("25.00", "USD", key="order-1")
    assert caller.gateway.wait_for(again) == cards["order-1"]


@pytest.mark.parametrize(
    ("fault", "repeats"),
    [
        (requests.ConnectionError("gone"), True),
        (requests.ReadTimeout("slow"), True),
        ((504, {}, '{"status": 504, "errorType": "Timeout", "detail": "?", "retryable": true}'), True),
        (
            (429, {"Retry-After": "3"}, '{"status": 429, "errorType": "Throttled", "detail": "?", "retryable": true}'),
            True,
        ),
        ((403, {}, '{"status": 403, "errorType": "AccessDenied", "detail": "?", "retryable": false}'), False),
        ((503, {}, '{"status": 503, "errorType": "keyRefused", "detail": "?", "retryable": false}'), False),
        (
            (
                503,
                {"Retry-After": "900"},
                '{"status": 503, "errorType": "AccountFrozen", "detail": "?", "retryable": true}',
            ),
            False,
        ),
    ],
    ids=["lost", "slow", "504", "429", "403", "a stored 503", "frozen"],
)
def test_what_may_have_happened_is_repeated_with_the_same_key(caller: Caller, fault: Any, repeats: bool) -> None:
    caller.wire.faults = [fault]
    if repeats:
        assert caller.gateway.create("25.00", "USD", key="order-1")["gcClaimCode"] == CODE
        assert [key for _, _, key in caller.wire.sent] == ["order-1", "order-1"]
    else:
        with pytest.raises(CLIENT.ProblemError):
            caller.gateway.create("25.00", "USD", key="order-1")
        assert len(caller.wire.sent) == 1


def test_it_gives_up_on_what_stays_broken(caller: Caller) -> None:
    caller.wire.faults = [requests.ConnectionError("gone")] * 50
    with pytest.raises(requests.ConnectionError):
        caller.gateway.create("25.00", "USD", key="order-1")
    assert len(caller.wire.sent) == CLIENT.TRIES_MAX


def test_a_refusal_is_told_in_amazons_words(caller: Caller) -> None:
    caller.api.world.amazon.script = [Refused(AmazonError("F300", "InsufficientFunds"))]
    with pytest.raises(CLIENT.ProblemError, match="402 InsufficientFunds") as told:
        caller.gateway.create("25.00", "USD", key="order-1")
    assert told.value.problem["retryable"] is False


def test_a_cancel_that_is_too_late_says_so(caller: Caller) -> None:
    card = caller.gateway.create("25.00", "USD", key="order-1")
    caller.api.world.clock.time = START + 16 * MINUTE
    with pytest.raises(CLIENT.ProblemError, match="409 CancelWindowOver"):
        caller.gateway.cancel(card["requestId"])


def test_what_stays_unknown_is_never_called_a_failure(caller: Caller) -> None:
    caller.api.world.amazon.script = [TIMED_OUT] * 500
    with pytest.raises(CLIENT.NotKnownYetError) as told:
        caller.gateway.create("25.00", "USD", key="order-1")
    assert told.value.request_id == caller.request_id


def test_the_code_never_shows_in_its_text_or_its_errors() -> None:
    assert "dummy-secret" not in repr(
        CLIENT.Gateway("https://api.test", CLIENT.signed_session("K", "dummy-secret", "r"))
    )


def test_it_leans_on_nothing_of_the_project() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert "incentives." not in text.replace("incentives.gateway", "")
    assert not {name for name in ("from incentives", "import incentives", "from local", "import boto3") if name in text}
