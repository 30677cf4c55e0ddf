"""GET /requests: search the ledger, newest first."""

from __future__ import annotations

from typing import Any

from incentives import bootstrap
from incentives.api import parameters, single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.usecases.single_requests.search import Query
from incentives.usecases.single_requests.search import search as find_requests


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG001 - Lambda's signature
    """Find the requests of an account by day and status."""

    def respond(call: ApiCall) -> ApiResponse:
        named, status, first, last, cursor = single_requests.read_search(call, bootstrap.SystemClock().now())
        account = parameters.account_or_default(named, bootstrap.settings().default_account)
        query = Query(account=account, first=first, last=last, status=status, cursor=cursor)
        page = find_requests(query, bootstrap.index())
        return single_requests.found(page.records, page.cursor)

    return bootstrap.response(event, respond)


bootstrap.in_init(bootstrap.index)
