"""Close a month: a plan, its files, then one write that makes it so.

    CLOSING  with its version and the digest of its inputs      conditional on the month's revision
    files    of that version                                    written once; again they are the same bytes
    CLOSED   with figures, files and the manifest               conditional on the revision again

Whoever calls again after a crash, or at the same time, finds the same digest and goes on with the same version. Of a
month that is closed already the first write only notes the next version beside the one that counts, which stays as it
is, with figures, files and sign-off, until the last write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksConflict, InvalidInput, NotThisPerson
from incentives.domain.money import CURRENCY_DECIMALS
from incentives.domain.reconciliation.close_files import CSV_TYPE, JSON_TYPE, CloseFiles, write
from incentives.domain.reconciliation.close_plan import Blocked, CloseInputs, Plan, digest_of, plan
from incentives.domain.reconciliation.closing import Close, CloseStatus, CloseView, NextVersion, Opening
from incentives.domain.reconciliation.days import bounds, days_of
from incentives.usecases.reconciliation.get_close import view_of
from incentives.usecases.reconciliation.read_month import Month, read_month

if TYPE_CHECKING:
    from incentives.domain.persons import Person
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: Others may close, resolve and name meanwhile.
TRIES_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Closer:
    """Who closes.

    Attributes:
        person: None: nobody knows which person that is.
        caller: ARN of who signed the call.
    """

    person: Person | None
    caller: str | None


def close_month(
    account: str, month: str, opening: Opening | None, closer: Closer, here: BooksDependencies
) -> tuple[CloseView, bool]:
    """Close a month of an account.

    Args:
        account: whose.
        month: as `2026-11`.
        opening: the balance that the first month begins with; None for all others, and to keep what was named.
        closer: who closes.
        here: the ports.

    Returns:
        How the close stands, BLOCKED too; and whether that is a version which was not there before.

    Raises:
        InvalidInput: names `opening`.
        BooksConflict: the month is not over, the books begin later, or others close it at the same time.
        BooksNotFound: no day of the month was begun.
        NotThisPerson: the closer may have uploaded a statement of the month.
        BooksUnavailable: it may be done all the same; the same call says.
    """
    ends_at = bounds(days_of(month)[-1], here.settings.zone)[1]
    if here.dependencies.clock.now() < ends_at:
        raise BooksConflict(f"{month} is not over: it ends at {ends_at:%Y-%m-%dT%H:%M:%SZ}.")
    for _ in range(TRIES_MAX):
        current = here.books.close(account, month)
        named = opening or (current.opening if current else None)
        found = read_month(account, month, named, here)
        _check_opening(opening, found)
        _check_closer(closer, found)
        planned = plan(found.inputs)
        done = (
            _block(current, found.inputs, planned, here)
            if isinstance(planned, Blocked)
            else _close(current, planned, closer, here)
        )
        if done is not None:
            return done
    raise BooksConflict(f"Others change the close of {month} at the same time. Ask again.")


def _check_opening(opening: Opening | None, month: Month) -> None:
    if opening is None:
        return
    if not month.takes_opening and month.inputs.previous_month is not None:
        raise InvalidInput(
            "opening", f"must be left out: the month begins as {month.inputs.previous_month.month} ended"
        )
    if month.inputs.objects:
        decimals = CURRENCY_DECIMALS[month.inputs.currency]
        if -int(opening.amount.as_tuple().exponent) > decimals:
            raise InvalidInput("opening.amount", f"must have at most {decimals} decimals for {month.inputs.currency}")


def _check_closer(closer: Closer, month: Month) -> None:
    for day in month.days:
        if day.statement_id is None:
            continue
        if closer.person is None or day.uploaded_by is None:
            who = "closes" if closer.person is None else "uploaded it"
            raise NotThisPerson(
                f"The rows of {day.day} are from a statement, and nobody can tell which person {who}: whoever uploads "
                "does not close. Sign as a person of IAM Identity Center, or as an IAM user."
            )
        if day.uploaded_by == closer.person.id:
            raise NotThisPerson(f"You uploaded the statement of {day.day}: somebody else has to close the month.")


def _block(
    current: Close | None, inputs: CloseInputs, blocked: Blocked, here: BooksDependencies
) -> tuple[CloseView, bool] | None:
    if current is not None and current.status is CloseStatus.CLOSED:
        # The version that is closed stays what it is: the months after it go on from there.
        if digest_of(inputs) == current.digest:
            return view_of(current, here), False
        return view_of(replace(current, status=CloseStatus.STALE, blocked_by=blocked.reasons), here), False
    before = current or Close(account=inputs.account, month=inputs.month, revision=0)
    after = replace(before, status=CloseStatus.BLOCKED, blocked_by=blocked.reasons, opening=inputs.opening, digest=None)
    if after != before:
        after = replace(after, revision=before.revision + 1)
        if not here.books.keep_close(current, after):
            return None
    here.dependencies.telemetry.log("monthBlocked", account=inputs.account, month=inputs.month)
    return CloseView(after), False


def _close(
    current: Close | None, planned: Plan, closer: Closer, here: BooksDependencies
) -> tuple[CloseView, bool] | None:
    person = closer.person.id if closer.person else None
    if current is not None and current.status is CloseStatus.CLOSED and current.digest == planned.digest:
        return _confirmed(current, person, closer, here)
    closing = current
    if closing is None or closing.plan.digest != planned.digest:
        closing = _noted(current, planned, closer)
        if not here.books.keep_close(current, closing):
            return None
    version = closing.plan.version
    files = write(planned, version)
    try:
        for name, content in files.contents.items():
            here.files.put(name, content, JSON_TYPE if name == files.manifest.name else CSV_TYPE)
    except BooksConflict:
        # Begun by another release of the gateway, which wrote other bytes for the same inputs: it is given up.
        here.books.keep_close(closing, _given_up(closing))
        return None
    closed = replace(
        closing,
        revision=closing.revision + 1,
        version=version,
        status=CloseStatus.CLOSED,
        digest=planned.digest,
        opening=planned.inputs.opening,
        figures=planned.figures,
        files=files.refs,
        manifest=files.manifest,
        closed_by=person,
        caller=closer.caller,
        closed_at=here.dependencies.clock.now(),
        signed_off=None,
        next_version=None,
    )
    if not here.books.keep_close(closing, closed):
        return None
    _tell(closed, planned, files, here)
    return view_of(closed, here), True


def _noted(current: Close | None, planned: Plan, closer: Closer) -> Close:
    """The month with the next version noted: beside the closed one, if there is one."""
    inputs = planned.inputs
    before = current or Close(account=inputs.account, month=inputs.month, revision=0)
    version = before.plan.version + 1
    if before.status is CloseStatus.CLOSED:
        noted = NextVersion(version=version, digest=planned.digest)
        return replace(before, revision=before.revision + 1, next_version=noted)
    return replace(
        before,
        revision=before.revision + 1,
        version=version,
        status=CloseStatus.CLOSING,
        blocked_by=(),
        digest=planned.digest,
        opening=inputs.opening,
        closed_by=closer.person.id if closer.person else None,
        caller=closer.caller,
    )


def _given_up(closing: Close) -> Close:
    revision = closing.revision + 1
    if closing.next_version is None:
        return replace(closing, revision=revision, digest=None)
    return replace(closing, revision=revision, next_version=replace(closing.next_version, digest=None))


def _confirmed(
    current: Close, person: str | None, closer: Closer, here: BooksDependencies
) -> tuple[CloseView, bool] | None:
    """The same inputs again: the same version. A known person stands in for a closer whom nobody knows."""
    if current.closed_by is None and person is not None and current.signed_off is None:
        after = replace(current, revision=current.revision + 1, closed_by=person, caller=closer.caller)
        if not here.books.keep_close(current, after):
            return None
        return view_of(after, here), False
    return view_of(current, here), False


def _tell(closed: Close, planned: Plan, files: CloseFiles, here: BooksDependencies) -> None:
    telemetry = here.dependencies.telemetry
    telemetry.log(
        "monthClosed", account=closed.account, month=closed.month, version=closed.version, caller=closed.caller
    )
    figures, currency = planned.figures, planned.inputs.currency
    shown = [name for name in ("opening", "movements", "charges", "refunds", "closing", "ledger") if name in figures]
    lines = [f"{name}: {figures[name]} {currency}" for name in shown]
    command = f"ACCOUNT={closed.account} MONTH={closed.month}"
    keep = (
        f"Keep this message. By that hash anybody can tell later whether a file of {closed.month}, or of a month "
        f"before it, was changed: make verify-books {command} HEAD={files.manifest.sha256}"
    )
    to_do = (
        "What to do: a second person looks at the figures, and signs them off if they are right: make close "
        f"{command} ARGS=--sign-off"
    )
    facts = "\n".join((f"Account: {closed.account}", f"Month: {closed.month}, version {closed.version}", *lines))
    paragraphs = (facts, f"SHA-256 of the manifest: {files.manifest.sha256}", keep, to_do)
    text = "\n\n".join(paragraphs)
    fault = here.dependencies.notifier.notify(f"Closed: {closed.month} of Incentives account {closed.account}", text)
    # The event MonthClosed tells the same, and is tried for a day.
    if fault is not None:
        telemetry.count("AlertNotTold")
