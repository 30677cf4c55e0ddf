"""Rows of Amazon's activity, as the books keep them: what Amazon wrote, without card numbers, and in one order.

What a row means is read when it is judged, not when it is kept: Amazon's names for what happens to physical cards and
balances are not documented, so a deployment may learn them later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from incentives.domain.money import Money
from incentives.domain.reconciliation.words import looks_like_code

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Activity


class Effect(StrEnum):
    """What a row does to the balance."""

    CHARGE = "charge"
    REFUND = "refund"
    NOTHING = "nothing"


ActivityTypes = Mapping[str, Effect]

#: activityStatus of what happened, and of what did not.
SUCCESS: Final = "Success"
FAILED: Final = "Failed"

#: Of Amazon's own texts, so much is kept: no request id or type is longer.
_TEXT_LENGTH_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One row as Amazon showed it.

    Attributes:
        request_id: empty where the row names none.
        time: aware UTC, whole seconds; None where it cannot be read.
        is_real: False for repeats and failures.
        value: None for most refunds.
    """

    request_id: str
    time: datetime | None
    type: str | None
    status: str | None
    is_real: bool = True
    value: Money | None = None
    gc_id: str | None = None
    failure: str | None = None


def read_activity_types(text: str) -> ActivityTypes:
    """Read `GCCreation=charge,GCCancellation=refund`.

    Raises:
        ValueError: it is written otherwise, or names a type twice.
    """
    types: dict[str, Effect] = {}
    for pair in text.split(","):
        name, equals, effect = (part.strip() for part in pair.partition("="))
        if not name or not equals or effect not in set(Effect):
            raise ValueError("must be TYPE=charge, TYPE=refund or TYPE=nothing, with commas between them")
        if name in types:
            raise ValueError(f"names {name} twice")
        types[name] = Effect(effect)
    return types


def row_of(activity: Activity, partner_id: str) -> Row:
    """A row of a page, without what the books do not need."""
    return Row(
        request_id=_request_id(activity.request_id, partner_id),
        time=activity.time.astimezone(UTC).replace(microsecond=0) if activity.time else None,
        type=_word(activity.type),
        status=_word(activity.status),
        is_real=activity.is_real,
        value=activity.value,
        gc_id=_short(activity.gc_id),
        failure=_short(activity.failure),
    )


def meaning_of(row: Row, types: ActivityTypes) -> Effect | str:
    """What a row does to the balance; or, as a text, why that cannot be read."""
    if not row.request_id or row.time is None:
        return "no request id" if not row.request_id else "no time"
    if row.status not in {SUCCESS, FAILED}:
        return "unknown status"
    if row.status == FAILED or not row.is_real:
        return Effect.NOTHING
    effect = types.get(row.type or "")
    amount = row.value.amount if row.value is not None else None
    if amount is not None and amount <= 0:
        # Whether a refund is written with a sign is not documented, and nobody is to guess.
        return "no amount" if amount == 0 else "negative amount"
    if effect is Effect.CHARGE and amount is None:
        return "no amount"
    return effect or "unknown type"


def encode_rows(rows: Iterable[Row]) -> bytes:
    """Rows as JSON lines: the same rows, in whatever order they come, are the same bytes."""
    return "".join(sorted(f"{line_of(row)}\n" for row in rows)).encode()


def decode_rows(content: bytes) -> Iterator[Row]:
    """The inverse of `encode_rows`."""
    for line in content.splitlines():
        kept = json.loads(line)
        time, amount = kept.get("activityTime"), kept.get("amount")
        yield Row(
            request_id=kept.get("requestId", ""),
            time=datetime.fromisoformat(time) if time else None,
            type=kept.get("type"),
            status=kept.get("status"),
            is_real=kept.get("isRealOp", True),
            value=Money(Decimal(amount), kept["currencyCode"]) if amount else None,
            gc_id=kept.get("gcId"),
            failure=kept.get("failureCode"),
        )


def line_of(row: Row) -> str:
    """One row as it is kept."""
    kept = {
        # First, so that lines sort by it.
        "activityTime": row.time.strftime("%Y-%m-%dT%H:%M:%SZ") if row.time else None,
        "requestId": row.request_id or None,
        "type": row.type,
        "status": row.status,
        "amount": row.value.amount_text if row.value else None,
        "currencyCode": row.value.currency if row.value else None,
        "gcId": row.gc_id,
        "failureCode": row.failure,
        "isRealOp": None if row.is_real else False,
    }
    return json.dumps({name: value for name, value in kept.items() if value is not None}, separators=(",", ":"))


def _request_id(text: str, partner_id: str) -> str:
    """A request id as it may be kept: another system's own may be anything, also a code that was put into its place."""
    short = _printable(text)
    return short if short.startswith(partner_id) else _without_code(short)


def _word(text: str | None) -> str | None:
    return _without_code(_printable(text)) if text else None


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:_TEXT_LENGTH_MAX])


def _without_code(text: str) -> str:
    return f"?{hashlib.sha256(text.encode()).hexdigest()[:12]}" if looks_like_code(text) else text


def _short(text: str | None) -> str | None:
    return text[:_TEXT_LENGTH_MAX] if text else None
