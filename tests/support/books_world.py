"""The books with all that is around them, in memory: a world whose days a test writes as if they had been judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from incentives.domain.reconciliation.balance import Level
from incentives.domain.reconciliation.day_state import BooksDay, JudgedDay, Source
from incentives.domain.reconciliation.days import bounds, read_zone
from incentives.domain.reconciliation.findings import (
    OPEN_KINDS,
    AmazonSide,
    FileRef,
    Finding,
    Judged,
    Kind,
    LedgerSide,
    Reason,
    Sum,
    difference_id,
    found_by_kind,
)
from incentives.domain.reconciliation.judged_objects import encode_judged, folder_of, named
from incentives.domain.reconciliation.rows import read_activity_types
from incentives.domain.reconciliation.windows import Window
from incentives.domain.single_requests.record import Status
from incentives.usecases.reconciliation.dependencies import BooksDependencies, BooksSettings
from incentives.usecases.reconciliation.resolve import Said, resolve_all
from tests.support.books import FakeBooks, FakeBooksFiles, FakeReconciliations, FakeStatementUploads
from tests.support.bulk import FakeRecords
from tests.support.fakes import START, World, world
from tests.unit.builders import record
from tests.unit.searching import FakeIndex

ZONE: Final = read_zone("Europe/Berlin")
TYPES: Final = read_activity_types("GCCreation=charge,GCCancellation=refund")
#: A day that is over in every world.
DAY: Final = date(2026, 2, 20)


@dataclass
class Kept:
    """The books, each part within reach."""

    world: World
    books: FakeBooks
    files: FakeBooksFiles
    uploads: FakeStatementUploads
    reconciliations: FakeReconciliations
    here: BooksDependencies

    def day(self, day: date = DAY) -> BooksDay:
        """As it stands."""
        found = self.books.day("default", day)
        assert found is not None
        return found

    def judged(
        self, *findings: Finding, day: date = DAY, levels: Sequence[Level] = (), net: int = 0, **updates: Any
    ) -> BooksDay:
        """Keep a day as if it had been judged, once more if it has been."""
        before = self.books.day("default", day)
        outcome = judgement(day, findings, levels=levels, net=net)
        content = encode_judged(outcome)
        number = before.round + 1 if before else 1
        name = named(folder_of("default", "Test1", day, number), "judged", content, "json")
        self.files.put(name, content, "application/json")
        self.files.put("rows", b"", "application/jsonl")
        known = self.books.resolutions("default", [each.difference_id for each in outcome.findings])
        start, end = bounds(day, ZONE)
        summary = JudgedDay(
            name=name,
            at=START,
            carried_from=None,
            carry="",
            currency="USD",
            charges=outcome.charges.count,
            charged=outcome.charges.amount,
            refunds=0,
            refunded=0,
            open_items=len(outcome.open_items),
            differences=len(outcome.findings),
            unresolved=sum(each.difference_id not in known for each in outcome.findings),
        )
        base = before or BooksDay(account="default", day=day, revision=0)
        values: dict[str, Any] = {
            "revision": base.revision + 1,
            "round": number,
            "source": Source.PAGE,
            "partner_id": "Test1",
            "windows": (Window(start=start, end=end, name="rows", rows=1, asked_at=START),),
            "fetched_at": START,
            "final": True,
            "judged": summary,
            "found": found_by_kind(outcome.findings, known, "USD"),
        }
        after = replace(base, **(values | updates))
        assert self.books.keep_day(before, after)
        return after

    def issue(self, at: datetime) -> str:
        """A card of the gateway's own, at a time of its own; its request id."""
        times = {"created_at": at, "updated_at": at, "answered_at": at, "first_sent_at": at, "last_sent_at": at}
        made = record(Status.SUCCEEDED, **times, attempts=1, wake_at=None)
        self.world.ledger.records[made.request_id] = made
        return made.request_id

    def resolve_all(self, kind: Kind) -> None:
        """Somebody explains all of a kind of the day."""
        said = Said(Reason.OTHER_SYSTEM, "known", "anna")
        resolve_all("default", DAY, kind, said, self.here, budget=self.world.budget())


def kept(of: World | None = None) -> Kept:
    """Books in which nothing is written yet."""
    of = of or world()
    books, files, uploads, reconciliations = (
        FakeBooks(),
        FakeBooksFiles(),
        FakeStatementUploads(),
        FakeReconciliations(),
    )
    here = BooksDependencies(
        dependencies=of.dependencies,
        books=books,
        files=files,
        uploads=uploads,
        reconciliations=reconciliations,
        index=FakeIndex(of.ledger),
        records=FakeRecords(of.ledger),
        settings=BooksSettings(zone=ZONE, begin=date(2026, 1, 1), types=TYPES, without_balance=frozenset({"invoiced"})),
    )
    return Kept(of, books, files, uploads, reconciliations, here)


def finding(kind: Kind = Kind.UNKNOWN_TO_LEDGER, request_id: str = "Test1A", **updates: Any) -> Finding:
    """A finding of fifty dollars."""
    values: dict[str, Any] = {
        "difference_id": difference_id(kind, request_id),
        "kind": kind,
        "request_id": request_id,
        "ledger": None
        if kind is Kind.UNKNOWN_TO_LEDGER
        else LedgerSide(status="SUCCEEDED", amount=5000, currency="USD"),
        "amazon": AmazonSide(charges=1, nets={"USD": 5000}),
        "amount": 5000,
        "currency": "USD",
        "found_at": START,
        "found_on": DAY,
    }
    return Finding(**(values | updates))


def judgement(day: date, findings: Sequence[Finding], *, levels: Sequence[Level] = (), net: int = 0) -> Judged:
    """What came of judging a day on which `net` was charged."""
    open_items = tuple(each for each in findings if each.kind in OPEN_KINDS)
    return Judged(
        account="default",
        day=day,
        currency="USD",
        zone=ZONE.key,
        tzdata="2026a",
        partner_id="Test1",
        source="page",
        final=True,
        incomplete=None,
        carried_from=None,
        charges=Sum(1, net),
        refunds=Sum(),
        foreign={},
        ledger=net,
        bridge={},
        findings=tuple(each for each in findings if each.kind not in OPEN_KINDS),
        cleared=(),
        open_items=open_items,
        carry=open_items,
        later=(),
        allocation=(),
        levels=tuple(levels),
        transactions=FileRef(name="transactions", sha256="0" * 64, rows=1),
    )


def level(at: datetime, balance: int, settled: int = 0) -> Level:
    """A quiet balance."""
    return Level(as_of=at, balance=balance, settled=settled, low=0, high=0, partner_id="Test1")
