"""Logs and metrics: the one way to say something about a request.

Facts are an allow-list of names with plain values. What is not on it raises in tests and is dropped in production,
so that nobody logs an event, a body or an answer by accident; anything shaped like a claim code or a card number
is masked on top.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

#: Every fact that may be logged.
FACTS: Final = frozenset(
    {
        "account", "amazonRequestId", "attempt", "because", "caller", "cause", "code", "currencyCode", "epoch",
        "errorCode", "errorType", "exception", "field", "httpStatus", "milliseconds", "operation", "outcome",
        "requestId", "reversalAttempt", "route", "status", "was", "where",
    }
)  # fmt: skip

#: A claim code is 4-6-4 letters and digits, with or without hyphens; a card number 16 to 30 digits.
_CODE: Final = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z0-9]{4}-[A-Z0-9]{6}-[A-Z0-9]{4,5}|[A-Z0-9]{14,15}|\d{16,30})(?![A-Za-z0-9])")


class PowertoolsTelemetry:
    """`Telemetry` on Powertools: JSON lines to the log, EMF metrics in them."""

    def __init__(self, service: str, namespace: str) -> None:
        self._logger = Logger(service=service)
        self._metrics = Metrics(service=service, namespace=namespace)

    def log(self, event: str, **facts: Any) -> None:
        """Write one log line; unknown facts and empty ones are left out."""
        self._logger.info(event, extra=safe_facts(facts))

    def count(self, metric: str, value: float = 1.0, *, unit: str = "Count", **dimensions: str) -> None:
        """Add to a metric. Dimensions are few and fixed: each combination costs money every month."""
        self._metrics.add_metric(name=metric, unit=MetricUnit(unit), value=value)
        if dimensions:
            for name, text in dimensions.items():
                self._metrics.add_dimension(name=name, value=text)
            # A dimension belongs to all metrics of its EMF line: one line per combination.
            self.flush()

    def flush(self) -> None:
        """Write what has been counted."""
        self._metrics.flush_metrics()


def safe_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Keep the facts on the allow-list, with whatever looks like a code masked."""
    return {name: mask(value) for name, value in facts.items() if name in FACTS and value is not None}


def mask(value: Any) -> str | int | float | bool:
    """A plain value, with whatever looks like a claim code or a card number masked."""
    if isinstance(value, bool | int | float):
        return value
    return _CODE.sub("***", str(value))
