"""The guards of budgets, freezes and approval, each of which some history misses: see `mutants`.

The adapters' guards are among them: where a history has budgets or a freeze, the real ones write (see `tables`).
"""

# ruff: noqa: F405 - likewise

from __future__ import annotations

from typing import Any, Final

from incentives.aws import rate_limiter
from incentives.aws.accounts import account_states
from incentives.aws.budgets import definitions, holds
from incentives.aws.bulk_orders import orders
from incentives.aws.single_requests import ledger
from incentives.domain.accounts import spend
from incentives.domain.recovery import rules as recovery
from incentives.usecases import permits as pace
from incentives.usecases.accounts import count_spend
from incentives.usecases.accounts import freeze as freezing
from incentives.usecases.budgets import set_budget
from incentives.usecases.bulk_orders import decide_order, settle_order
from incentives.usecases.single_requests import drive, issue, reveal
from tests.simulation.mutants_run import Mutant, cut
from tests.simulation.mutants_scenes import *  # noqa: F403 - the table is written in its words
from tests.simulation.mutants_scenes_control import *  # noqa: F403 - likewise
from tests.simulation.plan import What

LEDGER: Final = ledger.DynamoDbLedger
HOLDS: Final = holds.DynamoDbHolds
DEFINITIONS: Final = definitions.DynamoDbBudgetDefinitions
ORDER_TABLE: Final = orders.DynamoDbOrders
STATES: Final = account_states.DynamoDbAccountStates
#: Less what turns AWS's errors into ours.
COUNT: Final[Any] = getattr(STATES.count, "__wrapped__")  # noqa: B009 - type checkers do not know it
LIMITER: Final = rate_limiter.DynamoDbRateLimiter

# A table: a row has its own line breaks.
# fmt: off
FREEZE: Final = (
    Mutant("14 frozen: what was never sent gets no permit", "frozen",
        cut(LIMITER.reserve, "if never_sent:\nconditions", "if False:\nconditions"),
        plan=frozen(Freezing(5, 20 * MINUTE), orders=6, within=60)),
    Mutant("14 frozen by purpose, not by priority", "frozen",
        cut(LIMITER.reserve, "if never_sent:\nconditions",
            "if never_sent and priority is Priority.CALLER:\nconditions"),
        plan=frozen(Freezing(3, 20 * MINUTE), orders=60, within=2, first=What.LATER)),
    Mutant("14 frozen: a late permit that is taken again is none", "frozen",
        cut(pace.reacquire_if_late, "Priority.RECOVERY, never_sent=never_sent", "Priority.RECOVERY"),
        plan=frozen(Freezing(3, 20 * MINUTE), orders=30, within=6), scene=adapters_slow("transact_write_items", 9.0)),
    Mutant("14 frozen: the answer comes when the last permit has passed", "frozen",
        cut(freezing._carry_out, "dependencies.clock.sleep(LAST_CALL_LEAVES_AFTER.total_seconds())", "pass"),
        plan=frozen(Freezing(2, 20 * MINUTE), orders=30, within=3)),
    Mutant("14 frozen: no code is read", "frozen",
        cut(reveal._permit_to_read, "Priority.CALLER, dependencies, never_sent=True", "Priority.CALLER, dependencies"),
        plan=frozen(Freezing(10, 20 * MINUTE), orders=4, within=5, later=[(What.REVEAL, 20, 60)])),
    Mutant("14 frozen: a repeat is told how it stands", "I6",
        cut(issue._while_frozen, "if taken is None:", "if True:"),
        plan=frozen(Freezing(10, 20 * MINUTE), orders=4, within=5, later=[(What.ORDER, 20, 60)])),
    Mutant("14 frozen: the copy is never older than what it replaces", "frozen",
        cut(LIMITER.freeze, "freezeVersion < :version", "freezeVersion > :version OR freezeVersion < :version"),
        plan=frozen(Freezing(10, 30), Freezing(40, 20 * MINUTE), orders=8, begins=50, within=60, streams=True,
            watches=(32.0, 34.0, 36.0)),
        scene=adapters_slow("get_item", 60.0, "freeze", after=True, between=(31.0, 38.0))),
    Mutant("14 frozen: the watch restores the copy", "frozen",
        cut(freezing.keep_frozen,
            "dependencies.rate_limiter.freeze(account, frozen=known.frozen, version=known.version)", "pass"),
        plan=frozen(Freezing(10, HOUR), orders=4, begins=1000, within=300, streams=True, watches=(600.0, 700.0)),
        scene=pacer_forgets(100)),
    Mutant("14 frozen: the operators are told", "frozen",
        cut(freezing._carry_out, "_tell(known, here.freezes, dependencies)", "pass"),
        plan=frozen(Freezing(5, 60))),
    Mutant("14 frozen: what was sent goes on", "it never ends",
        cut(drive._try_with_key, "never_sent=never_sent", "never_sent=True"),
        plan=frozen(Freezing(60, 27 * HOUR), orders=2, within=5, later=[(What.CANCEL, 100, 200)], calm_at=27 * HOUR)),
    Mutant("14 frozen: nobody joins the line", "frozen",
        cut(LIMITER.line_up, "[*conditions, _UNFROZEN], values | {'unfrozen': 0}", "conditions, values"),
        plan=frozen(Freezing(5, 20 * MINUTE), orders=4, begins=120, within=60, first=What.LATER)),
)

BUDGETS: Final = (
    Mutant("11 held in the transaction that opens", "I12",
        cut(LEDGER.open, "[guard, put, *hold.actions]", "[guard, put]"), plan=budgeted()),
    Mutant("11 held on condition of the version that was seen", "I6",
        cut(HOLDS._update, "{version} = :seen", "{version} >= :seen"),
        plan=budgeted(Limit(0, 1000), orders=4, within=4, later=[(What.CANCEL, 0.5, 4)]),
        scene=copies_late(5)),
    Mutant("14 held only if so much remains", "I12",
        cut(HOLDS._update, "{remaining} >= :amount", "attribute_exists({remaining})"),
        plan=budgeted(Limit(0, 1500), orders=4)),
    Mutant("14 inactive refuses new holds", "I12",
        cut(HOLDS._update, "{expression.name('active')} = :yes", "{expression.name('active')} <= :yes"),
        plan=budgeted(Limit(0, PLENTY), Limit(30, PLENTY, active=False), orders=8)),
    Mutant("11 the key decides before the budget does: what comes back", "I6",
        cut(LEDGER.open,
            "self._decided_by_key(new, refused) if refused.failed(0) or refused.failed(1) else None", "None"),
        cut(HOLDS.take, "except (BudgetUnusable, BudgetExceeded, LedgerUnavailable) as error:\nfound = decided()",
            "except (BudgetUnusable, BudgetExceeded, LedgerUnavailable) as error:\nfound = None"),
        plan=budgeted(Limit(0, 1000), orders=1, later=[(What.ORDER, 20, 60)])),
    Mutant("11 the key decides before the budget does: what is asked first", "I6",
        cut(HOLDS.take, "except (BudgetUnusable, BudgetExceeded, LedgerUnavailable) as error:\nfound = decided()",
            "except (BudgetUnusable, BudgetExceeded, LedgerUnavailable) as error:\nfound = None"),
        plan=budgeted(Limit(0, 1000), Limit(100, 2000), Limit(300, 1000, active=False), orders=1, within=30,
            later=[(What.ORDER, 400, 500)], month_ends_at=60)),
    Mutant("14 a process that was refused reads the key first", "I6",
        cut(issue._look_at_budget, "if dependencies.ledger.key(key_hash) is not None:", "if False:"),
        plan=budgeted(Limit(0, 1000), orders=4, within=1, later=[(What.ORDER, 2, 6)] * 3)),
    Mutant("14 a budget is named where one must be", "I12",
        cut(issue._look_at_budget, "if name is None:\nraise", "if name is None:\nreturn\nraise"),
        plan=budgeted(orders=2, required=True, names=())),
    Mutant("14 a period is made by the definition that was read", "I12",
        cut(HOLDS._unchanged, "= :seen", ">= :seen"),
        plan=budgeted(Limit(0, 5000), Limit(10, 9000), orders=4, begins=6, within=8),
        scene=adapters_slow("get_item", 5.0, "#budgets", after=True)),
    Mutant("11 a limit changes on condition of the version", "I12",
        cut(DEFINITIONS._put, "{expression.value(before.version)}",
            "{expression.value(before.version)} OR {expression.name('version')} > {expression.value(before.version)}"),
        plan=budgeted(Limit(0, 5000), Limit(60, 9000), Limit(60.5, 7000), orders=2, within=20),
        scene=adapters_slow("get_item", 5.0, "#budgets", after=True)),
    Mutant("11 a limit is not lowered below what is held and spent", "I12",
        cut(DEFINITIONS._period, "f'{remaining} >= :least'", "f'attribute_exists({remaining}) AND :least = :least'"),
        plan=budgeted(Limit(0, 5000), Limit(60, 1500), orders=4, within=20)),
    Mutant("11 a limit changes with what is left of its periods", "I12",
        cut(set_budget._write, "[period, next_month(period)]", "[period]"),
        plan=budgeted(Limit(0, 5000), Limit(60, 9000), orders=6, begins=22, within=35, month_ends_at=80,
            skews=(-60.0, 60.0, 0.0))),
    Mutant("4 a renewal takes over only what was not given back", "I12",
        cut(LEDGER.reissue, "[self._beside.given_back(before, is_so=False)] if guarded else []", "[]"),
        plan=budgeted(Limit(0, 5000), orders=2, within=1, later=[(What.ORDER, 200, 260)], calm_at=20 * MINUTE),
        scene=key_refused(0, 100)),
    Mutant("4 a renewal does not take again what was not given back", "I12",
        cut(LEDGER.reissue, "if not guarded or not may_be_forgotten(before, new):", "if not guarded:"),
        cut(LEDGER.reissue,
            "[] if may_be_forgotten(before, new) else [self._beside.given_back(before, is_so=True)]", "[]"),
        plan=budgeted(Limit(0, 5000), orders=2, within=1, later=[(What.ORDER, 70, 80)] * 2, calm_at=20 * MINUTE),
        scene=scenes(key_refused(0, 66), counts_late(HOUR / 4))),
    Mutant("14 a successor copies budget and period", "I12",
        cut(recovery._reissue, "replaces=record.request_id", "replaces=record.request_id, budget_period=None"),
        plan=budgeted(intents=REISSUE), scene=amazon(SILENCE)),
)

GIVEN_BACK: Final = (
    Mutant("11 given back by the newest generation only", "I12",
        cut(spend.is_to_be_given_back, "record.replaced_by is None and "), plan=budgeted(intents=REISSUE),
        scene=amazon(SILENCE)),
    Mutant("11 given back once", "I12",
        cut(COUNT, "if seen is not None and seen.version >= record.version:\nreturn False", "pass"),
        cut(COUNT, " and (not (seen and seen.given_back))"),
        plan=budgeted(orders=5, later=[(What.CANCEL, 10, 30)]), scene=batches_come_again(0.5)),
    Mutant("11 given back to the period that it was taken from", "I12",
        cut(COUNT, "[self._holds.give_back(*_share(record))]",
            "[self._holds.give_back(_share(record)[0], f'{now.astimezone(self._holds._zone()):%Y-%m}', "
            "_share(record)[2])]"),
        plan=budgeted(orders=8, within=80, later=[(What.CANCEL, 60, 90)], month_ends_at=40)),
    Mutant("11 given back by every end, whatever its charge did", "I12",
        cut(count_spend._count, " or ends_with_budget(after)"), plan=budgeted(orders=4),
        scene=amazon(When(OPERATION, [NOT_PERMITTED], numbers=FIRST))),
    Mutant("11 given back only by the version that the ledger has", "I12",
        cut(COUNT, "[self._guard(record)] if gives_back else []", "[]"),
        plan=budgeted(orders=2, within=1, later=[(What.ORDER, 70, 80)] * 2, calm_at=20 * MINUTE),
        scene=scenes(key_refused(0, 66), counts_late(HOUR / 4))),
    Mutant("14 what is escalated holds", "I12",
        cut(spend.is_to_be_given_back, "{Status.REFUSED, Status.REVERSED}",
            "{Status.REFUSED, Status.REVERSED, Status.ESCALATED}"),
        plan=budgeted(orders=2), scene=ANOTHER_CARD),
    Mutant("14 giving back is one transaction with its note", "I12",
        cut(COUNT, "writes += [self._holds.give_back(*_share(record))] if gives_back else []",
            "if gives_back:\nself._client.update_item(**self._holds.give_back(*_share(record))['Update'])"),
        plan=budgeted(orders=2, later=[(What.CANCEL, 10, 30)]), scene=dies_once_done("update_item", "period#")),
    Mutant("14 what is spent is written by whoever counts", "I12",
        cut(STATES._of_budget, "if now != before", "if now > before"),
        plan=budgeted(orders=4, later=[(What.CANCEL, 60, 90)])),
)

ORDERS: Final = (
    Mutant("11 an order takes its sum on the edge into ISSUING", "I12",
        cut(ORDER_TABLE._begun, "if hold is not None:\nactions += hold.actions", "pass"),
        plan=budgeted(orders=1, rows=(500, 900))),
    Mutant("14 from approval alike", "I12",
        cut(decide_order._approved, "held=to_hold(order)", "held=0"),
        plan=budgeted(orders=1, rows=(500, 900), approving=Approving(above=1, after=60))),
    Mutant("11 settling closes the batch before it reads", "I12",
        cut(settle_order._settle_batch, "dependencies.orders.close(order.order_id, number)", "pass"),
        plan=budgeted(orders=1, rows=(500,) * 8, bulk_at=1, paused=(4.0, 300.0), stopped_at=7.0),
        scene=adapters_slow("transact_write_items", 40.0, "KEY#")),
    Mutant("14 a row's record takes over only while its batch takes rows", "I12",
        cut(LEDGER._not_closed, "[self._beside.not_closed(row)]", "[]"),
        plan=budgeted(orders=1, rows=(500,) * 8, bulk_at=1, paused=(4.0, 300.0), stopped_at=7.0),
        scene=adapters_slow("transact_write_items", 40.0, "KEY#")),
    Mutant("11 opened means that there is a record", "I12",
        cut(settle_order._write_batch, "if record is None:\nunopened",
            "if record is None or outcome is RowOutcome.REFUSED:\nunopened"),
        plan=budgeted(orders=1, rows=(500,) * 4, bulk_at=1),
        scene=amazon(When(OPERATION, [NOT_PERMITTED], numbers=FIRST))),
    Mutant("11 opened means no count of tries", "I12",
        cut(settle_order._write_batch, "if record is None:\nunopened",
            "if rows.index(row) >= dependencies.orders.batch(order.order_id, number).done:\nunopened"),
        plan=budgeted(orders=1, rows=(500,) * 6, bulk_at=1, paused=(5.0, 300.0), stopped_at=8.0),
        scene=scenes(amazon(When(OPERATION, [LOST], ends=2 * MINUTE)), dies_at_amazon(OPERATION, FIRST))),
    Mutant("11 what was never opened goes back with FINISHED, in one transaction", "I12",
        cut(ORDER_TABLE.finish, "actions: Any = [{'Put': self._unmoved_put(before, after, nonce)}, given_back]",
            "self._client.update_item(**given_back['Update'])\n"
            "actions: Any = [{'Put': self._unmoved_put(before, after, nonce)}]"),
        plan=budgeted(orders=1, rows=(500,) * 8, bulk_at=1, paused=(4.0, 300.0), stopped_at=7.0),
        scene=scenes(adapters_slow("transact_write_items", 40.0, "KEY#"), dies_once_done("update_item", "period#"))),
)

APPROVAL: Final = (
    Mutant("14 approved is what was seen", "approval",
        cut(decide_order._check_seen, "if seen.digest != order.approval_digest:", "if False:"),
        plan=budgeted(orders=1, rows=(500, 900, 700), approving=Approving(above=1, after=120, swaps=True))),
    Mutant("14 approved is the round that was seen", "approval",
        cut(ORDER_TABLE._unmoved_put, "'ConditionExpression': _UNMOVED",
            "'ConditionExpression': '#status = :status AND #round >= :round'"),
        plan=budgeted(orders=1, rows=(500, 900, 700), approving=Approving(above=1, after=120, swaps=True, races=True)),
        scene=adapters_slow("transact_write_items", 20.0, "':status': {'S': 'AWAITING_APPROVAL'}", between=(60, 66))),
    Mutant("14 no maker approves", "approval",
        cut(decide_order._check_person, "if its.id == person.id:", "if False:"),
        plan=budgeted(orders=1, rows=(500, 900), approving=Approving(above=1, after=60, maker_tries=True))),
)
# fmt: on

CONTROL: Final = (*FREEZE, *BUDGETS, *GIVEN_BACK, *ORDERS, *APPROVAL)
