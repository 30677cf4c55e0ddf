"""Rounds that overflow, meet, die or are talked into; and the statement's way."""

from __future__ import annotations

import csv
import io
import itertools
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from incentives.domain.persons import Person
from incentives.domain.reconciliation import findings, windows
from incentives.domain.reconciliation.day_state import DayStatus
from incentives.domain.reconciliation.days import bounds, read_zone
from incentives.domain.reconciliation.findings import Kind, Reason
from incentives.domain.single_requests.record import Status
from incentives.usecases.reconciliation import rounds
from incentives.usecases.reconciliation.due_rounds import start_due_rounds
from incentives.usecases.reconciliation.resolve import Said, resolve_one
from incentives.usecases.reconciliation.rounds import Progress, Task
from incentives.usecases.reconciliation.start_round import start_round
from incentives.usecases.reconciliation.take_statement import open_statement, read_statement
from tests.books.checks import told_of
from tests.books.desk import Desk
from tests.books.mutants import PAGE_ROWS, small_pages
from tests.books.story import ACCOUNT, Story
from tests.books.world import HOUR, Drawer, World, draw_world, unknown
from tests.simulation.mutants_run import Cut, cut, without
from tests.support.books import FakeBooksFiles

DAY = date(2026, 10, 22)
BERLIN = read_zone("Europe/Berlin")
SAID = Said(Reason.OTHER_SYSTEM, "Another system of ours.", "arn:finance")


class Died(BaseException):
    """The process is gone."""


def a_few_days(seed: int = 3) -> World:
    return draw_world(seed, first=DAY, days=3, requests=70, plants=34)


def one_day(count: int, tell: Callable[..., object], apart: timedelta) -> World:
    start, end = bounds(DAY, BERLIN)
    draw = Drawer(random.Random("one day"), start, end, timedelta())
    for number in range(count):
        story = draw.story()
        story.late = timedelta()
        tell(draw, story, start + HOUR + number * apart)
    return World(BERLIN, DAY, DAY, draw.stories, quiet=3)


def test_more_rows_in_a_second_than_a_page_shows_are_told_loudly_and_not_halved_for_ever() -> None:
    # given 2,500 charges within one second
    desk = Desk(one_day(2500, unknown, timedelta()))
    desk.pages_max = 150
    # when
    desk.run()
    # then
    kept = desk.kept.day(ACCOUNT, DAY)
    assert kept is not None
    assert kept.status is DayStatus.INCOMPLETE
    assert "within a second" in (kept.incomplete or "")
    assert [subject for subject, _ in desk.notifier.notices if "incomplete" in subject.lower()]
    # what was shown all the same is told
    assert kept.found[Kind.UNKNOWN_TO_LEDGER].count >= 999


def test_a_round_that_has_lost_its_day_writes_nothing_more() -> None:
    # given a round that is under way
    desk = Desk(a_few_days())
    with small_pages():
        desk.page_rows = PAGE_ROWS
        desk.live_until(DAY + timedelta(days=1))
        held = start_round(ACCOUNT, DAY, by=None, fresh=False, books=desk.books)
        stale = desk.execute(DAY, held.round, tasks=2)
        # when its process sleeps so long that another round begins, and ends
        desk.clock.sleep(3600)
        other = start_round(ACCOUNT, DAY, by="operator", fresh=False, books=desk.books)
        desk.execute(DAY, other.round)
        before = dict(desk.kept.items), dict(desk.files.files)
        # then the first has nothing more to say, whichever task it was about to do
        for task in (stale.next, Task.PLAN, Task.FETCH, Task.JUDGE):
            late = Progress(account=ACCOUNT, day=DAY, round=held.round, next=task)
            assert desk.task(late).next is Task.DONE
    assert (dict(desk.kept.items), dict(desk.files.files)) == before


def test_two_who_start_a_round_at_once_start_one() -> None:
    desk = Desk(a_few_days())
    desk.live_until(DAY + timedelta(days=1))

    first = start_round(ACCOUNT, DAY, by=None, fresh=False, books=desk.books)
    second = start_round(ACCOUNT, DAY, by="operator", fresh=True, books=desk.books)
    desk.drain()

    assert first.round == second.round
    kept = desk.kept.day(ACCOUNT, DAY)
    assert kept is not None
    assert kept.status in {DayStatus.OPEN, DayStatus.DIFFERENCES}


def test_two_executions_of_one_round_come_to_one_result() -> None:
    # given the days as they should be
    alone = Desk(a_few_days()).run()
    # when each execution is carried out twice, task by task in turns
    desk = Desk(a_few_days())
    desk.execute = lambda day, number: _in_turns(desk, day, number)  # type: ignore[method-assign, assignment]
    desk.run()
    # then
    assert told_of(desk) == told_of(alone)


def _in_turns(desk: Desk, day: date, number: int) -> Progress:
    both = [Progress(account=ACCOUNT, day=day, round=number)] * 2
    while any(each.next is not Task.DONE for each in both):
        both = [desk.task(each) if each.next is not Task.DONE else each for each in both]
    return both[0]


def test_a_crash_after_each_write_changes_nothing() -> None:
    alone = Desk(a_few_days()).run()
    # when every other write of an item, and the first of each file, is the last that its process does
    desk = Desk(a_few_days())
    writes, keep_day, files = itertools.count(), desk.kept.keep_day, desk.files

    def keeps(*given: Any) -> bool:
        done = keep_day(*given)
        if next(writes) % 2:
            raise Died
        return done

    def puts(name: str, content: bytes, kind: str) -> None:
        is_new = name not in files.files
        FakeBooksFiles.put(files, name, content, kind)
        if is_new:
            raise Died

    desk.kept.keep_day, files.put = keeps, puts  # type: ignore[method-assign, assignment]
    task = desk.task

    def restarted(here: Progress) -> Progress:
        while True:
            try:
                return task(here)
            except Died:
                continue

    desk.task = restarted  # type: ignore[method-assign]
    for day in desk.world.days:
        desk.live_until(day)
        for _ in range(8):
            _begin_rounds(desk)
            desk.drain()
    # then
    assert next(writes) > 100
    assert told_of(desk) == told_of(alone)


def _begin_rounds(desk: Desk) -> None:
    """Whoever dies of it has left a lease behind, which ends."""
    try:
        start_due_rounds(ACCOUNT, desk.books)
    except Died:
        desk.clock.sleep(3600)


def test_what_is_resolved_while_a_round_judges_stays_resolved() -> None:
    # given a day with differences
    desk = Desk(one_day(5, unknown, HOUR))
    desk.live_until(DAY + timedelta(days=1))
    start_due_rounds(ACCOUNT, desk.books)
    desk.drain()
    judged = desk.judged(DAY)
    assert judged is not None
    # when somebody resolves each of them just before a write of the round that comes next
    todo = [each.difference_id for each in judged.findings]

    def resolves(part: str) -> None:
        if part.startswith("day#") and todo:
            difference_id = todo.pop()
            hook, desk.kept.before_write = desk.kept.before_write, None
            resolve_one(ACCOUNT, DAY, difference_id, SAID, desk.books)
            desk.kept.before_write = hook

    desk.kept.before_write = resolves
    desk.live_until(DAY + timedelta(days=2))
    start_due_rounds(ACCOUNT, desk.books)
    desk.drain()
    desk.clock.sleep(3600)
    start_round(ACCOUNT, DAY, by="operator", fresh=True, books=desk.books)
    desk.drain()
    # then
    kept = desk.kept.day(ACCOUNT, DAY)
    assert kept is not None
    assert not todo
    assert (kept.status, kept.judged and kept.judged.differences) == (DayStatus.BALANCED, 5)


def test_facts_that_change_are_not_resolved_any_more() -> None:
    # given a stranger's charge that is resolved
    desk = Desk(one_day(1, _charged_again_late, HOUR))
    desk.live_until(DAY + timedelta(days=1))
    start_due_rounds(ACCOUNT, desk.books)
    desk.drain()
    first = desk.judged(DAY)
    assert first is not None
    resolve_one(ACCOUNT, DAY, first.findings[0].difference_id, SAID, desk.books)
    # when a second one of the same id is shown
    desk.live_until(DAY + timedelta(days=2))
    start_due_rounds(ACCOUNT, desk.books)
    desk.drain()
    # then
    kept = desk.kept.day(ACCOUNT, DAY)
    assert kept is not None
    assert (kept.status, kept.found[Kind.UNKNOWN_TO_LEDGER].count) == (DayStatus.DIFFERENCES, 1)


def _charged_again_late(draw: Drawer, story: Story, at: datetime) -> None:
    story.charge(at)
    story.late = 30 * HOUR
    story.charge(at + HOUR)


@pytest.mark.parametrize("what", ["dies", "held", "page off"])
def test_how_an_escalated_request_ended_is_judged_whatever_happens(what: str) -> None:
    # given a request that is escalated on its day, which is final unless its page was switched off before that
    start, end = bounds(DAY, BERLIN)
    story = Drawer(random.Random("escalated"), start, end, timedelta()).story()
    story.late = timedelta()
    story.created(start + HOUR).sent(start + HOUR).charge(start + HOUR).unknown(start + 2 * HOUR)
    desk = Desk(World(BERLIN, DAY, DAY, [story.write(start + 20 * HOUR, status=Status.ESCALATED)], quiet=3))
    for after in (1, 2):
        desk.live_until(DAY + timedelta(days=after))
        desk.page_off = after == 2 and what == "page off"
        start_due_rounds(ACCOUNT, desk.books)
        desk.drain()
    (item,) = getattr(desk.judged(DAY), "open_items", ())
    settled = Said(Reason.SETTLED_CHARGED, "The bank says so.", "arn:finance")

    def settle() -> None:
        resolve_one(ACCOUNT, DAY, item.difference_id, settled, desk.books)

    # when finance says how it ended
    if what == "dies":
        writes = itertools.count()

        def dies(part: str) -> None:
            if part.startswith("day#") and next(writes):
                raise Died

        desk.kept.before_write = dies
        with pytest.raises(Died):
            settle()
        desk.kept.before_write = None
    elif what == "held":
        # A round that has judged the day and looks at those after it.
        start_round(ACCOUNT, DAY, by="operator", fresh=False, books=desk.books)
        days = desk.kept.days

        def meanwhile(*given: Any) -> Any:
            if given[1] == DAY:
                desk.kept.days = days  # type: ignore[method-assign]
                settle()
            return days(*given)

        desk.kept.days = meanwhile  # type: ignore[method-assign]
    else:
        settle()
    desk.drain()
    desk.clock.sleep(3600)
    start_due_rounds(ACCOUNT, desk.books)
    desk.drain()
    # then the day says so, and is at rest
    judged, kept = desk.judged(DAY), desk.kept.day(ACCOUNT, DAY)
    assert judged is not None
    assert judged.open_items == ()
    assert kept is not None
    assert (kept.to_judge, kept.lease_until) == (False, None)


def test_a_statement_comes_to_what_the_page_would_have() -> None:
    # given rows that can all be read
    def world() -> World:
        drawn = a_few_days(5)
        for story in drawn.stories:
            if Kind.UNREADABLE_ROW in story.planted:
                story.rows.clear()
                story.planted.clear()
                story.states.clear()
        return World(drawn.zone, drawn.first, drawn.last, drawn.stories, quiet=drawn.quiet)

    by_page = Desk(world()).run()
    # when the page is off, and somebody uploads them
    desk = Desk(world(), page_off=True).run()
    for day in desk.world.days[:-2]:
        kept = desk.kept.day(ACCOUNT, day)
        assert kept is not None
        assert kept.status is DayStatus.NO_ACTIVITY_PAGE
        opened = open_statement(
            ACCOUNT, day, day, "0" * 64, person=Person("people/bob", "bob"), caller="arn:bob", here=desk.books
        )
        desk.uploads.uploads[opened.statement.statement_id] = _statement(desk.world, day)
        read_statement(ACCOUNT, opened.statement.statement_id, by="arn:bob", here=desk.books)
        desk.drain()
    # then
    assert desk.standing() == by_page.standing() == desk.world.planted
    assert told_of(desk) == told_of(by_page)


def _statement(world: World, day: date) -> bytes:
    start, end = bounds(day, world.zone)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["requestId", "activityTime", "type", "status", "amount", "currencyCode", "gcId"])
    for row in world.rows:
        shown = row.activity
        if start <= row.at < end and shown.is_real:
            value = shown.value
            time = f"{row.at:%Y-%m-%dT%H:%M:%SZ}"
            money = [value.amount_text, value.currency] if value else ["", ""]
            writer.writerow([shown.request_id, time, shown.type, shown.status, *money, ""])
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("proof", "taken_out"),
    [
        (
            test_more_rows_in_a_second_than_a_page_shows_are_told_loudly_and_not_halved_for_ever,
            cut(windows.halves, "window.end - window.start <= _SHORTEST", "False"),
        ),
        (
            test_a_round_that_has_lost_its_day_writes_nothing_more,
            cut(rounds.reconcile, "day.round != here.round or day.lease_until is None", "False"),
        ),
        (
            test_facts_that_change_are_not_resolved_any_more,
            cut(findings.difference_id, "[kind.value, request_id, *facts]", "[kind.value, request_id]"),
        ),
    ],
    ids=["halving ends", "a lost lease", "facts in the id"],
)
def test_a_rule_of_rounds_taken_out_is_noticed(proof: Callable[[], None], taken_out: Cut) -> None:
    with without([taken_out]), pytest.raises(BaseException):  # noqa: B017, PT011 - however it shows
        proof()
