"""What a cold start costs: each function in a fresh process, beside the least it could be and beside the usual way."""

from __future__ import annotations

import ast
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from local.settings import OWNER_ACCESS_KEY_ID, OWNER_SECRET_ACCESS_KEY, REGION, ROOT
from tests.bench.account import IN_LAMBDA, SETTINGS, UNPACED
from tests.bench.artifact import Artifact, function_names
from tests.bench.operations import services_of
from tests.bench.report import Line

RUNS: Final = 9

FLOOR_RATIO_MAX: Final = 1.3
USUAL_RATIO_MAX: Final = 0.65

_PROGRAM: Final = Path(__file__).parent / "programs" / "fresh.py"

#: Names only: nothing is called while a function begins.
_NAMED: Final = (
    "LEDGER_TABLE",
    "RATE_LIMITER_TABLE",
    "ACCOUNT_TABLE",
    "ORDERS_TABLE",
    "ORDERS_BUCKET",
    "ACCOUNT_SECRET_PREFIX",
    "CARD_VAULT_KEY",
    "RECOVERY_STATE_MACHINE",
    "ORDER_STATE_MACHINE",
    "EVENT_BUS",
    "OPERATORS_TOPIC",
)
_NAMES: Final = dict.fromkeys(_NAMED, "bench") | {"BACKLOG_QUEUE": "https://queue.test/bench"}

#: Without TLS there are no certificate authorities to read. To read them at the start is to do some of the first call's
#: work before it; whatever a function is compared with does that in its first call, so it is measured by itself.
_NO_TLS: Final = {"INCENTIVES_ENDPOINT": "http://amazon.test"}
_READS_AUTHORITIES: Final = "create_gift_card"


def cost_of_init(artifact: Artifact) -> Iterable[Line]:
    """CPU of each function's init, functions with the same needs taken in turns with what they are compared with."""
    measured: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    needs: dict[tuple[tuple[str, ...], bool], list[str]] = defaultdict(list)
    for name in function_names():
        needs[services_of(name)].append(name)
    for _ in range(RUNS):
        for (services, asks_amazon), names in needs.items():
            key = "+".join((*services, "amazon") if asks_amazon else services)
            common = {"services": services, "requests": asks_amazon}
            measured["floor", key].append(_begin(artifact.floor, common | {"way": "floor"}))
            measured["full floor", key].append(_begin(artifact.floor, common | {"way": "floor", "requests": True}))
            measured["usual", key].append(_begin(artifact.usual_way, common | {"way": "usual"}))
            for name in names:
                spec = {"way": "ours", "services": services, "makes": taken_of_container(name)}
                measured["ours", name].append(_begin(artifact.ours(name), spec, _NO_TLS))
                if name == _READS_AUTHORITIES:
                    measured["ours, with authorities", name].append(_begin(artifact.ours(name), spec))
    for (services, asks_amazon), names in needs.items():
        key = "+".join((*services, "amazon") if asks_amazon else services)
        for name in names:
            mine = measured["ours", name]
            to_floor, to_usual, to_least = (
                _ratio(mine, measured[way, key]) for way in ("full floor", "usual", "floor")
            )
            without = "" if asks_amazon else f" ({to_least:.2f} without requests)"
            yield Line(
                f"init of {name}",
                f"{_cpu(mine):.0f} ms",
                f"<= {FLOOR_RATIO_MAX} / {USUAL_RATIO_MAX}",
                to_floor <= FLOOR_RATIO_MAX and to_usual <= USUAL_RATIO_MAX,
                baseline=f"floor {_cpu(measured['full floor', key]):.0f}: {to_floor:.2f}{without}; "
                f"usual {_cpu(measured['usual', key]):.0f}: {to_usual:.2f}",
            )
    with_authorities = _cpu(measured["ours, with authorities", _READS_AUTHORITIES])
    yield Line(
        f"init of {_READS_AUTHORITIES}, Amazon's certificate authorities read",
        f"{with_authorities:.0f} ms",
        baseline=f"without: {_cpu(measured['ours', _READS_AUTHORITIES]):.0f}",
    )


@cache
def taken_of_container(name: str) -> Sequence[str]:
    """What a function's handler takes of the container, in its own order: `container.ledger` and the like."""
    source = (ROOT / "functions" / name / "handler.py").read_text(encoding="utf-8")
    taken = [
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "container"
    ]
    return list(dict.fromkeys([*taken, "telemetry"]))


def _begin(path: list[str], spec: dict[str, Any], more: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(_PROGRAM), json.dumps({"path": path, **spec})],
        env=environment(_NAMES | UNPACED | more),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{spec} did not begin:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Of a function's process: nothing of this machine's but the way to its programs."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ACCESS_KEY_ID": OWNER_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": OWNER_SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        **SETTINGS,
        **IN_LAMBDA,
        **more,
    }


def _ratio(mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> float:
    """The median of the rounds' ratios: whatever else the machine did in a round met both."""
    return statistics.median(ours["cpu"] / other["cpu"] for ours, other in zip(mine, theirs, strict=True))


def _cpu(runs: list[dict[str, Any]]) -> float:
    return statistics.median(run["cpu"] for run in runs)
