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

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from incentives.agcod.errors import TABLE, Kind, kinds_of_message, taxon_of_code, taxon_of_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from incentives.agcod.envelope import Envelope

_FIRST_SERVER_FAULT: Final = 500
_DOUBTS: Final = frozenset({Kind.RESEND, Kind.FAULT, Kind.UNREADABLE})


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
    said = kinds_of_message(envelope.said)
    told = _told_by_names(envelope) | (said - {kind for text in own_texts for kind in kinds_of_message(text)})
    by_fields = _by_type_and_code(envelope)
    if Kind.OVERLOADED in told:
        return Kind.OVERLOADED
    if Kind.FAULT in told:
        return Kind.RESEND if by_fields is Kind.RESEND else Kind.FAULT
    if Kind.THROTTLED in told or http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return Kind.THROTTLED
    if http_status >= _FIRST_SERVER_FAULT:
        # A server that broke down is no witness of what it did before.
        return by_fields if by_fields in {Kind.RESEND, Kind.FAULT} else Kind.FAULT
    if Kind.CREDENTIALS in told:
        return Kind.CREDENTIALS
    if envelope.not_read and http_status == HTTPStatus.BAD_REQUEST and envelope.said not in own_texts:
        return Kind.REFUSED
    is_known = envelope.own_type in TABLE and by_fields is Kind.REFUSED
    if by_fields is Kind.REFUSED and (envelope.status != "FAILURE" or (said and not is_known)):
        # Of a sentence that ours may stand in, only the type tells whether it is Amazon's own or a quotation.
        return Kind.UNREADABLE
    return by_fields


def _told_by_names(envelope: Envelope) -> set[Kind]:
    own = [taxon_of_name(envelope.own_type)] if envelope.own_type is not None else []
    front_door = [taxon_of_name(name, front_door=True) for name in envelope.front_door_types]
    return {taxon.kind for taxon in (*own, *front_door) if taxon is not None}


def _by_type_and_code(envelope: Envelope) -> Kind:
    """What Amazon's own fields say. A type says more than its code, but never talks a doubt away."""
    code = envelope.error.code
    by_code = taxon_of_code(code)
    # A code outside F100 to F599 is none that we could act on.
    coded = by_code.kind if by_code is not None else None if code is None else Kind.UNREADABLE
    if coded in _DOUBTS:
        return coded
    own = taxon_of_name(envelope.own_type) if envelope.own_type is not None else None
    if own is None:
        return coded or Kind.UNREADABLE
    return (coded or Kind.FAULT) if own.kind is Kind.BY_CODE else own.kind
