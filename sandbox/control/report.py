"""The report: what the sandbox's Amazon holds, was paid and was asked."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.model.throttle import most_in_any_second
from sandbox.model.values import Money, iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.http.gateway import CallRecord, Sandbox


def report(sandbox: Sandbox) -> dict[str, object]:
    """Cards, activations, loads, charges by currency, every call, and the most calls in any second.

    Late effects that are not yet due are only counted.
    """
    now = sandbox.clock()
    world = sandbox.world
    accepted = [call for call in sandbox.calls if not call.throttled]
    return {
        "now": iso(now),
        "cards": [
            {
                "requestId": card.request_id,
                "account": card.account,
                "gcId": card.gc_id,
                "claimCode": card.claim_code,
                "amount": str(card.value.amount),
                "currencyCode": card.value.currency,
                "status": card.status(now),
                "claimed": card.claimed,
                "createdAt": iso(card.created_at),
                "cancelledAt": None if card.cancelled_at is None else iso(card.cancelled_at),
            }
            for card in world.cards.values()
        ],
        "activations": [
            {
                "requestId": each.request_id,
                "account": each.account,
                "cardNumber": each.card_number,
                "amount": str(each.value.amount),
                "currencyCode": each.value.currency,
                "status": "Activated" if each.deactivated_at is None else "AwaitingActivation",
                "activatedAt": iso(each.activated_at),
                "deactivatedAt": None if each.deactivated_at is None else iso(each.deactivated_at),
                "times": each.times,
            }
            for each in world.activations.values()
        ],
        "loads": [
            {
                "requestId": load.request_id,
                "account": load.account,
                "customer": {"type": load.customer[0], "id": load.customer[1]},
                "amount": str(load.value.amount),
                "currencyCode": load.value.currency,
                "status": "Loaded" if load.voided_at is None else "Voided",
                "loadedAt": iso(load.loaded_at),
                "voidedAt": None if load.voided_at is None else iso(load.voided_at),
                "times": load.times,
            }
            for load in world.loads.values()
        ],
        "charges": _by_currency(charge.value for charge in world.charges),
        "chargesGross": _by_currency(charge.value for charge in world.charges if charge.value.amount > 0),
        "chargesByAccount": {
            name: _by_currency(charge.value for charge in world.charges if charge.account == name)
            for name in world.accounts
        },
        "movementsByAccount": {
            name: _by_currency(each.value for each in world.movements if each.account == name)
            for name in world.accounts
        },
        "funds": {
            name: {code: str(amount) for code, amount in account.funds.items()}
            for name, account in world.accounts.items()
        },
        "calls": [_call(call) for call in sandbox.calls],
        "mostCallsInAnySecond": most_in_any_second(call.tick for call in accepted),
        "mostCallsInAnySecondWithThrottled": most_in_any_second(call.tick for call in sandbox.calls),
        "mostCallsInAnySecondByAccount": {
            name: most_in_any_second(call.tick for call in accepted if call.account == name) for name in world.accounts
        },
        "throttledCalls": len(sandbox.calls) - len(accepted),
        "landings": [
            {
                "time": iso(landing.at),
                "operation": landing.operation,
                "requestId": landing.request_id,
                "outcome": landing.outcome,
            }
            for landing in sandbox.landings
        ],
        "pendingEffects": len(sandbox.pending),
    }


def _call(call: CallRecord) -> dict[str, object]:
    return {
        "time": iso(call.at),
        "tick": call.tick,
        "operation": call.operation,
        "requestId": call.request_id,
        "account": call.account,
        "outcome": call.outcome,
        "fault": call.fault,
        "amzDate": call.amz_date,
    }


def _by_currency(values: Iterable[Money]) -> dict[str, str]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for value in values:
        sums[value.currency] += value.amount
    return {currency: str(amount) for currency, amount in sums.items()}
