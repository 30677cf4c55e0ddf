"""Responses about accounts: a balance, a card's state, activity. All but a balance are in Amazon's words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from incentives.api.models.base import AccountName, Count, Currency, MaskedCard, ResponseBody, SignedAmount, Time


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
