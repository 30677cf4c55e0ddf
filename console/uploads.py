"""Files that a person has given to the console and not to the API: in memory only, few of them, and not for long.

A download from Amazon's portal may hold claim codes. It is never written to disk, and forgotten after a quarter of an
hour, when another one takes its place, or with the process.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from console.statement_columns import Column
from local.statement import Reading

#: Each has `statement_files.FILE_BYTES_MAX` at the most.
UPLOADS_MAX: Final = 3
LIVES: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Ready:
    """What may leave this machine of a file, as it was mapped last.

    Attributes:
        said: how it was read.
        content: CSV in canonical columns.
        sha256: of the same.
        rows: how many.
        left_out: how many more rows the file has.
        first: some rows, as they were understood.
        sums: in words.
    """

    said: Mapping[str, str]
    content: bytes = field(repr=False)
    sha256: str
    rows: int
    left_out: int
    first: Sequence[Mapping[str, str]]
    sums: str


@dataclass
class Upload:
    """A file that is being looked at.

    Attributes:
        account: whose books it is for.
        content: of the file.
        sha256: of the same.
        columns: that may leave this machine.
        reading: as a mapping that was given with it says; without one nothing is said.
        until: when it is forgotten.
        ready: as it was mapped last, which takes seconds.
    """

    account: str
    content: bytes = field(repr=False)
    sha256: str
    columns: Sequence[Column]
    reading: Reading
    until: datetime
    ready: Ready | None = field(default=None, repr=False)


@dataclass
class Uploads:
    """The files of this process."""

    _kept: dict[str, Upload] = field(default_factory=dict, repr=False)

    def keep(self, upload: Upload, now: datetime) -> str:
        """Keep a file until its time is over; return its id. The oldest gives way to it where there are too many."""
        self._forget(now)
        while len(self._kept) >= UPLOADS_MAX:
            del self._kept[next(iter(self._kept))]
        upload_id = secrets.token_urlsafe(12)
        self._kept[upload_id] = upload
        # Nobody may ask for anything again.
        asyncio.get_running_loop().call_later((upload.until - now).total_seconds(), self.drop, upload_id)
        return upload_id

    def get(self, upload_id: str, account: str, now: datetime) -> Upload | None:
        """A file of an account; None: it was forgotten, or was never here."""
        self._forget(now)
        found = self._kept.get(upload_id)
        return found if found is not None and found.account == account else None

    def drop(self, upload_id: str) -> None:
        """Forget a file."""
        self._kept.pop(upload_id, None)

    def _forget(self, now: datetime) -> None:
        for upload_id in [name for name, each in self._kept.items() if each.until <= now]:
            del self._kept[upload_id]
