"""What starting a function costs: nothing is called, and little is loaded, before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import incentives

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


@pytest.mark.parametrize("module", ["ledger", "pacer", "backlog", "accounts", "index", "telemetry"])
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
