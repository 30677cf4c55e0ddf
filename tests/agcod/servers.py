"""Small servers on loopback that misbehave on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclass
class Seen:
    """What reached the server.

    Attributes:
        connections: accepted (and, with TLS, shaken hands with).
        requests: first lines of requests whose body arrived completely.
        failed: TLS handshakes that failed.
    """

    port: int = 0
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    failed: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)


Behaviour = Callable[[socket.socket, Seen], bool]


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def read_request(conn: socket.socket, seen: Seen) -> bool:
    """Read one request; False when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = conn.recv(65536)
        if not chunk:
            return False
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += conn.recv(65536)
    seen.requests.append(head.split(b"\r\n")[0].decode())
    return True


def answering(response: bytes) -> Behaviour:
    def behave(conn: socket.socket, seen: Seen) -> bool:
        if not read_request(conn, seen):
            return False
        conn.sendall(response)
        return True

    return behave


def dripping(start: bytes) -> Behaviour:
    """Sends some of a response, then a byte now and then, for ever."""

    def behave(conn: socket.socket, seen: Seen) -> bool:
        if not read_request(conn, seen):
            return False
        conn.sendall(start)
        while not seen.stopping.wait(0.02):
            conn.sendall(b" ")
        return False

    return behave


def dropping(conn: socket.socket, seen: Seen) -> bool:
    read_request(conn, seen)
    return False


def silent(conn: socket.socket, seen: Seen) -> bool:
    read_request(conn, seen)
    seen.stopping.wait()
    return False


@contextlib.contextmanager
def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Seen]:  # noqa: C901 - one server, whole
    """Serve until the block ends; joins every thread it started."""
    seen = Seen()
    threads: list[threading.Thread] = []
    open_sockets: list[socket.socket] = []

    def talk(conn: socket.socket) -> None:
        try:
            if tls is not None:
                conn = tls.wrap_socket(conn, server_side=True)
                open_sockets.append(conn)
        except OSError:
            seen.failed += 1
            conn.close()
            return
        seen.connections += 1
        with conn, contextlib.suppress(OSError):
            while behave(conn, seen):
                pass

    def accept() -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            if seen.stopping.is_set():
                conn.close()
                return
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            open_sockets.append(conn)
            threads.append(threading.Thread(target=talk, args=(conn,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen.port = listener.getsockname()[1]
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield seen
        finally:
            seen.stopping.set()
            # Closing a listener does not wake its accept; a last connection does.
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", seen.port), 1).close()
            acceptor.join()
            for each in open_sockets:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
