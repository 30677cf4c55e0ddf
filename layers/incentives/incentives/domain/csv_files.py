"""CSV as people's spreadsheets read it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

#: By this mark spreadsheets know UTF-8.
BYTE_ORDER_MARK: Final = "\ufeff"


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV, without the mark: a part of a file."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def csv_file(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as a whole file."""
    return (BYTE_ORDER_MARK + csv_text(rows)).encode()
