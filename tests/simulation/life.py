"""One simulated history: processes, callers, workflows, backlog and sweep, taking turns on a virtual clock.

Everything runs that runs in production, but for AWS and Amazon themselves. Time passes at every call to a port, so
anything of anybody else's may happen between any two of them; and there a process may die. One seed, one history.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from incentives.agcod.amazon import Amazon, SignedCall
from incentives.aws.backlog import DELAY_SECONDS_MAX
from incentives.aws.pacer import DynamoDbPacer
from incentives.domain.accounts import Account, Secret
from incentives.domain.errors import GatewayError, LedgerUnavailable
from incentives.domain.ledger import KeyItem, Record
from incentives.domain.money import parse_money
from incentives.domain.operations import Operation
from incentives.domain.pacing import Pace
from incentives.domain.request_ids import hash_key
from incentives.domain.waits import deadline
from incentives.usecases.answers import Accepted, Delivered, Standing
from incentives.usecases.cancel import cancel
from incentives.usecases.issue import Order, issue
from incentives.usecases.issue_queued import issue_messages
from incentives.usecases.recover import Task, recover
from incentives.usecases.reveal import reveal
from incentives.usecases.start_recovery import start_recovery, sweep
from incentives.usecases.tools import Budget, Tools
from tests.pacing.stage import Stage
from tests.pacing.table import Table
from tests.simulation.amazon import Shore, Wire, access_key, secret_key
from tests.simulation.machine import TaskDied, run_definition
from tests.simulation.plan import Plan, Visit, Wanted, What
from tests.simulation.ports import Died, Keys, Ledger, Port, ProcessClock, Telemetry
from tests.support.fakes import START, FakePeople, FakeVault, account

FUNCTION_SECONDS: Final = 25.0
SUPPORT: Final = "support@amazon.test"

#: Messages are few: this many times as often as other calls to AWS does one of them go wrong.
MESSAGE_FAULTS: Final = 4

#: A message whose worker died comes out again; after so many times it is set aside.
MESSAGE_BACK_AFTER_SECONDS: Final = 150.0
RECEIVED_MAX: Final = 5

#: After its deadline: the last try's wait, the sweep's turn and its lease.
OVERDUE_AFTER: Final = timedelta(minutes=20)

#: Of Amazon's operations, those that move nothing.
QUESTIONS: Final = frozenset({"GetAvailableFunds", "GetGiftCardActivityPage", "ActivationStatusCheck"})

#: No history needs longer.
ENDS_BY: Final = timedelta(hours=90)

SUBJECTS: Final[Mapping[Operation, Callable[[int], Mapping[str, Any]]]] = {
    Operation.CREATE_GIFT_CARD: lambda number: {},
    Operation.ACTIVATE_GIFT_CARD: lambda number: {"cardNumber": f"{6:015d}{number:04d}"},
    Operation.LOAD_AMAZON_BALANCE: lambda number: {"account": {"id": f"amz1.account.CANARY{number:04d}", "type": "2"}},
}

Answered = Delivered | Accepted | Standing | Record | GatewayError | None


@dataclass(frozen=True)
class Told:
    """What somebody was answered."""

    visit: Visit
    asked_at: datetime
    at: datetime
    answer: Answered


class Life:
    """A history, and all that is left of it.

    Attributes:
        told: every answer, in order.
        overdue: records that were open longer than they may be.
        broken: promises that were seen broken on the way.
        inputs: of every execution of the workflow.
        ends: the states in which they ended.
        secret: what every process reads its key from.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = random.Random(f"life {plan.seed}")
        self.stage = Stage(START, START + ENDS_BY)
        self.shore = Shore(plan, self.stage)
        self.ledger, self.vault, self.people = Ledger(self.stage), FakeVault(), FakePeople()
        self.telemetry = Telemetry(self.stage)
        self.table = Table()
        self.secret = self._account("old")
        self.faults: Counter[str] = Counter()
        self.told: list[Told] = []
        self.broken: list[str] = []
        self.overdue: set[str] = set()
        self.inputs: list[dict[str, Any]] = []
        self.ends: Counter[str] = Counter()
        self._started: set[tuple[str, int]] = set()
        self._busy = len(plan.visits)
        self._here = threading.local()
        self._processes = [self._process(number, skew) for number, skew in enumerate(plan.skews)]

    def _process(self, number: int, skew: float) -> Tools:
        clock = ProcessClock(self.stage, skew)
        numbers = itertools.count()
        pacer = DynamoDbPacer(cast("Any", self.table), "pacer", pace=Pace(), now=clock.now)
        return Tools(
            ledger=cast("Any", Port(self.ledger, self, doubtful=True)),
            pacer=cast("Any", Port(pacer, self)),
            backlog=cast("Any", Port(self, self, faulty=False)),
            amazon=Amazon(Wire(self.shore, clock, self.step, self._arrives)),
            accounts=Keys(lambda: self.secret, self.faults),
            vault=self.vault,
            recoveries=cast("Any", Port(self, self, faulty=False)),
            people=cast("Any", Port(self.people, self, faulty=False)),
            clock=clock,
            telemetry=self.telemetry,
            new_nonce=lambda: f"nonce-{number}-{next(numbers)}",
        )

    def _account(self, key: str) -> Account:
        return account(access_key_id=access_key(key), secret_access_key=Secret(secret_key(key)))

    # ---- what goes wrong --------------------------------------------------------------------------

    def step(self, seconds: float) -> None:
        """Up to so much time passes, and others have their turns; or the process dies."""
        calm = self.shore.is_calm
        if not calm and self.chance.random() < self.plan.crashes:
            self.faults["process died"] += 1
            raise Died
        if not calm and self.chance.random() < self.plan.crashes / 4:
            self.faults["process froze"] += 1
            seconds = 50 * seconds + 20
        self.stage.sleep(self.chance.uniform(0, seconds))
        if self.stage.time >= self._here.ends_by:
            self.faults["function timed out"] += 1
            raise Died

    def aws_fault(self) -> str | None:
        """What goes wrong with one call to AWS."""
        if self.shore.is_calm or self.chance.random() >= self.plan.aws:
            return None
        fault = self.chance.choice(["throttled", "request lost", "answer lost", "sent twice"])
        self.faults[f"aws: {fault}"] += 1
        return fault

    def _arrives(self, signed: SignedCall) -> None:
        """I1: what is about to have its effect is in the ledger already."""
        call = signed.call
        if call.name in QUESTIONS:
            return
        record = self.ledger.records.get(call.request_id)
        match record:
            case None:
                is_recorded = False
            case Record(operation=operation) if operation.reversal == call.name:
                is_recorded = record.reversal_attempts > 0
            case _:
                is_recorded = (record.operation, record.value, record.attempts > 0) == (call.name, call.value, True)
        if not is_recorded:
            self.broken.append(f"I1 {call.name} {call.request_id} was sent before it was recorded")

    # ---- ports that others stand behind --------------------------------------------------------------

    def start(self, request_id: str, epoch: int) -> bool:
        """`Recoveries`: one execution for an epoch, however often it is started."""
        if not self.shore.is_calm and self.chance.random() < self.plan.aws:
            self.faults["workflow not started"] += 1
            return False
        if (request_id, epoch) not in self._started:
            self._started.add((request_id, epoch))
            self._spawn(lambda: self._execute(request_id, epoch))
        return True

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        """`Backlog`: a message may get lost, or come out twice."""
        copies = 1
        if not self.shore.is_calm and self.chance.random() < MESSAGE_FAULTS * self.plan.aws:
            copies = self.chance.choice([-1, 0, 2])
            self.faults["message " + {-1: "not put", 0: "lost", 2: "doubled"}[copies]] += 1
        for _ in range(copies):
            self._spawn(lambda: self._take_up(request_id), after_seconds=min(delay_seconds, DELAY_SECONDS_MAX))
        return copies >= 0

    def _spawn(self, action: Callable[[], None], *, after_seconds: float = 0.0) -> None:
        self._busy += 1

        def live() -> None:
            try:
                action()
            finally:
                self._busy -= 1

        self.stage.spawn(live, after_seconds=after_seconds)

    # ---- who is in it -----------------------------------------------------------------------------

    def invoke(self, work: Callable[[Tools, Budget], Any]) -> Any:
        """Run a function in one of the processes. Raises `Died`."""
        end = self.stage.time + timedelta(seconds=FUNCTION_SECONDS)
        self._here.ends_by = end
        tools = self.chance.choice(self._processes)
        return work(tools, Budget(lambda: (end - self.stage.time).total_seconds()))  # noqa: PLW0108 - the time is read anew each time

    def key_of(self, number: int) -> KeyItem | None:
        """The key item of an order, if it was ever recorded."""
        return self.ledger.keys.get(hash_key(f"order-{number}"))

    def order_of(self, wanted: Wanted, *, cents: int | None = None) -> Order:
        members = SUBJECTS[wanted.operation](wanted.number)
        return Order(
            key=f"order-{wanted.number}",
            operation=wanted.operation,
            account="default",
            value=parse_money(f"{(cents or wanted.cents) / 100:.2f}", "USD"),
            on_unknown=wanted.intent,
            members=members,
            subject="*" if members else None,
        )

    def play(self) -> Life:
        """Let it all happen."""
        for visit in self.plan.visits:
            self.stage.spawn(partial(self._visit, visit), after_seconds=visit.at)
        for rotation in self.plan.rotations:
            self.stage.spawn(lambda: setattr(self, "secret", self._account("new")), after_seconds=rotation.stored_at)
        self.stage.spawn(self._watch)
        self.stage.run()
        self.shore.sandbox.settle(self.stage.time)
        return self

    def _visit(self, visit: Visit) -> None:
        try:
            self.come(visit)
        finally:
            self._busy -= 1

    def come(self, visit: Visit) -> Told | None:
        """Somebody comes and is answered, or not."""
        asked_at = self.stage.time
        wanted = self.plan.orders[visit.order]
        first = self.key_of(visit.order)

        def work(tools: Tools, budget: Budget) -> Answered:
            match visit.what:
                case What.ORDER | What.LATER:
                    return issue(self.order_of(wanted), tools, budget, later=visit.what is What.LATER)
                case What.OTHER_BODY:
                    return issue(self.order_of(wanted, cents=wanted.cents + 1), tools, budget)
            if first is None:
                return None
            match visit.what:
                case What.CANCEL:
                    return cancel(first.request_id, wanted.operation, None, tools, budget)
                case What.REVEAL:
                    return reveal(first.request_id, None, tools, budget)
                case _:
                    return start_recovery(first.request_id, None, tools)

        answer: Answered
        try:
            answer = self.invoke(work)
        except Died:
            return None
        except GatewayError as error:
            answer = error
        told = Told(visit, asked_at, self.stage.time, answer)
        self.told.append(told)
        return told

    def _execute(self, request_id: str, epoch: int) -> None:
        given = {"requestId": request_id, "epoch": epoch}
        self.inputs.append(given)

        def task(payload: dict[str, Any]) -> dict[str, Any]:
            def work(tools: Tools, budget: Budget) -> dict[str, Any]:
                asked = Task(payload["task"]), payload["requestId"], payload["epoch"]
                done = recover(*asked, tools, budget, support_address=SUPPORT)
                return {
                    "requestId": done.request_id,
                    "epoch": done.epoch,
                    "next": done.next.value,
                    "pause": done.pause.value,
                    "waitSeconds": done.wait_seconds,
                }

            try:
                result: dict[str, Any] = self.invoke(work)
            except Died:
                raise TaskDied from None
            return result

        self.ends[run_definition(given, task, self.stage.sleep, lambda: self.stage.seconds)] += 1

    def _take_up(self, request_id: str) -> None:
        messages = [{"body": json.dumps({"requestId": request_id})}]
        for _ in range(RECEIVED_MAX):
            try:
                self.invoke(lambda tools, budget: issue_messages(messages, tools, budget))
            except (Died, LedgerUnavailable):
                self.stage.sleep(MESSAGE_BACK_AFTER_SECONDS)
            else:
                return

    def _watch(self) -> None:
        """To the end; then all callers come once more, and again to the end."""
        self._sweep_until_over()
        for wanted in self.plan.orders:
            self.come(Visit(self.stage.seconds, What.ORDER, wanted.number))
        self._sweep_until_over()

    def _sweep_until_over(self) -> None:
        """The sweep's schedule, for as long as there is anything to do."""
        while not self._is_over():
            self.stage.sleep(60)
            self._look_for_overdue()
            wakes = [each.wake_at for each in self.ledger.records.values() if each.wake_at is not None]
            # Some process may be that much ahead.
            if wakes and min(wakes) <= self.stage.time + timedelta(minutes=10):
                for _ in range(1 if self.chance.random() < 0.9 else 2):
                    self._spawn(self._sweep)

    def _look_for_overdue(self) -> None:
        """I3: nothing stays open longer than 24 hours and a sweep, by whatever clock it was begun."""
        # A holder whose clock is behind comes later, and a sweep whose clock is ahead takes the record from it again.
        apart = timedelta(seconds=max(self.plan.skews) - min(self.plan.skews))
        latest = self.stage.time - OVERDUE_AFTER - 2 * apart
        self.overdue |= {
            each.request_id for each in self.ledger.records.values() if each.status.is_open and deadline(each) < latest
        }

    def _sweep(self) -> None:
        try:
            self.invoke(lambda tools, budget: sweep(tools))
        except (Died, LedgerUnavailable):
            self.faults["sweep failed"] += 1

    def _is_over(self) -> bool:
        is_open = any(record.status.is_open for record in self.ledger.records.values())
        return self.shore.is_calm and not self._busy and not is_open
