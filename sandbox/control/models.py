"""What the bodies of the control API are made of. What does not fit is told by its field's name."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel


class Body(BaseModel):
    """A JSON object: camelCase fields, none but the known ones, no type taken for another."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )

    @property
    def given(self) -> dict[str, Any]:
        """The fields that were given, by their names here."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def given_as_json(self) -> dict[str, Any]:
        """The same, by their names in JSON."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def told(error: ValidationError) -> str:
    """What is wrong, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )


def one_of(choices: Collection[str]) -> AfterValidator:
    """One of these texts."""

    def check(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is one of {', '.join(choices)}")
        return value

    return AfterValidator(check)


Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
#: About four months at most.
Seconds = Annotated[float, Field(ge=0, le=10_000_000)]
#: A number or a text. Beyond this, balances would lose cents in the JSON floats of the API.
Amount = Annotated[Decimal, Field(strict=False, ge=-(10**12), le=10**12)]
