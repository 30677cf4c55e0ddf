"""The fields of Amazon's responses that we read, as models.

Extra fields are ignored, order and the case of a name's first letter do not matter (see `parsing`), an absent field is
as good as a null one, and neither an error nor a representation ever shows what was read: it may be a claim code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from incentives.agcod.reading.parsing import parse_number

#: A claim code's form: 4-6-4 letters and digits; the sandbox's mock one has 4-4-4.
_CLAIM_CODE: Final = re.compile(r"[^\W_]{4}-[^\W_]{4,6}-[^\W_]{4}")

_WORD: Final = re.compile(r"[A-Za-z]{1,60}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_GC_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLAIM_TEXT: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_ANY_TEXT: Final = re.compile(r".+", re.DOTALL)

ResultT = TypeVar("ResultT")


def _formed(form: re.Pattern[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = value.strip() if isinstance(value, str) else ""
        if not form.fullmatch(text):
            raise ValueError("has not the form that it must have")
        return text

    return read


def _number(value: object) -> Decimal:
    number = parse_number(value)
    if number is None or not number.is_finite():
        raise ValueError("is no number")
    return number


def _gc_id(value: object) -> str:
    """Opaque. Older ones are `A` and 13 or 14 letters and digits, newer ones 16 digits."""
    # An id of digits only may well come as a JSON number one day.
    whole = isinstance(value, Decimal) and value == value.to_integral_value()
    gc_id = _formed(_GC_ID)(f"{value:f}" if whole else value)
    if _CLAIM_CODE.fullmatch(gc_id):
        raise ValueError("is a claim code: a card's id is stored and logged")
    return gc_id


def _unless_null(read: Callable[[object], ResultT]) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else read(value))


def _if_readable(read: Callable[[object], ResultT]) -> BeforeValidator:
    """None as well where the field is there but is not what it should be."""

    def lenient(value: object) -> ResultT | None:
        try:
            return read(value)
        except ValueError:
            return None

    return BeforeValidator(lenient)


class Model(BaseModel):
    """Base of all models. Names at the wire are in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    __str__ = __repr__


ModelT = TypeVar("ModelT", bound=Model)


def read_model(model: type[ModelT], value: object) -> ModelT | None:
    """The value as a model; None where it is none."""
    if not isinstance(value, Mapping):
        return None
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


_Number = Annotated[Decimal | None, _unless_null(_number)]
_LenientWord = Annotated[str | None, _if_readable(_formed(_WORD))]


class SomeMoney(Model):
    """`value`, `cardValue` or `availableFunds`: the amount is `amount`; in a load's `amount` it is `value`."""

    currency_code: Annotated[str | None, _unless_null(_formed(_CURRENCY))] = None
    amount: _Number = None
    value: _Number = None


class CardInfo(Model):
    """`cardInfo`."""

    card_status: Annotated[str | None, _unless_null(_formed(_WORD))] = None
    value: Any = None
    expiration_date: Any = None
    card_number: Any = None


class WithCard(Model):
    """A response about a card. Of a created one it is read before its code is."""

    card_info: CardInfo | None = None


class WithGcId(Model):
    """The card's id, where there is one."""

    gc_id: Annotated[str | None, _unless_null(_gc_id)] = None


class CreatedCard(Model):
    """What only a CreateGiftCard's SUCCESS has. Ids and codes are opaque: a code's form differs (4-6-4, mock 4-4-4)."""

    gc_id: Annotated[str, BeforeValidator(_gc_id)]
    gc_claim_code: Annotated[str, BeforeValidator(_formed(_CLAIM_TEXT))]
    gc_expiration_date: Any = None


class LoadedBalance(WithCard):
    """A balance load; see the reader's assumptions."""

    amount: Any = None
    value: Any = None


class FundsResponse(Model):
    """GetAvailableFunds."""

    available_funds: Any = None
    timestamp: Any = None


class ActivityRow(Model):
    """One row of GetGiftCardActivityPage, as far as it can be read. `isRealOp` is a text, `"true"` or `"false"`."""

    activity_type: _LenientWord = None
    activity_status: _LenientWord = None
    activity_time: Any = None
    card_value: Any = None
    failure_code: Any = None
    is_real_op: Any = None
    request_id: Annotated[str | None, _if_readable(_formed(_ANY_TEXT))] = None


class ActivityResponse(Model):
    """GetGiftCardActivityPage."""

    card_activity_list: Any = None
    page_index: _Number = None
    total: _Number = Field(default=None, alias="totalNumberOfTransactionsInRequestedTimeFrame")
