"""The same histories with two clients that do without a ledger, to see what it is worth.

Both are careful as such clients go: they pace themselves, tell refusals from unknown responses, and try again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any, Final

from incentives.agcod.amazon import SignedCall
from incentives.domain.calls import Call
from incentives.domain.errors import AccountUnusable, LedgerUnavailable
from incentives.domain.outcomes import Refused, Succeeded
from incentives.domain.rate_limit import Priority
from incentives.domain.secret_text import Secret
from incentives.usecases.dependencies import Budget, Dependencies
from incentives.usecases.permits import take_permit
from tests.simulation.checks import Report, charged_twice, live_charges, take_the_time
from tests.simulation.life import Life
from tests.simulation.plan import Plan, Visit, What
from tests.simulation.ports import Died
from tests.support.fakes import account

TRIES_MAX: Final = 5


class Client(StrEnum):
    NEW_ID = "a new id per try"
    IN_MEMORY = "an id kept in memory"


class Bare(Life):
    """A history of a bare client.

    Attributes:
        known: request ids whose success was read, by order.
        asked: request ids by order.
    """

    def __init__(self, plan: Plan, client: Client) -> None:
        # It has no staff.
        super().__init__(replace(plan, watches=(), trial=None))
        self._client = client
        self.known: dict[int, set[str]] = {each.number: set() for each in plan.wanted}
        self.asked: dict[str, int] = {}

    def _employ(self) -> None:
        """Nobody; the rows of a bulk order come one after the other."""
        rows = self.plan.bulk.rows if self.plan.bulk else ()
        for place, row in enumerate(rows):
            at = self.plan.bulk.at + place if self.plan.bulk else 0
            self.begin(partial(self.come, Visit(at, What.ORDER, row.number)), after_seconds=at)

    def come(self, visit: Visit) -> None:
        """A caller who has his card already does not come again."""
        if visit.what not in {What.ORDER, What.LATER} or self.known[visit.order]:
            return
        try:
            self.invoke(lambda dependencies, budget: self._issue(visit.order, dependencies, budget))
        except (Died, LedgerUnavailable, AccountUnusable):
            # And with the process all that it kept in memory.
            return

    def _issue(self, number: int, dependencies: Dependencies, budget: Budget) -> None:
        order = self.order_of(next(each for each in self.plan.wanted if each.number == number))
        request_id = self._new_id(number)
        for _ in range(TRIES_MAX):
            if not budget.allows_a_try():
                return
            take_permit("default", Priority.RECOVERY, dependencies)
            call = Call(name=order.operation, request_id=request_id, value=order.value, **_members(order.given))
            keys = dependencies.accounts.get("default", fresh=True)
            outcome = dependencies.amazon.attempt(dependencies.amazon.sign(call, keys), seconds=8).outcome
            match outcome:
                case Succeeded():
                    self.known[number].add(request_id)
                    return
                case Refused():
                    return
            dependencies.clock.sleep(1)
            if self._client is Client.NEW_ID:
                request_id = self._new_id(number)

    def _new_id(self, number: int) -> str:
        request_id = f"{account().partner_id}{self.chance.getrandbits(120):030X}"
        self.asked[request_id] = number
        return request_id

    def _arrives(self, signed: SignedCall) -> None:
        """There is no ledger to hold it against."""


def _members(members: Mapping[str, Any]) -> dict[str, Any]:
    if "cardNumber" in members:
        return {"card_number": Secret(members["cardNumber"])}
    return {"options": {"account": members["account"]}} if "account" in members else {}


def examine_bare(life: Bare) -> Report:
    """Count what it lost: cards that are charged and that it knows nothing of, and those that it paid for twice."""
    world = life.shore.sandbox.world
    key_of = {request_id: str(number) for request_id, number in life.asked.items()}
    known: set[str] = set().union(*life.known.values())
    report = Report(
        histories=1,
        orders=len(life.plan.wanted),
        calls=len(life.shore.arrived),
        double_issues=len(charged_twice(world, key_of)),
        unrecorded_charges=len(live_charges(world) - known),
        faults=life.shore.faults + life.faults,
    )
    take_the_time(life, report)
    return report
