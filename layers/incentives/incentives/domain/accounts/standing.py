"""The accounts that there are, as people look at them: usable, frozen or not, how old the key is, what is left."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from incentives.domain.accounts.account import AccountFunds
    from incentives.domain.accounts.freezing import Freeze


class AccountState(StrEnum):
    """Whether an account takes orders."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    UNUSABLE = "UNUSABLE"  # its keys cannot be read


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account.

    Attributes:
        freeze: while it is frozen.
        key_created_at: None if the operator did not say, or the keys cannot be read.
        key_age_days: whole days; likewise.
        funds: the balance that was kept last.
    """

    account: str
    state: AccountState
    freeze: Freeze | None
    key_created_at: datetime | None
    key_age_days: int | None
    funds: AccountFunds | None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Some accounts.

    Attributes:
        accounts: by name.
        cursor: what to ask for next; None at the end.
    """

    accounts: tuple[AccountView, ...]
    cursor: str | None
