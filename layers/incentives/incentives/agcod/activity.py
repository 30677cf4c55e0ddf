"""The activity page: what an account did, a thousand rows at a time, at most once a minute.

Amazon's `pageIndex` is read two ways by public clients: as the number of a page, and as the number of a record. Whoever
needs everything asks for narrower time frames at index 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from incentives.agcod.reading.dates import parse_date
from incentives.agcod.reading.envelope import Envelope, error_type
from incentives.agcod.reading.models import ActivityResponse, ActivityRow, WithGcId, read_model
from incentives.agcod.reading.responses import balance_of, is_ours
from incentives.domain.accounts.account import Activity
from incentives.domain.errors import InvalidInput

if TYPE_CHECKING:
    from incentives.domain.calls import Call

#: Amazon's largest page.
PAGE_SIZE_MAX: Final = 1000

#: Of an activityType that always moves money: its rows have an amount unless they failed.
_CREATION: Final = "GCCreation"

#: activityStatus of what did not happen, and of what did.
FAILED: Final = "Failed"
_STATUSES: Final = frozenset({"Success", FAILED})


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A page as Amazon sent it.

    Attributes:
        rows: those that say what happened, to which request, when, and for how much.
        total: how many there are in the whole time frame; None if it does not say.
        left_out: the others, as far as they can be read; `request_id` is empty where a row names none.
    """

    rows: tuple[Activity, ...]
    total: int | None
    left_out: tuple[Activity, ...] = ()


def query_of(
    *, start: datetime, end: datetime, index: int, size: int = PAGE_SIZE_MAX, no_ops: bool = False
) -> dict[str, Any]:
    """The fields of a request for one page; times are aware.

    Raises:
        InvalidInput: names `from`, `page` or `pageSize`.
    """
    if start > end:
        raise InvalidInput("from", "must not be after to")
    if index < 0:
        raise InvalidInput("page", "must not be negative")
    if not 1 <= size <= PAGE_SIZE_MAX:
        raise InvalidInput("pageSize", f"must be 1 to {PAGE_SIZE_MAX}")
    return {
        "utcStartDate": _utc_text(start),
        "utcEndDate": _utc_text(end),
        "pageIndex": index,
        "pageSize": size,
        "showNoOps": no_ops,
    }


def judge_activity(envelope: Envelope | None, call: Call) -> ActivityPage | None:
    """The page in a SUCCESS; None if it cannot be read."""
    shape = read_model(ActivityResponse, envelope.members) if envelope is not None else None
    if shape is None or envelope is None or not is_ours(envelope, call):
        return None
    if shape.card_activity_list is None and shape.total is None:
        # A page beyond the last one has no rows, but a total.
        return None
    found = _rows(shape.card_activity_list)
    if found is None:
        return None
    rows: list[Activity] = []
    left_out: list[Activity] = []
    for raw in found:
        row = _activity(raw if isinstance(raw, Mapping) else {}, envelope.secrets)
        # One row that cannot be read says nothing against the others.
        (rows if _is_telling(row, raw) else left_out).append(row)
    total = shape.total
    return ActivityPage(
        tuple(rows),
        int(total) if total is not None and 0 <= total == total.to_integral_value() else None,
        tuple(left_out),
    )


def _is_telling(row: Activity, raw: object) -> bool:
    """Whether a row says what happened, to which request, when, and for how much."""
    if not row.request_id or row.time is None or row.status not in _STATUSES:
        return False
    if row.value is not None:
        return True
    # Cancellations and failures have none. One that is there and cannot be read is another matter.
    is_absent = isinstance(raw, Mapping) and raw.get("cardValue") is None
    return is_absent and (row.status == FAILED or row.type not in {None, _CREATION})


def _activity(raw: Mapping[str, Any], secrets: tuple[str, ...]) -> Activity:
    row, identified = ActivityRow.model_validate(raw), read_model(WithGcId, raw)
    return Activity(
        request_id=row.request_id or "",
        type=row.activity_type,
        status=row.activity_status,
        time=parse_date(row.activity_time),
        value=balance_of(row.card_value),
        gc_id=identified.gc_id if identified is not None else None,
        failure=error_type(row.failure_code, secrets),
        is_real=str(row.is_real_op).strip().lower() != "false",
    )


def _rows(raw: object) -> list[Any] | None:
    match raw:
        case None:
            return []
        case list():
            return raw
        case Mapping() if len(raw) == 1:
            # XML: <cardActivityList><member>...</member><member>...</member></cardActivityList>
            inner = next(iter(raw.values()))
            return inner if isinstance(inner, list) else [inner]
        case Mapping():
            return [raw]
        case _:
            return None


def _utc_text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
