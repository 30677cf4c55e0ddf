"""The ports of a test, all at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from incentives.usecases import ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """`Dependencies` of what a test has made."""

    ledger: ports.Ledger
    budgets: ports.Budgets
    rate_limiter: ports.RateLimiter
    backlog: ports.Backlog
    amazon: ports.Amazon
    kept_pages: ports.KeptPages
    accounts: ports.Accounts
    vault: ports.Vault
    recoveries: ports.Recoveries
    notifier: ports.Notifier
    clock: ports.Clock
    telemetry: ports.Telemetry
    new_nonce: Callable[[], str]
