"""What a cold start costs: each function in a fresh process, beside the usual way with the same packages."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.bench.account import in_lambda, unfurnished
from tests.bench.artifact import Artifact, function_names, logical_id, template
from tests.bench.operations import services_of
from tests.bench.report import Line

RUNS: Final = 5

#: Of what a start with the same packages costs. Ours also makes some thirty models and a hundred dataclasses: put off
#: to the first call, they would be made on a share of a processor, while a caller waits.
USUAL_RATIO_MAX: Final = 1.25

PROGRAMS: Final = Path(__file__).parent / "programs"

#: Without TLS there are no certificate authorities to read: the usual way reads them in its first call.
_NO_TLS: Final = {"INCENTIVES_ENDPOINT": "http://amazon.test"}


def cost_of_init(artifact: Artifact) -> Iterable[Line]:
    """CPU of each function's init, functions with the same needs taken in turns with what they are compared with."""
    measured: dict[tuple[str, object], list[float]] = defaultdict(list)
    needs = {name: (*services_of(name), serves_the_api(name)) for name in function_names()}

    def begin(
        way: str, path: list[str], services: Sequence[str] = (), *, requests: bool = True, serves: bool = False
    ) -> float:
        spec = {"way": way, "path": path, "services": services, "requests": requests, "serves": serves}
        command = [str(artifact.python), "-I", "-S", "-B", str(PROGRAMS / "fresh.py"), json.dumps(spec)]
        done = subprocess.run(
            command, env=in_lambda(unfurnished() | _NO_TLS), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{spec} did not begin:\n{done.stderr[-2000:]}")
        return float(done.stdout.rpartition("\n")[2])

    for _ in range(RUNS):
        for way in ("nothing", "pydantic", "boto3"):
            measured[way, None].append(begin(way, artifact.usual))
        for need in dict.fromkeys(needs.values()):
            services, asks_amazon, serves = need
            measured["usual", need].append(begin("usual", artifact.usual, services, serves=serves))
            if not asks_amazon:
                stricter = begin("usual", artifact.usual, services, requests=False, serves=serves)
                measured["stricter", need].append(stricter)
            for name in (each for each, its in needs.items() if its == need):
                measured["ours", name].append(begin("ours", artifact.ours(name), services))
    for name, need in needs.items():
        mine, usual = measured["ours", name], measured["usual", need]
        ratio = ratio_of(mine, usual)
        stricter = (
            f" ({ratio_of(mine, measured['stricter', need]):.2f} of it without requests)"
            if ("stricter", need) in measured
            else ""
        )
        yield Line(
            f"init of {name}",
            f"{statistics.median(mine):.0f} ms",
            f"<= {USUAL_RATIO_MAX}",
            ratio <= USUAL_RATIO_MAX,
            baseline=f"usual {statistics.median(usual):.0f}: {ratio:.2f}{stricter}",
        )
    nothing, pydantic, boto3 = (statistics.median(measured[way, None]) for way in ("nothing", "pydantic", "boto3"))
    yield Line("pydantic with one model, alone", f"{pydantic - nothing:.0f} ms", baseline=f"Python alone {nothing:.0f}")
    yield Line(
        "boto3 with DynamoDB's client, alone", f"{boto3 - nothing:.0f} ms", baseline=f"Python alone {nothing:.0f}"
    )


def serves_the_api(name: str) -> bool:
    """Whether API Gateway calls a function."""
    events = template()["Resources"][logical_id(name)]["Properties"].get("Events", {})
    return any(event["Type"] == "Api" for event in events.values())


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: a machine that was busy for a while was so for both."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
