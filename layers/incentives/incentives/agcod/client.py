"""Signs calls and sends them.

Every send is signed afresh (`sign`), because a signature is only valid for 15 minutes around its date, and is
recorded before it is sent (`send`) by the use cases that own the ledger.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import requests
from requests_aws4auth import AWS4Auth

from incentives.agcod.bodies import LoadUnits, body_of
from incentives.agcod.marketplaces import checked_endpoint, marketplace_of
from incentives.agcod.transport import Fault, HttpResponse, Transport, TransportClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from incentives.domain.accounts.account import Account
    from incentives.domain.calls import Call

#: Service name of the credential scope; case matters.
SERVICE: Final = "AGCODService"
#: `x-amz-target` is this and the operation's name.
TARGET_PREFIX: Final = "com.amazonaws.agcod.AGCODService."
#: The set that Amazon's own sample signs.
SIGNED_HEADERS: Final = ("accept", "content-type", "host", "x-amz-date", "x-amz-target")

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCall:
    """A call, ready to be sent once.

    Attributes:
        call: what it asks.
        partner_id: of the account that asks.
        url: full URL.
        amz_date: x-amz-date, `YYYYMMDDTHHMMSSZ`.
        sent_at: the same instant: aware UTC, whole seconds.
        string_to_sign: what Amazon's support asks for; a hash of the request, no secret.
        body: JSON text as bytes; may hold a card number.
        prepared: with the Authorization header, which is a bearer credential for 15 minutes; hence in no text.
        leaves_within: seconds after which it is not sent any more; None: as long as its time lasts.
    """

    call: Call
    partner_id: str
    url: str
    amz_date: str
    sent_at: datetime
    string_to_sign: str = field(repr=False)
    body: bytes = field(repr=False)
    prepared: requests.PreparedRequest = field(repr=False, compare=False)
    leaves_within: float | None = None


class _Signer(AWS4Auth):  # type: ignore[misc] # no types are published for it
    """requests-aws4auth, which keeps what it signed."""

    string_to_sign: str = ""

    def get_sig_string(self, req: object, cano_req: str, scope: str) -> str:
        self.string_to_sign = AWS4Auth.get_sig_string(req, cano_req, scope)
        return self.string_to_sign


class IncentivesClient:
    """Amazon's Incentives API over HTTPS, one call at a time."""

    def __init__(
        self,
        endpoint: str | Callable[[str], str],
        *,
        verify: bool | str = True,
        load_units: LoadUnits = "minor",
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a client; nothing is connected yet.

        Args:
            endpoint: base URL, or a function from a marketplace's code to one (`marketplaces.endpoint_of`) where a
                deployment has accounts of several groups.
            verify: True, or the path of a PEM file of certificate authorities.
            load_units: how a balance load's amount counts, see `bodies`.
            wall: aware time.
            monotonic: seconds that never go back.

        Raises:
            InvalidInput: names `endpoint`: no https and no loopback address.
        """
        self._endpoint = endpoint if callable(endpoint) else _always(checked_endpoint(endpoint))
        self.load_units: LoadUnits = load_units
        self.clock = TransportClock(wall, monotonic)
        self._transport = Transport(verify=verify, clock=self.clock)

    def read_authorities(self) -> None:
        """Read the certificate authorities now, instead of within the time of the first call: it takes 40 ms of CPU."""
        self._transport.read_authorities()

    def close(self) -> None:
        """Close every kept connection."""
        self._transport.close()

    def sign(self, call: Call, account: Account, now: datetime | None = None) -> SignedCall:
        """Write a call as a request of its account and sign it (SigV4).

        Args:
            call: what to ask.
            account: who asks: partner id, marketplace and keys.
            now: aware; the client's own clock when left out. Its fraction of a second is dropped.

        Raises:
            InvalidInput: names the field of the call that is missing or out of its limits.
        """
        sent_at = (now.astimezone(UTC) if now is not None else self.clock.utc()).replace(microsecond=0)
        amz_date = sent_at.strftime("%Y%m%dT%H%M%SZ")
        marketplace = marketplace_of(account.marketplace)
        url = f"{checked_endpoint(self._endpoint(marketplace.code))}/{call.name}"
        body = body_of(call, account.partner_id, load_units=self.load_units).encode("ascii")
        headers = {
            "accept": _JSON,
            "content-type": _JSON,
            # Set here and sent as it is, so that what is signed is what is sent.
            "host": _host_header(url),
            "x-amz-date": amz_date,
            "x-amz-target": TARGET_PREFIX + call.name,
        }
        prepared = requests.Request("POST", url, headers=headers, data=body).prepare()
        auth = _Signer(
            account.access_key_id,
            account.secret_access_key.reveal(),
            marketplace.region,
            SERVICE,
            amz_date[:8],
            include_hdrs=SIGNED_HEADERS,
        )
        auth(prepared)
        # AWS4Auth adds the body's hash as a header. Unsigned it proves nothing, and a verifier that believed it
        # would accept any body: Amazon hashes the body itself.
        del prepared.headers["x-amz-content-sha256"]
        return SignedCall(
            call=call,
            partner_id=account.partner_id,
            url=url,
            amz_date=amz_date,
            sent_at=sent_at,
            string_to_sign=auth.string_to_sign,
            body=body,
            prepared=prepared,
        )

    def send(self, signed: SignedCall, *, seconds: float) -> HttpResponse | Fault:
        """Send once: no redirect is followed, nothing is repeated. Raises nothing.

        Args:
            signed: the call, signed just now.
            seconds: for the whole call, from name resolution to the last byte of the response.
        """
        return self._transport.exchange(signed.prepared, seconds=seconds, leaves_within=signed.leaves_within)


def _always(endpoint: str) -> Callable[[str], str]:
    return lambda _marketplace: endpoint


def _host_header(url: str) -> str:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}[parts.scheme]
    host = parts.hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if parts.port in (None, default) else f"{bracketed}:{parts.port}"
