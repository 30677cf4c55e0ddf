"""A month of judged days in memory, as the rounds would have left it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

from incentives.domain.persons import Person
from incentives.domain.reconciliation.balance import Level, MovementName, MovementPart, PartType
from incentives.domain.reconciliation.closing import Close, CloseView, Opening
from incentives.domain.reconciliation.day_state import BooksDay, JudgedDay, Source
from incentives.domain.reconciliation.days import days_of, read_zone
from incentives.domain.reconciliation.findings import (
    Allocation,
    AmazonSide,
    Decision,
    FileRef,
    Finding,
    Judged,
    Kind,
    LedgerSide,
    Reason,
    Resolution,
    Sum,
    carry_digest,
    difference_id,
)
from incentives.domain.reconciliation.judged_objects import decode_judged, encode_judged, named
from incentives.domain.reconciliation.windows import Window
from incentives.usecases.reconciliation.close_month import Closer, close_month
from incentives.usecases.reconciliation.dependencies import BooksDependencies, BooksSettings
from tests.support.books import FakeBooks, FakeBooksFiles
from tests.support.fakes import World, world

ACCOUNT = "default"
MONTH = "2026-11"
FIRST = date(2026, 11, 1)

#: With which November begins, in cents.
START = 100_000

ANNA = Closer(Person("sso:anna", "anna"), "arn:aws:sts::123456789012:assumed-role/R/anna")
BERT = Closer(Person("sso:bert", "bert"), "arn:aws:sts::123456789012:assumed-role/R/bert")
STRANGER = Closer(None, "arn:aws:iam::123456789012:root")

OPENING = Opening(amount=Decimal("1000.00"), source="statement of Amazon's portal, 1 November")


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def finding(kind: Kind, request_id: str, day: date, amount: int = 500) -> Finding:
    return Finding(
        difference_id=difference_id(kind, request_id, amount),
        kind=kind,
        request_id=request_id,
        ledger=None if kind is Kind.UNKNOWN_TO_LEDGER else LedgerSide(status="PENDING", amount=amount, currency="EUR"),
        amazon=AmazonSide(charges=1, nets={"EUR": amount}),
        amount=amount,
        currency="EUR",
        found_at=at(day),
        found_on=day,
    )


@dataclass
class Shop:
    """One account, its books, and everybody who works on them.

    Attributes:
        tells_zero: Amazon tells a balance of zero, whatever it charges.
        balance: of the account, in cents, as the days go by.
    """

    world: World = field(default_factory=world)
    books: FakeBooks = field(default_factory=FakeBooks)
    files: FakeBooksFiles = field(default_factory=FakeBooksFiles)
    without_balance: frozenset[str] = frozenset()
    tells_zero: bool = False
    account: str = ACCOUNT
    zone: str = "UTC"
    balance: int = START
    before: Judged | None = None

    @property
    def here(self) -> BooksDependencies:
        others = cast("Any", None)
        settings = BooksSettings(zone=read_zone(self.zone), begin=FIRST, types={}, without_balance=self.without_balance)
        return BooksDependencies(
            dependencies=self.world.dependencies,
            books=self.books,
            files=self.files,
            uploads=others,
            reconciliations=others,
            index=others,
            records=others,
            settings=settings,
        )

    def judge(
        self,
        day: date,
        *,
        rows: Sequence[int] = (),
        deposit: int = 0,
        findings: Sequence[Finding] = (),
        open_items: Sequence[Finding] = (),
        bridge: Mapping[str, int] | None = None,
        foreign: int = 0,
        **item: Any,
    ) -> Judged:
        """Judge a day, final, and keep it.

        Args:
            day: in order.
            rows: charges, and refunds below zero, in cents; all at noon.
            deposit: arrives at six o'clock in the evening.
            findings: differences.
            open_items: at the day's end.
            bridge: from the ledger to Amazon.
            foreign: another charge, in US cents.
            item: fields of the day's item.
        """
        charges, refunds = [row for row in rows if row > 0], [-row for row in rows if row < 0]
        net, bridge = sum(rows), bridge or {}
        levels = (
            Level(as_of=at(day, 6), balance=self.balance, settled=0, partner_id="Parts"),
            Level(as_of=at(day, 23), balance=self.balance + deposit - net, settled=-net, partner_id="Parts"),
        )
        if self.without_balance:
            levels = ()
        if self.tells_zero:
            levels = tuple(replace(level, balance=0) for level in levels)
        self.balance += deposit - net
        judged = Judged(
            account=self.account,
            day=day,
            currency="EUR",
            zone=self.zone,
            tzdata="2026a",
            partner_id="Parts",
            source="page",
            final=True,
            incomplete=None,
            carried_from=carry_digest(self.before.carry, self.before.later) if self.before else None,
            charges=Sum(len(charges), sum(charges)),
            refunds=Sum(len(refunds), sum(refunds)),
            foreign={"USD": (foreign, 0)} if foreign else {},
            ledger=net - sum(bridge.values()),
            bridge=bridge,
            findings=tuple(findings),
            cleared=(),
            open_items=tuple(open_items),
            carry=tuple(open_items),
            later=(),
            allocation=(
                *([_allocation("EUR", sum(charges), sum(refunds), len(rows))] if rows else []),
                *([_allocation("USD", foreign, 0, 1)] if foreign else []),
            ),
            levels=levels,
            transactions=self._transactions(day, rows, foreign),
        )
        self.keep(judged, **item)
        self.before = judged
        return judged

    def keep(self, judged: Judged, /, **item: Any) -> None:
        """Keep a judged day, again as well."""
        content = encode_judged(judged)
        name = named(f"{self.account}/Parts/{judged.day}/r1", "judged", content, "json")
        self.files.put(name, content, "application/json")
        before = self.books.day(self.account, judged.day)
        start = at(judged.day, 0)
        window = Window(start=start, end=start + timedelta(days=1), name="rows", asked_at=at(judged.day))
        after = BooksDay(
            account=self.account,
            day=judged.day,
            revision=before.revision + 1 if before else 1,
            round=1,
            source=Source.PAGE,
            partner_id="Parts",
            windows=(window,),
            fetched_at=at(judged.day) + timedelta(days=2),
            final=True,
            judged=JudgedDay(
                name=name,
                at=at(judged.day) + timedelta(days=2),
                carried_from=judged.carried_from,
                carry=carry_digest(judged.carry, judged.later),
                currency="EUR",
                charges=judged.charges.count,
                charged=judged.charges.amount,
                refunds=judged.refunds.count,
                refunded=judged.refunds.amount,
                open_items=len(judged.open_items),
                differences=len(judged.findings),
                unresolved=0,
            ),
        )
        assert self.books.keep_day(before, replace(after, **item))

    def judged(self, day: date) -> Judged:
        item = self.books.day(self.account, day)
        assert item is not None
        assert item.judged is not None
        return decode_judged(self.files.files[item.judged.name])

    def resolve(self, found: Finding, *notes: str) -> None:
        """Have a person decide, once for each note; what was decided before stays."""
        for note in notes or ("known",):
            known = self.books.resolutions(self.account, [found.difference_id]).get(found.difference_id)
            decisions = known.decisions if known else ()
            decided_at = at(date(2026, 12, 2), len(decisions))
            decision = Decision(reason=Reason.OTHER_SYSTEM, note=note, by="sso:carl", at=decided_at)
            resolution = Resolution(
                account=self.account,
                difference_id=found.difference_id,
                kind=found.kind,
                request_id=found.request_id,
                day=found.found_on,
                decisions=(*decisions, decision),
            )
            before = self.books.day(self.account, found.found_on)
            assert before is not None
            assert self.books.keep_day(before, replace(before, revision=before.revision + 1), [resolution])

    def name(self, movement_id: str, *parts: tuple[str, date], note: str = "transfer 1") -> None:
        """Have finance name a movement."""
        before = self.books.movement_names(self.account).get(movement_id)
        its = tuple(
            MovementPart(type=PartType.DEPOSIT, amount=Decimal(amount), on=on, reference=note) for amount, on in parts
        )
        after = MovementName(
            account=self.account,
            movement_id=movement_id,
            parts=its,
            by="sso:carl",
            at=at(date(2026, 12, 2)),
            revision=before.revision + 1 if before else 1,
        )
        assert self.books.keep_movement_name(before, after)

    def go_to(self, day: date) -> None:
        self.world.clock.time = at(day)

    def close(
        self, month: str = MONTH, opening: Opening | None = None, closer: Closer = ANNA
    ) -> tuple[CloseView, bool]:
        return close_month(self.account, month, opening, closer, self.here)

    def kept(self, month: str = MONTH) -> Close:
        found = self.books.close(self.account, month)
        assert found is not None
        return found

    def table(self, name: str) -> list[dict[str, str]]:
        """A CSV file of the bucket, by the end of its name."""
        (content,) = [content for each, content in self.files.files.items() if each.endswith(name)]
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))

    def _transactions(self, day: date, rows: Sequence[int], foreign: int) -> FileRef:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("activityTime", "bookingDate", "requestId", "signedAmount", "currencyCode"))
        lines = [*((row, "EUR") for row in rows), *([(foreign, "USD")] if foreign else [])]
        for number, (row, currency) in enumerate(lines):
            amount = f"{Decimal(-row).scaleb(-2):f}"
            writer.writerow((at(day).isoformat(), day, f"Parts{day:%d}{number}", amount, currency))
        content = f"\ufeff{text.getvalue()}".encode()
        name = named(f"{self.account}/Parts/{day}/r1", "transactions", content, "csv")
        self.files.put(name, content, "text/csv")
        return FileRef(name=name, sha256=hashlib.sha256(content).hexdigest(), rows=len(lines))


def _allocation(currency: str, charged: int, refunded: int, rows: int) -> Allocation:
    return Allocation(
        budget="",
        cost_center="HR",
        operation="CreateGiftCard",
        currency=currency,
        charged=charged,
        refunded=refunded,
        rows=rows,
    )


def november(shop: Shop, **special: Any) -> Shop:
    """All of November and the first days of December: a charge of 20.00 each day, and a refund of 5.00 on the 15th.

    Args:
        shop: empty.
        special: what other days have, by `d3` for the third of November.
    """
    for day in [*days_of(MONTH), date(2026, 12, 1), date(2026, 12, 2)]:
        its = special.get(f"d{day.day}", {}) if day.month == FIRST.month else {}
        shop.judge(day, **({"rows": (2000, -500) if day.day == 15 else (2000,)} | its))
    shop.go_to(date(2026, 12, 4))
    return shop
