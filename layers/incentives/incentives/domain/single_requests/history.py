"""What was tried and what came of it, one line an attempt: for the case file, and for whoever reads the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incentives.domain.outcomes import AmazonError, Outcome, ReversalOutcome, Succeeded

if TYPE_CHECKING:
    from incentives.domain.calls import Attempt
    from incentives.domain.single_requests.record import Record

#: Lines kept of a long history: how it began, and how it went on last. About 10 KB at the most.
HISTORY_FIRST: Final = 10
HISTORY_LAST: Final = 50


def noted(record: Record, attempt: Attempt[Outcome] | Attempt[ReversalOutcome]) -> tuple[str, ...]:
    """The history with one more attempt; a success on the first try has nothing to tell."""
    outcome = attempt.outcome
    if isinstance(outcome, Succeeded) and not record.history:
        return ()
    evidence = attempt.evidence
    error: AmazonError = getattr(outcome, "error", AmazonError())
    because = getattr(outcome, "because", None) or getattr(outcome, "unknown", None)
    parts = (
        evidence.amz_date,
        evidence.url.rpartition("/")[2],
        type(outcome).__name__,
        because.value if because else None,
        f"HTTP {evidence.http_status}" if evidence.http_status else evidence.fault,
        error.code,
        error.type,
        evidence.amazon_request_id,
    )
    lines = (*record.history, " ".join(part for part in parts if part))
    return (*lines[:HISTORY_FIRST], *lines[HISTORY_FIRST:][-HISTORY_LAST:])
