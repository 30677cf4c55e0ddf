"""The environment variables of a deployed function, for tests that start processes like Lambda's."""

from __future__ import annotations

from typing import Final

DEPLOYED: Final = {
    # Lambda's own.
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    # The template's.
    "ACCOUNT_SECRET_PREFIX": "accounts",
    "ACCOUNT_TABLE": "accounts",
    "ACTIVITY_TYPES": "GCCreation=charge,GCCancellation=refund",
    "AMAZON_ENVIRONMENT": "sandbox",
    "BOOKS_BUCKET": "books",
    "BOOKS_TABLE": "books",
    "BUDGETS_TABLE": "budgets",
    "BACKLOG_QUEUE": "https://queue.test/backlog",
    "CARD_VAULT_KEY": "key",
    "DEFAULT_ACCOUNT": "default",
    "EVENT_BUS": "bus",
    "LEDGER_TABLE": "ledger",
    "OPERATORS_TOPIC": "topic",
    "ORDERS_BUCKET": "orders",
    "ORDERS_TABLE": "orders",
    "ORDER_STATE_MACHINE": "orders",
    "RATE_LIMITER_TABLE": "rate_limiter",
    "PACE_BURST": "1",
    "PACE_REQUESTS_PER_SECOND": "8",
    "PACE_SHARE_KEPT": "0.2",
    "RECONCILIATION_STATE_MACHINE": "reconciliations",
    "RECOVERY_STATE_MACHINE": "recovery",
}
