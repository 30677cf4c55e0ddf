"""Bodies and responses of reconciliation."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from incentives.api.models.base import (
    AccountName,
    Amount,
    Body,
    Count,
    Currency,
    ResponseBody,
    SignedAmount,
    Text100,
    Time,
)
from incentives.domain.reconciliation.balance import PartType
from incentives.domain.reconciliation.day_state import DayStatus, Source
from incentives.domain.reconciliation.findings import Reason
from incentives.domain.reconciliation.movements import PARTS_MAX
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX
from incentives.domain.texts import TEXT_PATTERN

#: Hashes: of a finding's facts, of a movement's.
HASH_PATTERN: Final = "^[0-9a-f]{24}$"
STATEMENT_ID_PATTERN: Final = "^[0-9a-f]{32}$"
DAY_PATTERN: Final = "^2[0-9]{3}-[0-9]{2}-[0-9]{2}$"

#: Of the examples.
DIFFERENCE_ID: Final = "5f1d7a0c9be24c6b8f3a2e10"
MOVEMENT_ID: Final = "0b7c2d94e1f84a5396d8c7e2"
STATEMENT_ID: Final = "3c9e4b7a1d2f4e5896a0b1c2d3e4f506"
DAY: Final = "2026-03-01"

#: The words of `Kind`, but for those of what is as it should be; of `Reason`; of `PartType`.
ListedKind = Literal[
    "inTransit", "escalated", "unknownToLedger", "missingAtAmazon", "refundedUnexpectedly", "chargedUnexpectedly",
    "chargedTwice", "amountDiffers", "unreadableRow",
]  # fmt: skip
AnyReason = Literal[
    "explainedByAmazon", "otherSystem", "supportCase", "settledCharged", "settledRefunded", "writtenOff"
]  # fmt: skip
AnyPartType = Literal["deposit", "fee", "tax", "rebate", "correction", "refundByHand", "creditLimit"]

GivenDay = Annotated[str, Field(pattern=DAY_PATTERN, examples=[DAY])]
Note = Annotated[
    str,
    Field(
        min_length=1,
        max_length=NOTE_LENGTH_MAX,
        json_schema_extra={"pattern": TEXT_PATTERN},
        description="Why, for whoever audits the books. What looks like a claim code or a card's number is refused: "
        "name a card by its request id.",
        examples=["Ordered in Amazon's portal by the events team; PO 4711"],
    ),
]
GivenReason = Annotated[
    AnyReason,
    Field(
        description="settledCharged and settledRefunded say how an escalated request ended; the others are for "
        "differences.",
        examples=["otherSystem"],
    ),
]

# ---- bodies ------------------------------------------------------------------------------------------------------


class ResolveBody(Body):
    """Body of `POST /reconciliations/{account}/{day}/differences/{differenceId}/resolve`."""

    reason: GivenReason
    note: Note


class ResolveAllBody(Body):
    """Body of `POST /reconciliations/{account}/{day}/differences/resolve`."""

    kind: ListedKind = Field(description="All of this kind.", examples=["unknownToLedger"])
    reason: GivenReason
    note: Note


class StatementBody(Body):
    """Body of `POST /reconciliations/{account}/statements`."""

    first: GivenDay = Field(alias="from", description="First booking day that the statement has whole.")
    last: GivenDay = Field(alias="to", description="Last one; over, and at most 30 days after the first.")
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="Of the download that it is made from, which stays where it is.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )


class MovementPartBody(Body):
    """One thing that a movement is made of."""

    type: AnyPartType = Field(description="What it is.", examples=["deposit"])
    amount: str = Field(
        pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$",
        description="Decimal string; what it added to the balance, with a minus sign for what it took.",
        examples=["5000.00"],
    )
    date: GivenDay = Field(description="The day that it belongs to: across the end of a month this decides.")
    reference: Annotated[
        Text100,
        Field(description="Your own, such as the transfer's number; no claim code.", examples=["Wire 2026-0301"]),
    ]


class NameMovementBody(Body):
    """Body of `POST /reconciliations/{account}/movements`."""

    movement_id: str = Field(pattern=HASH_PATTERN, description="As the list names it.", examples=[MOVEMENT_ID])
    parts: list[MovementPartBody] = Field(
        min_length=1, max_length=PARTS_MAX, description="What it is made of; their sum is the movement's amount."
    )


# ---- responses ---------------------------------------------------------------------------------------------------


class RowsSum(ResponseBody):
    """So many rows, of so much."""

    count: Count = Field(description="How many.", examples=[412])
    amount: Amount = Field(description="Decimal string: their sum.", examples=["10300.00"])


class Reading(ResponseBody):
    """How far a round that is under way has read Amazon's rows."""

    windows: Count = Field(description="Pages that are to be read, one a minute at most.", examples=[3])
    read: Count = Field(description="Of them, those that are.", examples=[1])


class DayFields(ResponseBody):
    """What is told of a booking day wherever it is told."""

    account: AccountName
    day: str = Field(
        json_schema_extra={"format": "date"}, description="In the zone that the books are kept in.", examples=[DAY]
    )
    status: DayStatus = Field(
        description="PENDING: not read, or not judged, yet. OPEN: judged, rows may still come. BALANCED. DIFFERENCES: "
        "some are not resolved. INCOMPLETE: some of its rows cannot be read. NO_ACTIVITY_PAGE: Amazon shows none, and "
        "there is no statement.",
        examples=["DIFFERENCES"],
    )
    source: Source | None = Field(description="Where its rows are from; null until they are read.", examples=["page"])
    round: Count = Field(description="How often it has been worked on.", examples=[2])
    charges: RowsSum | None = Field(
        description="Amazon's rows of the day; null until it is judged.",
        examples=[{"count": 412, "amount": "10300.00"}],
    )
    refunds: RowsSum | None = Field(
        description="Likewise of what came back.", examples=[{"count": 3, "amount": "75.00"}]
    )
    currency_code: Currency | None = Field(description="ISO 4217, of the account.", examples=["USD"])
    open_items: Count = Field(description="Requests whose end, or whose rows, are still to come.", examples=[2])
    unresolved: Count = Field(description="Differences found on this day that nobody has resolved.", examples=[1])
    judged_at: Time | None = Field(description="RFC 3339, UTC.", examples=["2026-03-02T00:31:10Z"])
    incomplete: str | None = Field(description="Why some of its rows cannot be read; null: all are.")
    under_way: bool = Field(description="Whether a round is being worked on.", examples=[False])
    reading: Reading | None = Field(description="Of the round under way; null while it reads no pages.")


class ReconciledDay(DayFields):
    """A booking day of an account: what Amazon charged beside what the ledger holds."""

    differences: Count = Field(description="How many were found on this day, resolved ones included.", examples=[1])


class DayList(ResponseBody):
    """Days of an account, oldest first. A day that nobody has begun to read is not there."""

    days: list[ReconciledDay] = Field(description="May be few, even none, while there is a cursor.")
    cursor: str | None = Field(description="Send it with the same dates to get the next page; null at the end.")


class LedgerSide(ResponseBody):
    """The request as the ledger holds it."""

    status: str = Field(description="As requests have it.", examples=["SUCCEEDED"])
    amount: Amount
    currency_code: Currency


class Net(ResponseBody):
    """Charges less refunds in one currency."""

    amount: SignedAmount = Field(description="Decimal string.", examples=["50.00"])
    currency_code: Currency


class AmazonSide(ResponseBody):
    """The request as Amazon's rows show it."""

    charges: Count = Field(description="Rows that charged.", examples=[1])
    refunds: Count = Field(description="Rows that gave back.", examples=[0])
    nets: list[Net] = Field(
        description="Charges less refunds, by currency.", examples=[[{"amount": "50.00", "currencyCode": "USD"}]]
    )
    unreadable: str | None = Field(description="Of a row that cannot be read, why.")


class ResolutionTold(ResponseBody):
    """What a person decided of a difference. Corrections are added; this is the newest."""

    reason: Reason = Field(description="Why it needs nobody's attention any more.", examples=["otherSystem"])
    note: str = Field(description="In that person's words.")
    by: str = Field(description="ARN of who signed the call.", examples=["arn:aws:iam::123456789012:user/finance"])
    at: Time = Field(description="RFC 3339, UTC.", examples=["2026-03-02T09:00:00Z"])
    corrections: Count = Field(description="How many were decided before it.", examples=[0])


class Difference(ResponseBody):
    """A difference between Amazon and the ledger, or an item that is still open."""

    difference_id: str = Field(
        json_schema_extra={"pattern": HASH_PATTERN},
        description="Of its facts: when these change, it is another one, which nobody has resolved.",
        examples=[DIFFERENCE_ID],
    )
    kind: ListedKind = Field(
        description="inTransit and escalated are open items, all others differences.", examples=["unknownToLedger"]
    )
    request_id: str | None = Field(description="Null for a row that names none.", examples=["Corp1ORDER0017"])
    ledger: LedgerSide | None = Field(description="Null where the ledger has no such request.")
    amazon: AmazonSide = Field(description="All of Amazon's rows of the request that have been read.")
    amount: Amount = Field(
        description="Decimal string: what is at stake; of an open item the amount at risk, zero if it was never sent.",
        examples=["50.00"],
    )
    currency_code: Currency
    found_at: Time = Field(description="RFC 3339, UTC.", examples=["2026-03-02T00:31:10Z"])
    found_on: str = Field(
        json_schema_extra={"format": "date"}, description="The booking day that it was found on.", examples=[DAY]
    )
    resolution: ResolutionTold | None = Field(description="Null while nobody has decided anything.")


class ReconciledDayDetail(DayFields):
    """A booking day with its differences and open items, by kind and request."""

    differences: list[Difference] = Field(description="A hundred at a time.")
    cursor: str | None = Field(description="Send it with the same kind to get the next page; null at the end.")


class Resolved(ResponseBody):
    """How many were resolved."""

    resolved: Count = Field(description="By this call, or by one that it repeats.", examples=[1])
    left: Count = Field(description="That there was no time for: call again to go on.", examples=[0])
    day: ReconciledDay = Field(description="As it now stands.")


class StatementUpload(ResponseBody):
    """Where a statement goes."""

    url: str = Field(
        repr=False,
        description="Send the file there as the body, within the time, without signing it otherwise. Treat it as a "
        "secret.",
        examples=["https://example-bucket.s3.us-east-1.amazonaws.com/statements/...?X-Amz-Signature=..."],
    )
    method: Literal["PUT"] = Field(description="Always PUT.")
    headers: dict[str, str] = Field(
        description="To be sent with it, as they are.", examples=[{"Content-Type": "text/csv"}]
    )
    expires_at: Time = Field(description="RFC 3339, UTC.", examples=["2026-03-01T13:00:00Z"])


class OpenedStatement(ResponseBody):
    """A statement that waits for its file."""

    statement_id: str = Field(
        json_schema_extra={"pattern": STATEMENT_ID_PATTERN}, description="Of this one.", examples=[STATEMENT_ID]
    )
    upload: StatementUpload = Field(
        description="CSV with the columns requestId, activityTime, type, status, amount, currencyCode, and gcId if it "
        "is known. Any other column is refused, and the file deleted."
    )


class StatementDays(ResponseBody):
    """The days of a statement that was read. Each is judged in a round of its own."""

    days: list[ReconciledDay] = Field(description="Oldest first.")


class MovementPart(ResponseBody):
    """One thing that a movement is made of."""

    type: PartType = Field(description="What it is.", examples=["deposit"])
    amount: SignedAmount = Field(description="Decimal string; what it added to the balance.", examples=["5000.00"])
    date: str = Field(json_schema_extra={"format": "date"}, description="The day it belongs to.", examples=[DAY])
    reference: str = Field(description="Finance's own.", examples=["Wire 2026-0301"])


class MovementTold(ResponseBody):
    """A change of the balance that no row explains."""

    movement_id: str = Field(
        json_schema_extra={"pattern": HASH_PATTERN},
        description="Of its facts: when these change, it is another one, which nobody has named.",
        examples=[MOVEMENT_ID],
    )
    start: Time = Field(
        serialization_alias="from",
        description="RFC 3339, UTC: of the last balance before it.",
        examples=["2026-03-01T09:00:00Z"],
    )
    end: Time = Field(
        serialization_alias="to",
        description="RFC 3339, UTC: of the first balance after it.",
        examples=["2026-03-01T09:15:00Z"],
    )
    amount: SignedAmount | None = Field(
        description="Decimal string, positive when the balance rose; null while every balance has rows near it: then "
        "it cannot be named yet.",
        examples=["5000.00"],
    )
    currency_code: Currency
    parts: list[MovementPart] = Field(description="What finance says that it is; empty until somebody does.")
    named_by: str | None = Field(
        description="ARN of who signed the call; null until then.", examples=["arn:aws:iam::123456789012:user/finance"]
    )
    named_at: Time | None = Field(description="RFC 3339, UTC; null until then.", examples=["2026-03-02T09:00:00Z"])


class MovementList(ResponseBody):
    """The movements that touch a month, oldest first; none of an account whose balance says nothing."""

    movements: list[MovementTold] = Field(description="All of them.")
    cursor: None = Field(default=None, description="Always null: a month is one page.")
