"""The control API: JSON, unsigned, under /_sandbox/. Scripts faults, moves the clock, and reports what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from sandbox.control import rows
from sandbox.control.desk import ControlError, Currency, Desk, Handler, Moment, account_of, exact, read
from sandbox.control.models import Amount, Body, Count, Seconds, Text, one_of, told
from sandbox.control.options import as_json, changed
from sandbox.control.report import report
from sandbox.http.gateway import Sandbox, make_account
from sandbox.model.activations import CARD_NUMBER_LENGTH, with_check_digits
from sandbox.model.clock import Clock
from sandbox.model.errors import ERRORS
from sandbox.model.loads import CUSTOMER_STATES
from sandbox.model.values import Money, iso, quantised
from sandbox.model.world import Account, Limits, PhysicalCard

PREFIX = "/_sandbox/"


def handle(sandbox: Sandbox, clock: Clock, method: str, path: str, body: Mapping[str, object]) -> tuple[int, object]:
    """Follow one control request; returns HTTP status and JSON, or a `Csv`. `path` is without the prefix."""
    handler = _HANDLERS.get((method, path))
    if handler is None:
        known = sorted({f"{verb} {PREFIX}{name}" for verb, name in _HANDLERS})
        return 404, {"error": f"no such control: {method} {PREFIX}{path}", "controls": known}
    try:
        return 200, handler(Desk(sandbox, clock, body))
    except ValidationError as error:
        return 400, {"error": told(error)}
    except ControlError as problem:
        return 400, {"error": str(problem)}


# ---- bodies ----------------------------------------------------------------------------------------


# About 30 years: further away, dates no longer fit into the formats of the API.
ClockSeconds = Annotated[float, Field(ge=-(10**9), le=10**9)]


class _GivenBody(Body):
    @model_validator(mode="after")
    def _is_any(self) -> _GivenBody:
        if not self.model_fields_set:
            raise ValueError(f"give {', '.join(sorted(str(each.alias) for each in type(self).model_fields.values()))}")
        return self


class _ClockBody(Body):
    """Exactly one of these; `frozen_at` is true for now."""

    offset_seconds: ClockSeconds = 0.0
    advance_seconds: ClockSeconds = 0.0
    frozen_at: Literal[True] | Moment = True
    running: Literal[True] = True

    @model_validator(mode="after")
    def _is_one(self) -> _ClockBody:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of offsetSeconds, advanceSeconds, frozenAt (a time, or true), running")
        return self


class _ThrottleBody(_GivenBody):
    per_second: Count | None = None
    funds_per_second: Count | None = None
    activity_per_minute: Count | None = None


class _LatencyBody(_GivenBody):
    # `seconds` delays every response after its effect, `before_seconds` every call before its effect.
    seconds: Seconds = 0.0
    before_seconds: Seconds = 0.0


class _FundsBody(Body):
    amount: Amount
    currency_code: str | None = None
    account: str | None = None


class _LimitsBody(Body):
    least: Amount
    most: Amount


class _AccountBody(Body):
    """A new account with its key, or what is to change of one."""

    partner_id: Text
    access_key_id: str = ""
    secret_access_key: str = ""
    currencies: list[Currency] | dict[Currency, _LimitsBody | None] = Field(["USD"], min_length=1)
    blocked: Annotated[str, one_of(ERRORS)] | None = None
    activity_disabled: bool = False
    region: str = ""
    funds: dict[str, Amount] = Field(default_factory=dict)

    def limits(self) -> dict[str, Limits | None]:
        """The currencies with their limits; None for the usual ones."""
        if isinstance(self.currencies, list):
            return dict.fromkeys(self.currencies)
        return {code: Limits(each.least, each.most) if each else None for code, each in self.currencies.items()}


class _KeyBody(Body):
    access_key_id: Text
    secret_access_key: Text


class _KeysBody(Body):
    add: _KeyBody | None = None
    revoke: str | None = None
    account: str | None = None


class _ClaimBody(Body):
    request_id: str
    account: str | None = None


class _MoneyBody(Body):
    amount: Amount
    currency_code: Currency


class _CardBody(Body):
    """A printed card, by its number or by its code without check digits."""

    card_number: Annotated[str, Field(pattern=rf"^[0-9]{{{CARD_NUMBER_LENGTH}}}$")] = ""
    wac: Annotated[str, Field(pattern=rf"^[0-9]{{{CARD_NUMBER_LENGTH - 3}}}$")] = ""
    denomination: _MoneyBody | None = None
    blocked: bool = False
    redeemed: bool = False

    @model_validator(mode="after")
    def _is_named(self) -> _CardBody:
        if not self.card_number and not self.wac:
            raise ValueError("give cardNumber, or wac")
        return self


class _CustomerBody(Body):
    id: Text
    state: Annotated[str, one_of(CUSTOMER_STATES)] | None = None


# ---- handlers --------------------------------------------------------------------------------------


def _reset(desk: Desk) -> object:
    desk.clock.reset()
    desk.sandbox.reset()
    return {"reset": True}


def _report(desk: Desk) -> object:
    return report(desk.sandbox)


def _clock(desk: Desk) -> object:
    match read(desk, _ClockBody).given:
        case {"offset_seconds": seconds}:
            desk.clock.shift_to(seconds)
        case {"advance_seconds": seconds}:
            desk.clock.advance(seconds)
        case {"frozen_at": True}:
            desk.clock.freeze()
        case {"frozen_at": at}:
            desk.clock.freeze(at)
        case _:
            desk.clock.run()
    desk.sandbox.settle(desk.clock.now())
    return _clock_now(desk)


def _clock_now(desk: Desk) -> object:
    return {
        "now": iso(desk.clock.now()),
        "frozen": desk.clock.frozen_at is not None,
        "offsetSeconds": desk.clock.offset.total_seconds(),
    }


def _set_options(desk: Desk) -> object:
    desk.sandbox.world.options = changed(desk.sandbox.world.options, dict(desk.body))
    return _options(desk)


def _options(desk: Desk) -> object:
    return as_json(desk.sandbox.world.options)


def _throttle(desk: Desk) -> object:
    return _set_options(replace(desk, body=read(desk, _ThrottleBody).given_as_json()))


def _latency(desk: Desk) -> object:
    names = {"seconds": "latencySeconds", "before_seconds": "latencyBeforeSeconds"}
    given = read(desk, _LatencyBody).given
    return _set_options(replace(desk, body={names[name]: seconds for name, seconds in given.items()}))


def _add_fault(desk: Desk) -> object:
    given = desk.body.get("faults", [desk.body])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise ControlError("faults is a list of objects")
    added = [desk.sandbox.script.add(each).number for each in given]
    return {"faults": [rule for rule in desk.sandbox.script.as_json() if rule["number"] in added]}


def _faults(desk: Desk) -> object:
    return {"faults": desk.sandbox.script.as_json(), "pendingEffects": len(desk.sandbox.pending)}


def _clear_faults(desk: Desk) -> object:
    # Effects that are already on their way still land.
    desk.sandbox.script.clear()
    return {"faults": []}


def _funds(desk: Desk, *, moves: bool = False) -> object:
    body = read(desk, _FundsBody)
    account = account_of(desk, body.account)
    currency = body.currency_code or account.home_currency
    if currency not in account.limits:
        raise ControlError(f"currencyCode is one of {', '.join(account.limits)}")
    world, value = desk.sandbox.world, exact(body.amount, currency)
    set_or_move = world.move if moves else world.set_balance
    set_or_move(account.partner_id, desk.clock.now(), value)
    balance = world.accounts[account.partner_id].funds[currency]
    return {"account": account.partner_id, "currencyCode": currency, "amount": str(balance)}


def _accounts(desk: Desk) -> object:
    return {"accounts": [_account_json(account) for account in desk.sandbox.world.accounts.values()]}


def _set_account(desk: Desk) -> object:
    body = read(desk, _AccountBody)
    known = desk.sandbox.world.accounts.get(body.partner_id)
    if known is None:
        if not body.access_key_id or not body.secret_access_key:
            raise ControlError("a new account needs accessKeyId and secretAccessKey")
        if desk.sandbox.world.account_of_key(body.access_key_id) is not None:
            raise ControlError("accessKeyId belongs to another account")
        key = (body.access_key_id, body.secret_access_key)
        known = make_account(body.partner_id, *key, body.limits(), _balances(body))
    elif "currencies" in body.given:
        fresh = make_account(body.partner_id, "-", "-", body.limits())
        known = replace(known, limits=fresh.limits, region=fresh.region, funds={**fresh.funds, **known.funds})
    if not body.funds.keys() <= known.limits.keys():
        raise ControlError(f"funds is an object by currency, of {', '.join(known.limits)}")
    as_given = {name: body.given[name] for name in ("blocked", "activity_disabled", "region") if name in body.given}
    desk.sandbox.world.put_account(replace(known, **as_given))
    for code, amount in _balances(body).items():
        desk.sandbox.world.set_balance(body.partner_id, desk.clock.now(), Money(amount, code))
    return _account_json(desk.sandbox.world.accounts[body.partner_id])


def _balances(body: _AccountBody) -> dict[str, Decimal]:
    return {code: quantised(amount, code) for code, amount in body.funds.items()}


def _keys(desk: Desk) -> object:
    body = read(desk, _KeysBody)
    account = account_of(desk, body.account)
    keys = dict(account.keys)
    if body.add is None and body.revoke is None:
        raise ControlError("give add or revoke")
    if body.add is not None:
        owner = desk.sandbox.world.account_of_key(body.add.access_key_id)
        if owner is not None and owner.partner_id != account.partner_id:
            raise ControlError("accessKeyId belongs to another account")
        keys[body.add.access_key_id] = body.add.secret_access_key
    if body.revoke is not None and keys.pop(body.revoke, None) is None:
        raise ControlError("revoke is one of the account's access key ids")
    desk.sandbox.world.put_account(replace(account, keys=keys))
    return {"account": account.partner_id, "accessKeyIds": list(keys)}


def _claim(desk: Desk) -> object:
    body, cards = read(desk, _ClaimBody), desk.sandbox.world.cards
    found = [key for key in cards if key[1] == body.request_id and body.account in {None, key[0]}]
    if len(found) != 1:
        raise ControlError("several accounts have it: give account" if found else "requestId is the id of no card")
    card = cards[found[0]]
    status = card.status(desk.clock.now())
    if status != "Fulfilled" or card.claimed:
        raise ControlError(f"the card is {'claimed already' if card.claimed else status}")
    cards[found[0]] = replace(card, claimed=True)
    return {"requestId": card.request_id, "claimed": True}


def _cards(desk: Desk) -> object:
    body = read(desk, _CardBody)
    number = with_check_digits(body.wac) if body.wac else body.card_number
    known = desk.sandbox.world.physical.get(number, PhysicalCard(number))
    as_given = {name: body.given[name] for name in ("blocked", "redeemed") if name in body.given}
    card = replace(known, **as_given)
    if "denomination" in body.given:
        asked = body.denomination
        money = Money(quantised(asked.amount, asked.currency_code), asked.currency_code) if asked else None
        card = replace(card, denomination=money)
    desk.sandbox.world.physical[number] = card
    return {"cardNumber": number, "blocked": card.blocked, "redeemed": card.redeemed}


def _customers(desk: Desk) -> object:
    body, customers = read(desk, _CustomerBody), desk.sandbox.world.customers
    if body.state is None:
        customers.pop(body.id, None)
    else:
        customers[body.id] = body.state
    return {"id": body.id, "state": body.state}


def _account_json(account: Account) -> dict[str, object]:
    return {
        "partnerId": account.partner_id,
        "accessKeyIds": list(account.keys),
        "region": account.region,
        "blocked": account.blocked,
        "activityDisabled": account.activity_disabled,
        "funds": {code: str(amount) for code, amount in account.funds.items()},
        "currencies": {
            code: {"least": str(each.least), "most": str(each.most)} for code, each in account.limits.items()
        },
    }


def _looking(handler: Handler) -> Handler:
    """Land what is due before anyone looks at, or changes, the state."""

    def settled(desk: Desk) -> object:
        desk.sandbox.settle(desk.clock.now())
        return handler(desk)

    return settled


_HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "reset"): _reset,
    ("GET", "report"): _looking(_report),
    ("POST", "clock"): _looking(_clock),
    ("GET", "clock"): _clock_now,
    ("POST", "options"): _looking(_set_options),
    ("GET", "options"): _options,
    ("POST", "throttle"): _throttle,
    ("POST", "latency"): _latency,
    ("POST", "faults"): _add_fault,
    ("GET", "faults"): _looking(_faults),
    ("DELETE", "faults"): _clear_faults,
    ("POST", "funds"): _looking(_funds),
    ("POST", "movements"): _looking(partial(_funds, moves=True)),
    ("POST", "rows"): _looking(rows.plant_rows),
    ("PUT", "rows"): _looking(rows.change_row),
    ("DELETE", "rows"): _looking(rows.remove_row),
    ("POST", "totals"): rows.add_total,
    ("DELETE", "totals"): rows.clear_totals,
    ("GET", "statement"): _looking(rows.read_statement),
    ("GET", "accounts"): _looking(_accounts),
    ("POST", "accounts"): _looking(_set_account),
    ("POST", "keys"): _keys,
    ("POST", "claim"): _looking(_claim),
    ("POST", "cards"): _looking(_cards),
    ("POST", "customers"): _looking(_customers),
}
