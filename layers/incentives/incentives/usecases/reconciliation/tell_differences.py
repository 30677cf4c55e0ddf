"""Tell the operators of money that nobody ordered, and of days that cannot be read: once per day and kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.spend import money_of
from incentives.domain.reconciliation.day_state import INCOMPLETE, BooksDay, Source, changed
from incentives.domain.reconciliation.findings import ALERT_KINDS, Kind

if TYPE_CHECKING:
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

_TRIES_MAX: Final = 4

_SAYS: Final = {
    Kind.UNKNOWN_TO_LEDGER: (
        "Amazon shows charges or refunds that this gateway never asked for. Nothing is sent without a record: somebody "
        "else uses this account's key, or a backup was restored. If nobody knows of another system, rotate the key and "
        "call Amazon. Where the list shows the ledger's side, the request is another account's of this deployment."
    ),
    Kind.CHARGED_UNEXPECTEDLY: "Amazon has charged requests that are refused or reversed here.",
    Kind.CHARGED_TWICE: "Amazon has charged requests more than once.",
    Kind.AMOUNT_DIFFERS: "Amazon has charged other amounts, or in another currency, than were asked for.",
}


def tell_differences(account: str, day: date, books: BooksDependencies) -> None:
    """Tell what a day has found and nobody was told of; what was told is noted after telling.

    A process that dies in between tells it twice. What cannot be told now is told by the next round or watch.

    Raises:
        BooksUnavailable
    """
    item = books.books.day(account, day)
    if item is None:
        return
    for kind in untold(item):
        subject, text = _text(kind, item)
        fault = books.dependencies.notifier.notify(subject, text)
        telemetry = books.dependencies.telemetry
        telemetry.log("differenceTold" if fault is None else "differenceNotTold", account=account, cause=kind)
        if fault is not None:
            telemetry.count("AlertNotTold")
            continue
        telemetry.count("AlertTold")
        _note(account, day, kind, books)


def tell_no_page(item: BooksDay, books: BooksDependencies) -> None:
    """Tell that Amazon does not show the page any more, on the first day after those that were read from it.

    Raises:
        BooksUnavailable
    """
    before = books.books.day(item.account, item.day - timedelta(days=1))
    if before is None or before.source is not Source.PAGE or before.page_off:
        return
    fault = books.dependencies.notifier.notify(
        f"Activity page switched off: account {item.account}",
        f"Amazon does not show the activity page of account {item.account} any more, from {item.day} on. Of these days "
        "nothing is found until it does, or until statements of them are uploaded (docs/month-end.md). Ask Amazon.",
    )
    if fault is not None:
        books.dependencies.telemetry.count("AlertNotTold")


def untold(item: BooksDay) -> list[str]:
    """What of a day people are still to be told of."""
    kinds = [kind.value for kind in item.found if kind in ALERT_KINDS]
    if item.incomplete and item.judged is not None:
        kinds.append(INCOMPLETE)
    return [kind for kind in kinds if kind not in item.told]


def _note(account: str, day: date, kind: str, books: BooksDependencies) -> None:
    for _ in range(_TRIES_MAX):
        item = books.books.day(account, day)
        if item is None or kind in item.told:
            return
        if books.books.keep_day(item, replace(changed(item), told=(*item.told, kind))):
            return


def _text(kind: str, item: BooksDay) -> tuple[str, str]:
    where = f"account {item.account}, {item.day.isoformat()}"
    look = f"GET /reconciliations/{item.account}/{item.day.isoformat()} lists them; docs/month-end.md says what to do."
    if kind == INCOMPLETE:
        why = f"Some of Amazon's rows of {where} cannot be read: {item.incomplete}."
        what = "They may hide differences, and the month cannot be closed. Run the day again, or upload a statement."
        return f"Books incomplete: {where}", f"{why} {what} {look}"
    found = item.found[Kind(kind)]
    currency = item.judged.currency if item.judged is not None else ""
    names = ", ".join(found.request_ids)
    more = " and more" if found.count > len(found.request_ids) else ""
    amount = money_of(found.amount, currency)
    what = f"{where}: {found.count}, of {amount} in the account's currency. Requests: {names}{more}."
    text = f"{_SAYS[Kind(kind)]} {what} {look}"
    return f"{found.count} x {kind}: {where}", text
