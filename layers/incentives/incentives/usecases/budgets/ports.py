"""What budgets ask of the world outside: their ports. See `incentives.usecases.ports`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from incentives.domain.budgets.budget import Budget
    from incentives.domain.budgets.figures import BudgetFigures, BudgetMoved, TooLittleLeft
    from incentives.domain.budgets.recount import Counted, HeldOrder, HeldRequest


class BudgetDefinitions(Protocol):
    """Budgets as they are defined, and how they stand. Reads are consistent; every method raises `LedgerUnavailable`.

    Under more writes of the same budget than it can come between, a method also raises `BudgetBusy`.
    """

    def get(self, name: str) -> Budget | None:
        """Read a definition."""

    def listed(self, after: str, limit: int) -> Sequence[Budget]:
        """Definitions by name, those after a name; "" is before all names."""

    def figures(self, wanted: Sequence[tuple[str, str]]) -> Sequence[BudgetFigures]:
        """How budgets stand, by name and period, in that order, each all of one moment; those that there are."""

    def define(
        self, before: Budget | None, after: Budget, periods: Sequence[str], nonce: str
    ) -> Budget | BudgetMoved | TooLittleLeft:
        """Write a definition if it still has the version of before (None: if there is none).

        Those of the periods that have been taken from change by the difference of the limits, in the same write; one
        that is made meanwhile is not overlooked.
        """


class Recounts(Protocol):
    """What budgets are counted again from. Every method raises `LedgerUnavailable`."""

    def requests(self, account: str, day: date) -> Iterator[HeldRequest]:
        """Requests that name a budget, created on a day (UTC). The index lags behind the ledger by a moment."""

    def open_accounts(self) -> set[str]:
        """Accounts that have open requests: of one that is new, nobody may know yet. It lags behind by a moment."""

    def counted(self, requests: Sequence[tuple[str, str]]) -> Mapping[str, Counted]:
        """What requests were counted as, by request id, where they were; asked for by account and request id."""

    def orders(self, since: datetime, known: Iterable[str] = ()) -> Mapping[str, HeldOrder]:
        """Bulk orders that name a budget, by their ids: those that are not finished, and some others.

        Which there are is told by an index that lags behind the orders by a moment; how each stands, by itself.

        Args:
            since: those made since then are told even if they are finished.
            known: so are these.
        """
