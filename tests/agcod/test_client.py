"""The client over real sockets: what left, what did not, and for how long."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import logging
import socket
import ssl
import threading
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests
import trustme
import urllib3

from incentives.agcod.amazon import Amazon, Funds
from incentives.agcod.client import IncentivesClient, SignedCall
from incentives.agcod.transport import (
    BODY_BYTES_MAX,
    Fault,
    HttpResponse,
    Passage,
    TransportClock,
    _fault,
    _PlainConnection,
    make_tls_context,
)
from incentives.domain.calls import LEAVES_WITHIN_SECONDS
from incentives.domain.outcomes import (
    NotExecuted,
    NotExecutedBecause,
    Reversed,
    Succeeded,
    Unknown,
    UnknownBecause,
    Unresolved,
)
from tests.agcod.samples import ACCOUNT, CALLS, CLAIM_CODE, success, to_json
from tests.agcod.servers import answering, dripping, dropping, http, read_request, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OK = http(to_json(success("CreateGiftCard")), "200 OK", "Date: Sun, 01 Mar 2026 12:00:00 GMT", "X-Amzn-RequestId: abc")
#: Longer than any call here needs, shorter than anybody wants to wait for a broken test.
PATIENCE = 5.0


@pytest.fixture
def clients() -> Iterator[Callable[..., IncentivesClient]]:
    made: list[IncentivesClient] = []

    def make(url: str, **settings: object) -> IncentivesClient:
        made.append(IncentivesClient(url, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


def create(client: IncentivesClient) -> SignedCall:
    return client.sign(CALLS["CreateGiftCard"], ACCOUNT)


def not_sent(result: HttpResponse | Fault) -> bool:
    return isinstance(result, Fault) and result.because is NotExecutedBecause.NOT_SENT


def test_a_whole_attempt(clients: Callable[..., IncentivesClient]) -> None:
    with serving(answering(OK)) as seen:
        amazon = Amazon(clients(f"http://127.0.0.1:{seen.port}/"))
        attempt = amazon.attempt(amazon.sign(CALLS["CreateGiftCard"], ACCOUNT), seconds=PATIENCE)
    assert isinstance(attempt.outcome, Succeeded)
    assert attempt.amazon_date == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert attempt.evidence.response["cardStatus"] == "Fulfilled"
    assert "UYCP" not in repr(attempt)
    assert seen.requests == ["POST /CreateGiftCard HTTP/1.1"]


def test_reversal_and_funds(clients: Callable[..., IncentivesClient]) -> None:
    with serving(answering(http(to_json(success("CancelGiftCard"))))) as seen:
        amazon = Amazon(clients(f"http://127.0.0.1:{seen.port}"))
        signed = amazon.sign(CALLS["CancelGiftCard"], ACCOUNT)
        assert amazon.attempt_reversal(signed, seconds=PATIENCE).outcome == Reversed()
        assert isinstance(amazon.funds(ACCOUNT, seconds=PATIENCE), Unknown)
    body = b'{"availableFunds":{"amount":0.0,"currencyCode":"JPY"},"status":"SUCCESS","timestamp":"20220610T085450Z"}'
    with serving(answering(http(body))) as seen:
        funds = Amazon(clients(f"http://127.0.0.1:{seen.port}")).funds(ACCOUNT, seconds=PATIENCE)
    assert isinstance(funds, Funds)
    assert str(funds.value) == "0 JPY"
    assert funds.timestamp == datetime(2022, 6, 10, 8, 54, 50, tzinfo=UTC)


def test_an_unknown_host_was_not_sent(
    clients: Callable[..., IncentivesClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = clients("https://agcod.example")
    assert client.send(create(client), seconds=PATIENCE) == Fault(NotExecutedBecause.NOT_SENT, "NameResolutionError")


def test_a_name_that_resolves_after_the_deadline_sends_nothing(
    clients: Callable[..., IncentivesClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, true_resolve = threading.Event(), socket.getaddrinfo

    def resolve(*args: object, **kwargs: object) -> object:
        late.wait()
        return true_resolve(*args, **kwargs)  # type: ignore[arg-type]

    with serving(answering(OK)) as seen:
        client = clients(f"http://127.0.0.1:{seen.port}")
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert not_sent(client.send(create(client), seconds=0.05))
        late.set()
        for thread in threading.enumerate():
            if thread.name == "incentives-exchange":
                thread.join()
        assert seen.requests == []


def test_no_time_left_sends_nothing(clients: Callable[..., IncentivesClient]) -> None:
    with serving(answering(OK)) as seen:
        client = clients(f"http://127.0.0.1:{seen.port}")
        assert not_sent(client.send(create(client), seconds=0))
    assert seen.connections == 0


def test_a_drop_after_the_request_is_unknown(clients: Callable[..., IncentivesClient]) -> None:
    with serving(dropping) as seen:
        amazon = Amazon(clients(f"http://127.0.0.1:{seen.port}"))
        attempt = amazon.attempt(amazon.sign(CALLS["CreateGiftCard"], ACCOUNT), seconds=PATIENCE)
        assert attempt.outcome == Unknown(UnknownBecause.CONNECTION_LOST)
        reversal = amazon.attempt_reversal(amazon.sign(CALLS["CancelGiftCard"], ACCOUNT), seconds=PATIENCE)
        assert reversal.outcome == Unresolved(unknown=UnknownBecause.CONNECTION_LOST)
    # Each was sent once: nothing is repeated behind the caller's back.
    assert len(seen.requests) == 2


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(OK[:8], id="half a status line"),
        pytest.param(OK[:20], id="half a header"),
        pytest.param(OK[:-1], id="a byte less"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\n"), id="no line between headers and body"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\noops\r\n"), id="a body among the headers"),
        pytest.param(b"what is this\r\n\r\n" + OK, id="no HTTP"),
    ],
)
def test_half_an_response_is_unknown_and_in_no_log(
    clients: Callable[..., IncentivesClient], part: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def behave(conn: socket.socket, seen: object) -> bool:
        read_request(conn, seen)  # type: ignore[arg-type]
        conn.sendall(part)
        return False

    with serving(behave) as seen, caplog.at_level(logging.DEBUG):
        amazon = Amazon(clients(f"http://127.0.0.1:{seen.port}"))
        attempt = amazon.attempt(amazon.sign(CALLS["CreateGiftCard"], ACCOUNT), seconds=PATIENCE)
    assert isinstance(attempt.outcome, Unknown)
    assert "UYCP" not in caplog.text
    assert "UYCP" not in repr(attempt)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="before the status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Drip:", id="in the headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", id="in the body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", id="in a chunk's size"),
    ],
)
def test_a_dripping_server_cannot_outlast_the_deadline(clients: Callable[..., IncentivesClient], start: bytes) -> None:
    with serving(dripping(start)) as seen:
        client = clients(f"http://127.0.0.1:{seen.port}")
        # Without the deadline this would last for ever: the server stops only after the block.
        result = client.send(create(client), seconds=0.15)
        assert isinstance(result, Fault)
        assert isinstance(result.because, UnknownBecause)
        for thread in threading.enumerate():
            if thread.name == "incentives-exchange":
                thread.join(PATIENCE)
                assert not thread.is_alive()


def test_a_redirect_is_an_response_and_not_followed(clients: Callable[..., IncentivesClient]) -> None:
    with serving(answering(OK)) as other:
        moved = http(b"", "307 Temporary Redirect", f"Location: http://127.0.0.1:{other.port}/CreateGiftCard")
        with serving(answering(moved)) as seen:
            amazon = Amazon(clients(f"http://127.0.0.1:{seen.port}"))
            attempt = amazon.attempt(amazon.sign(CALLS["CreateGiftCard"], ACCOUNT), seconds=PATIENCE)
    assert attempt.evidence.http_status == 307
    assert attempt.outcome == Unknown(UnknownBecause.UNREADABLE)
    assert other.connections == 0


def test_the_environment_has_no_say(clients: Callable[..., IncentivesClient], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(answering(OK)) as seen:
        client = clients(f"http://127.0.0.1:{seen.port}")
        assert isinstance(client.send(create(client), seconds=PATIENCE), HttpResponse)


def test_a_body_beyond_the_cap_is_cut(clients: Callable[..., IncentivesClient]) -> None:
    with serving(answering(http(b"x" * (BODY_BYTES_MAX + 10)))) as seen:
        client = clients(f"http://127.0.0.1:{seen.port}")
        result = client.send(create(client), seconds=PATIENCE)
    assert isinstance(result, HttpResponse)
    assert (len(result.body), result.complete) == (BODY_BYTES_MAX, False)


def test_a_compressed_bomb_is_cut_and_broken_compression_is_no_body(clients: Callable[..., IncentivesClient]) -> None:
    bomb = gzip.compress(b"x" * (10 * BODY_BYTES_MAX))
    for body, length in ((bomb, BODY_BYTES_MAX), (b"no gzip at all", 0)):
        with serving(answering(http(body, "200 OK", "Content-Encoding: gzip"))) as seen:
            client = clients(f"http://127.0.0.1:{seen.port}")
            result = client.send(create(client), seconds=PATIENCE)
        assert isinstance(result, HttpResponse)
        assert (len(result.body), result.complete) == (length, False)


def test_connections_are_kept_until_they_have_rested_too_long(clients: Callable[..., IncentivesClient]) -> None:
    wall, monotonic = [datetime(2026, 3, 1, tzinfo=UTC)], [100.0]
    with serving(answering(OK)) as seen:
        client = clients(f"http://127.0.0.1:{seen.port}", wall=lambda: wall[0], monotonic=lambda: monotonic[0])

        def connections_after_sending() -> int:
            assert isinstance(client.send(create(client), seconds=PATIENCE), HttpResponse)
            return seen.connections

        assert connections_after_sending() == 1
        assert connections_after_sending() == 1
        wall[0] += timedelta(seconds=14)
        monotonic[0] += 14
        assert connections_after_sending() == 1
        # A frozen process: the monotonic clock stood still, the wall did not.
        wall[0] += timedelta(seconds=15)
        assert connections_after_sending() == 2
        # A wall clock set back.
        monotonic[0] += 15
        assert connections_after_sending() == 3
        wall[0] -= timedelta(hours=1)
        assert connections_after_sending() == 4
        assert connections_after_sending() == 4


def test_a_kept_connection_that_the_server_closed_is_replaced(clients: Callable[..., IncentivesClient]) -> None:
    closed = threading.Event()

    def once(conn: socket.socket, seen: object) -> bool:
        read_request(conn, seen)  # type: ignore[arg-type]
        conn.sendall(OK)
        conn.shutdown(socket.SHUT_RDWR)
        closed.set()
        return False

    with serving(once) as seen:
        client = clients(f"http://127.0.0.1:{seen.port}")
        for number in (1, 2):
            assert isinstance(client.send(create(client), seconds=PATIENCE), HttpResponse)
            closed.wait()
            closed.clear()
            assert seen.connections == number


# ---- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_tls_with_a_known_authority_works(
    clients: Callable[..., IncentivesClient], authority: trustme.CA, ca_file: str
) -> None:
    with serving(answering(OK), server_tls(authority)) as seen:
        client = clients(f"https://127.0.0.1:{seen.port}", verify=ca_file)
        for _ in range(2):
            assert isinstance(client.send(create(client), seconds=PATIENCE), HttpResponse)
        client.close()
    assert (seen.connections, len(seen.requests)) == (1, 2)


def test_authorities_can_be_read_before_the_first_call(
    clients: Callable[..., IncentivesClient], authority: trustme.CA, tmp_path: Path
) -> None:
    # given authorities that were read, and whose file is gone since
    file = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(file))
    with serving(answering(OK), server_tls(authority)) as seen:
        client = clients(f"https://127.0.0.1:{seen.port}", verify=str(file))
        client.read_authorities()
        file.unlink()
        # when
        result = client.send(create(client), seconds=PATIENCE)
    # then the call does not read them again
    assert isinstance(result, HttpResponse)


def test_a_tls_handshake_that_fails_was_not_sent(
    clients: Callable[..., IncentivesClient], authority: trustme.CA, ca_file: str
) -> None:
    with serving(answering(OK), server_tls(authority)) as seen:
        stranger = clients(f"https://127.0.0.1:{seen.port}", verify=True)
        assert not_sent(stranger.send(create(stranger), seconds=PATIENCE))
    with serving(answering(OK), server_tls(authority, "another.example")) as other_name:
        client = clients(f"https://127.0.0.1:{other_name.port}", verify=ca_file)
        assert not_sent(client.send(create(client), seconds=PATIENCE))
    with serving(answering(OK)) as no_tls:
        client = clients(f"https://127.0.0.1:{no_tls.port}", verify=ca_file)
        assert not_sent(client.send(create(client), seconds=0.3))
    for each in (seen, other_name, no_tls):
        assert each.requests == []


def test_a_tls_drip_ends_at_the_deadline(
    clients: Callable[..., IncentivesClient], authority: trustme.CA, ca_file: str
) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
    with serving(dripping(start), server_tls(authority)) as seen:
        client = clients(f"https://127.0.0.1:{seen.port}", verify=ca_file)
        result = client.send(create(client), seconds=0.3)
    assert isinstance(result, Fault)
    assert isinstance(result.because, UnknownBecause)


def test_tls_1_1_is_refused(clients: Callable[..., IncentivesClient], authority: trustme.CA, ca_file: str) -> None:
    old = server_tls(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving(answering(OK), old) as seen:
        # Positive control: whoever allows it can speak TLS 1.1 with this server.
        lax = ssl.create_default_context(cafile=ca_file)
        lax.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            lax.minimum_version = ssl.TLSVersion.TLSv1
        with (
            socket.create_connection(("127.0.0.1", seen.port)) as raw,
            lax.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
        ):
            assert wrapped.version() == "TLSv1.1"
        client = clients(f"https://127.0.0.1:{seen.port}", verify=ca_file)
        assert not_sent(client.send(create(client), seconds=PATIENCE))
    assert seen.requests == []


def test_the_tls_context_checks_everything() -> None:
    context = make_tls_context(verify=True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    with pytest.raises(ValueError, match="always verified"):
        make_tls_context(verify=False)


def test_a_fault_is_named_by_its_innermost_reason_and_never_by_a_text() -> None:
    reset = urllib3.exceptions.ProtocolError(CLAIM_CODE, ConnectionResetError(CLAIM_CODE))
    wrapped = requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/", reset))  # type: ignore[arg-type]
    late = requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(None, "/", CLAIM_CODE))  # type: ignore[arg-type]
    names: list[tuple[Exception, UnknownBecause, str]] = [
        (wrapped, UnknownBecause.CONNECTION_LOST, "ProtocolError"),
        (late, UnknownBecause.TIMED_OUT, "ReadTimeoutError"),
        # there may be nothing inside but a text, or nothing at all
        (requests.ConnectionError(CLAIM_CODE), UnknownBecause.CONNECTION_LOST, "ConnectionError"),
        (requests.Timeout(), UnknownBecause.TIMED_OUT, "Timeout"),
        (KeyError(CLAIM_CODE), UnknownBecause.CONNECTION_LOST, "KeyError"),
    ]
    for error, because, name in names:
        assert _fault(error, entered=True) == Fault(because, name)
        # before the first byte left, it makes no difference what it was
        assert _fault(error, entered=False) == Fault(NotExecutedBecause.NOT_SENT, name)


def test_nothing_leaves_by_a_connection_outside_an_exchange() -> None:
    # given our kind of connection, without the gate that an exchange brings along
    with (
        serving(answering(OK)) as seen,
        contextlib.closing(_PlainConnection("127.0.0.1", seen.port)) as connection,
        pytest.raises(AttributeError),
    ):
        connection.request("POST", "/CreateGiftCard", body=b"{}")
    assert seen.requests == []


def slowly_connected(clients: Callable[..., IncentivesClient], port: int) -> Amazon:
    """By a clock that says that each connection takes longer than that of a call that issues may."""
    ticks = itertools.count(step=LEAVES_WITHIN_SECONDS + 0.1)
    return Amazon(clients(f"http://127.0.0.1:{port}", monotonic=lambda: next(ticks)))


@pytest.mark.parametrize("operation", ["CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance"])
def test_what_issues_does_not_leave_once_it_took_too_long_to_connect(
    clients: Callable[..., IncentivesClient], operation: str
) -> None:
    """Whoever freezes an account waits for no longer than that for those who have a permit."""
    with serving(answering(OK)) as seen:
        amazon = slowly_connected(clients, seen.port)
        attempt = amazon.attempt(amazon.sign(CALLS[operation], ACCOUNT), seconds=PATIENCE)
    assert isinstance(attempt.outcome, NotExecuted)
    assert attempt.outcome.because is NotExecutedBecause.NOT_SENT
    assert seen.requests == []


def test_what_undoes_or_finds_out_leaves_however_long_it_took_to_connect(
    clients: Callable[..., IncentivesClient],
) -> None:
    with serving(answering(http(to_json(success("CancelGiftCard"))))) as seen:
        amazon = slowly_connected(clients, seen.port)
        signed = amazon.sign(CALLS["CancelGiftCard"], ACCOUNT)
        assert amazon.attempt_reversal(signed, seconds=PATIENCE).outcome == Reversed()
        amazon.funds(ACCOUNT, seconds=PATIENCE)
    assert len(seen.requests) == 2


def test_what_has_begun_to_leave_leaves_whole() -> None:
    ticks = iter([0.0, LEAVES_WITHIN_SECONDS, LEAVES_WITHIN_SECONDS + 1])
    clock = TransportClock(lambda: datetime.now(UTC), lambda: next(ticks))
    passage = Passage(clock, leaves_within=LEAVES_WITHIN_SECONDS)
    passage.enter()
    passage.enter()
    assert passage.entered


def test_the_gate_lets_nothing_through_after_its_end() -> None:
    passage = Passage(TransportClock(lambda: datetime.now(UTC), lambda: 0.0))
    assert passage.end() is False
    with pytest.raises(Exception, match=r"^$"):
        passage.enter()
    assert passage.entered is False
