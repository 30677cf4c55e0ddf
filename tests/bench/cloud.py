"""A DynamoDB of this machine, and the sandbox, for as long as something is measured."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from incentives.aws.clients import CLIENT_CONFIG
from local.cloud import processes, services
from local.settings import OWNER_ACCESS_KEY_ID, OWNER_SECRET_ACCESS_KEY, REGION, Settings


@contextmanager
def dynamodb() -> Iterator[str]:
    """MiniStack's, in a process of its own; its URL."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        try:
            _, url = services.start_ministack(Settings(directory))
            yield url
        finally:
            processes.stop("ministack", directory)


@contextmanager
def sandbox() -> Iterator[str]:
    """Amazon's stand-in over HTTP; its URL."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        try:
            _, url = services.start_sandbox(Settings(directory))
            yield url
        finally:
            processes.stop("sandbox", directory)


def client(url: str, service: str = "dynamodb") -> Any:
    """A client of a service there, as the functions have it."""
    make: Any = boto3
    return make.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        config=CLIENT_CONFIG,
        aws_access_key_id=OWNER_ACCESS_KEY_ID,
        aws_secret_access_key=OWNER_SECRET_ACCESS_KEY,
    )


def ask_sandbox(url: str, path: str, body: object = None) -> Any:
    """The sandbox's control API: GET, or POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_sandbox/{path}", data)  # noqa: S310 - the sandbox's own address
    request.add_header("content-type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as response:
        return json.load(response)
