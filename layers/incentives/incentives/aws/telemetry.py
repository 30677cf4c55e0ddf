"""Logs and metrics: the one way to say something about a request.

Facts are an allow-list of names with plain values. What is not on it is dropped, so that nobody logs an event, a body
or a response by accident; anything shaped like a claim code or a card number is masked on top.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

#: Every fact that may be logged.
FACTS: Final = frozenset(
    {
        "account", "after", "amazonRequestId", "attempt", "batch", "because", "before", "caller", "cause", "code",
        "currencyCode", "day", "decidedAt", "decision", "differences", "epoch", "errorCode", "errorType", "eventId",
        "exception", "field", "httpStatus", "lastUsedAt", "milliseconds", "month", "operation", "orderId", "outcome",
        "person", "reason", "requestId", "reversalAttempt", "round", "route", "rows", "safeAt", "status", "subject",
        "version", "was", "where",
        # Of budgets: names and sums.
        "budget", "expectedRemaining", "expectedSpent", "notCounted", "period", "remaining", "spent",
    }
)  # fmt: skip

#: A claim code is 4-6-4 letters and digits, with or without hyphens; a card number 16 to 30 digits, perhaps in groups.
#: Without hyphens only capitals count: `CancelGiftCard` has 14 letters too.
_CODE: Final = re.compile(
    r"(?<![A-Za-z0-9])"
    r"(?:[A-Za-z0-9]{4}-[A-Za-z0-9]{6}-[A-Za-z0-9]{4,5}|[A-Z0-9]{14,15}|[0-9]{16,30}|(?:[0-9]{4}[ -]){3,6}[0-9]{1,6})"
    r"(?![A-Za-z0-9])"
)


class PowertoolsTelemetry:
    """`Telemetry` on Powertools: JSON lines to the log, EMF metrics in them."""

    def __init__(self, service: str, namespace: str) -> None:
        self._logger = Logger(service=service)
        self._metrics = Metrics(service=service, namespace=namespace)
        #: Of what has been counted and not been written yet.
        self._dimensions: Mapping[str, str] = {}
        self._is_cold = True

    def begin(self, context: LambdaContext, api_request_id: str | None) -> None:
        """Name the invocation in the lines to come. Powertools' decorator would not mask what a caller may choose."""
        named = {
            "function_name": context.function_name,
            "function_request_id": context.aws_request_id,
            "correlation_id": api_request_id,
            "cold_start": self._is_cold,
        }
        self._logger.append_keys(**{name: None if value is None else mask(value) for name, value in named.items()})
        self._is_cold = False

    def log(self, event: str, **facts: object) -> None:
        """Write one log line; unknown facts and empty ones are left out."""
        # Level 3: the line's location is our caller's.
        self._logger.info(mask(event), extra=safe_facts(facts), stacklevel=3)

    def count(self, metric: str, value: float = 1.0, *, unit: str = "Count", **dimensions: str) -> None:
        """Add to a metric. Dimensions are few and fixed: each combination costs money every month."""
        counted = MetricUnit(unit)
        if dimensions != self._dimensions:
            # A dimension belongs to all metrics of its EMF line: one line per combination, and none of what waits.
            self.flush()
            self._dimensions = dimensions
            for name, text in dimensions.items():
                self._metrics.add_dimension(name=name, value=text)
        self._metrics.add_metric(name=metric, unit=counted, value=value)

    def flush(self) -> None:
        """Write what has been counted and not been written yet. What cannot be written is lost: it stops nobody."""
        if self._metrics.metric_set:
            try:
                self._metrics.flush_metrics()
            except Exception as error:  # noqa: BLE001 - raised after the work, it would take the place of the response
                self._metrics.clear_metrics()
                self.log("metricsLost", exception=type(error).__name__)
        self._dimensions = {}


def safe_facts(facts: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    """Keep the facts on the allow-list, with whatever looks like a code masked."""
    return {name: mask(value) for name, value in facts.items() if name in FACTS and value is not None}


def mask(value: object) -> str | int | float | bool:
    """A plain value, with whatever looks like a claim code or a card number masked."""
    text = str(value)
    masked = _CODE.sub("***", text)
    return value if isinstance(value, bool | int | float) and masked == text else masked
