"""What a function loads as it starts: every module more is paid for at each cold start, on any machine."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from incentives.bootstrap import in_init
from tests.support.deployed import DEPLOYED

ROOT: Final = Path(__file__).parents[2]
FUNCTIONS: Final = ROOT / "functions"

#: What calling Amazon takes.
HTTP: Final = frozenset({"requests", "requests_aws4auth", "charset_normalizer"})
#: What reading and writing bodies takes.
BODIES: Final = frozenset({"pydantic", "pydantic_core"})
#: Heavy, and of no use to any function. The clients are botocore's own.
NEVER: Final = frozenset(
    {
        "boto3",
        "s3transfer",
        "multiprocessing",
        "aws_xray_sdk",
    }
)


@dataclass(frozen=True)
class Limits:
    """What a function may load and make before its first call.

    Attributes:
        services: AWS clients, exactly.
        calls_amazon: whether it loads what that takes.
        serves_api: whether it reads or writes bodies of the API.
    """

    services: frozenset[str]
    calls_amazon: bool = False
    serves_api: bool = False


KEYS: Final = frozenset({"dynamodb", "secretsmanager"})
LEDGER: Final = frozenset({"dynamodb"})

TABLE: Final = {
    "create_gift_card": Limits(KEYS, calls_amazon=True, serves_api=True),
    "activate_gift_card": Limits(KEYS | {"kms"}, calls_amazon=True, serves_api=True),
    "reveal_claim_code": Limits(KEYS, calls_amazon=True, serves_api=True),
    "recover_request": Limits(KEYS, calls_amazon=True),
    "get_gift_card": Limits(LEDGER, serves_api=True),
    "search_requests": Limits(LEDGER, serves_api=True),
    "sweep_requests": Limits(LEDGER),
    "count_spend": Limits(LEDGER),
    "publish_events": Limits(frozenset({"events"})),
    "watch_account": Limits(KEYS, calls_amazon=True),
    "create_order": Limits(KEYS | {"s3"}, serves_api=True),
    "process_order": Limits(KEYS | {"s3"}, calls_amazon=True),
}

#: Starts a function as Lambda does, and tells what that has loaded and made.
START: Final = """
import json, sys
sys.path[:0] = {path!r}
from incentives.aws import clients as calls
made, make = [], calls.make_client
calls.make_client = lambda service, config: [made.append(service), make(service, config)][1]
import handler, gc
told = dict(modules=sorted(sys.modules), services=made, collects=gc.isenabled(), frozen=gc.get_freeze_count() > 0)
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


@pytest.mark.parametrize("function", TABLE)
def test_a_function_loads_and_makes_no_more_than_it_needs(function: str) -> None:
    limits = TABLE[function]
    # given a fresh process of Lambda's
    started = start(function, DEPLOYED)
    # then it has loaded what calling Amazon takes only if it does, and nothing heavy at all
    packages = {name.split(".")[0] for name in started["modules"]}
    assert packages & NEVER == set()
    assert packages & HTTP == (HTTP if limits.calls_amazon else set())
    # and it has made each client once that every call needs, and no other
    assert sorted(started["services"]) == sorted(limits.services)
    # and garbage is collected again, but for what will never be any
    assert started["collects"]
    assert started["frozen"]


def test_nothing_is_made_outside_of_lambda() -> None:
    elsewhere = {name: value for name, value in DEPLOYED.items() if name != "AWS_LAMBDA_FUNCTION_NAME"}
    started = start("create_gift_card", elsewhere)
    assert started["services"] == []
    assert "requests" not in started["modules"]
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
    in_init(lambda: pytest.fail("this is not Lambda"))
