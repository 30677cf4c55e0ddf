"""Amazon in a simulated history: the sandbox's model behind the gateway's own client, and what goes wrong between them.

Bodies, answers and their reading are the real ones; only signatures are left out, which have tests of their own.

Some things are left out because nobody who has only Amazon's responses to go by could hold them, or because holding
them costs more than they do:

- A copy of a call that Amazon has refused, and takes after all when it comes once more. A refusal is believed, as the
  operation's documentation says; whoever did not believe it could never tell a caller that nothing was charged. Nor,
  once the request has been refused, a copy of a call that was throttled before; until then that does come, and a copy
  of a call whose response was lost, unreadable or RESEND comes at any time.
- A copy of an answered activation or load that comes after the card was taken back. A printed card or a load is taken
  back at once if every send of it was answered (DECISIONS.md); to hold this one, each would stay open for 20 minutes.
  Before it is taken back, and of a send whose response was lost, unreadable or RESEND, copies do come late.
- That a record says so when Amazon takes back a card that was issued long ago. Nobody is told; whoever asks for its
  code again gets none.
- An Amazon that contradicts itself about printed cards and loads: one that calls a card refunded and charges for it,
  or says that it is too late to cancel and cancels.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from functools import partial
from typing import Any, Final, Protocol

import requests
from requests.structures import CaseInsensitiveDict

from incentives.agcod.bodies import body_of
from incentives.agcod.client import IncentivesClient, SignedCall
from incentives.agcod.transport import Fault, HttpResponse
from incentives.domain.accounts.account import Account
from incentives.domain.calls import Call
from incentives.domain.operations import Operation
from incentives.domain.outcomes import UnknownBecause
from sandbox.control.faults import LATE_RESPONSES, parse_rule
from sandbox.control.options import changed
from sandbox.http.delivery import Delivery
from sandbox.http.gateway import Arrival, Sandbox
from sandbox.model.cards import refund
from sandbox.model.errors import WRONG_SIGNATURE
from tests.pacing.stage import Stage
from tests.simulation.keyring import NEW, OLD, access_key, secret_key
from tests.simulation.plan import CONFLICTS, FAULTS, FAULTS_OF, Plan, Trouble
from tests.workflow.amazon import PARTNER_ID, make_sandbox

#: Amazon takes a call for 15 minutes from its x-amz-date, and 5 more may go by until it has its effect.
LANDS_WITHIN: Final = timedelta(minutes=20)

#: Of Amazon's operations, those that move nothing. Some have ids that are made up anew each time.
QUERIES: Final = frozenset({"GetAvailableFunds", "GetGiftCardActivityPage", "ActivationStatusCheck"})

#: Of all faults: shows a card as another one than was ordered.
CONFLICT_PROBABILITY: Final = 0.01

#: What can charge.
_OPERATIONS: Final = frozenset(Operation)

#: A proxy on the way delivers a call twice.
DOUBLED_PROBABILITY: Final = 0.03


class Clock(Protocol):
    def now(self) -> datetime:
        """As this process believes."""


@dataclass
class Shore:
    """The far side of the way to Amazon, shared by all processes.

    Attributes:
        arrived: each call that left, with the true time in seconds and what was done to it.
        faults: how many of each kind.
    """

    plan: Plan
    stage: Stage
    sandbox: Sandbox = field(init=False)
    arrived: list[tuple[float, str, str, str]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.sandbox = make_sandbox(self.stage)  # type: ignore[arg-type] # it asks for no more than a clock
        self._chance = random.Random(f"amazon {self.plan.seed}")
        spawn = self.stage.spawn
        for at, limit in self.plan.limits:
            spawn(partial(self._limit, limit), after_seconds=at)
        for block in self.plan.blocks:
            spawn(partial(self._block, block.kind), after_seconds=block.begins)
            spawn(partial(self._block, None), after_seconds=block.ends)
        for rotation in self.plan.rotations:
            spawn(partial(self.allow, NEW), after_seconds=rotation.made_at)
            spawn(partial(self.revoke, OLD), after_seconds=max(rotation.made_at, rotation.revoked_at))
        for at, cents in self.plan.balances:
            spawn(partial(self._pay_in, cents), after_seconds=at)
        for at in self.plan.refunds:
            spawn(self._refund, after_seconds=at)
        options: dict[str, object] = {"wrongSignature": self.plan.signature} if self.plan.signature else {}
        if self.plan.stays_refunded:
            options |= {"lateActivate": "refunded", "lateLoad": "refunded"}
        self.sandbox.world.options = changed(self.sandbox.world.options, options)
        self._names = [OLD]
        self._refused: set[str] = set()
        self.allow(OLD)

    @property
    def is_calm(self) -> bool:
        return self.stage.seconds >= self.plan.calm_at

    def deliver(self, signed: SignedCall) -> Delivery:
        script = self.sandbox.script
        script.clear()
        fault = self._fault(signed)
        if fault is not None:
            script.rules.append(parse_rule(1, fault))
            self.faults[f"{fault['kind']} {fault.get('when', '')}".strip()] += 1
        arrival = self._arrival(signed)
        said = f"{fault['kind']} {fault.get('when', '')}".strip() if fault else ""
        name, request_id = signed.call.name, signed.call.request_id
        self.arrived.append((self.stage.seconds, name, "" if name in QUERIES else request_id, said))
        delivery = self.sandbox.exchange(arrival)
        says_no = self._says_no(fault)
        if says_no and name in _OPERATIONS:
            self._refused.add(request_id)
        if not self.is_calm and not says_no and self._chance.random() < DOUBLED_PROBABILITY:
            self.faults["doubled"] += 1
            after = self._chance.choice([0.0, 1.0, self._chance.uniform(0, 1200)])
            is_read = self._is_read(fault)
            self.stage.spawn(lambda: self._again(arrival, signed, is_read=is_read), after_seconds=after)
        return delivery

    def _arrival(self, signed: SignedCall) -> Arrival:
        key, keys = _key_of(signed), self.sandbox.world.accounts[PARTNER_ID].keys
        arrival = Arrival(signed.call.name, signed.body, key, signed.sent_at)
        if self.plan.signature is None or key in keys or not keys:
            return arrival
        self.faults["wrong signature"] += 1
        return replace(arrival, access_key=next(iter(keys)), prove=lambda _secret: WRONG_SIGNATURE)

    def _says_no(self, fault: dict[str, Any] | None) -> bool:
        """Whether the call that has just come is refused, and its caller is told so."""
        if fault is not None and fault["kind"] in {"refuse", "message"}:
            return True
        if fault is not None and fault["kind"] in {"missingStatus", "created"}:
            # Only a success loses its status, or is not live yet.
            return self.sandbox.calls[-1].outcome != "SUCCESS"
        return self._is_read(fault) and self.sandbox.calls[-1].outcome not in {"SUCCESS", "ThrottlingException"}

    def _is_read(self, fault: dict[str, Any] | None) -> bool:
        """Whether the caller can tell from his response what has become of the call, or believes that he can."""
        return fault is None or fault["kind"] in {"throttle", "xml", "slowDrip", *CONFLICTS}

    def _again(self, arrival: Arrival, signed: SignedCall, *, is_read: bool) -> None:
        request_id = signed.call.request_id
        if is_read and (request_id in self._refused or self._is_undone(request_id)) and signed.call.name in _OPERATIONS:
            return
        self.sandbox.script.clear()
        self.sandbox.exchange(arrival)

    def _is_undone(self, request_id: str) -> bool:
        key, world = (PARTNER_ID, request_id), self.sandbox.world
        activation, load = world.activations.get(key), world.loads.get(key)
        return bool((activation and activation.deactivated_at) or (load and load.voided_at))

    def _fault(self, signed: SignedCall) -> dict[str, Any] | None:
        seconds, chance = self.stage.seconds, self._chance
        outage = next((each for each in self.plan.outages if each.begins <= seconds < each.ends), None)
        if outage is not None:
            return self._of_outage(outage, signed)
        if self.is_calm or chance.random() >= self.plan.amazon:
            return None
        if chance.random() < CONFLICT_PROBABILITY:
            # Of printed cards and loads it only says so; of a code it is so from then on.
            is_code = signed.call.name == Operation.CREATE_GIFT_CARD
            return {"kind": chance.choice(CONFLICTS if is_code else CONFLICTS[:2])}
        if chance.random() < self.plan.late:
            return self._late(signed)
        weights, kinds = zip(*FAULTS, *FAULTS_OF.get(signed.call.name, ()), strict=True)
        (kind,) = chance.choices(kinds, weights)
        return dict(kind)

    def _of_outage(self, outage: Trouble, signed: SignedCall) -> dict[str, Any]:
        if self._chance.random() < 0.03:
            return self._late(signed)
        when = "after" if self._chance.random() < 0.1 else "before"
        return {"kind": outage.kind, "when": when}

    def _late(self, signed: SignedCall) -> dict[str, Any]:
        latest = (signed.sent_at + LANDS_WITHIN - self.stage.time).total_seconds()
        seconds = self._chance.choice([self._chance.uniform(0, 60), self._chance.uniform(0, 1200), 1199.0])
        return {
            "kind": "lateEffect",
            "delaySeconds": max(0.0, min(seconds, latest)),
            "answer": self._chance.choice(LATE_RESPONSES),
        }

    def _limit(self, limit: int) -> None:
        world = self.sandbox.world
        world.options = changed(world.options, {"perSecond": limit})

    def _block(self, kind: str | None) -> None:
        account = self.sandbox.world.accounts[PARTNER_ID]
        self.sandbox.world.put_account(replace(account, blocked=kind))
        self.faults["account refused"] += kind is not None

    def _refund(self) -> None:
        """Amazon takes back a card of its own accord, for instance because somebody has asked its support to."""
        world = self.sandbox.world
        live = [card for card in world.cards.values() if card.cancelled_at is None]
        if live:
            refund(world, self._chance.choice(live), self.stage.time, "RefundedByFault")
            self.faults["refunded by Amazon"] += 1

    def _pay_in(self, cents: int) -> None:
        account = self.sandbox.world.accounts[PARTNER_ID]
        self.sandbox.world.put_account(replace(account, funds={"USD": Decimal(cents) / 100}))
        self.faults["balance changed"] += 1

    def allow(self, name: str) -> None:
        self._keys({*self._names, name})

    def revoke(self, name: str) -> None:
        self._keys({*self._names} - {name})

    def _keys(self, names: set[str]) -> None:
        self._names = sorted(names)
        account = self.sandbox.world.accounts[PARTNER_ID]
        self.sandbox.world.put_account(replace(account, keys={access_key(name): secret_key(name) for name in names}))

    def takes(self, name: str) -> bool:
        return name in self._names


class Wire(IncentivesClient):
    def __init__(
        self, shore: Shore, clock: Clock, step: Callable[[float], None], on_arrival: Callable[..., None]
    ) -> None:
        """Prepare it.

        Args:
            shore: where it leads.
            clock: the process's.
            step: lets up to so many seconds pass; here a process may die.
            on_arrival: told of each call just before it has its effect.
        """
        super().__init__("https://incentives.test", wall=clock.now)
        self._shore, self._clock, self._step, self._on_arrival = shore, clock, step, on_arrival

    def sign(self, call: Call, account: Account, now: datetime | None = None) -> SignedCall:
        sent_at = self._clock.now().replace(microsecond=0)
        amz_date = sent_at.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{amz_date[:8]}/us-east-1/AGCODService/aws4_request"
        prepared = requests.PreparedRequest()
        prepared.headers = CaseInsensitiveDict({"authorization": account.access_key_id})
        return SignedCall(
            call=call,
            partner_id=account.partner_id,
            url=f"https://incentives.test/{call.name}",
            amz_date=amz_date,
            sent_at=sent_at,
            string_to_sign=f"AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{'0' * 64}",
            body=body_of(call, account.partner_id, load_units=self.load_units).encode("ascii"),
            prepared=prepared,
        )

    def send(self, signed: SignedCall, *, seconds: float) -> HttpResponse | Fault:
        self._step(0.08)
        self._on_arrival(signed)
        delivery = self._shore.deliver(signed)
        date = self._shore.stage.time.replace(microsecond=0)
        self._step(0.4)
        if delivery.transport in {"hold", "drip"}:
            self._shore.stage.sleep(min(delivery.seconds, seconds))
            if delivery.seconds >= seconds:
                return Fault(UnknownBecause.TIMED_OUT, "Deadline")
        if delivery.transport in {"drop", "hold"} or delivery.encoded is None:
            return Fault(UnknownBecause.CONNECTION_LOST, "RemoteDisconnected")
        encoded = delivery.encoded
        headers = {
            "date": format_datetime(date, usegmt=True),
            "content-type": encoded.content_type,
            **{name.lower(): text for name, text in encoded.headers},
        }
        return HttpResponse(encoded.http_status, headers, encoded.body)


def _key_of(signed: SignedCall) -> str:
    headers = signed.prepared.headers
    assert headers is not None
    return str(headers["authorization"])
