"""Real requests, real books: 5,000 orders through the use cases that issue, in processes that die, and fifty plants.

The gateway issues against the sandbox's model of Amazon on a virtual clock; the watch takes balances and begins rounds,
the rounds fetch, judge and tell, finance resolves and names what moved the balance, and the month is closed. A process
may die at any step of any of it, writes and responses get lost, clocks are five minutes apart.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from incentives.domain.accounts.alerts import Limits
from incentives.domain.errors import BooksConflict, BooksUnavailable, GatewayError
from incentives.domain.operations import Operation
from incentives.domain.persons import Person
from incentives.domain.reconciliation.balance import MovementPart, PartType
from incentives.domain.reconciliation.closing import CloseStatus, CloseView, Opening
from incentives.domain.reconciliation.days import bounds, day_of, days_of, read_zone
from incentives.domain.reconciliation.findings import Judged, Kind, Reason
from incentives.domain.reconciliation.judged_objects import decode_judged
from incentives.domain.reconciliation.rows import read_activity_types
from incentives.domain.single_requests.record import Intent, Record, Status
from incentives.domain.single_requests.request_ids import hash_key
from incentives.usecases.accounts.dependencies import WatchDependencies
from incentives.usecases.dependencies import Budget, Dependencies
from incentives.usecases.reconciliation.close_month import Closer, close_month
from incentives.usecases.reconciliation.dependencies import BooksDependencies, BooksSettings
from incentives.usecases.reconciliation.due_rounds import start_due_rounds
from incentives.usecases.reconciliation.name_movement import name_movement
from incentives.usecases.reconciliation.read_month import read_month
from incentives.usecases.reconciliation.resolve import Said, resolve_all
from incentives.usecases.reconciliation.rounds import Progress, Task, reconcile
from incentives.usecases.reconciliation.start_round import start_round
from incentives.usecases.reconciliation.take_balance import take_balance
from sandbox.model.plants import Plant, change, plant, remove
from sandbox.model.values import Money as SandboxMoney
from tests.books.desk import ACTIVITY_TYPES
from tests.simulation import amazon as shore
from tests.simulation import life as lives
from tests.simulation.life import Life
from tests.simulation.machine import RECONCILIATION, TaskDied
from tests.simulation.plan import HOUR, MINUTE, Plan, Trouble, Visit, Wanted, What
from tests.simulation.ports import Died, Port
from tests.support.books import FakeBooks, FakeBooksFiles
from tests.workflow.amazon import PARTNER_ID

if TYPE_CHECKING:
    from incentives.domain.reconciliation.movements import Movement

ACCOUNT: Final = "default"
ZONE: Final = read_zone("Europe/Berlin")
MONTH: Final = "2026-03"

#: Three hours before the books begin, with the day of the month on which the clock is put forward.
START: Final = datetime(2026, 3, 28, 20, tzinfo=UTC)
BEGIN: Final = date(2026, 3, 29)
ORDERS_FROM: Final = 3 * HOUR + 30 * MINUTE
#: Some hours into the next month.
ORDERS_UNTIL: Final = 78 * HOUR
CLOSES_AT: Final = 104 * HOUR
CALM_AT: Final = 112 * HOUR
ENDS_BY: Final = timedelta(hours=150)

OPENING: Final = Decimal(1_000_000)
TASK_SECONDS: Final = 300.0
#: How often whoever keeps the books dies at a step, beside what the plan has.
DIES: Final = 0.015
WATCH_EVERY: Final = 15 * MINUTE

#: Of each kind of difference.
EACH: Final = 7

PLANTED: Final = (
    Kind.UNKNOWN_TO_LEDGER,
    Kind.MISSING_AT_AMAZON,
    Kind.REFUNDED_UNEXPECTEDLY,
    Kind.CHARGED_UNEXPECTEDLY,
    Kind.CHARGED_TWICE,
    Kind.AMOUNT_DIFFERS,
    Kind.UNREADABLE_ROW,
)

#: Orders that Amazon never answers: each is escalated after a day.
DOOMED: Final = 3


def _unavailable(_in_doubt: bool) -> Exception:
    return BooksUnavailable("the simulation says so")


def draw_plan(seed: int, orders: int) -> Plan:
    chance = random.Random(f"books proof {seed}")
    wanted, visits = [], []
    for number in range(orders):
        operation = chance.choices(list(Operation), [8, 1, 1])[0]
        wanted.append(Wanted(number, operation, chance.choice(list(Intent)), chance.randint(100, 9999)))
        at = chance.uniform(ORDERS_FROM, ORDERS_UNTIL)
        visits.append(Visit(at, What.LATER if chance.random() < 0.2 else What.ORDER, number))
        if chance.random() < 0.1:
            visits.append(Visit(at + chance.uniform(1, 12 * MINUTE), What.CANCEL, number))
    outage = 30 * HOUR
    return Plan(
        seed=seed,
        orders=tuple(wanted),
        visits=tuple(sorted(visits, key=lambda each: each.at)),
        skews=(-150.0, 0.0, 150.0),
        amazon=0.03,
        aws=0.004,
        crashes=0.002,
        late=0.1,
        calm_at=CALM_AT,
        outages=(Trouble(outage, outage + 17 * MINUTE, "timeout"),),
        blocks=(),
        rotations=(),
        limits=(),
        streams=True,
    )


class LedgerIndex:
    """`Index` and `Records` of a history's ledger."""

    def __init__(self, life: Life) -> None:
        self._ledger = life.ledger

    def get_many(self, request_ids: Sequence[str]) -> Mapping[str, Record]:
        return {each: self._ledger.records[each] for each in request_ids if each in self._ledger.records}

    def day(self, account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        keyed = (
            (f"{record.created_at.isoformat()}#{record.request_id}", record)
            for record in list(self._ledger.records.values())
            if record.created_at.astimezone(UTC).date() == day
        )
        found = sorted((each for each in keyed if before is None or each[0] < before), reverse=True, key=_key)
        return found[:limit], len(found) > limit


def _key(keyed: tuple[str, Record]) -> str:
    return keyed[0]


class BooksLife(Life):
    """A history whose books are kept.

    Attributes:
        kept, files: the table and the bucket.
        planted: what is to be found.
        top_ups: what somebody paid in, by hand.
        views: what each call to close the month came to.
        died: how many processes died in each step of the books.
        balance: what Amazon had of the account's at the end of the month, to the second.
        changed: records that were written by what keeps the books.
    """

    def __init__(self, plan: Plan) -> None:
        self.kept, self.files = FakeBooks(), FakeBooksFiles()
        self.planted: Counter[tuple[Kind, str]] = Counter()
        self.views: list[CloseView] = []
        self.died: Counter[str] = Counter()
        self.pages = self.changed = 0
        self.balance = Decimal(0)
        self._to_change: list[Kind] = []
        self._rounds: set[tuple[date, int]] = set()
        self._books: dict[int, BooksDependencies] = {}
        self._doomed: set[str] = set()
        self._used: set[str] = set()
        super().__init__(plan)
        self._open: set[str] = set()
        taken_back = {each.order for each in plan.visits if each.what is What.CANCEL}
        self._taken_back = {hash_key(f"order-{number}") for number in taken_back}
        stream = self.ledger.on_write

        def written(record: Record) -> None:
            self.changed += getattr(self._here, "keeps", False)
            self._change_row_of(record)
            (self._open.add if record.status.is_open else self._open.discard)(record.request_id)
            stream(record)

        self.ledger.on_write = written
        fault = self.shore._fault

        def doom(signed: Any) -> dict[str, Any] | None:
            request_id = signed.call.request_id
            if len(self._doomed) < DOOMED and self.stage.seconds > 8 * HOUR and signed.call.name == "CreateGiftCard":
                self._doomed.add(request_id)
            return {"kind": "drop", "when": "before"} if request_id in self._doomed else fault(signed)

        self.shore._fault = doom  # type: ignore[method-assign]

    # ---- who keeps the books ---------------------------------------------------------------------

    def books_of(self, dependencies: Dependencies) -> BooksDependencies:
        """The books' ports in one process."""
        found = self._books.get(id(dependencies))
        if found is None:
            index: Any = Port(LedgerIndex(self), self)
            writes = {"keep_day", "keep_balance", "keep_close", "keep_movement_name", "note_rows", "note_ended"}
            found = BooksDependencies(
                dependencies=dependencies,
                books=cast("Any", Port(self.kept, self, writes=writes, failure=_unavailable)),
                files=cast("Any", Port(self.files, self, writes={"put"}, failure=_unavailable)),
                uploads=cast("Any", None),
                reconciliations=cast("Any", Port(Workflows(self), self, failure=_unavailable)),
                index=index,
                records=index,
                settings=BooksSettings(
                    zone=ZONE, begin=BEGIN, types=read_activity_types(ACTIVITY_TYPES), without_balance=frozenset()
                ),
            )
            self._books[id(dependencies)] = found
        return found

    def watch_of(self, dependencies: Dependencies) -> WatchDependencies:
        assert self.stream is not None
        watch = self.stream.watch_dependencies(dependencies)
        return replace(
            watch,
            books=self.books_of(dependencies).books,
            booking_day=lambda moment: day_of(moment, ZONE),
            limits=Limits(),
        )

    def keep(self, name: str, work: Callable[[BooksDependencies, Budget], Any], seconds: float = TASK_SECONDS) -> Any:
        """Do something in a process. Raises `Died`."""
        self._here.keeps = True
        try:
            return self.invoke(lambda dependencies, budget: work(self.books_of(dependencies), budget), seconds=seconds)
        except Died:
            self.died[name] += 1
            raise
        finally:
            self._here.keeps = False

    def insist(self, name: str, work: Callable[[BooksDependencies, Budget], Any]) -> Any:
        """Likewise; whoever asked repeats it until it is done."""
        for _ in range(40):
            try:
                return self.keep(name, work)
            except (Died, BooksUnavailable, BooksConflict):
                self.stage.sleep(45)
        raise AssertionError(f"{name} never comes to an end")

    def step(self, seconds: float) -> None:
        """Processes that keep the books die more often than others: they are few."""
        if getattr(self._here, "keeps", False) and not self._here.is_dead and self.chance.random() < DIES:
            self._here.is_dead = True
        super().step(seconds)

    def watch_books(self) -> None:
        """Every quarter of an hour: the balance, and the rounds that are due."""

        def work(dependencies: Dependencies, budget: Budget) -> None:
            account = dependencies.accounts.get(ACCOUNT)
            take_balance(account, self.watch_of(dependencies), budget)
            start_due_rounds(ACCOUNT, self.books_of(dependencies))

        try:
            self.invoke(work, seconds=900)
        except Died:
            self.died["watch"] += 1
        except GatewayError:
            self.faults["watch failed"] += 1

    def execute_round(self, day: date, number: int) -> None:
        def task(payload: dict[str, Any]) -> dict[str, Any]:
            here = Progress(account=ACCOUNT, day=day, round=payload["round"], pages=payload["pages"])
            name = Task(payload["task"])
            try:
                there = self.keep(name.value, lambda books, budget: reconcile(name, here, books, budget))
            except (Died, GatewayError):
                raise TaskDied from None
            self.pages += name is Task.FETCH
            return {
                **payload,
                "round": there.round,
                "pages": there.pages,
                "next": there.next.value,
                "waitSeconds": there.wait_seconds,
            }

        given = {"account": ACCOUNT, "day": day.isoformat(), "round": number}
        self.ends[f"books: {self.machine(task).run(RECONCILIATION, given)}"] += 1

    # ---- what is planted --------------------------------------------------------------------------

    def plant_one(self, kind: Kind, number: int) -> None:
        """Now, behind the gateway's back. Where nobody suits, a little later."""
        if kind in {Kind.MISSING_AT_AMAZON, Kind.AMOUNT_DIFFERS}:
            # Of the next code that is issued: so the balance never shows what no row does.
            self._to_change.append(kind)
            return
        record = self._somebody(kind)
        if record is None:
            self.begin(partial(self.plant_one, kind, number), after_seconds=10 * MINUTE)
            return
        request_id, value = record.request_id, SandboxMoney(record.value.amount, "USD")
        if kind in {Kind.UNKNOWN_TO_LEDGER, Kind.UNREADABLE_ROW}:
            request_id, value = f"{PARTNER_ID}STRANGER{number:04d}", SandboxMoney(Decimal(1700 + number) / 100, "USD")
        shown = self.chance.choice(UNREADABLE) if kind is Kind.UNREADABLE_ROW else None
        wanted = Plant(
            operation="CancelGiftCard" if kind is Kind.REFUNDED_UNEXPECTEDLY else "CreateGiftCard",
            request_id=request_id,
            value=value,
            at=self.stage.time,
            late_seconds=self.chance.choice([0.0, self.chance.uniform(0, 6 * HOUR)]),
            moves_balance=kind is not Kind.UNREADABLE_ROW,
            shown=shown,
        )
        plant(self.shore.sandbox.world, PARTNER_ID, wanted)
        self._used.add(request_id)
        self.planted[kind, "" if shown and "requestId" in shown else request_id] += 1

    def _change_row_of(self, record: Record) -> None:
        """Take the row of a code that was issued just now away, or make another amount of it."""
        if not self._to_change or not self._suits(record) or record.answered_at != record.updated_at:
            return
        world, kind = self.shore.sandbox.world, self._to_change.pop()
        row = world.activity.of_request(PARTNER_ID, record.request_id, "CreateGiftCard")[0]
        if kind is Kind.MISSING_AT_AMAZON:
            remove(world, row)
        else:
            change(world, row, value=SandboxMoney(record.value.amount + 1, "USD"))
        self._used.add(record.request_id)
        self.planted[kind, record.request_id] += 1

    def _suits(self, record: Record) -> bool:
        """A code that stays."""
        return (
            record.status is Status.SUCCEEDED
            and record.operation is Operation.CREATE_GIFT_CARD
            and record.request_id not in self._used
            and record.key_hash not in self._taken_back
        )

    def _somebody(self, kind: Kind) -> Record | None:
        """A code that was issued within the hour and stays; or one that was taken back."""
        since = self.stage.time - timedelta(hours=1)
        fresh = [each for each in self.ledger.records.values() if each.updated_at > since]
        if kind is Kind.CHARGED_UNEXPECTEDLY:
            fresh = [each for each in fresh if each.status is Status.REVERSED and each.request_id not in self._used]
        else:
            fresh = [each for each in fresh if self._suits(each)]
        return self.chance.choice(fresh) if fresh else None

    def pay(self, cents: int) -> None:
        """Somebody pays in, or Amazon takes a fee."""
        account = self.shore.sandbox.world.accounts[PARTNER_ID]
        funds = {"USD": account.funds["USD"] + Decimal(cents) / 100}
        self.shore.sandbox.world.put_account(replace(account, funds=funds))

    # ---- the history ------------------------------------------------------------------------------

    def _employ(self) -> None:
        super()._employ()
        chance = random.Random(f"plants {self.plan.seed}")
        moments = list(plant_times(chance, len(PLANTED) * EACH + 1))
        for number, at in enumerate(moments):
            kind = PLANTED[number % len(PLANTED)]
            self.begin(partial(self.plant_one, kind, number), after_seconds=at)
        for at, cents in MOVED:
            self.stage.spawn(partial(self.pay, cents), after_seconds=at)
        self.stage.spawn(self._look, after_seconds=(bounds(days_of(MONTH)[-1], ZONE)[1] - START).total_seconds())
        at = 5 * MINUTE
        while at < CLOSES_AT + 8 * HOUR:
            self.begin(self.watch_books, after_seconds=at)
            at += WATCH_EVERY
        self.begin(self._finance, after_seconds=CLOSES_AT)
        self.begin(partial(self._operator), after_seconds=40 * HOUR)

    def _look(self) -> None:
        self.balance = self.shore.sandbox.world.accounts[PARTNER_ID].funds["USD"]

    def _operator(self) -> None:
        """Two operators have the same day read anew, at once."""
        for _ in range(2):
            self.begin(
                lambda: self.insist(
                    "run", lambda books, _: start_round(ACCOUNT, BEGIN, by="operator", fresh=True, books=books)
                )
            )

    def _watch(self) -> None:
        """The sweep's schedule."""
        while self.stage.seconds < CLOSES_AT or self._open:
            self.stage.sleep(60)
            wakes = [wake for each in self._open if (wake := self.ledger.records[each].wake_at) is not None]
            if wakes and min(wakes) <= self.stage.time + timedelta(minutes=10):
                self.begin(self._sweep)

    def _finance(self) -> None:
        """Everything is resolved, and what moved the balance named, but for one; then all of it; then it is closed."""
        self._close()
        for day in [day for day in days_of(MONTH) if day >= BEGIN]:
            judged = self.judged(day)
            for kind in {each.kind for each in (judged.findings if judged else ())}:
                said = Said(Reason.SUPPORT_CASE, "Amazon's support looks into it.", "arn:finance")
                self.insist("resolve", partial(_resolve, day, kind, said))
        movements = self.insist("movements", lambda books, _: _movements(books))
        for movement in movements[:-1]:
            self._name(movement)
        self._close()
        self._name(movements[-1])
        self._close()
        self._close()

    def _name(self, movement: Movement) -> None:
        part = MovementPart(
            type=PartType.DEPOSIT if movement.amount > 0 else PartType.FEE,
            amount=movement.amount,
            on=movement.last_day,
            reference="wire 17",
        )
        self.insist("name", lambda books, _: name_movement(ACCOUNT, movement.movement_id, [part], "arn:finance", books))

    def _close(self) -> None:
        opening = Opening(amount=OPENING, source="the account's statement")
        closer = Closer(Person("people/ann", "ann"), "arn:ann")
        view, _ = self.insist("close", lambda books, _: close_month(ACCOUNT, MONTH, opening, closer, books))
        self.views.append(view)

    def judged(self, day: date) -> Judged | None:
        item = self.kept.day(ACCOUNT, day)
        content = self.files.get(item.judged.name) if item and item.judged else None
        return decode_judged(content) if content else None


class Workflows:
    """`Reconciliations`: one execution of a round, however often it is started."""

    def __init__(self, life: BooksLife) -> None:
        self._life = life

    def start(self, account: str, day: date, round_number: int) -> bool:
        life = self._life
        if (day, round_number) not in life._rounds:
            life._rounds.add((day, round_number))
            life.begin(lambda: life.execute_round(day, round_number))
        return True


UNREADABLE: Final[tuple[dict[str, Any], ...]] = (
    {"requestId": None},
    {"activityStatus": "Maybe"},
    {"activityType": "GCFestival"},
)

#: Two top-ups within the hour, one in the middle, and a fee: when, and cents.
MOVED: Final = ((20 * HOUR + 60, 500_000_00), (20.5 * HOUR, 1_000_00), (50 * HOUR, 250_000_00), (60 * HOUR, -25_00))


def plant_times(chance: random.Random, count: int) -> Iterator[float]:
    """Hours in which everything planted is that day's."""
    for _ in range(count):
        day = chance.randrange(3)
        yield (3 + 24 * day + chance.uniform(5, 19)) * HOUR


def _resolve(day: date, kind: Kind, said: Said, books: BooksDependencies, budget: Budget) -> object:
    return resolve_all(ACCOUNT, day, kind, said, books, budget=budget)


def _movements(books: BooksDependencies) -> list[Movement]:
    month = read_month(ACCOUNT, MONTH, Opening(amount=OPENING, source="the account's statement"), books)
    balance = month.inputs.balance
    assert balance is not None
    return list(balance.movements)


@contextmanager
def in_march() -> Iterator[None]:
    """Histories begin before the month's last days, and last for days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lives, "START", START)
        patch.setattr(lives, "ENDS_BY", ENDS_BY)
        # A card that is another than was ordered is a difference that nobody has planted.
        patch.setattr(shore, "CONFLICT_PROBABILITY", 0.0)
        yield


@dataclass(frozen=True)
class Proof:
    """What came of it.

    Attributes:
        found: differences that stand in the end, by kind and request.
        ever: those that any round told of, at any time.
    """

    life: BooksLife
    found: Counter[tuple[Kind, str]]
    ever: Counter[tuple[Kind, str]]

    @property
    def broken(self) -> list[str]:
        """What is not as it should be."""
        life, planted = self.life, self.life.planted
        statuses = [view.close.status for view in life.views]
        expected = [CloseStatus.BLOCKED, CloseStatus.BLOCKED, CloseStatus.CLOSED, CloseStatus.CLOSED]
        closed, again = (view.close for view in life.views[-2:])
        difference = Decimal(closed.figures.get("closing", 0)) - life.balance
        broken = [
            *(f"false: {kind.value} {request_id}" for kind, request_id in self.found - planted),
            *(f"missed: {kind.value} {request_id}" for kind, request_id in planted - self.found),
            *(f"false for a while: {kind.value} {request_id}" for kind, request_id in self.ever - planted),
            *life.broken,
        ]
        if statuses != expected or (closed.version, closed.files) != (again.version, again.files):
            broken.append(f"the month's close was {[status.value for status in statuses]}")
        if difference:
            broken.append(f"the close is {difference} off the balance")
        if life.changed:
            broken.append(f"{life.changed} records were written by what keeps the books")
        if not life.died.total():
            broken.append("no process died")
        return broken


def prove(seed: int, orders: int) -> Proof:
    """Live through it, and read the books."""
    with in_march():
        life = BooksLife(draw_plan(seed, orders))
        life.play()
    found, ever = Counter[tuple[Kind, str]](), Counter[tuple[Kind, str]]()
    for day in [*(day for day in days_of(MONTH) if day >= BEGIN), date(2026, 4, 1)]:
        judged = life.judged(day)
        found.update((each.kind, each.request_id) for each in (judged.findings if judged else ()))
    for name, content in life.files.files.items():
        if "/judged-" in name:
            ever |= Counter((each.kind, each.request_id) for each in decode_judged(content).findings)
    return Proof(life, found, ever)
