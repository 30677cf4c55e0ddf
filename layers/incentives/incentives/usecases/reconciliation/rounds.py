"""The tasks of the workflow that reconciles a booking day (reconcile_account.asl.json).

    Plan     cut the day into windows, or find that only its total is to be asked for again
    Fetch    one page: at most one a minute, at the lowest priority
    Judge    the day, and the days that go on from it

A round holds its day under a lease. Whoever has lost it, because another round has begun, writes nothing more.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from incentives.agcod.activity import PAGE_SIZE_MAX, ActivityPage, query_of
from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.outcomes import NotExecuted, NotExecutedBecause, Refused
from incentives.domain.rate_limit import Allowance, Full, Priority
from incentives.domain.reconciliation.day_state import (
    LEASE,
    TOTAL_AGAIN_AFTER,
    BooksDay,
    Source,
    changed,
    has_same_total,
    with_rows,
)
from incentives.domain.reconciliation.days import bounds
from incentives.domain.reconciliation.judged_objects import folder_of, named
from incentives.domain.reconciliation.rows import encode_rows, row_of
from incentives.domain.reconciliation.windows import Window, after_page, cut
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.usecases.dependencies import CALL_SECONDS
from incentives.usecases.permits import on_throttled, take_permit
from incentives.usecases.reconciliation.judge_day import judge_from
from incentives.usecases.reconciliation.sources import records_created
from incentives.usecases.reconciliation.tell_differences import tell_no_page
from incentives.usecases.recovery.look_up_activity import DISABLED

if TYPE_CHECKING:
    from incentives.agcod.amazon import ActivityResponse
    from incentives.domain.accounts.account import Account
    from incentives.usecases.dependencies import Budget
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: Of one execution, whose history may have 25,000 events. The next watch goes on where it ended.
PAGES_MAX: Final = 500

#: Amazon shows a page about once a minute.
PAGE_EVERY_SECONDS: Final = 60

#: After what may mend itself: a key that is being changed, a table that cannot be written.
AGAIN_SECONDS: Final = 300

#: For a permit: an execution that looked more often would use up its history while others use up the rate.
_WAIT_SECONDS_MIN: Final = 15
_WAIT_SECONDS_MAX: Final = 1_200


class Task(StrEnum):
    """A task of the workflow, or that none comes next."""

    PLAN = "Plan"
    FETCH = "Fetch"
    JUDGE = "Judge"
    DONE = "Done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a round is.

    Attributes:
        pages: that were asked for in this execution; waits for one, and judging once more, count as well.
        next: the task that comes next.
        wait_seconds: before it.
    """

    account: str
    day: date
    round: int
    pages: int = 0
    next: Task = Task.PLAN
    wait_seconds: int = 0


def reconcile(task: Task, here: Progress, books: BooksDependencies, budget: Budget) -> Progress:
    """Do one task, if the round is still the day's; say what comes next.

    Raises:
        BooksUnavailable, LedgerUnavailable: the workflow tries the task again.
    """
    day = books.books.day(here.account, here.day)
    if day is None or day.round != here.round or day.lease_until is None:
        # Another round has begun, or this one has ended.
        return replace(here, next=Task.DONE, wait_seconds=0)
    match task:
        case Task.PLAN:
            return _plan(day, here, books)
        case Task.FETCH:
            return _fetch(day, here, books)
        case Task.JUDGE:
            return _judge(day, here, books, budget)
        case Task.DONE:
            return replace(here, next=Task.DONE, wait_seconds=0)


# ---- Plan ---------------------------------------------------------------------------------------------------------


def _plan(day: BooksDay, here: Progress, books: BooksDependencies) -> Progress:
    _, end = bounds(day.day, books.settings.zone)
    if day.reading:
        return replace(here, next=Task.FETCH)
    if not day.reads_anew and day.windows:
        if day.final or day.source is Source.STATEMENT:
            return replace(here, next=Task.JUDGE)
        if day.covers(end) and not day.incomplete:
            return _kept(changed(day, checks_total=True), day, replace(here, next=Task.FETCH), books)
    try:
        partner_id = books.dependencies.accounts.get(day.account).partner_id
    except AccountUnusable as error:
        books.dependencies.telemetry.log("pageNotAsked", account=day.account, code=error.code)
        return _tried_again(here, AGAIN_SECONDS)
    if day.covers(end) and day.partner_id != partner_id:
        return _of_another_partner(day, here, books)
    return _planned(day, partner_id, here, books)


def _planned(day: BooksDay, partner_id: str, here: Progress, books: BooksDependencies) -> Progress:
    start, end = bounds(day.day, books.settings.zone)
    until = min(end, books.dependencies.clock.now().replace(microsecond=0))
    windows = _cut(day.account, partner_id, start, until, books)
    if not windows:
        return _released(day, here, books)
    return _kept(changed(day, reading=windows), day, replace(here, next=Task.FETCH), books)


def _cut(
    account: str, partner_id: str, start: datetime, until: datetime, books: BooksDependencies
) -> tuple[Window, ...]:
    """The windows to be read; if the day has requests of another partner's, with one that nobody can read."""
    expected: list[datetime] = []
    strangers = set[str]()
    for record in records_created(account, start, until, books.index):
        if record.first_sent_at is not None:
            expected.append(record.first_sent_at)
            strangers.add(record.partner_id)
    strangers.discard(partner_id)
    windows = cut(start, until, expected)
    if not (windows and strangers):
        return windows
    why = f"requests of partner {', '.join(sorted(strangers))}, whose activity these keys cannot ask for"
    return (Window(start=start, end=start, given_up=why), *windows)


def _tried_again(here: Progress, seconds: int) -> Progress:
    """The same task again, in some seconds; not for ever in one execution."""
    if here.pages >= PAGES_MAX:
        return replace(here, next=Task.DONE, wait_seconds=0)
    return replace(here, next=Task.PLAN, wait_seconds=seconds, pages=here.pages + 1)


# ---- Fetch --------------------------------------------------------------------------------------------------------


def _fetch(day: BooksDay, here: Progress, books: BooksDependencies) -> Progress:
    window = next((window for window in day.reading if not window.is_done), None)
    if window is None and not day.checks_total:
        return replace(here, next=Task.JUDGE, wait_seconds=0)
    if here.pages >= PAGES_MAX:
        return _released(day, here, books)
    frame = window or Window(start=day.windows[0].start, end=day.windows[-1].end)
    asked = _ask(day.account, frame, books, only_total=window is None)
    if isinstance(asked, int):
        return _held(day, replace(here, next=Task.FETCH, wait_seconds=asked, pages=here.pages + 1), books)
    here = replace(here, pages=here.pages + 1, next=Task.FETCH, wait_seconds=PAGE_EVERY_SECONDS)
    return _answered(day, window, asked, here, books)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A page, whose it is, and when it was asked for."""

    page: ActivityPage
    partner_id: str
    at: datetime


def _answered(
    day: BooksDay, window: Window | None, asked: _Asked, here: Progress, books: BooksDependencies
) -> Progress:
    response = asked.response
    if isinstance(response, Refused) and response.error.type == DISABLED:
        return _without_page(day, here, books)
    if not isinstance(response, ActivityPage):
        _note_failure(day, response, books)
        return here
    shown = _Shown(response, asked.account.partner_id, asked.at)
    if (window is None or any(each.name for each in day.reading)) and day.partner_id != shown.partner_id:
        return _of_another_partner(day, here, books)
    return _with_total(day, shown, here, books) if window is None else _with_page(day, window, shown, here, books)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What Amazon responded, to whom, and when it was asked."""

    response: ActivityResponse
    account: Account
    at: datetime


def _ask(account_name: str, window: Window, books: BooksDependencies, *, only_total: bool) -> _Asked | int:
    """Amazon's response; or in how many seconds to ask."""
    dependencies = books.dependencies
    try:
        account = dependencies.accounts.get(account_name)
        permit = take_permit(account_name, Priority.BULK, dependencies, allowance=Allowance.ACTIVITY)
    except (AccountUnusable, LedgerUnavailable) as error:
        dependencies.telemetry.log("pageNotAsked", account=account_name, code=error.code)
        return AGAIN_SECONDS
    if isinstance(permit, Full):
        seconds = math.ceil((permit.again_at - dependencies.clock.now()).total_seconds())
        return max(_WAIT_SECONDS_MIN, min(seconds, _WAIT_SECONDS_MAX))
    start, end = window.frame
    asked_at = dependencies.clock.now()
    response = dependencies.amazon.activity_page(
        account,
        request_id=f"{account.partner_id}{uuid.uuid4().hex}"[:REQUEST_ID_LENGTH_MAX],
        query=query_of(start=start, end=end, index=0, size=1 if only_total else PAGE_SIZE_MAX),
        seconds=CALL_SECONDS,
    )
    return _Asked(response, account, asked_at)


def _note_failure(day: BooksDay, response: object, books: BooksDependencies) -> None:
    """Amazon showed no page. The next try comes a minute later, and a day that stays unread is late."""
    books.dependencies.telemetry.log("pageNotShown", account=day.account, outcome=type(response).__name__)
    if isinstance(response, NotExecuted) and response.because is NotExecutedBecause.CREDENTIALS:
        on_throttled(day.account, response, books.dependencies)
        try:
            # The key may have been changed.
            books.dependencies.accounts.get(day.account, fresh=True)
        except AccountUnusable as error:
            books.dependencies.telemetry.log("pageNotAsked", account=day.account, code=error.code)


def _without_page(day: BooksDay, here: Progress, books: BooksDependencies) -> Progress:
    books.dependencies.telemetry.log("pageSwitchedOff", account=day.account)
    now = books.dependencies.clock.now()
    fetched_at = day.fetched_at if day.windows else now
    after = changed(day, reading=(), reads_anew=False, checks_total=False, page_off=True, fetched_at=fetched_at)
    tell_no_page(after, books)
    if day.to_judge and day.windows:
        return _kept(after, day, replace(here, next=Task.JUDGE, wait_seconds=0), books)
    return _kept(replace(after, lease_until=None), day, replace(here, next=Task.DONE, wait_seconds=0), books)


def _of_another_partner(day: BooksDay, here: Progress, books: BooksDependencies) -> Progress:
    """The keys have become another partner's, whose page says nothing of what was read before.

    Rows that were read whole count, since nobody can ask for them again; what is half read is read anew.
    """
    books.dependencies.telemetry.log("partnerChanged", account=day.account, day=day.day.isoformat())
    _, end = bounds(day.day, books.settings.zone)
    if not day.covers(end):
        return _kept(changed(day, reading=()), day, replace(here, next=Task.PLAN, wait_seconds=0), books)
    is_final = day.incomplete is None and books.dependencies.clock.now() >= end + TOTAL_AGAIN_AFTER
    after = changed(day, reading=(), reads_anew=False, checks_total=False, final=day.final or is_final, to_judge=True)
    return _kept(after, day, replace(here, next=Task.JUDGE, wait_seconds=0), books)


def _with_total(day: BooksDay, shown: _Shown, here: Progress, books: BooksDependencies) -> Progress:
    """Read the day anew if Amazon has more of it, or less, than a day ago."""
    _, end = bounds(day.day, books.settings.zone)
    if has_same_total(day, shown.page.total):
        is_final = shown.at >= end + TOTAL_AGAIN_AFTER
        after = changed(day, checks_total=False, fetched_at=shown.at, final=is_final, to_judge=True)
        return _kept(after, day, replace(here, next=Task.JUDGE, wait_seconds=0), books)
    books.dependencies.telemetry.log("totalChanged", account=day.account, day=day.day.isoformat())
    anew = tuple(Window(start=window.start, end=window.end) for window in day.windows)
    return _kept(changed(day, checks_total=False, reading=anew), day, here, books)


def _with_page(day: BooksDay, window: Window, shown: _Shown, here: Progress, books: BooksDependencies) -> Progress:
    rows = [row_of(activity, shown.partner_id) for activity in (*shown.page.rows, *shown.page.left_out)]
    instead, kept = after_page(window, rows, shown.page.total, shown.at)
    if len(instead) == 1 and instead[0].asked_at is not None:
        content = encode_rows(kept)
        folder = folder_of(day.account, shown.partner_id, day.day, day.round)
        name = named(folder, f"rows-{window.start:%Y%m%dT%H%M%S}", content, "jsonl")
        books.files.put(name, content, "application/jsonl")
        instead = (replace(instead[0], name=name),)
    at = day.reading.index(window)
    reading = (*day.reading[:at], *instead, *day.reading[at + 1 :])
    after = replace(day, reading=reading, partner_id=shown.partner_id)
    if all(each.is_done for each in reading):
        _, end = bounds(day.day, books.settings.zone)
        read = with_rows(after, ends_at=end, now=shown.at)
        return _kept(read, day, replace(here, next=Task.JUDGE, wait_seconds=0), books)
    return _kept(changed(after), day, here, books)


# ---- Judge --------------------------------------------------------------------------------------------------------


def _judge(day: BooksDay, here: Progress, books: BooksDependencies, budget: Budget) -> Progress:
    is_done = judge_from(day.account, day.day, books, budget)
    current = books.books.day(here.account, here.day) or day
    if not is_done:
        # This day is judged. To begin with it once more would take the time that the others need.
        return _released(current, here, books)
    if current.round == here.round and current.to_judge and current.windows and here.pages < PAGES_MAX:
        # Somebody has said since how a request ended, and waits for this round to judge it. Not for ever: the next
        # watch does, too.
        return replace(here, next=Task.JUDGE, wait_seconds=PAGE_EVERY_SECONDS, pages=here.pages + 1)
    return _released(current, here, books)


def _released(day: BooksDay, here: Progress, books: BooksDependencies) -> Progress:
    """Let the day go: the next watch may take it up."""
    ended = replace(here, next=Task.DONE, wait_seconds=0)
    if day.round != here.round:
        return ended
    return _kept(changed(day, lease_until=None), day, ended, books)


def _kept(after: BooksDay, before: BooksDay, there: Progress, books: BooksDependencies) -> Progress:
    """Write the day. Where somebody else has written since, the same task looks at it anew."""
    if after.lease_until is not None:
        after = replace(after, lease_until=books.dependencies.clock.now() + LEASE)
    if books.books.keep_day(before, after):
        return there
    return replace(there, next=Task.PLAN, wait_seconds=1)


def _held(day: BooksDay, there: Progress, books: BooksDependencies) -> Progress:
    """Hold the day for as long as its round waits."""
    if day.lease_until is not None and day.lease_until > books.dependencies.clock.now() + LEASE / 2:
        return there
    return _kept(changed(day), day, there, books)
