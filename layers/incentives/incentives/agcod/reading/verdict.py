"""What a response that is no success proves about the attempt that got it.

**Refused needs evidence.** An attempt is refused only if the response is

- a FAILURE with an F2xx or F3xx code or one of Amazon's known errorTypes, whose type and message speak neither of
  credentials, nor of rate, nor of a time-out or lost connection; or
- Amazon's word that it could not read our JSON: nothing was looked up then.

Whatever else comes is unknown, whatever its HTTP status: front doors tell lost connections and internal faults as 400,
and a card may have been charged by then. Credentials and throttling are told by type or by message, over any F-code. A
message counts only in Amazon's own fields, and not where it says what our caller's texts say: Amazon may quote them.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from incentives.agcod.errors import TABLE, Kind, error_spec_of_code
from incentives.agcod.reading.words import kinds_of_message, kinds_of_name, one_space

if TYPE_CHECKING:
    from collections.abc import Collection

    from incentives.agcod.reading.envelope import Envelope

_FIRST_SERVER_FAULT: Final = 500
#: These statuses themselves say that something was waited for in vain.
_TIMED_OUT: Final = frozenset({408, 499})
_FAULTS: Final = frozenset({Kind.RESEND, Kind.FAULT})
_DOUBTS: Final = _FAULTS | {Kind.UNREADABLE}
_NOT_EXECUTED: Final = frozenset({Kind.THROTTLED, Kind.CREDENTIALS})


def kind_of_failure(  # noqa: PLR0911 - one return per row of the table
    envelope: Envelope, http_status: int, own_texts: Collection[str] = ()
) -> Kind:
    """What a response with status FAILURE, or with none, proves.

    Args:
        envelope: the response.
        http_status: of it.
        own_texts: what was sent in our caller's words.

    Returns:
        REFUSED only on evidence; UNREADABLE for what nobody documented. Never BY_CODE.
    """
    own_texts = [text for text in map(one_space, own_texts) if text]
    said, quoted, unclear = _said_in_messages(envelope.said.messages, own_texts)
    told = said | _told_by_names(envelope)
    by_fields = _by_type_and_codes(envelope)
    if Kind.OVERLOADED in told:
        return Kind.OVERLOADED
    if told & _FAULTS:
        return Kind.RESEND if Kind.RESEND in {*told, by_fields} else Kind.FAULT
    if Kind.THROTTLED in told or (http_status == HTTPStatus.TOO_MANY_REQUESTS and by_fields not in _FAULTS):
        return Kind.THROTTLED
    if http_status >= _FIRST_SERVER_FAULT:
        # A server that broke down is no witness of what it did before; that it throttles is all that it can know.
        return by_fields if by_fields in _FAULTS else Kind.FAULT
    if Kind.CREDENTIALS in told:
        return Kind.CREDENTIALS
    if envelope.not_read and http_status == HTTPStatus.BAD_REQUEST:
        is_ours = any(message in own_texts for message in envelope.said.messages)
        return Kind.UNREADABLE if is_ours or envelope.said.types else Kind.REFUSED
    if by_fields is Kind.REFUSED:
        # A quotation, or words that something went wrong, leave only a known type to tell what did.
        doubtful = bool(quoted or Kind.UNREADABLE in told) and not _is_known_refusal(envelope.own_type)
        is_odd = envelope.said.odd or (bool(envelope.said.own_types) and envelope.own_type is None)
        is_evidence = envelope.status == "FAILURE" and not is_odd and http_status not in _TIMED_OUT
        return Kind.REFUSED if is_evidence and not doubtful and not unclear else Kind.UNREADABLE
    return by_fields


def _said_in_messages(messages: Collection[str], own_texts: Collection[str]) -> tuple[set[Kind], set[Kind], set[Kind]]:
    """What Amazon's sentences say of themselves, what they only quote, and what may be either.

    Of the last, which our caller's words say as well but in another form, nothing certain can be concluded.
    """
    said, quoted, unclear = set[Kind](), set[Kind](), set[Kind]()
    for message in messages:
        whole, rest = kinds_of_message(message), message
        for text in own_texts:
            if whole & kinds_of_message(text):
                shorter = re.sub(re.escape(text), " ", rest, flags=re.IGNORECASE)
                if shorter == rest:
                    unclear |= whole & kinds_of_message(text) & _NOT_EXECUTED
                rest = shorter
        said |= kinds_of_message(rest)
        quoted |= whole - said
    return said - unclear, quoted, unclear


def _told_by_names(envelope: Envelope) -> set[Kind]:
    told = {kind for name in envelope.said.types for kind in kinds_of_name(name)}
    for name in envelope.said.own_types:
        if name in TABLE:
            told.add(TABLE[name].kind)
        else:
            # None of Amazon's errorTypes is called an exception.
            told |= kinds_of_name(name) or ({Kind.UNREADABLE} if name.lower().endswith("exception") else set())
    return told


def _is_known_refusal(own_type: str | None) -> bool:
    error_spec = TABLE.get(own_type or "")
    return error_spec is not None and error_spec.kind is Kind.REFUSED


def _by_type_and_codes(envelope: Envelope) -> Kind:
    """What Amazon's own fields say. A type says more than its code, but never talks a doubt away."""
    by_code: Kind | None = None
    for code in {envelope.error.code, *envelope.said.codes} - {None}:
        # A code outside F100 to F599 is none that we could act on.
        error_spec = error_spec_of_code(code)
        by_code = error_spec.kind if error_spec is not None else Kind.UNREADABLE
        if by_code in _DOUBTS:
            return by_code
    own = TABLE.get(envelope.own_type or "")
    if own is None:
        return by_code or Kind.UNREADABLE
    return (by_code or Kind.FAULT) if own.kind is Kind.BY_CODE else own.kind
