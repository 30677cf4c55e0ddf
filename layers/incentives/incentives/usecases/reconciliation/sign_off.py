"""Sign a closed month off: a second person's word for the manifest, and with it for every file that it names."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksConflict, BooksNotFound, BooksUnavailable, NotThisPerson
from incentives.domain.reconciliation.close_files import JSON_TYPE, SIGN_OFF, name_of, signed
from incentives.domain.reconciliation.close_plan import digest_of
from incentives.domain.reconciliation.closing import Close, CloseStatus, CloseView, SignOff
from incentives.usecases.reconciliation.get_close import view_of
from incentives.usecases.reconciliation.read_month import read_month

if TYPE_CHECKING:
    from incentives.usecases.reconciliation.close_month import Closer
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

_TRIES_MAX: Final = 3


def sign_off(account: str, month: str, manifest_sha256: str, signer: Closer, here: BooksDependencies) -> CloseView:
    """Sign a month off. A repeat by the same person changes nothing.

    Args:
        account: whose.
        month: as `2026-11`.
        manifest_sha256: of the manifest that the signer has seen.
        signer: who signs.
        here: the ports.

    Raises:
        BooksNotFound: nobody has closed the month.
        BooksConflict: it is not closed, stale, closed with another manifest, or signed off by somebody else.
        NotThisPerson: the signer has closed it, or nobody can tell the two apart.
        BooksUnavailable: it may be done all the same; the same call says.
    """
    for _ in range(_TRIES_MAX):
        close = here.books.close(account, month)
        if close is None:
            raise BooksNotFound(f"Nobody has closed {month} of {account}.")
        if close.status is not CloseStatus.CLOSED or close.manifest is None:
            raise BooksConflict(f"{month} is {close.status.value}: only what is CLOSED can be signed off.")
        if close.manifest.sha256 != manifest_sha256:
            raise BooksConflict(
                f"manifestSha256 is not that of version {close.version}, which counts now. Look at its figures first."
            )
        by = _second_person(close, signer)
        if close.signed_off is not None:
            return view_of(_of(close, close.signed_off, by), here)
        if digest_of(read_month(account, month, close.opening, here).inputs) != close.digest:
            raise BooksConflict(f"{month} is STALE: what it was made of has changed. Close it again first.")
        kept = _written(close, _mine(by, signer, manifest_sha256, here), here)
        after = replace(close, revision=close.revision + 1, signed_off=kept)
        if here.books.keep_close(close, after):
            here.dependencies.telemetry.log(
                "monthSignedOff", account=account, month=month, version=close.version, caller=kept.caller
            )
            return view_of(_of(after, kept, by), here)
    raise BooksConflict(f"Others change the close of {month} at the same time. Ask again.")


def _second_person(close: Close, signer: Closer) -> str:
    if signer.person is None or close.closed_by is None:
        who = "signs" if signer.person is None else "closed the month"
        more = (
            ""
            if signer.person is None
            else " Somebody whom it can tell closes it once more, which changes nothing else."
        )
        raise NotThisPerson(
            f"The gateway cannot tell which person {who}, so nobody knows whether two have looked at it. Sign as a "
            f"person of IAM Identity Center, or as an IAM user.{more}"
        )
    if signer.person.id == close.closed_by:
        raise NotThisPerson("You closed the month: somebody else has to sign it off.")
    return signer.person.id


def _written(close: Close, mine: SignOff, here: BooksDependencies) -> SignOff:
    """Write the file; where somebody has signed already and died before the next write, what that file says."""
    name = name_of(close.account, close.month, close.version, SIGN_OFF)
    for _ in range(_TRIES_MAX):
        there = here.files.get(name)
        if there is not None:
            return _read(there)
        try:
            here.files.put(name, signed(close, mine), JSON_TYPE)
        except BooksConflict:
            continue
        return mine
    raise BooksUnavailable("the sign-off could not be written")


def _read(content: bytes) -> SignOff:
    kept = json.loads(content)
    return SignOff(
        by=kept["signedOffBy"],
        caller=kept["caller"],
        at=datetime.fromisoformat(kept["at"]),
        manifest_sha256=kept["manifest"]["sha256"],
    )


def _of(close: Close, kept: SignOff, by: str) -> Close:
    if kept.by != by:
        raise BooksConflict(f"{close.month} has been signed off by somebody else.")
    return close


def _mine(by: str, signer: Closer, manifest_sha256: str, here: BooksDependencies) -> SignOff:
    now = here.dependencies.clock.now().replace(microsecond=0)
    return SignOff(by=by, caller=signer.caller or "", at=now, manifest_sha256=manifest_sha256)
