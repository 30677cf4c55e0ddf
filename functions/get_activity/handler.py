"""GET /activity: GetGiftCardActivityPage."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import orders, questions
from incentives.api.gateway import ApiAnswer, ApiCall
from incentives.usecases.get_activity import get_activity


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no class
    """Read a page of Amazon's own book of the account."""

    def respond(call: ApiCall) -> ApiAnswer:
        named, first, last, page = questions.read_activity(call)
        account = orders.account_or_default(named, bootstrap.settings().default_account)
        found = get_activity(
            account, first, last, index=page, tools=bootstrap.tools(), budget=bootstrap.budget_of(context)
        )
        return questions.activity(account, page, found.rows, found.total, len(found.left_out))

    return bootstrap.answer(event, respond)


bootstrap.in_init(bootstrap.pacer, bootstrap.amazon, bootstrap.authorities)
