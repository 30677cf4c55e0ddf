"""What the application tells the rest of the company of its books: days that were judged, differences, months closed.

At least once: `eventId` is account, part and revision (of a difference its kind, too), so that a consumer can tell a
repeat. Amounts are decimal strings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.accounts.spend import money_of
from incentives.domain.decisions import DecisionKind, DecisionMade, decision_event
from incentives.domain.events import SCHEMA_VERSION, Event
from incentives.domain.reconciliation.closing import Close, CloseStatus
from incentives.domain.reconciliation.day_state import BooksDay, JudgedDay

if TYPE_CHECKING:
    from datetime import datetime

    from incentives.domain.reconciliation.writes import BooksWrite

FINISHED: Final = "ReconciliationFinished"
FOUND: Final = "DifferenceFound"
CLOSED: Final = "MonthClosed"


def books_events(write: BooksWrite) -> list[Event]:
    """The events of one write; none for most: they only note how far reading has come."""
    before, after = write.before, write.after
    match after:
        case BooksDay():
            return _of_day(before if isinstance(before, BooksDay) else None, after)
        case Close():
            return _of_close(before if isinstance(before, Close) else None, after)
        case None:
            return []


def _of_day(before: BooksDay | None, after: BooksDay) -> list[Event]:
    judged = after.judged
    # Rows that have not been judged yet say nothing; the judgement that stands is of others.
    if judged is None or after.to_judge:
        return []
    part, found = f"day#{after.day.isoformat()}", []
    if before is None or before.judged is None or before.to_judge or _is_another(before, after, before.judged, judged):
        found.append(
            _event(
                FINISHED,
                (after.account, part, after.revision),
                judged.at,
                account=after.account,
                day=after.day.isoformat(),
                round=after.round,
                status=after.status.value,
                source=after.source.value if after.source else None,
                currencyCode=judged.currency,
                charges={"count": judged.charges, "amount": _amount(judged.charged, judged.currency)},
                refunds={"count": judged.refunds, "amount": _amount(judged.refunded, judged.currency)},
                openItems=judged.open_items,
                differences=judged.differences,
                unresolved=judged.unresolved,
            )
        )
    for kind, each in after.found.items():
        known = before.found.get(kind) if before is not None else None
        if known is None or each.count > known.count:
            found.append(
                _event(
                    FOUND,
                    (after.account, part, after.revision, kind.value),
                    judged.at,
                    account=after.account,
                    day=after.day.isoformat(),
                    kind=kind.value,
                    count=each.count,
                    amount=_amount(each.amount, judged.currency),
                    currencyCode=judged.currency,
                    requestIds=list(each.request_ids),
                )
            )
    return found


def _is_another(before: BooksDay, after: BooksDay, was: JudgedDay, judged: JudgedDay) -> bool:
    """Whether there is another judgement, or its last difference was resolved: not each of a thousand in between."""
    return replace(was, unresolved=judged.unresolved) != judged or before.status is not after.status


def _of_close(before: Close | None, after: Close) -> list[Event]:
    manifest, closed_at = after.manifest, after.closed_at
    if after.status is not CloseStatus.CLOSED or manifest is None or closed_at is None:
        return []
    was = before if before is not None and before.status is CloseStatus.CLOSED else None
    if was is not None and was.version == after.version:
        return _of_closed(was, after)
    return [
        _event(
            CLOSED,
            (after.account, f"close#{after.month}", after.revision),
            closed_at,
            account=after.account,
            month=after.month,
            version=after.version,
            figures=dict(after.figures),
            manifestName=manifest.name,
            manifestSha256=manifest.sha256,
        ),
        _decided(DecisionKind.CLOSE, was, after, person=after.closed_by, caller=after.caller, at=closed_at),
    ]


def _of_closed(before: Close, after: Close) -> list[Event]:
    """What people did to a version that is closed: somebody who can be told closed it again, or signed it off."""
    found, signed = [], after.signed_off
    if before.closed_by != after.closed_by and after.closed_at is not None:
        found.append(
            _decided(DecisionKind.CLOSE, before, after, person=after.closed_by, caller=after.caller, at=after.closed_at)
        )
    if signed is not None and before.signed_off is None:
        found.append(
            _decided(DecisionKind.SIGN_OFF, before, after, person=signed.by, caller=signed.caller, at=signed.at)
        )
    return found


def _decided(
    kind: DecisionKind, before: Close | None, after: Close, *, person: str | None, caller: str | None, at: datetime
) -> Event:
    return decision_event(
        DecisionMade(
            kind=kind,
            key=f"books#{after.account}#close#{after.month}",
            version=after.revision,
            subject=after.month,
            account=after.account,
            caller=caller,
            person=person,
            at=at,
            before=_shown(before) if before is not None else {},
            after=_shown(after),
        )
    )


def _shown(close: Close) -> dict[str, object]:
    opening, signed = close.opening, close.signed_off
    return {
        "status": close.status.value,
        "version": close.version,
        "manifestSha256": close.manifest.sha256 if close.manifest else None,
        "opening": {"amount": f"{opening.amount:f}", "source": opening.source} if opening else None,
        "closedBy": close.closed_by,
        "signedOffBy": signed.by if signed else None,
    }


def _event(name: str, names: tuple[object, ...], at: datetime, **detail: Any) -> Event:  # noqa: ANN401 - plain values
    event_id = "#".join(map(str, names))
    return Event(name, event_id, at, {"schemaVersion": SCHEMA_VERSION, "eventId": event_id, **detail})


def _amount(minor: int, currency: str) -> str:
    return money_of(minor, currency).amount_text
