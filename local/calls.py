"""Calls to the API, and files that are put where it says: each is repeated where nobody knows what became of it."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from local.settings import RefusedError
from local.signing import Response, send
from local.target import Target

#: After these nobody knows what happened, or it may work a little later; every call here may be repeated.
REPEAT_ON: Final = frozenset({429, 500, 502, 503, 504})
TRIES_MAX: Final = 5
FIRST_ERROR_STATUS: Final = 400
NOT_FOUND_STATUS: Final = 404
#: A file of the greatest size over a slow line.
FILE_SECONDS_MAX: Final = 600.0


class NotFoundError(RefusedError):
    """The gateway knows no such thing."""


def called(target: Target, method: str, route: str, body: object = None, *, key: str | None = None) -> dict[str, Any]:
    """Send one request; return the JSON of its response.

    Raises:
        NotFoundError: the gateway does not know what the route names.
        RefusedError: it said no, or nothing; with each field that is wrong.
    """
    keyed = {"key": key} if key else {}
    response = _repeated(target, lambda: target.call(method, route, body, **keyed))
    try:
        found = response.body
    except ValueError:
        raise RefusedError(f"{method} {route}: HTTP {response.status}, no JSON") from None
    if response.status >= FIRST_ERROR_STATUS:
        detail = found.get("detail") or f"{method} {route}: HTTP {response.status}"
        wrong = [f"{each['field']} {each['message']}" for each in found.get("errors") or []]
        refused = NotFoundError if response.status == NOT_FOUND_STATUS else RefusedError
        raise refused("\n  ".join([detail, *(each for each in wrong if each not in detail)]))
    return dict(found)


def listed(target: Target, route: str, name: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """All of a list, page after page.

    Args:
        target: whose.
        route: of the list.
        name: of the member that holds a page's part of it.
        query: of each page.

    Raises:
        RefusedError: as `called`.
    """
    asked = dict(query or {})
    while True:
        page = called(target, "GET", f"{route}?{urlencode(asked)}" if asked else route)
        yield from page[name]
        if page["cursor"] is None:
            return
        asked["cursor"] = page["cursor"]


def put(target: Target, upload: Mapping[str, Any], content: bytes, what: str) -> None:
    """Put a file where the gateway said.

    Raises:
        RefusedError: it was not taken. Nothing of the address is in it, which is a secret for as long as it works.
    """

    def attempt() -> Response:
        return send(
            upload["method"],
            upload["url"],
            caller=None,
            region="",
            body=content,
            headers=upload["headers"],
            timeout_seconds=FILE_SECONDS_MAX,
        )

    response = _repeated(target, attempt)
    if response.status >= FIRST_ERROR_STATUS:
        raise RefusedError(f"The {what} was not taken: HTTP {response.status}.")


def fetched(target: Target, url: str, what: str) -> bytes:
    """A file from where the gateway said that it is.

    Raises:
        RefusedError: it did not come. Nothing of the address is in it, which is a secret for as long as it works.
    """

    def attempt() -> Response:
        return send("GET", url, caller=None, region="", timeout_seconds=FILE_SECONDS_MAX)

    response = _repeated(target, attempt)
    if response.status >= FIRST_ERROR_STATUS:
        raise RefusedError(f"The {what} did not come: HTTP {response.status}.")
    return response.content


def _repeated(target: Target, attempt: Callable[[], Response]) -> Response:
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            response = attempt()
        except OSError as error:
            if not tries_left:
                raise RefusedError(f"No response from {target.api_url}: {error}") from error
        else:
            if response.status not in REPEAT_ON or not tries_left:
                return response
        time.sleep(1.0)
    raise AssertionError("unreachable: the last try returns or raises")
