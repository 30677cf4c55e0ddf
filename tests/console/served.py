"""The console, served on a port of its own in front of the real functions, which everything outside is faked for."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import pytest
import requests
import uvicorn
from botocore.exceptions import ClientError
from bs4 import BeautifulSoup, Tag

from console import app, gateway
from incentives.api.routes import ROUTES
from local.commands.console import server
from local.signing import Response
from tests.local.gateway import BASE, Gateway
from tests.openapi.served import Served, served, split_url
from tests.support.books_world import ZONE

#: Of the deployment; its books are kept in the zone of the functions' own.
PARAMETERS: Final = {"BooksTimeZone": ZONE.key, "ActivityTypes": "GCCreation=charge,GCCancellation=refund"}
EMPTY: Final = {"queued": 0, "deadLetters": 0, "failuresOfSchedules": 0}
#: Where the API says that statements go.
STATEMENTS: Final = "https://uploads.test/statements/"
DENIED: Final = '{"title": "Forbidden", "status": 403, "detail": "IAM does not allow it", "errorType": "AccessDenied"}'

Answer = Callable[[str, str], Response | None]


@dataclass
class FakeFigures:
    """`Source` of figures in memory; what is an exception is raised.

    Attributes:
        told: of each part what it says.
        asked: each part that was asked for, in order.
    """

    told: dict[str, Any] = field(
        default_factory=lambda: {"metrics": metrics(), "recoveries": 0, "backlog": dict(EMPTY), "alarms": []}
    )
    asked: list[str] = field(default_factory=list)

    def deny(self, part: str, operation: str) -> None:
        """Let IAM refuse an operation of AWS that a part takes."""
        self.told[part] = ClientError({"Error": {"Code": "AccessDenied"}}, operation)

    def metrics(self) -> Any:
        return self._told("metrics")

    def recoveries(self) -> Any:
        return self._told("recoveries")

    def backlog(self) -> Any:
        return self._told("backlog")

    def alarms(self) -> Any:
        return self._told("alarms")

    def _told(self, part: str) -> Any:
        self.asked.append(part)
        if isinstance(self.told[part], Exception):
            raise self.told[part]
        return self.told[part]


def metrics(**parts: Mapping[str, Any]) -> dict[str, Any]:
    """CloudWatch's figures, of which nobody has counted any but those that are given."""
    ends = {end: {"aMinute": 0.0, "inTenMinutes": 0.0} for end in ("issued", "refused", "reversed", "escalated")}
    pace = dict.fromkeys(("permitsMissed", "throttled", "permitsAMinute", "allowedAMinute"))
    found: dict[str, Any] = {
        "at": "2026-03-01T12:00:00Z",
        "requests": ends,
        "open": dict.fromkeys(("unknown", "oldestSeconds", "waiting")),
        "pacedWaitMilliseconds": dict.fromkeys(("median", "p99")),
        "pace": pace,
        "accounts": {},
    }
    return {name: {**found[name], **parts.get(name, {})} if name != "at" else found[name] for name in found}


@dataclass
class Api:
    """The deployment that the console calls.

    Attributes:
        functions: what answers.
        called: each call, in its order: method and path with its query.
        bodies: what was sent with each call that was no query.
        answers: what answers before the functions do, by method and the beginning of the path, or of a file's address;
            it may raise `OSError`.
        files: what is where the API says that files are, by address; what was put is here as well.
        figures: CloudWatch's.
    """

    functions: Served
    called: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    answers: dict[tuple[str, str], Callable[[], Response]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    figures: FakeFigures = field(default_factory=FakeFigures)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sent(self) -> list[tuple[str, str]]:
        """Each call that was no query."""
        return [each for each in self.called if each[0] != "GET"]

    def deny(self, method: str, path: str) -> None:
        """Let IAM refuse calls whose path begins so."""
        self.answers[method, path] = lambda: Response(403, {}, DENIED)

    def fail(self, method: str, path: str, status: int, body: str = "{}") -> None:
        """Let something before the functions answer calls whose path begins so."""
        self.answers[method, path] = lambda: Response(status, {}, body)

    def lose(self, method: str, path: str) -> None:
        """Let nothing answer calls whose path begins so."""

        def lost() -> Response:
            raise TimeoutError("timed out")

        self.answers[method, path] = lost

    def send(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None, **_: object
    ) -> Response:
        """In place of `local.signing.send`."""
        if not url.startswith(BASE):
            for (asked, start), answer in self.answers.items():
                if method == asked and url.startswith(start):
                    return answer()
            if method != "GET":
                self.files[url] = body
                if url.startswith(STATEMENTS):
                    self.functions.books.uploads.uploads[url.removeprefix(STATEMENTS)] = body
                return Response(200, {}, "")
            found = self.files.get(url)
            return Response(404, {}, "") if found is None else Response(200, {}, "", found)
        path, query = split_url(url.removeprefix(BASE), "")
        self.called.append((method, url.removeprefix(BASE)))
        if method != "GET":
            self.bodies.append(body)
        for (asked, start), answer in self.answers.items():
            if method == asked and path.startswith(start):
                return answer()
        route = next(
            each
            for each in sorted(ROUTES, key=lambda each: each.path.count("{"))
            if each.method.upper() == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each.path), path)
        )
        with self._lock:
            found = self.functions.response(route, path, headers=headers or {}, query=query, body=body)
        return Response(found.status, found.headers, found.text)


@dataclass
class Browser:
    """A browser without a screen or scripts, which has opened the address that was printed.

    Attributes:
        path: of the page that it shows.
    """

    address: str
    session: requests.Session = field(default_factory=requests.Session)
    path: str = "/"

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def open(self) -> Browser:
        """Show the token."""
        self.session.trust_env = False
        assert self.session.get(self.address, allow_redirects=False).status_code == 303
        return self

    def get(self, path: str, status: int = 200) -> BeautifulSoup:
        """The page at a path, redirects followed."""
        return self._page(self.session.get(urljoin(self.origin, path)), status)

    def submit(self, form_page: BeautifulSoup, status: int = 200, *, files: Any = None, **fields: str) -> BeautifulSoup:
        """Send the page's form that posts, filled in; the page that comes of it."""
        form = form_page.find("form", method="post")
        assert isinstance(form, Tag), form_page.get_text()
        data = {
            str(each["name"]): _value(each)
            for each in form.find_all(["input", "select", "textarea"])
            if each.get("type") not in {"file", "checkbox"}
        }
        unknown = fields.keys() - {str(each.get("name")) for each in form.find_all(["input", "select", "textarea"])}
        assert not unknown, f"no such fields: {unknown}"
        url = urljoin(self.origin, str(form["action"]))
        headers = {"Origin": self.origin}
        return self._page(self.session.post(url, data={**data, **fields}, files=files, headers=headers), status)

    def _page(self, response: requests.Response, status: int) -> BeautifulSoup:
        assert response.status_code == status, f"{response.status_code}: {response.text}"
        self.path = urlsplit(response.url).path
        return BeautifulSoup(response.text, "html.parser")


def _value(field_: Tag) -> str:
    if field_.name == "select":
        chosen = field_.find("option", selected=True) or field_.find("option")
        return str(chosen["value"]) if isinstance(chosen, Tag) else ""
    return field_.get_text() if field_.name == "textarea" else str(field_.get("value", ""))


def text_of(found: BeautifulSoup | Tag | None) -> str:
    """The words of a page, or of a part of it, with single blanks."""
    assert found is not None
    return " ".join(found.get_text(" ").split())


@contextmanager
def running(application: Any, listening: socket.socket) -> Iterator[uvicorn.Server]:
    """Serve the console in a thread until the end of the `with`."""
    running_server = server(application)
    thread = threading.Thread(target=lambda: asyncio.run(running_server.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        yield running_server
    finally:
        running_server.should_exit = True
        thread.join()


@dataclass
class Place:
    """A console that runs, and all around it."""

    api: Api
    made: app.Served
    build: Callable[[], app.Served]
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        """What it printed."""
        return self.made.address

    def browser(self) -> Browser:
        """One that has opened the address."""
        return Browser(self.address).open()

    def stop(self) -> None:
        """End the process."""
        self._running.close()

    def start(self, *, anew: bool = True) -> None:
        """Start one on the same port; with the secrets of the one before unless `anew`."""
        if anew:
            self.made = self.build()
        self.serve(socket.create_server(("127.0.0.1", int(urlsplit(self.address).port or 0))))

    def serve(self, listening: socket.socket) -> None:
        """Run, on a socket that is closed in the end."""
        self._running.enter_context(running(self.made.app, listening))


@contextmanager
def place(now: Callable[[], datetime] | None = None, zone: tzinfo = UTC, stack: str = "gateway") -> Iterator[Place]:
    """A console in front of the functions.

    Args:
        now: its clock; that of the functions, which stands still, if None.
        zone: of whoever looks at it.
        stack: the deployment's name.
    """
    with served() as functions, pytest.MonkeyPatch.context() as patch:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        api = Api(functions)
        patch.setattr(gateway, "send", api.send)

        def build() -> app.Served:
            return app.build(
                replace(Gateway().target(stack), parameters=PARAMETERS),
                port=port,
                figures=api.figures,
                now=now or functions.world.clock.now,
                zone=zone,
            )

        here = Place(api, build(), build)
        here.serve(listening)
        try:
            yield here
        finally:
            here.stop()
