"""How the items of the books' table stand in DynamoDB; `parts` says which there are.

Amounts are whole numbers of minor units. Windows, figures and decisions are JSON text: a day of 778 windows has a fifth
of what an item may hold. Names of attributes are never changed, and what a later version adds is not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from incentives.aws.items import Item, decode, encode, format_time, parse_time
from incentives.aws.reconciliation.parts import (
    balance_part,
    close_part,
    day_part,
    id_of,
    movement_part,
    resolution_part,
    statement_part,
)
from incentives.domain.accounts.spend import minor_units, money_of
from incentives.domain.rate_limit import from_milliseconds, to_milliseconds
from incentives.domain.reconciliation.balance import BalanceSnapshot, MovementName, MovementPart, PartType
from incentives.domain.reconciliation.closing import Close, CloseStatus, NextVersion, Opening, SignOff
from incentives.domain.reconciliation.day_state import BooksDay, Found, JudgedDay, Source
from incentives.domain.reconciliation.findings import Decision, FileRef, Kind, Reason, Resolution
from incentives.domain.reconciliation.statements import Statement, StatementStatus
from incentives.domain.reconciliation.windows import Window

#: How long balances and notes are kept: a year, and a month to look at it.
KEPT_FOR: Final = timedelta(days=400)

Values = Mapping[str, Any]


def read_item(item: Mapping[str, Any]) -> BooksDay | Close | None:
    """A day or a close, as the table's stream has it; None: it is something else."""
    values = decode(item)
    match values["part"].partition("#")[0]:
        case "day":
            return decode_day(values)
        case "close":
            return decode_close(values)
        case _:
            return None


# ---- days ------------------------------------------------------------------------------------------------------------


def encode_day(day: BooksDay, nonce: str) -> Item:
    """A day's item.

    Args:
        day: to be written.
        nonce: of this attempt to write it.
    """
    return encode(
        {
            "account": day.account,
            "part": day_part(day.day),
            "nonce": nonce,
            "revision": day.revision,
            "round": day.round,
            "leaseUntil": day.lease_until,
            "startedBy": day.started_by,
            "source": day.source,
            "partnerId": day.partner_id,
            "reading": _encode_windows(day.reading),
            "windows": _encode_windows(day.windows),
            "readsAnew": day.reads_anew,
            "checksTotal": day.checks_total,
            "fetchedAt": day.fetched_at,
            "final": day.final,
            "toJudge": day.to_judge,
            "pageOff": day.page_off,
            "judged": _encode_judged(day.judged) if day.judged else None,
            "found": _encode_found(day.found),
            "told": list(day.told) or None,
            "statementId": day.statement_id,
            "uploadedBy": day.uploaded_by,
        }
    )


def decode_day(item: Values) -> BooksDay:
    """The inverse of `encode_day`, of an item's values."""
    return BooksDay(
        account=item["account"],
        day=date.fromisoformat(id_of(item["part"])),
        revision=item["revision"],
        round=item["round"],
        lease_until=_time(item.get("leaseUntil")),
        started_by=item.get("startedBy"),
        source=Source(item["source"]) if "source" in item else None,
        partner_id=item.get("partnerId"),
        reading=_decode_windows(item.get("reading")),
        windows=_decode_windows(item.get("windows")),
        reads_anew=item["readsAnew"],
        checks_total=item["checksTotal"],
        fetched_at=_time(item.get("fetchedAt")),
        final=item["final"],
        to_judge=item["toJudge"],
        page_off=item["pageOff"],
        judged=_decode_judged(item["judged"]) if "judged" in item else None,
        found=_decode_found(item.get("found")),
        told=tuple(item.get("told", ())),
        statement_id=item.get("statementId"),
        uploaded_by=item.get("uploadedBy"),
    )


def _encode_windows(windows: Sequence[Window]) -> str | None:
    """Windows without the folder that their objects share, each an array whose order never changes."""
    if not windows:
        return None
    folders: dict[str, int] = {}
    kept: list[list[object]] = []
    for window in windows:
        folder, slash, name = (window.name or "").rpartition("/")
        kept.append(
            [
                int(window.start.timestamp()),
                int(window.end.timestamp()),
                folders.setdefault(folder + slash, len(folders)),
                None if window.name is None else name,
                window.rows,
                window.before,
                window.after,
                None if window.asked_at is None else to_milliseconds(window.asked_at),
                window.tries,
                window.given_up,
            ]
        )
    return _text({"folders": list(folders), "windows": kept})


def _decode_windows(text: str | None) -> tuple[Window, ...]:
    if not text:
        return ()
    kept = json.loads(text)
    return tuple(_decode_window(each, kept["folders"]) for each in kept["windows"])


def _decode_window(each: Sequence[Any], folders: Sequence[str]) -> Window:
    start, end, folder, name, rows, before, after, asked_at, tries, given_up = each[:10]
    return Window(
        start=datetime.fromtimestamp(start, UTC),
        end=datetime.fromtimestamp(end, UTC),
        name=None if name is None else folders[folder] + name,
        rows=rows,
        before=before,
        after=after,
        asked_at=None if asked_at is None else from_milliseconds(asked_at),
        tries=tries,
        given_up=given_up,
    )


#: Attribute -> field of `JudgedDay`, of those that are plain.
_JUDGED: Final = {
    "name": "name",
    "carriedFrom": "carried_from",
    "carry": "carry",
    "currencyCode": "currency",
    "charges": "charges",
    "charged": "charged",
    "refunds": "refunds",
    "refunded": "refunded",
    "openItems": "open_items",
    "differences": "differences",
    "unresolved": "unresolved",
}


def _encode_judged(judged: JudgedDay) -> str:
    return _text({"at": format_time(judged.at)} | {name: getattr(judged, field) for name, field in _JUDGED.items()})


def _decode_judged(text: str) -> JudgedDay:
    kept = json.loads(text)
    return JudgedDay(at=parse_time(kept["at"]), **{field: kept[name] for name, field in _JUDGED.items()})


def _encode_found(found: Mapping[Kind, Found]) -> str | None:
    kept = {
        kind.value: {"count": each.count, "amount": each.amount, "requestIds": list(each.request_ids)}
        for kind, each in found.items()
    }
    return _text(kept) if kept else None


def _decode_found(text: str | None) -> dict[Kind, Found]:
    return {
        Kind(kind): Found(count=each["count"], amount=each["amount"], request_ids=tuple(each["requestIds"]))
        for kind, each in json.loads(text or "{}").items()
    }


# ---- what people decided ---------------------------------------------------------------------------------------------


def encode_resolution(resolution: Resolution, nonce: str) -> Item:
    """What people decided of a finding. `decided` is how often: it tells one decision from the next."""
    return encode(
        {
            "account": resolution.account,
            "part": resolution_part(resolution.difference_id),
            "nonce": nonce,
            "kind": resolution.kind,
            "requestId": resolution.request_id,
            "day": resolution.day.isoformat(),
            "decided": len(resolution.decisions),
            "decisions": _text(
                [
                    {"reason": each.reason, "note": each.note, "by": each.by, "at": format_time(each.at)}
                    for each in resolution.decisions
                ]
            ),
        }
    )


def decode_resolution(item: Values) -> Resolution:
    """The inverse of `encode_resolution`."""
    return Resolution(
        account=item["account"],
        difference_id=id_of(item["part"]),
        kind=Kind(item["kind"]),
        request_id=item.get("requestId", ""),
        day=date.fromisoformat(item["day"]),
        decisions=tuple(
            Decision(reason=Reason(each["reason"]), note=each["note"], by=each["by"], at=parse_time(each["at"]))
            for each in json.loads(item["decisions"])
        ),
    )


def encode_movement(name: MovementName, nonce: str) -> Item:
    """What finance says that a movement is."""
    return encode(
        {
            "account": name.account,
            "part": movement_part(name.movement_id),
            "nonce": nonce,
            "revision": name.revision,
            "parts": _text(
                [
                    {
                        "type": each.type,
                        # As text: a number of JSON's may become a binary float.
                        "amount": f"{each.amount:f}",
                        "date": each.on.isoformat(),
                        "reference": each.reference,
                    }
                    for each in name.parts
                ]
            ),
            "by": name.by,
            "at": name.at,
        }
    )


def decode_movement(item: Values) -> MovementName:
    """The inverse of `encode_movement`."""
    return MovementName(
        account=item["account"],
        movement_id=id_of(item["part"]),
        parts=tuple(
            MovementPart(
                type=PartType(each["type"]),
                amount=Decimal(each["amount"]),
                on=date.fromisoformat(each["date"]),
                reference=each["reference"],
            )
            for each in json.loads(item["parts"])
        ),
        by=item["by"],
        at=parse_time(item["at"]),
        revision=item["revision"],
    )


# ---- balances and notes ----------------------------------------------------------------------------------------------


def encode_balance(snapshot: BalanceSnapshot) -> Item:
    """A balance."""
    return encode(
        {
            "account": snapshot.account,
            "part": balance_part(snapshot.as_of),
            "partnerId": snapshot.partner_id,
            "takenAt": snapshot.taken_at,
            "asOf": snapshot.as_of,
            "available": minor_units(snapshot.available),
            "currencyCode": snapshot.available.currency,
            "countedBefore": _encode_counted(snapshot.counted_before),
            "countedAfter": _encode_counted(snapshot.counted_after),
            "atRisk": snapshot.at_risk,
            "expiresAt": expires_at(snapshot.taken_at),
        }
    )


def decode_balance(item: Values) -> BalanceSnapshot:
    """The inverse of `encode_balance`."""
    return BalanceSnapshot(
        account=item["account"],
        partner_id=item["partnerId"],
        taken_at=parse_time(item["takenAt"]),
        as_of=parse_time(item["asOf"]),
        available=money_of(item["available"], item["currencyCode"]),
        counted_before=_decode_counted(item["countedBefore"]),
        counted_after=_decode_counted(item["countedAfter"]),
        at_risk=item.get("atRisk"),
    )


def expires_at(now: datetime) -> int:
    """When what is kept for 400 days is forgotten, in seconds since the epoch."""
    return int((now + KEPT_FOR).timestamp())


def _encode_counted(counted: Mapping[date, int]) -> str:
    return _text({day.isoformat(): minor for day, minor in sorted(counted.items())})


def _decode_counted(text: str) -> dict[date, int]:
    return {date.fromisoformat(day): minor for day, minor in json.loads(text).items()}


# ---- statements and closes -------------------------------------------------------------------------------------------


def encode_statement(statement: Statement, nonce: str) -> Item:
    """A statement."""
    return encode(
        {
            "account": statement.account,
            "part": statement_part(statement.statement_id),
            "nonce": nonce,
            "revision": statement.revision,
            "from": statement.first.isoformat(),
            "to": statement.last.isoformat(),
            "sha256": statement.sha256,
            "uploadedBy": statement.uploaded_by,
            "caller": statement.caller,
            "at": statement.at,
            "status": statement.status,
            "rows": statement.rows,
            "why": statement.why,
        }
    )


def decode_statement(item: Values) -> Statement:
    """The inverse of `encode_statement`."""
    return Statement(
        account=item["account"],
        statement_id=id_of(item["part"]),
        first=date.fromisoformat(item["from"]),
        last=date.fromisoformat(item["to"]),
        sha256=item["sha256"],
        uploaded_by=item.get("uploadedBy"),
        caller=item.get("caller"),
        at=parse_time(item["at"]),
        status=StatementStatus(item["status"]),
        rows=item["rows"],
        why=item.get("why"),
        revision=item["revision"],
    )


def encode_close(close: Close, nonce: str) -> Item:
    """A month's close."""
    opening, signed, next_version = close.opening, close.signed_off, close.next_version
    return encode(
        {
            "account": close.account,
            "part": close_part(close.month),
            "nonce": nonce,
            "revision": close.revision,
            "version": close.version,
            "status": close.status,
            "blockedBy": list(close.blocked_by) or None,
            "digest": close.digest,
            "opening": _text({"amount": f"{opening.amount:f}", "source": opening.source}) if opening else None,
            "figures": _text(dict(close.figures)) if close.figures else None,
            "files": _text([_encode_file(each) for each in close.files]) if close.files else None,
            "manifest": _text(_encode_file(close.manifest)) if close.manifest else None,
            "closedBy": close.closed_by,
            "caller": close.caller,
            "closedAt": close.closed_at,
            "signedOff": _text(
                {
                    "by": signed.by,
                    "caller": signed.caller,
                    "at": format_time(signed.at),
                    "manifestSha256": signed.manifest_sha256,
                }
            )
            if signed
            else None,
            "nextVersion": _text({"version": next_version.version, "digest": next_version.digest})
            if next_version
            else None,
        }
    )


def decode_close(item: Values) -> Close:
    """The inverse of `encode_close`."""
    opening, manifest, signed, next_version = (
        json.loads(item.get(name, "null")) for name in ("opening", "manifest", "signedOff", "nextVersion")
    )
    return Close(
        account=item["account"],
        month=id_of(item["part"]),
        revision=item["revision"],
        version=item["version"],
        status=CloseStatus(item["status"]),
        blocked_by=tuple(item.get("blockedBy", ())),
        digest=item.get("digest"),
        opening=Opening(amount=Decimal(opening["amount"]), source=opening["source"]) if opening else None,
        figures=json.loads(item.get("figures", "{}")),
        files=tuple(_decode_file(each) for each in json.loads(item.get("files", "[]"))),
        manifest=_decode_file(manifest) if manifest else None,
        closed_by=item.get("closedBy"),
        caller=item.get("caller"),
        closed_at=_time(item.get("closedAt")),
        signed_off=SignOff(
            by=signed["by"],
            caller=signed["caller"],
            at=parse_time(signed["at"]),
            manifest_sha256=signed["manifestSha256"],
        )
        if signed
        else None,
        next_version=NextVersion(version=next_version["version"], digest=next_version["digest"])
        if next_version
        else None,
    )


_FILE: Final = tuple(each.name for each in fields(FileRef))


def _encode_file(file: FileRef) -> dict[str, object]:
    return {name: getattr(file, name) for name in _FILE}


def _decode_file(kept: Values) -> FileRef:
    return FileRef(name=kept["name"], sha256=kept["sha256"], rows=kept["rows"])


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
