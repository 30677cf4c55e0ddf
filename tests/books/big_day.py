"""`python -m tests.books.big_day ROWS`: seconds and megabytes of judging a day of so many rows, in this process."""

# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import math
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from incentives.domain.operations import Operation
from incentives.domain.reconciliation.day_state import BooksDay, Source
from incentives.domain.reconciliation.days import bounds, read_zone
from incentives.domain.reconciliation.rows import Row, encode_rows
from incentives.domain.reconciliation.windows import EXPECTED_MAX, Window
from incentives.domain.single_requests.record import Record
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation.judge_day import judge_from
from incentives.usecases.reconciliation.rounds import PAGE_EVERY_SECONDS, PAGES_MAX
from tests.books.desk import Desk
from tests.books.story import ACCOUNT, PARTNER, Story, dollars
from tests.books.world import World

DAY: Final = date(2026, 11, 22)
ZONE: Final = read_zone("Europe/Berlin")

#: Of one page in an execution's history: a task that is scheduled, begun and ended, a choice, and a wait, each entered
#: and left. Step Functions ends an execution at 25,000.
EVENTS_OF_A_PAGE: Final = 9
EVENTS_MAX: Final = 25_000

#: As the template has it, of the function.
MEMORY_MB: Final = 2048
SECONDS: Final = 300


class MadeUpLedger:
    """`Records` and `Index` of a request every so often, each made when it is read: none of it stays."""

    def __init__(self, count: int) -> None:
        self.count, self.every = count, timedelta(days=1) / count
        self.start = bounds(DAY - timedelta(days=1), ZONE)[0]
        self.one = Story("", Operation.CREATE_GIFT_CARD, dollars(2500), timedelta(), timedelta())
        self.one.created(self.start).sent(self.start).succeeded(self.start)

    def at(self, number: int) -> datetime:
        return self.start + number * self.every

    def record(self, number: int) -> Record:
        at = self.at(number)
        second = at.replace(microsecond=0)
        return replace(
            self.one.states[-1][1],
            request_id=f"{PARTNER}R{number:09d}",
            created_at=at,
            updated_at=at,
            answered_at=at,
            first_sent_at=second,
            last_sent_at=second,
        )

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        return {each: self.record(int(each.rpartition("R")[2])) for each in request_ids}

    def day(self, account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        first = max(0, math.ceil((start - self.start) / self.every))
        after = math.ceil((start + timedelta(days=1) - self.start) / self.every)
        last = min(after, 3 * self.count) if before is None else int(before)
        numbers = range(last - 1, max(first, last - limit) - 1, -1)
        return [(str(number), self.record(number)) for number in numbers], last - limit > first


@dataclass(frozen=True)
class Measured:
    """What a day took."""

    rows: int
    seconds: float
    megabytes: int
    matched: int


def measure(count: int) -> Measured:
    """Judge a day between two others of as many rows."""
    ledger = MadeUpLedger(count)
    desk = Desk(World(ZONE, DAY, DAY, []))
    desk.clock.time = bounds(DAY + timedelta(days=4), ZONE)[0]
    for shift in (-1, 0, 1):
        day = DAY + timedelta(days=shift)
        start, end = bounds(day, ZONE)
        windows = []
        pages = math.ceil(count / EXPECTED_MAX)
        for page in range(pages):
            first = start + (end - start) * page / pages
            until = start + (end - start) * (page + 1) / pages
            numbers = range(
                math.ceil((first - ledger.start) / ledger.every), math.ceil((until - ledger.start) / ledger.every)
            )
            rows = [
                Row(
                    f"{PARTNER}R{number:09d}",
                    ledger.at(number).replace(microsecond=0),
                    "GCCreation",
                    "Success",
                    value=dollars(2500),
                )
                for number in numbers
            ]
            name = f"{day}/{page}"
            desk.files.put(name, encode_rows(rows), "application/jsonl")
            windows.append(Window(start=first, end=until, name=name, rows=len(rows), asked_at=desk.clock.time))
        kept = BooksDay(
            account=ACCOUNT,
            day=day,
            round=1,
            source=Source.PAGE,
            partner_id=PARTNER,
            windows=tuple(windows),
            fetched_at=desk.clock.time,
            final=True,
        )
        assert desk.kept.keep_day(None, kept)
    books = replace(desk.books, records=ledger, index=ledger, settings=replace(desk.books.settings, begin=DAY))
    began = time.monotonic()
    assert judge_from(ACCOUNT, DAY, books, Budget(lambda: float(SECONDS)))
    took = time.monotonic() - began
    judged = desk.judged(DAY)
    assert judged is not None
    assert not judged.findings, judged.findings[:3]
    return Measured(count, took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, judged.charges.count)


def measured_alone(count: int) -> list[str]:
    """Seconds, megabytes and rows, of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.books.big_day", str(count)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout.split()


def calculated(rows: int) -> list[tuple[str, str]]:
    """What a day of so many rows takes to fetch."""
    pages = math.ceil(rows / EXPECTED_MAX)
    executions = math.ceil(pages / PAGES_MAX)
    return [
        ("pages", f"{pages}"),
        ("minutes", f"{pages * PAGE_EVERY_SECONDS // 60} ({pages * PAGE_EVERY_SECONDS / 3600:.1f} hours)"),
        ("executions", f"{executions}"),
        ("events of the longest", f"{min(pages, PAGES_MAX) * EVENTS_OF_A_PAGE:,} of {EVENTS_MAX:,}"),
    ]


if __name__ == "__main__":
    one = measure(int(sys.argv[1]))
    print(f"{one.seconds:.1f} {one.megabytes} {one.matched}")
