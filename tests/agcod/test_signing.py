"""SigV4: public vectors, and an independent verifier."""

from __future__ import annotations

import hashlib
import hmac
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from requests_aws4auth import AWS4Auth

from incentives.agcod.client import SERVICE, IncentivesClient, SignedCall
from incentives.agcod.marketplaces import MARKETPLACES, endpoint_of
from incentives.domain.accounts.account import Account
from incentives.domain.calls import Call
from incentives.domain.money import CURRENCY_DECIMALS, Money
from incentives.domain.secret_text import Secret
from tests.agcod.samples import ACCOUNT, CALLS

TARGET = "com.amazonaws.agcod.AGCODService.CreateGiftCard"


def prepared(host: str, body: bytes, headers: dict[str, str]) -> requests.PreparedRequest:
    return requests.Request("POST", f"https://{host}/CreateGiftCard", headers=headers, data=body).prepare()


def test_amazons_own_vector() -> None:
    body = (
        b'{"creationRequestId": "AwssbTSpecTest001", "partnerId": "Awssb", '
        b'"value": {"currencyCode": "USD", "amount": 1.00}}'
    )
    headers = {"accept": "application/json", "content-type": "application/json", "host": "agcod-gamma.amazon.com"}
    headers |= {"x-amz-date": "20130910T222620Z", "x-amz-target": TARGET}
    names = ("accept", "content-type", "host", "x-amz-date", "x-amz-target")
    auth = AWS4Auth("DUMMY", "dummy", "us-east-1", SERVICE, "20130910", include_hdrs=names)
    request = auth(prepared("agcod-gamma.amazon.com", body, headers))
    canonical = auth.get_canonical_request(request, *auth.get_canonical_headers(request, auth.include_hdrs))

    assert hashlib.sha256(body).hexdigest() == "6193dc333ef1db9edae1f17989c71ce5f1939706a79be5bb924fc2e92bc23961"
    canonical_hash = "447277eb7144a2280508b8bf047706381beb832306a5b28ee0bb69a00b9bde0d"
    assert hashlib.sha256(canonical.encode()).hexdigest() == canonical_hash
    # The secret is not published, but the key derived from it is.
    key = bytes.fromhex("48428b0d3bd97f08fbefc9d675975d7d914788ee3bc509ae27decf874f16921b")
    to_sign = auth.get_sig_string(request, canonical, auth.signing_key.scope)
    signature = "66872de215ae457cd978a49be377caf7cd3b5ab2914785339c2b8242e3631a71"
    assert hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest() == signature


def verifies(signed: SignedCall, secret: str, region: str, *, url: str, headers: dict[str, str], body: bytes) -> bool:
    """What a server does, with botocore's signer: recompute from what arrived, compare."""
    fields = dict(
        part.strip().split("=", 1) for part in headers["Authorization"].removeprefix("AWS4-HMAC-SHA256").split(",")
    )
    arrived = {name: headers[name] for name in fields["SignedHeaders"].split(";")}
    request = AWSRequest("POST", url, data=body, headers=arrived)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(fields["Credential"].split("/")[0], secret), SERVICE, region)
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    return hmac.compare_digest(signer.signature(to_sign, request), fields["Signature"])


def test_ten_thousand_random_requests_verify_and_a_changed_byte_fails() -> None:
    rng = random.Random(20260101)
    clients = {code: IncentivesClient(endpoint_of(code, "sandbox")) for code in MARKETPLACES}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(10_000):
        place = MARKETPLACES[rng.choice(list(MARKETPLACES))]
        currency = place.currencies[0]
        amount = Decimal(rng.randrange(1, 10**6)).scaleb(-CURRENCY_DECIMALS[currency])
        options = {"externalReference": "".join(rng.choices('aZ09 é漢😀"\\&\n', k=rng.randrange(1, 30)))}
        call = Call(name="CreateGiftCard", request_id=f"Awssb{number}", value=Money(amount, currency), options=options)
        secret = "dummy" + "".join(rng.choices("abc/+XYZ019", k=20))
        account = Account("default", "Awssb", place.code, f"DUMMY{number}", Secret(secret))
        signed = clients[place.code].sign(call, account, start + timedelta(seconds=rng.randrange(10**8)))
        headers = {
            name.lower() if name != "Authorization" else name: value for name, value in signed.prepared.headers.items()
        }
        true = {"url": signed.url, "headers": headers, "body": signed.body}
        assert verifies(signed, secret, place.region, **true)  # type: ignore[arg-type]

        at = rng.randrange(len(signed.body))
        other = bytes([(signed.body[at] + rng.randrange(1, 256)) % 256])
        match number % 4:
            case 0 | 1:
                false = true | {"body": signed.body[:at] + other + signed.body[at + 1 :]}
            case 2:
                name = rng.choice(["x-amz-date", "x-amz-target", "accept", "content-type", "host"])
                false = true | {"headers": headers | {name: changed_text(rng, headers[name])}}
            case _:
                false = true | {"url": signed.url.replace("CreateGiftCard", changed_text(rng, "CreateGiftCard"))}
        assert not verifies(signed, secret, place.region, **false)  # type: ignore[arg-type]


def changed_text(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice([each for each in "abcxyz0189" if each != text[at]]) + text[at + 1 :]


def test_the_hash_header_that_nobody_signs_is_not_sent() -> None:
    signed = IncentivesClient("https://agcod.example").sign(CALLS["CreateGiftCard"], ACCOUNT)
    names = {name.lower() for name in signed.prepared.headers}
    assert names == {"accept", "authorization", "content-length", "content-type", "host", "x-amz-date", "x-amz-target"}


def test_a_signed_call_says_when_and_what() -> None:
    client = IncentivesClient("https://agcod.example:8443/base/")
    now = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    signed = client.sign(CALLS["CreateGiftCard"], ACCOUNT, now)
    assert (signed.sent_at, signed.amz_date) == (now.replace(microsecond=0), "20260301T120000Z")
    assert signed.url == "https://agcod.example:8443/base/CreateGiftCard"
    assert signed.prepared.headers["host"] == "agcod.example:8443"
    assert signed.string_to_sign.startswith(
        "AWS4-HMAC-SHA256\n20260301T120000Z\n20260301/us-east-1/AGCODService/aws4_request\n"
    )


@pytest.mark.parametrize("name", list(CALLS))
def test_a_signed_call_shows_neither_signature_nor_card_number(name: str) -> None:
    signed = IncentivesClient("https://agcod.example").sign(CALLS[name], ACCOUNT)
    signature = signed.prepared.headers["Authorization"].rpartition("=")[2]
    for shown in (repr(signed), str(signed)):
        assert signature not in shown
        assert "1400000005567585358" not in shown
        assert "dummy-secret" not in shown


def test_each_account_is_signed_for_its_region_and_sent_to_its_host() -> None:
    client = IncentivesClient(lambda code: endpoint_of(code, "production"))
    call = Call(name="GetAvailableFunds", request_id="")
    for code, region, host in [
        ("US", "us-east-1", "agcod-v2.amazon.com"),
        ("GB", "eu-west-1", "agcod-v2-eu.amazon.com"),
        ("JP", "us-west-2", "agcod-v2-fe.amazon.com"),
    ]:
        signed = client.sign(call, replace(ACCOUNT, marketplace=code))
        assert signed.prepared.headers["host"] == host
        assert f"/{region}/AGCODService/" in signed.string_to_sign
