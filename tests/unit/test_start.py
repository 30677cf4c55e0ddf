"""How a function starts: what every call needs is made before the first, and a fault of that is told by the call."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from incentives import bootstrap
from tests.support.deployed import DEPLOYED

ROOT: Final = Path(__file__).parents[2]
FUNCTIONS: Final = ROOT / "functions"

#: Starts a function as Lambda does, and tells what that has made.
START: Final = """
import json, sys
sys.path[:0] = {path!r}
from incentives.aws import clients as calls
made, make = [], calls.make_client
calls.make_client = lambda service, config: [made.append(service), make(service, config)][1]
import handler, gc
told = dict(services=made, collects=gc.isenabled(), frozen=gc.get_freeze_count() > 0)
{then}
print(json.dumps(told))
"""


def start(function: str, environment: Mapping[str, str], then: str = "") -> dict[str, Any]:
    path = [str(FUNCTIONS / function), str(ROOT / "layers" / "incentives")]
    done = subprocess.run(
        [sys.executable, "-c", START.format(path=path, then=then)],
        env={"PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_what_every_call_needs_is_made_once_and_garbage_is_collected_afterwards() -> None:
    started = start("create_gift_card", DEPLOYED)
    assert sorted(started["services"]) == ["dynamodb", "secretsmanager"]
    assert started["collects"]
    assert started["frozen"]


def test_nothing_is_made_outside_of_lambda() -> None:
    elsewhere = {name: value for name, value in DEPLOYED.items() if name != "AWS_LAMBDA_FUNCTION_NAME"}
    started = start("create_gift_card", elsewhere)
    assert started["services"] == []
    assert started["collects"]


def test_what_cannot_be_made_is_told_by_the_call() -> None:
    # given a deployment that lacks something
    broken = {name: value for name, value in DEPLOYED.items() if name != "LEDGER_TABLE"}
    # when its function starts, and is called
    call = """
try:
    handler.handler(dict(), None)
except RuntimeError as error:
    told["answer"] = str(error)
"""
    started = start("sweep_requests", broken, call)
    # then the start goes well, and the call says what is missing
    assert started["collects"]
    assert "LEDGER_TABLE" in started["answer"]


@pytest.mark.parametrize("handler", sorted(FUNCTIONS.glob("*/handler.py")), ids=lambda path: path.parent.name)
def test_every_function_ends_its_init(handler: Path) -> None:
    # The collector of garbage pauses until then.
    *_, last = ast.parse(handler.read_text(encoding="utf-8")).body
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    assert ast.unparse(last.value.func) == "in_init"
    assert last.value.args


def test_in_init_builds_nothing_here() -> None:
    bootstrap.in_init(lambda: pytest.fail("this is not Lambda"))


def test_who_tells_of_the_ledger_loads_nothing_of_other_tables() -> None:
    # given a function that has started, and a write to the ledger that is no decision
    call = """
event = dict(Records=[dict(dynamodb=dict(NewImage=dict(id=dict(S="R")), SequenceNumber="1"))])
class Context:
    function_name, aws_request_id = "f", "r"
    def get_remaining_time_in_millis(self):
        return 1000
told["failed"] = handler.handler(event, Context())
told["loaded"] = sorted(name for name in sys.modules if name.startswith("incentives."))
"""
    started = start("publish_events", DEPLOYED, call)
    assert started["failed"] == {"batchItemFailures": []}
    loaded = " ".join(started["loaded"])
    assert "single_requests.record_items" in loaded
    assert [each for each in ("decisions", "reconciliation", "bulk_orders", "budgets") if each in loaded] == []
