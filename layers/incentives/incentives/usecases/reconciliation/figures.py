"""What alarms and the dashboard see of the books. Each figure is of the whole deployment: alarms look at no account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.usecases.ports import Telemetry


def count_standing(telemetry: Telemetry, *, days_late: int, unresolved: int) -> None:
    """Once at the end of each watch, over all accounts, zeros too: an alarm ends by them.

    Args:
        telemetry: counts.
        days_late: days that have been over for more than 30 hours and are not judged.
        unresolved: differences that nobody has resolved.
    """
    telemetry.count("BooksDaysLate", days_late)
    telemetry.count("BooksUnresolved", unresolved)


def count_judged(telemetry: Telemetry, *, unknown_to_ledger: int) -> None:
    """Once for each day that was judged, with the requests found now that the ledger does not know."""
    telemetry.count("ReconciliationFinished")
    if unknown_to_ledger:
        telemetry.count("BooksUnknownToLedger", unknown_to_ledger)
