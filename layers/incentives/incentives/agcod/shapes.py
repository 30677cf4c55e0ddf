"""The members of Amazon's answers that we read, as models.

Extra members are ignored, order and the case of a name's first letter do not matter (see `parsing`), and no model's
error ever shows what it was fed: it may be a claim code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from incentives.agcod.parsing import parse_number


class Shape(BaseModel):
    """Base of all shapes."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, strict=True, hide_input_in_errors=True
    )


ShapeT = TypeVar("ShapeT", bound=Shape)


def read_shape(shape: type[ShapeT], value: object) -> ShapeT | None:
    """The value as a shape; None where it is none."""
    if not isinstance(value, Mapping):
        return None
    try:
        return shape.model_validate(dict(value))
    except ValidationError:
        return None


def _to_number(value: object) -> Decimal | None:
    if value is None:
        return None
    number = parse_number(value)
    if number is None:
        raise ValueError("is no number")
    return number


#: A claim code's form: 4-6-4 letters and digits; the sandbox's mock one has 4-4-4.
_CLAIM_CODE: Final = re.compile(r"[^\W_]{4}-[^\W_]{4,6}-[^\W_]{4}")


def _to_id(value: object) -> object:
    # A gcId of digits only may well come as a JSON number one day.
    return f"{value:f}" if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _no_claim_code(value: str) -> str:
    # A card's id is stored and logged: an answer that has a code in its place is garbled.
    if _CLAIM_CODE.fullmatch(value):
        raise ValueError("is no id")
    return value


Number = Annotated[Decimal | None, BeforeValidator(_to_number)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z]{1,60}$")]
Currency = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Z]{3}$")]
#: Opaque. Older ones are `A` and 13 or 14 letters and digits, newer ones 16 digits.
GcId = Annotated[
    str,
    BeforeValidator(_to_id),
    StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9_-]{1,64}$"),
    AfterValidator(_no_claim_code),
]
#: Opaque as well: the form differs (4-6-4, the mock one 4-4-4). It must be one word of printable ASCII.
ClaimText = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[!-~]{4,64}$")]


class SomeMoney(Shape):
    """`value`, `cardValue` or `availableFunds`: the amount is `amount`; in a load's `amount` it is `value`."""

    currency_code: Currency | None = None
    amount: Number = None
    value: Number = None


class CardInfo(Shape):
    """`cardInfo`. What is `Any` is read later, by who needs it."""

    card_status: Word | None = None
    value: Any = None
    expiration_date: Any = None
    card_number: Any = None


class WithCard(Shape):
    """An answer about a card. Of a created one it is read before its code is."""

    card_info: CardInfo | None = None


class WithGcId(Shape):
    """The card's id, where there is one."""

    gc_id: GcId | None = None


class CreatedCard(Shape):
    """What only a CreateGiftCard's SUCCESS has."""

    gc_id: GcId
    gc_claim_code: ClaimText
    gc_expiration_date: Any = None


class LoadedBalance(Shape):
    """A balance load; see the reader's assumptions."""

    card_info: CardInfo | None = None
    amount: Any = None
    value: Any = None


class FundsShape(Shape):
    """GetAvailableFunds."""

    available_funds: Any
    timestamp: Any = None


class ActivityRow(Shape):
    """One row of GetGiftCardActivityPage. `isRealOp` is a text, `"true"` or `"false"`."""

    activity_type: Word | None = None
    activity_status: Word | None = None
    activity_time: Any = None
    card_value: Any = None
    failure_code: Any = None
    gc_id: Any = None
    is_real_op: Any = None
    request_id: str | None = None


class ActivityShape(Shape):
    """GetGiftCardActivityPage."""

    card_activity_list: Any = None
    page_index: Number = None
    total: Number = None

    model_config = ConfigDict(
        alias_generator=lambda name: (
            "totalNumberOfTransactionsInRequestedTimeFrame" if name == "total" else to_camel(name)
        )
    )
