"""Requests that recovery is about, in the ledger behind the console."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from incentives.domain.single_requests.record import Record, Status
from tests.console.served import Api
from tests.support.fakes import START
from tests.unit.builders import HOUR, record

CASE: Final[Mapping[str, Any]] = {
    "partnerId": "Test1", "requestId": "Test1A", "operation": "CreateGiftCard", "reversal": "CancelGiftCard",
    "amount": "25.00", "currencyCode": "USD", "gcId": None, "cardNumber": None, "status": "ESCALATED",
    "intent": "retry", "cause": None, "conflict": "value", "generation": 0, "replaces": None, "attempts": 131,
    "reversalAttempts": 0, "firstSentAt": "2026-02-28T11:00:00Z", "lastSentAt": "2026-03-01T11:00:00Z",
    "lastReversalSentAt": None, "writtenAt": "2026-03-01T11:00:02Z", "timeZone": "UTC",
    "programmingLanguage": "Python", "recentChanges": "none known",
    "history": ["2026-02-28T11:00:06Z CreateGiftCard Unknown timedOut", "2026-03-01T11:00:02Z CreateGiftCard Conflict"],
    "lastRequest": {
        "method": "POST", "url": "https://agcod.test/CreateGiftCard", "x-amz-date": "20260301T110000Z",
        "body": '{"creationRequestId":"Test1A"}', "stringToSign": "AWS4-HMAC-SHA256 ...",
        "signature": "withheld while it could still be used",
    },
    "lastAnswer": {
        "httpStatus": None, "x-amzn-RequestId": None, "members": {"status": "RESEND"}, "fault": "ReadTimeout",
    },
}  # fmt: skip


def keep(api: Api, made: Record) -> str:
    """Have the ledger hold a record; its request id."""
    api.functions.world.ledger.records[made.request_id] = made
    return made.request_id


def escalated(
    api: Api, request_id: str = "Test1E", hours: int = 30, *, history: Sequence[str] | None = None, **updates: Any
) -> str:
    """A request that people have to settle, with its case."""
    case = {**CASE, "requestId": request_id, "history": CASE["history"] if history is None else history}
    values = {"case_file": json.dumps(case), "created_at": START - hours * HOUR, "in_flight": False}
    return keep(api, record(Status.ESCALATED, request_id=request_id, **(values | updates)))
