"""The reader: one response of Amazon's, and what it says about the attempt that got it.

It is asked with money at stake and never raises: a response that cannot be understood is an outcome, `Unknown`.
`Succeeded` needs every sign at once: HTTP 200, status SUCCESS, no error, our own request id, the live card status of
the operation, the amount and currency asked for, and for a created card its id and claim code. One sign less is not
a success; Amazon's retry rule says that anything else than a clear response may have been charged.

Responses to balance loads are published nowhere. Assumed: `status` and `loadBalanceRequestId` as everywhere; an amount,
in any of the places that other operations use, must be the one asked for if there is one; a `cardStatus`, if there is
one, must be `Fulfilled`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, assert_never

from incentives.agcod.bodies import REQUEST_ID_MEMBERS, LoadUnits, load_amount_value
from incentives.agcod.errors import TABLE, Kind, ReversalKind
from incentives.agcod.reading.dates import parse_date
from incentives.agcod.reading.envelope import Envelope, open_envelope
from incentives.agcod.reading.models import (
    CardInfo,
    CreatedCard,
    FundsResponse,
    LoadedBalance,
    SomeMoney,
    WithCard,
    WithGcId,
    read_model,
)
from incentives.agcod.reading.parsing import Document, parse
from incentives.agcod.reading.verdict import kind_of_failure
from incentives.domain.accounts.account import CardState
from incentives.domain.money import CURRENCY_DECIMALS, Money, without_noise
from incentives.domain.outcomes import (
    AmazonError,
    Card,
    ClaimCode,
    Conflict,
    ConflictKind,
    NoSuchRequest,
    NotExecuted,
    NotExecutedBecause,
    Outcome,
    Refused,
    ReversalOutcome,
    Reversed,
    Succeeded,
    TooLate,
    Unknown,
    UnknownBecause,
    Unresolved,
)

if TYPE_CHECKING:
    from datetime import datetime

    from incentives.agcod.transport import HttpResponse
    from incentives.domain.calls import Call

_FIRST_SERVER_FAULT: Final = 500

#: The cardStatus of a card that is live, by operation.
_LIVE: Final[Mapping[str, str]] = {
    "CreateGiftCard": "Fulfilled",
    "ActivateGiftCard": "Activated",
    "LoadAmazonBalance": "Fulfilled",
}
#: The cardStatus of a card that is reversed, by reversal. A deactivated one's is not documented; these say so.
_REVERSED: Final[Mapping[str, frozenset[str]]] = {
    "CancelGiftCard": frozenset({"RefundedToPurchaser"}),
    "DeactivateGiftCard": frozenset({"AwaitingActivation", "Deactivated", "Inactive", "RefundedToPurchaser"}),
    "VoidAmazonBalanceLoad": frozenset({"RefundedToPurchaser", "Voided"}),
}
#: A load has no cardStatus; `Card.status` then says how Amazon called the response itself.
_NO_CARD_STATUS: Final = "SUCCESS"

#: An outcome that is no success, of operations and of plain queries alike.
Failure = Refused | Unknown | NotExecuted

UNREADABLE: Final = Unknown(UnknownBecause.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Funds:
    """What GetAvailableFunds responds.

    Attributes:
        value: may be zero (Amazon's sandbox always says zero), or below.
        timestamp: aware UTC: Amazon's own, or else the response's Date; None if it has neither.
    """

    value: Money
    timestamp: datetime | None


def open_response(response: HttpResponse, call: Call) -> Envelope | None:
    """The response, parsed; None if it is no document and no header names an error either."""
    document = parse(response.body) if response.complete else None
    if document is None:
        if "x-amzn-errortype" not in response.headers:
            return None
        document = Document(None, {})
    known = () if call.card_number is None else (call.card_number.reveal(),)
    return open_envelope(document, response.headers, known, http_status=response.status)


def read_outcome(response: HttpResponse, call: Call, *, load_units: LoadUnits = "minor") -> Outcome:
    """What a response to Create, Activate or Load says about this attempt. Never raises."""
    try:
        return judge_outcome(open_response(response, call), response.status, call, load_units)
    except Exception:  # noqa: BLE001 - whatever is wrong with the response or with us: the money may have moved
        return UNREADABLE


def read_reversal(response: HttpResponse, call: Call) -> ReversalOutcome:
    """What a response to Cancel, Deactivate or Void says about this attempt. Never raises."""
    try:
        return judge_reversal(open_response(response, call), response.status, call)
    except Exception:  # noqa: BLE001 - as above
        return Unresolved(unknown=UnknownBecause.UNREADABLE)


def judge_outcome(envelope: Envelope | None, http_status: int, call: Call, load_units: LoadUnits = "minor") -> Outcome:
    """`read_outcome` of a response that is already open; raises only where this package has a bug."""
    failure = judge_failure(envelope, http_status, call)
    if failure is not None or envelope is None:
        return failure or UNREADABLE
    match call.name:
        case "CreateGiftCard" | "ActivateGiftCard":
            return _judge_card(envelope, call)
        case "LoadAmazonBalance":
            return _judge_load(envelope, call, load_units)
        case _:
            return UNREADABLE


def judge_reversal(envelope: Envelope | None, http_status: int, call: Call) -> ReversalOutcome:
    """`read_reversal` of a response that is already open; raises only where this package has a bug."""
    failure = judge_failure(envelope, http_status, call)
    match failure:
        case None if envelope is not None and _is_reversed(envelope, call):
            return Reversed()
        case None:
            return Unresolved(unknown=UnknownBecause.UNREADABLE)
        case Unknown(because, error):
            return Unresolved(error, unknown=because)
        case NotExecuted(because, error):
            return Unresolved(error, not_executed=because)
        case Refused(error):
            return _refused_reversal(error, envelope)
        case _:
            assert_never(failure)


def judge_failure(envelope: Envelope | None, http_status: int, call: Call) -> Failure | None:
    """What a failed response says; None for an unmarred SUCCESS, which is then to be read as the operation's own."""
    if envelope is None:
        return _without_document(http_status)
    error = envelope.error
    if envelope.garbled:
        return Unknown(UnknownBecause.UNREADABLE, error)
    match envelope.status:
        case "SUCCESS" if http_status == HTTPStatus.OK and not envelope.has_error:
            return None
        case "RESEND":
            return Unknown(UnknownBecause.RESEND, error)
        case "FAILURE" | None:
            # Serialisation errors and front doors have no status.
            return _judge_error(envelope, http_status, call)
        case _:
            # SUCCESS that contradicts itself, or a word that nobody documented.
            because = UnknownBecause.AMAZON_FAULT if http_status >= _FIRST_SERVER_FAULT else UnknownBecause.UNREADABLE
            return Unknown(because, error)


#: What an attempt is that got an error of each kind but REFUSED.
_NOT_EXECUTED: Final = {Kind.THROTTLED: NotExecutedBecause.THROTTLED, Kind.CREDENTIALS: NotExecutedBecause.CREDENTIALS}
_UNKNOWN: Final = {
    Kind.OVERLOADED: UnknownBecause.OVERLOADED,
    Kind.RESEND: UnknownBecause.RESEND,
    Kind.FAULT: UnknownBecause.AMAZON_FAULT,
}


def _judge_error(envelope: Envelope, http_status: int, call: Call) -> Failure:
    error = envelope.error
    if not is_ours(envelope, call, silence=True) or _shows_a_card(envelope):
        return Unknown(UnknownBecause.UNREADABLE, error)
    kind = kind_of_failure(envelope, http_status, texts_in(call.options))
    if kind is Kind.REFUSED:
        return Refused(error)
    if kind in _NOT_EXECUTED:
        return NotExecuted(_NOT_EXECUTED[kind], error)
    return Unknown(_UNKNOWN.get(kind, UnknownBecause.UNREADABLE), error)


def texts_in(value: object) -> list[str]:
    """Every text in a call's options: what our caller wrote, and Amazon or a front door may quote."""
    match value:
        case str():
            return [value]
        case Mapping():
            return [text for each in (*value, *value.values()) for text in texts_in(each)]
        case list() | tuple():
            return [text for each in value for text in texts_in(each)]
        case _:
            return []


def _shows_a_card(envelope: Envelope) -> bool:
    """Whether there is a card in what is no success: that contradicts itself."""
    info = envelope.members.get("cardInfo")
    status = info.get("cardStatus") if isinstance(info, Mapping) else None
    return any(each is not None for each in (envelope.members.get("gcClaimCode"), envelope.members.get("gcId"), status))


def _without_document(http_status: int) -> Failure:
    if http_status >= _FIRST_SERVER_FAULT:
        return Unknown(UnknownBecause.AMAZON_FAULT)
    if http_status == HTTPStatus.TOO_MANY_REQUESTS:
        # Whoever on the way answered this has not passed the request on.
        return NotExecuted(NotExecutedBecause.THROTTLED)
    return UNREADABLE


def _judge_card(envelope: Envelope, call: Call) -> Outcome:
    card_info = _card_info(envelope)
    if card_info is None or card_info.card_status is None or not is_ours(envelope, call):
        return UNREADABLE
    conflict = _status_conflict(card_info.card_status, envelope)
    if conflict is not None:
        return conflict
    if card_info.card_status != _LIVE[call.name]:
        return Unknown(UnknownBecause.NOT_READY)
    created = read_model(CreatedCard, envelope.members) if call.name == "CreateGiftCard" else None
    gc_id, value = _gc_id(envelope), _money(card_info.value)
    if (
        not _is_same_card(card_info, call)
        or value is None
        or call.value is None
        or (call.name == "CreateGiftCard" and (created is None or gc_id is None))
    ):
        return UNREADABLE
    if value != (call.value.amount, call.value.currency):
        return Conflict(ConflictKind.VALUE, gc_id)
    # An expiration that cannot be read does not make the card unknown: it is paid for, live, and its code is here.
    # Repeating the call would bring the same text again. Evidence tells the operator that there was one.
    expires_at = parse_date(created.gc_expiration_date if created is not None else card_info.expiration_date)
    claim_code = ClaimCode(created.gc_claim_code) if created is not None else None
    return Succeeded(Card(gc_id, claim_code, expires_at, card_info.card_status, call.value))


def _judge_load(envelope: Envelope, call: Call, load_units: LoadUnits) -> Outcome:
    loaded = read_model(LoadedBalance, envelope.members)
    if loaded is None or call.value is None or not is_ours(envelope, call):
        return UNREADABLE
    status = loaded.card_info.card_status if loaded.card_info is not None else None
    if status is not None:
        conflict = _status_conflict(status, envelope)
        if conflict is not None:
            return conflict
        if status != _LIVE[call.name]:
            return Unknown(UnknownBecause.NOT_READY)
    in_card = loaded.card_info.value if loaded.card_info is not None else None
    given = [each for each in (loaded.amount, loaded.value, in_card) if each is not None]
    values = [_money(each, load_units=load_units) for each in given]
    if None in values:
        return UNREADABLE
    if any(each != (call.value.amount, call.value.currency) for each in values):
        return Conflict(ConflictKind.VALUE)
    return Succeeded(Card(None, None, None, status or _NO_CARD_STATUS, call.value))


def _status_conflict(card_status: str, envelope: Envelope) -> Conflict | None:
    kind = {"RefundedToPurchaser": ConflictKind.REFUNDED, "Expired": ConflictKind.EXPIRED}.get(card_status)
    return Conflict(kind, _gc_id(envelope)) if kind is not None else None


def _is_reversed(envelope: Envelope, call: Call) -> bool:
    gc_id, card_info = _gc_id(envelope), _card_info(envelope)
    if not is_ours(envelope, call) or (gc_id is None and envelope.members.get("gcId") is not None):
        return False
    if call.gc_id is not None and gc_id is not None and gc_id != call.gc_id:
        return False
    if card_info is None:
        # Cancel and Void respond without one. One that is there but cannot be read is another matter.
        return envelope.members.get("cardInfo") is None
    is_reversed = card_info.card_status is None or card_info.card_status in _REVERSED[call.name]
    return is_reversed and _is_same_card(card_info, call)


#: With these words OperationNotPermitted speaks of the card or of the account, which Amazon then does know.
_OF_A_KNOWN_CARD: Final = re.compile(r"(?i)redeem|claim|account|suspend|contract")


def _refused_reversal(error: AmazonError, envelope: Envelope | None) -> ReversalOutcome:
    error_spec = TABLE.get((envelope.own_type if envelope is not None else None) or "")
    if envelope is not None and any(map(_OF_A_KNOWN_CARD.search, envelope.said.messages)):
        error_spec = (
            None if error_spec is not None and error_spec.reversal is ReversalKind.NO_SUCH_REQUEST else error_spec
        )
    match error_spec.reversal if error_spec is not None else ReversalKind.UNRESOLVED:
        case ReversalKind.NO_SUCH_REQUEST:
            return NoSuchRequest(error)
        case ReversalKind.TOO_LATE:
            return TooLate(error)
        case ReversalKind.UNRESOLVED:
            return Unresolved(error)


def judge_funds(envelope: Envelope | None, http_status: int, call: Call, date: datetime | None) -> Funds | Failure:
    """What a response to GetAvailableFunds says; `date` is the response's own, for a response without a timestamp."""
    failure = judge_failure(envelope, http_status, call)
    if failure is not None or envelope is None:
        return failure or UNREADABLE
    shape = read_model(FundsResponse, envelope.members)
    value = balance_of(shape.available_funds) if shape is not None else None
    if shape is None or value is None:
        return UNREADABLE
    return Funds(value, parse_date(shape.timestamp) or date)


def judge_card_state(envelope: Envelope | None, http_status: int, call: Call) -> CardState | Failure:
    """What a response to ActivationStatusCheck says."""
    failure = judge_failure(envelope, http_status, call)
    if failure is not None or envelope is None:
        return failure or UNREADABLE
    card_info = _card_info(envelope)
    if (
        card_info is None
        or card_info.card_status is None
        or not is_ours(envelope, call)
        or not _is_same_card(card_info, call)
    ):
        return UNREADABLE
    return CardState(card_info.card_status, balance_of(card_info.value), parse_date(card_info.expiration_date))


def balance_of(raw: object) -> Money | None:
    """Money that Amazon reports without having been asked for it: zero and less included; None if unreadable.

    It may stand in a list or, in XML, an element of its own. Which one of several would be meant nobody knows.
    """
    match raw:
        case [only]:
            raw = only
        case Mapping() if len(raw) == 1:
            (raw,) = raw.values()
    money = _money(raw)
    if money is None or money[1] not in CURRENCY_DECIMALS:
        return None
    amount, currency = money
    try:
        quantised = amount.quantize(Decimal(1).scaleb(-CURRENCY_DECIMALS[currency]))
    except InvalidOperation:
        return None
    # Adding zero turns a float's negative zero into the plain one, and so what noise around zero leaves.
    return Money(quantised + 0, currency) if quantised == amount else None


def _card_info(envelope: Envelope) -> CardInfo | None:
    carrier = read_model(WithCard, envelope.members)
    return carrier.card_info if carrier is not None else None


def _gc_id(envelope: Envelope) -> str | None:
    carrier = read_model(WithGcId, envelope.members)
    gc_id = carrier.gc_id if carrier is not None else None
    # An id is stored and logged: one that is the claim code, with or without its hyphens, is none.
    return None if gc_id is None or _bare(gc_id) in map(_bare, envelope.secrets) else gc_id


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _money(raw: object, *, load_units: LoadUnits | None = None) -> tuple[Decimal, str] | None:
    shape = read_model(SomeMoney, raw)
    if shape is None or shape.currency_code is None:
        return None
    amount, currency = shape.amount, shape.currency_code
    if amount is None:
        if load_units is None or shape.value is None or currency not in CURRENCY_DECIMALS:
            return None
        amount = load_amount_value(shape.value, currency, load_units)
    # Also where it is held against what was asked for: 25.000000000000004 is a float's way to say 25.00.
    return without_noise(amount, currency), currency


def is_ours(envelope: Envelope, call: Call, *, silence: bool = False) -> bool:
    """Whether the response names our request id; with `silence`, naming none will do (failures often name none)."""
    member = REQUEST_ID_MEMBERS[call.name]
    if member is None:
        return True
    named = envelope.members.get(member)
    return silence if named is None else named == call.request_id


def _is_same_card(card_info: CardInfo, call: Call) -> bool:
    if call.card_number is None or card_info.card_number is None:
        return True
    return bool(card_info.card_number == call.card_number.reveal())
