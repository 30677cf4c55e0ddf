"""What the ledger's stream tells: each write, in the order of a request's own writes, at least once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write to the ledger's table.

    Attributes:
        number: its place in the stream.
        before: the record that it changed; None if there was none.
        after: the record as it left it; None for an item that is no request, and for a deletion.
        unreadable: the error's class, if no record could be read: neither can it the next time.
    """

    number: str
    before: Record | None = None
    after: Record | None = None
    unreadable: str | None = None
