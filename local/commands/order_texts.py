"""What is said of a bulk order: beside the bar while it runs, and at its end."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Order = Mapping[str, Any]

#: Cards in these ways have come to their end.
ENDED: Final = ("issued", "refused", "reversed", "escalated", "notIssued")
#: Worth a word beside the bar, where there are any.
TOLD: Final = ("refused", "open", "reversed", "escalated")
WORDS: Final[Mapping[str, str]] = {
    "AWAITING_FILE": "waits for its file",
    "VALIDATING": "its file is being checked",
    "AWAITING_APPROVAL": "waits for approval",
    "PAUSED": "paused",
    "STOPPING": "stopping",
    "SETTLING": "finding out the last outcomes",
}
AWAITING: Final = "AWAITING_APPROVAL"
#: Orders in these go on once somebody has done something.
WAITING: Final = (AWAITING, "PAUSED")
#: Orders in these take a file, and may be started.
STARTABLE: Final = frozenset({"AWAITING_FILE", "INVALID", "VALIDATED"})
#: Of an order that was approved: then its budget did not allow it, or another order had its rows.
NOT_ISSUED: Final = frozenset({"VALIDATED", "INVALID"})
#: Who did something, where the signature of the call does not say.
NOBODY: Final = "somebody who cannot be named"
MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3_600


def progress(order: Order, now: datetime) -> str:
    """One line: how far an order is, how fast, and until when."""
    rows, counts = order["rows"], order["counts"]
    said = WORDS.get(order["status"])
    if not rows:
        return said or order["status"]
    parts = [f"{ended(order):,} of {rows:,}"]
    few = ", ".join(f"{counts[name]:,} {name}" for name in TOLD if counts[name])
    parts += [few] if few else []
    if said is not None:
        parts.append(said)
    else:
        parts += [f"{order['requestsPerSecond']:.1f}/s"] if order["requestsPerSecond"] is not None else []
        parts += [until(order["estimatedEndAt"], now)] if order["estimatedEndAt"] is not None else []
    return " | ".join(parts)


def ended(order: Order) -> int:
    """How many cards have come to their end."""
    return sum(order["counts"][name] for name in ENDED)


def until(end: str, now: datetime) -> str:
    """An estimated end, with the time that is left until it."""
    moment = datetime.fromisoformat(end)
    seconds = max(0.0, (moment - now).total_seconds())
    if seconds < MINUTE_SECONDS:
        left = f"{seconds:.0f} s"
    elif seconds < HOUR_SECONDS:
        left = f"{seconds / MINUTE_SECONDS:.0f} min"
    else:
        left = f"{seconds / HOUR_SECONDS:.1f} h"
    return f"ends about {moment.astimezone(UTC):%H:%M} UTC, in {left}"


def errors(order: Order) -> Iterator[str]:
    """What is wrong with a file, a line each."""
    for error in order["errors"]:
        where = f"line {error['line']}" + (f", {error['field']}" if error["field"] else "")
        yield f"  {where} {error['problem']}"
    more = order["errorCount"] - len(order["errors"])
    if more > 0:
        yield f"  and {more:,} more"


def totals(order: Order) -> str:
    """What a file asks for: `10,000 cards, 250,000.00 USD`."""
    return f"{order['rows'] or 0:,} cards, {sums(order)}"


def sums(order: Order) -> str:
    """What its cards cost: `250,000.00 USD`."""
    return ", ".join(f"{_grouped(each['amount'])} {each['currencyCode']}" for each in order["totals"])


def to_decide(order: Order) -> Iterator[str]:
    """What whoever approves an order has to see."""
    yield f"Order {order['orderId']} of account {order['account']}: {totals(order)}"
    yield from left_out(order)
    yield f"  budget:   {order['budget'] or 'none'}"
    yield f"  made by:  {order['createdBy'] or NOBODY} at {order['createdAt']}"
    yield f"  started:  {order['startedBy'] or NOBODY}"
    yield f"  digest:   {order['approvalDigest']}"
    yield f"  until:    {order['approvalUntil']}"


def seen_of(order: Order) -> dict[str, Any]:
    """What whoever approves an order tells the gateway to have seen."""
    return {"digest": order["approvalDigest"], "total": order["total"]}


def is_approved(order: Order) -> bool:
    """Whether a second person has approved it, and nothing stood against it then."""
    return order["decision"] == "approve" and order["status"] not in NOT_ISSUED


def why(order: Order) -> str:
    """Why an order is paused, or not started; empty if nobody and nothing has said so."""
    return str(order["pauseReason"] or order["whyNotStarted"] or order["rejectedBecause"] or "")


def not_started(order: Order) -> Iterator[str]:
    """Why a good file is not issued, if it was to be."""
    if order["rejectedBecause"]:
        yield f"Rejected by {order['decidedBy'] or NOBODY}: {order['rejectedBecause']}"
    elif order["whyNotStarted"]:
        yield f"It was not started: {order['whyNotStarted']}"


def left_out(order: Order) -> Iterator[str]:
    """What was in the file and is nothing, if anything was."""
    rows, columns = order["leftOut"]["blankRows"], order["leftOut"]["emptyColumns"]
    few = [f"{rows:,} blank row{'s' if rows > 1 else ''}"] if rows else []
    few += [f"{columns:,} empty column{'s' if columns > 1 else ''}"] if columns else []
    if few:
        yield f"Left out of the file: {' and '.join(few)}."


def summary(order: Order) -> Iterator[str]:
    """How an order has ended, and where its result is."""
    counts = order["counts"]
    yield f"{'Stopped' if order['stopped'] else 'Finished'}: {totals(order)}"
    yield from left_out(order)
    for name in ("issued", "refused", "reversed", "escalated", "open"):
        if counts[name]:
            yield f"  {counts[name]:,} {name}"
    if counts["notIssued"]:
        yield f"  {counts['notIssued']:,} never asked for"
    if order["result"] is not None:
        yield f"Its result, until {order['result']['expiresAt']}:"
        yield f"  {order['result']['url']}"


def _grouped(amount: str) -> str:
    whole, point, decimals = amount.partition(".")
    return f"{int(whole):,}{point}{decimals}"
