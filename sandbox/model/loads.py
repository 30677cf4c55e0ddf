"""LoadAmazonBalance, VoidAmazonBalanceLoad and ValidateAccountForAmazonBalanceLoad.

Only requests of these operations are documented. The responses' shape is an assumption: id, status and, for a load, the
loaded amount.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.http import reading
from sandbox.http.reading import wrong_type
from sandbox.model.errors import refuse
from sandbox.model.log import Activity
from sandbox.model.mocks import MOCK_SUCCESS
from sandbox.model.outcome import Done
from sandbox.model.values import Fields, Json, Money, basic_date, decimals_of
from sandbox.model.world import Account, Load, World

if TYPE_CHECKING:
    from datetime import datetime

BARCODE_ACCOUNT_TYPE = "1"
LOGIN_ACCOUNT_TYPE = "2"
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,9})?")
_UNSCALABLE = Decimal(10) ** 18
_BARCODE_TOKEN = re.compile(r"[0-9]{30}")

# What the control API may make of a customer, and how the API refuses each.
CUSTOMER_STATES = {
    "unknown": "UnknownCustomer",
    "blocked": "BlockedCustomer",
    "accountBlocked": "CustomerAccountBlocked",
    "velocity": "CustomerSurpassedDailyVelocityLimit",
}


def load_amazon_balance(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Credit a customer's balance, or return the load that the id has already (silently, also for another amount)."""
    if _is_mock(fields):
        return Done({"amount": fields.get("amount"), "loadBalanceRequestId": MOCK_SUCCESS, "status": "SUCCESS"}, None)
    reading.partner_id(account, fields)
    request_id = reading.request_id(world, account, fields, "loadBalanceRequestId")
    value, raw = _amount(world, account, fields)
    customer = _customer(fields)
    reading.optional_members(fields)
    reading.structure(fields, "notification")
    reading.usable_account(account)
    key = (account.partner_id, request_id)
    earlier = world.loads.get(key)
    if earlier is not None and (earlier.voided_at is None or world.options.late_load == "refunded"):
        return _loaded(earlier, at, real=False)
    _usable_customer(world, customer)
    if not world.affords(account.partner_id, value):
        raise refuse("InsufficientFunds")
    times = 1 if earlier is None else earlier.times + 1
    load = Load(account.partner_id, request_id, customer, value, raw, at, None, times)
    world.loads[key] = load
    world.charge(account.partner_id, at, request_id, "LoadAmazonBalance", value)
    return _loaded(load, at, real=True)


def void_amazon_balance_load(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Take a load back by its own id; amount and account, where sent, must be the load's. Repeating it succeeds."""
    if _is_mock(fields):
        return Done({"loadBalanceRequestId": MOCK_SUCCESS, "status": "SUCCESS"}, None)
    reading.partner_id(account, fields)
    request_id = reading.request_id(world, account, fields, "loadBalanceRequestId")
    value = _amount(world, account, fields)[0] if fields.get("amount") is not None else None
    customer = _customer(fields) if fields.get("account") is not None else None
    reading.usable_account(account)
    key = (account.partner_id, request_id)
    load = world.loads.get(key)
    if load is None:
        raise refuse("OperationNotPermitted")
    if value is not None and value != load.value:
        raise refuse("InvalidAmountValue", "Amount does not match the original load")
    if customer is not None and customer != load.customer:
        raise refuse("InvalidRequest", "Account does not match the original load")
    repeat = load.voided_at is not None
    if not repeat:
        world.loads[key] = replace(load, voided_at=at)
        back = Money(-load.value.amount, load.value.currency)
        world.charge(account.partner_id, at, request_id, "VoidAmazonBalanceLoad", back)
    row = Activity(account.partner_id, at, "VoidAmazonBalanceLoad", request_id, value=load.value, real=not repeat)
    return Done({"loadBalanceRequestId": request_id, "status": "SUCCESS"}, row)


def validate_account_for_amazon_balance_load(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """Whether a load to that customer could succeed. A token whose load was voided is refused (barcode test script)."""
    done = Done({"status": "SUCCESS", "timestamp": basic_date(at)}, None)
    customer_fields = reading.structure(fields, "account")
    if customer_fields is not None and reading.mock_id(customer_fields, "id") is not None:
        return done
    reading.partner_id(account, fields)
    if fields.get("amount") is not None:
        _amount(world, account, fields)
    customer = _customer(fields)
    reading.optional_members(fields)
    reading.usable_account(account)
    _usable_customer(world, customer)
    voided = any(load.customer == customer and load.voided_at is not None for load in world.loads.values())
    if voided and customer[0] == BARCODE_ACCOUNT_TYPE:
        raise refuse("InvalidRequest", "Token was voided")
    return done


def _is_mock(fields: Fields) -> bool:
    customer = reading.structure(fields, "account") or {}
    names = reading.mock_id(fields, "loadBalanceRequestId")
    return names is not None or reading.mock_id(customer, "id") is not None


def _amount(world: World, account: Account, fields: Fields) -> tuple[Money, str]:
    amount = reading.structure(fields, "amount")
    if amount is None:
        raise refuse("InvalidAmountInput")
    raw = amount.get("value")
    if raw is None:
        raise refuse("InvalidAmountInput")
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise wrong_type(raw)
    currency = reading.text(amount, "currencyCode")
    if not _NUMBER.fullmatch(str(raw)):
        raise refuse("InvalidAmountInput", "Amount is not a number")
    number = Decimal(raw)
    # Far beyond any limit; scaling such a number would overflow.
    if world.options.load_units == "minor" and number.copy_abs() < _UNSCALABLE:
        if number != number.to_integral_value():
            raise refuse("FractionalAmountNotAllowed")
        number = number.scaleb(-decimals_of(currency or ""))
    return reading.checked_money(world, account, number, currency, fields), str(raw)


def _customer(fields: Fields) -> tuple[str, str]:
    customer = reading.structure(fields, "account")
    if customer is None:
        raise refuse("InvalidRequestInput", "Account can't be null or empty")
    kind, name = customer.get("type"), reading.text(customer, "id")
    if isinstance(kind, int) and not isinstance(kind, bool):
        kind = str(kind)
    if not isinstance(kind, str) or kind not in {BARCODE_ACCOUNT_TYPE, LOGIN_ACCOUNT_TYPE}:
        raise refuse("InvalidRequestInput", "Account type is invalid")
    if not name or (kind == BARCODE_ACCOUNT_TYPE and not _BARCODE_TOKEN.fullmatch(name)):
        raise refuse("InvalidRequestInput", "Account id is invalid")
    return kind, name


def _usable_customer(world: World, customer: tuple[str, str]) -> None:
    state = world.customers.get(customer[1])
    if state is not None:
        raise refuse(CUSTOMER_STATES[state])


def _loaded(load: Load, at: datetime, *, real: bool) -> Done:
    amount: Json = {"currencyCode": load.value.currency, "value": load.raw_value}
    row = Activity(load.account, at, "LoadAmazonBalance", load.request_id, None, None, load.value, None, real)
    return Done({"amount": amount, "loadBalanceRequestId": load.request_id, "status": "SUCCESS"}, row)
