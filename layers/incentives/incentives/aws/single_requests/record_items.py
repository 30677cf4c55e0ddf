"""How a record and a key item are written in DynamoDB: one attribute per field, in the words of the HTTP API.

What the ledger keeps, and every other ledger keeps alike:

- Times to the millisecond, cut off and not rounded, as RFC 3339 UTC of fixed width, so that they sort as text.
- Amounts with all decimals of their currency.
- Options in the order and with the digits that the caller wrote: a repeat sends Amazon the same bytes.
- Absent fields, empty texts and empty options as absent attributes.

`wakePartition` and `wakeAt` exist only on open records, which keeps the index that the sweep reads as small as what it
has to do. It has ten partitions, over which records are spread by the hash of their ids: each takes some 500 requests a
second, and all open records in one of them would hold up every account.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from incentives.aws.items import Attribute, Item, format_time, parse_time
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

_ERROR_FIELDS: Final = tuple(each.name for each in fields(AmazonError))
_EVIDENCE_FIELDS: Final = tuple(each.name for each in fields(Evidence))


def key_item_id(key_hash: str) -> str:
    """The table's key of an idempotency key's item. No request id holds a `#`."""
    return f"KEY#{key_hash}"


def wake_partition(request_id: str) -> str:
    """The partition of the sparse index that an open record is in, always the same."""
    digest = hashlib.sha256(request_id.encode()).digest()
    return WAKE_PARTITIONS[int.from_bytes(digest[:4], "big") % _WAKE_PARTITIONS]


def _text(value: str) -> Attribute:
    return {"S": str(value.value) if isinstance(value, Enum) else value}


def _number(value: int | Decimal) -> Attribute:
    # DynamoDB drops trailing zeros anyway: written without them, an item is what will be read.
    return {"N": f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)}


def _flag(value: bool) -> Attribute:  # noqa: FBT001 - an encoder takes its value and nothing else
    return {"BOOL": value}


def _moment(value: datetime) -> Attribute:
    return {"S": format_time(value)}


def _document(value: Mapping[str, Any]) -> Attribute:
    # `default`: evidence of an odd type becomes text; it must not keep a record from being written.
    return {"S": json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)}


def _error(value: AmazonError) -> Attribute:
    return _document({name: part for name in ("code", "type", "message") if (part := getattr(value, name)) is not None})


def _evidence(value: Evidence) -> Attribute:
    return _document({name: part for name in _EVIDENCE_FIELDS if (part := getattr(value, name)) is not None})


def _lines(value: tuple[str, ...]) -> Attribute:
    return {"L": [{"S": line} for line in value]}


def _options(value: Mapping[str, Any]) -> Attribute:
    return {"S": _json(value)}


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


def _read_error(attribute: Attribute) -> AmazonError:
    return AmazonError(**_known(attribute, _ERROR_FIELDS))


def _read_evidence(attribute: Attribute) -> Evidence:
    return Evidence(**_known(attribute, _EVIDENCE_FIELDS))


def _known(attribute: Attribute, names: Collection[str]) -> dict[str, Any]:
    # A version of tomorrow may have written more, and a deployment be rolled back.
    return {name: part for name, part in json.loads(attribute["S"]).items() if name in names}


_Codec = tuple[str, Callable[[Any], Attribute], Callable[[Attribute], Any]]


def _enum(name: str, kind: type[Enum]) -> _Codec:
    return name, _text, lambda a: kind(a["S"])


def _str(name: str) -> _Codec:
    return name, _text, lambda a: a["S"]


def _int(name: str) -> _Codec:
    return name, _number, lambda a: int(a["N"])


def _bool(name: str) -> _Codec:
    return name, _flag, lambda a: a["BOOL"]


def _time(name: str) -> _Codec:
    return name, _moment, lambda a: parse_time(a["S"])


#: Field of `Record` -> attribute name, encoder, decoder. `value` and the indexes' attributes are written beside it.
_CODECS: Final[dict[str, _Codec]] = {
    "request_id": _str("id"),
    "operation": _enum("operation", Operation),
    "account": _str("account"),
    "partner_id": _str("partnerId"),
    "key_hash": _str("keyHash"),
    "status": _enum("status", Status),
    "intent": _enum("intent", Intent),
    "created_at": _time("createdAt"),
    "updated_at": _time("updatedAt"),
    "epoch": _int("epoch"),
    "version": _int("version"),
    "nonce": _str("nonce"),
    "generation": _int("generation"),
    "renewals": _int("renewals"),
    "replaces": _str("replaces"),
    "replaced_by": _str("replacedBy"),
    "details": ("options", _options, lambda a: json.loads(a["S"], parse_float=Decimal)),
    "encrypted": _str("encrypted"),
    "subject": _str("subject"),
    "caller": _str("caller"),
    "attempts": _int("attempts"),
    "in_flight": _bool("inFlight"),
    "doubt": _bool("doubt"),
    "first_sent_at": _time("firstSentAt"),
    "last_sent_at": _time("lastSentAt"),
    "first_unknown_at": _time("firstUnknownAt"),
    "answered_at": _time("answeredAt"),
    "card_seen": _bool("cardSeen"),
    "gc_id": _str("gcId"),
    "expires_at": _time("gcExpirationDate"),
    "conflict": _enum("conflict", ConflictKind),
    "cause": _enum("cause", Cause),
    "reversal_attempts": _int("reversalAttempts"),
    "last_reversal_sent_at": _time("lastReversalSentAt"),
    "too_late": _enum("tooLate", TooLateStage),
    "undone": _bool("undone"),
    "no_such_request_at": _time("noSuchRequestAt"),
    "phase_started_at": _time("phaseStartedAt"),
    "wait_seconds": _int("waitSeconds"),
    "due_at": _time("dueAt"),
    "wake_at": _time("wakeAt"),
    "deadline_at": _time("deadlineAt"),
    "gave_up": _bool("gaveUp"),
    "refusal": ("refusal", _error, _read_error),
    "error": ("error", _error, _read_error),
    "evidence": ("evidence", _evidence, _read_evidence),
    "history": ("history", _lines, lambda a: tuple(line["S"] for line in a["L"])),
    "case_file": _str("caseFile"),
    "mailed_at": _time("mailedAt"),
}


def attribute_name(field: str) -> str:
    """The attribute that holds a field of `Record`."""
    return _CODECS[field][0]


def encode_field(record: Record, field: str) -> Attribute | None:
    """A field as an attribute; None if it is to be absent."""
    value = getattr(record, field)
    if value is None or value in ("", {}):
        return None
    return _CODECS[field][1](value)


def encode_record(record: Record) -> Item:
    """A whole record as an item, indexes included."""
    item = {
        name: attribute
        for field, (name, _, _) in _CODECS.items()
        if (attribute := encode_field(record, field)) is not None
    }
    item["amount"] = _number(record.value.amount)
    item["currencyCode"] = _text(record.value.currency)
    created = format_time(record.created_at)
    item["accountDay"] = _text(f"{record.account}#{created[:10]}")
    item["createdKey"] = _text(f"{created}#{record.request_id}")
    if record.wake_at is not None:
        item["wakePartition"] = _text(wake_partition(record.request_id))
    return item


def decode_record(item: Mapping[str, Attribute]) -> Record:
    """The inverse of `encode_record`."""
    currency = item["currencyCode"]["S"]
    # DynamoDB drops trailing zeros of numbers.
    amount = Decimal(item["amount"]["N"]).quantize(Decimal(1).scaleb(-CURRENCY_DECIMALS[currency]))
    found = {field: decode(item[name]) for field, (name, _, decode) in _CODECS.items() if name in item}
    return Record(value=Money(amount, currency), **found)


def encode_key(key: KeyItem) -> Item:
    """A key item. It has no attribute of any index, and nothing makes it expire."""
    return {
        "id": _text(key_item_id(key.key_hash)),
        "requestId": _text(key.request_id),
        "account": _text(key.account),
        "operation": _text(key.operation.value),
        "fingerprint": _document(dict(key.fingerprint)),
        "nonce": _text(key.nonce),
    }


def decode_key(item: Mapping[str, Attribute]) -> KeyItem:
    """The inverse of `encode_key`."""
    return KeyItem(
        key_hash=item["id"]["S"].removeprefix("KEY#"),
        request_id=item["requestId"]["S"],
        account=item["account"]["S"],
        operation=Operation(item["operation"]["S"]),
        fingerprint=json.loads(item["fingerprint"]["S"]),
        nonce=item["nonce"]["S"],
    )
