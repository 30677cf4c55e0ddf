"""The tables' streams: what each write changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.single_requests.record_items import decode_record
from incentives.domain.single_requests.writes import Write

if TYPE_CHECKING:
    from incentives.domain.decisions import Told
    from incentives.domain.reconciliation.writes import BooksWrite
    from incentives.domain.single_requests.record import Record

#: Parts of the books' table that are read whole: days and closes.
_OF_BOOKS: Final = ("day#", "close#")

#: An item that raises one of these will raise it the next time, too.
_UNREADABLE: Final = (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError)


def read_stream(event: Mapping[str, Any]) -> Iterator[Write]:
    """The writes to the ledger that Lambda hands over."""
    for stream_record in event.get("Records") or []:
        yield Write(**_read(stream_record, _record))


def read_streams(event: Mapping[str, Any]) -> Iterator[Write | BooksWrite | Told]:
    """The writes that Lambda hands over, to the ledger, whose items have no parts, or to another table."""
    for stream_record in event.get("Records") or []:
        match (stream_record.get("dynamodb") or {}).get("NewImage"):
            case {"part": {"S": str(part)}} if part.startswith(_OF_BOOKS):
                yield _books_write(stream_record)
            case {"part": _}:
                yield _told(stream_record)
            case _:
                yield Write(**_read(stream_record, _record))


def _books_write(stream_record: Mapping[str, Any]) -> BooksWrite:
    # Whoever reads the ledger's stream need not load it.
    from incentives.aws.reconciliation.book_items import read_item  # noqa: PLC0415
    from incentives.domain.reconciliation.writes import BooksWrite  # noqa: PLC0415

    return BooksWrite(**_read(stream_record, lambda item: read_item(item) if item else None))


def _told(stream_record: Mapping[str, Any]) -> Told:
    from incentives.aws.decisions import events_of  # noqa: PLC0415 - likewise
    from incentives.domain.decisions import Told  # noqa: PLC0415

    images = stream_record["dynamodb"]
    number = str(images.get("SequenceNumber", ""))
    try:
        return Told(number=number, events=events_of(images.get("OldImage"), images["NewImage"]))
    except _UNREADABLE as error:
        return Told(number=number, unreadable=type(error).__name__)


def _read(stream_record: Mapping[str, Any], read: Callable[[Mapping[str, Any] | None], object]) -> dict[str, Any]:
    """What a write is made of."""
    images = stream_record.get("dynamodb") or {}
    number = str(images.get("SequenceNumber", ""))
    try:
        after = read(images.get("NewImage"))
        before = read(images.get("OldImage")) if after else None
    except _UNREADABLE as error:
        return {"number": number, "unreadable": type(error).__name__}
    return {"number": number, "before": before, "after": after}


def _record(item: Mapping[str, Any] | None) -> Record | None:
    return decode_record(item) if item and "status" in item else None
