"""Amazon in this process: the sandbox's model behind the gateway's own client.

The real signer, the real bodies and the real reader, on the bytes that would be on the wire; only the wire is missing.
"""

from __future__ import annotations

from email.utils import format_datetime
from urllib.parse import urlsplit

from incentives.agcod.client import IncentivesClient, SignedCall
from incentives.agcod.transport import Fault, HttpResponse
from incentives.domain.outcomes import UnknownBecause
from sandbox.http import signature
from sandbox.http.gateway import Arrival, Sandbox, Settings, make_account
from tests.support.fakes import FakeClock

PARTNER_ID = "Test1"
ACCESS_KEY = "AKIDTESTTESTTEST"
SECRET_KEY = "not-a-real-secret"


def make_sandbox(clock: FakeClock) -> Sandbox:
    """An Amazon on the test's clock, with one account that has plenty of dollars."""
    started = clock.now()

    def tick() -> float:
        return (clock.now() - started).total_seconds()

    return Sandbox(Settings((make_account(PARTNER_ID, ACCESS_KEY, SECRET_KEY),)), clock.now, tick)


class SandboxClient(IncentivesClient):
    """`IncentivesClient` whose calls reach the model at once.

    Attributes:
        seconds_per_call: how long a call takes that is answered.
        sent: what was sent, in order.
    """

    def __init__(self, sandbox: Sandbox, clock: FakeClock) -> None:
        super().__init__("https://incentives.test", wall=clock.now)
        self.sandbox = sandbox
        self.seconds_per_call = 0.2
        self.sent: list[SignedCall] = []
        self._clock = clock

    def send(self, signed: SignedCall, *, seconds: float) -> HttpResponse | Fault:
        """Hand the call to the model, and let the time pass that its response takes."""
        self._clock.sleep(self.seconds_per_call)
        self.sent.append(signed)
        delivery = self.sandbox.exchange(self._arrival(signed))
        if delivery.transport in {"hold", "drip"}:
            self._clock.sleep(min(delivery.seconds, seconds) - self.seconds_per_call)
            if delivery.seconds >= seconds:
                return Fault(UnknownBecause.TIMED_OUT, "Deadline")
        if delivery.transport in {"drop", "hold"} or delivery.encoded is None:
            return Fault(UnknownBecause.CONNECTION_LOST, "RemoteDisconnected")
        encoded = delivery.encoded
        headers = {
            "date": format_datetime(self._clock.now().replace(microsecond=0), usegmt=True),
            "content-type": encoded.content_type,
            "x-amzn-requestid": f"00000000-0000-4000-8000-{len(self.sent):012d}",
        }
        headers |= {name.lower(): text for name, text in encoded.headers}
        return HttpResponse(encoded.http_status, headers, encoded.body)

    def _arrival(self, signed: SignedCall) -> Arrival:
        headers = tuple((name, str(text)) for name, text in signed.prepared.headers.items())
        sent = signature.Sent("POST", urlsplit(signed.url).path, headers, signed.body)
        claim = signature.parse_authorization(sent.header("authorization"))
        assert claim is not None
        account = self.sandbox.world.account_of_key(claim.access_key)
        assert account is not None
        return Arrival(
            operation=signed.call.name,
            body=signed.body,
            access_key=claim.access_key,
            signed_at=sent.signed_at,
            amz_date=sent.amz_date,
            prove=lambda secret: signature.problem(sent, claim, secret, account.region),
        )
