"""Tell the accounts that there are, from what is known of each without asking Amazon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.accounts.standing import AccountPage, AccountState, AccountView
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.usecases.accounts.dependencies import utc_day

if TYPE_CHECKING:
    from incentives.usecases.accounts.dependencies import AccountDependencies

#: Of each account the secret, the balance and whether it is frozen are read: within the time of a call.
PAGE_MAX: Final = 50


def get_accounts(cursor: str | None, here: AccountDependencies) -> AccountPage:
    """The accounts that have ever been asked about, charged or frozen, and the default one, by name.

    Raises:
        InvalidInput: names `cursor`.
        LedgerUnavailable
    """
    if cursor is not None and not ACCOUNT_NAME.fullmatch(cursor):
        raise InvalidInput("cursor", "must be a cursor that this route returned")
    names = sorted({*here.states.accounts(), *([here.default] if here.default else [])})
    left = [name for name in names if name > (cursor or "")]
    page = left[:PAGE_MAX]
    return AccountPage(tuple(_view(name, here) for name in page), page[-1] if len(left) > len(page) else None)


def _view(name: str, here: AccountDependencies) -> AccountView:
    dependencies = here.dependencies
    now = dependencies.clock.now()
    known, snapshot = here.freezes.get(name), here.states.read(name, utc_day(now)).snapshot
    created_at, state = None, AccountState.ACTIVE
    try:
        created_at = dependencies.accounts.get(name).key_created_at
    except AccountUnusable:
        state = AccountState.UNUSABLE
    frozen = known if known is not None and known.frozen else None
    return AccountView(
        account=name,
        state=AccountState.FROZEN if frozen else state,
        freeze=frozen,
        key_created_at=created_at,
        key_age_days=max(0, (now - created_at).days) if created_at else None,
        funds=snapshot.funds if snapshot else None,
    )
