"""What a deployment sets: one environment variable each, of the field's name in capitals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from incentives.domain.accounts.alerts import Limits, read_limits
from incentives.domain.rate_limit import Pace

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
MaybeText = Annotated[str | None, BeforeValidator(lambda text: text or None)]


class Settings(BaseModel):
    """What a deployment sets.

    Attributes:
        incentives_endpoint: another Incentives API than Amazon's own; None for Amazon's.
        vault_key: KMS key that encrypts card numbers.
        backlog_queue: URL.
        recovery_state_machine, order_state_machine, operators_topic: ARNs.
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
    event_bus: Text
    operators_topic: Text
    support_address: MaybeText = None
    mail_sender: MaybeText = None
    alert_balance_below: str = ""
    alert_days_below: str = ""
    alert_spend_multiple: str = ""
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

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        for names, read in (("PACE_*", lambda: self.pace), ("ALERT_*", lambda: self.limits)):
            try:
                read()
            except ValueError as error:
                raise ValueError(f"{names}: {error}") from None
        return self


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
