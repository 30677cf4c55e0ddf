"""The promises, held against Amazon's own activity of charges once a history is over."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from incentives.domain.accounts.spend import charge_of
from incentives.domain.errors import KeyReused, RefusedByAmazon, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Record, Status
from incentives.usecases.single_requests.results import Delivered, Standing
from sandbox.model.world import Charge, World
from tests.simulation.around import (
    cents_charged,
    check_alerts,
    check_bulk,
    check_case,
    check_keys,
    check_mails,
    check_stream,
)
from tests.simulation.books import check_books
from tests.simulation.keyring import secret_key
from tests.simulation.life import SUBJECTS, Life, Told
from tests.simulation.plan import Visit, What
from tests.support.account_states import FakeAccountStates
from tests.support.fakes import START

#: Amazon's own limit, of calls in any second.
PER_SECOND_MAX: Final = 10

#: Of eight a second, a new process's first calls may add two (see the rate limiter), and the way to Amazon lets another
#: slip in: once in some thousand bursts Amazon throttles one call, which is no response to anything.
PER_SECOND_MAX_BEGUN: Final = PER_SECOND_MAX + 1

#: Processes whose clocks differ may pass it until they have heard of each other, by no more than two of them at full
#: pace; and a call that is held up between its permit and Amazon, by a process that freezes or a write that has to be
#: tried again, comes among those of later permits.
PER_SECOND_MAX_APART: Final = 16

#: Seconds between clocks that agree.
CLOCKS_AGREE: Final = 0.05

#: Visits that are answered with a card.
_ORDERING: Final = frozenset({What.ORDER, What.LATER, What.OTHER_BODY})


@dataclass
class Report:
    histories: int = 0
    orders: int = 0
    calls: int = 0
    double_issues: int = 0
    unrecorded_charges: int = 0
    open_after_a_day: int = 0
    ids_reused: int = 0
    codes_at_rest: int = 0
    fastest_second: int = 0
    fastest_apart: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        for name in ("histories", "orders", "calls", *COUNTS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.fastest_second = max(self.fastest_second, other.fastest_second)
        self.fastest_apart = max(self.fastest_apart, other.fastest_apart)
        self.ended += other.ended
        self.faults += other.faults
        self.broken += other.broken


#: What must be nought.
COUNTS: Final = ("double_issues", "unrecorded_charges", "open_after_a_day", "ids_reused", "codes_at_rest")


def examine(life: Life) -> Report:
    """Check every promise; the text of each broken one begins with its name."""
    report = Report(histories=1, orders=len(life.plan.wanted), calls=len(life.shore.arrived))
    world, records = life.shore.sandbox.world, life.ledger.records
    take_the_time(life, report)
    report.ended.update(record.status.value for record in records.values() if record.replaced_by is None)
    report.faults = life.shore.faults + life.faults
    doubled = charged_twice(world, {record.request_id: record.key_hash for record in records.values()})
    report.double_issues = len(doubled)
    unrecorded = {charge.request_id for charge in world.charges} - records.keys()
    report.unrecorded_charges = len(unrecorded)
    report.open_after_a_day = len(life.overdue)
    reused = list(_reused(life, world.charges))
    report.ids_reused = len(reused)
    at_rest = _at_rest(life)
    leaked = list(_leaked(life, world, at_rest))
    report.codes_at_rest = len(leaked)
    report.broken += [
        *life.broken,
        *(f"I2 two live charges for one key: {each}" for each in doubled),
        *(f"I3 a charge without a record: {each}" for each in unrecorded),
        *(f"I3 open after a day: {each}" for each in life.overdue),
        *(f"I7 charged again after its end: {each}" for each in reused),
        *(f"I4 {each}" for each in leaked),
        *(f"I10 a key is kept in the clear: {each}" for each in life.keyring.names if secret_key(each) in at_rest),
        *_check_ends(life, world),
        *(check_stream(life) if life.stream else _check_spend(life)),
        *check_alerts(life),
        *check_keys(life),
        *check_bulk(life),
        *check_mails(life),
        *check_books(life),
        *_check_last_words(life),
        *(life.control.check_end() if life.control else ()),
        *(text for told in life.told for text in _check_told(told, life, world)),
    ]
    if report.fastest_second > PER_SECOND_MAX_BEGUN or report.fastest_apart > PER_SECOND_MAX_APART:
        report.broken.append(f"I5 {report.fastest_second or report.fastest_apart} calls in one second")
    return report


def take_the_time(life: Life, report: Report) -> None:
    fastest = fastest_second(at for at, *_ in life.shore.arrived)
    plan = life.plan
    if max(plan.skews) - min(plan.skews) <= CLOCKS_AGREE and not plan.aws and not plan.crashes:
        report.fastest_second = fastest
    else:
        report.fastest_apart = fastest


def charged_twice(world: World, key_of: dict[str, str]) -> list[str]:
    """Keys for which two charges were live at the same time, however briefly."""
    live: dict[str, set[str]] = defaultdict(set)
    found = []
    for charge in sorted(world.charges, key=lambda each: each.at):
        at_hand = live[key_of.get(charge.request_id, charge.request_id)]
        if charge.value.amount < 0:
            at_hand.discard(charge.request_id)
        elif charge.request_id in at_hand or at_hand:
            found.append(charge.request_id)
        else:
            at_hand.add(charge.request_id)
    return found


def live_charges(world: World) -> set[str]:
    balance: Counter[str] = Counter()
    for charge in world.charges:
        balance[charge.request_id] += 1 if charge.value.amount > 0 else -1
    return {request_id for request_id, count in balance.items() if count > 0}


def fastest_second(moments: Iterable[float]) -> int:
    window: list[float] = []
    most = 0
    for at in sorted(moments):
        window = [each for each in window if each > at - 1] + [at]
        most = max(most, len(window))
    return most


def _reused(life: Life, charges: list[Charge]) -> Iterator[str]:
    """Charges under an id after its record had ended as reversed or refused."""
    for charge in charges:
        ended_at = life.ledger.void_at.get(charge.request_id)
        if charge.value.amount > 0 and ended_at is not None and charge.at > ended_at:
            yield charge.request_id


def _at_rest(life: Life) -> str:
    """All that is written down anywhere, but for the secret itself."""
    kept = [life.ledger.records, life.ledger.keys, life.telemetry.lines, life.inputs, life.notifier.mails]
    kept += [life.notifier.notices, life.events, life.table.items]
    if life.stream is not None:
        # Of every version of every record: whatever the ledger's adapter writes.
        kept += [life.stream.images, life.stream.states]
    if life.bulk is not None:
        kept += [life.bulk.at_rest]
    if life.tables is not None:
        kept += [life.tables.dynamo.tables]
    return "".join(repr(each) for each in kept)


def _leaked(life: Life, world: World, at_rest: str) -> Iterator[str]:
    """I4: claim codes, and what else must not be readable at rest."""
    secrets = [card.claim_code for card in world.cards.values()]
    for wanted in life.plan.orders:
        members = SUBJECTS[wanted.operation](wanted.number)
        secrets += [members["cardNumber"]] if "cardNumber" in members else []
        secrets += [members["account"]["id"]] if "account" in members else []
    yield from (f"{secret} is kept in the clear" for secret in secrets if secret in at_rest)


def _check_ends(life: Life, world: World) -> Iterator[str]:
    live = live_charges(world)
    # By Amazon, of its own accord: whoever asks for such a card's code again is told so, and its record stays.
    refunded = {charge.request_id for charge in world.charges if charge.operation == "RefundedByFault"}
    for record in life.ledger.records.values():
        name = f"{record.request_id} ({record.status.value})"
        match record.status:
            case Status.SUCCEEDED:
                if record.request_id in refunded:
                    continue
                if record.request_id not in live:
                    yield f"I3 {name} is not charged"
                elif record.operation is Operation.CREATE_GIFT_CARD:
                    card = world.cards[record.partner_id, record.request_id]
                    if card.gc_id != record.gc_id or card.value.amount != record.value.amount:
                        yield f"I3 {name} is another card"
            case Status.REVERSED | Status.REFUSED:
                if record.request_id in live:
                    yield f"I3 {name} is charged"
            case Status.ESCALATED:
                yield from check_case(record, life)
            case _:
                yield f"I3 {name} never ended"


def _check_spend(life: Life) -> Iterator[str]:
    """I3: what the ledger's stream tells, in pieces of which some come twice and late, adds up to what is charged."""
    chance = random.Random(f"stream {life.plan.seed}")
    told = [(float(place), change) for place, change in enumerate(life.ledger.stream)]
    late = [(place + chance.uniform(0, 100), change) for place, change in told if chance.random() < 0.2]
    ordered = [change for _, change in sorted((*told, *late), key=lambda each: each[0])]
    states = FakeAccountStates()
    for before, after in ordered:
        was = charge_of(before) if before else None
        if was != charge_of(after):
            states.count(after, was, START)
    days = states.states["default"].days if states.states else {}
    counted = sum(tally.minor for kinds in days.values() for tally in kinds.values())
    if counted != cents_charged(life):
        yield f"I3 {counted} cents were counted as spent, and {cents_charged(life)} are"


def _check_last_words(life: Life) -> Iterator[str]:
    """Nothing is refused for want of a key to the end, if there is one that Amazon takes."""
    if not life.shore.takes(life.keyring.current):
        return
    last = {told.visit.order: told.response for told in life.told if told.visit.what in _ORDERING - {What.OTHER_BODY}}
    for order, response in last.items():
        if isinstance(response, RefusedByAmazon) and response.retryable:
            yield f"I6 order {order} was last told {response.error_type}, and nothing is in its way"


def _check_told(told: Told, life: Life, world: World) -> Iterator[str]:
    visit, response = told.visit, told.response
    record = _newest(life, visit)
    if record is None:
        return
    name = f"{visit.what.value} {visit.order} at {visit.at:.3f}"
    if isinstance(response, RefusedByAmazon | StateConflict):
        about = life.ledger.records.get(response.request_id or "")
        # What was refused as it stood then may have been ordered again since.
        record = about if about is not None and about.status is Status.REFUSED else record
    is_live = record.request_id in live_charges(world)
    match response:
        case Delivered():
            yield from _check_delivery(told, response, life, world, name)
        case Standing(record=shown) if shown.status is Status.REVERSED and is_live:
            yield f"I6 {name} was told that it is reversed, and it is charged"
        case RefusedByAmazon() if visit.what in _ORDERING and is_live:
            yield f"I6 {name} was told that it is refused, and it is charged"
        case StateConflict(request_status=Status.REVERSED | Status.REFUSED) if is_live:
            yield f"I6 {name} was told that nothing is charged, and it is"
        case KeyReused() if _cents(visit, life) == _cents_of(record):
            yield f"I9 {name} is the order of its key, and was refused as another"
    if (
        visit.what in _ORDERING
        and isinstance(response, Delivered)
        and _cents(visit, life) != _cents_of(response.record)
    ):
        yield f"I9 {name} got another order's card"


def _check_delivery(told: Told, response: Delivered, life: Life, world: World, name: str) -> Iterator[str]:
    if response.record.status is not Status.SUCCEEDED:
        yield f"I6 {name} was delivered a card that is {response.record.status.value}"
    if response.card is None or response.record.operation is not Operation.CREATE_GIFT_CARD:
        return
    card = world.cards.get((response.record.partner_id, response.record.request_id))
    code = response.card.claim_code.reveal() if response.card.claim_code else None
    if card is None or card.claim_code != code or card.value.amount != response.record.value.amount:
        yield f"I7 {name} was delivered another card than was issued"
    elif card.cancelled_at is not None and card.cancelled_at < told.asked_at:
        yield f"I7 {name} was delivered a card that had been refunded"
    told_at = (told.at - START).total_seconds()
    asked = (response.record.operation, response.record.request_id)
    if all(said == "created" for at, *call, said in life.shore.arrived if tuple(call) == asked and at <= told_at):
        yield f"I7 {name} was delivered a card that Amazon had not shown as live"


def _newest(life: Life, visit: Visit) -> Record | None:
    key = life.key_of(visit.order)
    record = life.ledger.records.get(key.request_id) if key else None
    while record is not None and record.replaced_by is not None:
        record = life.ledger.records[record.replaced_by]
    return record


def _cents_of(record: Record) -> int:
    return int(record.value.amount * 100)


def _cents(visit: Visit, life: Life) -> int:
    return life.plan.orders[visit.order].cents + (visit.what is What.OTHER_BODY)
