"""The books in memory: table, bucket, uploads and workflows; they pass the suite of the real ones.

What is written goes through the real table's codec, so that it is read as that would read it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

from incentives.aws.items import Item, decode
from incentives.aws.reconciliation import book_items as at_rest
from incentives.aws.reconciliation import parts
from incentives.domain.bulk_orders.bulk_order import Download, Upload
from incentives.domain.errors import BooksConflict, BooksUnavailable
from incentives.domain.reconciliation.balance import BalanceSnapshot, MovementName
from incentives.domain.reconciliation.closing import Close
from incentives.domain.reconciliation.day_state import BooksDay
from incentives.domain.reconciliation.findings import Resolution
from incentives.domain.reconciliation.statements import Statement
from tests.support.fakes import START

T = TypeVar("T")

#: Account and part.
Key = tuple[str, str]


@dataclass
class FakeBooks:
    """`Books` in memory.

    Attributes:
        items: by account and part, as the table would have them.
        fails: names of the methods that cannot be carried out.
        before_write: called with the part of each write that has a condition, before the condition is looked at: how
            a test lets somebody else be faster.
    """

    items: dict[Key, Item] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    before_write: Callable[[str], None] | None = None

    def day(self, account: str, day: date) -> BooksDay | None:
        self._may_fail("day")
        return self._one(account, parts.day_part(day), at_rest.decode_day)

    def days(self, account: str, first: date, last: date) -> Sequence[BooksDay]:
        self._may_fail("days")
        return self._between(account, parts.day_part(first), parts.day_part(last), at_rest.decode_day)

    def first_day(self, account: str) -> date | None:
        self._may_fail("first_day")
        return next((each.day for each in self.days(account, date.min, date.max)), None)

    def keep_day(self, before: BooksDay | None, after: BooksDay, resolutions: Sequence[Resolution] = ()) -> bool:
        self._may_fail("keep_day")
        if len(resolutions) > 99:
            raise ValueError("at most 99 decisions are written at once")
        puts = [(at_rest.encode_day(after, "-"), "revision", before.revision if before else None)]
        puts += [(at_rest.encode_resolution(each, "-"), "decided", len(each.decisions) - 1) for each in resolutions]
        return self._put(*puts)

    def resolutions(self, account: str, difference_ids: Sequence[str]) -> Mapping[str, Resolution]:
        self._may_fail("resolutions")
        found = (self._one(account, parts.resolution_part(each), at_rest.decode_resolution) for each in difference_ids)
        return {each.difference_id: each for each in found if each is not None}

    def keep_balance(self, snapshot: BalanceSnapshot) -> None:
        self._may_fail("keep_balance")
        item = at_rest.encode_balance(snapshot)
        self.items.setdefault(_key(item), item)

    def balances(self, account: str, first: datetime, last: datetime) -> Sequence[BalanceSnapshot]:
        self._may_fail("balances")
        return self._between(account, parts.balance_part(first), parts.balance_part(last), at_rest.decode_balance)

    def first_balance(self, account: str) -> BalanceSnapshot | None:
        self._may_fail("first_balance")
        return next(iter(self._balances(account)), None)

    def last_balances(self, account: str, limit: int) -> Sequence[BalanceSnapshot]:
        self._may_fail("last_balances")
        return list(itertools.islice(self._balances(account, newest_first=True), limit))

    def note_ended(self, account: str, day: date, request_id: str, now: datetime) -> None:
        self._may_fail("note_ended")
        self.items[account, parts.ended_part(day, request_id)] = {}

    def ended(self, account: str, day: date) -> Sequence[str]:
        self._may_fail("ended")
        prefix = parts.ended_part(day, "")
        return sorted(part.removeprefix(prefix) for name, part in self.items if name == account and prefix in part)

    def note_rows(self, account: str, day: date, request_ids: Sequence[str]) -> None:
        self._may_fail("note_rows")
        for request_id in request_ids:
            days = self.items.setdefault((account, parts.rows_part(request_id)), {"days": {"SS": []}})["days"]["SS"]
            days += {day.isoformat()} - set(days)

    def days_of_rows(self, account: str, request_ids: Sequence[str]) -> Mapping[str, frozenset[date]]:
        self._may_fail("days_of_rows")
        found = {each: self.items.get((account, parts.rows_part(each))) for each in request_ids}
        return {
            request_id: frozenset(map(date.fromisoformat, item["days"]["SS"]))
            for request_id, item in found.items()
            if item
        }

    def movement_names(self, account: str) -> Mapping[str, MovementName]:
        self._may_fail("movement_names")
        return {each.movement_id: each for each in self._beginning(account, "movement#", at_rest.decode_movement)}

    def keep_movement_name(self, before: MovementName | None, after: MovementName) -> bool:
        self._may_fail("keep_movement_name")
        return self._put((at_rest.encode_movement(after, "-"), "revision", before.revision if before else None))

    def statement(self, account: str, statement_id: str) -> Statement | None:
        self._may_fail("statement")
        return self._one(account, parts.statement_part(statement_id), at_rest.decode_statement)

    def keep_statement(self, before: Statement | None, after: Statement) -> bool:
        self._may_fail("keep_statement")
        return self._put((at_rest.encode_statement(after, "-"), "revision", before.revision if before else None))

    def close(self, account: str, month: str) -> Close | None:
        self._may_fail("close")
        return self._one(account, parts.close_part(month), at_rest.decode_close)

    def keep_close(self, before: Close | None, after: Close) -> bool:
        self._may_fail("keep_close")
        return self._put((at_rest.encode_close(after, "-"), "revision", before.revision if before else None))

    def _may_fail(self, method: str) -> None:
        if method in self.fails:
            raise BooksUnavailable("the books are out of reach")

    def _put(self, *puts: tuple[Item, str, int | None]) -> bool:
        for item, _, _ in puts:
            if self.before_write is not None:
                self.before_write(item["part"]["S"])
        for item, counter, number in puts:
            there = decode(self.items.get(_key(item), {}))
            if there.get(counter) != (number or None):
                return False
        self.items |= {_key(item): item for item, _, _ in puts}
        return True

    def _one(self, account: str, part: str, read: Callable[[at_rest.Values], T]) -> T | None:
        item = self.items.get((account, part))
        return None if item is None else read(decode(item))

    def _between(self, account: str, first: str, last: str, read: Callable[[at_rest.Values], T]) -> list[T]:
        found = sorted(part for name, part in self.items if name == account and first <= part <= last)
        return [read(decode(self.items[account, part])) for part in found]

    def _balances(self, account: str, *, newest_first: bool = False) -> Iterator[BalanceSnapshot]:
        # A test that watches for weeks has thousands: only those that are asked for are read.
        keys = sorted((key for key in self.items if key[0] == account), reverse=newest_first)
        return (at_rest.decode_balance(decode(self.items[key])) for key in keys if key[1].startswith("balance#"))

    def _beginning(self, account: str, prefix: str, read: Callable[[at_rest.Values], T]) -> list[T]:
        # No character of a part's sorts as late.
        return self._between(account, prefix, f"{prefix}~", read)


@dataclass
class FakeBooksFiles:
    """`BooksFiles` in memory.

    Attributes:
        files: by name.
        fails: names of the methods that cannot be carried out.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)

    def put(self, name: str, content: bytes, content_type: str) -> None:
        self._may_fail("put")
        if self.files.setdefault(name, content) != content:
            raise BooksConflict(f"the books have another file of the name {name}")
        self.types.setdefault(name, content_type)

    def get(self, name: str) -> bytes | None:
        self._may_fail("get")
        return self.files.get(name)

    def link(self, name: str, file_name: str) -> Download:
        self._may_fail("link")
        return Download(url=f"https://books.test/{name}?as={file_name}", expires_at=START + timedelta(minutes=15))

    def _may_fail(self, method: str) -> None:
        if method in self.fails:
            raise BooksUnavailable("the books' files are out of reach")


@dataclass
class FakeStatementUploads:
    """`StatementUploads` in memory.

    Attributes:
        uploads: what people put, by the statement's id.
        works: False: the bucket cannot be reached.
    """

    uploads: dict[str, bytes] = field(default_factory=dict)
    works: bool = True

    def upload(self, statement_id: str) -> Upload:
        self._reach()
        return Upload(
            url=f"https://uploads.test/statements/{statement_id}",
            headers={"Content-Type": "text/csv"},
            expires_at=START + timedelta(hours=1),
        )

    def read(self, statement_id: str, bytes_max: int) -> bytes | None:
        self._reach()
        found = self.uploads.get(statement_id)
        return None if found is None else found[: bytes_max + 1]

    def delete(self, statement_id: str) -> None:
        self._reach()
        self.uploads.pop(statement_id, None)

    def _reach(self) -> None:
        if not self.works:
            raise BooksUnavailable("the statement is out of reach")


@dataclass
class FakeReconciliations:
    """`Reconciliations` that remembers what was started."""

    started: list[tuple[str, date, int]] = field(default_factory=list)
    works: bool = True

    def start(self, account: str, day: date, round_number: int) -> bool:
        if self.works:
            self.started.append((account, day, round_number))
        return self.works


def _key(item: Item) -> Key:
    return item["account"]["S"], item["part"]["S"]
