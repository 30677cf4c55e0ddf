"""One chaos run on a local cloud that stands already: the load with its trouble, the day after, and what came of it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from local.settings import Settings
from tests.chaos import checks
from tests.chaos.bulk import BulkOrder
from tests.chaos.callers import Crowd, Told, unsettled
from tests.chaos.day import Day, effects_have_landed, let_a_day_go_by
from tests.chaos.plan import Plan, fault_rules, make_plan
from tests.chaos.trouble import Trouble
from tests.stack.cloud import Cloud
from tests.stack.places import read_logs, read_places

#: Bulk orders: one at the beginning, one that the emulator's restart finds on its way.
BULK_ROWS: Final = 20
BULK_AT: Final = (0.02, 0.6)

#: After the faults: for the last late effect, and for what still waits for its time-out.
LANDING_SECONDS: Final = 60.0

#: Orders that were answered, and are asked for once more at the end.
ASKED_AGAIN: Final = 40

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What a run is to be.

    Attributes:
        seconds: of load.
        per_second: API calls.
        seed: of load, faults and blows.
        faults: the share of Amazon's calls that go wrong.
        callers: threads; an emulated cloud on two cores carries no more of them.
    """

    seconds: float = 300.0
    per_second: float = 8.0
    seed: int = 1
    faults: float = 0.3
    callers: int = 12


@dataclass(frozen=True)
class Result:
    """Everything that is known when it is over.

    Attributes:
        landed: nothing was on its way to Amazon any more when the day began.
        told_during: the responses while there was trouble; `facts` has all.
        report_then: Amazon's, when the trouble was over.
        request_ids: of each order's first generation, by its number.
        executions: recoveries by how they ended.
        leaks: places that keep what must not be kept.
        unforeseen: errors that the functions' code did not foresee.
        trouble_failed: why some trouble was not made.
    """

    wanted: Wanted
    crowd: Crowd
    trouble: Trouble
    bulk: Sequence[BulkOrder]
    day: Day
    landed: bool
    told_during: Sequence[Told]
    report_then: Mapping[str, Any]
    facts: checks.Facts
    request_ids: Mapping[int, str]
    executions: Counter[str]
    leaks: Sequence[str]
    unforeseen: Counter[str]
    bulk_wrong: Sequence[str]
    trouble_failed: str
    seconds_in_all: float


def run(cloud: Cloud, settings: Settings, wanted: Wanted, say: Say, stop: threading.Event) -> Result:
    """Run it. Everything that it starts has ended when it returns, or raises."""
    begun = time.monotonic()
    plan = make_plan(wanted.seed, wanted.seconds, wanted.per_second)
    crowd = Crowd(cloud, plan, wanted.callers)
    trouble = Trouble(cloud, settings, wanted.seed, wanted.seconds)
    bulk = [BulkOrder(cloud, crowd, f"chaos-bulk-{wanted.seed}-{n}", BULK_ROWS) for n in range(len(BULK_AT))]
    say("warming up")
    crowd.warm_up()
    say(f"{crowd.planned} calls planned in {wanted.seconds:.0f} s")
    if rules := fault_rules(wanted.seed, wanted.faults):
        cloud.sandbox.post("faults", {"faults": rules})
    trouble_failed = _under_fire(crowd, trouble, bulk, wanted.seconds, stop)
    say(f"load over after {time.monotonic() - begun:.0f} s: {len(crowd.told)} calls; the faults end")
    cloud.sandbox.delete("faults")
    landed = effects_have_landed(cloud, stop, LANDING_SECONDS)
    told_during, report_then = list(crowd.told), cloud.sandbox.report()
    say("a day goes by")
    day = let_a_day_go_by(cloud, lambda: _look_after(bulk), stop)
    say(f"asking again after {time.monotonic() - begun:.0f} s")
    _ask_again(crowd, plan, wanted.seed)
    report = cloud.sandbox.report()
    facts = checks.Facts(
        records=checks.records_of(cloud.items(cloud.ledger)),
        charges=checks.charges_of(report),
        net={currency: Decimal(amount) for currency, amount in report["charges"].items()},
        told=crowd.told,
        kills=trouble.kills,
        outages=trouble.outages,
    )
    return Result(
        wanted=wanted,
        crowd=crowd,
        trouble=trouble,
        bulk=bulk,
        day=day,
        landed=landed,
        told_during=told_during,
        report_then=report_then,
        facts=facts,
        request_ids={order.number: order.request_id(cloud.outputs) for order in plan.orders},
        executions=Counter(each["status"] for each in cloud.executions()),
        leaks=_found_at_rest(cloud, report),
        unforeseen=_unforeseen(cloud),
        bulk_wrong=[text for each in bulk for text in _bulk_wrong(each, facts)],
        trouble_failed=trouble_failed,
        seconds_in_all=time.monotonic() - begun,
    )


def _under_fire(
    crowd: Crowd, trouble: Trouble, bulk: Sequence[BulkOrder], seconds: float, stop: threading.Event
) -> str:
    """Callers, bulk orders and trouble, all at once; what kept the trouble from being made, if anything."""
    over, failures = threading.Event(), []

    def make_trouble() -> None:
        try:
            trouble.run(over)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run has to tell of it
            failures.append(f"{type(error).__name__}: {error}")

    def order_in_bulk(each: BulkOrder, at: float) -> None:
        if not over.wait(at * seconds):
            each.watch(over)

    threads = [threading.Thread(target=make_trouble, daemon=True)]
    threads += [
        threading.Thread(target=order_in_bulk, args=pair, daemon=True) for pair in zip(bulk, BULK_AT, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        crowd.run(seconds, stop)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return "; ".join(failures)


def _ask_again(crowd: Crowd, plan: Plan, seed: int) -> None:
    """Orders whose callers were never told how they ended, and some of the others."""
    missing = unsettled(plan, crowd.told)
    asked = sorted({each.order for each in crowd.told if each.order is not None})
    others = random.Random(f"again {seed}").sample(asked, min(ASKED_AGAIN, len(asked)))
    crowd.ask_again([*missing, *(plan.orders[number] for number in others)])


def _look_after(bulk: Sequence[BulkOrder]) -> bool:
    """Whether every bulk order is finished; one that is not is looked after once."""
    for each in bulk:
        if not each.finished:
            each.look()
    return all(each.finished for each in bulk)


def _found_at_rest(cloud: Cloud, report: Mapping[str, Any]) -> list[str]:
    """Places that hold any of what Amazon's activity says must not be kept; never the secret itself."""
    codes = {card["claimCode"] for card in report["cards"]}
    canaries = codes | {code.replace("-", "") for code in codes}
    canaries |= {each["cardNumber"] for each in report["activations"]}
    canaries |= {each["customer"]["id"] for each in report["loads"]}
    # The emulator's files hold what it was asked to keep: the other places.
    places = {name: text for name, text in read_places(cloud).items() if name != "files"}
    return sorted(name for name, text in places.items() if any(canary.lower() in text for canary in canaries))


def _unforeseen(cloud: Cloud) -> Counter[str]:
    """Errors that the functions' code did not foresee, by class and place, as their logs tell them."""
    found: Counter[str] = Counter()
    for line in chain.from_iterable(read_logs(cloud).values()):
        if '"exception"' in line and line.startswith("{"):
            said = json.loads(line)
            found[f"{said.get('exception')} at {said.get('where')}"] += 1
    return found


def _bulk_wrong(bulk: BulkOrder, facts: checks.Facts) -> list[str]:
    """What a bulk order's result says, and Amazon does not."""
    if not bulk.finished:
        return [f"a bulk order is {bulk.order.get('status')}: {bulk.order.get('counts')}"]
    told = bulk.result()
    wrong = []
    for request_id, (gc_id, amount) in told.items():
        charge = facts.charges.get(request_id)
        if charge is None or not charge.live or (charge.gc_id, charge.amount) != (gc_id, amount):
            wrong.append(f"bulk row {request_id} is told as issued, and Amazon does not say so")
    if sum(bulk.order["counts"].values()) != BULK_ROWS:
        wrong.append(f"a bulk order counts {bulk.order['counts']} of {BULK_ROWS} rows")
    return wrong
