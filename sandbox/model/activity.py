"""GetGiftCardActivityPage: the log of what was created, cancelled, activated and loaded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.http import reading
from sandbox.model.errors import refuse
from sandbox.model.log import REVERSALS
from sandbox.model.outcome import Done
from sandbox.model.values import Fields, Json, java_date

if TYPE_CHECKING:
    from sandbox.control.options import Options
    from sandbox.model.log import Activity
    from sandbox.model.world import Account, World

PAGE_SIZE_MAX = 1000
ROW_FIELDS = (
    "activityStatus",
    "activityTime",
    "activityType",
    "cardNumber",
    "cardValue",
    "failureCode",
    "gcId",
    "isRealOp",
    "partnerId",
    "requestId",
)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})Z?")


def get_gift_card_activity_page(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """One page of the account's activity between two dates (both inclusive), oldest first.

    `showNoOps` also lists repeats and failures, whose `isRealOp` is the string "false". `pageIndex` counts pages
    or records: users of the real API disagree, so an option decides. A row that is shown late does not count before.
    """
    reading.mock_id(fields, "requestId")
    reading.partner_id(account, fields)
    request_id = reading.text(fields, "requestId")
    if not request_id:
        raise refuse("InvalidRequestIdInput")
    start = _date(fields, "utcStartDate", "InvalidStartDate")
    end = _date(fields, "utcEndDate", "InvalidEndDate")
    if start > end:
        raise refuse("StartDateAfterEndDate")
    index = reading.whole(fields, "pageIndex")
    if index is None or index < 0:
        raise refuse("InvalidPageIndex")
    size = reading.whole(fields, "pageSize")
    if size is None or size < 1:
        raise refuse("InvalidPageSize")
    if size > PAGE_SIZE_MAX:
        raise refuse("MaxPageSizeExceeded")
    show_no_ops = reading.flag(fields, "showNoOps") or False
    reading.usable_account(account)
    if account.activity_disabled:
        raise refuse("APIGetGiftCardActivityPageIsDisabled")
    rows = [row for row in world.activity.within(account.partner_id, start, end, at) if row.real or show_no_ops]
    wrong = sum(
        each.extra
        for each in world.wrong_totals
        if each.account == account.partner_id and each.start <= end and start <= each.end
    )
    first = index if world.options.page_index == "offset" else index * size
    page: list[Json] = [page_row(row, world.options) for row in rows[first : first + size]]
    return Done(
        {
            "cardActivityList": page,
            "pageIndex": index,
            "requestId": request_id,
            "status": "SUCCESS",
            "totalNumberOfTransactionsInRequestedTimeFrame": len(rows) + wrong,
        },
        None,
    )


def _date(fields: Fields, name: str, missing: str) -> datetime:
    value = reading.text(fields, name)
    if not value:
        raise refuse(missing)
    match = _DATE.fullmatch(value)
    if match is None:
        raise refuse("InvalidDateFormat")
    try:
        return datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise refuse(missing) from None


def page_row(row: Activity, options: Options) -> dict[str, Json]:
    """The row as the page shows it."""
    value = row.value if row.operation not in REVERSALS or options.refund_amounts else None
    return {
        "activityStatus": "Success" if row.failure is None else "Failed",
        "activityTime": java_date(row.at),
        "activityType": options.activity_types[row.operation],
        "cardNumber": row.card_number,
        "cardValue": None if value is None else value.fields,
        "failureCode": row.failure,
        "gcId": row.gc_id,
        "isRealOp": "true" if row.real else "false",
        "partnerId": row.account,
        "requestId": row.request_id,
        **(row.shown or {}),
    }
