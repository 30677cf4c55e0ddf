"""Bodies and responses of closing months."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from incentives.api.models.base import (
    AccountName,
    Amount,
    Body,
    Count,
    Currency,
    ResponseBody,
    SignedAmount,
    Text200,
    Time,
)
from incentives.domain.reconciliation.closing import CloseStatus

MONTH_PATTERN: Final = "^2[0-9]{3}-(0[1-9]|1[0-2])$"
SHA256_PATTERN: Final = "^[0-9a-f]{64}$"

#: Of the examples.
MONTH: Final = "2026-02"
SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_NAME: Final = f"default/closes/{MONTH}/v1/summary.csv"
_CALLER: Final = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Finance_0123456789abcdef/anna"

# ---- bodies ----------------------------------------------------------------------------------------------------------


class OpeningBody(Body):
    """The balance that the first month begins with."""

    amount: str = Field(
        pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$",
        description="Decimal string, in the account's currency; with a minus sign below zero.",
        examples=["10000.00"],
    )
    source: Annotated[
        Text200, Field(description="Where you have it from; no claim code.", examples=["Amazon's statement of January"])
    ]


class CloseBody(Body):
    """Body of `POST /closes/{account}/{month}`."""

    opening: OpeningBody | None = Field(
        default=None,
        description="Only of the month in which the books begin, and of one that follows a month closed without a "
        "balance: all others begin as the month before ended. What was named last counts. Of an account whose balance "
        "is no part of its books it is not looked at.",
    )


class SignOffBody(Body):
    """Body of `POST /closes/{account}/{month}/sign-off`."""

    manifest_sha256: str = Field(
        pattern=SHA256_PATTERN, description="Of the manifest that you have looked at.", examples=[SHA256]
    )


# ---- responses -------------------------------------------------------------------------------------------------------


class Opening(ResponseBody):
    """The balance that finance named for the month's start."""

    amount: SignedAmount = Field(description="Decimal string.", examples=["10000.00"])
    source: str = Field(description="Where it is from.", examples=["Amazon's statement of January"])


class CountedSum(ResponseBody):
    """So many, of so much."""

    count: Count = Field(description="How many.", examples=[1200])
    amount: Amount


class NamedSum(ResponseBody):
    """A sum by its name."""

    name: str = Field(description="What it is the sum of.", examples=["timing"])
    amount: SignedAmount = Field(description="Decimal string.", examples=["-25.00"])
    currency_code: Currency


class OpenItemsFlow(ResponseBody):
    """Requests whose end is still to come, with the amounts at risk: opening + new - ended = closing."""

    opening: CountedSum = Field(description="At the month's start.")
    new: CountedSum = Field(description="At its end, and not at its start.")
    ended: CountedSum = Field(description="At its start, and not at its end.")
    closing: CountedSum = Field(description="At its end.")


class CloseFigures(ResponseBody):
    """A month: opening + movements - charges + refunds = closing, and ledger + bridge = charges - refunds."""

    currency_code: Currency
    opening: SignedAmount | None = Field(
        description="Balance at the start; null where the account's balance is no part of the books."
    )
    movements: SignedAmount | None = Field(
        description="What moved the balance without a row, as finance named it; null likewise."
    )
    movements_by_type: list[NamedSum] = Field(description="The same by type.")
    charges: CountedSum = Field(description="Of Amazon's rows, in the account's currency.")
    refunds: CountedSum = Field(description="Likewise.")
    closing: SignedAmount | None = Field(description="Balance at the end; null likewise.")
    ledger: SignedAmount = Field(description="What the ledger says was charged, less what was taken back.")
    bridge: list[NamedSum] = Field(description="From the ledger to Amazon, by kind.")
    foreign: list[NamedSum] = Field(description="Charges and refunds in other currencies.")
    open_items: OpenItemsFlow = Field(description="Requests whose end is still to come.")
    differences_resolved: Count = Field(description="Differences of the month; each is resolved.")
    differences_cleared: Count = Field(description="Differences of the month that are gone.")


class CloseFile(ResponseBody):
    """A file of the books."""

    name: str = Field(description="In the books' bucket.", examples=[_NAME])
    sha256: str = Field(
        json_schema_extra={"pattern": SHA256_PATTERN}, description="Hexadecimal, of its bytes.", examples=[SHA256]
    )
    rows: Count = Field(description="Without the header; of the manifest, the files that it names.")
    url: str = Field(repr=False, description="To be read within the time, without signing. Treat it as a secret.")
    expires_at: Time = Field(description="RFC 3339, UTC. Reading the close again gives a fresh one.")


class MonthClose(ResponseBody):
    """How the close of a month stands."""

    account: AccountName
    month: str = Field(
        json_schema_extra={"pattern": MONTH_PATTERN},
        description="In the zone that the books are kept in.",
        examples=[MONTH],
    )
    status: CloseStatus = Field(
        description="CLOSING while files of the first version are written, and after a crash until it is asked for "
        "again; BLOCKED by what `blockedBy` says; CLOSED; STALE once what a closed month was made of has changed: it "
        "stays what it is until closing it again has made the next version.",
        examples=["CLOSED"],
    )
    version: Count = Field(
        description="The one that is closed; while none is, the one that was planned last. 0: none was.", examples=[1]
    )
    blocked_by: list[str] = Field(
        description="One sentence each, behind a word for programs: previousMonth, notJudged, noActivityPage, "
        "notFinal, incomplete, zone, unresolved, inconsistent, noQuietBalance, unnamedMovement, opening or balance. "
        "Of a STALE close, what would block the next version.",
        examples=[[]],
    )
    opening: Opening | None = Field(description="As finance named it; null where nobody did.")
    figures: CloseFigures | None = Field(description="Null until it is closed.")
    files: list[CloseFile] = Field(description="The days' transactions, then the month's files.", examples=[[]])
    manifest: CloseFile | None = Field(
        description="Names every file with its SHA-256, and the manifest of the month before. Null until it is closed."
    )
    manifest_sha256: str | None = Field(
        json_schema_extra={"pattern": SHA256_PATTERN},
        description="Its hash, which is what a second person signs off; null likewise.",
        examples=[SHA256],
    )
    closed_by: str | None = Field(description="ARN of who closed it.", examples=[_CALLER])
    closed_at: Time | None = Field(description="RFC 3339, UTC.")
    signed_off_by: str | None = Field(description="ARN of the second person; null until then.")
    signed_off_at: Time | None = Field(description="RFC 3339, UTC; null until then.")
