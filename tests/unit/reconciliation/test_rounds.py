"""Rounds of a day, by what Amazon shows of it, as the watch begins them: none is lost, none goes on for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from incentives.agcod.activity import ActivityPage
from incentives.domain.accounts.account import Activity
from incentives.domain.outcomes import AmazonError, NotExecuted, NotExecutedBecause, Refused
from incentives.domain.reconciliation.day_state import LEASE, BooksDay, DayStatus
from incentives.domain.reconciliation.days import bounds
from incentives.domain.reconciliation.findings import Kind
from incentives.domain.reconciliation.rows import row_of
from incentives.domain.reconciliation.windows import Window
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation.due_rounds import start_due_rounds
from incentives.usecases.reconciliation.judge_day import judge_day, judge_from
from incentives.usecases.reconciliation.rounds import PAGES_MAX, Progress, Task, reconcile
from incentives.usecases.reconciliation.start_round import start_round
from incentives.usecases.recovery.look_up_activity import DISABLED
from tests.support.books_world import DAY, ZONE, Kept, finding, kept
from tests.support.fakes import account, usd

START, END = bounds(DAY, ZONE)
NOON = START + timedelta(hours=12)
HOURS = Budget(lambda: 300.0)
THROTTLED = NotExecuted(NotExecutedBecause.THROTTLED)


@pytest.fixture
def shop() -> Kept:
    made = kept()
    made.world.clock.time = END + timedelta(minutes=20)
    # The books begin with this day.
    object.__setattr__(made.here, "settings", replace(made.here.settings, begin=DAY))
    return made


def charge(request_id: str, at: datetime = NOON, amount: str = "25.00") -> Activity:
    return Activity(
        request_id=request_id, type="GCCreation", status="Success", time=at, value=usd(amount), gc_id=None,
        failure=None, is_real=True,
    )  # fmt: skip


def amazon_shows(shop: Kept, *rows: Activity) -> None:
    """From now on, whatever is asked for."""

    def page(_account: Any, *, query: dict[str, Any], **_: object) -> ActivityPage:
        first, last = (
            datetime.fromisoformat(query[name]).replace(tzinfo=UTC) for name in ("utcStartDate", "utcEndDate")
        )
        found = tuple(row for row in rows if row.time is not None and first <= row.time <= last)
        return ActivityPage(found[: query["pageSize"]], len(found))

    shop.world.amazon.activity_page = page  # type: ignore[method-assign, assignment]


def amazon_says(shop: Kept, response: object) -> None:
    shop.world.amazon.activity_page = lambda *_, **__: response  # type: ignore[method-assign, assignment]


def work(shop: Kept, day: date = DAY, tasks_max: int = 50) -> list[Task]:
    """Carry out the workflow of the day's round, its waits included; the tasks that it took."""
    item = shop.books.day("default", day)
    assert item is not None
    here, tasks = Progress(account="default", day=day, round=item.round), list[Task]()
    while here.next is not Task.DONE and len(tasks) < tasks_max:
        tasks.append(here.next)
        shop.world.clock.sleep(here.wait_seconds)
        here = reconcile(here.next, here, shop.here, HOURS)
    return tasks


def watch(shop: Kept) -> int:
    """One watch, and the work that it begins; how many rounds."""
    shop.reconciliations.started.clear()
    started = start_due_rounds("default", shop.here).started
    for _, day, _ in list(shop.reconciliations.started):
        work(shop, day)
    return started


def kinds(shop: Kept) -> list[Kind]:
    return sorted(shop.day().found)


def test_a_day_is_read_after_its_end_and_its_total_asked_again_a_day_later(shop: Kept) -> None:
    amazon_shows(shop, charge("Test1STRANGER"))
    assert watch(shop) == 1
    assert (kinds(shop), shop.day().status, shop.day().final) == (
        [Kind.UNKNOWN_TO_LEDGER],
        DayStatus.DIFFERENCES,
        False,
    )
    assert [subject for subject, _ in shop.world.notifier.notices] == [
        "1 x unknownToLedger: account default, 2026-02-20"
    ]
    # When nothing has changed a day later, then nothing is read again, nobody is told again, and it is final
    shop.world.clock.sleep(24 * 3600)
    assert watch(shop) >= 1
    assert (shop.day().final, shop.day().round, len(shop.world.notifier.notices)) == (True, 2, 1)
    read = shop.day().windows
    # And then nothing is due any more
    shop.reconciliations.started.clear()
    start_due_rounds("default", shop.here)
    assert DAY not in [day for _, day, _ in shop.reconciliations.started]
    assert shop.day().windows == read


def test_rows_that_came_late_are_read_when_the_total_has_changed(shop: Kept) -> None:
    amazon_shows(shop)
    watch(shop)
    shop.world.clock.sleep(24 * 3600)
    amazon_shows(shop, charge("Test1LATE"))
    watch(shop)
    assert (kinds(shop), shop.day().final) == ([Kind.UNKNOWN_TO_LEDGER], True)


def test_half_a_day_is_never_final(shop: Kept) -> None:
    # Given a round of half the day, of which no page could be had until a day after its end
    shop.world.clock.time = NOON
    amazon_says(shop, THROTTLED)
    start_round("default", DAY, by="anna", fresh=True, books=shop.here)
    work(shop, tasks_max=5)
    shop.world.clock.time = END + timedelta(hours=25)
    amazon_shows(shop, charge("Test1EVENING", NOON + timedelta(hours=7)))
    # When the watch goes on with it
    watch(shop)
    watch(shop)
    # Then the evening is read, too
    assert (kinds(shop), shop.day().final) == ([Kind.UNKNOWN_TO_LEDGER], True)


def test_a_page_that_is_switched_off_is_asked_once_a_day_and_leaves_room_for_a_statement(shop: Kept) -> None:
    amazon_shows(shop)
    watch(shop)
    amazon_says(shop, Refused(AmazonError("F300", DISABLED)))
    shop.world.clock.sleep(24 * 3600)
    watch(shop)
    day = shop.day()
    assert (day.page_off, day.final, day.takes_statement) == (True, False, True)
    following = DAY + timedelta(days=1)
    assert shop.day(following).status is DayStatus.NO_ACTIVITY_PAGE
    assert [told for told, _ in shop.world.notifier.notices] == ["Activity page switched off: account default"]
    shop.reconciliations.started.clear()
    assert start_due_rounds("default", shop.here).started == 0
    # And once more a day later, should it have been a whim of Amazon's
    amazon_shows(shop, charge("Test1STRANGER", NOON + timedelta(days=1)))
    shop.world.clock.sleep(24 * 3600)
    watch(shop)
    assert sorted(shop.day(following).found) == [Kind.UNKNOWN_TO_LEDGER]


def test_a_day_that_was_read_whole_takes_no_statement(shop: Kept) -> None:
    amazon_shows(shop)
    watch(shop)
    assert not shop.day().takes_statement


def test_another_partners_page_is_no_word_on_what_was_read(shop: Kept) -> None:
    amazon_shows(shop, charge("Test1STRANGER"))
    watch(shop)
    before = shop.day().windows
    # When the account's keys become another partner's, whose page is empty
    shop.world.accounts.accounts["default"] = account(partner_id="Test2")
    amazon_shows(shop)
    shop.world.clock.sleep(24 * 3600)
    watch(shop)
    # Then the rows count as they were read
    assert (shop.day().windows, shop.day().final, kinds(shop)) == (before, True, [Kind.UNKNOWN_TO_LEDGER])
    # Also when somebody has the day run again
    start_round("default", DAY, by="anna", fresh=True, books=shop.here)
    work(shop)
    assert shop.day().windows == before


def test_a_day_with_requests_of_another_partner_is_incomplete_and_people_are_told(shop: Kept) -> None:
    placed = shop.issue(NOON)
    shop.world.accounts.accounts["default"] = account(partner_id="Test2")
    amazon_shows(shop)
    watch(shop)
    assert shop.day().status is DayStatus.INCOMPLETE
    assert "Test1" in str(shop.day().incomplete)
    assert placed not in [each for found in shop.day().found.values() for each in found.request_ids]
    assert [subject for subject, _ in shop.world.notifier.notices] == ["Books incomplete: account default, 2026-02-20"]


def test_a_round_that_finds_no_page_ends_and_the_next_watch_goes_on(shop: Kept) -> None:
    amazon_says(shop, THROTTLED)
    start_due_rounds("default", shop.here)
    tasks = work(shop, tasks_max=10 * PAGES_MAX)
    assert len(tasks) == PAGES_MAX + 2
    assert (shop.day().lease_until, shop.day().status) == (None, DayStatus.PENDING)
    amazon_shows(shop)
    watch(shop)
    assert shop.day().windows


def test_whoever_waits_for_a_permit_holds_the_day(shop: Kept) -> None:
    shop.world.rate_limiter.full_for = 1200.0
    start_due_rounds("default", shop.here)
    for _ in range(4):
        work(shop, tasks_max=3)
        assert shop.day().is_held(shop.world.clock.now())
    assert shop.world.clock.now() > END + LEASE


def test_a_former_holder_writes_nothing(shop: Kept) -> None:
    # Given a round that fell silent, and another one that has read the day
    amazon_shows(shop, charge("Test1STRANGER"))
    start_due_rounds("default", shop.here)
    former = Progress(account="default", day=DAY, round=1)
    shop.world.clock.sleep(LEASE.total_seconds() + 1)
    watch(shop)
    before = shop.day()
    # When the former holder comes back, then it ends
    amazon_shows(shop)
    for task in (Task.PLAN, Task.FETCH, Task.JUDGE):
        assert reconcile(task, former, shop.here, HOURS).next is Task.DONE
    assert shop.day() == before


def test_what_was_resolved_and_is_found_again_is_told_again(shop: Kept) -> None:
    amazon_shows(shop, charge("Test1A"))
    watch(shop)
    shop.resolve_all(Kind.UNKNOWN_TO_LEDGER)
    amazon_shows(shop, charge("Test1A"), charge("Test1B", amount="5000.00"))
    start_round("default", DAY, by="anna", fresh=True, books=shop.here)
    work(shop)
    assert len(shop.world.notifier.notices) == 2
    assert "Test1B" in shop.world.notifier.notices[1][1]


def test_a_chain_of_days_goes_on_wherever_it_was_left(shop: Kept) -> None:
    # Given days that carry on from each other what the first one found
    found = finding(Kind.MISSING_AT_AMAZON, "Test1GONE")
    days = [DAY + timedelta(days=n) for n in range(5)]
    for day in days:
        shop.judged(*([found] if day == DAY else []), day=day)
    # When they are judged, with time for two of them each time
    for _ in days:
        left = iter([200.0, 0.0])
        judge_from("default", DAY, shop.here, Budget(lambda left=left: next(left, 0.0)))  # type: ignore[misc]
    # Then each goes on from the one before
    items: list[BooksDay] = [shop.day(day) for day in days]
    assert all(
        b.judged is not None and a.judged is not None and b.judged.carried_from == a.judged.carry
        for a, b in pairwise(items)
    )


def test_a_window_is_read_by_its_own_second_and_a_row_between_two_counts_once(shop: Kept) -> None:
    edge = NOON + timedelta(hours=1)
    amazon_shows(shop, charge("Test1EDGE", edge))
    start_due_rounds("default", shop.here)
    before = shop.day()
    cut = (Window(start=START, end=edge), Window(start=edge, end=END))
    shop.books.keep_day(before, replace(before, revision=before.revision + 1, reading=cut))
    work(shop)
    assert [window.rows for window in shop.day().windows] == [0, 1]
    judged = shop.day().judged
    assert judged is not None
    assert judged.charges == 1


def test_days_that_fail_again_and_again_keep_no_other_from_its_first_round(shop: Kept) -> None:
    # Given four days whose rounds fail, and a fifth that is over
    shop.world.clock.time = END + timedelta(days=4, minutes=20)
    shop.reconciliations.started.clear()
    assert start_due_rounds("default", shop.here).started == 4
    shop.world.clock.sleep(LEASE.total_seconds() + 1)
    # When the watch comes again
    shop.reconciliations.started.clear()
    start_due_rounds("default", shop.here)
    # Then the fifth is among those that are begun
    assert DAY + timedelta(days=4) in [day for _, day, _ in shop.reconciliations.started]


def test_a_day_read_by_a_clock_that_was_ahead_is_read_again(shop: Kept) -> None:
    # Given a watch and a round of the day's noon, by clocks two days ahead
    amazon_shows(shop, charge("Test1MORNING", NOON - timedelta(hours=1)))
    shop.world.clock.time = NOON + timedelta(days=2)
    watch(shop)
    assert shop.day().final
    # When the clock is right again, and the day is over
    shop.world.clock.time = END + timedelta(minutes=20)
    amazon_shows(
        shop, charge("Test1MORNING", NOON - timedelta(hours=1)), charge("Test1EVENING", END - timedelta(hours=2))
    )
    watch(shop)
    # Then the evening is read, too
    assert shop.day().found[Kind.UNKNOWN_TO_LEDGER].count == 2


def test_a_difference_that_is_gone_is_seen_to_although_the_process_dies(shop: Kept) -> None:
    # Given a card that Amazon did not show, and the day after it
    request_id, following = shop.issue(NOON), DAY + timedelta(days=1)
    amazon_shows(shop)
    for days in (1, 2):
        shop.world.clock.time = END + timedelta(days=days, minutes=20)
        watch(shop)
    assert kinds(shop) == [Kind.MISSING_AT_AMAZON]
    # And that Amazon books it on that day after all
    amazon_shows(shop, charge(request_id, NOON + timedelta(days=1)))
    start_round("default", following, by="anna", fresh=True, books=shop.here)
    # When the process dies after the last day was judged, and before the other is
    work(shop, following, tasks_max=2)
    judge_day("default", following, shop.here)
    # Then the other is due
    assert shop.day().to_judge
    watch(shop)
    assert (shop.day().to_judge, kinds(shop)) == (False, [])


@pytest.mark.parametrize(
    ("told", "kept_as"),
    [("Test1ABCDEFGHIJK12", "Test1ABCDEFGHIJK12"), ("other-42", "other-42"), ("two\nlines", "two?lines")],
)
def test_ids_of_strangers_are_kept_in_one_line(told: str, kept_as: str) -> None:
    assert row_of(charge(told), "Test1").request_id == kept_as


def test_a_code_in_the_place_of_an_id_is_not_kept() -> None:
    code = "ABCD-EFGH12-JKLM"
    row = row_of(replace(charge(code), type=code, status=code), "Test1")
    assert code not in str(row)


def test_a_day_that_takes_all_of_a_tasks_time_leaves_the_next_to_the_watch(shop: Kept) -> None:
    # Given a day that was read, and one that goes on from what it said before
    amazon_shows(shop)
    following = DAY + timedelta(days=1)
    shop.judged(finding(Kind.MISSING_AT_AMAZON, "Test1GONE"))
    shop.judged(day=following)
    shop.world.clock.time = END + timedelta(days=3)
    begun = start_round("default", DAY, by="anna", fresh=False, books=shop.here)
    # When judging the first leaves no time
    here = Progress(account="default", day=DAY, round=begun.round)
    there = reconcile(Task.JUDGE, here, shop.here, Budget(lambda: 0.0))
    # Then the round ends, and the watch begins one of the other
    assert (there.next, shop.day().lease_until) == (Task.DONE, None)
    shop.reconciliations.started.clear()
    start_due_rounds("default", shop.here)
    assert following in [day for _, day, _ in shop.reconciliations.started]
