"""Decisions, and orders that wait for one, read from the streams of their tables.

Read off the items themselves, by names that are never changed, and not by each table's own adapter: whoever tells of a
decision need not load what else there is to an order or an account.

table     item                     tells
orders    ORDER, order             that it waits for approval; approve, reject
accounts  ACCOUNT, freeze          freeze, unfreeze
budgets   #budgets, NAME           setBudget
books     ACCOUNT, resolution#ID   resolve
books     ACCOUNT, movement#ID     nameMovement
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from incentives.aws.items import decode, parse_time
from incentives.domain.accounts.spend import money_of
from incentives.domain.decisions import DecisionKind, DecisionMade, decision_event
from incentives.domain.events import SCHEMA_VERSION, Event

Values = Mapping[str, Any]

AWAITING: Final = "AWAITING_APPROVAL"
ORDER_AWAITS: Final = "OrderAwaitingApproval"

#: The partitions that list the budgets, and the accounts.
_DEFINITIONS: Final = "#budgets"
_ACCOUNTS: Final = "#accounts"


def events_of(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[Event, ...]:
    """What a write of one item tells.

    Args:
        old: its image before; None: there was none.
        new: its image after.

    Raises:
        LookupError, ValueError, TypeError, ArithmeticError, AttributeError: an item that nobody can read.
    """
    after = decode(new)
    before = decode(old) if old else {}
    return tuple(_reader_of(after)(before, after))


def _reader_of(after: Values) -> Callable[[Values, Values], Iterator[Event]]:
    part = after["part"].partition("#")[0]
    if after.get("account") == _ACCOUNTS:
        # An account may be called freeze.
        return _nothing
    if "orderId" in after:
        return _order if part == "order" else _nothing
    if "budget" in after:
        return _budget if after["budget"] == _DEFINITIONS else _nothing
    return _OF_ACCOUNTS.get(part, _nothing)


def _nothing(before: Values, after: Values) -> Iterator[Event]:  # noqa: ARG001 - a reader like the others
    yield from ()


# ---- orders ----------------------------------------------------------------------------------------------------------


def _order(before: Values, after: Values) -> Iterator[Event]:
    was, now = before.get("status"), after["status"]
    if now == AWAITING != was:
        yield _awaits(after)
    decided = [(each.get("decision"), each.get("decidedAt"), each.get("decidedBy")) for each in (before, after)]
    if decided[0] != decided[1] and after.get("decidedAt"):
        yield _made(
            DecisionKind(after["decision"]),
            f"order#{after['orderId']}",
            after["round"],
            subject=after["orderId"],
            account=after["account"],
            caller=after.get("decidedBy"),
            at=after["decidedAt"],
            before=_of_order(before),
            after=_of_order(after),
            reason=after.get("rejectedBecause") if after["decision"] == DecisionKind.REJECT else None,
        )


def _of_order(item: Values) -> dict[str, object]:
    return {
        "status": item.get("status"),
        "round": item.get("round"),
        "totals": json.loads(item.get("totals") or "{}"),
        "budget": item.get("budget"),
        "approvalDigest": item.get("approvalDigest"),
        # What was approved, and could not begin.
        "whyNotStarted": item.get("whyNotStarted"),
    }


def _awaits(order: Values) -> Event:
    event_id = f"{order['orderId']}#{order['round']}"
    names = ("orderId", "account", "status", "rows", "budget", "approvalDigest", "approvalUntil", "startedBy")
    told = {name: order.get(name) for name in names} | {"createdBy": order.get("caller")}
    totals = json.loads(order.get("totals") or "{}")
    return Event(
        ORDER_AWAITS,
        event_id,
        parse_time(order["updatedAt"]),
        {"schemaVersion": SCHEMA_VERSION, "eventId": event_id, **told, "totals": totals},
    )


# ---- accounts --------------------------------------------------------------------------------------------------------


def _freeze(before: Values, after: Values) -> Iterator[Event]:
    # That people were told is noted in the same item.
    if (before.get("frozen"), before.get("since")) == (after["frozen"], after["since"]):
        return
    yield _made(
        DecisionKind.FREEZE if after["frozen"] else DecisionKind.UNFREEZE,
        f"account#{after['account']}",
        after["version"],
        subject=after["account"],
        account=after["account"],
        caller=after.get("caller"),
        person=after.get("by"),
        at=after["since"],
        before={"frozen": before["frozen"], "since": before["since"]} if before else {"frozen": False},
        after={"frozen": after["frozen"], "since": after["since"]},
        reason=after.get("reason"),
    )


# ---- budgets ---------------------------------------------------------------------------------------------------------


def _budget(before: Values, after: Values) -> Iterator[Event]:
    if before.get("version") == after["version"]:
        return
    yield _made(
        DecisionKind.SET_BUDGET,
        f"budget#{after['part']}",
        after["version"],
        subject=after["part"],
        account=None,
        caller=after.get("changedBy"),
        at=after["changedAt"],
        before=_of_budget(before) if before else {},
        after=_of_budget(after),
    )


def _of_budget(item: Values) -> dict[str, object]:
    return {
        "limit": money_of(item["limit"], item["currencyCode"]).amount_text,
        "currencyCode": item["currencyCode"],
        "period": item["period"],
        "active": item["active"],
    }


# ---- the books -------------------------------------------------------------------------------------------------------


def _resolution(before: Values, after: Values) -> Iterator[Event]:
    if before.get("decided") == after["decided"]:
        return
    (*_, newest) = json.loads(after["decisions"])
    was = json.loads(before["decisions"])[-1] if before else {}
    subject = after["part"].partition("#")[2]
    about = {name: after.get(name) for name in ("kind", "requestId", "day")}
    yield _made(
        DecisionKind.RESOLVE,
        f"books#{after['account']}#{after['part']}",
        after["decided"],
        subject=subject,
        account=after["account"],
        caller=newest["by"],
        at=newest["at"],
        before={name: was[name] for name in ("reason", "note", "by", "at") if name in was},
        after={"reason": newest["reason"], "note": newest["note"], **about},
        reason=newest["reason"],
    )


def _movement(before: Values, after: Values) -> Iterator[Event]:
    if before.get("revision") == after["revision"]:
        return
    yield _made(
        DecisionKind.NAME_MOVEMENT,
        f"books#{after['account']}#{after['part']}",
        after["revision"],
        subject=after["part"].partition("#")[2],
        account=after["account"],
        caller=after["by"],
        at=after["at"],
        before={"parts": json.loads(before["parts"])} if before else {},
        after={"parts": json.loads(after["parts"])},
    )


_OF_ACCOUNTS: Final[Mapping[str, Callable[[Values, Values], Iterator[Event]]]] = {
    "freeze": _freeze,
    "resolution": _resolution,
    "movement": _movement,
}


def _made(kind: DecisionKind, key: str, version: int, *, at: str, **facts: Any) -> Event:  # noqa: ANN401 - fields of `DecisionMade`, each of its own type
    return decision_event(DecisionMade(kind=kind, key=key, version=version, at=parse_time(at), **facts))
