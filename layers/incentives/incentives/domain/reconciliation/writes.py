"""What the stream of the books' table tells: each write of a day or a close, in order, at least once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.domain.reconciliation.closing import Close
    from incentives.domain.reconciliation.day_state import BooksDay


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksWrite:
    """One write to the books' table.

    Attributes:
        number: its place in the stream.
        before: the day or close that it changed; None if there was none.
        after: as it left it; None for whatever else the table holds, and for a deletion.
        unreadable: the error's class, if it could not be read: neither can it the next time.
    """

    number: str
    before: BooksDay | Close | None = None
    after: BooksDay | Close | None = None
    unreadable: str | None = None
