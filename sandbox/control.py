"""The control API: JSON, unsigned, under /_sandbox/. Scripts faults, moves the clock, and reports what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from sandbox.activations import CARD_NUMBER_LENGTH, with_check_digits
from sandbox.clock import Clock
from sandbox.errors import ERRORS
from sandbox.faults import FaultError
from sandbox.gateway import Sandbox, make_account
from sandbox.loads import CUSTOMER_STATES
from sandbox.options import OptionError, as_json, changed
from sandbox.report import report
from sandbox.values import CURRENCIES, Money, iso, parse_iso, quantised
from sandbox.world import Account, Limits, PhysicalCard

PREFIX = "/_sandbox/"
# About 30 years: further away, dates no longer fit into the formats of the API.
CLOCK_SECONDS_MAX = 10**9
Body: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Desk:
    """What a control works on: the sandbox, its clock, and the request's JSON."""

    sandbox: Sandbox
    clock: Clock
    body: Body


Handler: TypeAlias = Callable[[Desk], object]


class ControlError(ValueError):
    """A control request that cannot be followed; the text says why. Answered with 400."""


def handle(sandbox: Sandbox, clock: Clock, method: str, path: str, body: Body) -> tuple[int, object]:
    """Follow one control request; returns HTTP status and JSON. `path` is without the prefix."""
    handler = _HANDLERS.get((method, path))
    if handler is None:
        known = sorted({f"{verb} {PREFIX}{name}" for verb, name in _HANDLERS})
        return 404, {"error": f"no such control: {method} {PREFIX}{path}", "controls": known}
    try:
        return 200, handler(Desk(sandbox, clock, body))
    except (ControlError, FaultError, OptionError) as problem:
        return 400, {"error": str(problem)}


def _reset(desk: Desk) -> object:
    desk.clock.reset()
    desk.sandbox.reset()
    return {"reset": True}


def _report(desk: Desk) -> object:
    return report(desk.sandbox)


def _clock(desk: Desk) -> object:
    """One of offsetSeconds, advanceSeconds, frozenAt (a time, or true for now), running."""
    if len(desk.body) != 1:
        raise ControlError("give exactly one of offsetSeconds, advanceSeconds, frozenAt, running")
    match desk.body:
        case {"offsetSeconds": int() | float() as seconds} if abs(seconds) <= CLOCK_SECONDS_MAX:
            desk.clock.shift_to(seconds)
        case {"advanceSeconds": int() | float() as seconds} if abs(seconds) <= CLOCK_SECONDS_MAX:
            desk.clock.advance(seconds)
        case {"frozenAt": True}:
            desk.clock.freeze()
        case {"frozenAt": str(text)}:
            at = parse_iso(text)
            if at is None:
                raise ControlError("frozenAt is an RFC 3339 time, or true")
            desk.clock.freeze(at)
        case {"running": True}:
            desk.clock.run()
        case _:
            raise ControlError(
                "give one of offsetSeconds (number), advanceSeconds (number), frozenAt (time or true), running (true)"
            )
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
    return as_json(desk.sandbox.world.options)


def _options(desk: Desk) -> object:
    return as_json(desk.sandbox.world.options)


def _throttle(desk: Desk) -> object:
    allowed = {"perSecond", "fundsPerSecond", "activityPerMinute"}
    if not desk.body or not set(desk.body) <= allowed:
        raise ControlError(f"give {', '.join(sorted(allowed))}")
    return _set_options(desk)


def _latency(desk: Desk) -> object:
    """`seconds` delays every response after its effect, `beforeSeconds` every call before its effect."""
    names = {"seconds": "latencySeconds", "beforeSeconds": "latencyBeforeSeconds"}
    if not desk.body or not set(desk.body) <= set(names):
        raise ControlError(f"give {', '.join(sorted(names))}")
    return _set_options(replace(desk, body={names[name]: value for name, value in desk.body.items()}))


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


def _funds(desk: Desk) -> object:
    """Set a balance: amount, and where there is a choice account and currencyCode."""
    account = _account_of(desk)
    currency = desk.body.get("currencyCode", account.home_currency)
    if not isinstance(currency, str) or currency not in account.limits:
        raise ControlError(f"currencyCode is one of {', '.join(account.limits)}")
    balance = quantised(_decimal(desk.body.get("amount"), "amount"), currency)
    desk.sandbox.world.put_account(replace(account, funds={**account.funds, currency: balance}))
    return {"account": account.partner_id, "currencyCode": currency, "amount": str(balance)}


def _accounts(desk: Desk) -> object:
    return {"accounts": [_account_json(account) for account in desk.sandbox.world.accounts.values()]}


def _set_account(desk: Desk) -> object:
    """Add an account, or change one.

    Blocked (an error type or null), activityDisabled, currencies with their limits, funds, region.
    """
    partner_id = desk.body.get("partnerId")
    if not isinstance(partner_id, str) or not partner_id:
        raise ControlError("partnerId is a text")
    known = desk.sandbox.world.accounts.get(partner_id)
    if known is None:
        key, secret = desk.body.get("accessKeyId"), desk.body.get("secretAccessKey")
        if not isinstance(key, str) or not isinstance(secret, str) or not key or not secret:
            raise ControlError("a new account needs accessKeyId and secretAccessKey")
        if desk.sandbox.world.account_of_key(key) is not None:
            raise ControlError("accessKeyId belongs to another account")
        known = make_account(partner_id, key, secret, _currencies(desk.body.get("currencies", ["USD"])))
    elif "currencies" in desk.body:
        fresh = make_account(partner_id, "-", "-", _currencies(desk.body["currencies"]))
        known = replace(known, limits=fresh.limits, region=fresh.region, funds={**fresh.funds, **known.funds})
    blocked = desk.body.get("blocked", known.blocked)
    if blocked is not None and blocked not in ERRORS:
        raise ControlError("blocked is an error type, or null")
    disabled, region = desk.body.get("activityDisabled", known.activity_disabled), desk.body.get("region", known.region)
    if not isinstance(disabled, bool) or not isinstance(region, str):
        raise ControlError("activityDisabled is true or false, region a text")
    funds = desk.body.get("funds", {})
    if not isinstance(funds, dict) or not set(funds) <= set(known.limits):
        raise ControlError(f"funds is an object by currency, of {', '.join(known.limits)}")
    balances = {code: quantised(_decimal(amount, "funds"), code) for code, amount in funds.items()}
    account = replace(
        known,
        blocked=str(blocked) if blocked is not None else None,
        activity_disabled=disabled,
        region=region,
        funds={**known.funds, **balances},
    )
    desk.sandbox.world.put_account(account)
    return _account_json(account)


def _keys(desk: Desk) -> object:
    """`add` {accessKeyId, secretAccessKey} and/or `revoke` an access key id, of `account` where there is a choice."""
    account = _account_of(desk)
    keys = dict(account.keys)
    add, revoke = desk.body.get("add"), desk.body.get("revoke")
    if add is None and revoke is None:
        raise ControlError("give add or revoke")
    if add is not None:
        match add:
            case {"accessKeyId": str(key), "secretAccessKey": str(secret)} if key and secret:
                owner = desk.sandbox.world.account_of_key(key)
                if owner is not None and owner.partner_id != account.partner_id:
                    raise ControlError("accessKeyId belongs to another account")
                keys[key] = secret
            case _:
                raise ControlError("add is an object with accessKeyId and secretAccessKey")
    if revoke is not None:
        if revoke not in keys:
            raise ControlError("revoke is one of the account's access key ids")
        del keys[str(revoke)]
    desk.sandbox.world.put_account(replace(account, keys=keys))
    return {"account": account.partner_id, "accessKeyIds": list(keys)}


def _claim(desk: Desk) -> object:
    """A customer redeems the claim code of `requestId`."""
    key = _owned(desk, "requestId", desk.sandbox.world.cards)
    card = desk.sandbox.world.cards[key]
    status = card.status(desk.clock.now())
    if status != "Fulfilled" or card.claimed:
        raise ControlError(f"the card is {'claimed already' if card.claimed else status}")
    desk.sandbox.world.cards[key] = replace(card, claimed=True)
    return {"requestId": card.request_id, "claimed": True}


def _cards(desk: Desk) -> object:
    """Seed or change printed cards.

    CardNumber (or wac, 16 digits), denomination {amount, currencyCode}, blocked, redeemed.
    """
    wac, number = desk.body.get("wac"), desk.body.get("cardNumber")
    if isinstance(wac, str) and wac.isdigit() and len(wac) == CARD_NUMBER_LENGTH - 3:
        number = with_check_digits(wac)
    if not isinstance(number, str) or not number.isdigit() or len(number) != CARD_NUMBER_LENGTH:
        raise ControlError("cardNumber is a text of 19 digits (or wac one of 16)")
    card = desk.sandbox.world.physical.get(number, PhysicalCard(number))
    match desk.body.get("denomination", card.denomination):
        case None:
            denomination = None
        case Money() as kept:
            denomination = kept
        case {"amount": amount, "currencyCode": str(currency)} if currency in CURRENCIES:
            denomination = Money(quantised(_decimal(amount, "denomination"), currency), currency)
        case _:
            raise ControlError("denomination is {amount, currencyCode}, or null")
    blocked, redeemed = desk.body.get("blocked", card.blocked), desk.body.get("redeemed", card.redeemed)
    if not isinstance(blocked, bool) or not isinstance(redeemed, bool):
        raise ControlError("blocked and redeemed are true or false")
    desk.sandbox.world.physical[number] = replace(card, denomination=denomination, blocked=blocked, redeemed=redeemed)
    return {"cardNumber": number, "blocked": blocked, "redeemed": redeemed}


def _customers(desk: Desk) -> object:
    """Make the customer `id` of balance loads unknown, blocked, accountBlocked or velocity.

    Null makes it usable again.
    """
    name, state = desk.body.get("id"), desk.body.get("state")
    if not isinstance(name, str) or not name:
        raise ControlError("id is a text")
    if state is None:
        desk.sandbox.world.customers.pop(name, None)
    elif isinstance(state, str) and state in CUSTOMER_STATES:
        desk.sandbox.world.customers[name] = state
    else:
        raise ControlError(f"state is null or one of {', '.join(CUSTOMER_STATES)}")
    return {"id": name, "state": state}


def _account_of(desk: Desk) -> Account:
    accounts = desk.sandbox.world.accounts
    name = desk.body.get("account", next(iter(accounts)))
    if not isinstance(name, str) or name not in accounts:
        raise ControlError(f"account is one of {', '.join(accounts)}")
    return accounts[name]


def _owned(desk: Desk, name: str, table: Mapping[tuple[str, str], object]) -> tuple[str, str]:
    found = [key for key in table if key[1] == desk.body.get(name) and desk.body.get("account", key[0]) == key[0]]
    if len(found) != 1:
        raise ControlError(f"{name} is the id of no card" if not found else "several accounts have it: give account")
    return found[0]


def _decimal(value: object, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ControlError(f"{name} is a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ControlError(f"{name} is a number") from None
    # Balances beyond this would lose cents in the JSON floats of the API.
    if not number.is_finite() or abs(number) > 10**12:
        raise ControlError(f"{name} is a number up to 10^12")
    return number


def _currencies(value: object) -> dict[str, Limits | None]:
    """["USD", ...] or {"USD": {"least": "0.15", "most": "2000"}, ...}."""
    wanted: dict[str, object] = {}
    if isinstance(value, list):
        wanted = {str(code): None for code in value}
    elif isinstance(value, dict):
        wanted = {str(code): limits for code, limits in value.items()}
    if not wanted or not set(wanted) <= set(CURRENCIES):
        raise ControlError(f"currencies is a list, or an object with limits, of {', '.join(CURRENCIES)}")
    found: dict[str, Limits | None] = {}
    for code, limits in wanted.items():
        match limits:
            case None:
                found[code] = None
            case {"least": least, "most": most}:
                found[code] = Limits(_decimal(least, "least"), _decimal(most, "most"))
            case _:
                raise ControlError("limits are {least, most}")
    return found


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
    ("GET", "accounts"): _looking(_accounts),
    ("POST", "accounts"): _looking(_set_account),
    ("POST", "keys"): _keys,
    ("POST", "claim"): _looking(_claim),
    ("POST", "cards"): _looking(_cards),
    ("POST", "customers"): _looking(_customers),
}
