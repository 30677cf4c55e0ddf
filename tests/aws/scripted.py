"""A DynamoDB on the loopback interface that answers from a script, or does not answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

#: A call as it arrived: the operation's name and its parameters.
Arrived = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes


@dataclass(frozen=True)
class Silence:
    """Nothing comes back until the caller has given up."""


@dataclass(frozen=True)
class Hangup:
    """The connection ends without a response."""


Behaviour = Response | Silence | Hangup
Scripted = Behaviour | Callable[[dict[str, Any]], Behaviour]


def ok(**members: Any) -> Response:
    return Response(200, json.dumps(members).encode())


def refusal(code: str, **members: Any) -> Response:
    """HTTP 400, as DynamoDB says no."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return Response(400, json.dumps({"__type": kind, "message": code, **members}).encode())


def cancelled(*reasons: dict[str, Any]) -> Response:
    return refusal("TransactionCanceledException", CancellationReasons=list(reasons))


FAULT: Final = Response(500, b'{"__type":"InternalServerError"}')
NO_DOCUMENT: Final = Response(503, b"<html>Service Unavailable</html>")
THROTTLED: Final = refusal("ThrottlingException")
NONE: Final = {"Code": "None"}
CONFLICT: Final = {"Code": "TransactionConflict"}


@dataclass
class Script:
    """The server's side of a test.

    Attributes:
        url: of the endpoint.
        responses: for the calls to come; more calls than answers is a failure of the test.
        calls: that have arrived.
    """

    url: str
    responses: list[Scripted] = field(default_factory=list)
    calls: list[Arrived] = field(default_factory=list)
    given_up: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def next(self, call: Arrived) -> Behaviour:
        with self.lock:
            self.calls.append(call)
            response: Scripted = self.responses.pop(0) if self.responses else refusal("NothingLeftInTheScript")
        return response(call[1]) if callable(response) else response


@contextmanager
def scripted_dynamodb() -> Iterator[Script]:
    script = Script(url="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            behaviour = script.next((self.headers["X-Amz-Target"].partition(".")[2], json.loads(body)))
            match behaviour:
                case Response(status, content):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/x-amz-json-1.0")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                case Silence():
                    script.given_up.wait()
                    self.close_connection = True
                case Hangup():
                    self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Tests say what they have to say themselves."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield script
    finally:
        script.given_up.set()
        server.shutdown()
        thread.join()
        server.server_close()
