"""The files of a close: the same plan and version give the same bytes, and nothing in them tells when they were made.

    {account}/closes/{month}/v{version}/summary.csv allocation.csv open-items.csv differences.csv balances.csv
                                        manifest.json    names every file, each with its SHA-256 and its rows
                                        signoff.json     a second person's word for the manifest

The days' transactions are where they were written when each day was judged; the manifest names them too. CSV is UTF-8
with a byte order mark, as spreadsheets need it; a text that a spreadsheet would take for a formula gets an apostrophe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.csv_files import csv_file
from incentives.domain.reconciliation.close_plan import FORMAT, amount_text, resolution_facts, time_text
from incentives.domain.reconciliation.findings import FileRef
from incentives.domain.reconciliation.movements import booked_on
from incentives.domain.texts import plain

if TYPE_CHECKING:
    from incentives.domain.reconciliation.close_plan import Plan
    from incentives.domain.reconciliation.closing import Close, SignOff
    from incentives.domain.reconciliation.findings import Finding

CSV_TYPE: Final = "text/csv; charset=utf-8"
JSON_TYPE: Final = "application/json"

MANIFEST: Final = "manifest.json"
SIGN_OFF: Final = "signoff.json"
SUMMARY: Final = "summary.csv"
ALLOCATION: Final = "allocation.csv"
OPEN_ITEMS: Final = "open-items.csv"
DIFFERENCES: Final = "differences.csv"
BALANCES: Final = "balances.csv"

_SUMMARY_COLUMNS: Final = ("figure", "value", "currencyCode", "note")
_ALLOCATION_COLUMNS: Final = (
    "budget", "costCenter", "operation", "currencyCode", "gross", "refunds", "net", "rows",
)  # fmt: skip
_FINDING_COLUMNS: Final = (
    "differenceId", "kind", "requestId", "foundOn", "amount", "currencyCode", "ledgerStatus", "ledgerAmount",
    "amazonCharges", "amazonRefunds", "amazonNets", "why",
)  # fmt: skip
_DIFFERENCE_COLUMNS: Final = ("standing", *_FINDING_COLUMNS, "reason", "note", "by", "at", "decisions")
_OPEN_ITEM_COLUMNS: Final = ("change", *_FINDING_COLUMNS)
_BALANCE_COLUMNS: Final = (
    "record", "from", "to", "amount", "currencyCode", "partnerId", "settled", "low", "high", "movementId", "type",
    "date", "bookingDate", "reference", "by", "at",
)  # fmt: skip

#: What a figure is, for people; of a figure with a longer name, what its beginning is.
_NOTES: Final = {
    "opening": "balance at the start",
    "movements": "what moved the balance without a row, as finance named it",
    "charges": "Amazon's rows, by their own times; in the account's currency unless another is named",
    "refunds": "likewise",
    "closing": "balance at the end = opening + movements - charges + refunds",
    "ledger": "what the ledger says was charged, less what was taken back",
    "bridge": "from the ledger to Amazon: ledger + bridge = charges - refunds",
    "openItems": "amounts at risk of requests whose end is still to come: opening + new - ended = closing",
    "differences": "of Amazon and the ledger; each is in differences.csv",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFiles:
    """The files of one version.

    Attributes:
        contents: by name, in the order in which they are to be written: the manifest last.
        refs: what the manifest names: the days' transactions and the month's files.
    """

    contents: Mapping[str, bytes]
    refs: tuple[FileRef, ...]
    manifest: FileRef


def name_of(account: str, month: str, version: int, file: str) -> str:
    """Where a file of a close is."""
    return f"{account}/closes/{month}/v{version}/{file}"


def write(plan: Plan, version: int) -> CloseFiles:
    """The files of a plan."""
    inputs = plan.inputs
    tables = {
        SUMMARY: (_SUMMARY_COLUMNS, _summary(plan, version)),
        ALLOCATION: (_ALLOCATION_COLUMNS, _allocation(plan)),
        OPEN_ITEMS: (_OPEN_ITEM_COLUMNS, _open_items(plan)),
        DIFFERENCES: (_DIFFERENCE_COLUMNS, _differences(plan)),
        BALANCES: (_BALANCE_COLUMNS, _balances(plan)),
    }
    contents: dict[str, bytes] = {}
    refs = [each.judged.transactions for each in inputs.objects]
    for file, (columns, rows) in tables.items():
        name, lines = name_of(inputs.account, inputs.month, version, file), list(rows)
        contents[name] = csv_file([columns, *lines])
        refs.append(FileRef(name=name, sha256=sha256(contents[name]), rows=len(lines)))
    name = name_of(inputs.account, inputs.month, version, MANIFEST)
    contents[name] = canonical(_manifest(plan, version, refs))
    manifest = FileRef(name=name, sha256=sha256(contents[name]), rows=len(refs))
    return CloseFiles(contents=contents, refs=tuple(refs), manifest=manifest)


def sha256(content: bytes) -> str:
    """Of a file, as the manifest has it."""
    return hashlib.sha256(content).hexdigest()


def canonical(document: Mapping[str, Any]) -> bytes:
    """A document as the books keep it: one way to write it, for machines and people."""
    return (json.dumps(document, sort_keys=True, indent=2) + "\n").encode()


def signed(close: Close, sign_off: SignOff) -> bytes:
    """`signoff.json`. It has a hash of itself: no other file has one of it."""
    document = {
        "format": FORMAT,
        "account": close.account,
        "month": close.month,
        "version": close.version,
        "manifest": {"name": close.manifest and close.manifest.name, "sha256": sign_off.manifest_sha256},
        "closedBy": close.closed_by,
        "signedOffBy": sign_off.by,
        "caller": sign_off.caller,
        "at": time_text(sign_off.at),
    }
    return canonical(document | {"sha256": sha256(canonical(document))})


# ---- what is in them -------------------------------------------------------------------------------------------------


def _manifest(plan: Plan, version: int, refs: Sequence[FileRef]) -> dict[str, Any]:
    inputs, previous = plan.inputs, plan.inputs.previous_month
    resolutions = [resolution_facts(each) for _, each in sorted(inputs.resolutions.items())]
    return {
        "format": FORMAT,
        "account": inputs.account,
        "month": inputs.month,
        "version": version,
        "firstDay": inputs.days[0].day.isoformat(),
        "lastDay": inputs.days[-1].day.isoformat(),
        "zone": inputs.zone,
        "tzdata": _versions_of_tzdata(plan),
        "currencyCode": inputs.currency,
        "hasBalance": inputs.balance is not None,
        "opening": plan.opening and {"amount": plan.figures["opening"], "source": plan.opening.source},
        "figures": dict(plan.figures),
        "digest": plan.digest,
        "files": [_ref(each) for each in refs],
        "judged": [
            {"day": each.judged.day.isoformat(), "name": each.name, "sha256": each.sha256} for each in inputs.objects
        ],
        "resolutions": {"count": len(resolutions), "sha256": sha256(canonical({"resolutions": resolutions}))},
        "previous": previous
        and {"month": previous.month, "name": previous.manifest.name, "sha256": previous.manifest.sha256},
    }


def _versions_of_tzdata(plan: Plan) -> list[str]:
    return sorted({each.judged.tzdata for each in plan.inputs.objects})


def _ref(file: FileRef) -> dict[str, Any]:
    return {"name": file.name, "sha256": file.sha256, "rows": file.rows}


def _summary(plan: Plan, version: int) -> Iterator[Sequence[object]]:
    inputs = plan.inputs
    facts = {
        "account": inputs.account,
        "month": inputs.month,
        "version": version,
        "firstDay": inputs.days[0].day,
        "lastDay": inputs.days[-1].day,
        "zone": inputs.zone,
        "tzdata": " ".join(_versions_of_tzdata(plan)),
        "closedMonthBefore": inputs.previous_month.month if inputs.previous_month else "",
    }
    for name, value in facts.items():
        yield name, value, "", ""
    if inputs.balance is None:
        yield (
            "hasBalance",
            "no",
            "",
            "the balance is no part of these books: Amazon invoices the account, or tells 0 each time",
        )
    else:
        yield "hasBalance", "yes", "", f"opening: {plan.opening.source}" if plan.opening else ""
    for name, value in plan.figures.items():
        if name == "currencyCode":
            yield name, value, "", ""
            continue
        first, *others = name.split(".")
        is_count = others[-1:] == ["count"] or first == "differences"
        code = others[0] if first in {"charges", "refunds"} and others and not is_count else inputs.currency
        yield name, value, "" if is_count else code, _NOTES[first]


def _allocation(plan: Plan) -> Iterator[Sequence[object]]:
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for day in plan.inputs.objects:
        for each in day.judged.allocation:
            group = sums.setdefault((each.budget, each.cost_center, each.operation, each.currency), [0, 0, 0])
            for place, number in enumerate((each.charged, each.refunded, each.rows)):
                group[place] += number
    for (budget, center, operation, currency), (charged, refunded, rows) in sorted(sums.items()):
        amounts = (amount_text(minor, currency) for minor in (charged, refunded, charged - refunded))
        yield plain(budget), plain(center), plain(operation), currency, *amounts, rows


def _finding(finding: Finding) -> tuple[object, ...]:
    ledger, amazon = finding.ledger, finding.amazon
    return (
        finding.difference_id,
        finding.kind.value,
        plain(finding.request_id),
        finding.found_on,
        amount_text(finding.amount, finding.currency),
        finding.currency,
        ledger.status if ledger else "",
        amount_text(ledger.amount, ledger.currency) if ledger else "",
        amazon.charges,
        amazon.refunds,
        plain(" ".join(f"{amount_text(net, code)} {code}" for code, net in sorted(amazon.nets.items()))),
        plain(amazon.why),
    )


def _open_items(plan: Plan) -> Iterator[Sequence[object]]:
    items = plan.open_items
    for change, its in (("carried", items.carried), ("new", items.new), ("ended", items.ended)):
        for each in its:
            yield change, *_finding(each)


def _differences(plan: Plan) -> Iterator[Sequence[object]]:
    inputs = plan.inputs
    for standing, found in (("resolved", inputs.findings), ("cleared", inputs.cleared)):
        for each in sorted(found, key=lambda finding: (finding.found_on, finding.difference_id)):
            resolution = inputs.resolutions.get(each.difference_id)
            newest = resolution.newest if resolution else None
            decided = (
                (newest.reason.value, plain(newest.note), plain(newest.by), time_text(newest.at))
                if newest
                else ("",) * 4
            )
            yield standing, *_finding(each), *decided, len(resolution.decisions) if resolution else 0


def _balances(plan: Plan) -> Iterator[Sequence[object]]:
    def line(**cells: object) -> list[object]:
        named = {name.rstrip("_"): cell for name, cell in cells.items()}
        return [named.get(column, "") for column in _BALANCE_COLUMNS]

    inputs, balance, currency = plan.inputs, plan.inputs.balance, plan.inputs.currency
    if balance is None:
        return
    first, last = inputs.days[0].day, inputs.days[-1].day
    yield line(record="opening", date=first, amount=plan.figures["opening"], currencyCode=currency)
    for day in inputs.objects:
        for level in day.judged.levels:
            yield line(
                record="balance",
                to=time_text(level.as_of),
                amount=amount_text(level.balance, currency),
                currencyCode=currency,
                partnerId=plain(level.partner_id),
                settled=amount_text(level.settled, currency),
                low=amount_text(level.low, currency),
                high=amount_text(level.high, currency),
                date=day.judged.day,
            )
    for movement in balance.movements:
        name = balance.names[movement.movement_id]
        shown = {"movementId": movement.movement_id, "from_": time_text(movement.start), "to": time_text(movement.end)}
        yield line(record="movement", amount=f"{movement.amount:f}", currencyCode=movement.currency, **shown)
        for part in name.parts:
            booked = booked_on(movement, part)
            yield line(
                # A part of another month is told, since the movement is; it is no part of this month's sum.
                record="part" if inputs.holds(booked) else "partOfAnotherMonth",
                movementId=movement.movement_id,
                type=part.type.value,
                amount=f"{part.amount:f}",
                currencyCode=movement.currency,
                date=part.on,
                bookingDate=booked,
                reference=plain(part.reference),
                by=plain(name.by),
                at=time_text(name.at),
            )
    yield line(record="closing", date=last, amount=plan.figures["closing"], currencyCode=currency)
