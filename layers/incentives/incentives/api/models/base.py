"""What the models of bodies and responses have in common, and how a body is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from annotated_types import GroupedMetadata
from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from incentives.domain.accounts.account import ACCOUNT_NAME
from incentives.domain.budgets.budget import BUDGET_NAME
from incentives.domain.caller_fields import FIELDS
from incentives.domain.errors import InvalidInput
from incentives.domain.money import AMOUNT_MAX, AMOUNT_TEXT_LENGTH_MAX, CURRENCY_DECIMALS, SUM_MAX
from incentives.domain.texts import TEXT_PATTERN, why_no_text

#: An error of ours, whose message is told as it is.
_TOLD: Final = "told"

# ---- bodies --------------------------------------------------------------------------------------


class Body(BaseModel):
    """A JSON object of a caller's. Nothing in it is converted, and what the model does not name is refused."""

    model_config = ConfigDict(
        strict=True,
        # A function builds the models that it uses, when it does: it imports those of its whole capability.
        defer_build=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    def __repr_args__(self) -> list[tuple[str, object]]:
        """Nothing: it may hold a card number."""
        return []


def _plain(text: str) -> str:
    why = why_no_text(text)
    if why is not None:
        raise PydanticCustomError(_TOLD, why)
    return text


def as_written(value: object) -> str | Decimal:
    """A decimal as the caller wrote it."""
    # What it amounts to is read together with its currency. Pydantic's decimals may have blanks, underscores and other
    # scripts' digits.
    if isinstance(value, str) or (isinstance(value, Decimal) and value.is_finite()):
        return value
    raise PydanticCustomError(_TOLD, "must be a decimal string or a JSON number")


#: JSON schema has the rule as a pattern, which pydantic's own expressions cannot be.
_PLAIN: Final = Field(json_schema_extra={"pattern": TEXT_PATTERN})
Text20 = Annotated[str, Field(min_length=1, max_length=20), AfterValidator(_plain), _PLAIN]
Text100 = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_plain), _PLAIN]
Text200 = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain), _PLAIN]


@dataclass(frozen=True)
class Declared(GroupedMetadata):
    """Makes a text what `domain.caller_fields` declares under this name."""

    name: str

    def __iter__(self) -> Iterator[object]:
        """What pydantic reads."""
        declared = FIELDS[self.name]
        if declared.pattern is not None:
            yield Field(pattern=f"^{declared.pattern}$")
        else:
            yield from (Field(min_length=1, max_length=declared.length_max), AfterValidator(_plain), _PLAIN)


#: `account_or_default` has the rest of the rule.
GivenAccount = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        json_schema_extra={"pattern": f"^{ACCOUNT_NAME.pattern}$"},
        description="Name of the partner account; the deployment's default one if absent.",
    ),
    AfterValidator(_plain),
]


def _amount_up_to(most: Decimal) -> WithJsonSchema:
    text = {"type": "string", "pattern": r"^[0-9]*\.?[0-9]+$", "maxLength": AMOUNT_TEXT_LENGTH_MAX}
    return WithJsonSchema({"anyOf": [text, {"type": "number", "exclusiveMinimum": 0, "maximum": int(most)}]})


_AMOUNT_TEXT: Final = "Decimal string or JSON number, more than zero, no more decimals than the currency has."
#: Of one card, and of many. `parse_money` has the rest of the rule, also for the currency.
GivenAmount = Annotated[
    str | Decimal,
    PlainValidator(as_written),
    _amount_up_to(AMOUNT_MAX),
    Field(description=_AMOUNT_TEXT, examples=["25.00"]),
]
GivenSum = Annotated[
    str | Decimal,
    PlainValidator(as_written),
    _amount_up_to(SUM_MAX),
    Field(description=_AMOUNT_TEXT, examples=["10000.00"]),
]
GivenCurrency = Annotated[
    str,
    AfterValidator(_plain),
    Field(json_schema_extra={"enum": [*CURRENCY_DECIMALS]}, description="ISO 4217.", examples=["USD"]),
]
GivenBudget = Annotated[
    str,
    Field(
        pattern=f"^{BUDGET_NAME.pattern}$",
        description="The budget that the amount is taken from. Where the deployment asks for one, it is required.",
        examples=["spring-campaign"],
    ),
]
OnUnknown = Annotated[
    Literal["retry", "reverse", "reissue"], Field(description="What to do if Amazon does not say what became of it.")
]

BodyT = TypeVar("BodyT", bound=Body)

#: What pydantic finds, in our words.
_SENTENCES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long: at most {max_length} characters",
    "string_pattern_mismatch": "does not have the form it must have",
    "string_unicode": "must hold no line break and no invisible character, as is U+D800",
    "literal_error": "must be one of {expected}",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} of them",
    "too_long": "must have at most {max_length} of them",
}


def parse(model: type[BodyT], members: Mapping[str, Any]) -> BodyT:
    """Read a body.

    Raises:
        InvalidInput: names the first field that is wrong, and nothing of what was sent.
    """
    try:
        return model.model_validate(members)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    path = ".".join(map(str, first["loc"])) if first["loc"] else "body"
    told = first["msg"] if first["type"] == _TOLD else _SENTENCES[first["type"]].format(**first.get("ctx", {}))
    raise InvalidInput(path, told)


# ---- responses -----------------------------------------------------------------------------------


class ResponseBody(BaseModel):
    """A JSON object of ours. Every field is always there, null where it does not apply, unless its text says otherwise.

    Patterns and limits are written in the document and are not looked at here: what has been done is always told.
    """

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        defer_build=True,
        alias_generator=AliasGenerator(serialization_alias=to_camel),
        validate_by_name=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def of(cls, source: object, **others: object) -> Self:
        """From what a value of the domain calls as the field, or as the field's `validation_alias`, and from others."""
        names = [str(field.validation_alias or name) for name, field in cls.model_fields.items()]
        found = {name: getattr(source, name) for name in names if name not in others and hasattr(source, name)}
        return cls.model_validate(found | others)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return self.model_dump(mode="json")


def format_time(moment: datetime) -> str:
    """RFC 3339 UTC in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _form(pattern: str) -> Any:  # noqa: ANN401 - as pydantic's `Field`
    return Field(json_schema_extra={"pattern": pattern})


#: In a request's response. Amazon's own activity has corrections, and a balance may be below zero: `SignedAmount`.
Amount = Annotated[
    str,
    _form(r"^[0-9]+(\.[0-9]+)?$"),
    Field(description="Decimal string with all decimals of the currency.", examples=["25.00"]),
]
SignedAmount = Annotated[str, _form(r"^-?[0-9]+(\.[0-9]+)?$")]
Currency = Annotated[str, _form(r"^[A-Z]{3}$"), Field(description="ISO 4217.", examples=["USD"])]
AccountName = Annotated[str, Field(description="Name of the partner account.", examples=["default"])]
RequestId = Annotated[str, _form(r"^[A-Za-z0-9]{1,40}$")]
MaskedCard = Annotated[str, _form(r"^\*{15}[0-9]{4}$"), Field(description="Masked but for its last four digits.")]
Count = Annotated[int, Field(json_schema_extra={"minimum": 0})]
Time = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema(
        {
            "description": "RFC 3339, UTC.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        }
    ),
]
