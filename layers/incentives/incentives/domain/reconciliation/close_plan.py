"""Whether a month can be closed, and with which figures: a pure function of what the books hold.

    opening + named movements - charges + refunds = closing          to the cent, or no close
    ledger  + bridge, by kind                     = charges - refunds
    open items at the start + new - ended         = open items at the end

The digest of the inputs tells whether a close still stands for what the books hold: the same inputs have the same one.
Nothing of the moment of closing is in it, nor in any file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.money import CURRENCY_DECIMALS
from incentives.domain.reconciliation.closing import Opening
from incentives.domain.reconciliation.days import month_of
from incentives.domain.reconciliation.movements import booked_on

if TYPE_CHECKING:
    from incentives.domain.reconciliation.balance import MovementName, MovementPart
    from incentives.domain.reconciliation.findings import FileRef, Finding, Judged, Resolution
    from incentives.domain.reconciliation.movements import Movement

#: Of the manifest and of what the digest is made of.
FORMAT: Final = 1

#: Of the days, requests and movements in a sentence.
_NAMED_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedObject:
    """A judged day as it was read.

    Attributes:
        sha256: of its bytes.
        judged: what a close needs of what they say: not what the day left to the next, and open items only of the last
            day of a month. A day may leave a hundred thousand findings, and each day after it most of them again.
        carry: digest of what the day left to the next.
    """

    name: str
    sha256: str
    judged: Judged
    carry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayToClose:
    """One booking day of the month.

    Attributes:
        is_current: whether it has been judged since it was read last.
        final: whether no more rows are to be expected.
        page_off: Amazon does not show its rows, and there is no statement.
        incomplete: why some of its rows could not be read.
    """

    day: date
    is_current: bool = False
    final: bool = False
    page_off: bool = False
    incomplete: str | None = None
    judged: JudgedObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthBalance:
    """The account's balance beside its rows.

    Attributes:
        opening: exact, at the month's start; None: not known.
        closing: exact, at its end; None: not known.
        is_day_after_known: whether the day after the month has been judged, without which nothing is known of its end.
        movements: that touch the month, oldest first.
        names: what finance says of movements, by id.
    """

    opening: Decimal | None
    closing: Decimal | None
    is_day_after_known: bool
    movements: tuple[Movement, ...]
    names: Mapping[str, MovementName]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousMonth:
    """What a month goes on from.

    Attributes:
        closing: its balance at the end; None: it was closed without one.
        last_day: as it was judged when the month was closed.
    """

    month: str
    manifest: FileRef
    closing: Decimal | None
    last_day: JudgedObject


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseInputs:
    """What a close is made of.

    Attributes:
        zone: that the books are kept in now.
        days: from the month's first, or from the first day of the books.
        resolutions: of the month's findings, by id.
        balance: None: the account's balance is no part of the books.
        opening: that finance named; None: nobody has.
        previous: None: the books begin in this month; a text: why there is none to go on from.
    """

    account: str
    month: str
    zone: str
    days: Sequence[DayToClose]
    resolutions: Mapping[str, Resolution]
    balance: MonthBalance | None
    opening: Opening | None
    previous: PreviousMonth | str | None

    @property
    def objects(self) -> list[JudgedObject]:
        """The judged days."""
        return [each.judged for each in self.days if each.judged is not None]

    @property
    def findings(self) -> list[Finding]:
        """Differences that were found in the month and stand, each once."""
        return list({f.difference_id: f for each in self.objects for f in each.judged.findings}.values())

    @property
    def cleared(self) -> list[Finding]:
        """Differences of the month that are gone."""
        standing = {f.difference_id for f in self.findings}
        gone = {f.difference_id: f for each in self.objects for f in each.judged.cleared}
        return [f for key, f in gone.items() if key not in standing]

    @property
    def previous_month(self) -> PreviousMonth | None:
        """The month that it goes on from, if there is one and it is closed."""
        return self.previous if isinstance(self.previous, PreviousMonth) else None

    @property
    def currency(self) -> str:
        """The account's, by its first judged day."""
        return self.objects[0].judged.currency

    def parts(self) -> list[tuple[Movement, MovementPart]]:
        """What named movements added in this month."""
        if self.balance is None:
            return []
        return [
            (movement, part)
            for movement in self.balance.movements
            if (name := self.balance.names.get(movement.movement_id)) is not None
            for part in name.parts
            if self.holds(booked_on(movement, part))
        ]

    def holds(self, day: date) -> bool:
        """Whether a day is one of those that are closed."""
        return month_of(day) == self.month and bool(self.days) and day >= self.days[0].day


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a month cannot be closed: one sentence each, behind a word for programs."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItems:
    """Open items of the month.

    Attributes:
        carried: open at its start and at its end.
        new: only at its end. An item whose amount at risk changed has ended, and another is new.
        ended: only at its start.
    """

    carried: tuple[Finding, ...]
    new: tuple[Finding, ...]
    ended: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A month that can be closed.

    Attributes:
        figures: amounts as decimal strings, counts as whole numbers, by name.
        opening: the balance at the start and where it is from; None: the account's balance is no part of the books.
    """

    inputs: CloseInputs
    digest: str
    figures: Mapping[str, str]
    opening: Opening | None
    open_items: OpenItems


def plan(inputs: CloseInputs) -> Blocked | Plan:
    """Plan a close. The same inputs give the same plan."""
    reasons = [*_about_the_previous_month(inputs), *_about_days(inputs), *_about_differences(inputs)]
    if inputs.objects:
        reasons += _about_sums(inputs)
        # Of days that are missing the balance would complain a second time.
        if len(inputs.objects) == len(inputs.days):
            reasons += _about_the_balance(inputs)
    if reasons:
        return Blocked(tuple(reasons))
    items = _open_items(inputs)
    return Plan(
        inputs=inputs,
        digest=digest_of(inputs),
        figures=_figures(inputs, items),
        opening=_opening(inputs),
        open_items=items,
    )


def digest_of(inputs: CloseInputs) -> str:
    """Tells these inputs from all others. Zone and tzdata are in the judged objects."""
    balance, previous = inputs.balance, inputs.previous_month
    facts = {
        "format": FORMAT,
        "account": inputs.account,
        "month": inputs.month,
        "judged": [
            [each.day.isoformat(), each.judged.name, each.judged.sha256] if each.judged else [each.day.isoformat()]
            for each in inputs.days
        ],
        "resolutions": [resolution_facts(each) for _, each in sorted(inputs.resolutions.items())],
        "balance": balance
        and {
            # What Amazon's balances say of the start is told, and no figure rests on it.
            "closing": _text(balance.closing),
            "movements": [
                [each.movement_id, _name_facts(balance.names.get(each.movement_id))] for each in balance.movements
            ],
        },
        "opening": [_text(inputs.opening.amount), inputs.opening.source] if inputs.opening and balance else None,
        "previous": [previous.manifest.name, previous.manifest.sha256] if previous else None,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def resolution_facts(resolution: Resolution) -> dict[str, Any]:
    """All that was decided of one finding, as JSON."""
    return {
        "differenceId": resolution.difference_id,
        "decisions": [[each.reason.value, each.note, each.by, each.at.isoformat()] for each in resolution.decisions],
    }


def _name_facts(name: MovementName | None) -> list[Any] | None:
    if name is None:
        return None
    parts = [[each.type.value, _text(each.amount), each.on.isoformat(), each.reference] for each in name.parts]
    return [name.by, name.at.isoformat(), parts]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def amount_text(minor: int, currency: str) -> str:
    """Minor units as a decimal string, below zero as well."""
    return f"{Decimal(minor).scaleb(-CURRENCY_DECIMALS[currency]):f}"


def time_text(moment: datetime) -> str:
    """A time in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- what blocks -----------------------------------------------------------------------------------------------------


def _about_the_previous_month(inputs: CloseInputs) -> Iterable[str]:
    if isinstance(inputs.previous, str):
        yield f"previousMonth: {inputs.previous}"
    previous, first = inputs.previous_month, inputs.days[0].judged if inputs.days else None
    if previous and first and not _goes_on(previous.last_day, first):
        yield (
            f"previousMonth: {previous.month} was reconciled anew since it was closed. Close it again; if that does "
            f"not help, run {first.judged.day} again."
        )


def _about_days(inputs: CloseInputs) -> Iterable[str]:
    groups: tuple[tuple[str, Callable[[DayToClose], bool], str], ...] = (
        (
            "notJudged",
            lambda day: not day.page_off and not (day.is_current and day.judged),
            "not reconciled yet. The watch does it within the hour after the day's end; run it if it is late.",
        ),
        (
            "noActivityPage",
            lambda day: day.page_off,
            "without rows: Amazon does not show this account's activity. Upload a statement.",
        ),
        (
            "notFinal",
            lambda day: bool(day.judged) and not day.final and not day.incomplete,
            "not final: rows come late. Read again a day after the day's end; a statement has to be made after that.",
        ),
    )
    for code, is_so, what in groups:
        days = [day.day.isoformat() for day in inputs.days if is_so(day)]
        if days:
            yield f"{code}: {_listed(days)}: {what}"
    for day in inputs.days:
        if day.incomplete:
            yield f"incomplete: {day.day}: {day.incomplete}. Run it again, or upload a statement."
    zoned = [each.judged.day.isoformat() for each in inputs.objects if each.judged.zone != inputs.zone]
    if zoned:
        yield f"zone: {_listed(zoned)}: judged in another zone than {inputs.zone}. Run again."
    for before, after in pairwise(inputs.days):
        if before.judged and after.judged and not _goes_on(before.judged, after.judged):
            yield f"notJudged: {after.day}: judged before {before.day} was judged anew. Run it again."


def _goes_on(before: JudgedObject, after: JudgedObject) -> bool:
    return after.judged.carried_from == before.carry


def _about_differences(inputs: CloseInputs) -> Iterable[str]:
    open_ones = [each for each in inputs.findings if each.difference_id not in inputs.resolutions]
    for day in sorted({each.found_on for each in open_ones}):
        its = [each for each in open_ones if each.found_on == day]
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(f.kind.value for f in its).items()))
        named = _listed([each.request_id or f"difference {each.difference_id}" for each in its])
        yield f"unresolved: {day}: {kinds} ({named}). Resolve them, or run the day again if they are gone."


def _about_sums(inputs: CloseInputs) -> Iterable[str]:
    """What can only be if a judged object is not what this version writes."""
    currencies = sorted({each.judged.currency for each in inputs.objects})
    if len(currencies) > 1:
        yield f"inconsistent: the account's days are in {' and '.join(currencies)}."
    for judged in (each.judged for each in inputs.objects):
        groups = [each for each in judged.allocation if each.currency == judged.currency]
        if judged.ledger + sum(judged.bridge.values()) != judged.net:
            yield f"inconsistent: {judged.day}: the bridge does not lead from the ledger to Amazon. Run it again."
        if (sum(each.charged for each in groups), sum(each.refunded for each in groups)) != (
            judged.charges.amount,
            judged.refunds.amount,
        ):
            yield f"inconsistent: {judged.day}: its allocation does not add up. Run it again."


#: Of what blocks a close, so many movements are told one by one: all of it has to fit into one item.
_MOVEMENTS_SAID: Final = 20


def _about_the_balance(inputs: CloseInputs) -> Iterable[str]:
    balance = inputs.balance
    if balance is None:
        return
    first, last = inputs.days[0].day, inputs.days[-1].day
    unnamed = [each for each in balance.movements if each.movement_id not in balance.names or each.amount is None]
    for movement in unnamed[:_MOVEMENTS_SAID]:
        when = f"between {time_text(movement.start)} and {time_text(movement.end)}"
        if movement.amount is None:
            yield (
                f"noQuietBalance: the balance moved {when}, by {movement.low:f} to {movement.high:f} "
                f"{movement.currency}: every balance near it has rows within three seconds."
            )
        else:
            yield (
                f"unnamedMovement: the balance moved {when}, by {movement.amount:f} {movement.currency}. "
                f"Name movement {movement.movement_id}."
            )
    if len(unnamed) > _MOVEMENTS_SAID:
        yield (
            f"unnamedMovement: and {len(unnamed) - _MOVEMENTS_SAID} more. So many mean that Amazon's rows do not "
            "explain the balance: a type is missing in ActivityTypes, or Amazon invoices the account "
            "(AccountsWithoutBalance)."
        )
    opening = _opening(inputs)
    if opening is None and not isinstance(inputs.previous, str):
        yield f"opening: name the balance with which {first} begins, and where you have it from."
    if not balance.is_day_after_known:
        yield f"notJudged: the day after {last} is not reconciled yet, and the balance at the month's end needs it."
    elif balance.closing is None and not unnamed:
        yield (
            f"noQuietBalance: no balance near the end of {last} is exact: none was kept, or each has rows within three "
            "seconds of it."
        )
    if opening is None or balance.closing is None or unnamed:
        return
    net = Decimal(sum(each.judged.net for each in inputs.objects)).scaleb(-CURRENCY_DECIMALS[inputs.currency])
    moved = sum((part.amount for _, part in inputs.parts()), Decimal(0))
    expected = opening.amount + moved - net
    if expected != balance.closing:
        yield (
            f"balance: {opening.amount:f} at the start, {moved:+f} of movements and {-net:+f} of rows make "
            f"{expected:f} {inputs.currency}; Amazon's balance is {balance.closing:f}, off by "
            f"{balance.closing - expected:+f}."
            + (f" By Amazon's balances it began with {balance.opening:f}." if balance.opening is not None else "")
        )


def _opening(inputs: CloseInputs) -> Opening | None:
    if inputs.balance is None:
        return None
    previous = inputs.previous_month
    if previous is not None and previous.closing is not None:
        return Opening(amount=previous.closing, source=f"closing of {previous.month}")
    return inputs.opening


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


# ---- figures ---------------------------------------------------------------------------------------------------------


def _open_items(inputs: CloseInputs) -> OpenItems:
    def by_key(items: Iterable[Finding]) -> dict[tuple[str, int], Finding]:
        return {(each.difference_id, each.amount): each for each in items}

    before = by_key(inputs.previous_month.last_day.judged.open_items if inputs.previous_month else ())
    after = by_key(inputs.objects[-1].judged.open_items)
    return OpenItems(
        carried=tuple(each for key, each in sorted(after.items()) if key in before),
        new=tuple(each for key, each in sorted(after.items()) if key not in before),
        ended=tuple(each for key, each in sorted(before.items()) if key not in after),
    )


def _figures(inputs: CloseInputs, items: OpenItems) -> dict[str, str]:
    currency, days = inputs.currency, [each.judged for each in inputs.objects]

    def text(minor: int) -> str:
        return amount_text(minor, currency)

    figures = {"currencyCode": currency}
    opening = _opening(inputs)
    if opening is not None:
        figures["opening"] = _exact(opening.amount, currency)
        figures["movements"] = _exact(sum((part.amount for _, part in inputs.parts()), Decimal(0)), currency)
        types = sorted({part.type for _, part in inputs.parts()})
        for each in types:
            its = sum((part.amount for _, part in inputs.parts() if part.type is each), Decimal(0))
            figures[f"movements.{each.value}"] = _exact(its, currency)
    figures["charges"] = text(sum(day.charges.amount for day in days))
    figures["charges.count"] = str(sum(day.charges.count for day in days))
    figures["refunds"] = text(sum(day.refunds.amount for day in days))
    figures["refunds.count"] = str(sum(day.refunds.count for day in days))
    if inputs.balance is not None and inputs.balance.closing is not None:
        figures["closing"] = _exact(inputs.balance.closing, currency)
    figures["ledger"] = text(sum(day.ledger for day in days))
    bridge: Counter[str] = Counter()
    for day in days:
        bridge.update(day.bridge)
    figures |= {f"bridge.{kind}": text(amount) for kind, amount in sorted(bridge.items()) if amount}
    foreign = sorted({code for day in days for code in day.foreign})
    for code in foreign:
        for number, what in enumerate(("charges", "refunds")):
            total = sum(day.foreign.get(code, (0, 0))[number] for day in days)
            figures[f"{what}.{code}"] = amount_text(total, code)
    groups = {
        "opening": (*items.carried, *items.ended),
        "new": items.new,
        "ended": items.ended,
        "closing": (*items.carried, *items.new),
    }
    for name, found in groups.items():
        figures[f"openItems.{name}.count"] = str(len(found))
        figures[f"openItems.{name}"] = text(sum(item.amount for item in found if item.currency == currency))
    figures["differences.resolved"] = str(len(inputs.findings))
    figures["differences.cleared"] = str(len(inputs.cleared))
    return figures


def _exact(amount: Decimal, currency: str) -> str:
    return f"{amount.quantize(Decimal(1).scaleb(-CURRENCY_DECIMALS[currency])):f}"
