"""The ledger's stream: what each write changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from incentives.aws.single_requests.record_items import decode_record

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record


def read_stream_record(stream_record: Mapping[str, Any]) -> tuple[Record | None, Record] | None:
    """A record before and after one write; None for items that are no requests, and for deletions."""
    images = stream_record.get("dynamodb") or {}
    new = images.get("NewImage")
    if not new or "status" not in new:
        return None
    old = images.get("OldImage")
    return (decode_record(old) if old and "status" in old else None), decode_record(new)
