from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from sandbox.http.gateway import Settings, make_account
from sandbox.http.server import Server, running
from tests.sandbox.callers import KEY, PARTNER, SECRET, UNPACED, Api, Model

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    with running(Settings((make_account(PARTNER, KEY, SECRET),), UNPACED)) as server:
        yield server


@pytest.fixture
def api(running_server: Server) -> Iterator[Api]:
    with requests.Session() as session:
        session.trust_env = False
        caller = Api(running_server, session)
        caller.control("reset")
        yield caller
