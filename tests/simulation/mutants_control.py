"""The guards of budgets, freezes and approval, each of which some history misses: see `mutants`.

The adapters' guards are among them: where a history has budgets or a freeze, the real ones write (see `tables`).
"""

# ruff: noqa: F405 - likewise

from __future__ import annotations

from typing import Final

from incentives.aws import rate_limiter
from incentives.usecases import permits as pace
from incentives.usecases.accounts import freeze as freezing
from incentives.usecases.bulk_orders import decide_order
from incentives.usecases.single_requests import issue, reveal
from tests.simulation.mutants_run import Mutant, cut
from tests.simulation.mutants_scenes import *  # noqa: F403 - the table is written in its words
from tests.simulation.mutants_scenes_control import *  # noqa: F403 - likewise
from tests.simulation.plan import What

LIMITER: Final = rate_limiter.DynamoDbRateLimiter

# A table: a row has its own line breaks.
# fmt: off
FREEZE: Final = (
    Mutant("14 frozen: what was never sent gets no permit", "frozen",
        cut(LIMITER.reserve, "if never_sent:\nconditions.append(_THAWED)\nvalues['thawed'] = 0", "pass"),
        plan=frozen(Freezing(5, 20 * MINUTE), orders=6, within=60)),
    Mutant("14 frozen by purpose, not by priority", "frozen",
        cut(LIMITER.reserve, "if never_sent:\nconditions", "if never_sent and priority is Priority.CALLER:\nconditions"),
        plan=frozen(Freezing(3, 20 * MINUTE), orders=60, within=2, first=What.LATER)),
    Mutant("14 frozen: a late permit that is taken again is none", "frozen",
        cut(pace.reacquire_if_late, "Priority.RECOVERY, never_sent=never_sent", "Priority.RECOVERY"),
        plan=frozen(Freezing(3, 20 * MINUTE), orders=30, within=6), scene=adapters_slow("transact_write_items", 3.0)),
    Mutant("14 frozen: the answer comes when the last permit has passed", "frozen",
        cut(freezing._carry_out, "dependencies.clock.sleep(wait.total_seconds())", "pass"),
        plan=frozen(Freezing(2, 20 * MINUTE), orders=30, within=3)),
    Mutant("14 frozen: no code is read", "frozen",
        cut(reveal._permit_to_read, "Priority.CALLER, dependencies, never_sent=True", "Priority.CALLER, dependencies"),
        plan=frozen(Freezing(10, 20 * MINUTE), orders=4, within=5, later=[(What.REVEAL, 20, 60)])),
    Mutant("14 frozen: a repeat is told how it stands", "I6",
        cut(issue._while_frozen, "if taken is None:", "if True:"),
        plan=frozen(Freezing(10, 20 * MINUTE), orders=4, within=5, later=[(What.ORDER, 20, 60)])),
    Mutant("14 frozen: the copy is never older than what it replaces", "frozen",
        cut(LIMITER.freeze, "freezeVersion < :version", "freezeVersion > :version OR freezeVersion < :version"),
        plan=frozen(Freezing(10, 30), Freezing(40, 20 * MINUTE), orders=8, within=100, streams=True,
            watches=(32.0, 34.0, 36.0)),
        scene=adapters_slow("get_item", 20.0, "freeze", after=True)),
    Mutant("14 frozen: the watch restores the copy", "frozen",
        cut(freezing.keep_frozen, "dependencies.rate_limiter.freeze(account, frozen=known.frozen, version=known.version)",
            "pass"),
        plan=frozen(Freezing(10, HOUR), orders=4, begins=1000, within=300, streams=True, watches=(600.0, 700.0)),
        scene=pacer_forgets(100)),
    Mutant("14 frozen: nobody joins the line", "frozen",
        cut(LIMITER.line_up, "[*conditions, _THAWED], values | {'thawed': 0}", "conditions, values"),
        plan=frozen(Freezing(5, 20 * MINUTE), orders=4, begins=120, within=60, first=What.LATER)),
)

APPROVAL: Final = (
    Mutant("14 approved is what was seen", "approval",
        cut(decide_order._check_seen, "if seen.digest != order.approval_digest:", "if False:"),
        plan=budgeted(orders=1, rows=(500, 900, 700), approving=Approving(above=1, after=120, swaps=True))),
    Mutant("14 no maker approves", "approval",
        cut(decide_order._check_person, "if its.id == person.id:", "if False:"),
        plan=budgeted(orders=1, rows=(500, 900), approving=Approving(above=1, after=60, maker_tries=True))),
)
# fmt: on

CONTROL: Final = (*FREEZE, *APPROVAL)
