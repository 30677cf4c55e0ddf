"""The case that Amazon's support gets when a request could not be settled in 24 hours.

Amazon asks for: the complete request and response, the full URL, the string to sign, the signature, the time with its
zone, the programming language, recent changes, and the partner id. It holds no secret key and no claim code, and a
signature only once it is too old to be used: a fresh signed create is as good as the card.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record

#: Amazon takes a signature for 15 minutes. The clock of whoever mails the case may be ten minutes ahead of Amazon's;
#: one more to be sure.
SIGNATURE_STALE_AFTER: Final = timedelta(minutes=15 + 10 + 1)

LANGUAGE: Final = "Python"


def case_file(record: Record, *, request_body: str | None, signature: str | None, version: str, now: datetime) -> str:
    """The case as JSON text.

    Args:
        record: the escalated request.
        request_body: what was sent, with a card number masked; None if it cannot be made again.
        signature: of the last attempt; None while it is fresh or if the key is gone.
        version: of the gateway.
        now: aware UTC.
    """
    evidence = record.evidence
    case: dict[str, Any] = {
        "partnerId": record.partner_id,
        "requestId": record.request_id,
        "operation": record.operation.value,
        "reversal": record.operation.reversal,
        "amount": record.value.amount_text,
        "currencyCode": record.value.currency,
        "gcId": record.gc_id,
        "cardNumber": record.subject,
        "status": record.status.value,
        "intent": record.intent.value,
        "cause": record.cause.value if record.cause else None,
        "conflict": record.conflict.value if record.conflict else None,
        "generation": record.generation,
        "replaces": record.replaces,
        "attempts": record.attempts,
        "reversalAttempts": record.reversal_attempts,
        "firstSentAt": _time(record.first_sent_at),
        "lastSentAt": _time(record.last_sent_at),
        "lastReversalSentAt": _time(record.last_reversal_sent_at),
        "writtenAt": _time(now),
        "timeZone": "UTC",
        "programmingLanguage": LANGUAGE,
        "recentChanges": f"none known to this program; it is version {version}",
        "history": list(record.history),
    }
    if evidence is not None:
        case["lastRequest"] = {
            "method": "POST",
            "url": evidence.url,
            "x-amz-date": evidence.amz_date,
            "body": request_body,
            "stringToSign": evidence.string_to_sign,
            "signature": signature or "withheld while it could still be used",
        }
        case["lastAnswer"] = {
            "httpStatus": evidence.http_status,
            "x-amzn-RequestId": evidence.amazon_request_id,
            "members": dict(evidence.response),
            "fault": evidence.fault,
        }
    return json.dumps(case, indent=1)


def is_stale(amz_date: str, now: datetime) -> bool:
    """Whether a signature of that date can no longer be used."""
    signed_at = datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return now >= signed_at + SIGNATURE_STALE_AFTER


def stale_at(amz_date: str) -> datetime:
    """When a signature of that date can no longer be used."""
    return datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + SIGNATURE_STALE_AFTER


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
