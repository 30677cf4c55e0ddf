"""A closer look at a history: what a guard is for, seen at the moment when it matters.

The promises of `checks` are held against the end of a history. Whoever takes a guard out also wants to know what went
wrong on the way and was mended by another guard, or by luck: who wrote, from which epoch, and when. Each finding names
the promise that it belongs to. With every guard in place there are none.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from incentives.agcod.amazon import SignedCall
from incentives.domain.errors import AccountUnusable, CancelWindowOver, LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.recovery.rules import ALREADY_ACTIVATED, GENERATIONS_MAX, KEY_REFUSED
from incentives.domain.recovery.waits import deadline
from incentives.domain.single_requests.parking import INSUFFICIENT_FUNDS
from incentives.domain.single_requests.record import Cause, Intent, KeyItem, Record, Status, TooLateStage
from incentives.usecases.single_requests.results import Accepted, Delivered, Standing
from tests.simulation.checks import live_charges
from tests.simulation.life import OVERDUE_AFTER, SUBJECTS, Life, Told
from tests.simulation.plan import CONFLICTS, Plan, Visit, What

#: Calls to ports in one history. With all guards in place no scene makes half as many, and of what is drawn only a bulk
#: order of sixty rows makes more.
STEPS_MAX: Final = 15_000

#: Seconds between clocks that agree.
_CLOCKS_AGREE: Final = 1.0

#: Less what is cut off when times are kept.
_A_MINUTE: Final = 59

_ORDERING: Final = frozenset({What.ORDER, What.LATER})
_CANCEL_WINDOW: Final = timedelta(minutes=15)
_DAY: Final = timedelta(hours=24)

#: Errors that say nothing of an order.
_REFUSES_NOTHING: Final = frozenset({"ThrottlingException", "RequestExpired", "UnrecognizedClientException"})

#: Of so many calls a few are throttled, however slowly they come, until their pace has been found.
_CALLS_MIN: Final = 50


class Endless(BaseException):
    """A history goes on although it is lost: nothing catches this but whoever plays it."""


class Watched(Life):
    """A history that is looked at closely, and that does not go on for ever.

    Attributes:
        steps: calls to ports so far.
        seen: what was found on the way.
        states: every version of every record, with the true time at which it was written.
    """

    def __init__(self, plan: Plan) -> None:
        self.steps = 0
        self.seen: list[str] = []
        self.states: dict[str, list[tuple[datetime, Record]]] = defaultdict(list)
        self._holders: dict[tuple[str, int], int] = {}
        self._senders: dict[tuple[str, int], int] = {}
        self._put_at: dict[str, datetime] = {}
        self._asked: Counter[int] = Counter()
        self._numbers = itertools.count()
        super().__init__(plan)
        self._attend()

    @property
    def apart(self) -> float:
        return max(self.plan.skews) - min(self.plan.skews)

    # ---- who acts ---------------------------------------------------------------------------------

    def step(self, seconds: float) -> None:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise Endless
        super().step(seconds)

    def begin(self, action: Callable[[], object], *, after_seconds: float = 0.0) -> None:
        def afresh() -> None:
            # Threads may be used again.
            self._here.actor, self._here.acting, self._here.repeats = "", next(self._numbers), None
            action()

        super().begin(afresh, after_seconds=after_seconds)

    def come(self, visit: Visit) -> Told | None:
        here, first = self._here, self.key_of(visit.order)
        here.actor, here.acting = "caller", next(self._numbers)
        here.repeats = self._open_now(first) if visit.what in _ORDERING else None
        self._asked[visit.order] += visit.what in {*_ORDERING, What.OTHER_BODY}
        told = super().come(visit)
        here.repeats = None
        is_written = first is None and self._asked[visit.order] == 1 and self.key_of(visit.order) is not None
        if is_written and told and isinstance(told.response, LedgerUnavailable):
            self.seen.append(f"I6 order {visit.order} was told that it is not written, and it is")
        return told

    def _open_now(self, key: KeyItem | None) -> tuple[str, int] | None:
        record = self.ledger.records.get(key.request_id) if key else None
        while record is not None and record.replaced_by in self.ledger.records:
            record = self.ledger.records[record.replaced_by]
        if record is None or not record.status.is_open:
            return None
        return record.request_id, len(self.states[record.request_id])

    def _execute(self, request_id: str, epoch: int) -> None:
        self._here.actor, self._here.acting = "execution", next(self._numbers)
        super()._execute(request_id, epoch)

    def _take_up(self, request_id: str) -> None:
        self._here.actor, self._here.acting = "backlog", next(self._numbers)
        super()._take_up(request_id)

    def _sweep(self) -> None:
        self._here.actor, self._here.acting = "sweep", next(self._numbers)
        super()._sweep()

    def _look_for_overdue(self) -> None:
        super()._look_for_overdue()
        now = self.stage.time
        later = OVERDUE_AFTER + timedelta(seconds=2 * self.apart)
        touched = any(each.what in {What.CANCEL, What.RECOVER} for each in self.plan.visits) or self.plan.rounds
        for record in self.ledger.records.values():
            if not record.status.is_open:
                continue
            first = record
            # What follows a refusal that Amazon had no part in has a day of its own.
            while first.replaces is not None and self.ledger.records[first.replaces].status is not Status.REFUSED:
                first = self.ledger.records[first.replaces]
            if not touched and first.first_unknown_at is not None and now > first.first_unknown_at + _DAY + later:
                self.overdue.add(record.request_id)
        if self.overdue:
            self.seen += [f"I3 open for too long: {each}" for each in self.overdue]
            raise Endless

    # ---- what they do -----------------------------------------------------------------------------

    def _attend(self) -> None:
        ledger: Any = self.ledger
        noted = ledger._written

        def written(before: Record | None, after: Record) -> None:
            noted(before, after)
            self.states[after.request_id].append((self.stage.time, after))
            if before is not None:
                self.seen += self._of_write(before, after)

        ledger._written = written

    def _of_write(self, before: Record, written: Record) -> Iterator[str]:
        name = written.request_id
        if getattr(self._here, "actor", "") == "sweep":
            yield from self._of_sweep(before, written)
        yield from self._of_holder(before, written)
        if (before.status, written.status) == (Status.RECOVERING, Status.REVERSING) and self.apart <= _CLOCKS_AGREE:
            unknown_at = before.first_unknown_at
            repeated = (written.updated_at - unknown_at).total_seconds() + self.apart if unknown_at else _A_MINUTE
            if written.cause in {Cause.REVERSE, Cause.REISSUE} and repeated < _A_MINUTE:
                yield f"I8 {name} was given up before it was repeated for a minute"
        if written.status is Status.REFUSED and before.status is not Status.REFUSED and written.refusal:
            yield from self._of_refusal(before, written.refusal.type or "")
        if written.status is Status.ESCALATED and before.status is not Status.ESCALATED and written.case_file is None:
            yield f"I8 {name} was escalated without a case"

    def _of_sweep(self, before: Record, written: Record) -> Iterator[str]:
        """It leaves alone who is heard of, who only waits, and what is in the backlog."""
        name, now = written.request_id, self.stage.time
        latest = now + timedelta(seconds=max(self.plan.skews))
        earlier = self.states[name][-3:-2]
        # Whoever has just sent something waits for its response, and for nothing else.
        has_sent = bool(earlier) and _sends(before) > _sends(earlier[0][1])
        if before.due_at and before.due_at > latest and not has_sent:
            yield f"I8 the sweep took {name} from a holder who only waits"
        if before.status is Status.PENDING and not before.may_have_executed:
            if written.status is Status.RECOVERING:
                yield f"I6 {name} was never sent, and is called unknown"
            last, self._put_at[name] = self._put_at.get(name), now
            if last is not None and now - last < timedelta(minutes=4) and self.apart <= _CLOCKS_AGREE:
                yield f"I8 {name} was put again while it was still in the backlog"

    def _of_holder(self, before: Record, written: Record) -> Iterator[str]:
        """An epoch belongs to one execution, and one process sends under it."""
        name, held = written.request_id, (written.request_id, before.epoch)
        acting = getattr(self._here, "acting", -1)
        if before.epoch and _sends(written) > _sends(before) and self._senders.setdefault(held, acting) != acting:
            yield f"I8 two send {name} at epoch {before.epoch}"
        # Whoever has lost a record may still make known that it has seen its card.
        is_note = written.card_seen and not before.card_seen and written.status is before.status
        is_execution = getattr(self._here, "actor", "") == "execution"
        if is_execution and not is_note and self._holders.setdefault(held, acting) != acting:
            yield f"I8 two executions hold {name} at epoch {before.epoch}"

    def _of_refusal(self, before: Record, named: str) -> Iterator[str]:
        name, keyring = before.request_id, self.keyring
        if named in _REFUSES_NOTHING:
            yield f"I6 {name} was called refused by {named}, which refuses nothing"
        is_settled = self.stage.time - keyring.changed_at > timedelta(minutes=1)
        if named == KEY_REFUSED.type and is_settled and self.shore.takes(keyring.current):
            yield f"I6 {name} was refused for its key, and the secret has a good one"
        # One that may have been executed, or that a caller has cancelled, cannot wait.
        may_wait = self.plan.parks and before.status is Status.PENDING and not before.doubt
        if named == INSUFFICIENT_FUNDS and may_wait and self.stage.time < before.created_at + _DAY / 2:
            yield f"I6 {name} was refused for want of money, and was to wait for it"

    def _arrives(self, signed: SignedCall) -> None:
        super()._arrives(signed)
        call, record = signed.call, self.ledger.records.get(signed.call.request_id)
        if record is None or call.name != record.operation.value:
            return
        repeats = getattr(self._here, "repeats", None)
        if repeats and repeats[0] == record.request_id:
            since = [record.status, *(each.status for _, each in self.states[record.request_id][repeats[1] - 1 :])]
            if all(status.is_open for status in since):
                self.seen.append(f"I2 a repeat has sent {record.request_id}, which was open")
        # As it was before this send: a death is made out to be an unknown only by whoever sends next.
        unknown_at = next((each.first_unknown_at for _, each in self.states[record.request_id][-2:-1]), None)
        is_unwanted = record.intent is not Intent.RETRY and record.status is Status.RECOVERING
        slack = 180 + self.apart + max(0.0, -min(self.plan.skews))
        if is_unwanted and unknown_at and (self.stage.time - unknown_at).total_seconds() > slack:
            self.seen.append(f"I8 {record.request_id} is repeated although it was to be reversed")


def _sends(record: Record) -> int:
    return record.attempts + record.reversal_attempts


def look(life: Watched) -> Iterator[str]:
    """What else can be said of a history that is over."""
    yield from life.seen
    records = life.ledger.records
    for record in records.values():
        if record.replaced_by is not None and record.replaced_by not in records:
            yield f"I3 {record.request_id} was replaced by what was never recorded"
            return
    for record in records.values():
        yield from _look_at_end(record)
        yield from _look_at_success(record, life)
        if record.status is Status.ESCALATED:
            yield from _look_at_escalation(record, life)
    yield from _look_at_unwanted(life)
    yield from _look_for_secrets(life)
    yield from _look_at_alerts(life)
    calls = life.shore.sandbox.calls
    throttled = sum(each.throttled for each in calls)
    if len(calls) > _CALLS_MIN and throttled > 0.4 * len(calls):
        yield f"I5 Amazon has throttled {throttled} of {len(calls)} calls"
    for told in life.told:
        yield from _look_at_response(told, life)


def _look_at_end(record: Record) -> Iterator[str]:
    name = record.request_id
    if record.reissues >= GENERATIONS_MAX:
        yield f"I8 {name} is one generation too many"
    is_reissuable = (record.intent, record.cause) == (Intent.REISSUE, Cause.REISSUE) and record.too_late is None
    is_left = record.status is Status.REVERSED and record.replaced_by is None
    if is_left and is_reissuable and record.reissues + 1 < GENERATIONS_MAX and record.updated_at < deadline(record):
        yield f"I8 {name} was to be issued again, and was not"
    if record.cause is Cause.REFUNDED and record.reversal_attempts:
        yield f"I7 {name} had been refunded, and was used again"
    refused_as = record.refusal.type if record.status is Status.REFUSED and record.refusal else None
    if record.reissues and refused_as in ALREADY_ACTIVATED:
        yield f"I6 {name} was told that it is refused, because of its own card"


def _look_at_success(record: Record, life: Watched) -> Iterator[str]:
    if record.status is not Status.SUCCEEDED:
        return
    name = record.request_id
    if record.conflict is not None:
        yield f"I7 {name} is a success although another card was shown"
    if record.cause is Cause.REVERSE:
        yield f"I6 {name} was to be reversed, and is a success"
    if record.reversal_attempts and sum(" TooLate" in line for line in record.history) < 2:
        yield f"I8 {name} was left charged before Amazon had twice called its reversal too late"
    closed_at = next(at for at, each in life.states[name] if each.status is Status.SUCCEEDED)
    seconds = (closed_at - life.stage.started).total_seconds()
    responses = [said for at, call, sent, said in life.shore.arrived if sent == name and at <= seconds]
    if responses and responses[-1] in CONFLICTS:
        yield f"I7 {name} became a success when another card was shown"


def _look_at_escalation(record: Record, life: Watched) -> Iterator[str]:
    name, apart = record.request_id, timedelta(seconds=life.apart)
    given_up = record.conflict is not None or record.too_late is TooLateStage.FINAL
    tries = [each for each in (record.last_sent_at, record.last_reversal_sent_at) if each]
    deadline = record.deadline_at.replace(microsecond=0) if record.deadline_at else None
    if not given_up and not record.gave_up and deadline and max(tries, default=life.stage.started) < deadline:
        yield f"I8 {name} was given up without a last try"
    versions = life.states[name]
    began = [
        at
        for (_, before), (at, after) in itertools.pairwise(versions)
        if (before.status is Status.ESCALATED and after.status.is_open)
        or (after.cause is Cause.CANCEL and before.status is not Status.REVERSING is after.status)
    ]
    ended = [at for at, each in versions if each.status is Status.ESCALATED]
    if not given_up and began and timedelta() < ended[-1] - max(began) < _DAY - apart - timedelta(minutes=1):
        yield f"I8 {name} was given up again before a day of its own"
    own = record.renewals and not record.reissues and not began
    if not given_up and own and ended[0] - versions[0][0] < _DAY - apart - timedelta(minutes=1):
        yield f"I8 {name} was given up before a day of its own"
    if record.mailed_at is None:
        return
    undisturbed = not life.ends["died"] and not life.ends["timed out"] and not life.plan.rounds
    if undisturbed and not life.ends["Escalated"] and not any(v.what is What.RECOVER for v in life.plan.visits):
        yield f"I8 {name} was escalated, and its execution has not failed"
    is_mailed = any(name in subject for _, subject, _ in life.notifier.mails)
    for subject, text in life.notifier.notices:
        if name in subject and "was mailed to Amazon" in text and not is_mailed:
            yield f"I8 {name} is told to have been mailed, and was not"


def _look_at_unwanted(life: Watched) -> Iterator[str]:
    """Live cards that were to be reversed: Amazon must have been asked while it could still do so."""
    if life.plan.crashes or life.plan.aws or life.plan.outages:
        return
    world, start = life.shore.sandbox.world, life.stage.started
    live = live_charges(world)
    for charge in world.charges:
        record = life.ledger.records.get(charge.request_id)
        if record is None or charge.request_id not in live or charge.value.amount < 0:
            continue
        if record.operation is not Operation.CREATE_GIFT_CARD:
            continue
        born = (charge.at - start).total_seconds()
        reversing = [at for at, each in life.states[record.request_id] if each.status is Status.REVERSING]
        if not reversing or reversing[0] > charge.at or record.status is Status.REVERSING:
            continue
        asked = [
            at
            for at, name, sent, said in life.shore.arrived
            if sent == record.request_id and name == record.operation.reversal and not said.endswith("before")
        ]
        if not any(born < at < born + 890 for at in asked):
            yield f"I8 nobody asked Amazon to undo {record.request_id} while it could"


def _look_at_alerts(life: Watched) -> Iterator[str]:
    """Where nobody dies, and nothing is lost between telling and noting, each alert is told once until it recovers."""
    if life.plan.crashes or life.plan.aws:
        return
    standing: set[object] = set()
    for line, facts in life.telemetry.lines:
        match line.split()[1]:
            case "alertTold" if facts["cause"] in standing:
                yield f"an alert was told twice: {facts['cause']}"
            case "alertTold":
                standing.add(facts["cause"])
            case "alertRecovered":
                standing.discard(facts["cause"])


def _look_for_secrets(life: Watched) -> Iterator[str]:
    """In every version of every record, also those that were written over."""
    secrets = [card.claim_code for card in life.shore.sandbox.world.cards.values()]
    for wanted in life.plan.orders:
        members = SUBJECTS[wanted.operation](wanted.number)
        secrets += [members["cardNumber"]] if "cardNumber" in members else []
        secrets += [members["account"]["id"]] if "account" in members else []
    versions = "".join(repr(record) for each in life.states.values() for _, record in each)
    yield from (f"I4 {secret} was kept in the clear for a while" for secret in secrets if secret in versions)


def _look_at_response(told: Told, life: Watched) -> Iterator[str]:
    visit, response = told.visit, told.response
    name = f"{visit.what.value} {visit.order} at {visit.at:.3f}"
    match response:
        case Delivered(record=record, card=card) if card is not None:
            yield from _look_at_delivery(told, record, life, name)
        case Accepted(record=record) | Standing(record=record) if visit.what is What.CANCEL:
            yield from _look_at_cancel(told, record, life, name)
        case CancelWindowOver():
            yield from _look_at_window(told, life, name)
        case LedgerUnavailable() | AccountUnusable():
            if told.asked_at > life.stage.started + timedelta(seconds=life.plan.calm_at):
                yield f"I3 {name} was not answered although nothing goes wrong any more: {type(response).__name__}"


def _look_at_delivery(told: Told, record: Record, life: Watched, name: str) -> Iterator[str]:
    """Between Amazon's answer and the delivery, the ledger has to have said SUCCEEDED."""
    start = life.stage.started
    seconds = (told.at - start).total_seconds()
    responses = [
        at
        for at, call, sent, _ in life.shore.arrived
        if (call, sent) == (record.operation.value, record.request_id) and at <= seconds
    ]
    if not responses:
        return
    answered_at = start + timedelta(seconds=responses[-1])
    versions = life.states[record.request_id]
    ends = [at for at, _ in versions[1:]] + [told.at]
    for (since, each), until in zip(versions, ends, strict=True):
        if each.status is Status.SUCCEEDED and since <= told.at and until >= answered_at:
            return
    yield f"I7 {name} was delivered a code after its cancel had been accepted"


def _look_at_cancel(told: Told, record: Record, life: Watched, name: str) -> Iterator[str]:
    now = life.ledger.records[record.request_id]
    if now.status is Status.SUCCEEDED and not now.reversal_attempts:
        yield f"I6 {name} was accepted, and nobody has asked Amazon"
    if now.replaced_by is not None and life.states[now.replaced_by][0][0] > told.at:
        yield f"I2 {name} was accepted, and the order came back as a new card"


def _look_at_window(told: Told, life: Watched, name: str) -> Iterator[str]:
    key = life.key_of(told.visit.order)
    record = life.ledger.records.get(key.request_id) if key else None
    if record is None or any(" TooLate" in line for line in record.history):
        return
    if record.operation is not Operation.CREATE_GIFT_CARD:
        yield f"I6 {name} was told that it is too late, which Amazon has not said"
    charges = life.shore.sandbox.world.charges
    born = [each.at for each in charges if each.request_id == record.request_id and each.value.amount > 0]
    if born and told.at + timedelta(seconds=life.apart) < max(born) + _CANCEL_WINDOW:
        yield f"I6 {name} was told that it is too late, and it is not"
