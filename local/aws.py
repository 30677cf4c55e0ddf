"""Clients of the emulated cloud."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from local.settings import REGION
from local.signing import Caller

# Nothing on the loopback interface takes long; a repeat hides what a test wants to see. No proxy leads there.
_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2, "mode": "standard"}, proxies={})


@cache
def client(service: str, endpoint_url: str, caller: Caller) -> Any:  # noqa: ANN401 - made at run time
    """A boto3 client, shared by whoever wants one like it, in any thread: to make one takes a fifth of a second."""
    return new_client(service, endpoint_url, caller)


def new_client(service: str, endpoint_url: str, caller: Caller, config: Config | None = None) -> Any:  # noqa: ANN401 - as above
    """A boto3 client that signs as ``caller`` and knows nothing of this machine's AWS settings."""
    session: Any = _session(caller)
    return session.client(service, endpoint_url=endpoint_url, config=_CONFIG.merge(config) if config else _CONFIG)


def resource(service: str, endpoint_url: str, caller: Caller) -> Any:  # noqa: ANN401 - as above
    """A boto3 resource, likewise."""
    session: Any = _session(caller)
    return session.resource(service, endpoint_url=endpoint_url, config=_CONFIG)


def _session(caller: Caller) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=caller.access_key_id, aws_secret_access_key=caller.secret_access_key, region_name=REGION
    )
