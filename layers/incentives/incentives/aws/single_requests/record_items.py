"""How a record and a key item are written in DynamoDB: one attribute per field, in the words of the HTTP API.

What the ledger keeps, and every other ledger keeps alike:

- Times as text, numbers and what is absent as `incentives.aws.items` has them.
- Amounts with all decimals of their currency.
- Options in the order and with the digits that the caller wrote: a repeat sends Amazon the same bytes.

`wakePartition` and `wakeAt` exist only on open records, which keeps the index that the sweep reads as small as what it
has to do. It has ten partitions, over which records are spread by the hash of their ids: each takes some 500 requests a
second, and all open records in one of them would hold up every account.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from functools import partial
from typing import Any, Final

from incentives.aws.items import Item, decode, encode, format_time, parse_time
from incentives.domain.calls import Evidence
from incentives.domain.money import CURRENCY_DECIMALS, Money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError, ConflictKind
from incentives.domain.single_requests.record import Cause, Intent, KeyItem, Record, Status, TooLateStage

#: A number that may grow and never shrink: what is written at rest stays where it is until it is next written.
_WAKE_PARTITIONS: Final = 10

#: Every partition that an open record may be in. The last one is from before there were ten: a record leaves it with
#: its next write, which the sweep makes if nobody else does.
WAKE_PARTITIONS: Final = (*(f"open#{number}" for number in range(_WAKE_PARTITIONS)), "open")


def key_item_id(key_hash: str) -> str:
    """The table's key of an idempotency key's item. No request id holds a `#`."""
    return f"KEY#{key_hash}"


def wake_partition(request_id: str) -> str:
    """The partition of the sparse index that an open record is in, always the same."""
    digest = hashlib.sha256(request_id.encode()).digest()
    return WAKE_PARTITIONS[int.from_bytes(digest[:4], "big") % _WAKE_PARTITIONS]


def _document(value: Mapping[str, Any]) -> str:
    # `default`: evidence of an odd type becomes text; it must not keep a record from being written.
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)


#: Fields of `AmazonError` and `Evidence` that have another name at rest, and had it before.
_AT_REST: Final = {"response": "answer"}


def _parts(value: AmazonError | Evidence) -> str:
    parts = {_AT_REST.get(each.name, each.name): getattr(value, each.name) for each in fields(value)}
    return _document({name: part for name, part in parts.items() if part is not None})


def _from_parts(kind: type[AmazonError | Evidence], text: str) -> AmazonError | Evidence:
    kept = json.loads(text)
    # A version of tomorrow may have written more, and a deployment be rolled back.
    known = {each.name: _AT_REST.get(each.name, each.name) for each in fields(kind)}
    return kind(**{field: kept[name] for field, name in known.items() if name in kept})


def _json(value: object) -> str:
    """JSON in which a decimal keeps its digits, which the standard library cannot write."""
    match value:
        case None | bool() | int() | str():
            return json.dumps(value)
        case Decimal() if value.is_finite():
            return str(value)
        case Mapping():
            return "{" + ",".join(f"{json.dumps(str(name))}:{_json(each)}" for name, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(_json(each) for each in value) + "]"
        case _:
            raise TypeError(f"the ledger keeps no {type(value).__name__}")


#: Fields that stand as JSON text.
_DOCUMENTS: Final[dict[str, Callable[[Any], str]]] = {
    "details": _json,
    "refusal": _parts,
    "error": _parts,
    "evidence": _parts,
}

#: Field of `Record` -> name of its attribute, and what makes the field of its value. `value` and the indexes'
#: attributes are written beside it.
_FIELDS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "request_id": ("id", str),
    "operation": ("operation", Operation),
    "account": ("account", str),
    "partner_id": ("partnerId", str),
    "key_hash": ("keyHash", str),
    "status": ("status", Status),
    "intent": ("intent", Intent),
    "created_at": ("createdAt", parse_time),
    "updated_at": ("updatedAt", parse_time),
    "epoch": ("epoch", int),
    "version": ("version", int),
    "nonce": ("nonce", str),
    "generation": ("generation", int),
    "renewals": ("renewals", int),
    "replaces": ("replaces", str),
    "replaced_by": ("replacedBy", str),
    "details": ("options", lambda text: json.loads(text, parse_float=Decimal)),
    "encrypted": ("sealed", str),
    "subject": ("subject", str),
    "caller": ("caller", str),
    "budget": ("budget", str),
    "budget_period": ("budgetPeriod", str),
    "order_id": ("orderId", str),
    "decided_by": ("decidedBy", str),
    "decided_at": ("decidedAt", parse_time),
    "attempts": ("attempts", int),
    "in_flight": ("inFlight", bool),
    "doubt": ("doubt", bool),
    "first_sent_at": ("firstSentAt", parse_time),
    "last_sent_at": ("lastSentAt", parse_time),
    "first_unknown_at": ("firstUnknownAt", parse_time),
    "answered_at": ("answeredAt", parse_time),
    "card_seen": ("cardSeen", bool),
    "gc_id": ("gcId", str),
    "expires_at": ("gcExpirationDate", parse_time),
    "conflict": ("conflict", ConflictKind),
    "cause": ("cause", Cause),
    "reversal_attempts": ("reversalAttempts", int),
    "last_reversal_sent_at": ("lastReversalSentAt", parse_time),
    "too_late": ("tooLate", TooLateStage),
    "undone": ("undone", bool),
    "no_such_request_at": ("noSuchRequestAt", parse_time),
    "phase_started_at": ("phaseStartedAt", parse_time),
    "wait_seconds": ("waitSeconds", int),
    "due_at": ("dueAt", parse_time),
    "wake_at": ("wakeAt", parse_time),
    "deadline_at": ("deadlineAt", parse_time),
    "gave_up": ("gaveUp", bool),
    "refusal": ("refusal", partial(_from_parts, AmazonError)),
    "error": ("error", partial(_from_parts, AmazonError)),
    "evidence": ("evidence", partial(_from_parts, Evidence)),
    "history": ("history", tuple),
    "case_file": ("caseFile", str),
    "mailed_at": ("mailedAt", parse_time),
}


def attribute_name(field: str) -> str:
    """The attribute that holds a field of `Record`."""
    return _FIELDS[field][0]


def attribute_value(record: Record, field: str) -> Any:  # noqa: ANN401 - of the field's type
    """What stands in a field's attribute; None if it is to be absent."""
    value = getattr(record, field)
    if value is None or value in ("", {}):
        return None
    return _DOCUMENTS[field](value) if field in _DOCUMENTS else value


def encode_record(record: Record) -> Item:
    """A whole record as an item, indexes included."""
    created = format_time(record.created_at)
    return encode(
        {
            **{name: attribute_value(record, field) for field, (name, _) in _FIELDS.items()},
            "amount": record.value.amount,
            "currencyCode": record.value.currency,
            "accountDay": f"{record.account}#{created[:10]}",
            "createdKey": f"{created}#{record.request_id}",
            "wakePartition": None if record.wake_at is None else wake_partition(record.request_id),
        }
    )


def decode_record(item: Mapping[str, Any]) -> Record:
    """The inverse of `encode_record`."""
    return record_of(decode(item))


def record_of(values: Mapping[str, Any]) -> Record:
    """The record of an item's values."""
    currency = values["currencyCode"]
    # DynamoDB drops trailing zeros of numbers.
    amount = Decimal(values["amount"]).quantize(Decimal(1).scaleb(-CURRENCY_DECIMALS[currency]))
    found = {field: read(values[name]) for field, (name, read) in _FIELDS.items() if name in values}
    return Record(value=Money(amount, currency), **found)


def encode_key(key: KeyItem) -> Item:
    """A key item. It has no attribute of any index, and nothing makes it expire."""
    return encode(
        {
            "id": key_item_id(key.key_hash),
            "requestId": key.request_id,
            "account": key.account,
            "operation": key.operation,
            "fingerprint": _document(dict(key.fingerprint)),
            "nonce": key.nonce,
        }
    )


def decode_key(item: Mapping[str, Any]) -> KeyItem:
    """The inverse of `encode_key`."""
    values = decode(item)
    return KeyItem(
        key_hash=values["id"].removeprefix("KEY#"),
        request_id=values["requestId"],
        account=values["account"],
        operation=Operation(values["operation"]),
        fingerprint=json.loads(values["fingerprint"]),
        nonce=values.get("nonce", ""),
    )
