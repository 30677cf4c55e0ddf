"""What reconciling and closing need: their ports, and what a deployment sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from incentives.domain.reconciliation.rows import Effect
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.ports import Index, Records
    from incentives.usecases.reconciliation.ports import Books, BooksFiles, Reconciliations, StatementUploads


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksSettings:
    """How the books are kept.

    Attributes:
        zone: days begin at its midnight.
        begin: the first booking day; None: of each account the day on which its first balance was kept.
        types: what Amazon's rows mean.
        without_balance: accounts whose balance says nothing, such as invoiced ones.
    """

    zone: ZoneInfo
    begin: date | None
    types: Mapping[str, Effect]
    without_balance: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksDependencies:
    """The ports, and what the books need beside them."""

    dependencies: Dependencies
    books: Books
    files: BooksFiles
    uploads: StatementUploads
    reconciliations: Reconciliations
    index: Index
    records: Records
    settings: BooksSettings
