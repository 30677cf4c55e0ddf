"""GET /requests: search the ledger, newest first, or find the request of an Idempotency-Key."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api import parameters, single_requests
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.single_requests.find import find_by_key
from incentives.usecases.single_requests.search import Query
from incentives.usecases.single_requests.search import search as find_requests


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Find the requests of an account by day and status, or the one of a key."""
    key = single_requests.read_key_sought(call)
    if key is not None:
        record = find_by_key(key, container.dependencies.ledger)
        return single_requests.found([record] if record else [], None)
    named, status, first, last, cursor = single_requests.read_search(call, container.dependencies.clock.now())
    account = parameters.account_or_default(named, container.settings.default_account)
    query = Query(account=account, first=first, last=last, status=status, cursor=cursor)
    page = find_requests(query, container.index)
    return single_requests.found(page.records, page.cursor)


in_init(lambda: container.index)
