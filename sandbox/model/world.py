"""The state of the sandbox: accounts, cards, activations, loads, the charges and the activity log.

No HTTP, no clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.model.log import Activity, ActivityLog
from sandbox.model.values import CURRENCIES, Money

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.control.options import Options

# Claim codes leave out 0, 1, O and I, as printed codes do, so that people can read them out.
_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
# Large enough that no test runs out of funds by accident.
DEFAULT_FUNDS = Decimal(1_000_000)


@dataclass(frozen=True)
class Limits:
    """Least and greatest amount of one card or load, in major units."""

    least: Decimal
    most: Decimal


# 0.01 and 2000 are what Amazon's certification script used as valid in the US.
# Whole-unit currencies get about the same worth.
_DECIMAL_LIMITS = Limits(Decimal("0.01"), Decimal(2000))
_WHOLE_LIMITS = Limits(Decimal(1), Decimal(500_000))


def default_limits(currency: str) -> Limits:
    """The limits of an account that names none for `currency`."""
    return _WHOLE_LIMITS if CURRENCIES[currency].decimals == 0 else _DECIMAL_LIMITS


@dataclass(frozen=True)
class Account:
    """One partner account: `keys` maps access key to secret; the first of `limits` is its home currency.

    `blocked` names the error type that refuses every operation, `region` the signing region, `funds` the balance
    by currency. `activity_disabled` switches GetGiftCardActivityPage off for the partner.
    """

    partner_id: str
    keys: Mapping[str, str]
    limits: Mapping[str, Limits]
    funds: Mapping[str, Decimal]
    region: str
    blocked: str | None = None
    activity_disabled: bool = False

    @property
    def home_currency(self) -> str:
        """The currency that GetAvailableFunds responds in."""
        return next(iter(self.limits))


@dataclass(frozen=True)
class GiftCard:
    """A claim code.

    `cancelled_at`: refunded to the purchaser. `claimed`: redeemed by a customer, set by the control API.
    """

    account: str
    request_id: str
    gc_id: str
    claim_code: str
    value: Money
    created_at: datetime
    expires_at: datetime | None
    cancelled_at: datetime | None = None
    claimed: bool = False
    forced_expired: bool = False

    def status(self, at: datetime) -> str:
        """Amazon's cardStatus at that moment."""
        if self.cancelled_at is not None:
            return "RefundedToPurchaser"
        if self.forced_expired or (self.expires_at is not None and at > self.expires_at):
            return "Expired"
        return "Fulfilled"


@dataclass(frozen=True)
class PhysicalCard:
    """A printed card: `denomination` is null for an open one; `activated_by` is the id that activated it, or None."""

    number: str
    denomination: Money | None = None
    activated_by: tuple[str, str] | None = None
    blocked: bool = False
    redeemed: bool = False


@dataclass(frozen=True)
class Activation:
    """One activation request: live until `deactivated_at`; `times` counts how often it was charged."""

    account: str
    request_id: str
    card_number: str
    value: Money
    activated_at: datetime
    deactivated_at: datetime | None = None
    times: int = 1


@dataclass(frozen=True)
class Load:
    """One balance load: live until `voided_at`; `raw_value` is `amount.value` as it came in."""

    account: str
    request_id: str
    customer: tuple[str, str]
    value: Money
    raw_value: str
    loaded_at: datetime
    voided_at: datetime | None = None
    times: int = 1


@dataclass(frozen=True)
class Charge:
    """One line of the charges: positive when Amazon took the money, negative when it came back."""

    account: str
    at: datetime
    request_id: str
    operation: str
    value: Money


@dataclass(frozen=True)
class Movement:
    """What moved the balance without a row: positive for a deposit, negative for a fee."""

    account: str
    at: datetime
    value: Money


@dataclass(frozen=True)
class WrongTotal:
    """A time frame, both ends included: pages that touch it tell `extra` rows more than there are."""

    account: str
    start: datetime
    end: datetime
    extra: int


@dataclass
class World:
    """Everything that a reset throws away. Rows are immutable; changing one replaces it."""

    options: Options
    accounts: dict[str, Account] = field(default_factory=dict)
    cards: dict[tuple[str, str], GiftCard] = field(default_factory=dict)
    physical: dict[str, PhysicalCard] = field(default_factory=dict)
    activations: dict[tuple[str, str], Activation] = field(default_factory=dict)
    loads: dict[tuple[str, str], Load] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    activity: ActivityLog = field(default_factory=ActivityLog)
    wrong_totals: list[WrongTotal] = field(default_factory=list)

    def account_of_key(self, access_key: str) -> Account | None:
        """The account that the access key belongs to."""
        return next((account for account in self.accounts.values() if access_key in account.keys), None)

    def put_account(self, account: Account) -> None:
        """Add the account, or replace the one with its partner id."""
        self.accounts[account.partner_id] = account

    def affords(self, partner_id: str, value: Money) -> bool:
        """Whether the account's balance covers `value`."""
        return self._balance(partner_id, value.currency) >= value.amount

    def charge(self, partner_id: str, at: datetime, request_id: str, operation: str, value: Money) -> None:
        """Write one line into the charges and move the balance by it (a negative value gives money back)."""
        self.charges.append(Charge(partner_id, at, request_id, operation, value))
        self._pay_in(partner_id, Money(-value.amount, value.currency))

    def move(self, partner_id: str, at: datetime, value: Money) -> None:
        """Move the balance by something that has no row: a deposit, a fee (negative)."""
        self.movements.append(Movement(partner_id, at, value))
        self._pay_in(partner_id, value)

    def set_balance(self, partner_id: str, at: datetime, value: Money) -> None:
        """Move the balance to `value`."""
        self.move(partner_id, at, Money(value.amount - self._balance(partner_id, value.currency), value.currency))

    def _balance(self, partner_id: str, currency: str) -> Decimal:
        return self.accounts[partner_id].funds.get(currency, Decimal(0))

    def _pay_in(self, partner_id: str, value: Money) -> None:
        account = self.accounts[partner_id]
        balance = self._balance(partner_id, value.currency) + value.amount
        self.put_account(replace(account, funds={**account.funds, value.currency: balance}))

    def write(self, row: Activity) -> None:
        """Add a row to the activity log, shown as late as the options say."""
        self.activity.add(replace(row, visible_at=self.visible_at(row)))

    def visible_at(self, row: Activity) -> datetime | None:
        """From when on a new row is shown, by the options of this moment."""
        late = self.options.activity_late_seconds
        if self.options.activity_late == "drawn":
            drawn = f"late|{self.options.seed}|{row.account}|{row.request_id}|{row.operation}|{row.at.isoformat()}"
            late *= int.from_bytes(hashlib.sha256(drawn.encode()).digest()[:4], "big") / 2**32
        return row.at + timedelta(seconds=late) if late else None

    def claim_code(self, partner_id: str, request_id: str) -> str:
        """The claim code of a request, 4-6-4 letters and digits; the same one whenever it is asked for."""
        digest = hashlib.sha256(f"code|{self.options.seed}|{partner_id}|{request_id}".encode()).digest()
        letters = "".join(_CODE_LETTERS[byte % len(_CODE_LETTERS)] for byte in digest[:14])
        return f"{letters[:4]}-{letters[4:10]}-{letters[10:]}"

    def gc_id(self, partner_id: str, request_id: str) -> str:
        """The gift card id of a request: 16 digits, the first one not zero."""
        digest = hashlib.sha256(f"id|{self.options.seed}|{partner_id}|{request_id}".encode()).digest()
        return str(10**15 + int.from_bytes(digest[:8], "big") % (9 * 10**15))
