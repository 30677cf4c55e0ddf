"""Statements: Amazon's rows as a download from its portal, for days that its activity page does not show whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class StatementStatus(StrEnum):
    """How far a statement is."""

    WAITING = "WAITING"  # its upload has not been read
    READ = "READ"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement.

    Attributes:
        first, last: booking days that it covers whole.
        sha256: of the original, which never leaves the person's machine.
        uploaded_by: who asked for the upload: `Person.id`; None: a caller of whom nobody knows which person it is.
        caller: ARN of who signed the call.
        rows: that were read.
        why: what was wrong with it.
        revision: raised by every write.
    """

    account: str
    statement_id: str
    first: date
    last: date
    sha256: str
    uploaded_by: str | None
    caller: str | None
    at: datetime
    status: StatementStatus = StatementStatus.WAITING
    rows: int = 0
    why: str | None = None
    revision: int = 1
