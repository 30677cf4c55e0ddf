"""Operators invoke it: rotate an account's access key to the one that they have put as pending."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from incentives.bootstrap import container, in_init
from incentives.domain.errors import GatewayError
from incentives.domain.keys.rotation import TRIAL
from incentives.invocation import Event, function
from incentives.usecases.dependencies import Budget
from incentives.usecases.keys.rotate_keys import rotate_keys


@function
def handler(event: Event, budget: Budget) -> dict[str, Any]:
    """Prove, promote and watch; or tell how it stands. Repeating it is harmless.

    The event is `{"account", "watchSeconds"}`; both may be left out.
    """
    account = str(event.get("account") or container.settings.default_account or "")
    watch_for = timedelta(seconds=float(event.get("watchSeconds", TRIAL.total_seconds())))
    try:
        report = rotate_keys(account, container.key_dependencies, budget.seconds_left, watch_for=watch_for)
    except GatewayError as error:
        return {"account": account, "outcome": "failed", "detail": error.detail}
    return {
        "account": report.account,
        "outcome": report.outcome.value,
        "detail": report.detail,
        "newKey": report.new_key,
        "oldKey": report.old_key,
        "lastUsedAt": _text(report.last_used_at),
        "safeToDeactivateAt": _text(report.safe_at),
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


in_init(lambda: (container.key_dependencies, container.ready_for_amazon()))
