"""API Gateway's side: events in, answers out, and nothing of either in a log."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from incentives.api.gateway import BODY_BYTES_MAX, DEPTH_MAX, HEADER_CHARACTERS_MAX, ApiCall, ApiResponse, decode, serve
from incentives.api.models.base import format_time
from incentives.api.problems import status_of
from incentives.domain.errors import BodyTooLarge, InvalidInput, LedgerUnavailable, NotFound
from tests.support.fakes import CODE, START, FakeTelemetry


def call(body: bytes = b"", **query: str) -> ApiCall:
    return ApiCall(headers={}, path={}, query=query, body=body, caller=None, base_path="/prod")


def decoded(**event: Any) -> ApiCall:
    return decode(event)


# ---- headers, query, path -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Idempotency-Key": ["a", "b"]}, {"Idempotency-Key": ["a"], "idempotency-key": ["a"]}],
    ids=["twice", "in two spellings"],
)
def test_an_idempotency_key_given_twice_is_refused(headers: Mapping[str, list[str]]) -> None:
    with pytest.raises(InvalidInput) as error:
        decoded(multiValueHeaders=headers)
    assert error.value.field == "Idempotency-Key"


def test_other_headers_may_come_twice() -> None:
    assert decoded(multiValueHeaders={"Accept": ["a", "b"]}).headers["accept"] == "a"


@pytest.mark.parametrize("member", ["headers", "multiValueHeaders"])
@pytest.mark.parametrize(("beyond", "fits"), [(0, True), (1, False)])
def test_headers_are_bounded_together(member: str, beyond: int, fits: bool) -> None:
    names = ["x-one", "x-two"]
    values = ["a" * 100, "b" * (HEADER_CHARACTERS_MAX - 100 - len("".join(names)) + beyond)]
    headers = {name: value if member == "headers" else [value] for name, value in zip(names, values, strict=True)}
    if fits:
        assert decoded(**{member: headers}).headers["x-two"] == values[1]
        return
    with pytest.raises(InvalidInput) as error:
        decoded(**{member: headers})
    assert (error.value.field, status_of(error.value)) == ("headers", 400)
    assert str(HEADER_CHARACTERS_MAX) in error.value.detail


@pytest.mark.parametrize("absent", [None, {}])
def test_absent_headers_parameters_and_context_are_null(absent: dict[str, str] | None) -> None:
    seen = decode(
        {
            "headers": absent, "multiValueHeaders": absent, "queryStringParameters": absent,
            "multiValueQueryStringParameters": absent, "pathParameters": absent, "requestContext": absent,
            "body": None,
        }
    )  # fmt: skip
    assert (seen.headers, seen.query, seen.path, seen.body, seen.caller) == ({}, {}, {}, b"", None)


def test_a_query_parameter_given_twice_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput) as error:
        decoded(multiValueQueryStringParameters={"account": ["a", "b"]})
    assert error.value.field == "account"


@pytest.mark.parametrize(
    ("context", "path", "base"),
    [
        ({"path": "/prod/gift-cards", "stage": "prod"}, "/gift-cards", "/prod"),
        ({"path": "/gift-cards", "stage": "prod"}, "/gift-cards", ""),
        ({"path": "/cards/v1/gift-cards", "stage": "prod"}, "/gift-cards", "/cards/v1"),
        ({"stage": "dev"}, "/gift-cards", "/dev"),
        ({}, "/gift-cards", ""),
    ],
    ids=["stage", "own domain", "base path of an own domain", "no path", "nothing"],
)
def test_the_location_comes_from_the_request_context(context: Mapping[str, str], path: str, base: str) -> None:
    assert decoded(requestContext=context, path=path).base_path == base


@pytest.mark.parametrize(
    "identity", [{"userArn": "arn:a"}, {"userArn": None, "caller": "arn:a"}, {"caller": "arn:a"}], ids=str
)
def test_the_caller_is_who_signed(identity: Mapping[str, str | None]) -> None:
    assert decoded(requestContext={"identity": identity}).caller == "arn:a"


# ---- bodies -------------------------------------------------------------------------------------


def test_a_body_in_base64_is_decoded() -> None:
    body = base64.b64encode(b'{"a": 1}').decode()
    assert decoded(body=body, isBase64Encoded=True).json_object() == {"a": Decimal(1)}


@pytest.mark.parametrize("body", ["not base64!", "YQ", "\u00fc"])
def test_a_body_in_broken_base64_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput) as error:
        decoded(body=body, isBase64Encoded=True)
    assert error.value.field == "body"


@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize(("size", "fits"), [(BODY_BYTES_MAX, True), (BODY_BYTES_MAX + 1, False)])
def test_a_body_over_10_kb_is_refused(size: int, fits: bool, encoded: bool) -> None:
    raw = b" " * size
    body = base64.b64encode(raw).decode() if encoded else raw.decode()
    if fits:
        assert len(decoded(body=body, isBase64Encoded=encoded).body) == size
        return
    with pytest.raises(BodyTooLarge) as error:
        decoded(body=body, isBase64Encoded=encoded)
    assert status_of(error.value) == 413


def test_a_body_is_measured_in_bytes() -> None:
    with pytest.raises(BodyTooLarge):
        decoded(body="\u20ac" * (BODY_BYTES_MAX // 2))


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    return f'{{"a":{opening * (levels - 1)}{closing * (levels - 1)}}}'.encode()


def test_a_body_is_nested_so_deep_and_no_deeper() -> None:
    assert call(nested(DEPTH_MAX)).json_object().keys() == {"a"}
    for deeper in (nested(DEPTH_MAX + 1), nested(4000), nested(1000, '{"a":', "}"), b'{"a":[],"b":' + b"[" * 4000):
        with pytest.raises(InvalidInput) as error:
            call(deeper).json_object()
        assert (error.value.field, error.value.message) == ("body", f"must be nested at most {DEPTH_MAX} levels deep")


@pytest.mark.parametrize("text", ["[" * 100, "{" * 100, '\\"' + "[" * 100, "\\\\" * 9 + "[" * 100], ids=repr)
def test_brackets_in_texts_nest_nothing(text: str) -> None:
    assert call(json.dumps({"a": text, "b": [[text]]}).encode()).json_object()["a"] == text


def test_a_long_list_is_not_a_deep_one() -> None:
    assert len(call(b'{"a": [' + b"[1], " * 999 + b"[1]]}").json_object()["a"]) == 1000


# ---- answers ------------------------------------------------------------------------------------


def serving(respond: Any) -> tuple[dict[str, Any], dict[str, Any], FakeTelemetry]:
    telemetry = FakeTelemetry()
    response = serve({"body": f'{{"secret": "{CODE}"}}'}, respond, telemetry.log)
    return response, json.loads(response["body"]), telemetry


def test_neither_what_came_in_nor_what_goes_out_is_logged() -> None:
    response, _, telemetry = serving(
        lambda _: ApiResponse(200, {"requestId": "R1", "gcClaimCode": CODE, "status": "X"})
    )
    assert CODE in response["body"]
    assert telemetry.lines == [
        ("claimCodeDelivered", {"httpStatus": 200, "requestId": "R1", "caller": None}),
        ("answered", {"httpStatus": 200, "requestId": "R1", "status": "X"}),
    ]


def test_values_that_hold_a_secret_do_not_show_it() -> None:
    assert CODE not in repr(ApiResponse(200, {"gcClaimCode": CODE}))
    assert CODE not in repr(call(CODE.encode()))


def fail_with(error: Exception) -> Any:
    def respond(_: ApiCall) -> ApiResponse:
        raise error

    return respond


def test_an_error_is_logged_by_its_code_and_says_when_to_try_again() -> None:
    response, _, telemetry = serving(fail_with(LedgerUnavailable("down", in_doubt=False)))
    assert (int(response["headers"]["Retry-After"]) > 0, response["isBase64Encoded"]) == (True, False)
    facts = {"httpStatus": 503, "code": "LedgerUnavailable", "requestId": None, "field": None}
    assert telemetry.lines == [("answered", facts)]


@pytest.mark.parametrize(
    "error", [ValueError(CODE), KeyError(CODE), RecursionError(CODE), AssertionError(CODE)], ids=repr
)
def test_an_unforeseen_error_is_a_500_without_a_word_of_it(error: Exception) -> None:
    response, body, telemetry = serving(fail_with(error))
    assert (response["statusCode"], body["errorType"], body["retryable"]) == (500, "Unexpected", True)
    assert CODE not in response["body"]
    ((event, facts),) = telemetry.lines
    assert (event, facts["exception"]) == ("failed", type(error).__name__)
    assert str(facts["where"]).startswith("test_gateway.py:")
    assert CODE not in repr(facts)


@pytest.mark.parametrize("name", ["AB12-CD34EF-GH56", "a b", "x" * 33, "\ud800", "", "amount\n"], ids=repr)
def test_a_field_that_the_caller_named_is_told_to_it_and_not_logged(name: str) -> None:
    response, body, telemetry = serving(fail_with(InvalidInput(name, "is not known here")))
    assert body["errors"][0]["field"] == name
    assert response["body"].isascii(), "whatever comes after this function can encode it"
    assert telemetry.lines[0][1]["field"] == "?"


@pytest.mark.parametrize("given_", ["ABCD-EFGH12-JKLM", "ABCDEFGH12JKLM", "6006491234567890123"])
def test_an_id_that_is_none_of_ours_is_told_to_its_caller_and_not_logged(given_: str) -> None:
    _, body, telemetry = serving(fail_with(NotFound(given_)))
    assert body["requestId"] == given_
    assert given_ not in repr(telemetry.lines)


def test_times_are_rfc_3339_in_whole_seconds() -> None:
    assert format_time(START.replace(microsecond=999_999)) == "2026-03-01T12:00:00Z"
