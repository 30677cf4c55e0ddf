"""What accounts spend a day: each request once, whatever comes twice, late, out of order or not at all at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.aws.single_requests.record_items import encode_record
from incentives.aws.stream import read_stream
from incentives.domain.accounts.spend import (
    AVERAGE_DAYS,
    COUNTED_FOR,
    Charge,
    Kind,
    Tally,
    average_daily_spend,
    charge_of,
    difference,
    minor_units,
    money_of,
    spent_on,
)
from incentives.domain.money import CURRENCY_DECIMALS, parse_money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError
from incentives.domain.single_requests.record import Cause, Record, Status
from incentives.usecases.accounts.count_spend import count_spend
from tests.support.books import FakeBooks
from tests.support.fakes import START, FakeAccountStates, usd
from tests.unit.builders import record, reversing, unknown_since
from tests.unit.watching import DAY, HOUR, SHORT, Company, image

S = Status
TODAY: Final = START.date()

#: Totals by account, day, currency and operation.
Totals = Counter[tuple[str, date, str, Operation]]


# ---- lives of requests, as the ledger writes them -----------------------------------------------


def life(kind: str, first: Record) -> list[Record]:
    """Every version of one request's record."""
    at = first.created_at
    #: Status of each version after the first, and what else it brings.
    steps: list[tuple[Status, dict[str, Any]]]
    match kind:
        case "issued":
            steps = [(S.SUCCEEDED, {"answered_at": at})]
        case "issued next day":
            steps = [(S.RECOVERING, {"doubt": True}), (S.SUCCEEDED, {"answered_at": at + DAY})]
        case "refused":
            steps = [(S.REFUSED, {"refusal": AmazonError("F200", "BadInput")})]
        case "open":
            steps = [(S.RECOVERING, {"doubt": True})]
        case "cancelled":
            steps = [(S.SUCCEEDED, {"answered_at": at}), (S.REVERSING, {"cause": Cause.CANCEL}), (S.REVERSED, {})]
        case "cancelled too late":
            steps = [
                (S.SUCCEEDED, {"answered_at": at}),
                (S.REVERSING, {"cause": Cause.CANCEL}),
                (S.REVERSING, {"answered_at": at + HOUR}),
                (S.SUCCEEDED, {}),
            ]
        case "reversed unseen":
            steps = [(S.RECOVERING, {"doubt": True}), (S.REVERSING, {"cause": Cause.REVERSE}), (S.REVERSED, {})]
        case "escalated alive":
            steps = [(S.REVERSING, {"cause": Cause.REVERSE}), (S.REVERSING, {"answered_at": at}), (S.ESCALATED, {})]
        case _:
            raise AssertionError(kind)
    versions = [first]
    for status, updates in steps:
        versions.append(replace(versions[-1], status=status, version=len(versions) + 1, **updates))
    return versions


def stream_of(versions: list[Record]) -> list[dict[str, Any]]:
    """What the ledger's stream tells of them."""
    items = [encode_record(each) for each in versions]
    return [
        {"dynamodb": {"NewImage": after, **({"OldImage": before} if before else {})}}
        for before, after in zip([None, *items[:-1]], items, strict=True)
    ]


#: When each kind of life is charged in the end, counted from its beginning; not at all where it is not named.
CHARGED: Final[Mapping[str, timedelta]] = {
    "issued": timedelta(),
    "issued next day": DAY,
    "cancelled too late": HOUR,
    "escalated alive": timedelta(),
}
KINDS: Final = (*CHARGED, "refused", "open", "cancelled", "reversed unseen")


def totals_of(states: FakeAccountStates) -> Totals:
    found = Totals()
    for account, state in states.states.items():
        for day, kinds in state.days.items():
            for (currency, operation), tally in kinds.items():
                assert (tally.minor == 0) == (tally.count == 0)
                found[account, day, currency, operation] += tally.minor
    return +found


def count(stream: list[dict[str, Any]], company: Company) -> str | None:
    return count_spend(read_stream({"Records": stream}), company.watch)


# ---- the ledger and the totals ------------------------------------------------------------------


@given(st.data())
def test_whatever_the_order_the_newest_version_counts(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    order = data.draw(st.permutations(stream_of(life(kind, record(created_at=START))) * 2))
    c = Company()
    assert isinstance(c.states, FakeAccountStates)
    count(order, c)
    charged = {("default", (START + CHARGED.get(kind, timedelta())).date(), "USD", Operation.CREATE_GIFT_CARD): 2_500}
    assert totals_of(c.states) == Totals(charged if kind in CHARGED else {})


def test_a_plain_request_is_written_once_and_a_refused_one_never() -> None:
    c = Company()
    calls = []
    c.states.count = lambda record, was, now: bool(calls.append(record.version))  # type: ignore[method-assign,func-returns-value]
    for kind in ("issued", "refused", "open", "reversed unseen"):
        count(stream_of(life(kind, record(created_at=START))), c)
    assert calls == [2]


def test_a_card_that_is_reversed_after_its_memory_has_expired_comes_off_its_own_day() -> None:
    c = Company()
    assert isinstance(c.states, FakeAccountStates)
    *_, issued = life("issued", record(created_at=START))
    count([image(None, issued)], c)
    c.states.counted.clear()
    c.world.clock.time = START + COUNTED_FOR + 2 * DAY
    gone = image(replace(issued, status=S.REVERSING, version=3), replace(issued, status=S.REVERSED, version=4))
    count([gone, gone], c)
    assert totals_of(c.states) == Totals()
    assert c.states.states["default"].days[TODAY] == {("USD", Operation.CREATE_GIFT_CARD): Tally(undone=2_500)}


def test_what_is_not_counted_comes_again_from_there() -> None:
    c = Company()
    assert isinstance(c.states, FakeAccountStates)
    records = [
        numbered(n, image(None, replace(record(S.SUCCEEDED), request_id=f"R{n}", answered_at=START))) for n in range(3)
    ]
    c.states.works = False
    assert count(records[1:], c) == "1"
    c.states.works = True
    assert count(records, c) is None
    assert sum(totals_of(c.states).values()) == 7_500


def numbered(number: int, stream_record: dict[str, Any]) -> dict[str, Any]:
    return {"dynamodb": stream_record["dynamodb"] | {"SequenceNumber": str(number)}}


def test_an_unreadable_record_is_named_and_the_earlier_ones_are_counted() -> None:
    c = Company()
    assert isinstance(c.states, FakeAccountStates)
    good = numbered(1, image(None, record(S.SUCCEEDED, answered_at=START)))
    bad = numbered(2, image(None, record(S.SUCCEEDED, answered_at=START)))
    bad["dynamodb"]["NewImage"] |= {"status": {"S": "NOBODY_KNOWS"}}
    assert count([good, {"dynamodb": {}}, bad], c) == "2"
    assert sum(totals_of(c.states).values()) == 2_500


def test_a_refusal_while_an_earlier_attempt_is_in_doubt_is_told_as_well() -> None:
    c = Company()
    before = unknown_since(version=2)
    count([image(before, reversing(Cause.REFUSED, refusal=SHORT, version=3))], c)
    count([image(reversing(Cause.REFUSED, refusal=SHORT), record(S.REVERSED, refusal=SHORT, version=5))], c)
    assert c.alerts == ["insufficientFunds"]


# ---- what the books have to be told ----------------------------------------------------------------


def ended(status: Status, at: datetime, **updates: Any) -> dict[str, Any]:
    """A reversal of a request of 12:00 UTC that ends."""
    before = reversing(version=5, **{"first_sent_at": START, **updates})
    return numbered(7, image(before, replace(before, status=status, version=6, updated_at=at)))


@pytest.mark.parametrize("status", [S.REVERSED, S.REFUSED, S.ESCALATED, S.SUCCEEDED])
def test_a_reversal_that_ends_on_a_later_booking_day_is_noted_for_it_once(status: Status) -> None:
    # given books of a zone in which it is one o'clock, of the next day
    books = FakeBooks()
    c = Company(books=books, zone="Pacific/Auckland")
    midnight = START + timedelta(hours=23)
    for at in (START + HOUR, midnight, midnight):
        count([ended(status, at)], c)
    assert (books.ended("default", TODAY + DAY), books.ended("default", TODAY + 2 * DAY)) == ([], ["Test1AAAA"])


def test_a_reversal_that_begins_on_a_later_booking_day_is_noted_for_it() -> None:
    # given a card of noon that somebody cancels a day later, whose end is still to come
    books = FakeBooks()
    begun = reversing(version=6, first_sent_at=START, updated_at=START + DAY)
    live = replace(begun, status=S.SUCCEEDED, version=5, updated_at=START, wake_at=None)
    count([numbered(7, image(live, begun))], Company(books=books))
    assert books.ended("default", TODAY + DAY) == ["Test1AAAA"]


def test_a_request_that_was_never_sent_began_when_it_was_created() -> None:
    books = FakeBooks()
    c = Company(books=books)
    never = {"first_sent_at": None, "created_at": START - DAY}
    count([ended(S.REVERSED, START, **never)], c)
    assert books.ended("default", TODAY) == ["Test1AAAA"]


def test_what_does_not_end_a_reversal_is_not_noted() -> None:
    books = FakeBooks()
    c = Company(books=books)
    later = START + 3 * DAY
    issued = record(S.SUCCEEDED, answered_at=later, updated_at=later)
    count([image(unknown_since(), issued), image(issued, replace(issued, version=9))], c)
    assert books.items == {}


def test_what_could_not_be_noted_comes_again_and_is_not_counted_twice() -> None:
    books = FakeBooks()
    c = Company(books=books)
    assert isinstance(c.states, FakeAccountStates)
    *_, issued = life("issued", record(created_at=START))
    count([image(None, issued)], c)
    books.fails.add("note_ended")
    gone = ended(S.REVERSED, START + DAY, request_id=issued.request_id, answered_at=START)
    assert count([gone], c) == "7"
    books.fails.clear()
    assert count([gone], c) is None
    assert books.ended("default", TODAY + DAY) == [issued.request_id]
    assert totals_of(c.states) == Totals()


def test_a_note_that_cannot_be_written_keeps_nothing_after_it_from_being_counted() -> None:
    # given a reversal that took no money and is to be noted, and two cards that are issued after it
    books = FakeBooks(fails={"note_ended"})
    c = Company(books=books)
    assert isinstance(c.states, FakeAccountStates)
    noted = ended(S.REFUSED, START + DAY)
    card = replace(record(S.SUCCEEDED), answered_at=START)
    later = [numbered(n, image(None, replace(card, request_id=f"R{n}"))) for n in (8, 9)]
    unreadable = numbered(10, image(None, card))
    unreadable["dynamodb"]["NewImage"] |= {"status": {"S": "NOBODY_KNOWS"}}
    for batch in ([noted, *later], [noted, *later, unreadable]):
        # then the first of all that failed comes again
        assert count(batch, c) == "7"
        assert sum(totals_of(c.states).values()) == 5_000
    c.states.works = False
    assert count([noted, *later], c) == "7"
    c.states.works = True
    books.fails.clear()
    assert count([noted, *later], c) is None
    assert (books.ended("default", TODAY + DAY), sum(totals_of(c.states).values())) == (["Test1AAAA"], 5_000)


# ---- what a record costs ------------------------------------------------------------------------


@pytest.mark.parametrize("status", S)
def test_a_record_costs_its_amount_from_amazons_response_until_it_is_undone(status: Status) -> None:
    answered = record(status, answered_at=START.replace(hour=23))
    free = status in {S.REVERSED, S.REFUSED}
    assert charge_of(answered) == (None if free else Charge(TODAY, answered.operation, usd("25.00")))
    assert charge_of(record(status)) is None


def test_a_request_that_moves_to_another_day_leaves_the_first() -> None:
    was, now = (Charge(TODAY + n * DAY, Operation.CREATE_GIFT_CARD, usd("25.00")) for n in (0, 1))
    kind: Kind = ("USD", Operation.CREATE_GIFT_CARD)
    assert difference(was, now) == {was.day: {kind: Tally(-2500, -1, 2500)}, now.day: {kind: Tally(2500, 1)}}
    assert difference(was, was) == {}
    assert difference(None, None) == {}


@given(st.sampled_from(sorted(CURRENCY_DECIMALS)), st.integers(-(10**9), 10**9))
def test_minor_units_are_exact(currency: str, minor: int) -> None:
    value = money_of(minor, currency)
    assert minor_units(value) == minor
    assert -value.amount.as_tuple().exponent == CURRENCY_DECIMALS[currency]  # type: ignore[operator]


# ---- the average --------------------------------------------------------------------------------


def spent(*amounts: int, until: date = TODAY, currency: str = "USD") -> dict[date, dict[Kind, Tally]]:
    """Amounts of the last days, the last one today's."""
    return {
        until - timedelta(days=len(amounts) - 1 - n): {(currency, Operation.CREATE_GIFT_CARD): Tally(amount * 100, 1)}
        for n, amount in enumerate(amounts)
    }


LONG_AGO: Final = TODAY - timedelta(days=400)


@pytest.mark.parametrize(
    ("days", "known_since", "average"),
    [
        (spent(*[70] * 14, 999), LONG_AGO, "70.00"),
        (spent(140, 0), LONG_AGO, "10.00"),
        (spent(999, *[70] * 14, 0), LONG_AGO, "70.00"),
        ({}, LONG_AGO, "0.00"),
        (spent(100, 50, 999), TODAY - timedelta(days=2), "75.00"),
        (spent(100, 50, 999), TODAY, "75.00"),
        (spent(999), TODAY, None),
        ({}, TODAY, None),
        (spent(10, 0, 0, 999), LONG_AGO, "0.71"),
    ],
    ids=[
        "14 days", "one of 14", "longer ago", "nothing", "2 days old", "charged before asked", "first day", "new",
        "rounded",
    ],
)  # fmt: skip
def test_the_average_is_of_whole_days_since_the_account_is_known(
    days: dict[date, dict[Kind, Tally]], known_since: date, average: str | None
) -> None:
    found = average_daily_spend(days, "USD", TODAY, known_since)
    assert (found.amount_text if found else None) == average
    assert AVERAGE_DAYS == 14


def test_other_currencies_and_all_operations() -> None:
    days = {
        TODAY: {("USD", operation): Tally(100, 1) for operation in Operation}
        | {("JPY", Operation.CREATE_GIFT_CARD): Tally(5, 1)}
    }
    assert spent_on(days, TODAY, "USD") == usd("3.00")
    assert spent_on(days, TODAY, "JPY") == parse_money(5, "JPY")
