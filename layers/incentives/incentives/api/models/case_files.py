"""A case file as its readers see it. It is written by the rules of recovery, and told as it was written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from incentives.api.models.base import Amount, Count, Currency, RequestId, ResponseBody, Time
from incentives.api.models.single_requests import REQUEST_ID
from incentives.domain.operations import Operation
from incentives.domain.outcomes import ConflictKind
from incentives.domain.single_requests.record import Cause, Intent, Status


class LastRequest(ResponseBody):
    """What was sent to Amazon last."""

    method: Literal["POST"] = Field(description="Always POST.")
    url: str = Field(description="In full.", examples=["https://agcod-v2-gamma.amazon.com/CreateGiftCard"])
    date: Annotated[str, Field(json_schema_extra={"pattern": r"^[0-9]{8}T[0-9]{6}Z$"})] = Field(
        serialization_alias="x-amz-date", description="The signature's date.", examples=["20260302T120000Z"]
    )
    body: str | None = Field(
        description="With a card number or customer account masked; null if it cannot be made again.",
        examples=['{"creationRequestId":"...","partnerId":"Examp","value":{"currencyCode":"USD","amount":25.00}}'],
    )
    string_to_sign: str = Field(
        description="Of Amazon's signature scheme; a hash of the request, no secret.", examples=["AWS4-HMAC-SHA256 ..."]
    )
    signature: str = Field(
        description="Withheld for as long as it could be used.", examples=["withheld while it could still be used"]
    )


class LastAnswer(ResponseBody):
    """What Amazon responded to it."""

    http_status: int | None = Field(description="Null if no response came.")
    amazon_request_id: str | None = Field(
        serialization_alias="x-amzn-RequestId", description="Amazon's own id of the call."
    )
    members: dict[str, str] = Field(description="Of the response, those that are known to be harmless.", examples=[{}])
    fault: str | None = Field(
        description="What happened if no response came, such as `ReadTimeout`.", examples=["ReadTimeout"]
    )


class CaseFile(ResponseBody):
    """What Amazon's support asks for to settle a request that could not be found out."""

    partner_id: str = Field(description="Amazon's id of the account.", examples=["Examp"])
    request_id: RequestId = Field(description="What Amazon knows the request by.", examples=[REQUEST_ID])
    operation: Operation = Field(description="Amazon's name of what was asked for.")
    reversal: str = Field(description="Amazon's name of what undoes it.", examples=["CancelGiftCard"])
    amount: Amount
    currency_code: Currency
    gc_id: str | None = Field(description="Amazon's id of the card, if it was seen.")
    card_number: str | None = Field(
        description="The card number or customer account, masked but for its last four characters."
    )
    status: Status = Field(description="Of the request.", examples=["ESCALATED"])
    intent: Intent = Field(description="What was to become of it if unknown.")
    cause: Cause | None = Field(description="Why it was being reversed.")
    conflict: ConflictKind | None = Field(description="What was wrong with a success.")
    generation: Count = Field(description="How many requests of its order came before it.", examples=[0])
    replaces: RequestId | None = Field(description="The last of them.")
    attempts: Count = Field(description="How often it was sent.", examples=[130])
    reversal_attempts: Count = Field(description="How often its reversal was sent.", examples=[0])
    first_sent_at: Time | None = Field(examples=["2026-03-01T12:00:00Z"])
    last_sent_at: Time | None = Field(examples=["2026-03-02T12:00:00Z"])
    last_reversal_sent_at: Time | None
    written_at: Time = Field(examples=["2026-03-02T12:16:00Z"])
    time_zone: Literal["UTC"] = Field(description="Of all times.")
    programming_language: str = Field(description="Of the gateway.", examples=["Python"])
    recent_changes: str = Field(
        description="The gateway's version.", examples=["none known to this program; it is version 1.0.0"]
    )
    history: list[str] = Field(
        description="The attempts that did not end it, oldest first, a line each.",
        examples=[["2026-03-01T12:00:06Z CreateGiftCard Unknown timedOut"]],
    )
    last_request: LastRequest | SkipJsonSchema[None] = Field(None, description="Absent if Amazon never responded.")
    last_answer: LastAnswer | SkipJsonSchema[None] = Field(None, description="Absent if Amazon never responded.")
