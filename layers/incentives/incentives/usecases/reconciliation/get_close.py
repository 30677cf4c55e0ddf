"""How a month's close stands, and where its files are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incentives.domain.errors import BooksNotFound
from incentives.domain.reconciliation.close_plan import Blocked, digest_of, plan
from incentives.domain.reconciliation.closing import Close, CloseStatus, CloseView
from incentives.usecases.reconciliation.read_month import read_month

if TYPE_CHECKING:
    from incentives.domain.reconciliation.findings import FileRef
    from incentives.usecases.reconciliation.dependencies import BooksDependencies


def get_close(account: str, month: str, here: BooksDependencies) -> CloseView:
    """How a close stands by what the books hold now.

    Raises:
        BooksNotFound: nobody has asked for it.
        BooksUnavailable
    """
    close = here.books.close(account, month)
    if close is None:
        raise BooksNotFound(f"Nobody has closed {month} of {account}.")
    if close.status is CloseStatus.CLOSING:
        return CloseView(close)
    inputs = read_month(account, month, close.opening, here).inputs
    planned = plan(inputs)
    reasons = planned.reasons if isinstance(planned, Blocked) else ()
    if close.status is CloseStatus.BLOCKED:
        return CloseView(replace(close, blocked_by=reasons or ("none: nothing blocks it any more. Close it again.",)))
    if digest_of(inputs) == close.digest:
        return view_of(close, here)
    return view_of(replace(close, status=CloseStatus.STALE, blocked_by=reasons), here)


def view_of(close: Close, here: BooksDependencies) -> CloseView:
    """A closed month with links to its files. Raises `BooksUnavailable`."""
    files = (*close.files, *([close.manifest] if close.manifest else []))
    return CloseView(close, [(each, here.files.link(each.name, _file_name(close, each))) for each in files])


def _file_name(close: Close, file: FileRef) -> str:
    """What a browser calls it: names in the bucket are folders."""
    folders, _, last = file.name.rpartition("/")
    if last.startswith("transactions-"):
        # ACCOUNT/PARTNER/DAY/ROUND
        return f"{close.account}-{folders.split('/')[2]}-transactions.csv"
    return f"{close.account}-{close.month}-v{close.version}-{last}"
