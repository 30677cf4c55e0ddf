"""Judging a booking day: each request over all of Amazon's rows of it, against what the ledger says is due.

Two things are kept apart. *Whether* a request is as it should be goes by all rows read so far and by the ledger as it
stands. *When* money is booked goes by Amazon's activityTime alone: a day's sums are its rows.

    looked at: requests with rows on the day, those created on it, those whose reversal ended on it,
               and whatever the day before left unsettled

A request that is not as it should be counts as in transit until Amazon's rows have reached its last change, and were
asked for again a day later: rows come late. What Amazon has and the ledger does not is told at once, since nothing is
sent unrecorded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from incentives.domain.accounts.spend import minor_units
from incentives.domain.reconciliation.days import day_of
from incentives.domain.reconciliation.entries import CLOCKS_APART, NOTHING_DUE
from incentives.domain.reconciliation.findings import (
    OPEN_KINDS,
    SETTLED,
    TIMING,
    Allocation,
    AmazonSide,
    Decision,
    Finding,
    Kind,
    LedgerSide,
    Reason,
    Sum,
    difference_id,
)
from incentives.domain.reconciliation.rows import ActivityTypes, Effect, Row, line_of, meaning_of
from incentives.domain.single_requests.record import Status

if TYPE_CHECKING:
    from incentives.domain.reconciliation.entries import Entry

#: A difference that somebody has explained is carried from day to day for so long, should Amazon mend it.
CARRIED_FOR: Final = timedelta(days=62)

#: What a row that cannot be read may be the reason for.
_LACKS: Final = frozenset({Kind.MISSING_AT_AMAZON, Kind.REFUNDED_UNEXPECTEDLY, Kind.CHARGED_UNEXPECTEDLY})


@dataclass(frozen=True, slots=True)
class Move:
    """A row that moved money.

    Attributes:
        time: of the row.
        amount: in minor units, never negative.
        day: its booking day.
    """

    row: Row
    time: datetime
    effect: Effect
    amount: int
    currency: str
    day: date

    @property
    def signed(self) -> int:
        """What the account paid: charges are positive."""
        return self.amount if self.effect is Effect.CHARGE else -self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class DayInputs:
    """What a day is judged by.

    Attributes:
        currency: the account's.
        rows: Amazon's, of this day.
        others: Amazon's rows of other days, of the requests that are looked at.
        entries: the ledger's, of every request that is looked at and that it knows.
        looked_at: requests without rows on this day that are looked at all the same.
        carried: what the day before left unsettled.
        decided: what people decided, by finding.
        has_reached: whether Amazon's rows have reached a moment, and were asked for again a day after it.
        begins_at: when the books begin.
        now: aware UTC.
    """

    account: str
    day: date
    zone: ZoneInfo
    types: ActivityTypes
    currency: str
    rows: Sequence[Row]
    others: Sequence[Row]
    entries: Mapping[str, Entry]
    looked_at: frozenset[str]
    carried: Sequence[Finding]
    decided: Mapping[str, Decision]
    has_reached: Callable[[datetime], bool]
    begins_at: datetime
    now: datetime


@dataclass(slots=True)
class DayJudgement:
    """What comes of judging a day, before it is kept.

    Attributes:
        away: requests that Amazon has rows of on this day, though the ledger expects none.
        unsettled: requests that are not as they should be by the rows at hand.
        moves: the day's, in order of time, each with the kind of its request.
    """

    charges: Sum = field(default_factory=Sum)
    refunds: Sum = field(default_factory=Sum)
    foreign: dict[str, tuple[int, int]] = field(default_factory=dict)
    ledger: int = 0
    bridge: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    open_items: list[Finding] = field(default_factory=list)
    carry: list[Finding] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    allocation: tuple[Allocation, ...] = ()
    moves: list[tuple[Move, Kind]] = field(default_factory=list)
    away: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Verdict:
    kind: Kind
    amount: int
    currency: str
    amazon: AmazonSide
    facts: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Request:
    """One request that is looked at: both sides of it, and what the day before said of it."""

    request_id: str
    entry: Entry | None
    moves: Sequence[Move]
    carried: Finding | None


def judge(inputs: DayInputs) -> DayJudgement:
    """Judge one booking day. The same inputs give the same judgement."""
    done = DayJudgement()
    moves, unreadable, hidden = _read(inputs)
    carried = {finding.request_id: finding for finding in inputs.carried if finding.request_id}
    today = {request_id for request_id, its in moves.items() if any(move.day == inputs.day for move in its)}
    kinds: dict[str, Kind] = {}
    unsettled = set[str]()
    for request_id in sorted(today | inputs.looked_at | carried.keys()):
        entry = inputs.entries.get(request_id)
        if entry is None and request_id not in today:
            # Carried, and yet the ledger has lost it: only a restored backup does that. It stays as it was found.
            if request_id in carried:
                done.carry.append(carried[request_id])
            continue
        request = _Request(request_id, entry, moves.get(request_id, []), carried.get(request_id))
        verdict, decision = _verdict(request, inputs)
        if request_id in hidden and verdict.kind in _LACKS:
            verdict = replace(verdict, kind=Kind.UNREADABLE_ROW)
        kinds[request_id] = verdict.kind
        if verdict.kind not in SETTLED:
            unsettled.add(request_id)
        _note(done, request, verdict, decision, inputs)
        _bridge(done, request, verdict, decision, inputs)
    done.findings += _unreadable(unreadable, inputs)
    done.unsettled = frozenset(unsettled)
    done.away = frozenset(
        request_id for request_id in today if not _is_expected(inputs.entries.get(request_id), inputs)
    )
    ordered = sorted(
        (move for its in moves.values() for move in its if move.day == inputs.day),
        key=lambda move: (move.time, move.row.request_id, move.effect, line_of(move.row)),
    )
    done.moves = [(move, kinds[move.row.request_id]) for move in ordered]
    _sum_up(done, ordered, inputs)
    return done


def moves_of(rows: Iterable[Row], entries: Mapping[str, Entry], types: ActivityTypes, zone: ZoneInfo) -> list[Move]:
    """What rows move by themselves, those of no effect and those that cannot be read left out."""
    found: list[Move] = []
    for row in rows:
        meaning = meaning_of(row, types)
        if isinstance(meaning, Effect) and meaning is not Effect.NOTHING:
            found += _moves([(row, meaning)], entries.get(row.request_id), zone)[0]
    return found


def _is_expected(entry: Entry | None, inputs: DayInputs) -> bool:
    return entry is not None and inputs.day in entry.expected_on(inputs.zone)


# ---- Reading rows --------------------------------------------------------------------------------------------


def _read(inputs: DayInputs) -> tuple[dict[str, list[Move]], Counter[tuple[Row, str]], set[str]]:
    """What the rows say.

    Returns:
        Each request's moves in order of time; the day's rows that cannot be read, with why, and how often; and the
        requests that such rows name, on any day: they stand for whatever those requests lack.
    """
    by_request: dict[str, list[tuple[Row, Effect]]] = defaultdict(list)
    unreadable: Counter[tuple[Row, str]] = Counter()
    hidden = set[str]()
    for rows, are_today in ((inputs.others, False), (inputs.rows, True)):
        for row in rows:
            meaning = meaning_of(row, inputs.types)
            if isinstance(meaning, Effect):
                if meaning is not Effect.NOTHING:
                    by_request[row.request_id].append((row, meaning))
            else:
                hidden.add(row.request_id)
                unreadable[row, meaning] += are_today
    moves: dict[str, list[Move]] = {}
    for request_id, its in by_request.items():
        entry = inputs.entries.get(request_id)
        # Charges first within a second: a refund takes its amount from a charge.
        its.sort(key=lambda pair: (pair[0].time, pair[1]))
        found, bare = _moves(its, entry, inputs.zone)
        moves[request_id] = found
        for row in bare:
            hidden.add(row.request_id)
            is_today = row.time is not None and day_of(row.time, inputs.zone) == inputs.day
            unreadable[row, "no amount, and no charge to take it from"] += is_today
    return {request_id: its for request_id, its in moves.items() if its}, unreadable, hidden


def _moves(its: Sequence[tuple[Row, Effect]], entry: Entry | None, zone: ZoneInfo) -> tuple[list[Move], list[Row]]:
    charges = [row.value for row, effect in its if effect is Effect.CHARGE and row.value is not None]
    open_charges = []
    found: list[Move] = []
    bare: list[Row] = []
    for row, effect in its:
        value = row.value
        if effect is Effect.CHARGE:
            open_charges.append(value)
        elif value is None:
            # A refund that names no amount takes back what Amazon itself charged.
            value = open_charges.pop() if open_charges else (charges[0] if charges else None)
            value = value or (entry.value if entry is not None else None)
        elif open_charges:
            open_charges.pop()
        if value is None or row.time is None:
            bare.append(row)
        else:
            found.append(Move(row, row.time, effect, minor_units(value), value.currency, day_of(row.time, zone)))
    return found, bare


# ---- One request ---------------------------------------------------------------------------------------------


def _verdict(request: _Request, inputs: DayInputs) -> tuple[_Verdict, Decision | None]:
    """How one request stands, and what was decided of it if it is escalated."""
    entry, moves = request.entry, request.moves
    if entry is None or entry.account != inputs.account:
        # Rows of later days are those days' own: each of them is told on its own day.
        known = [move for move in moves if move.day <= inputs.day]
        verdict = _judged(Kind.UNKNOWN_TO_LEDGER, 0, entry, known, inputs)
        its = [move for move in known if move.day == inputs.day and move.currency == verdict.currency]
        charged = sum(move.amount for move in its if move.effect is Effect.CHARGE)
        refunded = sum(move.amount for move in its if move.effect is Effect.REFUND)
        return replace(verdict, amount=max(charged, refunded)), None
    due, currency = minor_units(entry.value), entry.value.currency
    if entry.status is Status.ESCALATED:
        facts = (entry.status.value, due, currency)
        decision = inputs.decided.get(difference_id(Kind.ESCALATED, request.request_id, *facts))
        if decision is None:
            return _Verdict(Kind.ESCALATED, due, currency, _side(moves), facts), None
        settled = due if decision.reason is Reason.SETTLED_CHARGED else 0
        return _compared(entry, settled, moves, inputs), decision
    if entry.status.is_open:
        return _in_transit(entry, moves), None
    return _compared(entry, 0 if entry.status in NOTHING_DUE else due, moves, inputs), None


def _in_transit(entry: Entry, moves: Sequence[Move]) -> _Verdict:
    # What was never sent puts nothing at risk.
    value, currency = minor_units(entry.value), entry.value.currency
    at_risk = value if entry.sent is not None else 0
    return _Verdict(Kind.IN_TRANSIT, at_risk, currency, _side(moves), (value, currency))


def _compared(entry: Entry, due: int, moves: Sequence[Move], inputs: DayInputs) -> _Verdict:
    currency = entry.value.currency
    side = _side(moves)
    nets = {code: net for code, net in side.nets.items() if net or code == currency}
    opening = _before_the_books(entry, due, moves, inputs)
    net = nets.pop(currency, 0) + opening
    if net == due and not nets:
        kind = Kind.MATCHED if due or not moves else Kind.REVERSED_PAIR
        return _Verdict(kind, 0, currency, side, ())
    number = side.charges - side.refunds + (1 if opening else 0)
    if due and number == 1:
        # No row that is still to come mends that: it was charged, and not what was asked for.
        return _judged(Kind.AMOUNT_DIFFERS, due - opening, entry, moves, inputs)
    if not inputs.has_reached(entry.changed_at):
        return _in_transit(entry, moves)
    if due:
        below = Kind.REFUNDED_UNEXPECTEDLY if side.refunds else Kind.MISSING_AT_AMAZON
        return _judged(Kind.CHARGED_TWICE if number > 1 else below, due - opening, entry, moves, inputs)
    above = net > 0 or any(other > 0 for other in nets.values())
    kind = Kind.CHARGED_UNEXPECTEDLY if above else Kind.REFUNDED_UNEXPECTEDLY
    return _judged(kind, due - opening, entry, moves, inputs)


def _before_the_books(entry: Entry, due: int, moves: Sequence[Move], inputs: DayInputs) -> int:
    """What a request first sent before the books began was charged then, of which there is no row."""
    begins_at = inputs.begins_at
    if entry.sent is None or entry.sent[0] >= begins_at:
        return 0
    has_row = any(move.effect is Effect.CHARGE and move.time < begins_at + CLOCKS_APART for move in moves)
    was_over = entry.status in NOTHING_DUE and entry.changed_at < begins_at
    if has_row or was_over:
        return 0
    value = minor_units(entry.value)
    net = _side(moves).nets.get(entry.value.currency, 0)
    was_charged = entry.answered_at is not None and entry.answered_at < begins_at
    # Of one that nobody knew the outcome of, whatever makes the books right.
    return value if was_charged or (net != due and net + value == due) else 0


def _side(moves: Iterable[Move]) -> AmazonSide:
    nets: dict[str, int] = {}
    charges = refunds = 0
    for move in moves:
        nets[move.currency] = nets.get(move.currency, 0) + move.signed
        charges += move.effect is Effect.CHARGE
        refunds += move.effect is Effect.REFUND
    return AmazonSide(charges=charges, refunds=refunds, nets=dict(sorted(nets.items())))


def _judged(kind: Kind, due: int, entry: Entry | None, moves: Sequence[Move], inputs: DayInputs) -> _Verdict:
    # `due`: by Amazon's rows, so less what was charged before the books began.
    side = _side(moves)
    currency = entry.value.currency if entry is not None else next(iter(side.nets), inputs.currency)
    off = side.nets.get(currency, 0) - due
    # Of another currency, what is at stake is what was charged in it.
    amount = abs(off) or max((abs(net) for net in side.nets.values()), default=0)
    status = entry.status.value if entry is not None else None
    return _Verdict(kind, amount, currency, side, (status, due, side.charges, side.refunds, side.nets))


def _note(
    done: DayJudgement, request: _Request, verdict: _Verdict, decision: Decision | None, inputs: DayInputs
) -> None:
    request_id, entry, carried = request.request_id, request.entry, request.carried
    if verdict.kind in SETTLED:
        if entry is not None and _books_later(entry, decision, inputs):
            done.later.append(request_id)
        return
    if verdict.kind is Kind.UNREADABLE_ROW:
        # Its row is a finding by itself.
        return
    finding = Finding(
        difference_id=difference_id(verdict.kind, request_id, *verdict.facts),
        kind=verdict.kind,
        request_id=request_id,
        ledger=LedgerSide(status=entry.status.value, amount=minor_units(entry.value), currency=entry.value.currency)
        if entry is not None
        else None,
        amazon=verdict.amazon,
        amount=verdict.amount,
        currency=verdict.currency,
        found_at=inputs.now,
        found_on=inputs.day,
    )
    is_known = carried is not None and carried.difference_id == finding.difference_id
    if is_known and carried is not None:
        finding = replace(finding, found_at=carried.found_at, found_on=carried.found_on)
    if verdict.kind in OPEN_KINDS:
        done.open_items.append(finding)
    elif not is_known:
        done.findings.append(finding)
    if verdict.kind is not Kind.UNKNOWN_TO_LEDGER and not _is_past(finding, inputs):
        done.carry.append(finding)


def _is_past(finding: Finding, inputs: DayInputs) -> bool:
    """Whether it was explained long ago. Rows that come now are looked at by themselves."""
    return (
        finding.kind not in OPEN_KINDS
        and finding.difference_id in inputs.decided
        and finding.found_on < inputs.day - CARRIED_FOR
    )


def _books_later(entry: Entry, decision: Decision | None, inputs: DayInputs) -> bool:
    return any(day > inputs.day for day, _ in entry.booked(inputs.zone, decision))


def _unreadable(rows: Counter[tuple[Row, str]], inputs: DayInputs) -> list[Finding]:
    return [
        Finding(
            difference_id=difference_id(Kind.UNREADABLE_ROW, row.request_id, line_of(row), why, one),
            kind=Kind.UNREADABLE_ROW,
            request_id=row.request_id,
            ledger=None,
            amazon=AmazonSide(why=why),
            amount=minor_units(row.value) if row.value else 0,
            currency=row.value.currency if row.value else inputs.currency,
            found_at=inputs.now,
            found_on=inputs.day,
        )
        for (row, why), number in sorted(rows.items(), key=lambda item: (line_of(item[0][0]), item[0][1]))
        for one in range(number)
    ]


# ---- The day's sums ------------------------------------------------------------------------------------------


def _bridge(
    done: DayJudgement, request: _Request, verdict: _Verdict, decision: Decision | None, inputs: DayInputs
) -> None:
    """Add what the ledger and Amazon book on this day for one request."""
    entry, booked = request.entry, 0
    if entry is not None and entry.account == inputs.account and entry.value.currency == inputs.currency:
        changes = entry.booked(inputs.zone, decision)
        booked = minor_units(entry.value) * sum(times for day, times in changes if day == inputs.day)
    shown = sum(move.signed for move in request.moves if move.day == inputs.day and move.currency == inputs.currency)
    done.ledger += booked
    if shown == booked:
        return
    kind = verdict.kind.value
    if verdict.kind in SETTLED:
        kind = request.carried.kind.value if request.carried is not None else TIMING
    done.bridge[kind] = done.bridge.get(kind, 0) + shown - booked


def _sum_up(done: DayJudgement, moves: Sequence[Move], inputs: DayInputs) -> None:
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for move in moves:
        is_charge = move.effect is Effect.CHARGE
        if move.currency != inputs.currency:
            charged, refunded = done.foreign.get(move.currency, (0, 0))
            done.foreign[move.currency] = (
                (charged + move.amount, refunded) if is_charge else (charged, refunded + move.amount)
            )
        elif is_charge:
            done.charges = done.charges.plus(move.amount)
        else:
            done.refunds = done.refunds.plus(move.amount)
        entry = inputs.entries.get(move.row.request_id)
        key = (
            (entry.budget or "") if entry is not None else "",
            (entry.shown.get("costCenter") or "") if entry is not None else "",
            entry.operation if entry is not None else "",
            move.currency,
        )
        group = groups.setdefault(key, [0, 0, 0])
        group[0 if is_charge else 1] += move.amount
        group[2] += 1
    done.foreign = dict(sorted(done.foreign.items()))
    done.bridge = dict(sorted((kind, amount) for kind, amount in done.bridge.items() if amount))
    done.allocation = tuple(
        Allocation(
            budget=budget,
            cost_center=cost_center,
            operation=operation,
            currency=currency,
            charged=charged,
            refunded=refunded,
            rows=rows,
        )
        for (budget, cost_center, operation, currency), (charged, refunded, rows) in sorted(groups.items())
    )
