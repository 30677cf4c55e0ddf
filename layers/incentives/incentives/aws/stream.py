"""The ledger's stream: what each write changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from incentives.aws.single_requests.record_items import decode_record
from incentives.domain.single_requests.writes import Write

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record


def read_stream(event: Mapping[str, Any]) -> Iterator[Write]:
    """The writes that Lambda hands over."""
    for stream_record in event.get("Records") or []:
        images = stream_record.get("dynamodb") or {}
        number = str(images.get("SequenceNumber", ""))
        try:
            after = _record(images.get("NewImage"))
            before = _record(images.get("OldImage")) if after else None
        except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
            yield Write(number=number, unreadable=type(error).__name__)
        else:
            yield Write(number=number, before=before, after=after)


def _record(item: Mapping[str, Any] | None) -> Record | None:
    return decode_record(item) if item and "status" in item else None
