"""A route of the HTTP API as data, for its documentation; no function imports this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel

from incentives.domain.accounts.account import ACCOUNT_NAME

if TYPE_CHECKING:
    from incentives.api.models.base import Body

Schema = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A success.

    Attributes:
        model: of its body.
        headers: beside `Cache-Control`, which is on all responses.
    """

    description: str
    model: type[BaseModel]
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route.

    Attributes:
        function: the folder of its function, from which the operationId is made.
        summary: one line.
        description: what a caller has to know.
        body: what it takes; None for no fields at all.
        operation: its name, where its function has several routes; None: the function's.
        body_required: whether a body has to be sent where there is one.
        keyed: whether it needs an Idempotency-Key.
        preferring: whether it honours `Prefer: respond-async`.
        responses: its successes, by status.
        problems: statuses that its code returns beyond those of every route.
        query: its parameters, as OpenAPI writes them.
    """

    function: str
    method: Literal["get", "post", "put"]
    path: str
    tag: str
    summary: str
    description: str
    responses: Mapping[int, Success]
    problems: tuple[int, ...]
    body: type[Body] | None = None
    operation: str | None = None
    body_required: bool = True
    keyed: bool = False
    preferring: bool = False
    query: tuple[Schema, ...] = ()

    @property
    def name(self) -> str:
        """What the route is called: `create_gift_card`."""
        return self.operation or self.function


def parameter(name: str, description: str, schema: Schema, *, required: bool = False) -> Schema:
    """One of the query, as OpenAPI writes it."""
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


#: Headers of a 202.
ASK_AGAIN: Final = ("Location", "Retry-After")

DAY: Final[Schema] = {"type": "string", "format": "date", "pattern": r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}$"}
MONTH: Final[Schema] = {"type": "string", "pattern": r"^2[0-9]{3}-(0[1-9]|1[0-2])$"}

ACCOUNT: Final = parameter(
    "account",
    "Name of the partner account; the deployment's default one if absent.",
    {"type": "string", "pattern": f"^{ACCOUNT_NAME.pattern}$"},
)
CURSOR: Final = parameter("cursor", "Of the page before; the other parameters must be the same.", {"type": "string"})
