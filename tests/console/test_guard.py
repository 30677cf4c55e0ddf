"""Who is let in: the browser of whoever started the console, from its own pages. All else is refused on every route."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from itertools import product
from typing import Final
from urllib.parse import urlsplit

import pytest
from starlette.routing import Mount, Route

from console import app, guard
from tests.console.served import Place, place

#: What stands for a part of an address that only some words fit.
FITTING: Final = {"day": "2026-02-20", "month": "2026-02"}


def address_of(route: Route) -> str:
    """A route's address, with something in its braces."""
    return re.sub(r"{\w+(?::(\w+))?}", lambda found: FITTING.get(found[1], "x"), route.path)


#: Every route there is, and one that there is not. What is in braces does not matter: refusals come before it is read.
PATHS: Final = (
    "/nowhere",
    *(address_of(each) for each in app.ROUTES if isinstance(each, Route)),
    *(f"{each.path}/console.js" for each in app.ROUTES if isinstance(each, Mount)),
)
STEPS: Final = [address_of(each) for each in app.ROUTES if isinstance(each, Route) and "POST" in (each.methods or ())]
FORM: Final = "form=x"
Lines = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def is_refusal(self) -> bool:
        """Whether it comes from before the console's pages and files."""
        return self.headers.get("content-type") == "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Door:
    """The console's socket, for whoever may write what they like to it."""

    place: Place
    cookie: str

    @property
    def host(self) -> str:
        return urlsplit(self.place.address).netloc

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    @property
    def own(self) -> dict[str, str]:
        """What the browser sends from the console's own pages."""
        return {
            "Host": self.host,
            "Cookie": self.cookie,
            "Origin": f"http://{self.host}",
            "Sec-Fetch-Site": "same-origin",
        }

    def ask(
        self,
        path: str = "/accounts",
        *,
        method: str = "GET",
        version: str = "1.1",
        without: Sequence[str] = (),
        also: Lines = (),
        body: bytes = b"",
        **instead: str,
    ) -> Answer:
        """Send one request: the browser's own, but for what is said."""
        changed = {name.replace("_", "-"): value for name, value in instead.items()}
        lines = [(name, value) for name, value in {**self.own, **changed}.items() if name not in without]
        if method == "POST" and "Content-Type" not in changed:
            lines += [("Content-Type", "application/x-www-form-urlencoded")]
        head = "".join(f"{name}: {value}\r\n" for name, value in [*lines, *also, ("Connection", "close")])
        return self.write(f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode("latin-1") + body)

    def post(self, path: str, *, without: Sequence[str] = (), also: Lines = (), **instead: str) -> Answer:
        """A form, sent to a step."""
        length = ("Content-Length", str(len(FORM)))
        return self.ask(path, method="POST", without=without, also=[*also, length], body=FORM.encode(), **instead)

    def write(self, raw: bytes) -> Answer:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(raw)
            response = HTTPResponse(connection, method="HEAD" if raw.startswith(b"HEAD") else "GET")
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read().decode())


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with place() as here:
        browser = here.browser()
        yield Door(here, "; ".join(f"{name}={value}" for name, value in browser.session.cookies.items()))


@pytest.fixture(autouse=True)
def _nothing_is_called(door: Door) -> Iterator[None]:
    door.place.api.called.clear()
    yield
    assert door.place.api.sent == []


def secured(answer: Answer) -> bool:
    return all(answer.headers.get(name.lower()) == value for name, value in guard.HEADERS.items())


def test_the_browser_is_let_in_everywhere_from_the_consoles_own_pages_and_from_the_address_line(door: Door) -> None:
    own = {path: door.ask(path) for path in PATHS}
    typed = [door.ask(path, without=["Origin"], Sec_Fetch_Site="none") for path in PATHS]
    plain = [door.ask(path, without=["Origin", "Sec-Fetch-Site"]) for path in PATHS]
    forms = [door.post(path) for path in STEPS]

    assert not any(each.is_refusal for each in [*own.values(), *typed, *plain, *forms])
    assert all(secured(each) for each in [*own.values(), *typed, *plain, *forms])
    assert {own["/nowhere"].status, own["/static/console.js"].status} == {404, 200}
    assert {each.status for each in forms} == {409}


def elsewhere(door: Door) -> dict[str, dict[str, object]]:
    """Requests as they come from somewhere else, by what is wrong with them."""
    host, other = door.host, f"127.0.0.1:{door.port + 1}"
    (name, _, value) = door.cookie.partition("=")
    cases: dict[str, dict[str, object]] = {
        **{
            f"host {each or 'empty'}": {"Host": each}
            for each in (
                *("", "evil.example", f"evil.example:{door.port}", f"localhost:{door.port}", f"LOCALHOST:{door.port}"),
                *(f"127.0.0.1.:{door.port}", f"{host}.", "127.0.0.1", f"127.0.0.1:0{door.port}", other),
                *(f"127.1:{door.port}", f"2130706433:{door.port}", f"[::1]:{door.port}", f"0.0.0.0:{door.port}"),
                *(f"127.0.0.1.evil.example:{door.port}", f"evil@{host}", f"{host}, evil.example", f"{host}/evil"),
            )
        },
        "an old version without a host": {"version": "1.0", "without": ["Host"]},
        **{
            f"origin {each}": {"Origin": each}
            for each in (
                *("null", "http://evil.example", f"http://localhost:{door.port}", f"http://{other}", "file://"),
                *(
                    "http://127.0.0.1",
                    f"https://{host}",
                    f"http://{host}/",
                    f"http://{host}.evil.example",
                    f"HTTP://{host}",
                ),
            )
        },
        **{f"site {each}": {"Sec_Fetch_Site": each} for each in ("cross-site", "same-site", "cross-origin", "else")},
        "a same-site page, which leaves the origin away": {"Sec_Fetch_Site": "same-site", "without": ["Origin"]},
        "a second origin": {"also": [("Origin", f"http://{host}")]},
        "a second site": {"also": [("Sec-Fetch-Site", "same-origin")]},
        **{
            f"a proxy: {each}": {"also": [(each, "127.0.0.1")]}
            for each in (
                *("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "x-forwarded-prefix"),
                *("X-Real-IP", "X-Original-URL", "X-Rewrite-URL"),
            )
        },
        "no cookie": {"without": ["Cookie"]},
        "a wrong cookie": {"Cookie": f"{name}={'x' * len(value)}"},
        "a cookie cut short": {"Cookie": f"{name}={value[:-1]}"},
        "an empty cookie": {"Cookie": f"{name}="},
        "the cookie of another port's console": {"Cookie": f"console-{door.port + 1}={value}"},
        "a cookie that is no text": {"Cookie": f"{name}=\xff\xfe"},
        "an upgrade": {"also": [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]},
        "an upgrade to HTTP/2": {"also": [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c")]},
        "two kinds of body": {"also": [("Content-Type", "text/plain"), ("Content-Type", "text/html")]},
    }
    return cases


def test_what_comes_from_elsewhere_is_refused_on_every_route(door: Door) -> None:
    for (why, how), path in product(elsewhere(door).items(), PATHS):
        answer = door.ask(path, **how)  # type: ignore[arg-type] - a table of cases
        assert answer.is_refusal, (why, path)
        assert answer.status in {400, 403, 421}, (why, path)
        assert secured(answer) or answer.status == 400, (why, path)
    assert door.place.api.called == []


def test_forms_from_elsewhere_are_refused_at_every_step(door: Door) -> None:
    cases = {**elsewhere(door), "no origin": {"without": ["Origin"]}}
    cases["nothing that tells where from"] = {"without": ["Origin", "Sec-Fetch-Site"]}
    for (why, how), path in product(cases.items(), STEPS):
        if "version" in how:
            continue
        answer = door.post(path, **how)  # type: ignore[arg-type] - a table of cases
        assert answer.is_refusal, (why, path)
        assert answer.status in {400, 403, 421}, (why, path)
    assert door.place.api.called == []


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "CONNECT", "get", "EVIL"])
def test_another_method_is_refused_on_every_route(door: Door, method: str) -> None:
    for path in PATHS:
        answer = door.ask(path, method=method)
        assert (answer.status, answer.is_refusal, secured(answer)) == (405, True, True), path
        assert answer.headers["allow"] == "GET, HEAD, POST"


def test_a_page_takes_and_runs_nothing_of_others_and_nothing_inline(door: Door) -> None:
    headers = door.ask("/accounts").headers
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        **{f"{kind}-src": "'self'" for kind in ("script", "style", "img", "connect")},
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    others = ("cross-origin-opener-policy", "cross-origin-resource-policy", "referrer-policy")
    assert {headers[name] for name in others} == {"same-origin"}
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_only_steps_take_forms_and_a_head_has_no_body(door: Door) -> None:
    assert {door.post(path).status for path in PATHS if path not in STEPS} <= {404, 405}
    head = door.ask("/accounts", method="HEAD")
    assert (head.status, head.body, secured(head)) == (200, "", True)


@pytest.mark.parametrize("target", ["http://evil.example{}", "http://{host}{}", "https://{host}{}", "evil.example:80"])
def test_a_target_that_names_a_host_is_refused_whatever_it_names(door: Door, target: str) -> None:
    for path in PATHS:
        answer = door.ask(target.format(path, host=door.host))
        assert (answer.status, answer.is_refusal, secured(answer)) == (421, True, True), path


@pytest.mark.parametrize(
    "target", ["//evil.example", "//evil.example/", "/%2f/evil.example/", "/%0d%0aSet-Cookie:x/", "/\\x"]
)
def test_no_path_leads_away(door: Door, target: str) -> None:
    answer = door.ask(target)
    assert answer.status in {404, 307}
    assert answer.headers.get("location", "/").startswith(("/", f"http://{door.host}/"))
    assert "set-cookie" not in answer.headers


def test_hosts_that_are_doubled_are_refused_before_anything_reads_one_of_them(door: Door) -> None:
    answers = [door.ask(path, also=[("Host", host)]) for path in PATHS for host in (door.host, "evil.example")]
    assert {each.status for each in answers} == {400}
    assert door.place.api.called == []


class TestToken:
    def test_gives_a_cookie_of_this_port_that_no_script_reads_and_no_other_site_sends(self, door: Door) -> None:
        token = urlsplit(door.place.address).query
        shown = door.ask(f"/?{token}", without=["Cookie", "Origin"], Sec_Fetch_Site="none")
        assert (shown.status, shown.headers["location"], secured(shown)) == (303, "/", True)
        assert shown.headers["set-cookie"] == f"{door.cookie}; HttpOnly; Path=/; SameSite=strict"
        assert door.cookie.startswith(f"console-{door.port}=")

    @pytest.mark.parametrize("query", ["token=x", "token=", "token=%ff", "token=x&token=y", "Token={}", "token={}x"])
    def test_of_another_kind_gives_nothing(self, door: Door, query: str) -> None:
        token = urlsplit(door.place.address).query.removeprefix("token=")
        for how in ({"without": ["Cookie"]}, {"without": ["Cookie", "Origin", "Sec-Fetch-Site"]}):
            answer = door.ask(f"/?{query.format(token)}", **how)  # type: ignore[arg-type] - a table of cases
            assert (answer.status, answer.is_refusal, "set-cookie" in answer.headers) == (403, True, False)

    def test_opens_no_other_page_and_is_not_believed_from_elsewhere(self, door: Door) -> None:
        token = urlsplit(door.place.address).query
        paths = [path for path in PATHS if path != "/"]
        assert {door.ask(f"{path}?{token}", without=["Cookie"]).status for path in paths} == {403}
        assert door.ask(f"/?{token}", without=["Cookie"], Sec_Fetch_Site="cross-site").status == 403
        assert door.ask(f"/?{token}", without=["Cookie"], Host=f"evil.example:{door.port}").status == 421

    def test_of_an_old_browser_is_taken_and_cookies_of_others_beside_it_do_no_harm(self, door: Door) -> None:
        assert door.ask("/accounts", version="1.0").status == 200
        name = door.cookie.partition("=")[0]
        for cookie in (f"{name}=evil; {door.cookie}", f"{door.cookie}; {name}=evil", f"a; =; {door.cookie};;"):
            assert door.ask("/accounts", Cookie=cookie).status == 200
        second = [("Cookie", "a=b"), ("Cookie", door.cookie)]
        assert door.ask("/accounts", without=["Cookie"], also=second).status == 200


class TestBodies:
    @pytest.mark.parametrize("length", [str(app.BODY_BYTES_MAX + 1), "9" * 20])
    def test_that_say_they_are_too_large_are_not_read(self, door: Door, length: str) -> None:
        for path in PATHS:
            answer = door.ask(path, method="POST", also=[("Content-Length", length)])
            assert (answer.status, answer.is_refusal, secured(answer)) == (413, True, True), path

    def test_that_do_not_say_are_read_up_to_there(self, door: Door) -> None:
        name = 'Content-Disposition: form-data; name="file"; filename="x"'
        content = f"--x\r\n{name}\r\n\r\n".encode() + b"x" * app.BODY_BYTES_MAX
        chunked = [("Transfer-Encoding", "chunked")]
        answer = door.ask(
            STEPS[0],
            method="POST",
            also=chunked,
            body=b"%x\r\n%s\r\n" % (len(content), content),
            Content_Type="multipart/form-data; boundary=x",
        )
        assert (answer.status, secured(answer)) == (413, True)
        assert door.ask(STEPS[0], method="POST", also=chunked, body=b"6\r\nform=x\r\n0\r\n\r\n").status == 409

    @pytest.mark.parametrize(
        "lines",
        [
            [("Content-Length", "0"), ("Transfer-Encoding", "chunked")],
            [("Transfer-Encoding", "chunked"), ("Content-Length", "6")],
            [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
            [("Transfer-Encoding", "gzip, chunked")],
            [("Transfer-Encoding", "xchunked")],
            [("Transfer-Encoding ", "chunked")],
            [("Content-Length", "6"), ("Content-Length", "7")],
            [("Content-Length", "+6")],
            [("Content-Length", "-1")],
            [("Content-Length", "6,7")],
            [("Content-Length", "0x6")],
        ],
        ids=json.dumps,
    )
    def test_whose_end_can_be_read_in_two_ways_are_refused_and_no_second_request_is_found_in_them(
        self, door: Door, lines: Lines
    ) -> None:
        smuggled = f"0\r\n\r\nGET /accounts HTTP/1.1\r\nHost: {door.host}\r\nCookie: {door.cookie}\r\n\r\n"
        answer = door.ask(STEPS[0], method="POST", also=lines, body=smuggled.encode())
        assert answer.status in {400, 501}
        assert answer.headers["connection"] == "close"
        assert door.place.api.called == []


def test_a_console_that_fails_tells_no_more_than_what_failed_and_is_guarded_as_ever(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("the secret")

    monkeypatch.setattr("console.screens.accounts.page", lambda *_, **__: broken())
    answer = door.ask("/accounts")
    assert (answer.status, answer.is_refusal, secured(answer)) == (500, False, True)
    assert "RuntimeError" in answer.body
    assert "the secret" not in answer.body
