"""GET /reconciliations and /closes: how days were judged, and what months came to."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import closes, parameters, reconciliation
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation import get_books
from incentives.usecases.reconciliation.get_close import get_close


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Tell what the last part of the route names."""
    books = container.books_dependencies
    now = books.dependencies.clock.now()
    match call.route.rpartition("/")[2]:
        case "reconciliations":
            named, first, last, cursor = reconciliation.read_list(call)
            account = parameters.account_or_default(named, container.settings.default_account)
            listed = get_books.get_days(account, first, last, cursor, books)
            return reconciliation.days(listed.days, listed.cursor, now)
        case "movements":
            month, account = reconciliation.read_movements_month(call), reconciliation.read_account(call)
            found = get_books.get_movements(account, month, books)
            return reconciliation.movements([(each.movement, each.name) for each in found])
        case "{month}":
            call.query_of()
            account, closed = reconciliation.read_account(call), reconciliation.read_month(call.path["month"])
            return closes.standing(get_close(account, closed, books))
        case _:
            kind, cursor = reconciliation.read_detail(call)
            account, day = reconciliation.read_account(call), reconciliation.read_route_day(call)
            shown = get_books.get_day(account, day, kind, cursor, books)
            return reconciliation.detail(shown.day, shown.findings, shown.cursor, now)


in_init(lambda: (container.books_dependencies, client("s3")))
