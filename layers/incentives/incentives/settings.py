"""What a deployment sets: one environment variable each, of the field's name in capitals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.accounts.alerts import Limits, read_limits
from incentives.domain.rate_limit import Pace

if TYPE_CHECKING:
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    from incentives.domain.reconciliation.rows import ActivityTypes

Read = TypeVar("Read")
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
MaybeText = Annotated[str | None, BeforeValidator(lambda text: text or None)]


#: As the template says it, too.
LOCK_YEARS_MAX: Final = 10
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Settings(BaseModel):
    """What a deployment sets.

    What is said of the books is read only where it is asked for: cards are issued whatever is wrong there.

    Attributes:
        incentives_endpoint: another Incentives API than Amazon's own; None for Amazon's.
        vault_key: KMS key that encrypts card numbers.
        backlog_queue: URL.
        recovery_state_machine, order_state_machine, reconciliation_state_machine, operators_topic: ARNs.
        support_address: Amazon's support, for cases; None: nobody is mailed.
        mail_sender: a verified SES identity.
        default_account: the account of a request that names none; None if each must name one.
    """

    model_config = ConfigDict(frozen=True, alias_generator=str.upper, hide_input_in_errors=True)

    ledger_table: Text
    rate_limiter_table: Text
    account_table: Text
    orders_table: Text
    orders_bucket: Text
    books_table: Text
    books_bucket: Text
    budgets_table: Text
    account_secret_prefix: Text
    default_account: MaybeText = None
    amazon_environment: Literal["sandbox", "production"]
    incentives_endpoint: MaybeText = None
    pace_requests_per_second: float
    pace_burst: int
    pace_share_kept: float
    backlog_queue: Text
    vault_key: Text = Field(alias="CARD_VAULT_KEY")
    recovery_state_machine: Text
    order_state_machine: Text
    reconciliation_state_machine: Text
    event_bus: Text
    operators_topic: Text
    support_address: MaybeText = None
    mail_sender: MaybeText = None
    alert_balance_below: str = ""
    alert_days_below: str = ""
    alert_spend_multiple: str = ""
    require_budget: Literal["false", "true"] = "false"
    approval_above: str = ""
    books_time_zone: str = "UTC"
    books_begin: str = ""
    activity_types: str = ""
    accounts_without_balance: str = ""
    books_lock_years: str = ""
    service: str = Field("incentives-gateway", alias="POWERTOOLS_SERVICE_NAME")
    metrics_namespace: str = Field("IncentivesGateway", alias="POWERTOOLS_METRICS_NAMESPACE")

    @property
    def pace(self) -> Pace:
        """The pace of every account."""
        return Pace(
            requests_per_second=self.pace_requests_per_second, burst=self.pace_burst, share_kept=self.pace_share_kept
        )

    @property
    def limits(self) -> Limits:
        """When the operators are told of an account's balance and spend."""
        return read_limits(self.alert_balance_below, self.alert_days_below, self.alert_spend_multiple)

    @property
    def zone(self) -> ZoneInfo:
        """The zone that the books are kept in. As what follows it raises RuntimeError with the variable's name."""
        from incentives.domain.reconciliation.days import read_zone  # noqa: PLC0415 - few functions need zones

        return _named("BOOKS_TIME_ZONE", read_zone, self.books_time_zone)

    @property
    def first_booking_day(self) -> date | None:
        """None: of each account the day on which its first balance was kept."""
        return _named("BOOKS_BEGIN", _read_day, self.books_begin) if self.books_begin else None

    @property
    def effects(self) -> ActivityTypes:
        """What Amazon's rows mean."""
        from incentives.domain.reconciliation.rows import read_activity_types  # noqa: PLC0415 - likewise rows

        return _named("ACTIVITY_TYPES", read_activity_types, self.activity_types)

    @property
    def without_balance(self) -> frozenset[str]:
        """Accounts whose balance says nothing."""
        text = self.accounts_without_balance
        return _named("ACCOUNTS_WITHOUT_BALANCE", _read_accounts, text) if text else frozenset()

    @property
    def lock_years(self) -> int | None:
        """For how long nobody can delete a file of the books; None: files are not locked."""
        return _named("BOOKS_LOCK_YEARS", _read_years, self.books_lock_years) if self.books_lock_years else None

    @property
    def approvals(self) -> Mapping[str, Decimal]:
        """Above which sum a bulk order is approved by a second person: by account; "" is every other."""
        return read_limits(self.approval_above, "", "").balance

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        for names, read in (
            ("PACE_*", lambda: self.pace),
            ("ALERT_*", lambda: self.limits),
            ("APPROVAL_ABOVE", lambda: self.approvals),
        ):
            try:
                read()
            except ValueError as error:
                raise ValueError(f"{names}: {error}") from None
        return self


def _named(variable: str, read: Callable[[str], Read], text: str) -> Read:
    try:
        return read(text)
    except ValueError as error:
        raise RuntimeError(f"environment variables: {variable}: {error}") from None


def _read_day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError("must be a day as YYYY-MM-DD")
    return date.fromisoformat(text)


def _read_accounts(text: str) -> frozenset[str]:
    names = text.split(",")
    if not all(map(ACCOUNT_NAME.fullmatch, names)):
        raise ValueError("must be names of accounts with commas between them and no spaces")
    return frozenset(names)


def _read_years(text: str) -> int:
    if text not in map(str, range(1, LOCK_YEARS_MAX + 1)):
        raise ValueError(f"must be a number from 1 to {LOCK_YEARS_MAX}")
    return int(text)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment variables.

    Raises:
        RuntimeError: names each variable that is missing or wrong.
    """
    try:
        return Settings.model_validate(dict(environment))
    except ValidationError as error:
        wrong = (": ".join(map(str, (*each["loc"], each["msg"]))) for each in error.errors(include_input=False))
        raise RuntimeError(f"environment variables: {'; '.join(wrong)}") from None
