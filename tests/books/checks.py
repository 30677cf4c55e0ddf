"""Whether the books of a drawn month tell what was planted, and nothing else; and whether they add up."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import date

from incentives.domain.reconciliation.day_state import DayStatus
from incentives.domain.reconciliation.findings import Judged, Kind
from incentives.domain.reconciliation.judged_objects import decode_judged
from incentives.domain.single_requests.record import Status
from tests.books.desk import Desk
from tests.books.story import ACCOUNT, Story


def examine(desk: Desk) -> Iterator[str]:
    """Every promise that the books of a month break, one text each."""
    for check in (_kinds, _days, _sums, _open, _alerts):
        yield from check(desk)
    # Whatever happened to be read in which order: read anew it comes to the same.
    if told_of(desk) != told_of(desk.run_again()):
        yield "it says otherwise when it is read again"


def told_of(desk: Desk) -> object:
    """What the books say: the differences, and each day's sums."""
    judged = [found for day in desk.world.days[:-2] if (found := desk.judged(day))]
    ids = Counter(each.difference_id for found in judged for each in found.findings)
    return ids, [(found.day, found.charges, found.refunds, found.ledger) for found in judged]


def _kinds(desk: Desk) -> Iterator[str]:
    standing, planted = desk.standing(), desk.world.planted
    yield from (f"false: {_named(key)}" for key in (standing - planted))
    yield from (f"missed: {_named(key)}" for key in (planted - standing))
    passing = Counter((kind, story.request_id) for story in desk.world.stories for kind in story.passing)
    # Nor did any round ever say anything else of a request, not even until the next one.
    for name, content in desk.files.files.items():
        if "/judged-" in name:
            told = Counter((each.kind, each.request_id) for each in decode_judged(content).findings)
            yield from (f"false for a while: {_named(key)} in {name}" for key in told - planted - passing)


def _days(desk: Desk) -> Iterator[str]:
    for day in desk.world.days[:-2]:
        kept, judged = desk.kept.day(ACCOUNT, day), desk.judged(day)
        if kept is None or judged is None or not kept.final:
            yield f"{day} is not judged to its end"
            continue
        expected = DayStatus.DIFFERENCES if judged.findings else DayStatus.BALANCED
        if kept.status is not expected:
            yield f"{day} is {kept.status}, and should be {expected}"
        if judged.ledger + sum(judged.bridge.values()) != judged.net:
            yield f"{day}: ledger {judged.ledger} and bridge {judged.bridge} are not Amazon's {judged.net}"
        charged, refunded = _shown(desk, day)
        if (judged.charges.amount, judged.refunds.amount) != (charged, refunded):
            yield f"{day}: {judged.charges} and {judged.refunds} are not Amazon's {charged} and {refunded}"
        if (in_file := _in_file(desk, judged)) != judged.net:
            yield f"{day}: its transactions are {in_file}, and should be {judged.net}"


def _shown(desk: Desk, day: date) -> tuple[int, int]:
    """What Amazon's rows of a day come to, by the clock on the wall."""
    moved = [row.signed for row in desk.world.rows if row.at.astimezone(desk.world.zone).date() == day]
    return sum(each for each in moved if each > 0), -sum(each for each in moved if each < 0)


def _in_file(desk: Desk, judged: Judged) -> int:
    text = desk.files.files[judged.transactions.name].decode("utf-8-sig")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["currencyCode"] == judged.currency]
    return -sum(round(float(row["signedAmount"]) * 100) for row in rows)


def _sums(desk: Desk) -> Iterator[str]:
    """What the ledger books on its days is in the end what is due by it."""
    judged = [found for day in desk.world.days if (found := desk.judged(day))]
    booked, due = sum(each.ledger for each in judged), sum(map(_due, desk.world.by_id.values()))
    if booked != due:
        yield f"the ledger books {booked} in all, and should book {due}"
    net, shown = sum(each.net for each in judged), sum(row.signed for row in desk.world.rows)
    if net != shown:
        yield f"{net} are booked in all, and Amazon moved {shown}"


def _due(story: Story) -> int:
    status = story.states[-1][1].status
    is_charged = status is Status.SUCCEEDED or bool(story.settles and story.settles[1])
    return int(story.value.amount * 100) if is_charged else 0


def _open(desk: Desk) -> Iterator[str]:
    """In the end nothing is open any more."""
    last = desk.judged(desk.world.days[-3])
    for item in last.open_items if last else ():
        yield f"open to the end: {item.kind} {item.request_id}"


def _alerts(desk: Desk) -> Iterator[str]:
    """People are told once of each kind and day that alerts."""
    subjects = Counter(desk.notifier.notices)
    yield from (f"told {times} times: {subject}" for (subject, _), times in subjects.items() if times > 1)


def _named(key: tuple[Kind, str]) -> str:
    kind, request_id = key
    return f"{kind.value} {request_id}"
