"""Resolve differences: a person says why one needs nobody's attention any more. What was said before is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksConflict, BooksUnavailable, InvalidInput
from incentives.domain.reconciliation.day_state import changed, still_told
from incentives.domain.reconciliation.findings import (
    SETTLED,
    SETTLING,
    Decision,
    Finding,
    Judged,
    Kind,
    Reason,
    Resolution,
    found_by_kind,
)
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX, check_words
from incentives.usecases.reconciliation.get_books import day_in_books, judged_of, shown_of
from incentives.usecases.reconciliation.start_round import start_round

if TYPE_CHECKING:
    from incentives.domain.reconciliation.day_state import BooksDay
    from incentives.usecases.dependencies import Budget
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: Resolutions of one transaction, beside the day.
TOGETHER_MAX: Final = 99

#: Looks at a day that others write meanwhile: a round writes it a few times in all.
LOOKS_MAX: Final = 5

#: No further transaction begins with less time left.
SECONDS_FOR_A_WRITE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of a finding.

    Attributes:
        by: ARN of who signed the call.
    """

    reason: Reason
    note: str
    by: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a call came to.

    Attributes:
        resolved: how many findings.
        left: how many more there were not time for.
    """

    resolved: int
    left: int
    day: BooksDay


def resolve_one(account: str, day: date, difference_id: str, said: Said, here: BooksDependencies) -> Resolved:
    """Resolve one finding of a day, as it was judged last. A repeat changes nothing; a correction is added.

    Raises:
        InvalidInput: names `reason` or `note`.
        BooksNotFound: the day.
        BooksConflict: the day has no such finding any more: its facts have changed.
        BooksUnavailable: it may have been done; the same call says.
    """
    check_words("note", said.note, NOTE_LENGTH_MAX)
    decision = _decision(said, here)
    for _ in range(LOOKS_MAX):
        look = _look(account, day, here)
        resolution = _resolution(look, difference_id, decision, here)
        _check_reason(resolution.kind, said.reason)
        is_repeat = [_said(each) for each in resolution.decisions[-2:]] == [said, said]
        if is_repeat or _write(look, [resolution], here):
            return Resolved(1, 0, _judge_again(look.day, said, here))
    raise _moving(day)


def resolve_all(
    account: str, day: date, kind: Kind, said: Said, here: BooksDependencies, *, budget: Budget
) -> Resolved:
    """Resolve all findings of a kind of which nothing was decided yet.

    Raises:
        InvalidInput: names `kind`, `reason` or `note`.
        BooksNotFound: the day.
        BooksConflict: it has not been judged.
        BooksUnavailable: some may have been resolved; the same call goes on.
    """
    if kind in SETTLED:
        raise InvalidInput("kind", "needs no resolution")
    _check_reason(kind, said.reason)
    check_words("note", said.note, NOTE_LENGTH_MAX)
    decision, done = _decision(said, here), 0
    for _ in range(LOOKS_MAX):
        look = _look(account, day, here)
        left = [each for each in shown_of(look.judged) if each.kind is kind and each.difference_id not in look.known]
        while left and budget.seconds_left() >= SECONDS_FOR_A_WRITE:
            batch = [_decided(look, each, decision) for each in left[:TOGETHER_MAX]]
            if not _write(look, batch, here):
                break
            done += len(batch)
            left = left[TOGETHER_MAX:]
        if not left or budget.seconds_left() < SECONDS_FOR_A_WRITE:
            return Resolved(done, len(left), _judge_again(look.day, said, here))
    raise _moving(day)


def _check_reason(kind: Kind, reason: Reason) -> None:
    if kind is Kind.IN_TRANSIT:
        raise InvalidInput("kind", "is inTransit: it ends by itself and cannot be resolved")
    if (kind is Kind.ESCALATED) != (reason in SETTLING):
        fitting = sorted(each.value for each in Reason if (each in SETTLING) == (kind is Kind.ESCALATED))
        raise InvalidInput("reason", f"must be one of {', '.join(fitting)} for what is {kind}")


@dataclass(slots=True)
class _Look:
    """A day as it stands.

    Attributes:
        known: what was decided of its findings.
    """

    day: BooksDay
    judged: Judged
    known: dict[str, Resolution]


def _look(account: str, day: date, here: BooksDependencies) -> _Look:
    found = day_in_books(account, day, here)
    judged = judged_of(found, here)
    if judged is None:
        raise BooksConflict(f"{day} has not been judged yet.")
    known = here.books.resolutions(account, [each.difference_id for each in shown_of(judged)])
    return _Look(found, judged, dict(known))


def _resolution(look: _Look, difference_id: str, decision: Decision, here: BooksDependencies) -> Resolution:
    """What is to be written of one finding."""
    finding = next((each for each in shown_of(look.judged) if each.difference_id == difference_id), None)
    if finding is not None:
        return _decided(look, finding, decision)
    # An escalated request is no open item once it is resolved. A correction counts for as long as it is escalated.
    was = here.books.resolutions(look.day.account, [difference_id]).get(difference_id)
    if was is not None and was.kind is Kind.ESCALATED:
        return replace(was, decisions=(*was.decisions, decision))
    raise BooksConflict(
        f"What was judged of {look.day.day} last has no such difference or open item: its facts have changed, or it is "
        "settled. Read the day again."
    )


def _decided(look: _Look, finding: Finding, decision: Decision) -> Resolution:
    was = look.known.get(finding.difference_id)
    return Resolution(
        account=look.day.account,
        difference_id=finding.difference_id,
        kind=finding.kind,
        request_id=finding.request_id,
        day=look.day.day,
        decisions=(*(was.decisions if was else ()), decision),
    )


def _write(look: _Look, batch: Sequence[Resolution], here: BooksDependencies) -> bool:
    """Write resolutions in one transaction with their day; False: others have written meanwhile."""
    known = look.known | {each.difference_id: each for each in batch}
    unresolved = sum(each.difference_id not in known for each in look.judged.findings)
    found = found_by_kind(look.judged.findings, known, look.judged.currency)
    after = changed(
        look.day,
        # In this write: a process may die before it begins the round that judges it.
        to_judge=look.day.to_judge or batch[0].newest.reason in SETTLING,
        found=found,
        told=still_told(look.day.told, found, look.day.incomplete),
        judged=replace(look.day.judged, unresolved=unresolved) if look.day.judged else None,
    )
    if not here.books.keep_day(look.day, after, batch):
        return False
    look.day, look.known = after, known
    here.dependencies.telemetry.log(
        "differencesResolved",
        account=after.account,
        day=after.day.isoformat(),
        rows=len(batch),
        caller=batch[0].newest.by,
    )
    return True


def _judge_again(day: BooksDay, said: Said, here: BooksDependencies) -> BooksDay:
    """How an escalated request ended changes what is due; a resolved difference changes no figure."""
    if said.reason not in SETTLING:
        return day
    return start_round(day.account, day.day, by=said.by, fresh=False, books=here)


def _decision(said: Said, here: BooksDependencies) -> Decision:
    return Decision(reason=said.reason, note=said.note, by=said.by, at=here.dependencies.clock.now())


def _said(decision: Decision) -> Said:
    return Said(decision.reason, decision.note, decision.by)


def _moving(day: date) -> BooksUnavailable:
    return BooksUnavailable(f"{day} is written by others all the time. Repeat the call.")
