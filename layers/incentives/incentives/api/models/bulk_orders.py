"""Bodies and responses of bulk orders."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from incentives.api.models.base import (
    AccountName,
    Amount,
    Body,
    Count,
    Currency,
    GivenAccount,
    GivenBudget,
    GivenCurrency,
    GivenSum,
    OnUnknown,
    ResponseBody,
    Time,
)
from incentives.domain.budgets.budget import BUDGET_NAME
from incentives.domain.bulk_orders.bulk_order import ORDER_ID_LENGTH, Decision, FileFormat, OrderStatus
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX
from incentives.domain.single_requests.record import Intent

#: Base32 of a hash.
ORDER_ID_PATTERN: Final = f"^[A-Z2-7]{{{ORDER_ID_LENGTH}}}$"
BudgetName = Annotated[str, Field(json_schema_extra={"pattern": f"^{BUDGET_NAME.pattern}$"})]
OrderId = Annotated[str, Field(json_schema_extra={"pattern": ORDER_ID_PATTERN})]
DIGEST_PATTERN: Final = "^[0-9a-f]{64}$"
#: Of the examples.
DIGEST: Final = "3f1c" * 16
_CALLER: Final = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Issuer_0123456789abcdef/anna"
ORDER_ID: Final = "EXAMPLE4ORDER4ID4EXAMPLE44"
_UPLOAD_URL: Final = f"https://example-bucket.s3.us-east-1.amazonaws.com/orders/{ORDER_ID}/upload?X-Amz-Signature=..."

# ---- bodies --------------------------------------------------------------------------------------


class CreateOrderBody(Body):
    """Body of `POST /orders`."""

    account: GivenAccount | None = None
    format: Literal["csv", "jsonl"] = Field(description="Of the file: CSV with a header, or JSON Lines.")
    on_unknown: OnUnknown = "retry"
    budget: GivenBudget | None = None
    allow_same_rows: bool = Field(
        default=False, description="Issue the file even if another order of the account has the same rows, on purpose."
    )


class SeenTotalBody(Body):
    """The sum of an order, as whoever approves or starts it has seen it."""

    amount: GivenSum = Field(
        description="Decimal string or JSON number, as `total` of the order says it.", examples=["250000.00"]
    )
    currency_code: GivenCurrency


class StartOrderBody(Body):
    """Body of `POST /orders/{orderId}/start`."""

    dry_run: bool = Field(
        default=False,
        description="Only check the file; nothing is issued. The order can be started afterwards.",
        examples=[True],
    )
    total: SeenTotalBody | None = Field(
        default=None,
        description="`total` of the order that was seen, checked before. If its file asks for another sum by then, "
        "nothing is issued: the order is VALIDATED, and `whyNotStarted` says so.",
    )


class ApproveOrderBody(Body):
    """Body of `POST /orders/{orderId}/approve`: what is approved, as the order shows it."""

    digest: str = Field(
        pattern=DIGEST_PATTERN,
        description="`approvalDigest` of the order: account, budget and rows.",
        examples=[DIGEST],
    )
    total: SeenTotalBody = Field(description="`total` of the order.")


class RejectOrderBody(Body):
    """Body of `POST /orders/{orderId}/reject`."""

    reason: str = Field(
        min_length=1,
        max_length=NOTE_LENGTH_MAX,
        description="For whoever made the order. Nothing in it may look like a claim code or a card's number.",
        examples=["The amounts of March are in it once more."],
    )


# ---- responses -----------------------------------------------------------------------------------


class Total(ResponseBody):
    """A sum of amounts in one currency."""

    amount: Amount = Field(validation_alias="amount_text")
    currency_code: Currency = Field(validation_alias="currency")


class OrderCounts(ResponseBody):
    """How many cards of an order stand how. Each row of the file is counted once."""

    issued: Count = Field(description="Live cards.", examples=[3540])
    refused: Count = Field(
        description="Not charged, for good: Amazon refused them, or the order was stopped and Amazon had never looked "
        "at them; the result says which.",
        examples=[2],
    )
    open: Count = Field(
        description="Asked for, their outcome not known yet; or, in a paused order, to be asked for again.",
        examples=[8],
    )
    waiting: Count = Field(description="Not asked for yet.", examples=[6450])
    reversed: Count = Field(
        description="Amazon's response stayed unknown, and it was made sure that nothing is charged.", examples=[0]
    )
    escalated: Count = Field(description="Could not be found out in 24 hours; people are on it.", examples=[0])
    not_issued: Count = Field(description="Not asked for, and never will be: the order was stopped.", examples=[0])


class LeftOut(ResponseBody):
    """What was in an order's file and is nothing."""

    blank_rows: Count = Field(description="Rows with nothing in them, or with separators only.", examples=[3])
    empty_columns: Count = Field(description="Columns without a name, with nothing in them.", examples=[1])


class RowError(ResponseBody):
    """What is wrong with one line of an order's file."""

    line: int = Field(
        json_schema_extra={"minimum": 1},
        description="Of the file, from 1, on which the row begins; 1 also for what is wrong with the file as a whole.",
    )
    field: str | None = Field(description="The column or field that is to blame; null for the whole line.")
    problem: str = Field(description="What is wrong with it, in words that follow the field's name, or `line 3`.")


class Upload(ResponseBody):
    """Where the file goes."""

    url: str = Field(
        repr=False,
        description="Send the file there as the body, within the time, without signing it otherwise. Whoever has it "
        "can put the file: treat it as a secret.",
        examples=[_UPLOAD_URL],
    )
    method: Literal["PUT"] = Field(description="Always PUT.")
    headers: dict[str, str] = Field(
        description="To be sent with it, as they are.", examples=[{"Content-Type": "text/csv"}]
    )
    expires_at: Time = Field(
        description="RFC 3339, UTC. The same call with the same key gets a fresh one.",
        examples=["2026-03-01T13:00:00Z"],
    )


class OrderResult(ResponseBody):
    """Where the result is: a CSV file with a line for each row, without claim codes."""

    url: str = Field(repr=False, description="To be read within the time, without signing. Treat it as a secret.")
    expires_at: Time = Field(description="RFC 3339, UTC. Reading the order again gives a fresh one.")


class OrderSummary(ResponseBody):
    """A bulk order, in a list: how it stands, without its cards."""

    order_id: OrderId = Field(description="What the gateway knows the order by.", examples=[ORDER_ID])
    status: OrderStatus = Field(
        description="AWAITING_FILE, VALIDATING, then INVALID, or VALIDATED after a dry run, or AWAITING_APPROVAL where "
        "its sum needs a second person, or ISSUING; PAUSED in between; STOPPING after a stop; SETTLING while the last "
        "outcomes are found out; FINISHED. An order that is rejected, approved by nobody in time, or that its budget "
        "does not allow, is VALIDATED again.",
        examples=["ISSUING"],
    )
    dry_run: bool = Field(description="Whether it was last started only to check its file.", examples=[False])
    stopped: bool = Field(description="Whether somebody stopped it.", examples=[False])
    pause_reason: str | None = Field(
        validation_alias="why_paused",
        description="What must be mended before it is resumed, where the gateway paused it by itself; null otherwise.",
    )
    why_not_started: str | None = Field(
        description="Why it is VALIDATED although it was started, or approved: its budget, or nobody's approval in "
        "time; null otherwise."
    )
    account: AccountName
    budget: BudgetName | None = Field(description="The budget that its sum is taken from; null: none.")
    format: FileFormat = Field(description="Of the file.", examples=["csv"])
    on_unknown: Intent = Field(
        description="What to do with a card if Amazon does not say what became of it.", examples=["retry"]
    )
    allow_same_rows: bool = Field(
        description="Whether it is issued even if another order of the account has the same rows.", examples=[False]
    )
    created_by: str | None = Field(
        validation_alias="caller", description="Who made it, as AWS knows them.", examples=[_CALLER]
    )
    created_at: Time = Field(examples=["2026-03-01T12:00:00Z"])
    started_by: str | None = Field(description="Who started it last; null until then.", examples=[_CALLER])
    updated_at: Time = Field(examples=["2026-03-01T12:10:00Z"])
    finished_at: Time | None = Field(description="RFC 3339, UTC; null until then.")
    rows: Annotated[int, Field(json_schema_extra={"minimum": 1})] | None = Field(
        description="Cards that the file asks for; null until it was found valid.", examples=[10_000]
    )
    total: Total | None = Field(description="Sum of the file's amounts; null until it was found valid.")
    approval_digest: Annotated[str, Field(json_schema_extra={"pattern": DIGEST_PATTERN})] | None = Field(
        description="What is approved: account, budget and rows; null where nobody has to.", examples=[DIGEST]
    )
    approval_until: Time | None = Field(description="Until when it can be approved. RFC 3339, UTC; null likewise.")
    decision: Decision | None = Field(description="Of a second person, since it was last started; null without one.")
    decided_by: str | None = Field(description="Who decided; null likewise.")
    decided_at: Time | None = Field(description="RFC 3339, UTC; null likewise.")
    rejected_because: str | None = Field(description="In the words of whoever rejected it; null otherwise.")


class Order(OrderSummary):
    """A bulk order: many gift cards, from one file."""

    totals: list[Total] = Field(
        description="Sums of the file's amounts by currency; empty until it was found valid.",
        examples=[[{"amount": "250000.00", "currencyCode": "USD"}]],
    )
    left_out: LeftOut = Field(description="Of the file, when it was read.")
    issued_totals: list[Total] = Field(
        description="Sums of the live cards' amounts by currency.",
        examples=[[{"amount": "88500.00", "currencyCode": "USD"}]],
    )
    counts: OrderCounts = Field(description="How the cards stand; as of a few seconds ago while cards are issued.")
    requests_per_second: Annotated[float, Field(json_schema_extra={"minimum": 0})] | None = Field(
        description="How many cards have been asked for each second since issuing last began; null before.",
        examples=[5.9],
    )
    estimated_end_at: Time | None = Field(
        description="RFC 3339, UTC: when the last card will have been asked for, at this pace; null while unknown.",
        examples=["2026-03-01T12:28:13Z"],
    )
    errors: list[RowError] = Field(
        json_schema_extra={"maxItems": 100},
        description="Of a file that is INVALID, the first hundred things that are wrong with it.",
        examples=[[]],
    )
    error_count: Count = Field(description="How many are wrong in all.", examples=[0])
    same_rows_as: OrderId | None = Field(
        description="The order of the last 90 days that has the same rows, of one that is INVALID for it; null "
        "otherwise."
    )
    result: OrderResult | None = Field(
        description="Of an order that is FINISHED; null otherwise, and where nothing was ever to be issued."
    )


class OrderPage(ResponseBody):
    """Bulk orders, newest first."""

    orders: list[OrderSummary] = Field(description="May be few, even none, while there is a cursor.")
    cursor: str | None = Field(description="Send it with the same parameters to get the next page; null at the end.")


class NewOrder(Order):
    """A bulk order, and where its file goes."""

    upload: Upload | None = Field(
        description="Null once the file may no longer be put.",
        examples=[
            {
                "url": _UPLOAD_URL,
                "method": "PUT",
                "headers": {"Content-Type": "text/csv"},
                "expiresAt": "2026-03-01T13:00:00Z",
            }
        ],
    )
