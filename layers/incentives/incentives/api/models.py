"""The shapes of the HTTP API's requests. Unknown members are refused by name; errors never quote what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from incentives.domain.errors import InvalidInput


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True, frozen=True)


class CreateGiftCardBody(_Body):
    """Body of `POST /gift-cards`.

    Attributes:
        amount: decimal string or JSON number, more than zero, no more decimals than the currency has.
        currencyCode: ISO 4217.
        account: name of the partner account; the deployment's default one if absent.
        externalReference: the caller's own reference, passed to Amazon.
        onUnknown: what to do if Amazon does not say what became of it.
    """

    amount: str | Decimal
    currencyCode: str  # noqa: N815 - as callers write it
    account: str | None = Field(default=None, min_length=1, max_length=64)
    externalReference: str | None = Field(default=None, min_length=1, max_length=100)  # noqa: N815 - as callers write it
    onUnknown: Literal["retry", "reverse", "reissue"] = "retry"  # noqa: N815 - as callers write it


BodyT = TypeVar("BodyT", bound=BaseModel)

#: pydantic's names of errors -> sentences about a field. Its own texts may quote what was sent.
_MESSAGES: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "string_too_long": "is too long: at most {max_length} characters",
    "string_too_short": "must not be empty",
    "literal_error": "must be one of {expected}",
}


def parse(model: type[BodyT], members: Mapping[str, Any]) -> BodyT:
    """Validate a body.

    Raises:
        InvalidInput: names the first field that is wrong.
    """
    try:
        return model.model_validate(members)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    # A union's errors name the branch behind the field.
    field = str(first["loc"][0]) if first["loc"] else "body"
    template = (
        "must be a decimal string or a JSON number"
        if field == "amount" and first["type"] != "missing"
        else (_MESSAGES.get(first["type"], "is not valid"))
    )
    raise InvalidInput(field, template.format(**first.get("ctx", {})))
