"""What a person decided, with what it was before and after: the audit trail, as events and log lines.

A decision is part of the item that it changes and is written with it, in one write. It is told from the table's stream,
so a process that dies right after the write loses nobody's name. `eventId` is the item's key and version: the same for
every delivery.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from incentives.domain.events import DECISION_MADE, SCHEMA_VERSION, Event

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record


class DecisionKind(StrEnum):
    """What a person can decide. Each is a route of its own."""

    RECOVER = "recover"
    APPROVE = "approve"
    REJECT = "reject"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    SET_BUDGET = "setBudget"
    RESOLVE = "resolve"
    NAME_MOVEMENT = "nameMovement"
    CLOSE = "close"
    SIGN_OFF = "signOff"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade:
    """One decision. Its texts were refused at the boundary if they looked like a claim code or a card number.

    Attributes:
        key: of the item that holds it, with its table's word: `order#ID`.
        version: of that item, after the decision.
        subject: what was decided on: an id, or a name.
        account: of the gateway's; None: of none.
        caller: ARN of who signed the call; None where only the person was kept.
        person: who that is, where two persons must not be one.
        at: aware UTC.
        before, after: plain values; amounts are decimal texts. `before` is empty if there was nothing.
        reason: in the person's own words, or a word of the API's.
    """

    kind: DecisionKind
    key: str
    version: int
    subject: str
    account: str | None
    caller: str | None
    at: datetime
    person: str | None = None
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The events of one write, of a table of which nothing else is told.

    Attributes:
        number: its place in the stream.
        unreadable: the error's class, if it could not be read: neither can it the next time.
    """

    number: str
    events: tuple[Event, ...] = ()
    unreadable: str | None = None


def decision_event(made: DecisionMade) -> Event:
    """What the bus is told of it. Every field is always there."""
    event_id = f"{made.key}#{made.version}"
    return Event(
        DECISION_MADE,
        event_id,
        made.at,
        {
            "schemaVersion": SCHEMA_VERSION,
            "eventId": event_id,
            "decision": made.kind.value,
            "subject": made.subject,
            "account": made.account,
            "caller": made.caller,
            "person": made.person,
            "at": made.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "before": dict(made.before),
            "after": dict(made.after),
            "reason": made.reason,
        },
    )


def facts_of(detail: Mapping[str, Any]) -> dict[str, object]:
    """What the log line of a decision says: the event, with what was before and after as JSON text."""
    texts = {name: json.dumps(detail[name], separators=(",", ":")) for name in ("before", "after")}
    plain = {name: detail[name] for name in ("decision", "subject", "account", "caller", "person", "reason")}
    return {"eventId": detail["eventId"], "decidedAt": detail["at"], **plain, **texts}


def recovery_event(before: Record | None, after: Record) -> Event | None:
    """That somebody asked for another round of recovery; None: this write says nothing of that."""
    if after.decided_at is None or (
        before is not None and (before.decided_at, before.decided_by) == (after.decided_at, after.decided_by)
    ):
        return None
    return decision_event(
        DecisionMade(
            kind=DecisionKind.RECOVER,
            key=f"request#{after.request_id}",
            version=after.version,
            subject=after.request_id,
            account=after.account,
            caller=after.decided_by,
            at=after.decided_at,
            before={"status": before.status.value, "epoch": before.epoch} if before else {},
            after={"status": after.status.value, "epoch": after.epoch},
        )
    )
