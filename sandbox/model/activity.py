"""GetGiftCardActivityPage: the log of what was created, cancelled, activated and loaded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.http import reading
from sandbox.model.errors import refuse
from sandbox.model.outcome import Done
from sandbox.model.values import Fields, Json, java_date

if TYPE_CHECKING:
    from sandbox.model.world import Account, Activity, World

PAGE_SIZE_MAX = 1000
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})Z?")


def get_gift_card_activity_page(world: World, account: Account, fields: Fields, at: datetime) -> Done:
    """One page of the account's activity between two dates (both inclusive), oldest first.

    `showNoOps` also lists repeats and failures, whose `isRealOp` is the string "false". `pageIndex` counts pages
    or records: users of the real API disagree, so an option decides.
    """
    del at
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
    rows = [
        row
        for row in sorted(world.activity, key=lambda row: row.at)
        if row.account == account.partner_id
        # Rows show whole seconds, so an end date takes in its whole second.
        and start <= row.at.replace(microsecond=0) <= end
        and (row.real or show_no_ops)
    ]
    first = index if world.options.page_index == "offset" else index * size
    page: list[Json] = [_row(row) for row in rows[first : first + size]]
    return Done(
        {
            "cardActivityList": page,
            "pageIndex": index,
            "requestId": request_id,
            "status": "SUCCESS",
            "totalNumberOfTransactionsInRequestedTimeFrame": len(rows),
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


def _row(row: Activity) -> dict[str, Json]:
    return {
        "activityStatus": "Success" if row.failure is None else "Failed",
        "activityTime": java_date(row.at),
        "activityType": row.kind,
        "cardNumber": row.card_number,
        "cardValue": None if row.value is None else row.value.fields,
        "failureCode": row.failure,
        "gcId": row.gc_id,
        "isRealOp": "true" if row.real else "false",
        "partnerId": row.account,
        "requestId": row.request_id,
    }
