"""Who may approve a bulk order, what they approve, and for how long they can.

An order above a sum waits for a second person. What that person approves is pinned: the digest names the account, the
budget and the object that holds the rows, which is named by their content. No maker of an order approves it: whoever
ordered it, was handed the address of its file, or started it. Nobody approves an order whose makers nobody knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from incentives.domain.bulk_orders.bulk_order import NO_ROWS, OrderStatus
from incentives.domain.persons import Identity, person_of, role_to_look_up

if TYPE_CHECKING:
    from incentives.domain.bulk_orders.bulk_order import BulkOrder

#: Rows that nobody has approved for a week are to be checked anew before they are issued.
APPROVAL_FOR: Final = timedelta(days=7)

#: Somebody of whom no signature tells anything.
NOBODY: Final = Identity()

_NOBODY_IN_TIME: Final = f"Nobody approved it within {APPROVAL_FOR.days} days. Start it again."


def needs_approval(account: str, totals: Mapping[str, Decimal], above: Mapping[str, Decimal]) -> bool:
    """Whether an order's sum is one that a second person has to approve.

    Args:
        account: whose.
        totals: the order's, by currency.
        above: by account, the highest sum that needs nobody; that of "" is every other account's.
    """
    limit = above.get(account, above.get(""))
    return limit is not None and any(total > limit for total in totals.values())


def approval_digest(account: str, budget: str | None, rows_name: str) -> str:
    """What is approved, in 64 characters. It is unambiguous: none of the three names has a line feed in it."""
    return hashlib.sha256(f"approval of a bulk order\n{account}\n{budget or ''}\n{rows_name}".encode()).hexdigest()


def as_of(order: BulkOrder, now: datetime) -> BulkOrder:
    """An order as it counts now: one that nobody has approved in time is VALIDATED, though no process writes that."""
    if order.status is not OrderStatus.AWAITING_APPROVAL or order.approval_until is None or now < order.approval_until:
        return order
    return replace(order, status=OrderStatus.VALIDATED, why_not_started=_NOBODY_IN_TIME, **NO_ROWS)


def makers_with(makers: Iterable[Identity], identity: Identity) -> tuple[Identity, ...]:
    """The makers of an order and one more; the same if that one is surely among them."""
    # Of a time before makers were kept: there is one, whom nobody knows.
    known = tuple(makers) or (NOBODY,)
    # A form that contradicts itself is nobody's.
    kept = identity if identity.caller == identity.user else NOBODY
    return known if _likeness(kept) in map(_likeness, known) else (*known, kept)


def _likeness(identity: Identity) -> object:
    """Equal only for what is certainly one person, without asking IAM."""
    person = None if role_to_look_up(identity) else person_of(identity, None)
    return person.id if person else (identity.user_arn, identity.caller)


def shown(identity: Identity) -> str | None:
    """Who that is, to people."""
    return identity.user_arn or identity.caller
