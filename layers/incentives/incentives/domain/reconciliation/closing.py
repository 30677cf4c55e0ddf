"""The close of a month: final books, to the cent or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import Download
    from incentives.domain.reconciliation.findings import FileRef


class CloseStatus(StrEnum):
    """How a month's close stands."""

    CLOSING = "CLOSING"
    BLOCKED = "BLOCKED"
    CLOSED = "CLOSED"
    STALE = "STALE"  # told only, never kept: what it was made of has changed since


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What finance names as the balance at the start of the first month."""

    amount: Decimal
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """A second person's word for a close."""

    by: str
    caller: str
    at: datetime
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextVersion:
    """A version that is planned while another one is closed, which counts until the last write of this one.

    Attributes:
        digest: of what it is made of; None: it was given up, and its number is used up.
    """

    version: int
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The close of one account's month.

    Attributes:
        revision: raised by every write.
        version: the one that is closed; while none is, that of the newest plan. 1 is the first.
        blocked_by: why it cannot be closed, one sentence each.
        digest: of what it was made of.
        figures: amounts as decimal strings, by name.
        manifest: the file that names all others.
        closed_by: `Person.id`; None: nobody knows which person that is.
        caller: ARN of who signed the call.
        next_version: planned beside the closed one.
    """

    account: str
    month: str
    revision: int = 1
    version: int = 0
    status: CloseStatus = CloseStatus.CLOSING
    blocked_by: tuple[str, ...] = ()
    digest: str | None = None
    opening: Opening | None = None
    figures: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileRef, ...] = ()
    manifest: FileRef | None = None
    closed_by: str | None = None
    caller: str | None = None
    closed_at: datetime | None = None
    signed_off: SignOff | None = None
    next_version: NextVersion | None = None

    @property
    def plan(self) -> NextVersion:
        """The newest plan, which whoever plans the same goes on with."""
        return self.next_version or NextVersion(version=self.version, digest=self.digest)


@dataclass(frozen=True, slots=True)
class CloseView:
    """A close as its readers see it.

    Attributes:
        close: STALE where what it was made of has changed since; then `blocked_by` says why it cannot be closed anew.
        files: each with where it is; the manifest last. None of a month that is not closed.
    """

    close: Close
    files: Sequence[tuple[FileRef, Download]] = ()
