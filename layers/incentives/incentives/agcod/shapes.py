"""The members of Amazon's responses that we read, as plain objects.

Extra members are ignored, order and the case of a name's first letter do not matter (see `parsing`), an absent member
is as good as a null one, and no error ever shows what it was fed: it may be a claim code. There is no library behind
this: loading one would cost every cold start more than all of the gateway's own code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar

from incentives.agcod.parsing import parse_number

#: Turns a member's value into what the shape holds; raises `_NoShapeError` for one that no such member can have.
_Read = Callable[[Any], Any]


class _NoShapeError(ValueError):
    """A member is not what it should be. Holds no text of the response."""


class Shape:
    """Base of all shapes.

    Attributes:
        MEMBERS: by the name of a member in the response: the attribute that holds it, and how it is read.
    """

    MEMBERS: ClassVar[Mapping[str, tuple[str, _Read]]] = {}

    def __init__(self, members: Mapping[str, Any]) -> None:
        for name, (attribute, read) in self.MEMBERS.items():
            setattr(self, attribute, read(members.get(name)))


ShapeT = TypeVar("ShapeT", bound=Shape)


def read_shape(shape: type[ShapeT], value: object) -> ShapeT | None:
    """The value as a shape; None where it is none."""
    if not isinstance(value, Mapping):
        return None
    try:
        return shape(value)
    except _NoShapeError:
        return None


#: A claim code's form: 4-6-4 letters and digits; the sandbox's mock one has 4-4-4.
_CLAIM_CODE: Final = re.compile(r"[^\W_]{4}-[^\W_]{4,6}-[^\W_]{4}")

_WORD: Final = re.compile(r"[A-Za-z]{1,60}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_GC_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLAIM_TEXT: Final = re.compile(r"[A-Za-z0-9-]{8,64}")


def _optional(read: _Read) -> _Read:
    return lambda value: None if value is None else read(value)


def _if_readable(read: _Read) -> _Read:
    """None as well where the member is there but is not what it should be."""

    def lenient(value: object) -> Any:  # noqa: ANN401 - whatever `read` gives
        try:
            return read(value)
        except _NoShapeError:
            return None

    return lenient


def _anything(value: object) -> object:
    """Read later, by who needs it."""
    return value


def _number(value: object) -> Decimal:
    number = parse_number(value)
    if number is None or not number.is_finite():
        raise _NoShapeError
    return number


def _formed(value: object, form: re.Pattern[str]) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not form.fullmatch(text):
        raise _NoShapeError
    return text


def _word(value: object) -> str:
    return _formed(value, _WORD)


def _currency(value: object) -> str:
    return _formed(value, _CURRENCY)


def _gc_id(value: object) -> str:
    """Opaque. Older ones are `A` and 13 or 14 letters and digits, newer ones 16 digits."""
    # An id of digits only may well come as a JSON number one day.
    whole = isinstance(value, Decimal) and value == value.to_integral_value()
    gc_id = _formed(f"{value:f}" if whole else value, _GC_ID)
    if _CLAIM_CODE.fullmatch(gc_id):
        # A card's id is stored and logged: a response that has a code in its place is garbled.
        raise _NoShapeError
    return gc_id


def _claim_text(value: object) -> str:
    """Opaque as well: the form differs (4-6-4, the mock one 4-4-4). A mask or the word `null` is none."""
    return _formed(value, _CLAIM_TEXT)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _NoShapeError
    return value.strip()


def _card_info(value: object) -> CardInfo:
    if not isinstance(value, Mapping):
        raise _NoShapeError
    return CardInfo(value)


class SomeMoney(Shape):
    """`value`, `cardValue` or `availableFunds`: the amount is `amount`; in a load's `amount` it is `value`."""

    currency_code: str | None
    amount: Decimal | None
    value: Decimal | None

    MEMBERS: ClassVar = {
        "currencyCode": ("currency_code", _optional(_currency)),
        "amount": ("amount", _optional(_number)),
        "value": ("value", _optional(_number)),
    }


class CardInfo(Shape):
    """`cardInfo`."""

    card_status: str | None
    value: Any
    expiration_date: Any
    card_number: Any

    MEMBERS: ClassVar = {
        "cardStatus": ("card_status", _optional(_word)),
        "value": ("value", _anything),
        "expirationDate": ("expiration_date", _anything),
        "cardNumber": ("card_number", _anything),
    }


class WithCard(Shape):
    """A response about a card. Of a created one it is read before its code is."""

    card_info: CardInfo | None

    MEMBERS: ClassVar = {"cardInfo": ("card_info", _optional(_card_info))}


class WithGcId(Shape):
    """The card's id, where there is one."""

    gc_id: str | None

    MEMBERS: ClassVar = {"gcId": ("gc_id", _optional(_gc_id))}


class CreatedCard(Shape):
    """What only a CreateGiftCard's SUCCESS has."""

    gc_id: str
    gc_claim_code: str
    gc_expiration_date: Any

    MEMBERS: ClassVar = {
        "gcId": ("gc_id", _gc_id),
        "gcClaimCode": ("gc_claim_code", _claim_text),
        "gcExpirationDate": ("gc_expiration_date", _anything),
    }


class LoadedBalance(Shape):
    """A balance load; see the reader's assumptions."""

    card_info: CardInfo | None
    amount: Any
    value: Any

    MEMBERS: ClassVar = {
        "cardInfo": ("card_info", _optional(_card_info)),
        "amount": ("amount", _anything),
        "value": ("value", _anything),
    }


class FundsShape(Shape):
    """GetAvailableFunds."""

    available_funds: Any
    timestamp: Any

    MEMBERS: ClassVar = {"availableFunds": ("available_funds", _anything), "timestamp": ("timestamp", _anything)}


class ActivityRow(Shape):
    """One row of GetGiftCardActivityPage, as far as it can be read. `isRealOp` is a text, `"true"` or `"false"`."""

    activity_type: str | None
    activity_status: str | None
    activity_time: Any
    card_value: Any
    failure_code: Any
    is_real_op: Any
    request_id: str | None

    MEMBERS: ClassVar = {
        "activityType": ("activity_type", _if_readable(_word)),
        "activityStatus": ("activity_status", _if_readable(_word)),
        "activityTime": ("activity_time", _anything),
        "cardValue": ("card_value", _anything),
        "failureCode": ("failure_code", _anything),
        "isRealOp": ("is_real_op", _anything),
        "requestId": ("request_id", _if_readable(_text)),
    }


class ActivityShape(Shape):
    """GetGiftCardActivityPage."""

    card_activity_list: Any
    page_index: Decimal | None
    total: Decimal | None

    MEMBERS: ClassVar = {
        "cardActivityList": ("card_activity_list", _anything),
        "pageIndex": ("page_index", _optional(_number)),
        "totalNumberOfTransactionsInRequestedTimeFrame": ("total", _optional(_number)),
    }
