"""What alarms and the dashboard see of the books: figures of the whole deployment, since alarms look at no account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.usecases.ports import Telemetry
    from incentives.usecases.reconciliation.due_rounds import BooksHealth


def count_health(accounts: Sequence[BooksHealth], telemetry: Telemetry) -> None:
    """Count how all accounts stand: once at the end of each watch, zeros too, since an alarm ends by them."""
    telemetry.count("BooksDaysLate", sum(each.late for each in accounts))
    telemetry.count("BooksUnresolved", sum(each.unresolved for each in accounts))
