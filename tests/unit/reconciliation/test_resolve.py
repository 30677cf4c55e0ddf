"""Differences resolved: by what facts, with what words, and against others who write meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from incentives.domain.errors import BooksConflict, BooksNotFound, BooksUnavailable, InvalidInput
from incentives.domain.reconciliation.day_state import DayStatus
from incentives.domain.reconciliation.findings import Kind, Reason
from incentives.domain.reconciliation.words import looks_like_code
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation.resolve import Resolved, Said, resolve_all, resolve_one
from tests.support.books_world import DAY, Kept, finding, kept

NOTE = "Ordered in the portal by the events team"


def said(reason: Reason = Reason.OTHER_SYSTEM, note: str = NOTE, by: str = "finance") -> Said:
    return Said(reason, note, by)


def resolve(here: Kept, difference_id: str, words: Said | None = None) -> Resolved:
    return resolve_one("default", DAY, difference_id, words or said(), here.here)


def resolve_kind(here: Kept, kind: Kind = Kind.UNKNOWN_TO_LEDGER, *, seconds: Any = lambda: 20.0) -> Resolved:
    return resolve_all("default", DAY, kind, said(), here.here, budget=Budget(seconds))


def test_a_day_is_balanced_once_its_last_difference_is_resolved() -> None:
    here = kept()
    one, other = finding(), finding(Kind.MISSING_AT_AMAZON, "Test1B")
    here.judged(one, other)
    # when one of two is resolved
    done = resolve(here, one.difference_id)
    # then the day tells of the other alone
    assert (done.resolved, done.day.status, [*done.day.found]) == (1, DayStatus.DIFFERENCES, [Kind.MISSING_AT_AMAZON])
    # and after that of none; no figure has changed, so nothing is judged again
    assert resolve(here, other.difference_id).day.status is DayStatus.BALANCED
    assert here.reconciliations.started == []


def test_a_correction_is_added_and_a_repeat_changes_nothing() -> None:
    here, one = kept(), finding()
    here.judged(one)
    resolve(here, one.difference_id)
    resolve(here, one.difference_id, said(Reason.SUPPORT_CASE, "Case 4711"))
    revision = here.day().revision
    resolve(here, one.difference_id, said(Reason.SUPPORT_CASE, "Case 4711"))
    (resolution,) = here.books.resolutions("default", [one.difference_id]).values()
    assert [each.reason for each in resolution.decisions] == [Reason.OTHER_SYSTEM, Reason.SUPPORT_CASE]
    assert here.day().revision == revision


def test_facts_that_have_changed_are_not_resolved_by_what_was_said_of_others() -> None:
    here, one = kept(), finding()
    here.judged(one)

    # given a round that judges the day while it is being resolved
    def judged_meanwhile(_: str) -> None:
        here.books.before_write = None
        here.judged(finding(difference_id="f" * 24, amount=7000))

    here.books.before_write = judged_meanwhile
    with pytest.raises(BooksConflict):
        resolve(here, one.difference_id)
    assert here.books.resolutions("default", [one.difference_id, "f" * 24]) == {}


def test_who_was_slower_looks_again() -> None:
    here = kept()
    one, other = finding(), finding(request_id="Test1B")
    here.judged(one, other)

    def resolved_meanwhile(_: str) -> None:
        here.books.before_write = None
        resolve(here, other.difference_id)

    here.books.before_write = resolved_meanwhile
    assert resolve(here, one.difference_id).day.judged.unresolved == 0  # type: ignore[union-attr] # it is judged


def test_a_day_that_never_stands_still_is_told_as_unavailable() -> None:
    here, one = kept(), finding()
    here.judged(one)
    here.books.before_write = lambda part: None
    here.books.keep_day = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(BooksUnavailable):
        resolve(here, one.difference_id)
    with pytest.raises(BooksUnavailable):
        resolve_kind(here)


def test_how_an_escalated_request_ended_is_judged_again_and_may_be_corrected_afterwards() -> None:
    here, one = kept(), finding(Kind.ESCALATED)
    here.judged(one)
    charged = said(Reason.SETTLED_CHARGED, "Amazon's support: delivered")
    resolve(here, one.difference_id, charged)
    assert here.reconciliations.started == [("default", DAY, 2)]
    assert here.day().started_by == "finance"
    # given that it is no open item any more
    here.judged(lease_until=None)
    resolve(here, one.difference_id, said(Reason.SETTLED_REFUNDED, "No: refunded"))
    (resolution,) = here.books.resolutions("default", [one.difference_id]).values()
    assert [each.note for each in resolution.decisions] == ["Amazon's support: delivered", "No: refunded"]


@pytest.mark.parametrize(
    ("kind", "reason", "field"),
    [
        (Kind.IN_TRANSIT, Reason.WRITTEN_OFF, "kind"),
        (Kind.ESCALATED, Reason.WRITTEN_OFF, "reason"),
        (Kind.CHARGED_TWICE, Reason.SETTLED_CHARGED, "reason"),
    ],
)
def test_a_reason_has_to_fit_the_kind(kind: Kind, reason: Reason, field: str) -> None:
    here, one = kept(), finding(kind)
    here.judged(one)
    with pytest.raises(InvalidInput) as refused:
        resolve(here, one.difference_id, said(reason))
    assert refused.value.field == field
    with pytest.raises(InvalidInput) as refused:
        resolve_all("default", DAY, kind, said(reason), here.here, budget=Budget(lambda: 20.0))
    assert refused.value.field == field


def test_what_is_not_judged_cannot_be_resolved() -> None:
    here = kept()
    with pytest.raises(BooksNotFound):
        resolve(here, "f" * 24)
    here.judged(judged=None)
    with pytest.raises(BooksConflict):
        resolve(here, "f" * 24)


def test_all_of_a_kind_are_resolved_by_the_hundred_and_what_was_decided_stays() -> None:
    here = kept()
    many = [finding(request_id=f"Test1{number}") for number in range(250)]
    here.judged(*many, finding(Kind.CHARGED_TWICE, "Test1X"))
    resolve(here, many[0].difference_id, said(Reason.SUPPORT_CASE, "Case 4711"))
    before = here.day().revision
    done = resolve_kind(here)
    assert (done.resolved, done.left, [*done.day.found]) == (249, 0, [Kind.CHARGED_TWICE])
    assert here.day().revision == before + 3
    (first,) = here.books.resolutions("default", [many[0].difference_id]).values()
    assert first.newest.note == "Case 4711"
    # and once more there is nothing left to resolve
    assert resolve_kind(here).resolved == 0


def test_where_time_runs_out_the_rest_is_told() -> None:
    here = kept()
    here.judged(*(finding(request_id=f"Test1{number}") for number in range(250)))
    seconds = iter([20.0, 4.0, 4.0])
    done = resolve_kind(here, seconds=lambda: next(seconds))
    assert (done.resolved, done.left) == (99, 151)
    assert resolve_kind(here).resolved == 151


@pytest.mark.parametrize(
    "note", ["", "x" * 501, "a\nb", "code AQ3R-ABCDEF-1234", "AQ3RABCDEF1234", "6006490000000001234", " Blank "]
)
def test_a_note_that_should_not_be_kept_is_refused_unquoted(note: str) -> None:
    here, one = kept(), finding()
    here.judged(one)
    with pytest.raises(InvalidInput) as refused:
        resolve(here, one.difference_id, said(note=note))
    assert refused.value.field == "note"
    assert not note.strip() or note.strip() not in refused.value.detail


@pytest.mark.parametrize(
    "text",
    [
        "AQ3R-ABCDEF-1234", "the code is aq3r-abcdef-12345.", "WXYZ-ABCDEF-GHIJ", "AQ3R\u2011ABCDEF\u20111234",
        "AQ3R ABCDEF 1234", "(AQ3RABCDEF1234)", "aq3rabcdef12345", "\uff21\uff31\uff13\uff32-ABCDEF-1234",
        "AQ3R-ABC\u200dDEF-1234", "AQ3R\u200b-ABC\u00adDEF\ufeff-1234",
        "6006 4900 0000 0001 234", "6006490000000001", "600649-0000-00000-1234",
    ],
)  # fmt: skip
def test_what_may_be_a_code_is_seen(text: str) -> None:
    assert looks_like_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "case number 1234", "from 2026-11-22 to 2026-11-23", "2026-11-22 10:15:07 2026-11-23",
        "PO 4711-88, invoice 2026/17",
        "very-little-left", "Corp1ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABC", "0123456789abcdef01234567",
        "reconciliation", "+49 30 1234567", "DE89 3704 0044",
    ],
)  # fmt: skip
def test_plain_words_are_none(text: str) -> None:
    assert not looks_like_code(text)
