"""The books of a drawn month, kept as the product keeps them: the watch, its rounds, judging; on a virtual clock."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, cast

from incentives.agcod.activity import ActivityPage
from incentives.domain.outcomes import AmazonError, Refused
from incentives.domain.reconciliation.days import bounds, day_of
from incentives.domain.reconciliation.findings import Decision, Judged, Kind, Reason, Resolution
from incentives.domain.reconciliation.judged_objects import decode_judged
from incentives.domain.reconciliation.rows import read_activity_types
from incentives.domain.single_requests.record import KeyItem, Record, Status
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation.dependencies import BooksDependencies, BooksSettings
from incentives.usecases.reconciliation.due_rounds import start_due_rounds
from incentives.usecases.reconciliation.rounds import Progress, Task, reconcile
from incentives.usecases.reconciliation.start_round import start_round
from incentives.usecases.recovery.look_up_activity import DISABLED
from tests.books.story import ACCOUNT
from tests.books.world import INDEX_LAGS, World
from tests.support.books import FakeBooks, FakeBooksFiles, FakeStatementUploads
from tests.support.budgets import FakeBudgets
from tests.support.fakes import (
    FakeAccounts,
    FakeBacklog,
    FakeClock,
    FakeKeptPages,
    FakeNotifier,
    FakeRateLimiter,
    FakeRecoveries,
    FakeTelemetry,
    FakeVault,
)
from tests.support.ports import Ports

ACTIVITY_TYPES: Final = (
    "GCCreation=charge,GCCancellation=refund,GCActivation=charge,GCDeactivation=refund,"
    "BalanceLoad=charge,BalanceLoadVoid=refund"
)
#: When the watch comes, by the zone's midnight: some of its ninety-six times a day, enough for two rounds.
WATCHES: Final = (timedelta(minutes=20), timedelta(hours=11))
FUNCTION_SECONDS: Final = 300.0

SHORT_PAGE_EVERY: Final = 7

#: Tasks of one execution: more are an endless loop. Twice its pages.
TASKS_MAX: Final = 1000


class WorldLedger:
    """`Ledger`, `Records` and `Index` of a world, as of the clock; the index lags behind.

    Nobody may write: what reconciles changes no record.
    """

    def __init__(self, world: World, clock: FakeClock) -> None:
        self._world, self._clock = world, clock

    def get(self, request_id: str) -> Record | None:
        story = self._world.by_id.get(request_id)
        return story.at(self._clock.now()) if story else None

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        found = {request_id: self.get(request_id) for request_id in request_ids}
        return {request_id: record for request_id, record in found.items() if record is not None}

    def get_keys(self, key_hashes: Sequence[str]) -> Mapping[str, KeyItem]:
        raise AssertionError("nothing of a day is looked for by its key")

    def day(self, account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        as_of = self._clock.now() - INDEX_LAGS
        keyed = []
        for request_id in self._world.created_within(start, start + timedelta(days=1)):
            record = self._world.by_id[request_id].at(as_of)
            if record is not None:
                keyed.append((f"{record.created_at.isoformat()}#{request_id}", record))
        keyed = sorted((each for each in keyed if before is None or each[0] < before), reverse=True, key=lambda e: e[0])
        return keyed[:limit], len(keyed) > limit


class Desk:
    """Whoever keeps the books of a world.

    Attributes:
        page_off: the page is switched off.
        alerts: what people were told.
        pages: how often the page was asked for.
        pages_max: how often it may be.
    """

    def __init__(self, world: World, *, page_rows: int = 1000, page_off: bool = False) -> None:
        self.world, self.page_off, self.page_rows, self.pages = world, page_off, page_rows, 0
        start = bounds(world.first, world.zone)[0]
        self.clock = FakeClock(start)
        self.ledger = WorldLedger(world, self.clock)
        self.kept, self.files, self.notifier = FakeBooks(), FakeBooksFiles(), FakeNotifier()
        self.uploads, self.pages_max = FakeStatementUploads(), 10_000
        self.telemetry = FakeTelemetry()
        self._queue: deque[tuple[date, int]] = deque()
        self._ended = deque(sorted(self._ends(), key=lambda end: end[0]))
        self._settles = deque((*story.settles, story.request_id) for story in world.stories if story.settles)
        numbers = itertools.count()
        dependencies = Ports(
            budgets=FakeBudgets(),
            ledger=cast("Any", self.ledger),
            rate_limiter=FakeRateLimiter(self.clock),
            backlog=FakeBacklog(),
            amazon=cast("Any", self),
            kept_pages=FakeKeptPages(),
            accounts=FakeAccounts(),
            vault=FakeVault(),
            recoveries=FakeRecoveries(),
            notifier=self.notifier,
            clock=self.clock,
            telemetry=self.telemetry,
            new_nonce=lambda: f"nonce {next(numbers)}",
        )
        self.books = BooksDependencies(
            dependencies=dependencies,
            books=self.kept,
            files=self.files,
            uploads=self.uploads,
            reconciliations=cast("Any", self),
            index=self.ledger,
            records=self.ledger,
            settings=BooksSettings(
                zone=world.zone,
                begin=world.first,
                types=read_activity_types(ACTIVITY_TYPES),
                without_balance=frozenset({ACCOUNT}),
            ),
        )

    # ---- the world's doings ----------------------------------------------------------------------

    def _ends(self) -> list[tuple[datetime, str]]:
        """What the consumer of spend notes: reversals that end on a later day than their requests were sent."""
        found = []
        for story in self.world.by_id.values():
            before: Record | None = None
            for moment, record in story.states:
                if before is not None and before.status is Status.REVERSING and record.status is Status.REVERSED:
                    began = record.first_sent_at or record.created_at
                    if day_of(record.updated_at, self.world.zone) > day_of(began, self.world.zone):
                        found.append((moment, story.request_id))
                before = record
        return found

    def activity_page(self, account: object, *, request_id: str, query: Mapping[str, Any], seconds: float) -> Any:
        """`Amazon`: the page."""
        self.pages += 1
        assert self.pages <= self.pages_max, "it asks for pages without end"
        if self.page_off:
            return Refused(AmazonError(code="F300", type=DISABLED))
        start, end = (
            datetime.fromisoformat(query[name]).replace(tzinfo=UTC) for name in ("utcStartDate", "utcEndDate")
        )
        found = self.world.rows_within(start, end, self.clock.now())
        shown = [row.activity for row in found[: min(query["pageSize"], self.page_rows)]]
        if self.pages % SHORT_PAGE_EVERY == 0 and query["pageSize"] > 1:
            # Now and then a page lacks a row that its total counts.
            shown = shown[1:]
        telling = [each for each in shown if _tells(each)]
        left_out = [each for each in shown if not _tells(each)]
        return ActivityPage(tuple(telling), len(found), tuple(left_out))

    def start(self, account: str, day: date, round_number: int) -> bool:
        """`Reconciliations`."""
        self._queue.append((day, round_number))
        return True

    # ---- keeping the books -----------------------------------------------------------------------

    def run(self) -> Desk:
        """Day after day, to the end of the quiet days."""
        for day in self.world.days:
            for after in WATCHES:
                self.live_until(day, after)
                start_due_rounds(ACCOUNT, self.books)
                self.drain()
        return self

    def live_until(self, day: date, after: timedelta = WATCHES[0]) -> None:
        """Only let the time come."""
        at = bounds(day, self.world.zone)[0] + after
        self.clock.sleep((at - self.clock.now()).total_seconds())
        self.catch_up()

    def run_again(self) -> Desk:
        """An operator has every day read anew."""
        for day in self.world.days[:-2]:
            start_round(ACCOUNT, day, by="operator", fresh=True, books=self.books)
            self.drain()
        return self

    def catch_up(self) -> None:
        """What has happened at the ledger, and at finance, since."""
        now = self.clock.now()
        while self._ended and self._ended[0][0] <= now:
            moment, request_id = self._ended.popleft()
            self.kept.note_ended(ACCOUNT, day_of(moment, self.world.zone), request_id, now)
        for _ in range(len(self._settles)):
            moment, is_charged, request_id = self._settles.popleft()
            if moment > now or not self._settle(request_id, is_charged, now):
                self._settles.append((moment, is_charged, request_id))

    def _settle(self, request_id: str, is_charged: bool, now: datetime) -> bool:
        """Finance says how an escalated request ended, where it is listed; the next round of the day sees it."""
        for day in self.kept.days(ACCOUNT, self.world.first, self.world.days[-1])[::-1]:
            judged = self.judged(day.day)
            item = next((each for each in (judged.open_items if judged else ()) if each.request_id == request_id), None)
            if item is None or item.kind is not Kind.ESCALATED:
                continue
            reason = Reason.SETTLED_CHARGED if is_charged else Reason.SETTLED_REFUNDED
            decision = Decision(reason=reason, note="the bank says so", by="finance", at=now)
            resolution = Resolution(
                account=ACCOUNT,
                difference_id=item.difference_id,
                kind=item.kind,
                request_id=request_id,
                day=day.day,
                decisions=(decision,),
            )
            return self.kept.keep_day(day, replace(day, revision=day.revision + 1), [resolution])
        return False

    def drain(self) -> None:
        """Let the executions that were started run to their ends."""
        while self._queue:
            self.execute(*self._queue.popleft())

    def execute(self, day: date, number: int, tasks: int = TASKS_MAX) -> Progress:
        """Let one execution run, for so many tasks."""
        here = Progress(account=ACCOUNT, day=day, round=number)
        for _ in range(tasks):
            if here.next is Task.DONE:
                break
            here = self.task(here)
        assert tasks < TASKS_MAX or here.next is Task.DONE, f"{day} never ends"
        return here

    def task(self, here: Progress) -> Progress:
        """One task, and the wait that it asks for."""
        end = self.clock.now() + timedelta(seconds=FUNCTION_SECONDS)
        budget = Budget(lambda: (end - self.clock.now()).total_seconds())  # noqa: PLW0108 - the time is read anew each time
        there = reconcile(here.next, here, self.books, budget)
        self.clock.sleep(max(there.wait_seconds, 1))
        return there

    # ---- reading them ----------------------------------------------------------------------------

    def judged(self, day: date) -> Judged | None:
        kept = self.kept.day(ACCOUNT, day)
        content = self.files.get(kept.judged.name) if kept and kept.judged else None
        return decode_judged(content) if content else None

    def standing(self) -> Counter[tuple[Kind, str]]:
        """The differences that stand, over all days."""
        found: Counter[tuple[Kind, str]] = Counter()
        for day in self.world.days:
            judged = self.judged(day)
            found.update((each.kind, each.request_id) for each in (judged.findings if judged else ()))
        return found


def _tells(activity: Any) -> bool:
    if not activity.request_id or activity.time is None or activity.status not in {"Success", "Failed"}:
        return False
    return activity.value is not None or activity.status == "Failed" or activity.type not in {None, "GCCreation"}
