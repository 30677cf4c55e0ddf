"""A DynamoDB of this machine, and the sandbox, for as long as something is measured."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from incentives.aws.clients import CLIENT_CONFIG
from local.cloud import processes, services
from local.settings import (
    HOST,
    OWNER_ACCESS_KEY_ID,
    OWNER_SECRET_ACCESS_KEY,
    PARTNER_ACCESS_KEY_ID,
    PARTNER_ID,
    PARTNER_SECRET_ACCESS_KEY,
    REGION,
    ROOT,
    Settings,
    free_port,
)


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


@contextmanager
def secure_sandbox() -> Iterator[tuple[str, Path]]:
    """The same over TLS and without a pace; its URL, and the file of the authority that vouches for it."""
    with tempfile.TemporaryDirectory() as folder:
        directory, port = Path(folder), free_port()
        ca_file = directory / "ca.pem"
        options = ["--tls", "--ca-file", str(ca_file), "--port", str(port), "--option", "perSecond=null"]
        environment = {
            "PATH": os.environ["PATH"],
            "SANDBOX_PARTNER_ID": PARTNER_ID,
            "SANDBOX_ACCESS_KEY": PARTNER_ACCESS_KEY_ID,
            "SANDBOX_SECRET_KEY": PARTNER_SECRET_ACCESS_KEY,
        }
        try:
            command = [sys.executable, "-m", "sandbox", *options]
            service = processes.start("sandbox", command, directory, environment, ROOT)
            processes.wait_until(service, lambda: _listens(port), services.START_SECONDS_MAX)
            yield f"https://{HOST}:{port}", ca_file
        finally:
            processes.stop("sandbox", directory)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def client(url: str) -> Any:
    """A DynamoDB client as the functions have it."""
    make: Any = boto3
    return make.client(
        "dynamodb",
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
