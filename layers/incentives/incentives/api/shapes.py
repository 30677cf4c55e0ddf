"""The shapes of the HTTP API's responses, for its documentation and its tests. No function imports this at run time.

What is written is made in `requests`, `queries`, `search` and `problems`; tests hold their responses against these
shapes, member by member. Every member is always there, null where it does not apply, unless its text says otherwise.
"""

# ruff: noqa: N815 - members are named as callers read them

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.operations import Operation
from incentives.domain.outcomes import ConflictKind
from incentives.domain.single_requests.record import Cause, Intent, Status

Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$")]
#: Amazon's own books have corrections, and a balance may be below zero.
SignedAmount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,40}$")]
MaskedCard = Annotated[str, Field(pattern=r"^\*{15}[0-9]{4}$")]
#: In whole seconds.
Time = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        }
    ),
]


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True)


class Money(_Response):
    """An amount that Amazon tells, and its currency.

    Attributes:
        amount: decimal string with all decimals of the currency; with a minus sign if below zero.
        currencyCode: ISO 4217.
    """

    amount: SignedAmount
    currencyCode: CurrencyCode


class _Request(_Response):
    """What every request has.

    Attributes:
        requestId: what the gateway and Amazon know the request by.
        status: PENDING, RECOVERING and REVERSING are open: ask again. SUCCEEDED, REFUSED and REVERSED are how a request
            ends. ESCALATED could not be found out in 24 hours; people are on it.
        account: name of the partner account.
        amount: decimal string with all decimals of the currency.
        currencyCode: ISO 4217.
        externalReference: the caller's own reference.
        createdAt: RFC 3339, UTC.
        updatedAt: RFC 3339, UTC.
        dueAt: RFC 3339, UTC: about when it will be sent to Amazon, while it waits for its turn in the account's line;
            null otherwise.
        replaces: the request that was reversed and issued again as this one (`onUnknown: reissue`), or that ended
            without Amazon having looked at it and was ordered again.
        replacedBy: the request that this one was issued or ordered again as.
        errorCode: Amazon's F-code of the last error, if it gave one.
        errorType: the last error's name, Amazon's own or the gateway's.
    """

    requestId: RequestId
    status: Status
    account: str
    amount: Amount
    currencyCode: CurrencyCode
    externalReference: str | None
    createdAt: Time
    updatedAt: Time
    dueAt: Time | None
    replaces: RequestId | None
    replacedBy: RequestId | None
    errorCode: str | None
    errorType: str | None


class GiftCard(_Request):
    """A gift card that was asked for, without its claim code.

    Attributes:
        operation: Amazon's name of what was asked for.
        gcId: Amazon's id of the card; null until it is issued.
        gcExpirationDate: RFC 3339, UTC; null where the card does not expire, and until it is issued.
        cancellableUntil: RFC 3339, UTC: 15 minutes after it was first asked for; null while nothing was sent.
    """

    operation: Literal[Operation.CREATE_GIFT_CARD]
    gcId: str | None
    gcExpirationDate: Time | None
    cancellableUntil: Time | None


class GiftCardWithCode(GiftCard):
    """A live gift card with its claim code. Nothing keeps the code but Amazon: do not log it.

    Attributes:
        gcClaimCode: what the card's owner enters at Amazon.
    """

    gcClaimCode: str


class Activation(_Request):
    """A physical card that was to be activated.

    Attributes:
        operation: Amazon's name of what was asked for.
        cardNumber: masked but for its last four digits.
        gcExpirationDate: RFC 3339, UTC; null where the card does not expire, and until it is active.
    """

    operation: Literal[Operation.ACTIVATE_GIFT_CARD]
    cardNumber: MaskedCard
    gcExpirationDate: Time | None


class BalanceLoad(_Request):
    """An amount that was to be loaded onto a customer's balance.

    Attributes:
        operation: Amazon's name of what was asked for.
        customerAccountId: masked but for its last four characters.
    """

    operation: Literal[Operation.LOAD_AMAZON_BALANCE]
    customerAccountId: str


Request = Annotated[GiftCard | Activation | BalanceLoad, Field(discriminator="operation")]


class RequestNow(RootModel[Request]):
    """A request of any operation."""

    model_config = ConfigDict(frozen=True)


class RequestPage(_Response):
    """What a search found, newest first.

    Attributes:
        requests: may be few, even none, while there is a cursor.
        cursor: send it with the same search to get the next page; null at the end.
    """

    requests: list[Request]
    cursor: str | None


class Funds(_Response):
    """What an account has left to spend at Amazon.

    Attributes:
        account: name of the partner account.
        availableFunds: zero, or even less, at times. Amazon's own sandbox always says zero.
        asOf: Amazon's time of the balance, RFC 3339, UTC. It is asked for once a minute at most; while Amazon does not
            answer, a balance of up to an hour ago is told.
        averageDailySpend: over the last 14 whole days (UTC), or as many as the account is known; null on its first day.
        daysRemaining: how long the balance lasts at that, to one decimal; null if nothing was spent.
    """

    account: str
    availableFunds: Money
    asOf: Time
    averageDailySpend: Money | None
    daysRemaining: Annotated[str, Field(pattern=r"^\d+\.\d$")] | None


class CardState(_Response):
    """A physical card's state at Amazon.

    Attributes:
        account: name of the partner account.
        cardNumber: masked but for its last four digits.
        cardStatus: `Activated`, `AwaitingActivation`, or another word of Amazon's.
        value: null where Amazon names none.
        gcExpirationDate: RFC 3339, UTC; null where the card does not expire or is not active.
    """

    account: str
    cardNumber: MaskedCard
    cardStatus: str
    value: Money | None
    gcExpirationDate: Time | None


class Activity(_Response):
    """One line of Amazon's own activity.

    Attributes:
        requestId: as Amazon has it: also of requests that were not made by this gateway.
        activityType: Amazon's word, such as `GCCreation`.
        activityStatus: Amazon's word, such as `Success`.
        activityTime: RFC 3339, UTC.
        value: null for what has none, such as a cancellation.
        gcId: Amazon's id of the card.
        failureCode: Amazon's errorType.
        isRealOp: false for repeats and failures, which moved no money.
    """

    requestId: str
    activityType: str | None
    activityStatus: str | None
    activityTime: Time | None
    value: Money | None
    gcId: str | None
    failureCode: str | None
    isRealOp: bool


class ActivityPage(_Response):
    """A page of what an account did, at most a thousand lines.

    Attributes:
        account: name of the partner account.
        page: as asked for.
        total: lines in the whole time frame; null where Amazon does not say.
        rowsLeftOut: lines of this page that could not be read: without request id, time, amount or a known status.
        activities: in Amazon's order.
    """

    account: str
    page: int = Field(ge=0)
    total: int | None = Field(ge=0)
    rowsLeftOut: int = Field(ge=0)
    activities: list[Activity]


class FieldError(_Response):
    """One thing that is wrong with a request.

    Attributes:
        field: path of the member, or name of the parameter or header, that is to blame; `body` for all of it.
        message: what is wrong with it.
    """

    field: str
    message: str


class Problem(_Response):
    """What went wrong, as RFC 9457 has it.

    Attributes:
        type: a URN of the kind of problem, or `about:blank` for what API Gateway itself answers.
        title: the kind of problem in words.
        status: the HTTP status again.
        detail: what happened, and what to do about it.
        requestId: the request, or the bulk order, that it is about; of what API Gateway itself answers, the id of the
            HTTP call.
        errorCode: Amazon's F-code, if Amazon gave one.
        errorType: Amazon's errorType, or the gateway's own name of the problem.
        retryable: whether the same request with the same Idempotency-Key can still succeed.
        errors: which members are to blame; absent where none is.
        requestStatus: the request's status, where that is the problem; absent otherwise.
        orderStatus: the bulk order's status, where that is the problem; absent otherwise.
    """

    type: str
    title: str
    status: int
    detail: str
    requestId: str | None
    errorCode: str | None
    errorType: str
    retryable: bool
    errors: list[FieldError] | SkipJsonSchema[None] = None
    requestStatus: Status | SkipJsonSchema[None] = None
    orderStatus: OrderStatus | SkipJsonSchema[None] = None


class LastRequest(_Response):
    """What was sent to Amazon last.

    Attributes:
        method: always POST.
        url: in full.
        date: the signature's date.
        body: with a card number or customer account masked; null if it cannot be made again.
        stringToSign: of Amazon's signature scheme; a hash of the request, no secret.
        signature: withheld for as long as it could be used.
    """

    method: Literal["POST"]
    url: str
    date: Annotated[str, Field(alias="x-amz-date", pattern=r"^[0-9]{8}T[0-9]{6}Z$")]
    body: str | None
    stringToSign: str
    signature: str


class LastAnswer(_Response):
    """What Amazon answered to it.

    Attributes:
        httpStatus: null if no response came.
        amazonRequestId: Amazon's own id of the call.
        members: of the response, those that are known to be harmless.
        fault: what happened if no response came, such as `ReadTimeout`.
    """

    httpStatus: int | None
    amazonRequestId: Annotated[str | None, Field(alias="x-amzn-RequestId")]
    members: dict[str, str]
    fault: str | None


class CaseFile(_Response):
    """What Amazon's support asks for to settle a request that could not be found out.

    Attributes:
        partnerId: Amazon's id of the account.
        requestId: what Amazon knows the request by.
        operation: Amazon's name of what was asked for.
        reversal: Amazon's name of what undoes it.
        amount: decimal string with all decimals of the currency.
        currencyCode: ISO 4217.
        gcId: Amazon's id of the card, if it was seen.
        cardNumber: the card number or customer account, masked but for its last four characters.
        status: of the request.
        intent: what was to become of it if unknown.
        cause: why it was being reversed.
        conflict: what was wrong with a success.
        generation: how many requests of its order came before it.
        replaces: the last of them.
        attempts: how often it was sent.
        reversalAttempts: how often its reversal was sent.
        firstSentAt: RFC 3339, UTC.
        lastSentAt: RFC 3339, UTC.
        lastReversalSentAt: RFC 3339, UTC.
        writtenAt: RFC 3339, UTC.
        timeZone: of all times.
        programmingLanguage: of the gateway.
        recentChanges: the gateway's version.
        history: the attempts that did not end it, oldest first, a line each.
        lastRequest: absent if nothing was ever answered for.
        lastAnswer: absent if nothing was ever answered for.
    """

    partnerId: str
    requestId: RequestId
    operation: Operation
    reversal: str
    amount: Amount
    currencyCode: CurrencyCode
    gcId: str | None
    cardNumber: str | None
    status: Status
    intent: Intent
    cause: Cause | None
    conflict: ConflictKind | None
    generation: int = Field(ge=0)
    replaces: RequestId | None
    attempts: int = Field(ge=0)
    reversalAttempts: int = Field(ge=0)
    firstSentAt: Time | None
    lastSentAt: Time | None
    lastReversalSentAt: Time | None
    writtenAt: Time
    timeZone: Literal["UTC"]
    programmingLanguage: str
    recentChanges: str
    history: list[str]
    lastRequest: LastRequest | SkipJsonSchema[None] = None
    lastAnswer: LastAnswer | SkipJsonSchema[None] = None
