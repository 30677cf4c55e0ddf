"""Operators invoke it: rotate an account's access key to the one that they have put as pending."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from incentives import bootstrap
from incentives.domain.errors import GatewayError
from incentives.domain.keys.rotation import TRIAL
from incentives.usecases.keys.rotate_keys import rotate_keys


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Prove, promote and watch; or tell how it stands. Repeating it is harmless.

    Args:
        event: `{"account", "watchSeconds"}`; both may be left out.
        context: Lambda's.
    """
    account = str(event.get("account") or bootstrap.settings().default_account or "")
    watch_for = timedelta(seconds=float(event.get("watchSeconds", TRIAL.total_seconds())))
    try:
        report = rotate_keys(
            account, bootstrap.key_dependencies(), bootstrap.budget_of(context).seconds_left, watch_for=watch_for
        )
    except GatewayError as error:
        return {"account": account, "outcome": "failed", "detail": error.detail}
    finally:
        bootstrap.telemetry().flush()
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


bootstrap.in_init(bootstrap.key_dependencies, bootstrap.rate_limiter, bootstrap.amazon)
