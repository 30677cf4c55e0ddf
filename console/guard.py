"""Who may talk to the console: the browser of the person who started it, from the console's own pages.

One layer outside everything. It looks at the request's head alone, so that no route can be forgotten; what it adds to
responses it adds to its own refusals too.

It keeps out pages of any other origin, names that are made to lead here, and whoever has not seen the address. It
cannot keep out the person's own programs, which could use the AWS profile as well. Nor does it hide the cookie from a
server on another port of 127.0.0.1 that is opened in the same browser, because cookies know no ports.
"""

import hmac
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing from elsewhere, nothing inline, nothing evaluated.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        *(f"{source}-src 'self'" for source in ("script", "style", "img", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
#: With `no-referrer` browsers send forms with `Origin: null`.
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
METHODS: Final = frozenset({"GET", "HEAD", "POST"})
#: Who calls directly has none of them; no proxy stands before the console.
FORWARDED: Final = frozenset({"forwarded", "via", "x-real-ip", "x-original-url", "x-rewrite-url"})
FORWARDED_PREFIX: Final = "x-forwarded-"
#: Twice in one request they mean two things.
ONCE: Final = ("host", "origin", "sec-fetch-site", "content-length", "transfer-encoding", "content-type")
#: A browser's own word on where a request comes from: from here, or from the address line.
SITES: Final = frozenset({"same-origin", "none"})

Refusal = tuple[HTTPStatus, str]


class Guard:
    """Refuses what does not come from the console's own pages in the browser of whoever started it."""

    def __init__(self, app: ASGIApp, *, port: int, token: str, cookie_value: str, body_bytes_max: int) -> None:
        """Stand before `app`.

        Args:
            app: what is guarded.
            port: on 127.0.0.1.
            token: of the address that is printed at the start.
            cookie_value: random; whoever has it has shown the token.
            body_bytes_max: of a request.
        """
        self._app = app
        self._host = f"127.0.0.1:{port}"
        self._origin = f"http://{self._host}"
        self._token = token
        # Cookies know no ports: a second console has one of another name.
        self._cookie_name = f"console-{port}"
        self._cookie_value = cookie_value
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
                message["headers"] = headers.raw
            await send(message)

        response = self._response_to(scope)
        if response is None:
            await self._app(scope, _bounded(receive, self._body_bytes_max), send_with_headers)
        else:
            await response(scope, receive, send_with_headers)

    def _response_to(self, scope: Scope) -> Response | None:
        headers: dict[str, list[str]] = defaultdict(list)
        for name, value in scope["headers"]:
            headers[name.decode("latin-1").lower()].append(value.decode("latin-1"))
        refusal = self._refusal(scope["method"], scope["path"], headers)
        if refusal is not None:
            status, why = refusal
            allowed = {"Allow": ", ".join(sorted(METHODS))} if status is HTTPStatus.METHOD_NOT_ALLOWED else None
            return PlainTextResponse(f"{why}\n", status, allowed)
        if scope["path"] == "/" and "token" in (query := parse_qs(scope["query_string"].decode("latin-1"))):
            if not _same(query["token"][-1], self._token):
                return PlainTextResponse("This is not the address that the console printed.\n", HTTPStatus.FORBIDDEN)
            response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
            response.set_cookie(self._cookie_name, self._cookie_value, path="/", httponly=True, samesite="strict")
            return response
        # Other programs on this machine may have set cookies for 127.0.0.1, by any name: one of them has to be ours.
        if not any(_same(each, self._cookie_value) for each in self._cookies(headers["cookie"])):
            why = "Open the address that `make console` printed: this browser has not shown its token."
            return PlainTextResponse(f"{why}\n", HTTPStatus.FORBIDDEN)
        return None

    def _refusal(self, method: str, path: str, headers: Mapping[str, list[str]]) -> Refusal | None:
        """The first reason to refuse a request, if there is one."""
        origin, site, length = headers["origin"], headers["sec-fetch-site"], "".join(headers["content-length"])
        forwarded = [name for name in headers if name in FORWARDED or name.startswith(FORWARDED_PREFIX)]
        doubled = [name for name in ONCE if len(headers[name]) > 1]
        reasons = (
            # A target may name a host too: so one asks a proxy.
            (
                headers["host"] != [self._host] or not path.startswith("/"),
                (HTTPStatus.MISDIRECTED_REQUEST, f"This is {self._host}, and no other host."),
            ),
            (method not in METHODS, (HTTPStatus.METHOD_NOT_ALLOWED, "Only GET, HEAD and POST.")),
            (bool(doubled), (HTTPStatus.FORBIDDEN, f"More than once in one request: {', '.join(doubled)}.")),
            (bool(forwarded), (HTTPStatus.FORBIDDEN, "No proxy stands before the console.")),
            (
                bool(origin or method == "POST") and origin != [self._origin],
                (HTTPStatus.FORBIDDEN, "The request comes from another page than the console's."),
            ),
            (
                bool(site) and site[0] not in SITES,
                (HTTPStatus.FORBIDDEN, "The request comes from another site: type the address instead."),
            ),
            (bool(headers["upgrade"]), (HTTPStatus.BAD_REQUEST, "Only HTTP/1.1 is spoken here.")),
            # Where a body ends would depend on who reads it.
            (bool(length and headers["transfer-encoding"]), (HTTPStatus.BAD_REQUEST, "A body has one length.")),
            (
                bool(length) and not (length.isdecimal() and int(length) <= self._body_bytes_max),
                (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(self._body_bytes_max)),
            ),
        )
        return next((refusal for holds, refusal in reasons if holds), None)

    def _cookies(self, headers: Sequence[str]) -> list[str]:
        pairs = [pair.strip().partition("=") for header in headers for pair in header.split(";")]
        return [value for name, _, value in pairs if name == self._cookie_name]


def _same(given: str, expected: str) -> bool:
    """Whether two texts are equal. The time it takes does not depend on how much of them is."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _too_large(bytes_max: int) -> str:
    return f"At most {bytes_max:,} bytes."


def _bounded(receive: Receive, bytes_max: int) -> Callable[[], Awaitable[Message]]:
    """A body without a length is bounded as one with it. Who reads it raises `HTTPException`, which becomes a page."""
    left = bytes_max

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(bytes_max))
        return message

    return bounded
