"""Order again, under the same key, what was refused without Amazon having looked at it.

A caller's key is often an order number: a bad access key must not use it up. The old request stays REFUSED and names
the one that follows it. That one has 24 hours of its own, and is no reissue.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from incentives.domain.recovery.rules import KEY_REFUSED, NOT_SENT
from incentives.domain.single_requests.record import Record, Reissue, Status, change
from incentives.domain.single_requests.request_ids import derive_request_id

#: errorTypes of refusals that are the gateway's own.
OWN_REFUSALS: Final = frozenset({KEY_REFUSED.type, NOT_SENT.type})


def is_renewable(record: Record) -> bool:
    """Whether a request ended without Amazon having looked at it, and nothing has followed it."""
    return (
        record.status is Status.REFUSED
        and record.replaced_by is None
        and record.refusal is not None
        and record.refusal.type in OWN_REFUSALS
        and not record.may_have_executed
    )


def next_generation(refused: Record, repeat: Record) -> Record:
    """The request that follows a refused one.

    Args:
        refused: renewable.
        repeat: the same request, as it would be recorded if it came for the first time. Its partner id is the account's
            of today: a wrong one may be what was mended.
    """
    generation = refused.generation + 1
    return replace(
        repeat,
        request_id=derive_request_id(repeat.partner_id, repeat.account, repeat.operation, repeat.key_hash, generation),
        generation=generation,
        renewals=refused.renewals + 1,
        replaces=refused.request_id,
        # What it holds of its budget passes over, unless it has been given back: the ledger knows.
        budget=refused.budget,
        budget_period=refused.budget_period,
        order_id=refused.order_id,
    )


def renewal(refused: Record, successor: Record, now: datetime) -> Reissue:
    """What opens the next generation, once: of all who repeat a request at the same time, one does."""
    return Reissue(
        close=change(refused, requires=("replaced_by",), replaced_by=successor.request_id, updated_at=now),
        successor=successor,
        moves_key=True,
    )
