"""What is kept of an attempt for a case at Amazon: never the body, only fields that are known to be harmless.

A claim code can stand anywhere in a response that is garbled. So nothing is copied because of its name alone: a status
is one of the known words, an amount is a number, the request id is said to be ours or not, and the message is cleaned
of everything that looks like a code. Of a body that is no document only its length and hash are kept.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from incentives.agcod.bodies import REQUEST_ID_MEMBERS
from incentives.agcod.reading.dates import parse_date
from incentives.agcod.reading.models import SomeMoney, WithCard, read_model
from incentives.agcod.transport import Fault, HttpResponse
from incentives.domain.calls import Call, Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incentives.agcod.client import SignedCall
    from incentives.agcod.reading.envelope import Envelope

_STATUSES: Final = frozenset({"SUCCESS", "FAILURE", "RESEND"})
_CARD_STATUSES: Final = frozenset({"Fulfilled", "RefundedToPurchaser", "Expired", "Activated", "AwaitingActivation"})
#: A UUID as a rule. A claim code has no eight or more characters before its first hyphen, and is no header's value.
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z-]{16,64}")
_OTHER: Final = "(another)"
#: Digits of an amount that are shown. The largest amount that the gateway takes has ten with its cents.
_AMOUNT_DIGITS_MAX: Final = 11


def evidence_of(signed: SignedCall, result: HttpResponse | Fault, envelope: Envelope | None) -> Evidence:
    """What remains of one attempt."""
    sent = Evidence(url=signed.url, amz_date=signed.amz_date, string_to_sign=signed.string_to_sign)
    if isinstance(result, Fault):
        return replace(sent, fault=result.name)
    request_id = result.headers.get("x-amzn-requestid", "")
    return replace(
        sent,
        http_status=result.status,
        amazon_request_id=request_id if _REQUEST_ID.fullmatch(request_id) else None,
        response=_facts(result, envelope, signed.call),
    )


def _facts(response: HttpResponse, envelope: Envelope | None, call: Call) -> Mapping[str, str]:
    if envelope is None:
        digest = hashlib.sha256(response.body).hexdigest()
        return {
            "unreadable": "cut" if not response.complete else "noDocument",
            "bytes": str(len(response.body)),
            "sha256": digest,
        }
    error = envelope.error
    facts: dict[str, str | None] = {
        "status": _word(envelope.status, _STATUSES),
        "errorCode": error.code,
        "errorType": error.type,
        "message": error.message,
        **_card_facts(envelope),
    }
    member = REQUEST_ID_MEMBERS[call.name]
    if member is not None:
        named = envelope.members.get(member)
        facts[member] = None if named is None else call.request_id if named == call.request_id else _OTHER
    return {name: text for name, text in facts.items() if text is not None}


def _card_facts(envelope: Envelope) -> dict[str, str | None]:
    carrier = read_model(WithCard, envelope.members)
    info = carrier.card_info if carrier is not None else None
    expiration = envelope.members.get("gcExpirationDate")
    return {
        "cardStatus": _word(info.card_status, _CARD_STATUSES) if info is not None else None,
        "value": _value(info.value if info is not None else None),
        # The reader takes such a card for good; an operator may want to know why it has no date.
        "gcExpirationDate": "(unreadable)" if expiration is not None and parse_date(expiration) is None else None,
    }


def _word(word: str | None, known: frozenset[str]) -> str | None:
    return word if word is None or word in known else _OTHER


def _value(raw: object) -> str | None:
    money = read_model(SomeMoney, raw)
    if money is None or money.amount is None or money.currency_code is None:
        return None
    text = f"{money.amount:f}"
    if sum(map(str.isdigit, text)) > _AMOUNT_DIGITS_MAX:
        # A number that is no amount may be the number of a card.
        return _OTHER
    return f"{text} {money.currency_code}"
