"""Read a card's claim code again. Amazon keeps it; the gateway never does.

The operation is sent once more under the same request id, to which Amazon responds with the same card.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incentives.domain.errors import AccountFrozen, AccountUnusable, LedgerUnavailable, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.outcomes import Card, Conflict, Refused, Succeeded
from incentives.domain.rate_limit import Frozen, Full, Permit, Priority
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.operation_calls import account_of, operation_call
from incentives.usecases.permits import reacquire_if_late, take_permit
from incentives.usecases.single_requests.drive import is_key_refused, observed
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.results import Accepted, Delivered, accepted, raise_ended, refusal_of

if TYPE_CHECKING:
    from incentives.usecases.dependencies import Budget, Dependencies

#: Between two tries to read a card.
RETRY_SECONDS = 1.0


def reveal(request_id: str, caller: str | None, dependencies: Dependencies, budget: Budget) -> Delivered | Accepted:
    """Return the code of an issued card. A reveal that fails changes nothing.

    Raises:
        NotFound, StateConflict, RefusedByAmazon, AccountUnusable, AccountFrozen, LedgerUnavailable
    """
    record = find(request_id, dependencies.ledger, operation=Operation.CREATE_GIFT_CARD)
    dependencies.telemetry.log("reveal", requestId=record.request_id, status=record.status.value, caller=caller)
    if record.status.is_open:
        raise StateConflict(
            f"This request is {record.status.value}: its card can be read once it is SUCCEEDED.",
            request_id=record.request_id,
            status=record.status,
            retryable=True,
        )
    if record.status is not Status.SUCCEEDED:
        raise_ended(record)
    return read_card(record, dependencies, budget)


def read_card(
    record: Record, dependencies: Dependencies, budget: Budget, *, permit: Permit | None = None
) -> Delivered | Accepted:
    """Read the card of a SUCCEEDED record, and hand it out only if the record is still SUCCEEDED afterwards.

    Args:
        record: found SUCCEEDED.
        dependencies: the ports.
        budget: the caller's time.
        permit: taken already, if it was.

    Raises:
        StateConflict: the card must not be delivered, whatever the ledger says.
        RefusedByAmazon: Amazon refuses to show it now. The record stays SUCCEEDED.
        AccountUnusable: there is no key, or Amazon refuses it also after it was read anew.
        AccountFrozen: nothing was asked.
        LedgerUnavailable: nothing was asked, since nobody can tell whether the account is frozen.
    """
    fresh = False
    while True:
        account = account_of(record, dependencies, fresh=fresh)
        reserved, permit = _permit_to_read(record.account, permit, dependencies), None
        if isinstance(reserved, Full):
            return accepted(record, dependencies.clock.now(), due_at=reserved.next_at)
        if not budget.allows_a_try():
            return accepted(record, dependencies.clock.now())
        call = operation_call(record, {})
        attempt = observed(
            dependencies, record, call, dependencies.amazon.sign(call, account), dependencies.amazon.attempt
        )
        match attempt.outcome:
            case Succeeded(card):
                return _deliver(record, card, dependencies)
            case Conflict(kind=kind):
                dependencies.telemetry.log("cardWithheld", requestId=record.request_id, because=kind.value)
                dependencies.telemetry.count("CardWithheld", operation=call.name)
                raise StateConflict(
                    f"Amazon no longer shows this card as live ({kind.value}); it must not be used.",
                    request_id=record.request_id,
                    status=record.status,
                )
            case Refused(error):
                raise refusal_of(replace(record, refusal=error, evidence=attempt.evidence))
        if is_key_refused(attempt) and not fresh:
            fresh = True
        elif is_key_refused(attempt) and not account.on_trial:
            raise AccountUnusable(record.account, "has a key that Amazon refuses")
        elif budget.allows_a_try(RETRY_SECONDS):
            dependencies.clock.sleep(RETRY_SECONDS)
        else:
            return accepted(record, dependencies.clock.now())


def _permit_to_read(account: str, permit: Permit | None, dependencies: Dependencies) -> Permit | Full:
    """A permit to show a code, which nobody gets while the account is frozen, or perhaps is."""
    reserved = permit or take_permit(account, Priority.CALLER, dependencies, never_sent=True)
    if isinstance(reserved, Permit):
        match reacquire_if_late(reserved, account, dependencies, never_sent=True):
            case Frozen() as frozen:
                reserved = frozen
            case LedgerUnavailable() as unknown:
                raise unknown
    if isinstance(reserved, Frozen):
        raise AccountFrozen(account)
    return reserved


def _deliver(record: Record, card: Card, dependencies: Dependencies) -> Delivered:
    # Read after Amazon's response: a cancel accepted in between withholds the code.
    current = dependencies.ledger.get(record.request_id)
    if current is None or current.status is not Status.SUCCEEDED or card.gc_id != current.gc_id:
        status = current.status if current else record.status
        dependencies.telemetry.log("cardWithheld", requestId=record.request_id, status=status.value)
        raise StateConflict(
            "Amazon shows another card than the one issued for this request; it is withheld."
            if status is Status.SUCCEEDED
            else f"This request has meanwhile become {status.value}.",
            request_id=record.request_id,
            status=status,
            retryable=status.is_open,
        )
    return Delivered(current, card, replayed=True)
