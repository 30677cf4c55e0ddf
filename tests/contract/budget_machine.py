"""A budget whose requests live as they may, in any order, and whose stream is told in any order, more than once."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from incentives.domain.accounts.spend import charge_of, minor_units
from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.errors import BudgetExceeded
from incentives.domain.single_requests.record import Intent, Record, Status
from tests.contract.budget_suite import S, again, asked, budget, end, key_of, reissued, write
from tests.contract.records import START, new_nonce
from tests.contract.subject import Subject

LIMIT = 70_00


@dataclass
class Machine:
    """One history.

    Attributes:
        told: of the stream, each write with what was before it; a batch that fails comes again.
        waiting: what has not been told yet.
    """

    subject: Subject
    random: Random
    told: list[tuple[Record | None, Record]] = field(default_factory=list)
    waiting: list[tuple[Record | None, Record]] = field(default_factory=list)
    newest: dict[str, Record] = field(default_factory=dict)
    refusals: int = 0

    def __post_init__(self) -> None:
        self.name = budget(self.subject, LIMIT, kind=PeriodKind.TOTAL)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.random.choice((self.open, self.move, self.move, self.follow, self.tell, self.tell))()
            self.check(whole=False)
        # In the end everything is told, as it comes, and some of it again.
        rest = self.waiting + self.random.sample(self.told, len(self.told) // 2)
        self.random.shuffle(rest)
        for each in rest:
            self._tell(*each)
        self.check(whole=True)

    def open(self) -> None:
        record = asked(self.name, f"{self.random.randint(1, 4) * 10}.00", intent=Intent.REISSUE)
        try:
            opened = self._ledger.open(record, key_of(record), new_nonce())
        except BudgetExceeded:
            self.refusals += 1
            return
        assert isinstance(opened, Record)
        self._written(None, opened)

    def move(self) -> None:
        """Let a request end, or be reversed after it has ended well."""
        open_ones = [each for each in self.newest.values() if each.status in {S.PENDING, S.SUCCEEDED}]
        if not open_ones:
            return
        before = self.random.choice(open_ones)
        ends = [S.SUCCEEDED, S.REFUSED, S.REVERSED, S.ESCALATED] if before.status is S.PENDING else [S.REVERSED]
        status = self.random.choice(ends)
        charged = {"answered_at": START} if status is S.SUCCEEDED else {}
        self._end(before, status, **charged)

    def follow(self) -> None:
        """Let another generation follow one that was refused, or is reversed."""
        refused = [each for each in self.newest.values() if each.status is S.REFUSED and not each.replaced_by]
        pending = [each for each in self.newest.values() if each.status is S.PENDING and each.generation == 0]
        before = self.random.choice([*refused, *pending[:1]] or [None])
        if before is None:
            return
        if before.status is S.PENDING:
            before = self._change(before, status=S.REVERSING, wake_at=START)
            plan = reissued(before)
        else:
            plan = again(before)
        try:
            successor = self._ledger.reissue(plan, new_nonce())
        except BudgetExceeded:
            self.refusals += 1
            return
        assert isinstance(successor, Record)
        old = self.subject.ledger.get(before.request_id)
        assert old is not None
        self._written(before, old)
        self._written(None, successor)

    def tell(self) -> None:
        """One of what was not told yet, or has failed, or comes twice."""
        if not self.waiting and not self.told:
            return
        if self.waiting and self.random.random() < 0.7:
            each = self.waiting.pop(self.random.randrange(len(self.waiting)))
            self.told.append(each)
        else:
            each = self.random.choice(self.told or self.waiting)
        self._tell(*each)

    def check(self, *, whole: bool) -> None:
        """What is left, held and spent is the limit."""
        figures = self.subject.desk.figures(self.name, "total")
        live = [each for each in self.newest.values() if each.replaced_by is None]
        if figures is None:
            assert not live
            return
        assert figures.remaining >= 0
        over = sum(minor_units(each.value) for each in live if each.status in {S.REFUSED, S.REVERSED})
        kept = sum(minor_units(each.value) for each in live) - over
        # Ended but not yet counted: of those that are over, some have given back.
        assert LIMIT - kept - over <= figures.remaining <= LIMIT - kept
        if whole:
            assert figures.remaining == LIMIT - kept
            assert figures.spent == sum(minor_units(each.value) for each in live if charge_of(each))

    @property
    def _ledger(self) -> Any:
        return self.random.choice((self.subject.ledger, self.subject.repeated))

    def _tell(self, before: Record | None, after: Record) -> None:
        states = self.random.choice((self.subject.states, self.subject.repeated_states))
        if after.status.is_open and (charge_of(before) if before else None) == charge_of(after):
            return
        states.count(after, charge_of(before) if before else None, START)

    def _end(self, before: Record, status: Status, **updates: Any) -> None:
        if status in {S.REVERSED, S.ESCALATED}:
            before = self._change(before, status=S.REVERSING, wake_at=START)
        self._written(before, end_of(self.subject, before, status, **updates))

    def _change(self, before: Record, **updates: Any) -> Record:
        after = write(self.subject, before, **updates)
        self._written(before, after)
        return after

    def _written(self, before: Record | None, after: Record) -> None:
        self.newest[after.request_id] = after
        self.waiting.append((before, after))


def end_of(subject: Subject, before: Record, status: Status, **updates: Any) -> Record:
    if before.status is S.REVERSING:
        return write(subject, before, status=status, **updates)
    return end(subject, before, status, **updates)
