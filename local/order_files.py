"""Files of bulk orders on a person's machine: what may be sent, the order's key by its rows, and results as files."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Final

from incentives.domain.bulk_orders.bulk_order import FileFormat
from incentives.domain.bulk_orders.row_files import UnreadableError, decoded
from incentives.domain.bulk_orders.rows import FILE_BYTES_MAX, digest_of
from local.spreadsheets import workbook

FORMATS: Final[Mapping[str, FileFormat]] = {
    ".csv": FileFormat.CSV,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
}
#: By the end of its name, what a result is saved as.
SAVED_AS: Final[Mapping[str, Callable[[bytes], bytes]]] = {".csv": lambda result: result, ".xlsx": workbook}


def format_of(name: str) -> FileFormat | None:
    """How a file's rows are written, if its name tells."""
    return FORMATS.get(PurePath(name).suffix.lower())


def why_not_sent(content: bytes) -> str | None:
    """Why a file need not be sent to be refused, in words that follow its name; None if it is the gateway to say."""
    if not content:
        return "is empty"
    if len(content) > FILE_BYTES_MAX:
        return f"has more than {FILE_BYTES_MAX:,} bytes: make two orders of it"
    try:
        decoded(content)
    except UnreadableError as error:
        return f"{error.error.problem} (found on line {error.error.line})"
    return None


def key_of(content: bytes, file_format: FileFormat) -> str:
    """An order's key by its file: the same for the same rows, however the file is written."""
    digest = digest_of(content, file_format)
    # Of a file that is refused, what is wrong is for the gateway to say: the order is but a way to hear it.
    return f"file-{hashlib.sha256(content).hexdigest()}" if digest is None else f"rows-{digest}"
