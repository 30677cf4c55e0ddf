"""Look a request up in Amazon's own book, the activity page, before believing that Amazon knows nothing of it.

A reversal that finds nothing is told with the same error as an account that may do nothing at all, so that answer alone
proves nothing. The page shows the thousand oldest rows of a time frame and may be asked for once a minute. So each page
is kept for whoever comes next: to a request that could land no more when it was shown, it is as good as one of its own.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from incentives.agcod.activity import FAILED, PAGE_SIZE_MAX, ActivityPage, query_of
from incentives.domain.book_page import ASKED_EARLIER, CLOCKS_APART, BookPage, first_row_at, said_of, speaks_for
from incentives.domain.errors import AccountUnusable, LedgerUnavailable, RateInUse
from incentives.domain.outcomes import Refused
from incentives.domain.pacing import WAIT_SECONDS_MAX, Allowance, Full, Lane
from incentives.domain.recovery import Book
from incentives.domain.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.usecases.calls import account_of
from incentives.usecases.pace import take_slot
from incentives.usecases.tools import CALL_SECONDS, Budget, Tools

if TYPE_CHECKING:
    from incentives.domain.accounts import Activity
    from incentives.domain.ledger import Record

#: The errorType of a partner for whom the page is not switched on. Any other refusal may be the account's trouble.
DISABLED: Final = "APIGetGiftCardActivityPageIsDisabled"


def read_book(record: Record, answered_at: datetime | None, tools: Tools, budget: Budget) -> Book:
    """What Amazon's book says of a request. It never raises: no answer is `UNANSWERED`.

    Args:
        record: as it stands after the send of its reversal was recorded.
        answered_at: the date of Amazon's answer to it. Without one that answer counts for nothing anyway.
        tools: the ports.
        budget: the holder's time.
    """
    if answered_at is None:
        return Book.UNANSWERED
    where, book, because = "kept", _kept(record, answered_at, tools), ""
    if book is None:
        where, (book, because) = "asked", _asked(record, answered_at, tools, budget)
    tools.telemetry.log(
        "bookRead", requestId=record.request_id, outcome=book.value, where=where, because=because or None
    )
    return book


def _kept(record: Record, answered_at: datetime, tools: Tools) -> Book | None:
    try:
        page = tools.books.kept(record.account)
    except LedgerUnavailable:
        tools.telemetry.log("ledgerUnavailable", account=record.account)
        return None
    return said_of(page, record) if page is not None and speaks_for(page, record, answered_at) else None


def _asked(record: Record, answered_at: datetime, tools: Tools, budget: Budget) -> tuple[Book, str]:
    """What the page says; where that is nothing, why."""
    page = _ask(record, answered_at, tools, budget)
    if isinstance(page, str):
        return Book.UNANSWERED, page
    try:
        if page.names_all:
            tools.books.keep(record.account, page)
    except LedgerUnavailable:
        # The next one asks for a page of its own.
        tools.telemetry.log("ledgerUnavailable", account=record.account)
    return said_of(page, record), "" if page.names_all else "rowsLeftOut"


def _ask(  # noqa: PLR0911 - one return per reason
    record: Record, answered_at: datetime, tools: Tools, budget: Budget
) -> BookPage | str:
    """The page; or why there is none."""
    if not budget.allows_a_try(WAIT_SECONDS_MAX):
        # Not after a reversal that took long: its answer is still to be written.
        return "noTime"
    try:
        account = account_of(record, tools)
        slot = take_slot(record.account, Lane.RECOVERY, tools, allowance=Allowance.ACTIVITY)
    except (AccountUnusable, LedgerUnavailable) as error:
        return error.code
    if isinstance(slot, Full):
        return RateInUse.code
    since = first_row_at(record) - ASKED_EARLIER
    answer = tools.amazon.activity_page(
        account,
        request_id=f"{account.partner_id}{uuid.uuid4().hex}"[:REQUEST_ID_LENGTH_MAX],
        # The end is by Amazon's clock: whatever ours says, all that it is believed for lies before it.
        query=query_of(start=since, end=answered_at + CLOCKS_APART, index=0),
        seconds=CALL_SECONDS,
    )
    # Amazon has written it after its answer to the reversal.
    page = BookPage(partner_id=account.partner_id, as_of=answered_at, since=since)
    if isinstance(answer, Refused) and answer.error.type == DISABLED:
        return replace(page, is_available=False)
    if not isinstance(answer, ActivityPage):
        return "refused" if isinstance(answer, Refused) else answer.because.value
    rows = (*answer.rows, *answer.left_out)
    if len(rows) < min(answer.total or 0, PAGE_SIZE_MAX):
        # Shorter than a page, and yet not all that there is: what is missing may be anybody's.
        return "rowsMissing"
    request_ids = frozenset(row.request_id for row in rows if _is_real(row))
    return replace(
        page,
        is_whole=len(rows) < PAGE_SIZE_MAX,
        names_all="" not in request_ids,
        request_ids=request_ids - {""},
    )


def _is_real(row: Activity) -> bool:
    """Whether a row may tell of something that happened: all but those that are marked as failed."""
    return row.status != FAILED
