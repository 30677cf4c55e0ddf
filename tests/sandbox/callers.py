"""Callers of the sandbox for its tests: the bare model under a manual clock, and a signing HTTP client."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.control.options import Options, changed
from sandbox.http.gateway import Sandbox, Settings, make_account

if TYPE_CHECKING:
    from sandbox.http.delivery import Delivery
    from sandbox.http.server import Server
    from sandbox.model.values import Fields

PARTNER = "Sandb"
KEY = "DUMMY-ACCESS-KEY"
SECRET = "dummy-secret"
START = datetime(2030, 6, 1, 12, 0, 0, tzinfo=UTC)
# Paces are off, but where a test is about them: a burst of test calls is no client's fault.
UNPACED = Options(per_second=None, funds_per_second=None, activity_per_minute=None)


@dataclass
class ManualTime:
    """Time of day and tick of a model; both move only when told to."""

    now: datetime = START
    tick: float = 1000.0

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.tick += seconds


@dataclass
class Model:
    """The API without HTTP, under a manual clock."""

    time: ManualTime = field(default_factory=ManualTime)
    options: Options = UNPACED
    currencies: tuple[str, ...] = ("USD",)

    def __post_init__(self) -> None:
        account = make_account(PARTNER, KEY, SECRET, dict.fromkeys(self.currencies))
        self.sandbox = Sandbox(Settings((account,), self.options), lambda: self.time.now, lambda: self.time.tick)

    def set(self, **options: object) -> None:
        """Set options by their names in the control API."""
        self.sandbox.world.options = changed(self.sandbox.world.options, options)

    def fault(self, kind: str, operation: str = "*", **rest: object) -> None:
        self.sandbox.script.add({"kind": kind, "operation": operation, **rest})

    def send(self, operation: str, **fields: object) -> Delivery:
        return self.sandbox.call(operation, cast("Fields", {"partnerId": PARTNER, **fields}))

    def ask(self, operation: str, **fields: object) -> tuple[int, dict[str, Any]]:
        delivery = self.send(operation, **fields)
        assert delivery.transport == "answer"
        assert delivery.http_status is not None
        return delivery.http_status, json.loads(delivery.body or b"null")

    def create(
        self, request_id: str = "Sandb1", amount: object = 25, currency: str = "USD"
    ) -> tuple[int, dict[str, Any]]:
        value = {"amount": amount, "currencyCode": currency}
        return self.ask("CreateGiftCard", creationRequestId=request_id, value=value)

    def cancel(self, request_id: str = "Sandb1", **rest: object) -> tuple[int, dict[str, Any]]:
        return self.ask("CancelGiftCard", creationRequestId=request_id, **rest)

    @property
    def net(self) -> Decimal:
        """What Amazon has kept, all charges and refunds together."""
        self.sandbox.settle(self.time.now)
        return sum((charge.value.amount for charge in self.sandbox.world.charges), Decimal(0))

    def card_status(self, request_id: str = "Sandb1") -> str | None:
        self.sandbox.settle(self.time.now)
        card = self.sandbox.world.cards.get((PARTNER, request_id))
        return None if card is None else card.status(self.time.now)


class Signing(TypedDict, total=False):
    """How a request is signed, and headers it carries beside or instead of the usual ones."""

    key: str
    secret: str
    region: str
    headers: dict[str, str]
    at: datetime


def send(request: AWSRequest, session: requests.Session | None = None, timeout: float = 10) -> requests.Response:
    """Send a signed request; without a session over a connection of its own."""
    post = requests.post if session is None else session.post
    return post(str(request.url), data=request.body, headers=dict(request.headers), timeout=timeout)


@dataclass
class Api:
    """A caller over real HTTP that signs with botocore."""

    server: Server
    session: requests.Session

    @property
    def url(self) -> str:
        return self.server.url

    def post(self, operation: str, body: bytes | dict[str, Any], **rest: Unpack[Signing]) -> requests.Response:
        return send(self.signed(operation, body, **rest), self.session)

    def signed(self, operation: str, body: bytes | dict[str, Any], **rest: Unpack[Signing]) -> AWSRequest:
        """A request signed with botocore, ready to be sent."""
        region, at = rest.get("region", "us-east-1"), rest.get("at")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {
            "accept": "application/json",
            "content-type": "application/json",
            "x-amz-target": f"com.amazonaws.agcod.AGCODService.{operation}",
        } | rest.get("headers", {})
        request = AWSRequest("POST", f"{self.url}/{operation}", data=data, headers=given)
        signer = SigV4Auth(Credentials(rest.get("key", KEY), rest.get("secret", SECRET)), "AGCODService", region)
        if at is None:
            signer.add_auth(request)
        else:
            stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
            request.context["timestamp"] = stamp
            request.headers["X-Amz-Date"] = stamp
            canonical = signer.canonical_request(request)
            signature = signer.signature(signer.string_to_sign(request, canonical), request)
            names = signer.signed_headers(signer.headers_to_sign(request))
            request.headers["Authorization"] = (
                f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"
            )
        return request

    def create(self, request_id: str = "Sandb1", amount: object = 25, **rest: Unpack[Signing]) -> requests.Response:
        return self.post("CreateGiftCard", create_body(request_id, amount), **rest)

    def cancel(self, request_id: str = "Sandb1") -> requests.Response:
        return self.post("CancelGiftCard", {"creationRequestId": request_id, "partnerId": PARTNER})

    def control(self, name: str, body: dict[str, Any] | None = None, method: str = "POST") -> dict[str, Any]:
        response = self.session.request(method, f"{self.url}/_sandbox/{name}", json=body, timeout=5)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def report(self) -> dict[str, Any]:
        return self.control("report", method="GET")


def create_body(request_id: str = "Sandb1", amount: object = 25, currency: str = "USD") -> dict[str, Any]:
    value = {"currencyCode": currency, "amount": amount}
    return {"creationRequestId": request_id, "partnerId": PARTNER, "value": value}
