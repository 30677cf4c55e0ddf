"""Calls to the API, and files that are put where it says: each is repeated where nobody knows what became of it."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from local.settings import RefusedError
from local.signing import Response, send
from local.target import Target

#: After these nobody knows what happened, or it may work a little later; every call here may be repeated.
REPEAT_ON: Final = frozenset({429, 500, 502, 503, 504})
TRIES_MAX: Final = 5
FIRST_ERROR_STATUS: Final = 400
#: A file of the greatest size over a slow line.
PUT_SECONDS_MAX: Final = 600.0


def called(target: Target, method: str, route: str, body: object = None, *, key: str | None = None) -> dict[str, Any]:
    """Send one request; return the JSON of its response.

    Raises:
        RefusedError: the gateway said no, or nothing; with each field that is wrong.
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
        raise RefusedError("\n  ".join([detail, *(each for each in wrong if each not in detail)]))
    return dict(found)


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
            timeout_seconds=PUT_SECONDS_MAX,
        )

    response = _repeated(target, attempt)
    if response.status >= FIRST_ERROR_STATUS:
        raise RefusedError(f"The {what} was not taken: HTTP {response.status}.")


def _repeated(target: Target, attempt: Callable[[], Response]) -> Response:
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            response = attempt()
        except OSError as error:
            if not tries_left:
                raise RefusedError(f"No answer from {target.api_url}: {error}") from error
        else:
            if response.status not in REPEAT_ON or not tries_left:
                return response
        time.sleep(1.0)
    raise AssertionError("unreachable: the last try returns or raises")
