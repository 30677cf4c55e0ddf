"""What must hold when all is over: pure queries to the ledger, to Amazon's activity, and to what callers were told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from incentives.aws.items import parse_time
from tests.chaos.callers import ORDERING, Told
from tests.chaos.plan import What
from tests.chaos.trouble import Kill, Outage

#: A process that was killed a moment before a call may still be handed the call.
DYING: Final = timedelta(seconds=1)

#: What callers may be told, beside a server's error: done, under way, no funds, not there yet, a state's conflict.
EXPECTED: Final = frozenset({200, 201, 202, 402, 404, 409})

#: What Amazon's activity calls a charge that stands, by the part of the report.
_LIVE: Final[Mapping[str, tuple[str, str]]] = {
    "cards": ("CreateGiftCard", "Fulfilled"),
    "activations": ("ActivateGiftCard", "Activated"),
    "loads": ("LoadAmazonBalance", "Loaded"),
}
_UNDONE_AT: Final = {"cards": "cancelledAt", "activations": "deactivatedAt", "loads": "voidedAt"}
_MADE_AT: Final = {"cards": "createdAt", "activations": "activatedAt", "loads": "loadedAt"}


@dataclass(frozen=True)
class Charge:
    request_id: str
    operation: str
    amount: Decimal
    currency: str
    live: bool
    since: datetime
    until: datetime | None
    gc_id: str | None = None
    claim_code: str | None = None


@dataclass(frozen=True)
class Facts:
    """Everything that the checks look at.

    Attributes:
        records: the ledger's, by request id, as DynamoDB's resource reads them.
        charges: Amazon's, by request id.
        net: Amazon's own sum of all lines of its activity, by currency.
    """

    records: Mapping[str, Mapping[str, Any]]
    charges: Mapping[str, Charge]
    net: Mapping[str, Decimal]
    told: Sequence[Told]
    kills: Sequence[Kill]
    outages: Sequence[Outage]


def charges_of(report: Mapping[str, Any]) -> dict[str, Charge]:
    """The sandbox's report, read as a activity of charges."""
    found = {}
    for part, (operation, live) in _LIVE.items():
        for each in report[part]:
            undone = each[_UNDONE_AT[part]]
            found[each["requestId"]] = Charge(
                each["requestId"],
                operation,
                Decimal(each["amount"]),
                each["currencyCode"],
                each["status"] == live,
                datetime.fromisoformat(each[_MADE_AT[part]]).astimezone(UTC),
                datetime.fromisoformat(undone).astimezone(UTC) if undone else None,
                each.get("gcId"),
                each.get("claimCode"),
            )
    return found


def records_of(items: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {item["id"]: item for item in items if "status" in item}


# ---- money ---------------------------------------------------------------------------------------


def differences(facts: Facts) -> dict[tuple[str, str], Decimal]:
    """Ledger less Amazon, by operation and currency, and in all by currency: what Amazon's sum of its lines says."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for record in _succeeded(facts):
        found[record["operation"], record["currencyCode"]] += record["amount"]
        found["all", record["currencyCode"]] += record["amount"]
    for charge in facts.charges.values():
        if charge.live:
            found[charge.operation, charge.currency] -= charge.amount
    for currency, amount in facts.net.items():
        found["all", currency] -= amount
    return dict(found)


def ledger_total(facts: Facts) -> Decimal:
    """All that the ledger says was spent; one currency is all there is here."""
    return sum((record["amount"] for record in _succeeded(facts)), Decimal())


def charges_without_record(facts: Facts) -> list[str]:
    """Request ids that Amazon charged, ever, and the ledger does not know."""
    return sorted(facts.charges.keys() - facts.records.keys())


def contradictions(facts: Facts) -> Iterator[str]:
    """Requests of which ledger and Amazon say different things."""
    for request_id, record in facts.records.items():
        charge = facts.charges.get(request_id)
        live = charge is not None and charge.live
        if (record["status"] == "SUCCEEDED") != live:
            yield f"{request_id} is {record['status']} and {'charged' if live else 'not charged'}"
        elif live and charge is not None:
            same = (charge.amount, charge.currency) == (record["amount"], record["currencyCode"])
            if not same or (charge.gc_id and charge.gc_id != record.get("gcId")):
                yield f"{request_id} is another card, or another amount"


def keys_charged_twice(facts: Facts) -> Iterator[str]:
    """Keys that had two live charges at the same time, however briefly."""
    by_key: dict[str, list[Charge]] = defaultdict(list)
    for request_id, charge in facts.charges.items():
        record = facts.records.get(request_id)
        by_key[record["keyHash"] if record else request_id].append(charge)
    for charges in by_key.values():
        charges.sort(key=lambda charge: charge.since)
        for earlier, later in pairwise(charges):
            if earlier.until is None or earlier.until > later.since:
                yield f"{later.request_id} beside {earlier.request_id}"


# ---- what callers were told ----------------------------------------------------------------------


def told_wrongly(facts: Facts, request_ids: Mapping[int, str]) -> Iterator[str]:
    """Answers that the activity or the ledger contradicts.

    Args:
        facts: everything.
        request_ids: of each order's first generation, by its number.
    """
    known_since: dict[int, datetime] = {}
    for told in sorted(facts.told, key=lambda each: each.answered_at):
        if told.order is None or told.status is None:
            continue
        name = f"{told.what} of order {told.order} at {told.asked_at:%H:%M:%S.%f}"
        if told.what in ORDERING and told.status in {200, 201, 202}:
            known_since.setdefault(told.order, told.answered_at)
        newest = _newest(facts, request_ids[told.order])
        match told.status:
            case 200 | 201 if told.what in ORDERING | {What.REVEAL}:
                yield from _check_card(told, name, facts)
            case 200 if told.what is What.CANCEL and _is_live(newest, facts):
                yield f"{name}: told that it is reversed, and it is charged"
            case 402 if told.what in ORDERING and _is_live(newest, facts):
                yield f"{name}: told that it is refused, and it is charged"
            case 409 if _ended_without(told) and told.what in ORDERING and _is_live(newest, facts):
                yield f"{name}: told that nothing is charged, and it is"
            case 404 if told.asked_at > known_since.get(told.order, told.asked_at):
                yield f"{name}: not found, although it had been accepted"


def _check_card(told: Told, name: str, facts: Facts) -> Iterator[str]:
    """A card that was handed out was live when it was asked for, is the one of the order, and nobody took it away."""
    charge = facts.charges.get(told.body.get("requestId", ""))
    if charge is None:
        yield f"{name}: handed out, and Amazon knows nothing of it"
        return
    if (told.body.get("gcId"), told.body.get("gcClaimCode")) != (charge.gc_id, charge.claim_code):
        yield f"{name}: another card than Amazon's"
    if Decimal(told.body["amount"]) != charge.amount:
        yield f"{name}: another amount than Amazon's"
    if charge.until is not None and charge.until < told.asked_at:
        yield f"{name}: handed out after it had been reversed"
    record = facts.records.get(charge.request_id, {})
    if not charge.live and record.get("cause") != "cancel":
        yield f"{name}: handed out, and reversed although nobody had asked ({record.get('cause')})"


def unexpected(told: Iterable[Told]) -> dict[str, int]:
    """Answers that no caller of these should get, by what was asked."""
    found = [each for each in told if each.status is not None and each.status < 500 and each.status not in EXPECTED]
    return dict(Counter(f"{each.what}: {each.status} {(each.body or {}).get('errorType')}" for each in found))


def server_errors(told: Iterable[Told]) -> list[Told]:
    """Answers of 500 and over, and no responses, but for the 503 that the API's description promises."""
    return [each for each in told if each.failed and not each.is_contract]


def unexplained(errors: Iterable[Told], kills: Iterable[Kill], outages: Iterable[Outage]) -> list[Told]:
    """Errors for which no process died, of the function that was called and while it was called.

    Each killed process explains one error, and the emulator's absence all that were asked for or waited meanwhile.
    """
    waiting = sorted(
        (each for each in errors if not any(_overlaps(each, outage) for outage in outages)),
        key=lambda each: each.answered_at,
    )
    for kill in sorted(kills, key=lambda each: each.at):
        # Of all that this kill may explain, the one that no later kill can.
        hit = next(
            (
                each
                for each in waiting
                if each.function == kill.function and each.asked_at - DYING <= kill.at <= each.answered_at
            ),
            None,
        )
        if hit is not None:
            waiting.remove(hit)
    return waiting


def written_all_the_same(facts: Facts, request_ids: Mapping[int, str]) -> Iterator[str]:
    """Orders that were told 503, that nothing was written, and that were written by that very call."""
    by_order: dict[int, list[Told]] = defaultdict(list)
    for told in facts.told:
        if told.order is not None and told.what in ORDERING:
            by_order[told.order].append(told)
    for number, all_told in by_order.items():
        record = facts.records.get(request_ids[number])
        for told in all_told:
            alone = not any(
                other is not told and other.asked_at < told.answered_at and told.asked_at < other.answered_at
                for other in all_told
            )
            # Not `createdAt`, which has grown older since.
            created_at = parse_time(record["createdKey"].partition("#")[0]) if record else None
            if told.is_contract and alone and created_at and told.asked_at < created_at < told.answered_at:
                yield f"order {number} was told 503 at {told.answered_at:%H:%M:%S.%f}, and its record was written"


def _overlaps(told: Told, outage: Outage) -> bool:
    return told.asked_at - DYING <= outage.until and outage.since <= told.answered_at


def _succeeded(facts: Facts) -> list[Mapping[str, Any]]:
    return [record for record in facts.records.values() if record["status"] == "SUCCEEDED"]


def _newest(facts: Facts, request_id: str) -> str:
    while (record := facts.records.get(request_id)) is not None and "replacedBy" in record:
        request_id = record["replacedBy"]
    return request_id


def _is_live(request_id: str, facts: Facts) -> bool:
    charge = facts.charges.get(request_id)
    return charge is not None and charge.live


def _ended_without(told: Told) -> bool:
    return isinstance(told.body, dict) and told.body.get("requestStatus") in {"REVERSED", "REFUSED"}
