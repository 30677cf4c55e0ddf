"""DynamoDB by moto, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler

from incentives.aws.clients import CLIENT_CONFIG


@contextmanager
def dynamodb(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Moto's DynamoDB, one call at a time.

    By itself moto lets two of the same conditional transactions through when they come in two threads, and shows
    readers what it is about to take back. Real races belong to a database that has threads of its own.
    """
    lock = threading.RLock()
    response = DynamoHandler.call_action

    def one_at_a_time(self: DynamoHandler) -> Any:
        with lock:
            return response(self)

    patch.setattr(DynamoHandler, "call_action", one_at_a_time)
    with mock_aws():
        yield


def client(service: str = "dynamodb") -> Any:
    """A client as the functions have it, with keys that are none."""
    made: Any = boto3
    return made.client(
        service,
        # What the functions leave to AWS to check is checked here.
        config=CLIENT_CONFIG.merge(Config(parameter_validation=True)),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
