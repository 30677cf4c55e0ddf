"""Judge a booking day by Amazon's rows and the ledger, and the days that go on from it.

All that a judgement says is one object in the books' bucket and one write of the day's item that names it: a process
that dies before that write has changed nothing of what the day says.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from incentives.agcod.marketplaces import MARKETPLACES
from incentives.domain.errors import AccountUnusable, BooksUnavailable, InvalidInput
from incentives.domain.reconciliation.balance import NEAR, Level, levels_of_day
from incentives.domain.reconciliation.balance import Move as BalanceMove
from incentives.domain.reconciliation.day_state import BooksDay, Found, JudgedDay, changed, first_outdated, still_told
from incentives.domain.reconciliation.days import TZDATA, bounds, day_of, days_between
from incentives.domain.reconciliation.entries import CLOCKS_APART, Entry, entry_of
from incentives.domain.reconciliation.findings import (
    OPEN_KINDS,
    Decision,
    FileRef,
    Finding,
    Judged,
    Kind,
    carry_digest,
    found_by_kind,
)
from incentives.domain.reconciliation.judged_objects import decode_judged, encode_judged, folder_of, named
from incentives.domain.reconciliation.judging import CARRIED_FOR, DayInputs, DayJudgement, Move, judge, moves_of
from incentives.domain.reconciliation.transactions import transactions_file
from incentives.usecases.reconciliation.sources import content_of, records_created, rows_of
from incentives.usecases.reconciliation.start_round import begin_of
from incentives.usecases.reconciliation.tell_differences import tell_differences

if TYPE_CHECKING:
    from incentives.domain.reconciliation.rows import Row
    from incentives.domain.reconciliation.windows import Window
    from incentives.usecases.dependencies import Budget
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: A round, a watch and people who resolve at once.
TRIES_MAX: Final = 8

#: Of one day, while the days around it are judged: again where one of them has changed what it goes on from.
JUDGEMENTS_MAX: Final = 3

#: Seconds that judging a day of a hundred thousand rows may take: no other one is begun with less left.
SECONDS_FOR_A_DAY: Final = 120.0

#: How far back the last judged day may be that a day goes on from.
_LOOK_BACK: Final = timedelta(days=62)

_ONE_DAY: Final = timedelta(days=1)


def judge_from(account: str, day: date, books: BooksDependencies, budget: Budget) -> bool:
    """Judge a day, the days that go on from it, and those whose differences that clears.

    Returns:
        Whether all of them are judged; else the next watch begins with the first that is not.

    Raises:
        BooksUnavailable, LedgerUnavailable
    """
    waiting, judgements = [day], Counter[date]()
    while waiting:
        current = waiting.pop(0)
        judgements[current] += 1
        if judgements[current] > JUDGEMENTS_MAX:
            # Days that keep changing each other's are no reason to stay: what is listed is true, and told.
            books.dependencies.telemetry.log("judgingUnsettled", account=account, day=current.isoformat())
            continue
        if current != day and budget.seconds_left() < SECONDS_FOR_A_DAY:
            return False
        cleared_on = judge_day(account, current, books)
        if cleared_on is None:
            continue
        tell_differences(account, current, books)
        waiting += [each for each in cleared_on if each not in waiting]
        following = first_outdated(books.books.days(account, current, current + _LOOK_BACK))
        if following is not None and following not in waiting:
            waiting.append(following)
    return True


def judge_day(account: str, day: date, books: BooksDependencies) -> tuple[date, ...] | None:
    """Judge one day, and write down what came of it.

    Returns:
        The earlier days whose differences are gone; None: none of the day's rows have been read.

    Raises:
        BooksUnavailable, LedgerUnavailable
    """
    for _ in range(TRIES_MAX):
        before = books.books.day(account, day)
        if before is None or not before.windows:
            return None
        judged, cleared_on = _Judging(before, books).judged()
        after = _with_judged(before, judged, books)
        for earlier in cleared_on:
            # Before this judgement is written: should the process die, the watch sees to them.
            _mark(account, earlier, books)
        if after is None or books.books.keep_day(before, after):
            _measure(before, after, books)
            return cleared_on
    raise BooksUnavailable("the day's books are written by too many at once")


def _mark(account: str, day: date, books: BooksDependencies) -> None:
    """Note that a day is to be judged again."""
    for _ in range(TRIES_MAX):
        item = books.books.day(account, day)
        if item is None or item.to_judge or books.books.keep_day(item, changed(item, to_judge=True)):
            return
    raise BooksUnavailable("the day's books are written by too many at once")


def _with_judged(before: BooksDay, judged: Judged, books: BooksDependencies) -> BooksDay | None:
    """The day with its judgement; None if that is what it says already."""
    content = encode_judged(judged)
    folder = folder_of(before.account, judged.partner_id, before.day, before.round)
    name = named(folder, "judged", content, "json")
    if before.judged is not None and before.judged.name.rpartition("-")[2] == name.rpartition("-")[2]:
        name = before.judged.name
    else:
        books.files.put(name, content, "application/json")
    summary, found = _summary_of(name, judged, books)
    if before.judged is not None and replace(summary, at=before.judged.at) == before.judged and found == before.found:
        return changed(before, to_judge=False) if before.to_judge else None
    told = still_told(before.told, found, before.incomplete)
    return changed(before, judged=summary, found=found, told=told, to_judge=False)


def _summary_of(name: str, judged: Judged, books: BooksDependencies) -> tuple[JudgedDay, dict[Kind, Found]]:
    """What the day's item says of a judgement, by what has been decided until now.

    Raises:
        BooksUnavailable
    """
    decided = books.books.resolutions(judged.account, [finding.difference_id for finding in judged.findings])
    found = found_by_kind(judged.findings, decided, judged.currency)
    return JudgedDay(
        name=name,
        at=books.dependencies.clock.now(),
        carried_from=judged.carried_from,
        carry=carry_digest(judged.carry, judged.later),
        currency=judged.currency,
        charges=judged.charges.count,
        charged=judged.charges.amount,
        refunds=judged.refunds.count,
        refunded=judged.refunds.amount,
        open_items=len(judged.open_items),
        differences=len(judged.findings),
        unresolved=sum(each.count for each in found.values()),
    ), found


def _measure(before: BooksDay, after: BooksDay | None, books: BooksDependencies) -> None:
    telemetry = books.dependencies.telemetry
    judged = (after or before).judged
    telemetry.log(
        "dayJudged",
        account=before.account,
        day=before.day.isoformat(),
        round=before.round,
        status=(after or before).status.value,
        differences=judged.differences if judged else 0,
    )
    if after is not None:
        telemetry.count("DayJudged")
        new = after.found.get(Kind.UNKNOWN_TO_LEDGER)
        old = before.found.get(Kind.UNKNOWN_TO_LEDGER)
        more = (new.count if new else 0) - (old.count if old else 0)
        if more > 0:
            telemetry.count("BooksUnknownToLedger", more)


class _Judging:
    """The judging of one day: what it needs is gathered as far as the day needs it."""

    def __init__(self, item: BooksDay, books: BooksDependencies) -> None:
        self._item = item
        self._books = books
        self._zone = books.settings.zone
        self._start, self._end = bounds(item.day, self._zone)
        self._days: dict[date, BooksDay | None] = {item.day: item}
        #: Requests of earlier days that are looked at although nothing is wrong with them.
        self._noted: set[str] = set()

    def judged(self) -> tuple[Judged, tuple[date, ...]]:
        """The judgement, and the earlier days whose differences it clears."""
        item, books = self._item, self._books
        previous = self._day_before()
        carried = previous.carry if previous is not None else ()
        rows = list(self._rows(item.windows))
        entries, looked_at = self._looked_at(rows, carried, previous.later if previous is not None else ())
        earlier = self._earlier()
        inputs = DayInputs(
            account=item.account,
            day=item.day,
            zone=self._zone,
            types=books.settings.types,
            currency=self._currency(rows, entries, previous),
            rows=rows,
            others=(),
            entries=entries,
            looked_at=looked_at,
            carried=carried,
            decided={},
            has_reached=self._has_reached,
            begins_at=self._begins_at,
            now=books.dependencies.clock.now(),
        )
        inputs = replace(inputs, others=self._others(inputs))
        done = judge(inputs)
        inputs, again = self._looked_at_again(inputs, done)
        if again:
            done = judge(inputs)
        self._note_away(done)
        judged = self._written(inputs, done, previous, earlier)
        standing = {finding.difference_id for finding in (*judged.carry, *judged.findings)}
        gone = [each for each in carried if each.kind not in OPEN_KINDS and each.difference_id not in standing]
        return judged, tuple(sorted({each.found_on for each in gone if self._is_listed(each)}))

    def _is_listed(self, finding: Finding) -> bool:
        """Whether the day that found it still lists it."""
        item = self._day(finding.found_on)
        if finding.found_on == self._item.day or item is None or item.judged is None:
            return False
        return any(each.difference_id == finding.difference_id for each in self._read(item.judged.name).findings)

    # ---- What is looked at ----

    def _day_before(self) -> Judged | None:
        before = self._books.books.days(self._item.account, self._item.day - _LOOK_BACK, self._item.day - _ONE_DAY)
        last = next((day.judged for day in reversed(before) if day.judged is not None), None)
        return self._read(last.name) if last is not None else None

    def _earlier(self) -> Judged | None:
        return self._read(self._item.judged.name) if self._item.judged is not None else None

    def _read(self, name: str) -> Judged:
        return decode_judged(content_of(name, self._books))

    def _rows(self, windows: Iterable[Window]) -> Iterator[Row]:
        yield from rows_of(windows, self._books)

    def _looked_at(
        self, rows: Sequence[Row], carried: Sequence[Finding], later: Iterable[str]
    ) -> tuple[dict[str, Entry], frozenset[str]]:
        entries: dict[str, Entry] = {}
        created = set[str]()
        # A little more than the day: whose clock says that it was yesterday is still this day's row.
        created_around = records_created(
            self._item.account, self._start - CLOCKS_APART, self._end + CLOCKS_APART, self._books.index
        )
        for record in created_around:
            entries[record.request_id] = entry_of(record)
            if self._start <= record.created_at < self._end:
                created.add(record.request_id)
        ended = self._books.books.ended(self._item.account, self._item.day)
        self._noted.update(ended, later)
        names = {row.request_id for row in rows if row.request_id}
        names.update(finding.request_id for finding in carried if finding.request_id)
        names |= self._noted
        # By a consistent read: what the index does not know yet is no stranger's.
        missing = self._books.records.get_many(sorted(names - entries.keys()))
        entries.update((record.request_id, entry_of(record)) for record in missing.values())
        return entries, frozenset(created | self._noted)

    def _others(self, inputs: DayInputs, more: Mapping[str, Iterable[date]] | None = None) -> tuple[Row, ...]:
        """Amazon's rows of other days, of requests that are looked at on this one."""
        wanted: dict[date, set[str]] = {}
        for request_id, entry in inputs.entries.items():
            for day in entry.expected_on(self._zone):
                if day != self._item.day:
                    wanted.setdefault(day, set()).add(request_id)
        carried = {finding.request_id for finding in inputs.carried if finding.request_id}
        asked = sorted(self._strangers(inputs) | carried | self._noted)
        away = self._books.books.days_of_rows(self._item.account, asked)
        for found in (away, more or {}):
            for request_id, days in found.items():
                for day in days:
                    if day != self._item.day:
                        wanted.setdefault(day, set()).add(request_id)
        return tuple(row for day, request_ids in sorted(wanted.items()) for row in self._rows_of(day, request_ids))

    def _rows_of(self, day: date, request_ids: set[str]) -> Iterator[Row]:
        item = self._day(day)
        for row in self._rows(item.windows if item is not None else ()):
            if row.request_id in request_ids:
                yield row

    def _strangers(self, inputs: DayInputs) -> set[str]:
        """Requests with rows on this day on which nobody would expect any."""
        named = {row.request_id for row in inputs.rows if row.request_id}
        return {
            request_id
            for request_id in named
            if (entry := inputs.entries.get(request_id)) is None or self._item.day not in entry.expected_on(self._zone)
        }

    def _looked_at_again(self, inputs: DayInputs, done: DayJudgement) -> tuple[DayInputs, bool]:
        """The inputs with what only those need that are not as they should be; and whether that is anything new."""
        account, books = self._item.account, self._books.books
        unsettled = sorted(done.unsettled & inputs.entries.keys())
        # The index lags behind the ledger by a moment.
        fresh = {each.request_id: entry_of(each) for each in self._books.records.get_many(unsettled).values()}
        entries = {**inputs.entries, **fresh}
        away = books.days_of_rows(account, unsettled)
        escalated = [finding.difference_id for finding in done.open_items if finding.kind is Kind.ESCALATED]
        past = [each.difference_id for each in done.carry if each.found_on < inputs.day - CARRIED_FOR]
        decided: Mapping[str, Decision] = {
            name: resolution.newest for name, resolution in books.resolutions(account, [*escalated, *past]).items()
        }
        if entries == inputs.entries and not away and not decided:
            return inputs, False
        again = replace(inputs, entries=entries, decided=decided)
        return replace(again, others=self._others(again, away)), True

    def _note_away(self, done: DayJudgement) -> None:
        if done.away:
            self._books.books.note_rows(self._item.account, self._item.day, sorted(done.away))

    # ---- When and in what ----

    def _day(self, day: date) -> BooksDay | None:
        if day not in self._days:
            self._days[day] = self._books.books.day(self._item.account, day)
        return self._days[day]

    def _has_reached(self, moment: datetime) -> bool:
        # Of what was before the books began there are no rows to come.
        earliest = max(moment - CLOCKS_APART, self._begins_at)
        for day in days_between(earliest, max(earliest, moment + CLOCKS_APART), self._zone):
            item = self._day(day)
            if item is None or not item.final or item.fetched_at is None or item.fetched_at < moment + CLOCKS_APART:
                return False
        return True

    @cached_property
    def _begins_at(self) -> datetime:
        begin = begin_of(self._item.account, self._books)
        return bounds(begin, self._zone)[0] if begin is not None else self._start

    def _currency(self, rows: Sequence[Row], entries: Mapping[str, Entry], previous: Judged | None) -> str:
        """The account's: its marketplace's; where its keys cannot be read, that of the day before, or of most rows."""
        try:
            marketplace = self._books.dependencies.accounts.get(self._item.account).marketplace
            return MARKETPLACES[marketplace].currencies[0]
        except (AccountUnusable, InvalidInput, KeyError, IndexError):
            if previous is not None:
                return previous.currency
            seen = Counter(row.value.currency for row in rows if row.value is not None)
            seen.update(entry.value.currency for entry in entries.values())
            return min(seen, key=lambda code: (-seen[code], code), default="USD")

    # ---- What is written ----

    def _written(
        self, inputs: DayInputs, done: DayJudgement, previous: Judged | None, earlier: Judged | None
    ) -> Judged:
        item = self._item
        known = {finding.difference_id: finding for finding in earlier.findings} if earlier is not None else {}
        findings = tuple(_as_before(finding, known) for finding in done.findings)
        standing = {finding.difference_id for finding in (*findings, *done.carry)}
        gone = (*earlier.cleared, *earlier.findings) if earlier is not None else ()
        partner_id = item.partner_id or ""
        folder = folder_of(item.account, partner_id, item.day, item.round)
        return Judged(
            account=item.account,
            day=item.day,
            currency=inputs.currency,
            zone=self._zone.key,
            tzdata=TZDATA,
            partner_id=partner_id,
            source=item.source.value if item.source is not None else "",
            final=item.final,
            incomplete=item.incomplete,
            carried_from=carry_digest(previous.carry, previous.later) if previous is not None else None,
            charges=done.charges,
            refunds=done.refunds,
            foreign=done.foreign,
            ledger=done.ledger,
            bridge=done.bridge,
            findings=findings,
            cleared=tuple({each.difference_id: each for each in gone if each.difference_id not in standing}.values()),
            open_items=tuple(done.open_items),
            carry=tuple(_as_before(finding, known) for finding in done.carry),
            later=tuple(done.later),
            allocation=done.allocation,
            levels=self._levels(inputs, done),
            transactions=self._transactions(
                folder, done.moves, inputs.entries, earlier.transactions if earlier is not None else None
            ),
        )

    def _levels(self, inputs: DayInputs, done: DayJudgement) -> tuple[Level, ...]:
        before, after = self._near(inputs, self._start - NEAR), self._near(inputs, self._end)
        return tuple(
            levels_of_day(
                self._books.books.balances(self._item.account, self._start, self._end),
                [_balance_move(move) for move, _ in done.moves if move.currency == inputs.currency],
                currency=inputs.currency,
                start=self._start,
                end=self._end,
                before=before,
                after=after,
                until=None if self._item.covers(self._end) else self._item.windows[-1].end,
            )
        )

    def _near(self, inputs: DayInputs, start: datetime) -> list[BalanceMove] | None:
        """What the rows of another day move from `start` on, for as long as they may count with this day's balances."""
        item = self._day(day_of(start, self._zone))
        if item is None or not item.windows or item.windows[-1].end < start + NEAR:
            return None
        near = [window for window in item.windows if window.start <= start + NEAR and window.end >= start]
        rows = [row for row in self._rows(near) if row.time is not None and start <= row.time <= start + NEAR]
        records = self._books.records.get_many([row.request_id for row in rows])
        entries = {record.request_id: entry_of(record) for record in records.values()}
        moves = moves_of(rows, entries, inputs.types, self._zone)
        return [_balance_move(move) for move in moves if move.currency == inputs.currency]

    def _transactions(
        self, folder: str, moves: Sequence[tuple[Move, Kind]], entries: Mapping[str, Entry], earlier: FileRef | None
    ) -> FileRef:
        content = transactions_file(moves, entries)
        sha256 = hashlib.sha256(content).hexdigest()
        if earlier is not None and earlier.sha256 == sha256:
            # Another round has found the same.
            return earlier
        name = named(folder, "transactions", content, "csv")
        self._books.files.put(name, content, "text/csv; charset=utf-8")
        return FileRef(name=name, sha256=sha256, rows=len(moves))


def _balance_move(move: Move) -> BalanceMove:
    return BalanceMove(move.time, -move.signed)


def _as_before(finding: Finding, known: Mapping[str, Finding]) -> Finding:
    """A finding that this day has found before, with the time of then."""
    earlier = known.get(finding.difference_id)
    return replace(finding, found_at=earlier.found_at) if earlier is not None else finding
