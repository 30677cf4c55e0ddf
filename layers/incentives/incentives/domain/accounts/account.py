"""An Amazon partner account: who we are at Amazon, and the keys that prove it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from incentives.domain.money import Money
    from incentives.domain.secret_text import Secret

#: What may stand in an account's name: it becomes part of a secret's name and of index keys.
ACCOUNT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

#: How long a process goes by an account's secret before it reads it again.
SECRET_KEPT_FOR: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Account:
    """One partner account: partner id, marketplace and keys. A company has one per country.

    Attributes:
        name: the name callers use, e.g. `default`.
        partner_id: Amazon's id of the partner, five characters, case-sensitive.
        marketplace: country code as Amazon writes it, e.g. `US`, `UK`, `JP`.
        access_key_id: not secret, but logged only by its last four characters.
        secret_access_key: signs requests.
        key_created_at: aware UTC; None when the operator did not say.
        on_trial: the key was promoted a moment ago. Should Amazon refuse it, the key before it comes back at once.
        parks_unfunded: requests that the balance does not cover wait until it does, instead of being refused.
    """

    name: str
    partner_id: str
    marketplace: str
    access_key_id: str
    secret_access_key: Secret
    key_created_at: datetime | None = None
    on_trial: bool = False
    parks_unfunded: bool = False

    @property
    def key_fingerprint(self) -> str:
        """Tells keys apart where none should stand: eight hexadecimal digits of a hash of the key's id."""
        return hashlib.sha256(self.access_key_id.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class AccountFunds:
    """An account's balance.

    Attributes:
        available: may be zero, or below.
        as_of: Amazon's time of it, aware UTC.
    """

    account: str
    available: Money
    as_of: datetime


@dataclass(frozen=True, slots=True)
class CardState:
    """What ActivationStatusCheck responds.

    Attributes:
        status: `Activated`, `AwaitingActivation`, or another word of Amazon's.
        value: None where Amazon names none (a card that is not active).
    """

    status: str
    value: Money | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that happened to the account.

    Attributes:
        type: `GCCreation`, `GCCancellation`; the names for physical cards are not published.
        status: `Success` or `Failed`.
        time: aware UTC.
        value: None for cancellations.
        failure: an errorType.
        is_real: False for idempotent repeats and failures.
    """

    request_id: str
    type: str | None
    status: str | None
    time: datetime | None
    value: Money | None
    gc_id: str | None
    failure: str | None
    is_real: bool
