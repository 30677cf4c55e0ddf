"""What a warm create costs beside a bare handler, and what each function needs of memory and time."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from tests.bench import account, cloud
from tests.bench.artifact import Artifact
from tests.bench.events import create
from tests.bench.init import PROGRAMS, ratio_of
from tests.bench.report import Line

#: Each variant in turn does a round, so that whatever else the machine does meets all of them.
ROUNDS: Final = 11
CREATES: Final = 40

#: The bare handler keeps no ledger, watches no deadline and logs nothing: four lines of log alone are a twentieth.
BARE_RATIO_MAX: Final = 1.4

#: Events in, what came of them out; see `programs/served.py`.
Invoke = Any


@contextmanager
def serving(artifact: Artifact, spec: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[Invoke]:
    """A process that serves one function, for as long as it is wanted: `invoke(events)`."""
    process = subprocess.Popen(
        [str(artifact.python), "-I", "-S", "-B", str(PROGRAMS / "served.py"), json.dumps(spec)],
        env=account.in_lambda(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    into, out = process.stdin, process.stdout
    assert into is not None
    assert out is not None

    def invoke(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        into.write(json.dumps(events) + "\n")
        into.flush()
        told: dict[str, Any] = json.loads(out.readline() or '{"statuses": "the process has ended"}')
        return told

    try:
        yield invoke
    finally:
        process.kill()
        process.communicate()


def furnished(aws_url: str, sandbox_url: str) -> dict[str, str]:
    """Everything that functions lean on, in a local AWS; the variables that lead there and to the sandbox."""
    cloud.ask_sandbox(sandbox_url, "throttle", {"perSecond": None})
    return account.furnish(lambda service: cloud.client(aws_url, service)) | {
        "AWS_ENDPOINT_URL": aws_url,
        "INCENTIVES_ENDPOINT": sandbox_url,
        "BENCH_SECRET": json.dumps(account.secret()),
    }


def cost_of_a_create(artifact: Artifact, variables: Mapping[str, str]) -> Iterable[Line]:
    """CPU and time of a create, beside the bare handler's."""
    specs = {
        "ours": {"path": artifact.ours("create_gift_card")},
        "bare": {"path": artifact.usual, "file": str(PROGRAMS / "bare.py")},
    }
    rounds: dict[str, list[dict[str, Any]]] = {way: [] for way in specs}
    with ExitStack() as stack:
        running = {way: stack.enter_context(serving(artifact, spec, variables)) for way, spec in specs.items()}
        for _ in range(ROUNDS + 1):
            for way, invoke in running.items():
                told = invoke([create() for _ in range(CREATES)])
                if told["statuses"] != {"201": CREATES}:
                    raise RuntimeError(f"{way}: not every card was issued: {told['statuses']}")
                rounds[way].append(told)
    cpu = {way: [statistics.mean(told["cpu"]) for told in each[1:]] for way, each in rounds.items()}
    wall = {way: statistics.median(time for told in each[1:] for time in told["wall"]) for way, each in rounds.items()}
    first = {way: each[0]["cpu"][0] for way, each in rounds.items()}
    ratio = ratio_of(cpu["ours"], cpu["bare"])
    ours, bare = (statistics.median(cpu[way]) for way in specs)
    yield Line(
        "CPU of a warm create",
        f"{ours:.2f} ms",
        f"<= {BARE_RATIO_MAX} of a bare one",
        ratio <= BARE_RATIO_MAX,
        baseline=f"bare handler {bare:.2f}: {ratio:.2f}",
    )
    yield Line("  time", f"{wall['ours']:.1f} ms", baseline=f"bare handler {wall['bare']:.1f}")
    yield Line("  CPU of a process's first", f"{first['ours']:.0f} ms", baseline=f"bare handler {first['bare']:.0f}")
