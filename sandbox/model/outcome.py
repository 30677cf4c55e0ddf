"""What an operation came to, before anything is encoded: the responses that the API can give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sandbox.model.errors import AmazonError
    from sandbox.model.log import Activity
    from sandbox.model.values import Json


@dataclass(frozen=True)
class Done:
    """An operation's own success: the fields of the response and its row in the activity log, if it has one."""

    fields: dict[str, Json]
    activity: Activity | None


@dataclass(frozen=True)
class Success:
    """HTTP 200 with `fields`."""

    operation: str
    fields: dict[str, Json]


@dataclass(frozen=True)
class Failure:
    """A business error: `agcodResponse` with nulls beside code, type and message.

    `fields`: those that are not null.
    """

    operation: str
    error: AmazonError
    fields: dict[str, Json]
    http_status: int = 400


@dataclass(frozen=True)
class Framework:
    """The service framework's own response, of no F-code.

    Throttling, signature trouble, an unreadable or unknown request.

    `name` is the exception's name, or None for the bare message of an unreadable request. `capital` writes the
    JSON field as "Message", as recorded for unreadable requests; the others were recorded with a small letter.
    """

    name: str | None
    message: str | None
    http_status: int
    capital: bool = False


Response: TypeAlias = Success | Failure | Framework


def label(response: Response) -> str:
    """The response in a few words, for the report: `SUCCESS`, `F200 InvalidAmountValue`, `ThrottlingException`."""
    match response:
        case Success():
            return "SUCCESS"
        case Failure(error=error):
            return f"{error.code} {error.type}".rstrip()
        case Framework(name=name):
            return name or "Unreadable"
