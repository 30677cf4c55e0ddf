"""The close of a month: to the cent or not at all, once for the same inputs, whatever happens on the way."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from incentives.domain.errors import BooksConflict, BooksNotFound, BooksUnavailable, InvalidInput, NotThisPerson
from incentives.domain.reconciliation.closing import Close, CloseStatus, Opening
from incentives.domain.reconciliation.day_state import Source
from incentives.domain.reconciliation.days import days_of
from incentives.domain.reconciliation.findings import Kind
from incentives.usecases.reconciliation.get_books import get_movements
from incentives.usecases.reconciliation.get_close import get_close
from incentives.usecases.reconciliation.read_month import read_month
from incentives.usecases.reconciliation.sign_off import sign_off
from tests.unit.reconciliation.months import (
    ACCOUNT,
    ANNA,
    BERT,
    FIRST,
    MONTH,
    OPENING,
    STRANGER,
    Shop,
    at,
    finding,
    november,
)

THIRD = date(2026, 11, 3)


def reasons(shop: Shop, opening: Opening | None = OPENING) -> list[str]:
    view, is_new = shop.close(opening=opening)
    assert (view.close.status, is_new) == (CloseStatus.BLOCKED, False)
    return [each.split(": ", 1)[0] for each in view.close.blocked_by]


def test_a_month_is_closed_to_the_cent() -> None:
    shop = november(Shop(), d10={"rows": (2000,), "deposit": 30000}, d20={"rows": (2000,), "foreign": 700})
    (moved,) = get_movements(ACCOUNT, MONTH, shop.here)
    shop.name(moved.movement.movement_id, ("300.00", date(2026, 11, 10)), note="=HYPERLINK(1)")

    view, is_new = shop.close(opening=OPENING)

    assert is_new
    assert (view.close.status, view.close.version, view.close.closed_by) == (CloseStatus.CLOSED, 1, "sso:anna")
    figures = view.close.figures
    names = ("opening", "movements", "charges", "refunds", "closing")
    assert [figures[name] for name in names] == ["1000.00", "300.00", "600.00", "5.00", "705.00"]
    assert figures["movements.deposit"] == "300.00"
    assert (figures["charges.count"], figures["refunds.count"]) == ("30", "1")
    manifest = json.loads(shop.files.files[f"default/closes/{MONTH}/v1/manifest.json"])
    assert manifest["opening"] == {"amount": "1000.00", "source": OPENING.source}
    assert len(manifest["files"]) == len(view.close.files) == 30 + 5
    assert manifest["previous"] is None
    # A spreadsheet must not run what people wrote.
    assert [line["reference"] for line in shop.table("balances.csv") if line["record"] == "part"] == ["'=HYPERLINK(1)"]
    assert [(line["currencyCode"], line["net"]) for line in shop.table("allocation.csv")] == [
        ("EUR", "595.00"),
        ("USD", "7.00"),
    ]
    assert figures["charges.USD"] == "7.00"
    ((_, text),) = shop.world.notifier.notices
    assert view.close.manifest is not None
    assert view.close.manifest.sha256 in text


@pytest.mark.parametrize(
    ("special", "blocks"),
    [
        ({"d3": {"judged": None}}, ["notJudged"]),
        ({"d3": {"to_judge": True}}, ["notJudged"]),
        ({"d3": {"windows": (), "judged": None, "page_off": True}}, ["noActivityPage"]),
        ({"d3": {"final": False}}, ["notFinal"]),
        ({"d3": {"findings": [finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", THIRD)]}}, ["unresolved"]),
        ({"d3": {"rows": (2000,), "deposit": 700}}, ["unnamedMovement"]),
        ({"d3": {"bridge": {"timing": 100}, "ledger": 1}}, ["inconsistent"]),
    ],
    ids=["not judged", "read since", "no page", "not final", "unresolved", "unnamed", "no bridge"],
)
def test_what_blocks_a_close(special: dict[str, dict[str, Any]], blocks: list[str]) -> None:
    ledger = special["d3"].pop("ledger", None)
    shop = november(Shop(), **special)
    if ledger is not None:
        shop.keep(replace(shop.judged(THIRD), ledger=ledger))
    assert reasons(shop) == blocks
    assert "2026-11-03" in shop.kept().blocked_by[0]
    # What blocks is told as it is now, and nothing was written for a version that there is not.
    assert get_close(ACCOUNT, MONTH, shop.here).close.blocked_by == shop.kept().blocked_by
    assert not [name for name in shop.files.files if "/closes/" in name]


@pytest.mark.parametrize(
    "read",
    [
        lambda here: read_month(ACCOUNT, MONTH, OPENING, here).inputs.objects,
        lambda here: get_movements(ACCOUNT, MONTH, here),
    ],
    ids=["close", "movements"],
)
def test_a_month_of_days_that_leave_much_takes_the_memory_of_one(read: Callable[[Any], Any]) -> None:
    late = tuple(finding(Kind.IN_TRANSIT, f"Parts{number}", FIRST, number) for number in range(150))

    def peak(*days: int) -> int:
        shop = november(Shop(), **{f"d{day}": {"rows": (2000,), "open_items": late} for day in days})
        tracemalloc.start()
        read(shop.here)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # The first read makes what reads JSON, which stays.
    peak()
    assert peak(*range(1, 31)) < 2 * peak(30)


def test_a_day_that_was_judged_anew_blocks_until_the_next_is_too() -> None:
    shop = november(Shop())
    late = finding(Kind.IN_TRANSIT, "Parts777", THIRD)
    shop.keep(replace(shop.judged(THIRD), carry=(late,), open_items=(late,)))
    assert reasons(shop) == ["notJudged"]
    assert "2026-11-04: judged before 2026-11-03" in shop.kept().blocked_by[0]


def test_an_opening_that_is_off_by_a_cent_blocks() -> None:
    shop = november(Shop())
    assert reasons(shop, None) == ["opening"]
    assert reasons(shop, replace(OPENING, amount=Decimal("1000.01"))) == ["balance"]
    assert "off by -0.01" in shop.kept().blocked_by[0]
    # What was named last counts, until another is.
    assert shop.close(opening=OPENING)[1]
    with pytest.raises(InvalidInput, match="decimals"):
        shop.close(opening=replace(OPENING, amount=Decimal("1000.001")))


def test_balances_that_rows_surround_block() -> None:
    shop = november(Shop())
    for day in (*days_of(MONTH), date(2026, 12, 1), date(2026, 12, 2)):
        judged = shop.judged(day)
        shop.keep(replace(judged, levels=tuple(replace(each, low=-2000) for each in judged.levels)))
    assert reasons(shop) == ["noQuietBalance"]


def test_the_balance_at_the_end_needs_the_day_after() -> None:
    shop = Shop()
    for day in days_of(MONTH):
        shop.judge(day, rows=(2000,))
    shop.go_to(date(2026, 12, 4))
    assert reasons(shop) == ["notJudged"]


def test_an_invoiced_account_is_closed_without_a_balance_and_says_so() -> None:
    shop = november(Shop(without_balance=frozenset({ACCOUNT})))
    view, _ = shop.close()
    assert view.close.status is CloseStatus.CLOSED
    assert "closing" not in view.close.figures
    assert [line["value"] for line in shop.table("summary.csv") if line["figure"] == "hasBalance"] == ["no"]


def test_where_amazon_tells_a_balance_of_zero_whatever_it_charges_there_is_none_to_hold_against() -> None:
    # as its sandbox does
    view, _ = november(Shop(tells_zero=True)).close()
    assert (view.close.status, view.close.blocked_by) == (CloseStatus.CLOSED, ())
    assert "closing" not in view.close.figures


def test_differences_and_open_items_are_in_the_files_and_open_items_do_not_block() -> None:
    stranger = finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", THIRD)
    last = finding(Kind.IN_TRANSIT, "Parts9", date(2026, 11, 30), 2500)
    shop = november(Shop(), d3={"rows": (2000,), "findings": [stranger]}, d30={"rows": (2000,), "open_items": [last]})
    shop.resolve(stranger, "ours", "the shop's, after all")

    view, _ = shop.close(opening=OPENING)

    figures = view.close.figures
    items = {name: (figures[f"openItems.{name}.count"], figures[f"openItems.{name}"]) for name in ("new", "closing")}
    assert items == {"new": ("1", "25.00"), "closing": ("1", "25.00")}
    (line,) = shop.table("differences.csv")
    assert (line["standing"], line["note"], line["decisions"]) == ("resolved", "the shop's, after all", "2")
    assert [line["change"] for line in shop.table("open-items.csv")] == ["new"]


def december(shop: Shop) -> Shop:
    first = {date(2026, 12, 1), date(2026, 12, 2)}
    for day in [each for each in days_of("2026-12") if each not in first] + days_of("2027-01")[:2]:
        shop.judge(day, rows=(1000,))
    shop.go_to(date(2027, 1, 4))
    return shop


def test_a_month_goes_on_from_the_one_before() -> None:
    item = finding(Kind.IN_TRANSIT, "Parts9", date(2026, 11, 30), 2500)
    shop = december(november(Shop(), d30={"rows": (2000,), "open_items": [item]}))
    blocked = shop.close("2026-12")[0].close
    assert blocked.blocked_by == ("previousMonth: 2026-11 is not closed. Close it first.",)
    before = shop.close(opening=OPENING)[0].close
    with pytest.raises(InvalidInput, match="as 2026-11 ended"):
        shop.close("2026-12", OPENING)

    after = shop.close("2026-12")[0].close

    assert after.status is CloseStatus.CLOSED
    assert after.figures["opening"] == before.figures["closing"]
    assert (after.figures["openItems.opening"], after.figures["openItems.ended"]) == ("25.00", "25.00")
    assert after.manifest is not None
    manifest = json.loads(shop.files.files[after.manifest.name])
    assert before.manifest is not None
    assert manifest["previous"] == {"month": MONTH, "name": before.manifest.name, "sha256": before.manifest.sha256}


def test_other_inputs_are_another_version_that_a_person_asks_for_and_the_months_after_are_stale() -> None:
    stranger = finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", THIRD)
    shop = november(Shop(), d3={"rows": (2000,), "findings": [stranger]})
    shop.resolve(stranger)
    first = shop.close(opening=OPENING)[0].close
    december(shop)
    shop.close("2026-12")
    files = dict(shop.files.files)

    again, is_new = shop.close(closer=BERT)
    assert (again.close, is_new) == (first, False)
    shop.resolve(stranger, "another one")

    assert get_close(ACCOUNT, MONTH, shop.here).close.status is CloseStatus.STALE
    assert get_close(ACCOUNT, "2026-12", shop.here).close.status is CloseStatus.CLOSED
    second, is_new = shop.close()
    assert (second.close.version, is_new) == (2, True)
    assert get_close(ACCOUNT, MONTH, shop.here).close.status is CloseStatus.CLOSED
    assert get_close(ACCOUNT, "2026-12", shop.here).close.status is CloseStatus.STALE
    assert files.items() <= shop.files.files.items()


def test_a_closed_month_stays_closed_when_a_new_version_is_blocked() -> None:
    shop = november(Shop())
    first = shop.close(opening=OPENING)[0].close
    shop.keep(replace(shop.judged(THIRD), findings=(finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", THIRD),)))
    view, is_new = shop.close()
    assert (view.close.status, is_new, len(view.close.blocked_by)) == (CloseStatus.STALE, False, 1)
    assert shop.kept() == first


class DiedError(Exception):
    """The process ended."""


def dying(work: Callable[..., Any], when: int, *, after: bool) -> Callable[..., Any]:
    calls = iter(range(1000))

    def die(*arguments: Any, **options: Any) -> Any:
        number = next(calls)
        if number == when and not after:
            raise DiedError
        done = work(*arguments, **options)
        if number == when:
            raise DiedError
        return done

    return die


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("port", "method", "number"),
    [("books", "keep_close", 0), *(("files", "put", number) for number in range(6)), ("books", "keep_close", 1)],
)
def test_a_crash_at_any_write_and_a_second_call_give_the_same_version(
    port: str, method: str, number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = november(Shop())
    undisturbed.close(opening=OPENING)
    shop = november(Shop())
    with monkeypatch.context() as patch:
        patch.setattr(getattr(shop, port), method, dying(getattr(getattr(shop, port), method), number, after=after))
        with pytest.raises(DiedError):
            shop.close(opening=OPENING)
    shop.world.clock.sleep(3600)

    view, _ = shop.close(opening=OPENING)

    assert (view.close.status, view.close.version) == (CloseStatus.CLOSED, 1)
    assert shop.files.files == undisturbed.files.files


def signed_and_changed() -> tuple[Shop, Close]:
    """November closed and signed off, and then something else decided of one of its differences."""
    stranger = finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", THIRD)
    shop = november(Shop(), d3={"rows": (2000,), "findings": [stranger]})
    shop.resolve(stranger)
    first = shop.close(opening=OPENING)[0].close
    assert first.manifest is not None
    signed = sign_off(ACCOUNT, MONTH, first.manifest.sha256, BERT, shop.here).close
    shop.resolve(stranger, "another one")
    return shop, signed


@pytest.mark.parametrize(
    ("port", "method", "number", "after"),
    [("books", "keep_close", 0, True), ("files", "put", 3, True), ("books", "keep_close", 1, False)],
    ids=["planned", "half its files", "before its last write"],
)
def test_a_closed_version_outlives_the_next_one_that_dies_or_is_blocked(
    port: str, method: str, number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a next version whose maker died
    shop, signed = signed_and_changed()
    with monkeypatch.context() as patch:
        patch.setattr(getattr(shop, port), method, dying(getattr(getattr(shop, port), method), number, after=after))
        with pytest.raises(DiedError):
            shop.close(closer=BERT)
    # when something else blocks it by the time of the next call
    planned, decided = shop.kept(), shop.judged(THIRD)
    shop.keep(replace(decided, findings=(*decided.findings, finding(Kind.UNKNOWN_TO_LEDGER, "Stranger2", THIRD))))
    told = [shop.close()[0].close, get_close(ACCOUNT, MONTH, shop.here).close]
    # then the closed version stands, signed off, for its readers and for the month after
    assert [(each.status, each.version, each.signed_off, len(each.blocked_by)) for each in told] == [
        (CloseStatus.STALE, 1, signed.signed_off, 1)
    ] * 2
    assert shop.kept() == planned == replace(signed, revision=planned.revision, next_version=planned.next_version)
    previous = read_month(ACCOUNT, "2026-12", None, shop.here).inputs.previous_month
    assert (previous and previous.manifest) == signed.manifest
    # and once nothing blocks it any more, the next one is gone on with
    shop.keep(decided)
    view, is_new = shop.close()
    assert (view.close.status, view.close.version, view.close.signed_off, is_new) == (CloseStatus.CLOSED, 2, None, True)
    assert (view.close.closed_by, shop.kept().next_version) == ("sso:anna", None)


@pytest.mark.parametrize("number", [0, 1], ids=["first", "second"])
def test_two_who_close_at_once_get_one_result(number: int) -> None:
    # given that Bert does all of it just before one of Anna's two writes
    shop, theirs, writes = november(Shop()), [], []

    def before_write(part: str) -> None:
        writes.append(part)
        if len(writes) == number + 1:
            theirs.append(shop.close(opening=OPENING, closer=BERT)[0].close)

    shop.books.before_write = before_write
    # when Anna closes
    view, is_new = shop.close(opening=OPENING)
    # then both get the same close
    assert ([view.close], is_new, view.close.version) == (theirs, False, 1)
    assert len(shop.world.notifier.notices) == 1


def test_inputs_that_change_after_a_crash_are_the_next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", THIRD)
    shop = november(Shop(), d3={"rows": (2000,), "findings": [stranger]})
    shop.resolve(stranger)
    with monkeypatch.context() as patch:
        patch.setattr(shop.files, "put", dying(shop.files.put, 3, after=True))
        with pytest.raises(DiedError):
            shop.close(opening=OPENING)
    shop.resolve(stranger, "another one")
    view, _ = shop.close()
    assert (view.close.status, view.close.version) == (CloseStatus.CLOSED, 2)


def test_a_version_that_another_release_began_is_given_up() -> None:
    shop = november(Shop())
    shop.files.put(f"default/closes/{MONTH}/v1/balances.csv", b"in other columns", "text/csv")
    view, is_new = shop.close(opening=OPENING)
    assert (view.close.status, view.close.version, is_new) == (CloseStatus.CLOSED, 2, True)


def test_a_next_version_that_another_release_began_is_given_up_and_the_closed_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, signed = signed_and_changed()
    shop.files.put(f"default/closes/{MONTH}/v2/balances.csv", b"in other columns", "text/csv")
    with monkeypatch.context() as patch:
        patch.setattr(shop.books, "keep_close", dying(shop.books.keep_close, 1, after=True))
        with pytest.raises(DiedError):
            shop.close()
    assert (shop.kept().version, shop.kept().signed_off) == (1, signed.signed_off)
    assert shop.close()[0].close.version == 3


def test_a_month_that_is_not_over_or_before_the_books_is_refused() -> None:
    shop = november(Shop())
    shop.world.clock.time = at(date(2026, 11, 30), 23)
    with pytest.raises(BooksConflict, match="ends at 2026-12-01T00:00:00Z"):
        shop.close(opening=OPENING)
    with pytest.raises(BooksConflict, match="begin on 2026-11-01"):
        shop.close("2026-09")
    with pytest.raises(BooksNotFound):
        get_close(ACCOUNT, MONTH, shop.here)


def test_what_was_judged_and_is_gone_is_no_month_without_it() -> None:
    shop = november(Shop())
    item = shop.books.day(ACCOUNT, THIRD)
    assert item is not None
    assert item.judged is not None
    del shop.files.files[item.judged.name]
    with pytest.raises(BooksUnavailable):
        shop.close(opening=OPENING)


def test_who_uploads_a_statement_does_not_close() -> None:
    statement = {"source": Source.STATEMENT, "statement_id": "s1", "uploaded_by": "sso:anna"}
    shop = november(Shop(), d3={"rows": (2000,), **statement})
    for closer, why in ((ANNA, "You uploaded"), (STRANGER, "nobody can tell")):
        with pytest.raises(NotThisPerson, match=why):
            shop.close(opening=OPENING, closer=closer)
    assert shop.close(opening=OPENING, closer=BERT)[1]


def test_a_second_person_signs_what_they_have_seen() -> None:
    shop = november(Shop())
    close = shop.close(opening=OPENING)[0].close
    assert close.manifest is not None
    seen = close.manifest.sha256
    with pytest.raises(BooksConflict, match="version 1"):
        sign_off(ACCOUNT, MONTH, "0" * 64, BERT, shop.here)
    for signer, why in ((ANNA, "You closed"), (STRANGER, "which person signs")):
        with pytest.raises(NotThisPerson, match=why):
            sign_off(ACCOUNT, MONTH, seen, signer, shop.here)

    signed = sign_off(ACCOUNT, MONTH, seen, BERT, shop.here).close

    assert signed.signed_off is not None
    assert (signed.signed_off.by, signed.signed_off.manifest_sha256) == ("sso:bert", seen)
    assert sign_off(ACCOUNT, MONTH, seen, BERT, shop.here).close == signed
    carl = replace(BERT, person=replace(BERT.person, id="sso:carl"))  # type: ignore[type-var]
    with pytest.raises(BooksConflict, match="somebody else"):
        sign_off(ACCOUNT, MONTH, seen, carl, shop.here)


def test_a_sign_off_that_died_half_way_is_gone_on_with() -> None:
    shop = november(Shop())
    close = shop.close(opening=OPENING)[0].close
    assert close.manifest is not None
    shop.books.fails.add("keep_close")
    with pytest.raises(BooksUnavailable):
        sign_off(ACCOUNT, MONTH, close.manifest.sha256, BERT, shop.here)
    shop.books.fails.clear()
    shop.world.clock.sleep(3600)
    signed = sign_off(ACCOUNT, MONTH, close.manifest.sha256, BERT, shop.here).close
    assert signed.signed_off is not None
    assert signed.signed_off.at == at(date(2026, 12, 4))


def test_what_is_stale_or_closed_by_nobody_known_is_not_signed() -> None:
    stranger = finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", THIRD)
    shop = november(Shop(), d3={"rows": (2000,), "findings": [stranger]})
    shop.resolve(stranger)
    close = shop.close(opening=OPENING, closer=STRANGER)[0].close
    assert close.manifest is not None
    with pytest.raises(NotThisPerson, match="closed the month"):
        sign_off(ACCOUNT, MONTH, close.manifest.sha256, BERT, shop.here)
    # The same inputs are the same version; now somebody stands behind it.
    view, is_new = shop.close(closer=ANNA)
    assert (view.close.closed_by, view.close.version, is_new) == ("sso:anna", 1, False)
    shop.resolve(stranger, "another one")
    with pytest.raises(BooksConflict, match="STALE"):
        sign_off(ACCOUNT, MONTH, close.manifest.sha256, BERT, shop.here)
