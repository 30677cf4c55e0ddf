"""What starting a function costs: nothing is called, and little is loaded, before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import UnknownServiceError

import incentives
from incentives.aws.clients import SERVICES, make_client

LAYER = Path(incentives.__file__).parents[1]

#: Each loads slowly and has no business in the rooms.
HEAVY = {
    "boto3",
    "moto",
    "pandas",
    "pydantic",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_xray_sdk",
    "requests",
    "yaml",
}


@pytest.mark.parametrize("module", ["ledger", "rate_limiter", "backlog", "accounts", "index", "telemetry"])
def test_the_room_loads_no_more_than_it_uses(module: str) -> None:
    # given a fresh process
    program = f"import sys, incentives.aws.{module}; print(*sorted(sys.modules))"
    # when
    loaded = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env={"PYTHONPATH": str(LAYER)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    # then
    assert HEAVY & set(loaded) == set()
    # and the rooms beside it stay blind to it
    assert not [
        name for name in loaded if name.startswith(("incentives.agcod", "incentives.api", "incentives.usecases"))
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_the_services_that_botocore_is_told_of_are_there(service: str) -> None:
    client = make_client(service, Config(region_name="us-east-1"))
    assert client.meta.service_model.service_name == service


def test_a_service_that_it_is_not_told_of_is_named() -> None:
    with pytest.raises(UnknownServiceError, match="ec2"):
        make_client("ec2", Config(region_name="us-east-1"))
