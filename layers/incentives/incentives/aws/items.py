"""How items of DynamoDB and their times are written, whatever they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Attribute = dict[str, Any]
Item = dict[str, Attribute]


def format_time(moment: datetime) -> str:
    """RFC 3339 UTC with milliseconds, always 24 characters."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_time(text: str) -> datetime:
    """The inverse of `format_time`."""
    return datetime.fromisoformat(text).astimezone(UTC)
