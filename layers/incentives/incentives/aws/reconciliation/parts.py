"""Where each thing stands in an account's partition of the books' table.

part                               the item
day#2026-11-22                     a booking day: how far it has been read, and what came of judging it
balance#2026-11-22T10:15:00.000Z   a balance by Amazon's own time of it; for 400 days
ended#2026-11-22#REQUEST           a reversal that began or ended on a later day than its request; for 400 days
rows#REQUEST                       days on which Amazon has rows of a request, away from where one would look
resolution#DIFFERENCE              what people decided of a finding; corrections append
movement#MOVEMENT                  what finance says that a movement is, and what it said before
statement#STATEMENT                a statement from Amazon's portal
close#2026-11                      a month's close
"""

from __future__ import annotations

from datetime import date, datetime

from incentives.aws.items import format_time


def day_part(day: date) -> str:
    """Where a day stands."""
    return f"day#{day.isoformat()}"


def balance_part(as_of: datetime) -> str:
    """Where a balance stands: of fixed width, so that they sort by time."""
    return f"balance#{format_time(as_of)}"


def ended_part(day: date, request_id: str) -> str:
    """Where it is noted that a reversal ended; without a request, what all notes of the day begin with."""
    return f"ended#{day.isoformat()}#{request_id}"


def rows_part(request_id: str) -> str:
    """Where the days of a request's rows are noted."""
    return f"rows#{request_id}"


def resolution_part(difference_id: str) -> str:
    """Where a decision stands."""
    return f"resolution#{difference_id}"


def movement_part(movement_id: str) -> str:
    """Where a movement's name stands."""
    return f"movement#{movement_id}"


def statement_part(statement_id: str) -> str:
    """Where a statement stands."""
    return f"statement#{statement_id}"


def close_part(month: str) -> str:
    """Where a month's close stands."""
    return f"close#{month}"


def id_of(part: str) -> str:
    """What a part names after its kind."""
    return part.partition("#")[2]
