"""POST /closes/{account}/{month} and /sign-off: close a month, and sign it."""

from __future__ import annotations

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget


@api_function
def handler(call: ApiCall, _: Budget) -> ApiResponse:
    """Not there yet."""
    raise NotImplementedError(call.route)
