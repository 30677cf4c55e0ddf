"""Headers and parameters of the OpenAPI document, see `openapi`. No function imports this."""

from __future__ import annotations

from typing import Any, Final

from incentives.api.models.budgets import NAME, NAME_PATTERN
from incentives.api.models.bulk_orders import ORDER_ID, ORDER_ID_PATTERN
from incentives.api.models.closes import MONTH, MONTH_PATTERN
from incentives.api.models.reconciliation import (
    DAY,
    DAY_PATTERN,
    DIFFERENCE_ID,
    HASH_PATTERN,
    STATEMENT_ID,
    STATEMENT_ID_PATTERN,
)
from incentives.api.models.single_requests import REQUEST_ID
from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.single_requests.request_ids import (
    IDEMPOTENCY_KEY_FIELD,
    IDEMPOTENCY_KEY_LENGTH_MAX,
    REQUEST_ID_LENGTH_MAX,
)

Json = dict[str, Any]

HEADERS: Final[Json] = {
    "CacheControl": {
        "description": "No response may be kept by a cache.",
        "required": True,
        "schema": {"const": "no-store"},
    },
    "IdempotentReplayed": {
        "description": "The response is that of an earlier request; absent otherwise.",
        "schema": {"const": "true"},
    },
    "Location": {
        "description": "Where to ask what became of it; a path of this host.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference", "pattern": "^/"},
    },
    "PreferenceApplied": {
        "description": "The preference that was heeded; absent where none was asked for.",
        "schema": {"const": "respond-async"},
    },
    "RetryAfter": {
        "description": "Seconds after which asking again makes sense.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RetryAfterIfAny": {
        "description": "Seconds after which trying again makes sense; absent where it does not.",
        "schema": {"type": "integer", "minimum": 1},
    },
}

PARAMETERS: Final[Json] = {
    "Account": {
        "name": "account",
        "in": "path",
        "required": True,
        "description": "Name of the partner account.",
        "schema": {"type": "string", "pattern": f"^{ACCOUNT_NAME.pattern}$"},
        "example": "default",
    },
    "BudgetName": {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "Name of the budget.",
        "schema": {"type": "string", "pattern": NAME_PATTERN},
        "example": NAME,
    },
    "Day": {
        "name": "day",
        "in": "path",
        "required": True,
        "description": "Booking day, in the zone that the books are kept in.",
        "schema": {"type": "string", "format": "date", "pattern": DAY_PATTERN},
        "example": DAY,
    },
    "DifferenceId": {
        "name": "differenceId",
        "in": "path",
        "required": True,
        "description": "As the day names it.",
        "schema": {"type": "string", "pattern": HASH_PATTERN},
        "example": DIFFERENCE_ID,
    },
    "IdempotencyKey": {
        "name": IDEMPOTENCY_KEY_FIELD,
        "in": "header",
        "required": True,
        "description": f"Names the order: 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters, of which "
        "neither the first nor the last is a blank or a quotation mark. It may stand in quotes, as the IETF's draft of "
        'this header has it, with a backslash before each \\ and " of the key: `"order-1"` and `order-1` are one key.',
        "schema": {
            "type": "string",
            "minLength": 1,
            # In quotes, and each of its characters with a backslash.
            "maxLength": 2 * IDEMPOTENCY_KEY_LENGTH_MAX + 2,
            "pattern": r'^([!#-~]([ -~]*[!#-~])?|"([!#-\[\]-~]|\\\\)(([ !#-\[\]-~]|\\["\\])*([!#-\[\]-~]|\\\\))?")$',
        },
        "example": "order-2026-0017",
    },
    "Month": {
        "name": "month",
        "in": "path",
        "required": True,
        "description": "In the zone that the books are kept in.",
        "schema": {"type": "string", "pattern": MONTH_PATTERN},
        "example": MONTH,
    },
    "OrderId": {
        "name": "orderId",
        "in": "path",
        "required": True,
        "description": "As the response named it that made the order.",
        "schema": {"type": "string", "pattern": ORDER_ID_PATTERN},
        "example": ORDER_ID,
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "With `respond-async` the response does not wait for Amazon; other preferences are ignored.",
        "schema": {"type": "string"},
        "example": "respond-async",
    },
    "RequestId": {
        "name": "requestId",
        "in": "path",
        "required": True,
        "description": "As a response named it; of a request that was issued again, any of its ids.",
        "schema": {"type": "string", "pattern": f"^[A-Za-z0-9]{{1,{REQUEST_ID_LENGTH_MAX}}}$"},
        "example": REQUEST_ID,
    },
    "StatementId": {
        "name": "statementId",
        "in": "path",
        "required": True,
        "description": "As the response named it that said where it goes.",
        "schema": {"type": "string", "pattern": STATEMENT_ID_PATTERN},
        "example": STATEMENT_ID,
    },
}
