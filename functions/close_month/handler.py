"""POST /closes/{account}/{month} and /sign-off: close a month, and sign it."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import closes, reconciliation
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.persons import person_of
from incentives.usecases.reconciliation.close_month import Closer, close_month
from incentives.usecases.reconciliation.sign_off import sign_off


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Close: 202 with the next version, or 200 with the same one or what blocks it. Sign off: 200."""
    call.query_of()
    account, month = reconciliation.read_account(call), reconciliation.read_month(call.path.get("month") or "")
    books = container.books_dependencies
    if call.route.endswith("/sign-off"):
        seen = closes.read_sign_off(call)
        signer = Closer(person_of(call.identity, container.role_paths), call.caller)
        return closes.standing(sign_off(account, month, seen, signer, books))
    opening = closes.read_close(call)
    closer = Closer(person_of(call.identity, container.role_paths), call.caller)
    view, is_new = close_month(account, month, opening, closer, books)
    return closes.closed(view, call, is_new=is_new)


in_init(lambda: (container.books_dependencies, container.role_paths, client("s3")))
