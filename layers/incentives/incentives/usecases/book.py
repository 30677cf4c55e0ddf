"""Look a request up in Amazon's own book, the activity page, before believing that Amazon knows nothing of it.

A reversal that finds nothing is told with the same error as an account that may do nothing at all, so that answer alone
proves nothing. The page shows the thousand oldest rows of a time frame and may be asked for once a minute.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

from incentives.agcod.activity import PAGE_SIZE_MAX, ActivityPage, query_of
from incentives.domain.accounts import Account, Activity
from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.ledger import Record
from incentives.domain.outcomes import Refused
from incentives.domain.pacing import Allowance, Full, Lane
from incentives.domain.recovery import Book
from incentives.domain.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.usecases.pace import take_slot
from incentives.usecases.tools import CALL_SECONDS, Tools

#: Amazon's clock and ours may differ by as much as Amazon tolerates in a signature.
CLOCKS_APART: Final = timedelta(minutes=15)

#: The errorType of a partner for whom the page is not switched on. Any other refusal may be the account's trouble.
DISABLED: Final = "APIGetGiftCardActivityPageIsDisabled"


#: activityStatus of what did not happen.
FAILED: Final = "Failed"


def read_book(record: Record, tools: Tools) -> Book:
    """What Amazon's book says of a request. It never raises: no answer is `UNANSWERED`."""
    book = _read(record, tools)
    tools.telemetry.log("bookRead", requestId=record.request_id, outcome=book.value)
    return book


def _read(record: Record, tools: Tools) -> Book:
    now = tools.clock.now()
    try:
        account = account_of(record, tools)
        slot = take_slot(record.account, Lane.RECOVERY, tools, allowance=Allowance.ACTIVITY)
    except (AccountUnusable, LedgerUnavailable):
        return Book.UNANSWERED
    if isinstance(slot, Full):
        return Book.UNANSWERED
    answer = tools.amazon.activity_page(
        account,
        request_id=f"{account.partner_id}{uuid.uuid4().hex}"[:REQUEST_ID_LENGTH_MAX],
        query=query_of(
            start=(record.first_sent_at or record.created_at) - CLOCKS_APART, end=now + CLOCKS_APART, index=0
        ),
        seconds=CALL_SECONDS,
    )
    if isinstance(answer, Refused) and answer.error.type == DISABLED:
        return Book.UNAVAILABLE
    if not isinstance(answer, ActivityPage):
        return Book.UNANSWERED
    if any(_is_real(row) for row in answer.rows if row.request_id == record.request_id):
        return Book.DISAGREES
    is_whole = len(answer.rows) < PAGE_SIZE_MAX and (answer.total is None or len(answer.rows) >= answer.total)
    return Book.AGREES if is_whole else Book.UNAVAILABLE


def _is_real(row: Activity) -> bool:
    """Whether a row tells of something that happened; a failure may be marked in either of two ways."""
    return row.failure is None and row.status != FAILED


def account_of(record: Record, tools: Tools, *, fresh: bool = False) -> Account:
    """The keys for a record.

    Raises:
        AccountUnusable: there are none, or they are another partner's: its request ids would not be ours.
    """
    account = tools.accounts.get(record.account, fresh=fresh)
    if account.partner_id != record.partner_id:
        raise AccountUnusable(record.account, "now has another partnerId than when this request was made")
    return account
