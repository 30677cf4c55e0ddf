"""The items of bulk orders, and their codec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.items import encode, parse_time
from incentives.domain.bulk_orders.bulk_order import (
    Batch,
    BulkOrder,
    Counts,
    Decision,
    FileError,
    FileFormat,
    OrderStatus,
    RowsClaim,
)
from incentives.domain.persons import Identity
from incentives.domain.single_requests.record import Intent

if TYPE_CHECKING:
    from incentives.aws.items import Item

ORDER: Final = "order"
CLAIM: Final = "claim"

#: The one partition of the index of orders by when they were made: there are few.
LISTED: Final = "orders"


def part(kind: str, number: int) -> str:
    """The sort key of a part of which there is one for each batch."""
    return f"{kind}#{number:05}"


def key(order_id: str, name: str) -> Item:
    """The key of a part of an order."""
    return encode({"orderId": order_id, "part": name})


def rows_id(account: str, digest: str) -> str:
    """The partition of a claim on rows."""
    return f"rows#{account}#{digest}"


def encode_claim(claim: RowsClaim) -> Item:
    """A claim on rows as an item."""
    return encode(
        {
            "orderId": rows_id(claim.account, claim.digest),
            "part": CLAIM,
            "claimedBy": claim.order_id,
            "claimedAt": claim.claimed_at,
            "expiresAt": int(claim.expires_at.timestamp()),
            "round": claim.round or None,
            "firm": claim.is_firm,
            "insteadOf": claim.instead_of,
        }
    )


def decode_claim(item: Mapping[str, Any]) -> RowsClaim:
    """The inverse of `encode_claim`, from an item's values."""
    _, account, digest = item["orderId"].split("#")
    return RowsClaim(
        account=account,
        digest=digest,
        order_id=item["claimedBy"],
        claimed_at=parse_time(item["claimedAt"]),
        # Claims of earlier versions lack it.
        round=item.get("round", 0),
        instead_of=item.get("insteadOf"),
        is_firm=item["firm"],
    )


def encode_order(order: BulkOrder, nonce: str) -> Item:
    """An order as an item."""
    return encode(
        {
            "orderId": order.order_id,
            "part": ORDER,
            "nonce": nonce,
            "listed": LISTED,
            "account": order.account,
            "partnerId": order.partner_id,
            "format": order.format,
            "onUnknown": order.on_unknown,
            "status": order.status,
            "createdAt": order.created_at,
            "updatedAt": order.updated_at,
            "round": order.round,
            "caller": order.caller,
            "dryRun": order.dry_run,
            "rows": order.rows,
            "rowBytes": order.row_bytes,
            "rowsName": order.rows_name,
            "totals": _encode_money(order.totals),
            "totalsSeen": _encode_money(order.totals_seen) or None,
            "errors": json.dumps([[e.line, e.field, e.problem] for e in order.errors]) if order.errors else None,
            "errorCount": order.error_count,
            "blankRows": order.blank_rows,
            "emptyColumns": order.empty_columns,
            "allowSameRows": order.allow_same_rows,
            "sameRowsAs": order.same_rows_as,
            "makers": [[each.user_arn or "", each.caller or ""] for each in order.makers] or None,
            "startedBy": order.started_by,
            "budget": order.budget,
            "budgetPeriod": order.budget_period,
            "held": order.held or None,
            "rowsDigest": order.rows_digest,
            "approvalDigest": order.approval_digest,
            "approvalUntil": order.approval_until,
            "toldAt": order.told_at,
            "decision": order.decision,
            "decidedBy": order.decided_by,
            "decidedAt": order.decided_at,
            "rejectedBecause": order.rejected_because,
            "whyNotStarted": order.why_not_started,
            "stoppedAt": order.stopped_at,
            "whyPaused": order.why_paused,
            "issuingSince": order.issuing_since,
            "issuingUntil": order.issuing_until,
            "doneBefore": order.done_before,
            "finishedAt": order.finished_at,
        }
    )


def decode_order(item: Mapping[str, Any]) -> BulkOrder:
    """The inverse of `encode_order`, from an item's values."""
    return BulkOrder(
        order_id=item["orderId"],
        account=item["account"],
        partner_id=item["partnerId"],
        format=FileFormat(item["format"]),
        on_unknown=Intent(item["onUnknown"]),
        status=OrderStatus(item["status"]),
        created_at=parse_time(item["createdAt"]),
        updated_at=parse_time(item["updatedAt"]),
        round=item["round"],
        caller=item.get("caller"),
        dry_run=item["dryRun"],
        rows=item["rows"],
        row_bytes=item["rowBytes"],
        rows_name=item.get("rowsName"),
        totals=_decode_money(item.get("totals")),
        totals_seen=_decode_money(item.get("totalsSeen")),
        errors=tuple(FileError(*each) for each in json.loads(item.get("errors", "[]"))),
        error_count=item["errorCount"],
        # Orders of earlier versions lack these.
        blank_rows=item.get("blankRows", 0),
        empty_columns=item.get("emptyColumns", 0),
        allow_same_rows=item.get("allowSameRows", False),
        same_rows_as=item.get("sameRowsAs"),
        makers=tuple(Identity(arn or None, caller or None, caller or None) for arn, caller in item.get("makers", ())),
        started_by=item.get("startedBy"),
        budget=item.get("budget"),
        budget_period=item.get("budgetPeriod"),
        held=item.get("held", 0),
        rows_digest=item.get("rowsDigest"),
        approval_digest=item.get("approvalDigest"),
        approval_until=_time(item.get("approvalUntil")),
        told_at=_time(item.get("toldAt")),
        decision=Decision(item["decision"]) if "decision" in item else None,
        decided_by=item.get("decidedBy"),
        decided_at=_time(item.get("decidedAt")),
        rejected_because=item.get("rejectedBecause"),
        why_not_started=item.get("whyNotStarted"),
        stopped_at=_time(item.get("stoppedAt")),
        why_paused=item.get("whyPaused"),
        issuing_since=_time(item.get("issuingSince")),
        issuing_until=_time(item.get("issuingUntil")),
        done_before=item["doneBefore"],
        finished_at=_time(item.get("finishedAt")),
    )


#: Attribute -> field of `Counts`.
_COUNTS: Final = {
    "issued": "issued",
    "refused": "refused",
    "open": "open",
    "reversed": "reversed",
    "escalated": "escalated",
    "notIssued": "not_issued",
}


def encode_batch(order_id: str, batch: Batch) -> Item:
    """How far a batch has come, as an item."""
    return encode(
        {
            **{name: getattr(batch.counts, field) or None for name, field in _COUNTS.items()},
            "orderId": order_id,
            "part": part("batch", batch.number),
            "done": batch.done,
            "settled": batch.settled,
            "round": batch.round,
            "issuedValue": _encode_money(batch.issued_value),
            "updatedAt": batch.updated_at,
            "unopened": batch.unopened or None,
        }
    )


def decode_batch(item: Mapping[str, Any]) -> Batch:
    """The inverse of `encode_batch`, from an item's values."""
    return Batch(
        number=int(item["part"].partition("#")[2]),
        counts=Counts(**{field: item[name] for name, field in _COUNTS.items() if name in item}),
        issued_value=_decode_money(item.get("issuedValue")),
        settled=item["settled"],
        round=item.get("round", 0),
        updated_at=_time(item.get("updatedAt")),
        unopened=item.get("unopened", 0),
    )


def _encode_money(amounts: Mapping[str, Decimal]) -> str:
    # As text: a number of DynamoDB's loses its zeros, and one of JSON's may become a binary float.
    return json.dumps({currency: str(amount) for currency, amount in amounts.items()}) if amounts else ""


def _decode_money(text: str | None) -> dict[str, Decimal]:
    return {currency: Decimal(amount) for currency, amount in json.loads(text or "{}").items()}


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
