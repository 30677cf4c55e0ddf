"""Which accounts are frozen, in memory; passes the suite of the real table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from incentives.domain.accounts.freezing import Freeze
from incentives.domain.errors import LedgerUnavailable


@dataclass
class FakeFreezes:
    """`Freezes` in memory.

    Attributes:
        kept: by account.
        fails: names of the methods that cannot be carried out.
    """

    kept: dict[str, Freeze] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)

    def get(self, account: str) -> Freeze | None:
        self._may_fail("get")
        return self.kept.get(account)

    def keep(self, before: Freeze | None, after: Freeze) -> Freeze | None:
        self._may_fail("keep")
        there = self.kept.get(after.account)
        if (there.version if there else None) == (before.version if before else None):
            self.kept[after.account] = replace(after, since=_kept(after.since))
        return self.kept.get(after.account)

    def note_told(self, freeze: Freeze, told_at: datetime) -> Freeze | None:
        self._may_fail("note_told")
        there = self.kept.get(freeze.account)
        if there is not None and there.version == freeze.version:
            self.kept[freeze.account] = replace(there, told_at=_kept(told_at))
        return self.kept.get(freeze.account)

    def _may_fail(self, method: str) -> None:
        if method in self.fails:
            raise LedgerUnavailable("whether the account is frozen is out of reach", in_doubt=False)


def _kept(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
