"""The shapes of responses about bulk orders, which `bulk` makes: like those of `shapes`, imported by no function."""

# ruff: noqa: N815 - members are named as callers read them

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from incentives.api.bulk import ORDER_ID
from incentives.api.shapes import Amount, CurrencyCode, Time
from incentives.domain.bulk_orders.bulk_order import FileFormat, OrderStatus
from incentives.domain.single_requests.record import Intent

OrderId = Annotated[str, Field(pattern=f"^{ORDER_ID.pattern}$")]


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True)


class Total(_Response):
    """A sum of amounts in one currency.

    Attributes:
        amount: decimal string with all decimals of the currency.
        currencyCode: ISO 4217.
    """

    amount: Amount
    currencyCode: CurrencyCode


class OrderCounts(_Response):
    """How many cards of an order stand how. Each row of the file is counted once.

    Attributes:
        issued: live cards.
        refused: not charged, for good: Amazon refused them, or the order was stopped and Amazon had never looked at
            them; the result says which.
        open: asked for, their outcome not known yet; or, in a paused order, to be asked for again.
        waiting: not asked for yet.
        reversed: Amazon's response stayed unknown, and it was made sure that nothing is charged.
        escalated: could not be found out in 24 hours; people are on it.
        notIssued: not asked for, and never will be: the order was stopped.
    """

    issued: int = Field(ge=0)
    refused: int = Field(ge=0)
    open: int = Field(ge=0)
    waiting: int = Field(ge=0)
    reversed: int = Field(ge=0)
    escalated: int = Field(ge=0)
    notIssued: int = Field(ge=0)


class LeftOut(_Response):
    """What was in an order's file and is nothing.

    Attributes:
        blankRows: rows with nothing in them, or with separators only.
        emptyColumns: columns without a name, with nothing in them.
    """

    blankRows: int = Field(ge=0)
    emptyColumns: int = Field(ge=0)


class RowError(_Response):
    """What is wrong with one line of an order's file.

    Attributes:
        line: of the file, from 1, on which the row begins; 1 also for what is wrong with the file as a whole.
        field: the column or member that is to blame; null for the whole line.
        problem: what is wrong with it, in words that follow the field's name, or `line 3`.
    """

    line: int = Field(ge=1)
    field: str | None
    problem: str


class Upload(_Response):
    """Where the file goes.

    Attributes:
        url: send the file there as the body, within the time, without signing it otherwise. Whoever has it can put the
            file: treat it as a secret.
        method: always PUT.
        headers: to be sent with it, as they are.
        expiresAt: RFC 3339, UTC. The same call with the same key gets a fresh one.
    """

    url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    expiresAt: Time


class OrderResult(_Response):
    """Where the result is: a CSV file with a line for each row, without claim codes.

    Attributes:
        url: to be read within the time, without signing. Treat it as a secret.
        expiresAt: RFC 3339, UTC. Reading the order again gives a fresh one.
    """

    url: str
    expiresAt: Time


class Order(_Response):
    """A bulk order: many gift cards, from one file.

    Attributes:
        orderId: what the gateway knows the order by.
        status: AWAITING_FILE, VALIDATING, then INVALID, or VALIDATED after a dry run, or ISSUING; PAUSED in between;
            STOPPING after a stop; SETTLING while the last outcomes are found out; FINISHED.
        dryRun: whether it was last started only to check its file.
        stopped: whether somebody stopped it.
        pauseReason: what must be mended before it is resumed, where the gateway paused it by itself; null otherwise.
        account: name of the partner account.
        format: of the file.
        onUnknown: what to do with a card if Amazon does not say what became of it.
        allowSameRows: whether it is issued even if another order of the account has the same rows.
        createdAt: RFC 3339, UTC.
        updatedAt: RFC 3339, UTC.
        finishedAt: RFC 3339, UTC; null until then.
        rows: cards that the file asks for; null until it was found valid.
        totals: sums of the file's amounts by currency; empty until it was found valid.
        leftOut: of the file, when it was read.
        issuedTotals: sums of the live cards' amounts by currency.
        counts: how the cards stand; as of a few seconds ago while cards are issued.
        requestsPerSecond: how many cards have been asked for each second since issuing last began; null before.
        estimatedEndAt: RFC 3339, UTC: when the last card will have been asked for, at this pace; null while unknown.
        errors: of a file that is INVALID, the first hundred things that are wrong with it.
        errorCount: how many are wrong in all.
        sameRowsAs: the order of the last 90 days that has the same rows, of one that is INVALID for it; null otherwise.
        result: of an order that is FINISHED; null otherwise, and where nothing was ever to be issued.
    """

    orderId: OrderId
    status: OrderStatus
    dryRun: bool
    stopped: bool
    pauseReason: str | None
    account: str
    format: FileFormat
    onUnknown: Intent
    allowSameRows: bool
    createdAt: Time
    updatedAt: Time
    finishedAt: Time | None
    rows: int | None = Field(ge=1)
    totals: list[Total]
    leftOut: LeftOut
    issuedTotals: list[Total]
    counts: OrderCounts
    requestsPerSecond: float | None = Field(ge=0)
    estimatedEndAt: Time | None
    errors: list[RowError] = Field(max_length=100)
    errorCount: int = Field(ge=0)
    sameRowsAs: OrderId | None
    result: OrderResult | None


class NewOrder(Order):
    """A bulk order, and where its file goes.

    Attributes:
        upload: null once the file may no longer be put.
    """

    upload: Upload | None
