from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.__main__ import make_tls
from sandbox.http.gateway import Settings, make_account
from sandbox.http.server import running
from tests.sandbox.callers import KEY, PARTNER, SECRET, UNPACED, Api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Api]:
    ca_file = tmp_path / "ca.pem"
    settings = Settings((make_account(PARTNER, KEY, SECRET),), UNPACED)
    with running(settings, tls=make_tls("127.0.0.1", ca_file)) as server, requests.Session() as session:
        session.trust_env = False
        session.verify = str(ca_file)
        yield Api(server, session)


def test_signed_calls_pass_and_faults_break_them(secure: Api) -> None:
    assert secure.create().json()["status"] == "SUCCESS"
    secure.control("faults", {"kind": "drop", "when": "after"})
    with pytest.raises(requests.ConnectionError):
        secure.create("Sandb2")
    assert len(secure.report()["cards"]) == 2


def test_a_caller_that_never_shakes_hands_holds_nobody_up(secure: Api) -> None:
    address = urlsplit(secure.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5):
        assert secure.create().status_code == 200
