"""The whole API without HTTP.

Throttle, signature, clock, parsing, faults and the model, in the order in which Amazon checks.

`Sandbox` has no threads and no clock of its own. A server calls it under one lock; a simulation calls it directly,
without signatures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.control.faults import AFTER_ONLY, LATE, Rule, Script
from sandbox.control.options import Options
from sandbox.http import delivery, wire
from sandbox.model.amazon import OPERATIONS, execute, failure, request_id_of
from sandbox.model.cards import refund
from sandbox.model.errors import AmazonError, RefusedError, UnreadableError
from sandbox.model.outcome import Framework, Response, Success, label
from sandbox.model.throttle import MINUTE, SECOND, Throttle
from sandbox.model.values import CURRENCIES, Fields, Json
from sandbox.model.world import DEFAULT_FUNDS, Account, Limits, World, default_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.http.delivery import Delivery

_UNKNOWN_KEY = Framework("UnrecognizedClientException", "The security token included in the request is invalid.", 403)
_UNREADABLE = Framework(None, None, 400, capital=True)


def _trusting(_secret: str) -> str | None:
    return None


@dataclass(frozen=True)
class Arrival:
    """One call as it reaches the API.

    `prove` is given the key's secret and says what is wrong with the signature, or None.

    `signed_at` is the moment the signature was made for; None skips the check of its age.
    """

    operation: str
    body: bytes
    access_key: str | None
    signed_at: datetime | None = None
    amz_date: str | None = None
    as_xml: bool = False
    xml_body: bool = False
    prove: Callable[[str], str | None] = _trusting


@dataclass(frozen=True)
class CallRecord:
    """One call in the report. `outcome` is what truly happened at Amazon, `fault` what spoiled the response."""

    at: datetime
    tick: float
    operation: str
    request_id: str | None
    account: str | None
    outcome: str
    fault: str | None = None
    amz_date: str | None = None

    @property
    def throttled(self) -> bool:
        """Whether the throttle refused the call (a scripted throttle is a fault, not the throttle)."""
        return self.outcome == "ThrottlingException"


@dataclass(frozen=True)
class Pending:
    """An effect that lands late."""

    due: datetime
    number: int
    account: str
    operation: str
    fields: Fields


@dataclass(frozen=True)
class Landing:
    """An effect that has landed late, and what came of it."""

    at: datetime
    operation: str
    request_id: str | None
    outcome: str


@dataclass(frozen=True)
class Settings:
    """What a sandbox starts with and returns to on reset: options and accounts."""

    accounts: tuple[Account, ...]
    options: Options = field(default_factory=Options)


def make_account(
    partner_id: str,
    access_key: str,
    secret: str,
    currencies: Mapping[str, Limits | None] | None = None,
    funds: Mapping[str, Decimal] | None = None,
) -> Account:
    """An account with one key. Without `currencies` it issues USD; without `funds` it has plenty of each currency."""
    limits = {code: given or default_limits(code) for code, given in (currencies or {"USD": None}).items()}
    balances = dict.fromkeys(limits, DEFAULT_FUNDS) | dict(funds or {})
    region = CURRENCIES[next(iter(limits))].region
    return Account(partner_id, {access_key: secret}, limits, balances, region)


@dataclass
class Sandbox:
    """The API as a value: everything goes in by `exchange` (or `call`), everything comes out as a `Delivery`.

    `clock` is the API's time of day (settable, may jump); `tick` counts seconds for the throttle and never goes back.
    """

    settings: Settings
    clock: Callable[[], datetime]
    tick: Callable[[], float]
    world: World = field(init=False)
    script: Script = field(init=False)
    throttle: Throttle = field(init=False)
    calls: list[CallRecord] = field(init=False)
    pending: list[Pending] = field(init=False)
    landings: list[Landing] = field(init=False)
    deferred: int = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Everything back to the settings: accounts, cards, faults, throttle, options and report."""
        self.world = World(self.settings.options)
        for account in self.settings.accounts:
            self.world.put_account(account)
        self.script = Script()
        self.throttle = Throttle()
        self.calls, self.pending, self.landings = [], [], []
        self.deferred = 0

    def call(
        self, operation: str, fields: Fields, access_key: str | None = None, signed_at: datetime | None = None
    ) -> Delivery:
        """A JSON call without HTTP and signature, for simulations; without a key the first account calls."""
        if access_key is None:
            access_key = next(iter(next(iter(self.world.accounts.values())).keys))
        body = json.dumps(dict(fields), default=float).encode()
        return self.exchange(Arrival(operation, body, access_key, signed_at))

    def exchange(self, arrival: Arrival) -> Delivery:
        """One call: throttle, key, clock, signature, parsing, fault, effect, response.

        Raises KeyError for an unknown operation.
        """
        now, tick = self.clock(), self.tick()
        self.settle(now)
        if arrival.operation not in OPERATIONS:
            raise KeyError(arrival.operation)
        account = None if arrival.access_key is None else self.world.account_of_key(arrival.access_key)
        fields, unreadable = self._read(arrival)
        request_id = request_id_of(arrival.operation, fields)
        partner_id = None if account is None else account.partner_id
        came = CallRecord(now, tick, arrival.operation, request_id, partner_id, "", None, arrival.amz_date)
        turned_away = self._turned_away(arrival, account, now, tick)
        if turned_away is not None or account is None:
            response: Response = turned_away or _UNKNOWN_KEY
            self.calls.append(replace(came, outcome=label(response)))
            return replace(delivery.true_delivery(response, as_xml=arrival.as_xml), executed=False)
        rule = self.script.decide(arrival.operation, request_id)
        if rule is not None and (rule.when == "before" or rule.kind == LATE):
            self.calls.append(replace(came, outcome="late" if rule.kind == LATE else "notExecuted", fault=rule.kind))
            if rule.kind == LATE and fields is not None:
                self._postpone(rule, account, arrival.operation, fields, now)
            spoiled = delivery.replaced(self.world, rule, arrival.operation, fields, as_xml=arrival.as_xml)
            return replace(spoiled, executed=False)
        if fields is None:
            response = unreadable
        else:
            response = execute(self.world, account.partner_id, arrival.operation, fields, now)
        self.calls.append(replace(came, outcome=label(response), fault=None if rule is None else rule.kind))
        if rule is None:
            return delivery.true_delivery(response, as_xml=arrival.as_xml)
        if rule.kind in AFTER_ONLY:
            self._change_card(rule, response, account.partner_id, request_id, now)
            hit = self.script.hit[rule.number]
            return delivery.spoiled(rule, hit, response, as_xml=arrival.as_xml)
        return delivery.replaced(self.world, rule, arrival.operation, fields, as_xml=arrival.as_xml)

    def _read(self, arrival: Arrival) -> tuple[Fields | None, Response]:
        """The fields of the request, or the response that says why there are none."""
        try:
            fields = wire.decode(arrival.operation, arrival.body, as_xml=arrival.xml_body)
        except UnreadableError as problem:
            return None, Framework(None, problem.message, 400, capital=True)
        except RefusedError as refusal:
            return None, failure(self.world, arrival.operation, None, refusal)
        return fields, _UNREADABLE

    def _postpone(self, rule: Rule, account: Account, operation: str, fields: Fields, now: datetime) -> None:
        self.deferred += 1
        due = now + timedelta(seconds=rule.seconds("delaySeconds", 0.0))
        self.pending.append(Pending(due, self.deferred, account.partner_id, operation, fields))

    def settle(self, now: datetime) -> None:
        """Let every late effect land that is due, in order, each at its own moment."""
        due = sorted((late for late in self.pending if late.due <= now), key=lambda late: (late.due, late.number))
        self.pending = [late for late in self.pending if late.due > now]
        for late in due:
            response = execute(self.world, late.account, late.operation, late.fields, late.due)
            request_id = request_id_of(late.operation, late.fields)
            self.landings.append(Landing(late.due, late.operation, request_id, label(response)))

    def _turned_away(self, arrival: Arrival, account: Account | None, now: datetime, tick: float) -> Response | None:
        """The response to a call that gets no further than the door.

        Unknown key, throttle, old signature, wrong signature.
        """
        if arrival.access_key is None:
            return Framework("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        if account is None:
            return _UNKNOWN_KEY
        if not self.throttle.accepts(self._buckets(account, arrival.operation), tick):
            return delivery.throttled(self.world)
        window = timedelta(seconds=self.world.options.signature_window_seconds)
        if arrival.signed_at is not None and abs(now - arrival.signed_at) > window:
            # AWS answers an old signature with 400 where it answers a wrong one with 403.
            return Framework("RequestExpired", "Request has expired.", 400)
        problem = arrival.prove(account.keys[arrival.access_key])
        told_as = self.world.options.wrong_signature
        if problem is None or told_as == "InvalidSignatureException":
            return None if problem is None else Framework(told_as, problem, 403)
        error = AmazonError("F200", told_as.removeprefix("F200"), problem)
        return failure(self.world, arrival.operation, None, RefusedError(error))

    def _buckets(self, account: Account, operation: str) -> list[tuple[str, int | None, float]]:
        options = self.world.options
        buckets: list[tuple[str, int | None, float]] = [(account.partner_id, options.per_second, SECOND)]
        if operation == "GetAvailableFunds":
            buckets.append((f"{account.partner_id} funds", options.funds_per_second, SECOND))
        if operation == "GetGiftCardActivityPage":
            buckets.append((f"{account.partner_id} activity", options.activity_per_minute, MINUTE))
        return buckets

    def _change_card(
        self, rule: Rule, response: Response, partner_id: str, request_id: str | None, now: datetime
    ) -> None:
        """A card that a fault shows as refunded or expired is so from now on: the next response says the same."""
        card = None if request_id is None else self.world.cards.get((partner_id, request_id))
        if card is None or not isinstance(response, Success) or response.operation != "CreateGiftCard":
            return
        if rule.kind == "refunded" and card.cancelled_at is None:
            refund(self.world, card, now, "RefundedByFault")
        if rule.kind == "expired":
            self.world.cards[(card.account, card.request_id)] = replace(card, forced_expired=True)


def members(body: bytes | None) -> dict[str, Json]:
    """The fields of a JSON response, for simulations: {} when there is none or it cannot be read."""
    try:
        value = json.loads(body or b"", parse_float=Decimal)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
