"""What a warm call costs: a create beside a bare handler, and one signed call beside other clients."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from local.settings import OWNER_ACCESS_KEY_ID, OWNER_SECRET_ACCESS_KEY, PARTNER_ID, REGION
from tests.bench import account, cloud
from tests.bench.artifact import Artifact
from tests.bench.events import create
from tests.bench.init import environment
from tests.bench.report import Line, percentile

PROGRAMS: Final = Path(__file__).parent / "programs"

#: Each variant in turn does a round, so that whatever else the machine does meets all of them.
ROUNDS: Final = 21
CREATES: Final = 60
CALLS: Final = 60

BARE_RATIO_MAX: Final = 1.3


@dataclass
class Served:
    """A process that serves one function."""

    process: subprocess.Popen[str]

    def invoke(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Serve these events, one after the other; see `programs/served.py` for the response."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(events) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the function's process has ended")
        told: dict[str, Any] = json.loads(line)
        return told


@contextmanager
def serving(spec: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[Served]:
    """A process for as long as it is wanted."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(PROGRAMS / "served.py"), json.dumps(spec)],
        env=environment(dict(variables)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        process.kill()
        process.communicate()


def furnished(aws_url: str, sandbox_url: str) -> dict[str, str]:
    """Everything that functions lean on, in a local AWS; the variables that lead there and to the sandbox."""
    make: Any = boto3

    def client(service: str) -> Any:
        return make.client(
            service,
            endpoint_url=aws_url,
            region_name=REGION,
            aws_access_key_id=OWNER_ACCESS_KEY_ID,
            aws_secret_access_key=OWNER_SECRET_ACCESS_KEY,
        )

    cloud.ask_sandbox(sandbox_url, "throttle", {"perSecond": None})
    return account.furnish(client) | {
        "AWS_ENDPOINT_URL": aws_url,
        "INCENTIVES_ENDPOINT": sandbox_url,
        "BENCH_SECRET": json.dumps(account.secret()),
    }


def cost_of_a_create(artifact: Artifact, variables: Mapping[str, str]) -> Iterable[Line]:
    """CPU and time of a warm create, beside the bare handler's."""
    specs = {
        "ours": {"path": artifact.ours("create_gift_card")},
        "bare": {"path": artifact.floor, "file": str(PROGRAMS / "bare.py")},
    }
    cpu: dict[str, list[float]] = {way: [] for way in specs}
    wall: dict[str, list[float]] = {way: [] for way in specs}
    slow: dict[str, list[float]] = {way: [] for way in specs}
    with ExitStack() as stack:
        running = {way: stack.enter_context(serving(spec, variables)) for way, spec in specs.items()}
        for number in range(-1, ROUNDS):
            for way, served in running.items():
                told = served.invoke([create() for _ in range(CREATES)])
                if told["statuses"] != {"201": CREATES}:
                    raise RuntimeError(f"{way}: not every card was issued: {told['statuses']}")
                if number >= 0:
                    cpu[way].append(statistics.mean(told["cpu"]))
                    wall[way].append(statistics.median(told["wall"]))
                    slow[way].append(percentile(told["wall"], 0.95))
    ratio = _ratio(cpu["ours"], cpu["bare"])
    ours, bare = ({what: statistics.median(each[way]) for what, each in _named(cpu, wall, slow)} for way in specs)
    yield Line(
        "CPU of a warm create",
        f"{ours['cpu']:.2f} ms",
        f"<= {BARE_RATIO_MAX} of a bare one",
        ratio <= BARE_RATIO_MAX,
        baseline=f"bare handler {bare['cpu']:.2f}: {ratio:.2f}",
    )
    yield Line(
        "  time, median / p95",
        f"{ours['wall']:.1f} / {ours['slow']:.1f} ms",
        baseline=f"bare handler {bare['wall']:.1f} / {bare['slow']:.1f}",
    )


def cost_of_a_call(artifact: Artifact, sandbox_url: str, ca_file: Path) -> Iterable[Line]:
    """CPU of one signed call over TLS, by ours and by other clients."""
    variables = {
        "INCENTIVES_ENDPOINT": sandbox_url,
        "BENCH_SECRET": json.dumps(account.secret()),
        "REQUESTS_CA_BUNDLE": str(ca_file),
    }
    file = str(PROGRAMS / "clients.py")
    paths = {
        "ours": [*map(str, artifact.layers), str(artifact.runtime)],
        "agcod": [str(artifact.public_client), *artifact.floor],
        "plain": artifact.floor,
        "kept": artifact.floor,
    }
    cpu: dict[str, list[float]] = {way: [] for way in paths}
    with ExitStack() as stack:
        running = {
            way: stack.enter_context(serving({"path": path, "file": file, "way": way}, variables))
            for way, path in paths.items()
        }
        for number in range(-1, ROUNDS):
            for way, served in running.items():
                told = served.invoke([{"requestId": PARTNER_ID + uuid.uuid4().hex} for _ in range(CALLS)])
                if told["statuses"] != {"200": CALLS}:
                    raise RuntimeError(f"{way}: not every call was answered: {told['statuses']}")
                if number >= 0:
                    cpu[way].append(statistics.mean(told["cpu"]))
    ours = statistics.median(cpu["ours"])
    for way, name in (
        ("agcod", "agcod 0.1.0"),
        ("plain", "requests + requests-aws4auth"),
        ("kept", "the same, connection kept"),
    ):
        other = statistics.median(cpu[way])
        yield Line(
            f"CPU of a signed call, beside {name}",
            f"{ours:.2f} ms",
            baseline=f"{other:.2f}: {_ratio(cpu['ours'], cpu[way]):.2f}",
        )


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: a machine that was busy for a while was so for both."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def _named(*measured: dict[str, list[float]]) -> Iterable[tuple[str, dict[str, list[float]]]]:
    return zip(("cpu", "wall", "slow"), measured, strict=True)
