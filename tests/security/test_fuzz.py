"""Whatever a caller of the API sends: a response in our words, nothing sent to Amazon by what is refused, nothing told.

Events are as API Gateway makes them, of anything that a caller may put into a request; then events that it never makes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incentives.api.gateway import BODY_BYTES_MAX, HEADER_CHARACTERS_MAX
from incentives.api.route import Route
from incentives.domain.accounts.account import CardState
from tests.openapi.books import PATHS, opened
from tests.openapi.served import BODIES, BY_NAME, QUERY_OF, Served, event_of, handler_of, path_of, served, without_code
from tests.support.fakes import CODE, usd

Event = dict[str, Any]
Change = Callable[[Event], None]

#: A text that callers put everywhere, and that must come out nowhere but where it is a response. With digits, as codes
#: and card numbers have them: the name of a member, all letters, may be logged.
MARK: Final = "CANARY-4711-OF-THE-CALLER"
#: What the fakes' Amazon and accounts know: a claim code, and a key.
SECRETS: Final = (CODE, "not-a-real-secret")
PROBLEM: Final = {"type", "title", "status", "detail", "requestId", "errorCode", "errorType", "retryable"}
#: Answers that may hold a claim code, and no others.
WITH_CODE: Final = {"create_gift_card", "reveal_claim_code"}
#: What makes each kind of thing that a route may be about.
KINDS: Final = {
    "gift-cards": ("create_gift_card", "requestId"),
    "activations": ("activate_gift_card", "requestId"),
    "balance-loads": ("load_amazon_balance", "requestId"),
    "orders": ("create_order", "orderId"),
}
#: What Amazon says to these; to others the fake finds words of its own.
OBLIGING: Final[Mapping[str, Sequence[Any]]] = {
    "activate_gift_card": [without_code],
    "load_amazon_balance": [without_code],
    "check_activation_status": [CardState("Activated", usd("25.00"), None)],
}

# The same events on every run; a failure names its event.
fuzzed = settings(max_examples=40, deadline=None, derandomize=True, database=None)


# ---- what a caller may send ---------------------------------------------------------------------

TEXTS: Final = st.one_of(
    st.just(MARK),
    st.text(max_size=40),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "\u202e", "A" * 5000, "../..", "%00", "NaN", "1e400", "-0", "\u0661\u0662", "null",
         "{{}}", "{0}", "$(id)", "'; --", "a@b", "2026-02-30", "0000-00-00", "9999-12-31", "=cmd|' /C calc'!A0"]
    ),
)  # fmt: skip
NUMBERS: Final = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 10**30, -(10**30), 10**400, 1e308, 2**63, 0.001, 25.001, 1e-320]),
)
VALUES: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=10,
)
NAMES: Final = st.one_of(
    st.sampled_from(
        ["amount", "currencyCode", "account", "externalReference", "programId", "productType", "transactionSource",
         "onUnknown", "cardNumber", "customerAccount", "notification", "format", "dryRun", "requestId", "reason",
         "note", "kind", "from", "to", "sha256", "movementId", "parts"]
    ),
    TEXTS,
)  # fmt: skip
PARAMETERS: Final = st.one_of(
    st.sampled_from(["account", "status", "from", "to", "cursor", "page", "kind", "month"]), TEXTS
)
HEADERS: Final = st.one_of(st.sampled_from(["Idempotency-Key", "idempotency-key", "Prefer", "Content-Type"]), TEXTS)
DEEP: Final = ["[" * 3000 + "]" * 3000, '{"a":' * 900 + "1" + "}" * 900, '{"transactionSource":' + "[" * 9000]
#: What JSON readers take differently.
ODD_BODIES: Final = st.sampled_from(
    [*DEEP, "", " ", "null", "[]", "25", '"x"', "{", "}{", "\ufeff{}", '{"amount":1,"amount":2}', '{"amount":NaN}',
     '{"amount":1e999999999}', '{"amount":' + "9" * 9000 + "}", "x" * (BODY_BYTES_MAX + 1), "\u20ac" * BODY_BYTES_MAX]
)  # fmt: skip


@dataclass(frozen=True)
class BodyMember:
    """One member of the body, set to something or taken out."""

    name: str
    value: Any = None
    absent: bool = False

    def __call__(self, event: Event) -> None:
        try:
            body = json.loads(event["body"] or "{}")
        except (ValueError, RecursionError):
            return
        if not isinstance(body, dict):
            return
        body[self.name] = self.value
        if self.absent:
            del body[self.name]
        event["body"] = json.dumps(body)


@dataclass(frozen=True)
class Member:
    """A part of the event, or a member of one, set to something."""

    part: str
    value: Any
    name: str | None = None

    def __call__(self, event: Event) -> None:
        if self.name is None:
            event[self.part] = self.value
        else:
            event[self.part] = {**(event[self.part] or {}), self.name: self.value}


def _in_base64(body: bytes) -> list[Change]:
    return [Member("body", base64.b64encode(body).decode()), Member("isBase64Encoded", value=True)]


CHANGES: Final = st.one_of(
    st.builds(BodyMember, NAMES, VALUES).map(lambda each: [each]),
    st.builds(BodyMember, NAMES, absent=st.just(value=True)).map(lambda each: [each]),
    st.one_of(ODD_BODIES, TEXTS, VALUES.map(json.dumps)).map(lambda text: [Member("body", text)]),
    st.binary(max_size=200).map(_in_base64),
    TEXTS.map(lambda text: [Member("body", text), Member("isBase64Encoded", value=True)]),
    st.tuples(HEADERS, st.lists(TEXTS, max_size=3)).map(lambda each: [Member("multiValueHeaders", each[1], each[0])]),
    st.sampled_from([1, HEADER_CHARACTERS_MAX]).map(
        lambda size: [Member("multiValueHeaders", ["a" * size], "Idempotency-Key")]
    ),
    st.tuples(PARAMETERS, st.lists(TEXTS, min_size=1, max_size=2)).map(
        lambda each: [Member("multiValueQueryStringParameters", each[1], each[0])]
    ),
    st.tuples(st.sampled_from(["requestId", "orderId", "account", "day", "differenceId", "statementId"]), TEXTS).map(
        lambda each: [Member("pathParameters", each[1], each[0])]
    ),
    st.sampled_from(["multiValueHeaders", "multiValueQueryStringParameters", "pathParameters", "body"]).map(
        lambda part: [Member(part, None)]
    ),
)


def _event(route: Route, known: str, key: str = "fuzz-1") -> Event:
    """A request that is as documented, of API Gateway's making."""
    path = path_of(route, PATHS.get(route.name, known))
    query = QUERY_OF.get(route.name, {})
    event = event_of(route, path, headers={"Idempotency-Key": key}, query=query, body=BODIES.get(route.name))
    return event | {"queryStringParameters": None, "headers": None}


def _call(here: Served, function: str, event: object) -> tuple[int, Mapping[str, str], Any, str]:
    here.world.amazon.script = list(OBLIGING.get(function, ()))
    response = handler_of(function)(event, here._context())  # type: ignore[arg-type]
    assert response.keys() == {"statusCode", "headers", "body", "isBase64Encoded"}
    return response["statusCode"], response["headers"], json.loads(response["body"]), response["body"]


def _known_id(here: Served, route: Route) -> str:
    """A request or an order that there is, so that not all routes end at their ids; and books."""
    opened(here)
    function, member = KINDS.get(route.path.split("/")[1], KINDS["gift-cards"])
    status, _, body, _ = _call(here, function, _event(BY_NAME[function], "", key="known"))
    assert status == 201
    known: str = body[member]
    return known


def _is_problem(status: int, headers: Mapping[str, str], body: Any) -> None:
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    assert body.keys() >= PROBLEM
    assert body["status"] == status


# ---- the functions behind the API ---------------------------------------------------------------


@pytest.mark.parametrize("name", BY_NAME)
@fuzzed
@given(changes=st.lists(CHANGES, min_size=1, max_size=3))
def test_whatever_is_sent_is_answered_and_told_to_nobody(name: str, changes: list[list[Change]]) -> None:
    route = BY_NAME[name]
    with served() as here:
        # given a request of the route's kind
        event = _event(route, _known_id(here, route))
        sent, asked, written = len(here.world.amazon.sent), len(here.world.amazon.pages_asked), here.world.ledger.writes
        here.world.telemetry.lines.clear()
        # when a caller sends what it should not
        for change in [each for group in changes for each in group]:
            change(event)
        status, headers, body, text = _call(here, route.function, event)
        # then there is a response: a success, the caller's mistake, or a word of when to try again
        assert status < 500 or (status == 503 and int(headers["Retry-After"]) > 0), (status, body)
        if status >= 400:
            _is_problem(status, headers, body)
            # and nothing was done
            assert len(here.world.amazon.sent) == sent
            assert len(here.world.amazon.pages_asked) == asked
            assert here.world.ledger.writes == written
        # and no log has a word of what came in or of what is kept secret
        logged = repr(here.world.telemetry.lines)
        assert MARK not in logged
        assert not any(secret in logged for secret in SECRETS)
        # and a code is where it was asked for, and nowhere else
        assert CODE not in text or (status in {200, 201} and name in WITH_CODE and body["gcClaimCode"] == CODE)
        assert SECRETS[1] not in text


@pytest.mark.parametrize("name", BY_NAME)
@fuzzed
@given(body=st.one_of(st.just({}), st.dictionaries(NAMES, st.just(MARK), min_size=1, max_size=3)))
def test_a_refusal_does_not_quote_what_was_sent(name: str, body: dict[str, str]) -> None:
    route = BY_NAME[name]
    with served() as here:
        event = _event(route, _known_id(here, route)) | {"body": json.dumps(body)}
        event["multiValueHeaders"] = {"Idempotency-Key": [MARK], "Prefer": [MARK]}
        status, _, response, text = _call(here, route.function, event)
        told = {each["field"] for each in response.get("errors", [])} if status >= 400 else set()
        # A member that nobody knows is named, or else its sender would not know which.
        assert status < 400 or MARK not in text or any(MARK in field for field in told)


PARTS: Final = [
    "body", "isBase64Encoded", "headers", "multiValueHeaders", "queryStringParameters",
    "multiValueQueryStringParameters", "pathParameters", "requestContext", "path", "resource",
]  # fmt: skip


@pytest.mark.parametrize("name", BY_NAME)
@fuzzed
@given(parts=st.dictionaries(st.sampled_from(PARTS), VALUES, max_size=4), dropped=st.sets(st.sampled_from(PARTS)))
def test_an_event_that_api_gateway_never_makes_does_nothing_if_refused(
    name: str, parts: dict[str, Any], dropped: set[str]
) -> None:
    route = BY_NAME[name]
    with served() as here:
        event = {**_event(route, _known_id(here, route)), **parts}
        for part in dropped:
            del event[part]
        sent = len(here.world.amazon.sent)
        here.world.telemetry.lines.clear()
        status, headers, body, text = _call(here, route.function, event)
        if status >= 400:
            _is_problem(status, headers, body)
            assert len(here.world.amazon.sent) == sent
        assert MARK not in repr(here.world.telemetry.lines)
        assert CODE not in text or (status in {200, 201} and name in WITH_CODE)
