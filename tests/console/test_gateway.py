"""What the console may ask of the API at all, and what each reply is taken for."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import socket
import ssl
import threading
import urllib.error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from botocore.exceptions import ClientError, UnauthorizedSSOTokenError

from console import gateway
from console.gateway import CALLS, Kind, Reply
from console.threads import Threads
from local.signing import Caller, Response
from tests.console.served import Api, Browser, text_of
from tests.local.gateway import Gateway as Deployment
from tests.openapi.contract import committed, operations
from tests.support.fakes import START
from tests.unit.builders import fails, unknown_since

CANCEL: Final = "/gift-cards/{requestId}/cancel"
PROBLEM: Final = {"title": "t", "detail": "why", "errorCode": None}


#: What the API has and the console has not: single cards and their codes, and Amazon's own rows, which the books show.
NOT_HERE: Final = {
    ("POST", "/gift-cards"),
    ("POST", "/gift-cards/{requestId}/claim-code"),
    ("POST", "/activations"),
    ("POST", "/activations/status-check"),
    ("POST", "/balance-loads"),
    ("GET", "/activity"),
}


def test_it_calls_all_of_the_api_but_what_issues_a_card_or_reads_a_code() -> None:
    routes = {(method, path): operation for method, path, operation in operations(committed())}
    assert routes.keys() - CALLS == NOT_HERE
    assert CALLS - routes.keys() == set()
    # The same by what the document says of them: what needs a key issues, but for an order, which waits for its start.
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    assert {call for call in CALLS if key in routes[call].get("parameters", [])} == {("POST", "/orders")}
    assert not [call for call in CALLS if "GiftCardWithCode" in json.dumps(routes[call]["responses"])]


@pytest.mark.parametrize("call", sorted(NOT_HERE), ids=" ".join)
def test_whatever_a_page_asks_for_nothing_else_is_called(call: tuple[str, str]) -> None:
    method, template = call
    with pytest.raises(ValueError, match="does not call"):
        asyncio.run(console_gateway().send(method, template, {}, requestId="Test1A"))


def console_gateway(url: str | None = None) -> gateway.Gateway:
    target = Deployment().target()
    return gateway.Gateway(replace(target, api_url=url) if url else target, Threads(4), lambda: START)


def reply(call: str, status: int | None, body: Mapping[str, Any] | None = None, **more: Any) -> Reply:
    return Reply(call, status, PROBLEM | body if body is not None else {}, START, **more)


QUERY: Final = "GET /accounts"
DOING: Final = f"POST {CANCEL}"
PUTTING: Final = "PUT /budgets/{name}"
#: What came of a call, what it is to a query, and what to something that was to be done.
KINDS: Final = {
    "200": (200, None, Kind.ANSWERED, Kind.ANSWERED),
    "202": (202, None, Kind.ANSWERED, Kind.ANSWERED),
    "a redirect": (302, None, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "400": (400, {"errorType": "InvalidInput"}, Kind.REFUSED, Kind.REFUSED),
    "401 of no matter whom": (401, None, Kind.REFUSED, Kind.REFUSED),
    "403 of IAM": (403, {"errorType": "AccessDenied"}, Kind.DENIED, Kind.DENIED),
    "403 of Amazon": (403, {"errorType": "AccessDenied", "errorCode": "F300"}, Kind.REFUSED, Kind.REFUSED),
    "404": (404, {"errorType": "NotFound"}, Kind.NOT_FOUND, Kind.NOT_FOUND),
    "409": (409, {"errorType": "CancelWindowOver"}, Kind.REFUSED, Kind.REFUSED),
    "429": (429, {"errorType": "BudgetBusy"}, Kind.REFUSED, Kind.REFUSED),
    "500": (500, {"errorType": "Unexpected"}, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "502 of whatever stands before": (502, None, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "503 of whatever stands before": (503, None, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "503 that says that nothing was done": (503, {"errorType": "RateInUse"}, Kind.UNAVAILABLE, Kind.UNAVAILABLE),
    "503 of a ledger in doubt": (503, {"errorType": "LedgerUnavailable"}, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "503 of an order in doubt": (503, {"errorType": "OrderUnavailable"}, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "503 of books in doubt": (503, {"errorType": "BooksUnavailable"}, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "503 of a frozen account": (503, {"errorType": "AccountFrozen"}, Kind.FROZEN, Kind.FROZEN),
    "504": (504, {"errorType": "GatewayTimeout"}, Kind.UNAVAILABLE, Kind.UNKNOWN),
    "no response": (None, None, Kind.UNAVAILABLE, Kind.UNKNOWN),
}


@pytest.mark.parametrize(("status", "body", "asked", "done"), KINDS.values(), ids=KINDS)
def test_a_reply_is_what_may_have_happened(
    status: int | None, body: Mapping[str, Any] | None, asked: Kind, done: Kind
) -> None:
    assert reply(QUERY, status, body).kind is asked
    assert {reply(call, status, body).kind for call in (DOING, PUTTING, "PUT file")} == {done}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("timed out"), Kind.UNKNOWN),
        (ConnectionResetError(), Kind.UNKNOWN),
        (OSError("The response was cut off: IncompleteRead"), Kind.UNKNOWN),
        (urllib.error.URLError(TimeoutError()), Kind.UNKNOWN),
        (urllib.error.URLError(ssl.SSLEOFError()), Kind.UNKNOWN),
        (urllib.error.URLError(ConnectionRefusedError()), Kind.UNAVAILABLE),
        (urllib.error.URLError(socket.gaierror()), Kind.UNAVAILABLE),
        (urllib.error.URLError(ssl.SSLCertVerificationError()), Kind.UNAVAILABLE),
    ],
    ids=repr,
)
def test_what_was_lost_is_unknown_unless_nobody_was_reached(
    monkeypatch: pytest.MonkeyPatch, error: OSError, kind: Kind
) -> None:
    def lost(*_: object, **__: object) -> Response:
        raise error

    monkeypatch.setattr(gateway, "send", lost)
    found = asyncio.run(console_gateway().send("POST", CANCEL, requestId="A1"))
    assert (found.kind, found.status) == (kind, None)


@pytest.mark.parametrize("text", ["<html>Sign in to the network</html>", "", "[]", '"x"', "[" * 100_000])
def test_a_success_that_is_not_the_apis_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(gateway, "send", lambda *_, **__: Response(200, {}, text))
    assert asyncio.run(console_gateway().get("/accounts")).kind is Kind.UNAVAILABLE
    assert asyncio.run(console_gateway().send("POST", CANCEL, requestId="A1")).kind is Kind.UNKNOWN


@pytest.mark.parametrize("errors", [None, "text", ["text"], [{"field": "a"}], {"field": "a"}])
def test_fields_that_are_wrong_in_another_form_than_the_apis_fail_no_page(errors: object) -> None:
    found = reply(DOING, 400, {"errors": errors})
    assert found.errors == ([("a", "None")] if errors == [{"field": "a"}] else [])
    assert found.detail == "why"


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a b", "a%2Fb", "a?b", "a#b", "a\x00", "a\n", "é", "x" * 65])
def test_a_name_that_leads_to_another_route_is_not_sent(api: Api, value: str) -> None:
    calls = console_gateway()
    asking = (
        calls.get("/gift-cards/{requestId}", requestId=value),
        calls.send("POST", "/closes/{account}/{month}", {}, account=value, month="gift-cards"),
        calls.send("POST", "/closes/{account}/{month}", {}, account="default", month=value),
    )
    for each in asking:
        found = asyncio.run(each)
        assert (found.kind, found.held_back) == (Kind.REFUSED, True)
    assert api.called == []


def test_a_cancel_that_may_have_been_written_is_not_called_undone(api: Api, browser: Browser) -> None:
    ledger = api.functions.world.ledger
    ledger.records["Test1AAAA"] = unknown_since()
    asking = browser.get("/requests/Test1AAAA/cancel")
    fails(ledger, "apply", takes_effect=True)
    fails(ledger, "get", at=2)

    shown = text_of(browser.submit(asking))

    assert ledger.records["Test1AAAA"].status.value == "REVERSING"
    assert "responded 503" in shown
    assert "Nobody knows yet whether it was done." in shown


@pytest.mark.parametrize(
    "error",
    [
        UnauthorizedSSOTokenError(),
        ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole"),
        # Of keys from the environment whose time is over, and of a program that is to give them.
        RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
        FileNotFoundError(2, "No such file or directory"),
        KeyError("AccessKeyId"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_nothing_is_sent_that_nobody_can_sign(error: Exception) -> None:
    def nobody() -> Caller:
        raise error

    unsigned = console_gateway()
    unsigned = replace(unsigned, target=replace(unsigned.target, caller=nobody))
    found = asyncio.run(unsigned.send("POST", CANCEL, requestId="A1"))
    assert (found.kind, found.never_sent) == (Kind.UNAVAILABLE, True)
    assert found.detail.startswith("No AWS credentials to sign with: ")


@pytest.mark.parametrize(
    "upload",
    [
        {"method": "PUT", "url": "file:///secret", "headers": {}},
        {"method": "PUT", "url": "https://uploads.test/x", "headers": {"X": "secret\r\nY: 1"}},
        {"method": "PUT", "url": f"https://{'secret' * 20}.test/x", "headers": {}},
    ],
    ids=["no web address", "a header of two lines", "a name that is none"],
)
def test_where_nothing_can_be_put_nothing_is_and_the_address_is_not_told(upload: Mapping[str, Any]) -> None:
    found = asyncio.run(console_gateway().put_file(upload, b"x"))
    assert (found.kind, "secret" in repr(found)) == (Kind.UNAVAILABLE, False)


# ---- not as documented -----------------------------------------------------------------------------------------------

AS_DOCUMENTED: Final = "as the API's document has it"
BALANCE: Final = {"amount": "10.00", "currencyCode": "USD", "asOf": "2026-03-01T12:00:00Z"}
ACCOUNT: Final = {
    "account": "default",
    "state": "FROZEN",
    "frozen": None,
    "keyCreatedAt": "2026-02-01T00:00:00Z",
    "keyAgeDays": 28,
    "balance": BALANCE,
}
#: What is wrong with an account, and how it is told.
MISFITS: Final = {
    "a member that is missing": ({"state": ...}, f"{AS_DOCUMENTED}: body.accounts.0"),
    "another type": ({"account": 7}, f"{AS_DOCUMENTED}: body.accounts.0.account"),
    "half a character": ({"account": "\ud800"}, "the API"),
    "a time that is none": ({"keyCreatedAt": "2026-02-30T00:00:00Z"}, f"{AS_DOCUMENTED}: body.accounts.0.keyCreatedAt"),
    "a time no zone has": ({"keyCreatedAt": "9999-12-31T23:59:59Z"}, f"{AS_DOCUMENTED}: body.accounts.0.keyCreatedAt"),
    "an amount that is none": ({"balance": {**BALANCE, "amount": "1,00"}}, f"{AS_DOCUMENTED}: body.accounts.0.balance"),
}


@pytest.mark.parametrize(("changes", "told"), MISFITS.values(), ids=MISFITS)
def test_what_is_not_as_documented_takes_its_part_away_and_is_told_by_its_place(
    api: Api, browser: Browser, changes: Mapping[str, Any], told: str
) -> None:
    found = {name: value for name, value in {**ACCOUNT, **changes}.items() if value is not ...}
    api.fail("GET", "/accounts", 200, json.dumps({"accounts": [found], "cursor": None}))
    shown = text_of(browser.get("/"))
    assert f"The response of 200 is not {told}." in shown
    assert "Backlog" in shown


def test_what_was_done_and_is_not_told_as_documented_is_unknown(api: Api, browser: Browser) -> None:
    asking = browser.get("/accounts/default/freeze")
    api.fail("POST", "/accounts", 200, json.dumps({**ACCOUNT, "frozen": 1}))
    shown = text_of(browser.submit(asking, reason="the key leaked"))
    assert "Nobody knows yet whether it was done. The response of 200 is not as the API's document has it" in shown


@pytest.mark.parametrize("error_type", [[], {}, 7, ["AccessDenied"], "x" * 3_000_000], ids=lambda each: repr(each)[:20])
def test_a_failure_in_a_form_of_its_own_is_one(api: Api, browser: Browser, error_type: object) -> None:
    errors = [error_type, {"field": error_type, "message": error_type}]
    body = {"errorType": error_type, "detail": error_type, "errors": errors, "frozen": error_type}
    api.fail("GET", "/accounts", 503, json.dumps(body))
    asking = browser.get("/accounts/default/freeze")
    assert len(str(asking)) < 30_000
    api.fail("POST", "/accounts", 403, json.dumps(body))
    assert "Refused." in text_of(browser.submit(asking, reason="the key leaked"))


# ---- many at once ----------------------------------------------------------------------------------------------------


def test_what_is_to_be_done_does_not_wait_for_queries_that_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, begun = threading.Event(), threading.Event()

    def slow(method: str, *_: object, **__: object) -> Response:
        if method == "GET":
            begun.set()
            may_end.wait()
            return Response(200, {}, '{"accounts": [], "cursor": null}')
        return Response(409, {}, "{}")

    monkeypatch.setattr(gateway, "send", slow)
    calls = replace(console_gateway(), executor=Threads(1, wait_seconds=0))

    async def play() -> tuple[Reply, Reply, Reply]:
        first = asyncio.create_task(calls.get("/accounts"))
        await asyncio.to_thread(begun.wait)
        second, done = await calls.get("/accounts"), await calls.send("POST", CANCEL, requestId="A1")
        may_end.set()
        return await first, second, done

    first, second, done = asyncio.run(play())
    assert (first.kind, done.kind) == (Kind.ANSWERED, Kind.REFUSED)
    # Nor do queries wait for good: a page that nobody looks at any more makes room.
    assert (second.kind, second.detail) == (Kind.UNAVAILABLE, "Too many calls wait for a response already.")


# ---- over a connection -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Came:
    """A request as it was on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def signature(self) -> str:
        return re.findall("Signature=([0-9a-f]{64})", self.headers["authorization"])[0]

    def signature_as_aws_makes_it(self) -> str:
        """From what came alone, by the rules of Signature Version 4, with the secret that the caller has."""
        (signed,) = re.findall("SignedHeaders=([a-z0-9;-]+)", self.headers["authorization"])
        path, _, query = self.target.partition("?")
        pairs = sorted(
            tuple(quote(unquote(part), safe="-_.~") for part in pair.split("=", 1)) for pair in query.split("&") if pair
        )
        canonical = "\n".join(
            (
                self.method,
                quote(path, safe="/-_.~"),
                "&".join(f"{name}={value}" for name, value in pairs),
                *(f"{name}:{' '.join(self.headers[name].split())}" for name in signed.split(";")),
                "",
                signed,
                sha256(self.body).hexdigest(),
            )
        )
        date = self.headers["x-amz-date"]
        scope = f"{date[:8]}/us-east-1/execute-api/aws4_request"
        to_sign = "\n".join(("AWS4-HMAC-SHA256", date, scope, sha256(canonical.encode()).hexdigest()))
        key = b"AWS4dummy"
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, to_sign.encode(), "sha256").hex()


@pytest.fixture
def front() -> Iterator[tuple[str, list[Came]]]:
    """Something before the API that sends everybody elsewhere: its address, and what came."""
    came: list[Came] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            came.append(Came(self.command, self.path, headers, body))
            self.send_response(302 if "moved" not in self.path else 200)
            self.send_header("Location", "/moved")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", came
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("text", ["default", "a b", "a+b", "a%20b", "a/b?c=d&e#f", "\u00e9*~'()", "=&="])
def test_a_query_is_signed_as_it_is_sent_whatever_is_in_it(front: tuple[str, list[Came]], text: str) -> None:
    url, came = front
    asyncio.run(console_gateway(url).get("/requests", {"to": "2026-03-01", "account": text, "status": None}))
    asyncio.run(console_gateway(url).get("/requests", key="order  1"))
    asyncio.run(console_gateway(url).send("POST", "/accounts/{account}/freeze", {"reason": text}, account="default"))

    assert [each.signature_as_aws_makes_it() for each in came] == [each.signature for each in came]
    assert dict(parse_qsl(urlsplit(came[0].target).query)) == {"to": "2026-03-01", "account": text}
    assert came[1].headers["idempotency-key"] == "order  1"
    assert json.loads(came[2].body) == {"reason": text}


def test_a_redirect_is_not_followed_with_a_signature(front: tuple[str, list[Came]]) -> None:
    url, came = front

    found = asyncio.run(console_gateway(url).send("POST", CANCEL, requestId="A1"))

    assert found.kind is Kind.UNKNOWN
    assert [(each.method, each.target) for each in came] == [("POST", "/gift-cards/A1/cancel")]


def test_a_file_comes_as_it_is_whatever_its_bytes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\xff\x00\r\n\xef\xbb\xbf"
    monkeypatch.setattr(gateway, "send", lambda *_, **__: Response(200, {}, "?", content))
    found, file = asyncio.run(console_gateway().file("https://files.test/x?X-Amz-Signature=secret"))
    assert (found.ok, file) == (True, content)
    assert "secret" not in repr(found)
