"""Checks AWS Signature Version 4 with botocore's signer.

The request is signed again with the account's secret and compared.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.model.errors import WRONG_SIGNATURE
from sandbox.model.values import parse_basic_date

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from botocore.compat import HTTPHeaders

SERVICE = "AGCODService"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]{1,128})/(?P<day>[0-9]{8})/(?P<region>[a-z0-9-]+)/"
    r"(?P<service>[A-Za-z0-9]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;_-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Claim:
    """What the Authorization header claims: who signed, for which day, region and service, over which headers."""

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: str
    signature: str


@dataclass(frozen=True)
class Sent:
    """A request as it came off the wire. `target` is path and query, `headers` every header in order."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def amz_date(self) -> str | None:
        """The date that the signature was made for: x-amz-date, or else date."""
        return self.header("x-amz-date") or self.header("date")

    @property
    def signed_at(self) -> datetime | None:
        """The same as a moment; None when it is missing or not in ISO 8601 basic format."""
        return None if self.amz_date is None else parse_basic_date(self.amz_date.strip())


class _Verifier(SigV4Auth):
    """botocore's signer, told to sign exactly the headers that it is given (alone, it would leave some out)."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


def parse_authorization(header: str | None) -> Claim | None:
    """The claim of an Authorization header, or None when it is not one of this algorithm."""
    match = _AUTHORIZATION.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    return Claim(match["key"], match["day"], match["region"], match["service"], match["headers"], match["signature"])


def problem(sent: Sent, claim: Claim, secret: str, region: str | None) -> str | None:
    """Why the signature does not hold, or None when it does. `region` is the one required; None takes any."""
    return _claim_problem(sent, claim, region) or _signature_problem(sent, claim, secret)


def _claim_problem(sent: Sent, claim: Claim, region: str | None) -> str | None:
    names = set(claim.signed_headers.split(";"))
    date = (sent.amz_date or "").strip()
    # botocore takes this header for the body's hash without looking at the body.
    declared = sent.header("x-amz-content-sha256")
    checks = {
        f"Credential should be scoped to correct service: '{SERVICE}'.": claim.service == SERVICE,
        f"Credential should be scoped to a valid region, not '{claim.region}'.": region in {None, claim.region},
        "'Host' and 'X-Amz-Date' or 'Date' must be signed headers.": "host" in names
        and bool({"x-amz-date", "date"} & names),
        "Date must be in ISO-8601 'basic format'.": sent.signed_at is not None,
        "Date in Credential scope does not match the date from HTTP.": claim.day == date[:8],
        "The provided 'x-amz-content-sha256' header does not match what was computed.": declared is None
        or declared.strip() == hashlib.sha256(sent.body).hexdigest(),
        "A header named in SignedHeaders is missing.": names <= {name.lower() for name, _ in sent.headers},
    }
    return next((text for text, holds in checks.items() if not holds), None)


def _signature_problem(sent: Sent, claim: Claim, secret: str) -> str | None:
    names = claim.signed_headers.split(";")
    # Only path and query are taken from the URL: the host is one of the signed headers.
    request = AWSRequest(method=sent.method, url=f"https://sandbox{sent.target}", data=sent.body)
    for name, value in sent.headers:
        if name.lower() in names:
            request.headers.add_header(name.lower(), value)
    request.context["timestamp"] = (sent.amz_date or "").strip()
    verifier = _Verifier(Credentials(claim.access_key, secret), SERVICE, claim.region)
    canonical = verifier.canonical_request(request)
    expected = verifier.signature(verifier.string_to_sign(request, canonical), request)
    signed = verifier.signed_headers(verifier.headers_to_sign(request))
    if signed != claim.signed_headers or not hmac.compare_digest(expected, claim.signature):
        return f"{WRONG_SIGNATURE}\n\nThe Canonical String for this request should have been\n'{canonical}'"
    return None
