"""Cursors of the books' lists: opaque to callers, and checked like anything else that comes from outside."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Final

from incentives.domain.errors import InvalidInput

#: Far above any cursor; a longer text is none, and is not parsed.
_LENGTH_MAX: Final = 512


def write_cursor(parts: Sequence[str]) -> str:
    """A place in a list as a text."""
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode("ascii").rstrip("=")


def read_cursor(cursor: str, parts: int) -> list[str]:
    """The inverse of `write_cursor`.

    Raises:
        InvalidInput: names `cursor`: no list of so many texts.
    """
    found = _decoded(cursor) if len(cursor) <= _LENGTH_MAX else None
    if not isinstance(found, list) or len(found) != parts or not all(isinstance(each, str) for each in found):
        raise InvalidInput("cursor", "must be a cursor that this route returned")
    return found


def _decoded(cursor: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return None


def foreign_cursor() -> InvalidInput:
    """Of another list than that which is asked for."""
    return InvalidInput("cursor", "belongs to another list")
