"""One HTTP exchange with a total deadline, that always knows whether anything may have left this machine.

Two questions decide about money, and an exception's class or text answers neither:

*Did the request leave?* Our connection classes pass a gate (`Passage.enter`) right before the first byte of the
request is handed to a connected, TLS-shaken socket. Whatever fails before the gate had no effect at Amazon; whatever
fails after it may have had one.

*Is the time over?* A read time-out is per read: a server that sends a byte a second never runs into it. So the
exchange runs on a thread of its own while the caller waits for exactly its deadline, then shuts the gate (a name
resolution that ends minutes later finds it closed and sends nothing) and the socket.

        caller                     exchange
        ------                     --------
        start  ------------------> resolve, connect, TLS
        wait                       gate.enter()   <- from here on "it did not happen" cannot be said
        wait                       send, read
        deadline: gate.end() ----> socket shut; entered? Unknown : NotExecuted

A call may have to leave within a time of its own, names of hosts and further addresses included, however much of its
whole time is left: whoever freezes an account waits that long for those who had a permit.

The adapter is used without a `requests.Session`: there are then no redirects to refuse, no cookies, no proxies or
credentials from the environment, no hooks and no retries to switch off.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import requests
import requests.utils
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from incentives.domain.outcomes import NotExecutedBecause, UnknownBecause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Seconds. Far above a healthy TCP and TLS set-up within a region, far below what a caller's function has left.
CONNECT_SECONDS_MAX: Final = 2.0
#: Seconds between two bytes. Amazon's FAQ recommends a client time-out of six.
READ_SECONDS_MAX: Final = 6.0
#: Seconds. Below the idle time-outs of load balancers; a socket of a thawed process may be dead without knowing it.
IDLE_SECONDS_MAX: Final = 15.0
#: Bytes. An activity page of 1,000 rows is about 400 KB; every other response is below 2 KB.
BODY_BYTES_MAX: Final = 2_000_000
#: A process serves one request at a time; tools and tests may run a few.
_CONNECTIONS_KEPT: Final = 10


@dataclass(frozen=True, slots=True)
class TransportClock:
    """Time as the transport needs it: when a process is thawed the wall has moved; the other may have stood still."""

    wall: Callable[[], datetime]
    monotonic: Callable[[], float]

    def utc(self) -> datetime:
        """Now, aware, UTC."""
        return self.wall().astimezone(UTC)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response. The body is never part of a text conversion: it may hold a claim code.

    Attributes:
        headers: names in lower case.
        complete: False when the body was cut at `BODY_BYTES_MAX` or could not be decoded.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """No response.

    Attributes:
        because: a reason of `NotExecuted` when nothing was sent, of `Unknown` when something may have been.
        name: class name of what went wrong, e.g. `ReadTimeoutError`, or `Deadline`; never its text.
    """

    because: NotExecutedBecause | UnknownBecause
    name: str


class _OverError(Exception):
    """The deadline has passed: the gate is closed."""


class ConnectTooSlowError(Exception):
    """Nothing had left when it was too late to leave: somebody may have frozen the account since its permit."""


class Passage:
    """The gate of one exchange, shared by the caller's thread and the exchange's."""

    def __init__(self, clock: TransportClock, *, leaves_within: float | None = None) -> None:
        self.clock = clock
        self._leaves_until = None if leaves_within is None else clock.monotonic() + leaves_within
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._entered = False
        self._over = False

    @property
    def entered(self) -> bool:
        """Whether a byte of the request may have left."""
        with self._lock:
            return self._entered

    def hold(self, handle: socket.socket | None) -> None:
        """Name the socket to shut at the deadline; None lets go of it.

        Raises:
            _OverError: the deadline has passed.
        """
        with self._lock:
            self._socket = handle
            if self._over and handle is not None:
                _shut(handle)
                raise _OverError

    def enter(self) -> None:
        """Pass the gate, right before the first byte.

        Raises:
            _OverError: the deadline has passed; nothing may be sent any more.
            ConnectTooSlowError: it took too long to get here; nothing has been sent.
        """
        with self._lock:
            if self._over:
                raise _OverError
            if self._leaves_until is not None and not self._entered and self.clock.monotonic() > self._leaves_until:
                raise ConnectTooSlowError
            self._entered = True

    def end(self) -> bool:
        """Close the gate and shut the socket; returns whether a byte may have left."""
        with self._lock:
            self._over = True
            if self._socket is not None:
                _shut(self._socket)
            return self._entered


def _shut(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


class _Local(threading.local):
    """The passage of the exchange that runs on this thread. urllib3 builds connections; nothing can be passed in.

    Outside an exchange there is none, and whatever would be sent there fails: nothing leaves without a gate.
    """

    passage: Passage


_here = _Local()


class _Gated:
    """What our plain and TLS connections have in common; mixed in before urllib3's class."""

    # Of a connection, from urllib3 and http.client:
    sock: Any
    connect: Callable[[], None]

    #: A duplicate of the TCP socket. TLS wrapping takes the first one over; shutting the duplicate shuts both.
    handle: socket.socket | None = None
    #: When the connection was put aside: wall seconds, monotonic seconds.
    rested_at: tuple[float, float] = (0.0, 0.0)

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        self.handle = made.dup()
        try:
            _here.passage.hold(self.handle)
        except BaseException:
            made.close()
            raise
        return made

    def send(self, data: Any) -> None:  # noqa: ANN401 - http.client's own signature
        if self.sock is None:
            self.connect()
        _here.passage.enter()
        super().send(data)  # type: ignore[misc]

    def close(self) -> None:
        try:
            super().close()  # type: ignore[misc]
        finally:
            if self.handle is not None:
                self.handle.close()
                self.handle = None


class _PlainConnection(_Gated, HTTPConnection):
    pass


class _TlsConnection(_Gated, HTTPSConnection):
    pass


class _Rested:
    """A pool that reuses no connection which has rested too long, by either clock."""

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - urllib3's own signature
        conn = super()._get_conn(timeout)  # type: ignore[misc]
        if conn.sock is not None:
            passage = _here.passage
            if _has_rested_too_long(conn.rested_at, passage.clock):
                conn.close()
            else:
                passage.hold(conn.handle)
        return conn

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - urllib3's own signature
        passage = _here.passage
        # Let go first: another exchange may take the connection the moment it is back in the pool.
        passage.hold(None)
        if conn is not None:
            conn.rested_at = (passage.clock.utc().timestamp(), passage.clock.monotonic())
        super()._put_conn(conn)  # type: ignore[misc]


def _has_rested_too_long(since: tuple[float, float], clock: TransportClock) -> bool:
    wall, monotonic = clock.utc().timestamp() - since[0], clock.monotonic() - since[1]
    # A wall clock that went backwards says nothing about the rest: a new connection is the cheap side of the doubt.
    return not (0 <= wall < IDLE_SECONDS_MAX and 0 <= monotonic < IDLE_SECONDS_MAX)


class _PlainPool(_Rested, HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(_Rested, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _without_header_texts(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Failed to parse headers")


# urllib3 logs headers that it cannot parse with their text. Of a response that lacks the empty line between headers and
# body that text is the body, and may hold a claim code.
logging.getLogger("urllib3.connection").addFilter(_without_header_texts)


class _Adapter(HTTPAdapter):
    """requests' adapter with our connections, and one TLS context whose authorities are read only once."""

    def __init__(self, *, verify: bool | str) -> None:
        self._verify = verify
        self._context: ssl.SSLContext | None = None
        super().__init__(pool_maxsize=_CONNECTIONS_KEPT)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002, ANN401 - requests' own signature
        super().init_poolmanager(connections, maxsize, block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:  # noqa: ANN401, ARG002 - requests' own signature
        parts = urllib3.util.parse_url(request.url)
        host = {"scheme": parts.scheme, "host": parts.host, "port": parts.port}
        return host, {"ssl_context": self.tls_context()} if parts.scheme == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ANN401 - requests' own signature
        """Nothing left to do: the context has its authorities."""

    def tls_context(self) -> ssl.SSLContext:
        """The context of every connection: TLS 1.2 or newer, certificate and host name checked."""
        if self._context is None:
            self._context = make_tls_context(self._verify)
        return self._context


def make_tls_context(verify: bool | str) -> ssl.SSLContext:  # noqa: FBT001 - the shape of requests' own argument
    """A client context: TLS 1.2 or newer (Amazon's rule), host name and certificate checked.

    Args:
        verify: True for the public authorities, or the path of a PEM file of others. There is no way to check nothing.

    Raises:
        ValueError: `verify` is False.
        OSError: the file cannot be read.
    """
    if verify is False:
        raise ValueError("certificates are always verified; pass the path of a CA file instead")
    context = ssl.create_default_context(cafile=requests.utils.DEFAULT_CA_BUNDLE_PATH if verify is True else verify)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Transport:
    """Sends prepared requests; keeps connections for the next one."""

    def __init__(self, *, verify: bool | str, clock: TransportClock) -> None:
        self._clock = clock
        self._adapter = _Adapter(verify=verify)

    def read_authorities(self) -> None:
        """Read the certificate authorities now, instead of within the time of the first call."""
        self._adapter.tls_context()

    def close(self) -> None:
        """Close every kept connection."""
        self._adapter.close()

    def exchange(
        self, request: requests.PreparedRequest, *, seconds: float, leaves_within: float | None = None
    ) -> HttpResponse | Fault:
        """Send once and read the whole response, within `seconds` in total. Raises nothing.

        Args:
            request: prepared and signed.
            seconds: for all of it.
            leaves_within: seconds after which it does not leave any more; None: it leaves as long as its time lasts.

        Returns:
            The response, whatever its status; or a fault, which says whether anything may have been sent.
        """
        if seconds <= 0:
            return Fault(NotExecutedBecause.NOT_SENT, "Deadline")
        passage = Passage(self._clock, leaves_within=leaves_within)
        results: list[HttpResponse | Fault] = []
        done = threading.Event()

        def run() -> None:
            _here.passage = passage
            try:
                results.append(self._exchange(request, seconds))
            except Exception as error:  # noqa: BLE001 - whatever it is, the gate alone says what it means
                results.append(_fault(error, entered=passage.entered))
            finally:
                done.set()

        try:
            threading.Thread(target=run, name="incentives-exchange", daemon=True).start()
        except RuntimeError as error:
            # The process has no thread left, or is ending.
            return _fault(error, entered=False)
        if done.wait(seconds) and results:
            return results[0]
        entered = passage.end()
        return Fault(UnknownBecause.TIMED_OUT if entered else NotExecutedBecause.NOT_SENT, "Deadline")

    def _exchange(self, request: requests.PreparedRequest, seconds: float) -> HttpResponse:
        timeout = (min(CONNECT_SECONDS_MAX, seconds), min(READ_SECONDS_MAX, seconds))
        response = self._adapter.send(request, stream=True, timeout=timeout)
        raw = response.raw
        headers = {name.lower(): value for name, value in response.headers.items()}
        try:
            body = raw.read(BODY_BYTES_MAX + 1, decode_content=True)
        except urllib3.exceptions.DecodeError:
            response.close()
            return HttpResponse(response.status_code, headers, b"", complete=False)
        except BaseException:
            response.close()
            raise
        if len(body) > BODY_BYTES_MAX:
            response.close()
            return HttpResponse(response.status_code, headers, body[:BODY_BYTES_MAX], complete=False)
        raw.release_conn()
        return HttpResponse(response.status_code, headers, body)


def _fault(error: Exception, *, entered: bool) -> Fault:
    # requests and urllib3 wrap each other's errors; the innermost reason is the one worth a name in a case file.
    reason: object = error
    while isinstance(reason, requests.RequestException | urllib3.exceptions.MaxRetryError):
        inner = getattr(reason, "reason", None) or (reason.args[0] if reason.args else None)
        if not isinstance(inner, BaseException):
            break
        reason = inner
    name = type(reason).__name__
    if not entered:
        return Fault(NotExecutedBecause.NOT_SENT, name)
    timed_out = isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError) or isinstance(
        reason, urllib3.exceptions.TimeoutError | TimeoutError
    )
    return Fault(UnknownBecause.TIMED_OUT if timed_out else UnknownBecause.CONNECTION_LOST, name)
