from __future__ import annotations

from dataclasses import replace

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests_aws4auth import AWS4Auth

from sandbox.http.signature import Sent, parse_authorization, problem
from tests.sandbox.callers import Api, create_body, send

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=fake-aws-key/20170918/us-east-1/AGCODService/aws4_request, "
    "SignedHeaders=accept;content-length;content-type;host;x-amz-date;x-amz-target, "
    "Signature=e9d5479b216d39a2dd949f5971383c871ab420a6c6b3380f98e9851a8349e260"
)
# A published vector of a public client's tests, made with obvious dummies as keys.
VECTOR = Sent(
    "POST",
    "/CreateGiftCard",
    (
        ("accept", "application/json"),
        ("content-length", "94"),
        ("content-type", "application/json"),
        ("host", "agcod-v2-gamma.amazon.com"),
        ("x-amz-date", "20170918T133138Z"),
        ("x-amz-target", "com.amazonaws.agcod.AGCODService.CreateGiftCard"),
        ("Authorization", AUTHORIZATION),
    ),
    b'{"creationRequestId":"Test001","partnerId":"Test","value":{"amount":123,"currencyCode":"USD"}}',
)
SECRET = "fake-secret-key"


def verdict(sent: Sent, secret: str = SECRET, region: str | None = "us-east-1") -> str | None:
    claim = parse_authorization(sent.header("authorization"))
    # The key only chooses the secret: another one is another caller's, and unknown here.
    if claim is None or claim.access_key != "fake-aws-key":
        return "no known key"
    return problem(sent, claim, secret, region)


def with_header(sent: Sent, name: str, value: str | None) -> Sent:
    headers = [(key, value if key == name else old) for key, old in sent.headers]
    return replace(sent, headers=tuple((key, shown) for key, shown in headers if shown is not None))


def test_the_published_vector_verifies() -> None:
    assert verdict(VECTOR) is None


def test_header_names_may_come_in_any_case_and_order() -> None:
    shuffled = tuple((name.title(), value) for name, value in reversed(VECTOR.headers))
    assert verdict(replace(VECTOR, headers=shuffled)) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0, max_value=93), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_in_the_body_fails(at: int, flip: int) -> None:
    body = bytearray(VECTOR.body)
    body[at] ^= flip
    assert verdict(replace(VECTOR, body=bytes(body))) is not None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_character_in_any_signed_header_fails(data: st.DataObject) -> None:
    name, value = data.draw(st.sampled_from(VECTOR.headers))
    at = data.draw(st.integers(min_value=0, max_value=len(value) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda each: each != value[at]))
    assert verdict(with_header(VECTOR, name, value[:at] + other + value[at + 1 :])) is not None


@pytest.mark.parametrize(
    "changed",
    [
        replace(VECTOR, method="PUT"),
        replace(VECTOR, target="/CancelGiftCard"),
        replace(VECTOR, target="/CreateGiftCard?x=1"),
        replace(VECTOR, headers=(*VECTOR.headers, ("x-amz-date", "20170918T133139Z"))),
        with_header(VECTOR, "host", None),
        with_header(VECTOR, "x-amz-date", None),
        with_header(VECTOR, "accept", None),
        with_header(VECTOR, "Authorization", None),
        with_header(VECTOR, "Authorization", "Basic abc"),
        with_header(VECTOR, "x-amz-date", "Mon, 18 Sep 2017 13:31:38 GMT"),
    ],
)
def test_anything_else_that_changed_fails(changed: Sent) -> None:
    assert verdict(changed) is not None


def test_another_secret_or_region_fails() -> None:
    assert verdict(VECTOR, secret="other") is not None
    assert verdict(VECTOR, region="eu-west-1") == "Credential should be scoped to a valid region, not 'us-east-1'."
    assert verdict(VECTOR, region=None) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AGCODService", "agcodservice"),
        ("20170918/", "20170919/"),
        ("accept;content-length", "content-length;accept"),
        (";host", ""),
        (";x-amz-date", ""),
    ],
)
def test_the_scope_and_the_needed_headers_are_checked(old: str, new: str) -> None:
    header = (VECTOR.header("authorization") or "").replace(old, new, 1)
    assert verdict(with_header(VECTOR, "Authorization", header)) is not None


def test_a_declared_body_hash_must_be_the_body_s(api: Api) -> None:
    request = api.signed("CreateGiftCard", create_body(), headers={"x-amz-content-sha256": "0" * 64})
    response = send(request, api.session)
    assert response.status_code == 403
    assert "x-amz-content-sha256" in response.json()["message"]


def test_the_date_header_may_stand_in_for_x_amz_date() -> None:
    # Signed by the same rules, over `date` alone.
    headers = tuple(("date" if name == "x-amz-date" else name, value) for name, value in VECTOR.headers)
    moved = replace(VECTOR, headers=headers)
    names = "accept;content-length;content-type;date;host;x-amz-target"
    old = "accept;content-length;content-type;host;x-amz-date;x-amz-target"
    renamed = with_header(moved, "Authorization", (moved.header("authorization") or "").replace(old, names))
    reason = verdict(renamed)
    assert reason is not None
    assert "date:20170918T133138Z" in reason, "the canonical request is built over the date header"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["CreateGiftCard", "CancelGiftCard", "GetAvailableFunds"]),
    st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    st.sampled_from(["us-east-1", "eu-west-1", "us-west-2"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
)
def test_whatever_requests_aws4auth_signs_verifies(operation: str, body: bytes, region: str, secret: str) -> None:
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "x-amz-target": f"com.amazonaws.agcod.AGCODService.{operation}",
    }
    request = requests.Request("POST", f"http://127.0.0.1:8080/{operation}", data=body, headers=headers)
    prepared = AWS4Auth("fake-aws-key", secret, region, "AGCODService")(request.prepare())
    sent_headers = (("Host", "127.0.0.1:8080"), *((name, str(value)) for name, value in prepared.headers.items()))
    unique = {name.lower(): (name, value) for name, value in sent_headers}
    sent = Sent("POST", f"/{operation}", tuple(unique.values()), body)
    assert verdict(sent, secret, region) is None
    assert verdict(replace(sent, body=body + b"x"), secret, region) is not None
    assert verdict(sent, secret + "x", region) is not None
