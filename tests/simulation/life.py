"""One simulated history: processes, callers, workflows, backlog and sweep, taking turns on a virtual clock.

Everything runs that runs in production, but for AWS and Amazon themselves. Time passes at every call to a port, so
anything of anybody else's may happen between any two of them; and there a process may die. One seed, one history.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from incentives.agcod.amazon import Amazon, SignedCall
from incentives.aws.accounts.accounts import SecretsManagerAccounts
from incentives.aws.keys.key_notes import DynamoDbKeyNotes
from incentives.aws.keys.key_versions import CURRENT
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.aws.single_requests.backlog import DELAY_SECONDS_MAX
from incentives.domain.errors import GatewayError, LedgerUnavailable, RefusedByAmazon
from incentives.domain.events import Event
from incentives.domain.money import parse_money
from incentives.domain.operations import Operation
from incentives.domain.rate_limit import Pace
from incentives.domain.recovery.waits import deadline
from incentives.domain.single_requests.record import KeyItem, Record, Status
from incentives.domain.single_requests.request_ids import hash_key
from incentives.usecases.dependencies import Budget, Dependencies
from incentives.usecases.recovery.recover import RecoveryTask, recover
from incentives.usecases.recovery.start_recovery import start_recovery, sweep
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from incentives.usecases.single_requests.results import Accepted, Delivered, Standing
from incentives.usecases.single_requests.reveal import reveal
from tests.pacing.stage import Stage
from tests.simulation.amazon import QUERIES, Shore, Wire
from tests.simulation.bulk import BulkDesk
from tests.simulation.codec import quick_codec
from tests.simulation.control import ControlDesk
from tests.simulation.keyring import NEW, PREFIX, PacerTable, SecretStore
from tests.simulation.machine import RECOVERY, Machine, TaskDied
from tests.simulation.plan import Plan, Visit, Wanted, What
from tests.simulation.ports import Died, Ledger, Notifier, Port, ProcessClock, Telemetry
from tests.simulation.staff import Staff
from tests.simulation.stream import Stream
from tests.simulation.tables import Adapters, ByAdapter, Tables
from tests.support.fakes import START, FakeKeptPages, FakeVault
from tests.support.ports import Ports

FUNCTION_SECONDS: Final = 25.0
SUPPORT: Final = "support@amazon.test"

#: Messages are few: this many times as often as other calls to AWS does one of them go wrong.
MESSAGE_FAULTS: Final = 4

#: A message whose worker died comes out again; after so many times it is set aside.
MESSAGE_BACK_AFTER_SECONDS: Final = 150.0
RECEIVED_MAX: Final = 5

#: After its deadline: the last try's wait, the sweep's turn and its lease.
OVERDUE_AFTER: Final = timedelta(minutes=20)

#: Once nothing goes wrong any more: the in-flight window, two responses after it and a last wait of 15 minutes, for
#: each generation.
ENDS_WITHIN: Final = timedelta(hours=3)

#: Whoever is told that his key was refused, or his order not sent, repeats it: so often, and each time a minute later.
REPEATS_MAX: Final = 20
REPEATED_AFTER_SECONDS: Final = 60.0

#: No history needs longer.
ENDS_BY: Final = timedelta(hours=90)

SUBJECTS: Final[Mapping[Operation, Callable[[int], Mapping[str, Any]]]] = {
    Operation.CREATE_GIFT_CARD: lambda number: {},
    Operation.ACTIVATE_GIFT_CARD: lambda number: {"cardNumber": f"{6:015d}{number:04d}"},
    Operation.LOAD_AMAZON_BALANCE: lambda number: {"account": {"id": f"amz1.account.CANARY{number:04d}", "type": "2"}},
}


def _throttled(_in_doubt: bool) -> Exception:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "GetSecretValue")


Answered = Delivered | Accepted | Standing | Record | GatewayError | None


@dataclass(frozen=True)
class Told:
    visit: Visit
    asked_at: datetime
    at: datetime
    response: Answered


class Life:
    """A history, and all that is left of it.

    Attributes:
        told: every response, in order.
        overdue: records that were open longer than they may be.
        broken: promises that were seen broken on the way.
        inputs: of every execution of the workflow.
        ends: the states in which they ended.
        keyring: what every process reads its key from.
        events: what got to the event bus.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = random.Random(f"life {plan.seed}")
        self.stage = Stage(START, START + ENDS_BY)
        self.shore = Shore(plan, self.stage)
        self.faults: Counter[str] = Counter()
        self.tables = Tables(self) if plan.control.campaigns or plan.control.freezes else None
        self.ledger = self.tables.ledger if self.tables else Ledger(self.stage)
        self.vault, self.notifier = FakeVault(), Notifier(self, self.stage)
        self.telemetry = Telemetry(self.stage)
        self.table, self.kept_pages = PacerTable(self._looks), FakeKeptPages()
        self.keyring = SecretStore(self.stage, parks=plan.parks)
        self.events: list[Event] = []
        self.control: ControlDesk | None = None
        self.told: list[Told] = []
        self.broken: list[str] = []
        self.overdue: set[str] = set()
        self.inputs: list[dict[str, Any]] = []
        self.ends: Counter[str] = Counter()
        self._started: set[tuple[str, int]] = set()
        #: How many have come about each order.
        self._came: Counter[int] = Counter()
        #: How often each order was repeated although nobody had planned it.
        self._repeated: Counter[int] = Counter()
        self._busy = 0
        self._here = threading.local()
        self._adapters: list[Adapters] = []
        self.processes = [self._process(number, skew) for number, skew in enumerate(plan.skews)]
        self.stream = Stream(self) if plan.streams else None
        if self.stream is not None:
            self.ledger.on_write = self.stream.write

    def _process(self, number: int, skew: float) -> Dependencies:
        clock = ProcessClock(self.stage, skew)
        numbers = itertools.count()
        secrets = Port(self.keyring, self, failure=_throttled)
        notes: Any = Port(DynamoDbKeyNotes(self.table, "rate_limiter", now=clock.now), self)

        def note_refusal(account: str, key_fingerprint: str) -> None:
            self.faults["key refused"] += 1
            notes.note_refusal(account, key_fingerprint)

        accounts = SecretsManagerAccounts(lambda: secrets, PREFIX, now=clock.now, note_refusal=note_refusal)
        rate_limiter = DynamoDbRateLimiter(
            self.table, "rate_limiter", pace=Pace(), now=clock.now, key_of=accounts.key_at_hand
        )
        ledger: Any = Port(self.ledger, self, writes={"open", "apply", "reissue"})
        budgets: Any = self.ledger.budgets
        if self.tables is not None:
            adapters = self.tables.adapters(number, clock)
            self._adapters.append(adapters)
            ledger, budgets = ByAdapter(self.ledger, ledger), adapters.holds
        return Ports(
            ledger=ledger,
            budgets=budgets,
            rate_limiter=cast("Any", Port(rate_limiter, self)),
            backlog=cast("Any", Port(self, self, faulty=False)),
            amazon=Amazon(Wire(self.shore, clock, self.step, self._arrives)),
            kept_pages=cast("Any", Port(self.kept_pages, self, writes={"keep"})),
            accounts=accounts,
            vault=self.vault,
            recoveries=cast("Any", Port(self, self, faulty=False)),
            notifier=self.notifier,
            clock=clock,
            telemetry=self.telemetry,
            new_nonce=lambda: self._new_nonce(f"nonce-{number}-{next(numbers)}"),
        )

    def _new_nonce(self, nonce: str) -> str:
        self._here.nonces.append(nonce)
        return nonce

    # ---- what goes wrong --------------------------------------------------------------------------

    @property
    def adapters(self) -> Adapters | None:
        """What the process at work has of the real ones."""
        return self._adapters[self._here.process] if self.tables else None

    def step(self, seconds: float) -> None:
        """Up to so much time passes, and others have their turns; or the process dies."""
        if self.tables is not None:
            self.broken += self.tables.look()
        if self._here.is_dead:
            # Whatever it has still to tidy up.
            raise Died
        calm = self.shore.is_calm
        if not calm and self.chance.random() < self.plan.crashes:
            self.faults["process died"] += 1
            self._here.is_dead = True
            raise Died
        if not calm and self.chance.random() < self.plan.crashes / 4:
            self.faults["process froze"] += 1
            self._here.held_up = True
            seconds = 50 * seconds + 20
        self.stage.sleep(self.chance.uniform(0, seconds))
        if self.stage.time >= self._here.ends_by:
            self.faults["function timed out"] += 1
            self._here.is_dead = True
            raise Died

    def aws_fault(self) -> str | None:
        if self.shore.is_calm or self.chance.random() >= self.plan.aws:
            return None
        fault = self.chance.choice(["throttled", "request lost", "answer lost", "sent twice", "conflict"])
        self.faults[f"aws: {fault}"] += 1
        return fault

    def notifier_fault(self) -> str | None:
        """Why a mail or a notice does not get through, if it does not."""
        if self.shore.is_calm or self.chance.random() >= self.plan.notifier:
            return None
        self.faults["people not reached"] += 1
        return "Throttling"

    @property
    def is_held_up(self) -> bool:
        """Whether the process at work has stood still since it last looked at the rate limiter."""
        return getattr(self._here, "held_up", False)

    def _looks(self) -> None:
        self._here.held_up = False

    def _arrives(self, signed: SignedCall) -> None:
        """I1: what is about to have its effect is in the ledger already."""
        call = signed.call
        if call.name in QUERIES:
            return
        record = self.ledger.records.get(call.request_id)
        if self.control is not None:
            self.broken += self.control.on_arrival(call, record)
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
            self.begin(lambda: self._execute(request_id, epoch))
        return True

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        """`Backlog`: a message may get lost, or come out twice."""
        copies = 1
        if not self.shore.is_calm and self.chance.random() < MESSAGE_FAULTS * self.plan.aws:
            copies = self.chance.choice([-1, 0, 2])
            self.faults["message " + {-1: "not put", 0: "lost", 2: "doubled"}[copies]] += 1
        for _ in range(copies):
            self.begin(lambda: self._take_up(request_id), after_seconds=min(delay_seconds, DELAY_SECONDS_MAX))
        return copies >= 0

    def begin(self, action: Callable[[], object], *, after_seconds: float = 0.0) -> None:
        """Have something done later on; the history is not over before it is."""
        self._busy += 1

        def live() -> None:
            try:
                action()
            finally:
                self._busy -= 1

        self.stage.spawn(live, after_seconds=after_seconds)

    # ---- who is in it -----------------------------------------------------------------------------

    def invoke(self, work: Callable[[Dependencies, Budget], Any], *, seconds: float = FUNCTION_SECONDS) -> Any:
        """Run a function in one of the processes, for so many seconds at most. Raises `Died`."""
        end = self.stage.time + timedelta(seconds=seconds)
        self._here.ends_by, self._here.is_dead, self._here.nonces = end, False, []
        self._here.process = self.chance.randrange(len(self.processes))
        dependencies = self.processes[self._here.process]
        return work(dependencies, Budget(lambda: (end - self.stage.time).total_seconds()))  # noqa: PLW0108 - the time is read anew each time

    def key_of(self, number: int) -> KeyItem | None:
        """The key item of an order, if it was ever recorded."""
        return self.ledger.keys.get(hash_key(f"order-{number}"))

    def order_of(self, wanted: Wanted, *, cents: int | None = None) -> NewRequest:
        members = SUBJECTS[wanted.operation](wanted.number)
        return NewRequest(
            key=f"order-{wanted.number}",
            operation=wanted.operation,
            account="default",
            value=parse_money(f"{(cents or wanted.cents) / 100:.2f}", "USD"),
            on_unknown=wanted.intent,
            given=members,
            budget=self.plan.control.budget_of(wanted.number),
        )

    def play(self) -> Life:
        for visit in self.plan.visits:
            self.begin(partial(self.come, visit), after_seconds=visit.at)
        for rotation in self.plan.rotations:
            self.stage.spawn(lambda: self.keyring.put(NEW, CURRENT), after_seconds=rotation.stored_at)
        self._employ()
        self.stage.spawn(self._watch)
        with quick_codec():
            self.stage.run()
        self.shore.sandbox.settle(self.stage.time)
        return self

    def _employ(self) -> None:
        self.staff = Staff(self)
        self.bulk = BulkDesk(self, self.plan.bulk) if self.plan.bulk else None
        self.control = ControlDesk(self, self.tables) if self.tables else None

    def come(self, visit: Visit) -> Told | None:
        asked_at = self.stage.time
        wanted = self.plan.orders[visit.order]
        first = self.key_of(visit.order)

        def work(dependencies: Dependencies, budget: Budget) -> Answered:
            match visit.what:
                case What.ORDER | What.LATER:
                    return issue(self.order_of(wanted), dependencies, budget, later=visit.what is What.LATER)
                case What.OTHER_BODY:
                    return issue(self.order_of(wanted, cents=wanted.cents + 1), dependencies, budget)
            if first is None:
                return None
            match visit.what:
                case What.CANCEL:
                    return cancel(first.request_id, wanted.operation, None, dependencies, budget)
                case What.REVEAL:
                    return reveal(first.request_id, None, dependencies, budget)
                case _:
                    return start_recovery(first.request_id, None, dependencies)

        response: Answered
        self._came[visit.order] += 1
        try:
            response = self.invoke(work)
        except Died:
            return None
        except GatewayError as error:
            response = error
            self._on_error(visit, error, first)
        told = Told(visit, asked_at, self.stage.time, response)
        self.told.append(told)
        self._on_throttled(visit, response)
        return told

    def _on_error(self, visit: Visit, error: GatewayError, first: KeyItem | None) -> None:
        is_only_one = self._came[visit.order] == 1
        if isinstance(error, LedgerUnavailable) and is_only_one and self.key_of(visit.order) is not None:
            self.broken.append(f"I6 order {visit.order} was told that it is not written, and it is")
        if self.control is not None:
            self.broken += self.control.on_refused(visit, error, first, self._here.nonces)

    def _on_throttled(self, visit: Visit, response: Answered) -> None:
        if not (
            isinstance(response, RefusedByAmazon) and response.retryable and visit.what in {What.ORDER, What.LATER}
        ):
            return
        self._repeated[visit.order] += 1
        if self._repeated[visit.order] <= REPEATS_MAX:
            seconds = REPEATED_AFTER_SECONDS * self._repeated[visit.order]
            again = replace(visit, at=self.stage.seconds + seconds)
            self.begin(partial(self.come, again), after_seconds=seconds)

    def _execute(self, request_id: str, epoch: int) -> None:
        given = {"requestId": request_id, "epoch": epoch}
        self.inputs.append(given)

        def task(payload: dict[str, Any]) -> dict[str, Any]:
            def work(dependencies: Dependencies, budget: Budget) -> dict[str, Any]:
                asked = RecoveryTask(payload["task"]), payload["requestId"], payload["epoch"]
                done = recover(*asked, dependencies, budget, support_address=SUPPORT)
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

        self.ends[self.machine(task).run(RECOVERY, given)] += 1

    def machine(self, task: Callable[[dict[str, Any]], dict[str, Any]]) -> Machine:
        """What runs executions whose tasks are carried out by that function."""
        return Machine(task, self.stage.sleep, lambda: self.stage.seconds, self._together)

    def _together(self, actions: list[Callable[[], None]], at_most: int) -> None:
        waiting, under_way = list(actions), [0]

        def work() -> None:
            while waiting:
                waiting.pop(0)()
            under_way[0] -= 1

        for _ in range(min(at_most, len(actions))):
            under_way[0] += 1
            self.begin(work)
        while under_way[0]:
            self.stage.sleep(1)

    def _take_up(self, request_id: str) -> None:
        for _ in range(RECEIVED_MAX):
            try:
                self.invoke(lambda dependencies, budget: issue_queued(request_id, dependencies, budget))
            except (Died, LedgerUnavailable):
                self.stage.sleep(MESSAGE_BACK_AFTER_SECONDS)
            else:
                return

    def _watch(self) -> None:
        """To the end, round after round; then all callers come once more, and again to the end."""
        self._sweep_until_over()
        for _ in range(self.plan.rounds):
            for record in [each for each in self.ledger.records.values() if each.status is Status.ESCALATED]:
                self._reopen(record.request_id)
            self._sweep_until_over()
        if self.plan.watches:
            # What had been raised and not told is told by the next watches.
            for _ in range(2):
                self.stage.sleep(600)
                self.staff.watch()
        for wanted in self.plan.orders:
            self.come(Visit(self.stage.seconds, What.ORDER, wanted.number))
        self._sweep_until_over()

    def _reopen(self, request_id: str) -> None:
        try:
            self.invoke(lambda dependencies, _: start_recovery(request_id, None, dependencies))
        except GatewayError:
            self.faults["round not started"] += 1

    def _sweep_until_over(self) -> None:
        """The sweep's schedule, for as long as there is anything to do."""
        while not self._is_over():
            self.stage.sleep(60)
            self._look_for_overdue()
            wakes = [each.wake_at for each in self.ledger.records.values() if each.wake_at is not None]
            # Some process may be that much ahead.
            if wakes and min(wakes) <= self.stage.time + timedelta(minutes=10):
                for _ in range(1 if self.chance.random() < 0.9 else 2):
                    self.begin(self._sweep)

    def _look_for_overdue(self) -> None:
        """I3: nothing stays open longer than 24 hours and a sweep, by whatever clock, nor long after the last fault."""
        # A holder whose clock is behind comes later, and a sweep whose clock is ahead takes the record from it again.
        apart = timedelta(seconds=max(self.plan.skews) - min(self.plan.skews))
        latest = self.stage.time - OVERDUE_AFTER - 2 * apart
        self.overdue |= {
            each.request_id for each in self.ledger.records.values() if each.status.is_open and deadline(each) < latest
        }
        if self.stage.seconds > self.plan.calm_at + ENDS_WITHIN.total_seconds():
            # Nothing goes wrong any more: then it takes no outage's deadline to end a request.
            self.overdue |= {each.request_id for each in self.ledger.records.values() if each.status.is_open}

    def _sweep(self) -> None:
        try:
            self.invoke(lambda dependencies, budget: sweep(dependencies))
        except (Died, LedgerUnavailable):
            self.faults["sweep failed"] += 1

    def _is_over(self) -> bool:
        is_open = any(record.status.is_open for record in self.ledger.records.values())
        return self.shore.is_calm and not self._busy and not is_open
