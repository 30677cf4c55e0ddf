"""One order from its first call to its end, and again from every moment at which a process may die.

A moment is before and after every call to a port, and while a call to Amazon is under way, which then arrives at the
last moment that its signature allows. What outlives a process is taken down at each: the ledger, Amazon, the workflow's
executions, the backlog's messages, the time. From there others go on: whoever called before may call again, the
workflow runs its task anew or is gone, the message comes out again or is lost, and the sweep comes every minute.
Moments that leave exactly the same behind have the same future, which is then played once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast

from incentives.agcod.amazon import SignedCall
from incentives.aws.single_requests.backlog import DELAY_SECONDS_MAX
from incentives.domain.calls import Call
from incentives.domain.errors import GatewayError
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent, KeyItem, Record
from incentives.domain.single_requests.request_ids import hash_key
from incentives.usecases.ports import Accounts, Amazon, Backlog, Ledger, Notifier, RateLimiter, Recoveries, Vault
from incentives.usecases.recovery.recover import Task, recover
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.issue_queued import issue_queued
from tests.support.fakes import START, World, world
from tests.support.workflow import SUPPORT
from tests.unit.amazon_model import Fault, ModelAmazon, ModelCard
from tests.unit.builders import order

#: Of an invocation that issues or cancels; `Life.seconds` says otherwise.
SECONDS = 25.0

#: The sweep's schedule.
SWEEP_EVERY = timedelta(minutes=1)

#: The workflow tries a task anew when its process died.
TASK_RETRIED_AFTER = timedelta(seconds=2)

#: A message whose worker died comes out again: six times the function's time-out, as SQS advises.
MESSAGE_BACK_AFTER = timedelta(seconds=6 * 25)

NONCES = count()

#: More turns than a life without an end would take.
TURNS_MAX = 700


@dataclass(frozen=True)
class Story:
    """What happens, apart from the deaths.

    Attributes:
        no_permit_for: seconds from the beginning in which the pace allows no call.
        doubled: whatever is put into the backlog comes out twice.
        later: the caller does not want to wait.
        repeated_later: the same, when he repeats it.
    """

    faults: tuple[Fault, ...] = ()
    intent: Intent = Intent.RETRY
    cancelled: bool = False
    repeated: bool = False
    no_permit_for: float = 0.0
    doubled: bool = False
    later: bool = False
    repeated_later: bool = False
    operation: Operation = Operation.CREATE_GIFT_CARD


@dataclass(frozen=True)
class Execution:
    """A running workflow: the task that comes next, and when."""

    request_id: str
    epoch: int
    task: Task
    at: datetime


@dataclass(frozen=True)
class Message:
    """A message of the backlog, and when it comes out."""

    request_id: str
    at: datetime


@dataclass(frozen=True)
class Remains:
    """What is left when a process dies.

    Attributes:
        moment: where it died.
        stage: how many of the story's calls had been made, this one included.
        died: the execution whose task it was, or the message that was dealt with.
    """

    moment: str
    stage: int
    died: Execution | Message | None
    time: datetime
    swept_at: datetime | None
    records: dict[str, Record]
    keys: dict[str, KeyItem]
    encrypted: dict[str, Any]
    cards: dict[str, ModelCard]
    arrivals: tuple[tuple[datetime, Call], ...]
    faults: tuple[Fault, ...]
    executions: tuple[Execution, ...]
    messages: tuple[Message, ...]
    started: tuple[tuple[str, int], ...]
    responses: tuple[object, ...]
    mails: tuple[tuple[str, str, str], ...]
    notices: tuple[tuple[str, str], ...]
    lines: int

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two moments of one life that leave the same behind: a record's version says what is in it."""
        return (
            self.stage,
            self.died,
            self.time,
            self.swept_at,
            tuple((request_id, record.version) for request_id, record in self.records.items()),
            len(self.keys),
            len(self.encrypted),
            tuple((request_id, card.refunded) for request_id, card in self.cards.items()),
            tuple(at for at, _ in self.arrivals),
            len(self.faults),
            self.executions,
            self.messages,
            len(self.responses),
            len(self.mails),
            len(self.notices),
        )


class Watched:
    """A port whose every call is a moment to die before and after; a call to Amazon also one while it is under way."""

    def __init__(self, port: object, name: str, life: Life) -> None:
        self._port, self._name, self._life = port, name, life

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        name = f"{self._name}.{method}"

        def call(*args: Any, **options: Any) -> Any:
            life = self._life
            if not life.watched:
                return real(*args, **options)
            life.take_down(f"before {name}")
            if method.startswith("attempt"):
                life.take_down(f"during {name}", on_its_way=args[0])
            result = real(*args, **options)
            life.take_down(f"after {name}")
            return result

        self.__dict__[method] = call
        return call


@dataclass
class Life:
    """One history, and all that is needed to play it.

    Attributes:
        watched: whether moments are taken down.
        moments: those of this life so far.
        executions: workflows that run.
        messages: in the backlog.
        stage: how many of the story's calls have been made.
        running: the execution whose task runs now, or the message that is dealt with.
        abandoned: an execution has gone with its process, as if aborted by hand.
        seconds: of an invocation that issues or cancels.
    """

    story: Story
    world: World = field(default_factory=world)
    watched: bool = True
    moments: list[Remains] = field(default_factory=list)
    responses: list[object] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    stage: int = 0
    running: Execution | Message | None = None
    swept_at: datetime | None = None
    abandoned: bool = False
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        base = self.world
        self.amazon = ModelAmazon(base.clock, list(self.story.faults))
        base.rate_limiter.free_at = START + timedelta(seconds=self.story.no_permit_for)
        dependencies = replace(
            base.dependencies,
            ledger=cast("Ledger", Watched(base.ledger, "ledger", self)),
            rate_limiter=cast("RateLimiter", Watched(base.rate_limiter, "rate_limiter", self)),
            amazon=cast("Amazon", Watched(self.amazon, "amazon", self)),
            accounts=cast("Accounts", Watched(base.accounts, "accounts", self)),
            vault=cast("Vault", Watched(base.vault, "vault", self)),
            backlog=cast("Backlog", Watched(self, "backlog", self)),
            recoveries=cast("Recoveries", Watched(self, "recoveries", self)),
            notifier=cast("Notifier", Watched(base.notifier, "notifier", self)),
            # Of all lives that share a ledger's records, no two use the same.
            new_nonce=lambda: f"nonce-{next(NONCES)}",
        )
        self.world = replace(base, dependencies=dependencies)

    # ---- who is in it ---------------------------------------------------------------------------

    @property
    def order(self) -> NewRequest:
        return order(on_unknown=self.story.intent, **ORDERS[self.story.operation])

    @property
    def first_id(self) -> str | None:
        item = self.world.ledger.keys.get(hash_key("order-1"))
        return item.request_id if item else None

    @property
    def newest(self) -> Record:
        assert self.first_id is not None
        return find(self.first_id, self.world.ledger)

    def start(self, request_id: str, epoch: int) -> bool:
        """`Recoveries`: one execution for an epoch, however often it is started."""
        name = (request_id, epoch)
        if name not in self.world.recoveries.started:
            self.world.recoveries.started.append(name)
            self.executions.append(Execution(request_id, epoch, Task.LOOK, self.world.clock.now()))
        return True

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        """`Backlog`."""
        delay = timedelta(seconds=min(delay_seconds, DELAY_SECONDS_MAX))
        message = Message(request_id, self.world.clock.now() + delay)
        self.messages += [message] * (1 + self.story.doubled)
        return True

    # ---- what happens ---------------------------------------------------------------------------

    def play(self) -> None:
        """The story's calls that are left, then whatever workflow, backlog and sweep do, to the end."""
        calls = self._calls()
        while self.stage < len(calls):
            self.stage += 1
            calls[self.stage - 1]()
        self.until(lambda: False)
        self.watched = False
        self.world.clock.sleep(1800)
        self.amazon.deliver_late_calls()

    def until(self, happens: Callable[[], bool]) -> None:
        """Play on until something is so, or until the end."""
        for _ in range(TURNS_MAX):
            if happens() or not self.turn():
                return
        raise AssertionError("it does not end")

    def wait_until(self, moment: datetime) -> None:
        """Play everything that happens before a moment, and let it come."""
        self.until(lambda: self.next_at is None or self.next_at >= moment)
        self.world.clock.time = max(self.world.clock.time, moment)

    def issue(self, *, later: bool = False) -> object:
        """Place the order."""
        budget = self.world.budget(self.seconds)
        return self._answered(lambda: issue(self.order, self.world.dependencies, budget, later=later))

    def cancel(self) -> object:
        """Cancel it, if there is anything to cancel."""
        request_id = self.first_id
        if request_id is None:
            return None
        operation = self.story.operation
        return self._answered(
            lambda: cancel(request_id, operation, None, self.world.dependencies, self.world.budget(self.seconds))
        )

    def _calls(self) -> list[Callable[[], object]]:
        story = self.story

        def place() -> object:
            return self.issue(later=story.later)

        def repeat() -> object:
            return self.issue(later=story.later or story.repeated_later)

        return [place, *([repeat] if story.repeated else []), *([self.cancel] if story.cancelled else [])]

    def _answered(self, work: Callable[[], object]) -> object:
        try:
            response = work()
        except GatewayError as error:
            response = error
        self.responses.append(response)
        return response

    @property
    def next_at(self) -> datetime | None:
        """When the next thing happens; None if nothing is left to happen."""
        at = [each.at for each in (*self.executions, *self.messages)]
        swept = self._next_sweep()
        if swept is not None:
            at.append(swept)
        return max(min(at), self.world.clock.time) if at else None

    def turn(self) -> bool:
        """The next thing that happens: an execution's task, a message, or a sweep that finds something."""
        clock = self.world.clock
        for record in self.world.ledger.records.values():
            assert record.status.is_open == (record.wake_at is not None), "an open record that wakes nobody"
        swept = self._next_sweep()
        nearest = min([*self.executions, *self.messages], key=lambda each: each.at, default=None)
        if nearest is not None and (swept is None or nearest.at < swept):
            clock.time = max(clock.time, nearest.at)
            self.running = nearest
            if isinstance(nearest, Message):
                self._take_up(nearest)
            else:
                self._run(nearest)
            self.running = None
        elif swept is not None:
            clock.time = max(clock.time, swept)
            self.swept_at = clock.time
            sweep(self.world.dependencies)
        else:
            return False
        return True

    def _next_sweep(self) -> datetime | None:
        wakes = [record.wake_at for record in self.world.ledger.records.values() if record.wake_at is not None]
        if not wakes:
            return None
        return max(min(wakes), self.swept_at + SWEEP_EVERY) if self.swept_at else min(wakes)

    def _run(self, execution: Execution) -> None:
        self.executions.remove(execution)
        done = recover(
            execution.task,
            execution.request_id,
            execution.epoch,
            self.world.dependencies,
            self.world.budget(),
            support_address=SUPPORT,
        )
        if done.next not in {Task.DONE, Task.ESCALATED}:
            at = self.world.clock.now() + timedelta(seconds=done.wait_seconds)
            self.executions.append(Execution(done.request_id, done.epoch, done.next, at))

    def _take_up(self, message: Message) -> None:
        self.messages.remove(message)
        issue_queued(message.request_id, self.world.dependencies, self.world.budget(self.seconds))

    # ---- what is left ---------------------------------------------------------------------------

    def take_down(self, moment: str, *, on_its_way: SignedCall | None = None) -> None:
        """Note what would be left if the process died here."""
        w, amazon = self.world, self.amazon
        arrivals = list(amazon.arrivals)
        if on_its_way is not None:
            arrivals.append((amazon.now() + amazon.late_by, on_its_way.call))
        self.moments.append(
            Remains(
                moment=moment,
                stage=self.stage,
                died=self.running,
                time=w.clock.time,
                swept_at=self.swept_at,
                records=dict(w.ledger.records),
                keys=dict(w.ledger.keys),
                encrypted=dict(w.vault.kept),
                cards={request_id: replace(card) for request_id, card in amazon.cards.items()},
                arrivals=tuple(arrivals),
                faults=tuple(amazon.faults),
                executions=tuple(self.executions),
                messages=tuple(self.messages),
                started=tuple(w.recoveries.started),
                responses=tuple(self.responses),
                mails=tuple(w.notifier.mails),
                notices=tuple(w.notifier.notices),
                lines=len(w.telemetry.lines),
            )
        )

    def after(self, remains: Remains, *, retried: bool, watched: bool = False) -> Life:
        """The life of those who outlive this death; `retried`: its task is run anew, its message comes out again."""
        other = Life(self.story, watched=watched, seconds=self.seconds)
        w, amazon = other.world, other.amazon
        w.clock.time = remains.time
        w.ledger.records, w.ledger.keys = dict(remains.records), dict(remains.keys)
        w.vault.kept = dict(remains.encrypted)
        w.notifier.mails, w.notifier.notices = list(remains.mails), list(remains.notices)
        w.telemetry.lines = self.world.telemetry.lines[: remains.lines]
        w.recoveries.started = list(remains.started)
        amazon.cards = {request_id: replace(card) for request_id, card in remains.cards.items()}
        amazon.arrivals = list(remains.arrivals)
        amazon.faults = list(remains.faults)
        other.executions, other.messages = list(remains.executions), list(remains.messages)
        other.abandoned = self.abandoned or (isinstance(remains.died, Execution) and not retried)
        match remains.died:
            case Execution() as execution if retried:
                other.executions.append(replace(execution, at=remains.time + TASK_RETRIED_AFTER))
            case Message() as message if retried:
                other.messages.append(replace(message, at=remains.time + MESSAGE_BACK_AFTER))
        other.responses, other.stage, other.swept_at = list(remains.responses), remains.stage, remains.swept_at
        return other


def lived(story: Story, seconds: float = SECONDS) -> Life:
    """A life in which nobody dies."""
    life = Life(story, seconds=seconds)
    life.play()
    return life


def deaths_of(life: Life) -> Iterator[tuple[Remains, bool]]:
    """Each moment of a life that leaves something else behind; twice, if what was being done may be done anew."""
    seen = set()
    for remains in life.moments:
        if remains.identity in seen:
            continue
        seen.add(remains.identity)
        yield remains, False
        if remains.died is not None:
            yield remains, True


def cut_short(story: Story, seconds: float = SECONDS) -> Iterator[Life]:
    """The story without a death, then once for each moment to die at."""
    whole = lived(story, seconds)
    yield whole
    for remains, retried in deaths_of(whole):
        other = whole.after(remains, retried=retried)
        other.play()
        yield other


def cut_short_twice(story: Story, seconds: float = SECONDS) -> Iterator[Life]:
    """The story once for every two moments to die at."""
    whole = lived(story, seconds)
    for first, retried in deaths_of(whole):
        other = whole.after(first, retried=retried, watched=True)
        other.play()
        yield other
        for second, again in deaths_of(other):
            last = other.after(second, retried=again)
            last.play()
            yield last


CARD_NUMBER = "6" * 15 + "4321"
CUSTOMER = "amz1.account.TESTTESTTEST"

#: What makes an order of each operation.
ORDERS: dict[Operation, dict[str, Any]] = {
    Operation.CREATE_GIFT_CARD: {},
    Operation.ACTIVATE_GIFT_CARD: {
        "operation": Operation.ACTIVATE_GIFT_CARD,
        "given": {"cardNumber": CARD_NUMBER},
    },
    Operation.LOAD_AMAZON_BALANCE: {
        "operation": Operation.LOAD_AMAZON_BALANCE,
        "given": {"account": {"id": CUSTOMER, "type": "2"}},
    },
}
