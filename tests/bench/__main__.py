"""`make bench`: each figure beside its baseline, from one run on one machine. Exits 1 if one is not what is promised.

`python -m tests.bench [NAME ...] [--write FILE]`: all benches, or those that are named; FILE is written as a document.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.bench import (
    accounts,
    artifact,
    books,
    budgets,
    cloud,
    dollars,
    growth,
    init,
    memory,
    pacing,
    prices,
    recovery,
    report,
    warm,
)
from tests.bench.operations import OPERATIONS, measure
from tests.bench.report import Line
from tests.bench.stand import Calls, standing

#: Of both layers together, unzipped: boto3 is the runtime's.
LAYERS_BYTES_MAX: Final = 30_000_000


@dataclass
class Scene:
    """What benches share; each thing is made when the first one asks for it."""

    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def artifact(self) -> artifact.Artifact:
        return artifact.make(Path(self.stack.enter_context(tempfile.TemporaryDirectory())))

    @cached_property
    def variables(self) -> Mapping[str, str]:
        return warm.furnished(self.stack.enter_context(cloud.dynamodb()), self.stack.enter_context(cloud.sandbox()))

    @cached_property
    def served(self) -> Mapping[str, memory.Told]:
        return memory.serve_all(self.artifact, self.variables)

    @cached_property
    def recovered(self) -> Mapping[str, recovery.Recovered]:
        return recovery.recoveries()

    @cached_property
    def counted(self) -> tuple[Mapping[str, Calls], int]:
        """The calls of each operation, and how many metrics all of them wrote."""
        calls, metrics = {}, set[tuple[str, str]]()
        with standing() as stand:
            for operation in OPERATIONS:
                calls[operation.name] = measure(operation, stand)
                metrics |= dollars.metrics_of(stand.log.getvalue())
        return calls, len(metrics)


def _calls(scene: Scene) -> Iterable[Line]:
    for operation in OPERATIONS:
        found, aws, amazon = scene.counted[0][operation.name], operation.aws, list(operation.amazon)
        yield Line(
            operation.name,
            f"{found.aws.total()} AWS, {len(found.amazon)} Amazon",
            f"{aws.total()}, {len(amazon)}",
            found.aws == aws and found.amazon == amazon,
            baseline=operation.why,
        )


def _bytes(scene: Scene) -> Iterable[Line]:
    dependencies, ours = map(artifact.bytes_of, scene.artifact.layers)
    yield Line(
        "both layers, unzipped",
        f"{(dependencies + ours) / 1e6:.1f} MB",
        f"<= {LAYERS_BYTES_MAX / 1e6:.0f} MB",
        dependencies + ours <= LAYERS_BYTES_MAX,
        baseline=f"dependencies {dependencies / 1e6:.1f}, our own {ours / 1e6:.1f}",
    )


def _dollars(scene: Scene) -> Iterable[Line]:
    # Before the stand is up, which responses for Amazon.
    served, recovered = scene.served, scene.recovered
    with standing() as stand:
        yield from dollars.cost_of_cards(stand, served, recovered)
    yield from dollars.cost_of_a_month(scene.counted[1])


#: By name: a title for the document, what is to be known of the figures before they are believed, and what measures.
BENCHES: Final[dict[str, tuple[str, str, Callable[[Scene], Iterable[Line]]]]] = {
    "calls": (
        "Calls of each operation",
        "Counted through the real functions and adapters; `tests/unit/test_calls_per_operation.py` holds them.",
        _calls,
    ),
    "bytes": ("Layers", "With bytecode. boto3 is the runtime's.", _bytes),
    "init": (
        "Cold start",
        (
            "CPU of a fresh process until the function could serve: its imports, and the AWS clients that its "
            "first call needs. Usual: boto3 with the same clients, pydantic with two models, Powertools' Logger "
            "and Metrics, requests and requests-aws4auth, as their documentation shows them, in every function as"
            " a shared module would have it; where the function never calls Amazon, the stricter figure stands "
            "beside it. All of it compiled beforehand."
        ),
        lambda scene: init.cost_of_init(scene.artifact),
    ),
    "create": (
        "A create",
        (
            "CPU in the handler against a local AWS and the sandbox, both in other processes. The bare handler "
            "does the same three DynamoDB calls by boto3 and one signed POST, validates both bodies with "
            "pydantic, and logs and measures nothing."
        ),
        lambda scene: warm.cost_of_a_create(scene.artifact, scene.variables),
    ),
    "pacing": (
        "Pace",
        (
            "Real use cases and rate limiter on a virtual clock. In real time: `make chaos`; a bulk order on the local "
            "cloud: `make bulk`."
        ),
        lambda _: pacing.rates_achieved(),
    ),
    "recovery": (
        "Recovery",
        "The real workflow definition on a virtual clock. Amazon says RESEND until it is well.",
        lambda scene: recovery.cost_of_recoveries(scene.recovered),
    ),
    "accounts": (
        "With the number of accounts",
        (
            "Calls of one more such operation where each account has a secret and has issued a card. Counted, not"
            " timed. Only the watch asks about all of them, and the recount reads the requests of all. What a watch "
            "takes for each is counted where there are few, what it takes beside that at the largest number; their sum "
            "is computed."
        ),
        lambda _: accounts.cost_of_accounts(),
    ),
    "budgets": (
        "Budgets",
        (
            "Calls and units through the real function. By rate: the real adapter of one process on a clock that moves "
            f"as calls and waits take their time ({budgets.TRANSACTION_SECONDS * 1000:.0f} ms a transaction), while "
            "all others take from the same budget at random; conflicts are injected, as no emulator knows of them. A "
            "try that is refused is paid for as one that is not. 429 says: repeat under the same key."
        ),
        lambda _: budgets.cost_of_budgets(),
    ),
    "growth": (
        "With the ledger's size",
        (
            "Judged by what is asked of DynamoDB. Its own time is not shown: by its documentation a keyed call "
            "and a page of an index do not depend on the table's size. CPU is that of our own code, and only "
            "told."
        ),
        lambda _: growth.cost_of_growth(),
    ),
    "memory": (
        "Memory",
        (
            f"After {memory.INVOCATIONS} invocations in one process (a bulk order's: the largest file validated, "
            "twice). The smallest size holds the most that was resident with a quarter to spare, and its slowest "
            f"call at that size's share of a processor, with {memory.WAITS:.0f} s of waiting for a permit, Amazon "
            "and AWS, ends within the time-out. A processor of this machine is taken for one of Lambda's."
        ),
        lambda scene: memory.needs_of_functions(scene.served),
    ),
    "books": (
        "The books",
        (
            "A day of one account that issues so many cards evenly over it: the watches, the first round of the day "
            "before, and the total of the day before that. Calls and units are counted through the real functions "
            "and adapters; prices as below, with a month's storage of its files. The watches are in it, which are "
            "below as well. Lambda's seconds hold the emulator's CPU, which is in the process: too many, never too few."
        ),
        lambda _: books.cost_of_books(),
    ),
    "dollars": (
        "Dollars",
        (
            f"List prices of {prices.REGION}, {prices.AS_OF}, as in `tests/bench/prices.py`: check them. Without "
            f"free tiers. Amazon's answer is assumed to take {prices.AMAZON_SECONDS} s; each stream record is "
            "taken to be a batch of its own. Not in it: tax, transfer, storage, the callers' own asking, and KMS "
            "for a table's key."
        ),
        _dollars,
    ),
}


def main(arguments: list[str]) -> int:
    """Run all benches, or those that are named."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where to put the same as a document")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    scene = Scene()
    sections: dict[str, list[Line]] = {}
    with scene.stack:
        for name in options.names or BENCHES:
            begun = time.monotonic()
            sys.stderr.write(f"{name} ... ")
            sys.stderr.flush()
            sections[name] = list(BENCHES[name][2](scene))
            sys.stderr.write(f"{time.monotonic() - begun:.0f} s\n")
    lines = [line for section in sections.values() for line in section]
    holds = report.show(lines)
    if options.write:
        options.write.write_text(_document(sections), encoding="utf-8")
    if broken := [line.what.strip() for line in lines if line.holds is False]:
        sys.stderr.write(f"Not as promised: {'; '.join(broken)}.\n")
    return 0 if holds else 1


def _document(sections: Mapping[str, Iterable[Line]]) -> str:
    head = (
        "# Performance\n\n"
        "Written by `make bench`: each figure beside what it is to be compared with, measured in the same run. "
        "Times are of this machine and of no other; ratios, counts and bytes are what to look at. Medians.\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, {platform.machine()}. Cold starts, creates and "
        f"memory: {artifact.interpreter()[0]}; the rest: Python {platform.python_version()}.\n"
    )
    parts = [
        f"\n## {title}\n\n{note}\n\n{report.as_markdown(sections[name])}\n"
        for name, (title, note, _) in BENCHES.items()
        if name in sections
    ]
    return head + "".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
