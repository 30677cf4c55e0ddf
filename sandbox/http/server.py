"""Serves a sandbox over HTTP or HTTPS: sockets, threads, waiting and broken connections.

Decisions are made elsewhere.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import traceback
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from sandbox.control import api as control
from sandbox.control.desk import Csv
from sandbox.http import signature, wire
from sandbox.http.gateway import Arrival, Sandbox, Settings
from sandbox.http.wire import Encoded
from sandbox.model.amazon import OPERATIONS
from sandbox.model.clock import Clock
from sandbox.model.outcome import Framework

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from sandbox.http.delivery import Delivery

BODY_BYTES_MAX = 1_000_000
# An idle keep-alive connection is closed after this long, so that a stopped client leaves no thread behind for good.
IDLE_SECONDS = 120.0
# A dripping response comes in this many pieces at most.
_DRIPS_MAX = 200
TARGET_PREFIX = "com.amazonaws.agcod.AGCODService."


@dataclass
class Served:
    """A sandbox with its lock and clock, shared by all connections. Setting `released` ends every wait at once."""

    sandbox: Sandbox
    clock: Clock
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)
    responses: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Served:
        """A sandbox on the machine's clock."""
        clock = Clock()
        return cls(Sandbox(settings, clock.now, time.monotonic), clock)

    def release(self) -> None:
        """End every wait that is going on (held and dripping connections, latency)."""
        self.released.set()
        self.released = threading.Event()

    def response_id(self) -> str:
        """The next x-amzn-requestid: the same sequence for the same seed."""
        self.responses += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.sandbox.world.options.seed}|{self.responses}"))


class Server(ThreadingHTTPServer):
    """One thread per connection. The TLS handshake is made by the connection's own thread."""

    daemon_threads = True
    # Bursts of concurrent connections must not be refused by a short queue.
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], served: Served, tls: ssl.SSLContext | None = None) -> None:
        self.served = served
        self.tls = tls
        super().__init__(address, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; wrap it for TLS without shaking hands yet."""
        connection, address = super().get_request()
        if self.tls is not None:
            return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away, or fail the handshake, are no error of the sandbox; anything else is shown."""
        del request, client_address
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()

    @property
    def url(self) -> str:
        """Where the server listens."""
        host, port = self.server_address[0], self.server_address[1]
        return f"{'http' if self.tls is None else 'https'}://{host!s}:{port}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    # Nagle's algorithm would cost 40 ms a call.
    disable_nagle_algorithm = True
    # The whole response leaves in one piece.
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """The report holds every call; nothing is printed."""

    def do_GET(self) -> None:
        """Health and control."""
        self._serve()

    # The base class looks the methods up by these names.
    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        if path == "/sping" and self.command in {"GET", "HEAD"}:
            self._send(Encoded(200, "text/plain", b"healthy"))
        elif path.startswith(control.PREFIX):
            self._control(path.removeprefix(control.PREFIX), body, dict(parse_qsl(query)))
        elif path.removeprefix("/") in OPERATIONS and self.command == "POST":
            self._operation(path.removeprefix("/"), body)
        else:
            self._unknown(404)

    def _body(self) -> bytes | None:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self._send(
                Encoded(413 if length.isdigit() else 411, "text/plain", b"body must have a length, of 1 MB at most")
            )
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            # The caller went away in the middle of its request: it never arrived.
            self.close_connection = True
            return None
        return body

    def _control(self, name: str, body: bytes, query: dict[str, str]) -> None:
        try:
            value = json.loads(body) if body.strip() else query
        except ValueError:
            value = None
        if not isinstance(value, dict):
            self._send_json(400, {"error": "the body is a JSON object"})
            return
        served = self.server.served
        with served.lock:
            status, response = control.handle(served.sandbox, served.clock, self.command, name, value)
            if name == "reset":
                # What the old state keeps waiting must not reach into the new one.
                served.release()
        if isinstance(response, Csv):
            self._send(Encoded(status, "text/csv; charset=utf-8", response.text.encode()))
        else:
            self._send_json(status, response)

    def _operation(self, operation: str, body: bytes) -> None:
        served = self.server.served
        options = served.sandbox.world.options
        target = self.headers.get("x-amz-target")
        if options.strict_target and target != TARGET_PREFIX + operation:
            self._unknown(400)
            return
        self._wait(options.latency_before_seconds)
        arrival = self._arrival(operation, body, check_region=options.check_region)
        with served.lock:
            delivery = served.sandbox.exchange(arrival)
            options = served.sandbox.world.options
        self._wait(options.latency_seconds)
        self._deliver(delivery)

    def _arrival(self, operation: str, body: bytes, *, check_region: bool) -> Arrival:
        sent = signature.Sent(self.command, self.path, tuple(self.headers.items()), body)
        claim = signature.parse_authorization(self.headers.get("authorization"))
        sandbox = self.server.served.sandbox

        def prove(secret: str) -> str | None:
            if claim is None:
                return "Authorization header is incomplete."
            account = sandbox.world.account_of_key(claim.access_key)
            region = account.region if account is not None and check_region else None
            return signature.problem(sent, claim, secret, region)

        return Arrival(
            operation=operation,
            body=body,
            access_key=None if claim is None else claim.access_key,
            signed_at=sent.signed_at,
            amz_date=sent.amz_date,
            as_xml=self._wants_xml(),
            xml_body=wire.JSON_TYPE not in self.headers.get("content-type", "").lower(),
            prove=prove,
        )

    def _wants_xml(self) -> bool:
        return wire.JSON_TYPE not in self.headers.get("accept", "").lower()

    def _deliver(self, delivery: Delivery) -> None:
        match delivery.transport:
            case "drop":
                self._hang_up()
            case "hold":
                self._wait(delivery.seconds)
                self._hang_up()
            case "drip" if delivery.encoded is not None:
                self._drip(delivery.encoded, delivery.seconds)
            case _ if delivery.encoded is not None:
                self._send(delivery.encoded)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.server.served.released.wait(seconds)

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The caller was faster.
            return

    def _unknown(self, status: int) -> None:
        response = Framework(
            "UnknownOperationException", "The requested operation is not recognized by the service.", status
        )
        self._send(wire.encode(response, as_xml=self._wants_xml()))

    def _send_json(self, status: int, value: object) -> None:
        self._send(Encoded(status, wire.JSON_TYPE, json.dumps(value, default=str).encode()))

    def _send(self, encoded: Encoded) -> None:
        self._send_head(encoded)
        if self.command != "HEAD":
            self.wfile.write(encoded.body)
        self.wfile.flush()

    def _drip(self, encoded: Encoded, seconds: float) -> None:
        self._send_head(encoded)
        self.wfile.flush()
        size = max(1, -(-len(encoded.body) // _DRIPS_MAX))
        pieces = [encoded.body[at : at + size] for at in range(0, len(encoded.body), size)]
        for piece in pieces:
            self._wait(seconds / len(pieces))
            self.wfile.write(piece)
            self.wfile.flush()

    def _send_head(self, encoded: Encoded) -> None:
        served = self.server.served
        with served.lock:
            now, response_id = served.clock.now(), served.response_id()
        self.send_response_only(encoded.http_status)
        self.send_header("X-Amzn-Requestid", response_id)
        self.send_header("Date", format_datetime(now, usegmt=True))
        self.send_header("Content-Type", encoded.content_type)
        self.send_header("Content-Length", str(len(encoded.body)))
        for name, value in encoded.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


@contextmanager
def running(
    settings: Settings, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """A server that serves in the background until the block ends; port 0 takes a free one."""
    server = Server((host, port), Served.of(settings), tls)
    # The poll interval is how long stopping takes at most.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.served.release()
        server.shutdown()
        server.server_close()
        thread.join()
