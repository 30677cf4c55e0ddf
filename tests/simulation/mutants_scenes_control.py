"""Circumstances for which the guards of budgets, freezes and approval are there, turned up."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent
from tests.simulation.mutants_look import Watched
from tests.simulation.mutants_scenes import CREATE, NEVER, Scene, staged
from tests.simulation.plan import ROWS_FROM, Bulk, Plan, Wanted, What
from tests.simulation.plan_control import HOUR, MINUTE, Approving, Campaign, Control, Freezing, Limit
from tests.simulation.ports import Died

#: Every order names it.
ALL: Final = frozenset(range(100))

#: More than all orders of a history come to.
PLENTY: Final = 10_000_000


def budgeted(
    *limits: Limit,
    cents: int | None = 1000,
    month_ends_at: float | None = None,
    set_aside: float = 0.0,
    required: bool = False,
    names: Sequence[int] = tuple(ALL),
    rows: Sequence[int] = (),
    bulk_at: float = 5.0,
    stopped_at: float | None = None,
    paused: tuple[float, float] | None = None,
    approving: Approving | None = None,
    intents: Sequence[Intent] = (Intent.RETRY,),
    **how: Any,
) -> Callable[[Plan], Plan]:
    """A history whose orders name a budget.

    Args:
        limits: of the budget; none: plenty.
        cents: of each order.
        month_ends_at: as `Control` has it.
        set_aside: likewise.
        required: likewise.
        names: numbers of the orders that name it.
        rows: cents of each row of a bulk order that names it, too; none: there is no such order.
        bulk_at: when it comes.
        stopped_at: when somebody stops it.
        paused: from when until when it is paused.
        approving: who approves it.
        intents: of orders, and of the bulk order.
        how: as `staged` has it.
    """
    campaign = Campaign("spring", limits or (Limit(0.0, PLENTY),), frozenset(names), bool(rows))
    control = Control(
        campaigns=(campaign,), month_ends_at=month_ends_at, set_aside=set_aside, required=required, approving=approving
    )
    bulk = None
    if rows:
        (intent, *_) = intents
        wanted = tuple(Wanted(ROWS_FROM + place, CREATE, intent, each) for place, each in enumerate(rows))
        bulk = Bulk(bulk_at, wanted, intent, paused, stopped_at)
    return staged(cents=cents, streams=True, control=control, bulk=bulk, intents=intents, **how)


def frozen(*freezes: Freezing, **how: Any) -> Callable[[Plan], Plan]:
    """A history in which the account is frozen for a while."""
    return staged(control=Control(freezes=freezes), calm_at=how.pop("calm_at", 2 * HOUR), **how)


def adapters_slow(
    method: str, seconds: float, word: str = "", *, after: bool = False, between: tuple[float, float] = (0.0, NEVER)
) -> Scene:
    """Calls to DynamoDB whose text has a word are held up on their way there, or on their way back."""

    def arrange(life: Watched) -> None:
        assert life.tables is not None
        dynamo: Any = life.tables.dynamo
        real, chance = getattr(dynamo, method), random.Random(f"slow {life.plan.seed}")

        def slowly(**asked: Any) -> Any:
            is_it = word in str(asked) and between[0] <= life.stage.seconds < between[1]
            waits = chance.uniform(0, seconds) if is_it and hasattr(life._here, "process") else 0
            if not after:
                life.stage.sleep(waits)
            try:
                return real(**asked)
            finally:
                if after:
                    life.stage.sleep(waits)

        setattr(dynamo, method, slowly)

    return arrange


def dies_before(method: str, word: str, times: int = 1) -> Scene:
    """A process dies just before such a call to DynamoDB is carried out."""
    return _dies(method, word, times, after=False)


def dies_once_done(method: str, word: str, times: int = 1) -> Scene:
    """A process dies when such a call has been carried out."""
    return _dies(method, word, times, after=True)


def _dies(method: str, word: str, times: int, *, after: bool) -> Scene:
    def arrange(life: Watched) -> None:
        assert life.tables is not None
        dynamo: Any = life.tables.dynamo
        real, left = getattr(dynamo, method), [times]

        def die(**asked: Any) -> Any:
            is_it = word in str(asked) and left[0] > 0 and hasattr(life._here, "process")
            left[0] -= is_it
            result = real(**asked) if after or not is_it else None
            if is_it:
                life._here.is_dead = True
                raise Died
            return result

        setattr(dynamo, method, die)

    return arrange


def copies_late(seconds: float) -> Scene:
    """Of each transaction that is refused another copy arrives, which the SDK had given up."""

    def arrange(life: Watched) -> None:
        assert life.tables is not None
        dynamo: Any = life.tables.dynamo
        real, chance = dynamo.transact_write_items, random.Random(f"copies {life.plan.seed}")

        def twice(**asked: Any) -> Any:
            try:
                return real(**asked)
            except ClientError:
                life.begin(lambda: _quietly(real, asked), after_seconds=chance.uniform(0, seconds))
                raise

        dynamo.transact_write_items = twice

    return arrange


def counts_late(seconds: float) -> Scene:
    """Whoever reads the ledger's stream is that far behind."""

    def arrange(life: Watched) -> None:
        assert life.stream is not None
        tell = life.stream.write
        life.ledger.on_write = lambda record: life.begin(partial(tell, record), after_seconds=seconds)

    return arrange


def batches_come_again(share: float) -> Scene:
    """Batches of the ledger's stream were read, and come again."""

    def arrange(life: Watched) -> None:
        assert life.stream is not None
        stream: Any = life.stream
        counted, chance = stream._readers[0].handle, random.Random(f"again {life.plan.seed}")

        def count(batch: list[Any], dependencies: Any) -> str | None:
            done: str | None = counted(batch, dependencies)
            return counted(batch, dependencies) if chance.random() < share else done

        stream._readers[0].handle = count

    return arrange


def _quietly(call: Callable[..., object], asked: dict[str, Any]) -> None:
    with contextlib.suppress(ClientError):
        call(**asked)


def pacer_forgets(at: float) -> Scene:
    """Somebody deletes the rate limiter's item, with all that it says."""

    def arrange(life: Watched) -> None:
        life.stage.spawn(life.table.items.clear, after_seconds=at)

    return arrange


def with_orders(drawn: Callable[[Plan], Plan], *visits: tuple[float, int, What]) -> Callable[[Plan], Plan]:
    """A plan with visits at given seconds."""

    def plan(plan: Plan) -> Plan:
        from tests.simulation.plan import Visit  # noqa: PLC0415 - of this only

        made = drawn(plan)
        return replace(made, visits=tuple(Visit(at, what, number) for at, number, what in visits))

    return plan


__all__ = [
    "ALL",
    "HOUR",
    "MINUTE",
    "PLENTY",
    "Approving",
    "Control",
    "Freezing",
    "Limit",
    "Operation",
    "adapters_slow",
    "batches_come_again",
    "budgeted",
    "copies_late",
    "counts_late",
    "dies_before",
    "dies_once_done",
    "frozen",
    "pacer_forgets",
    "with_orders",
]  # fmt: skip
