"""Bodies and responses about accounts. Card states and activity are in Amazon's words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from incentives.api.models.base import AccountName, Body, Count, Currency, MaskedCard, ResponseBody, SignedAmount, Time
from incentives.domain.accounts.standing import AccountState
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX
from incentives.domain.texts import TEXT_PATTERN


class Money(ResponseBody):
    """An amount that Amazon tells, and its currency."""

    amount: SignedAmount = Field(
        validation_alias="amount_text",
        description="Decimal string with all decimals of the currency; with a minus sign if below zero.",
        examples=["25.00"],
    )
    currency_code: Currency = Field(validation_alias="currency")


class Funds(ResponseBody):
    """What an account has left to spend at Amazon."""

    account: AccountName
    available_funds: Money = Field(
        validation_alias="available",
        description="Zero, or even less, at times. Amazon's own sandbox always says zero.",
        examples=[{"amount": "1250.00", "currencyCode": "USD"}],
    )
    as_of: Time = Field(
        description="Amazon's time of the balance, RFC 3339, UTC. It is asked for once a minute at most; while Amazon "
        "does not respond, a balance of up to an hour ago is told.",
        examples=["2026-03-01T12:00:00Z"],
    )
    average_daily_spend: Money | None = Field(
        description="Over the last 14 whole days (UTC), or as many as the account is known; null on its first day.",
        examples=[{"amount": "62.50", "currencyCode": "USD"}],
    )
    days_remaining: Annotated[str, Field(json_schema_extra={"pattern": r"^\d+\.\d$"})] | None = Field(
        description="How long the balance lasts at that, to one decimal; null if nothing was spent.", examples=["20.0"]
    )


class CardState(ResponseBody):
    """A physical card's state at Amazon."""

    account: AccountName
    card_number: MaskedCard = Field(examples=["*" * 15 + "1234"])
    card_status: str = Field(
        validation_alias="status",
        description="`Activated`, `AwaitingActivation`, or another word of Amazon's.",
        examples=["Activated"],
    )
    value: Money | None = Field(
        description="Null where Amazon names none.", examples=[{"amount": "25.00", "currencyCode": "USD"}]
    )
    gc_expiration_date: Time | None = Field(
        validation_alias="expires_at",
        description="RFC 3339, UTC; null where the card does not expire or is not active.",
    )


class Activity(ResponseBody):
    """One line of Amazon's own activity."""

    request_id: str = Field(
        description="As Amazon has it: also of requests that were not made by this gateway.", examples=["Examp0001"]
    )
    activity_type: str | None = Field(
        validation_alias="type", description="Amazon's word, such as `GCCreation`.", examples=["GCCreation"]
    )
    activity_status: str | None = Field(
        validation_alias="status", description="Amazon's word, such as `Success`.", examples=["Success"]
    )
    activity_time: Time | None = Field(validation_alias="time", examples=["2026-03-01T12:00:00Z"])
    value: Money | None = Field(
        description="Null for what has none, such as a cancellation.",
        examples=[{"amount": "25.00", "currencyCode": "USD"}],
    )
    gc_id: str | None = Field(description="Amazon's id of the card.", examples=["0000000000000000"])
    failure_code: str | None = Field(validation_alias="failure", description="Amazon's errorType.")
    is_real_op: bool = Field(
        validation_alias="is_real", description="False for repeats and failures, which moved no money.", examples=[True]
    )


class ActivityPage(ResponseBody):
    """A page of what an account did, at most a thousand lines."""

    account: AccountName
    page: Count = Field(description="As asked for.", examples=[0])
    total: Count | None = Field(
        description="Lines in the whole time frame; null where Amazon does not say.", examples=[1]
    )
    rows_left_out: Count = Field(
        description="Lines of this page that could not be read: without request id, time, amount or a known status.",
        examples=[0],
    )
    activities: list[Activity] = Field(description="In Amazon's order.")


class FreezeAccountBody(Body):
    """Body of `POST /accounts/{account}/freeze`."""

    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=NOTE_LENGTH_MAX,
            json_schema_extra={"pattern": TEXT_PATTERN},
            description="Why, for people. What looks like a claim code or a card's number is refused: name a card by "
            "its request id.",
            examples=["The access key was found in a public repository"],
        ),
    ]


class FrozenBy(ResponseBody):
    """Who froze an account, and why."""

    by: str | None = Field(
        description="Whose signature the call had, as role and session or as user.",
        examples=["assumed-role/Operators/anna@example.com"],
    )
    reason: str | None = Field(
        description="As whoever froze it gave it.", examples=["The access key was found in a public repository"]
    )
    since: Time = Field(description="RFC 3339, UTC.", examples=["2026-03-01T12:00:00Z"])


class AccountFreeze(ResponseBody):
    """Whether an account is frozen."""

    account: AccountName
    frozen: FrozenBy | None = Field(description="Null: it is not.")


class Balance(Money):
    """A balance that Amazon told."""

    as_of: Time = Field(description="Amazon's time of it, RFC 3339, UTC.", examples=["2026-03-01T12:00:00Z"])


class AccountStanding(ResponseBody):
    """One account, as far as it is known without asking Amazon."""

    account: AccountName
    state: AccountState = Field(
        description="FROZEN: nothing new is sent for it. UNUSABLE: its keys cannot be read.", examples=["FROZEN"]
    )
    frozen: FrozenBy | None = Field(description="Null: it is not.")
    key_created_at: Time | None = Field(
        description="When the access key was made, as whoever put it said; null where nobody did.",
        examples=["2026-02-01T00:00:00Z"],
    )
    key_age_days: Count | None = Field(description="Whole days; null likewise.", examples=[28])
    balance: Balance | None = Field(
        description="As Amazon last told it, a quarter of an hour ago at most while it responds; null: never.",
        examples=[{"amount": "1250.00", "currencyCode": "USD", "asOf": "2026-03-01T12:00:00Z"}],
    )


class AccountList(ResponseBody):
    """A page of accounts, by name."""

    accounts: list[AccountStanding] = Field(description="By name, 50 at the most.")
    cursor: str | None = Field(description="Of the next page; null at the end.", examples=["uk"])
