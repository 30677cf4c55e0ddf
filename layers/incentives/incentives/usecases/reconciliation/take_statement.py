"""Take a statement: rows that a person downloaded from Amazon's portal, for days whose activity page nobody can read.

    open_statement    says where it is to be put
    read_statement    reads it, deletes it, and hands its rows to the days' rounds

What was put is deleted before it is looked at, whatever comes of it: somebody may have put a download as it was, with
claim codes in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksConflict, BooksNotFound, BooksUnavailable, InvalidInput, StatementRefused
from incentives.domain.reconciliation.day_state import TOTAL_AGAIN_AFTER, BooksDay, Source, changed
from incentives.domain.reconciliation.days import bounds, day_of
from incentives.domain.reconciliation.judged_objects import folder_of, named
from incentives.domain.reconciliation.rows import Row, encode_rows
from incentives.domain.reconciliation.statement_files import FILE_BYTES_MAX, StatementRules, read_statement_rows
from incentives.domain.reconciliation.statements import Statement, StatementStatus
from incentives.domain.reconciliation.windows import Window
from incentives.usecases.reconciliation.due_rounds import ROUNDS_MAX
from incentives.usecases.reconciliation.start_round import begin_of, start_round

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import Upload
    from incentives.domain.persons import Person
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: Of one statement: a month, which is what people download.
DAYS_MAX: Final = 31

_SHA256: Final = re.compile(r"[0-9a-f]{64}")

#: Looks at a day that others write meanwhile.
LOOKS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class OpenedStatement:
    """A statement that waits for its file, and where that goes."""

    statement: Statement
    upload: Upload


def open_statement(
    account: str,
    first: date,
    last: date,
    sha256: str,
    *,
    person: Person | None,
    caller: str | None,
    here: BooksDependencies,
) -> OpenedStatement:
    """Say where a statement is to be put.

    Args:
        account: whose rows it has.
        first: booking day that it has whole, and all days up to `last`, included.
        last: likewise.
        sha256: of the download that it was made from, which stays where it is.
        person: who asks; None: nobody knows which person that is.
        caller: ARN of who signed the call.
        here: the ports.

    Raises:
        InvalidInput: names `from`, `to` or `sha256`.
        AccountUnusable: there is no such account.
        BooksConflict: Amazon's page shows one of the days whole.
        BooksUnavailable
    """
    if first > last:
        raise InvalidInput("from", "must not be after to")
    if (last - first).days >= DAYS_MAX:
        raise InvalidInput("from", f"must be less than {DAYS_MAX} days before to")
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput("sha256", "must be 64 hexadecimal digits, in lower case")
    now = here.dependencies.clock.now()
    if day_of(now, here.settings.zone) <= last:
        raise InvalidInput("to", "must be a day that is over")
    begin = begin_of(account, here)
    if begin is None or first < begin:
        raise InvalidInput("from", f"must not be before the books begin ({begin or 'no balance has been kept yet'})")
    here.dependencies.accounts.get(account)
    _refuse_read_ones(here.books.days(account, first, last))
    statement = Statement(
        account=account,
        statement_id=hashlib.sha256(here.dependencies.new_nonce().encode()).hexdigest()[:32],
        first=first,
        last=last,
        sha256=sha256,
        uploaded_by=person.id if person else None,
        caller=caller,
        at=now,
    )
    if not here.books.keep_statement(None, statement):
        raise BooksUnavailable("The statement could not be written. Repeat the call.")
    here.dependencies.telemetry.log("statementOpened", account=account, caller=caller)
    return OpenedStatement(statement, here.uploads.upload(statement.statement_id))


def read_statement(account: str, statement_id: str, *, by: str, here: BooksDependencies) -> Sequence[BooksDay]:
    """Read a statement that was put, and start a round of each of its days. A repeat starts none, and returns the days.

    Raises:
        BooksNotFound: there is no such statement.
        BooksConflict: nothing was put, it was refused, or Amazon's page shows one of the days whole.
        StatementRefused: names the column or the line.
        AccountUnusable
        BooksUnavailable: the statement may have to be put again, as a new one.
    """
    statement = here.books.statement(account, statement_id)
    if statement is None:
        raise BooksNotFound(f"The books of {account} have no such statement.")
    if statement.status is not StatementStatus.WAITING:
        # Somebody may have put something there since, and nobody will read it.
        here.uploads.delete(statement_id)
        if statement.status is StatementStatus.READ:
            return here.books.days(account, statement.first, statement.last)
        raise BooksConflict("This statement was refused: make another one.")
    content = here.uploads.read(statement_id, FILE_BYTES_MAX)
    if content is None:
        raise BooksConflict("Nothing has been put where the statement goes.")
    here.uploads.delete(statement_id)
    try:
        rows = _rows(statement, content, here)
    except (StatementRefused, BooksConflict) as error:
        _end(replace(statement, status=StatementStatus.REFUSED, why=error.detail), here)
        raise
    by_day: dict[date, list[Row]] = {}
    for row in rows:
        by_day.setdefault(_day(row.time, here), []).append(row)
    partner_id = here.dependencies.accounts.get(account).partner_id
    number = (statement.last - statement.first).days + 1
    days = [statement.first + timedelta(days=n) for n in range(number)]
    kept = [_take(statement, day, partner_id, by_day.get(day, ()), here) for day in days]
    _end(replace(statement, status=StatementStatus.READ, rows=len(rows)), here)
    here.dependencies.telemetry.log("statementRead", account=account, rows=len(rows), caller=by)
    # One after the other they judge each other's days, too: the watch begins the rest.
    begun = [start_round(account, each.day, by=by, fresh=False, books=here) for each in kept[:ROUNDS_MAX]]
    return [*begun, *kept[ROUNDS_MAX:]]


def _rows(statement: Statement, content: bytes, here: BooksDependencies) -> list[Row]:
    if len(content) > FILE_BYTES_MAX:
        raise StatementRefused([("statement", f"must have at most {FILE_BYTES_MAX:,} bytes: make two of it")])
    _refuse_read_ones(here.books.days(statement.account, statement.first, statement.last))
    rules = StatementRules(
        first=statement.first,
        last=statement.last,
        zone=here.settings.zone,
        types=here.settings.types,
        partner_id=here.dependencies.accounts.get(statement.account).partner_id,
    )
    return read_statement_rows(content, rules)


def _refuse_read_ones(days: Sequence[BooksDay]) -> None:
    for each in days:
        if not each.takes_statement:
            raise BooksConflict(f"{each.day} has been read from Amazon's activity page, which goes before a statement.")


def _day(time: datetime | None, here: BooksDependencies) -> date:
    if time is None:
        raise ValueError("a row of a statement has a time")
    return day_of(time, here.settings.zone)


def _take(statement: Statement, day: date, partner_id: str, rows: Sequence[Row], here: BooksDependencies) -> BooksDay:
    """Make a statement's rows those that count of a day."""
    start, end = bounds(day, here.settings.zone)
    content = encode_rows(rows)
    for _ in range(LOOKS_MAX):
        before = here.books.day(statement.account, day)
        _refuse_read_ones([before] if before is not None else [])
        round_number = before.round + 1 if before else 1
        folder = folder_of(statement.account, partner_id, day, round_number)
        name = named(folder, f"rows-{start:%Y%m%dT%H%M%S}", content, "jsonl")
        here.files.put(name, content, "application/jsonl")
        window = Window(start=start, end=end, name=name, rows=len(rows), asked_at=statement.at)
        after = changed(
            before or BooksDay(account=statement.account, day=day, revision=0),
            # Whoever works on the day by its page has lost it.
            round=round_number,
            lease_until=None,
            source=Source.STATEMENT,
            partner_id=partner_id,
            reading=(),
            reads_anew=False,
            checks_total=False,
            windows=(window,),
            to_judge=True,
            fetched_at=statement.at,
            final=statement.at >= end + TOTAL_AGAIN_AFTER,
            statement_id=statement.statement_id,
            uploaded_by=statement.uploaded_by,
        )
        if here.books.keep_day(before, after):
            return after
    raise BooksUnavailable(f"{day} is written by others all the time. Make another statement.")


def _end(after: Statement, here: BooksDependencies) -> None:
    before = replace(after, status=StatementStatus.WAITING, rows=0, why=None)
    here.books.keep_statement(before, replace(after, revision=before.revision + 1))
