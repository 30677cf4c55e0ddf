"""`make bench`: each figure beside its baseline, from one run on one machine. Exits 1 if one is not what is promised.

`python -m tests.bench [NAME ...] [--write FILE]`: all benches, or those that are named; FILE is written as a document.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
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
    calls,
    cloud,
    dollars,
    growth,
    init,
    memory,
    pacing,
    prices,
    recovery,
    report,
    reservations,
    warm,
)
from tests.bench.stand import standing


@dataclass
class Scene:
    """What benches share; each thing is made when the first one asks for it."""

    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def artifact(self) -> artifact.Artifact:
        return artifact.make(Path(self.stack.enter_context(tempfile.TemporaryDirectory())))

    @cached_property
    def dynamodb(self) -> str:
        return self.stack.enter_context(cloud.dynamodb())

    @cached_property
    def variables(self) -> Mapping[str, str]:
        return warm.furnished(self.dynamodb, self.stack.enter_context(cloud.sandbox()))

    @cached_property
    def recoveries(self) -> dict[str, recovery.Recovered]:
        return recovery.recoveries()

    @cached_property
    def counted(self) -> calls.Counted:
        with standing() as stand:
            return calls.count(stand)


def _client(scene: Scene) -> Iterable[report.Line]:
    with cloud.secure_sandbox() as (url, ca_file):
        yield from warm.cost_of_a_call(scene.artifact, url, ca_file)


def _dollars(scene: Scene) -> Iterable[report.Line]:
    with standing() as stand:
        card = dollars.a_card(stand)
    yield from dollars.cost_of_cards(card, scene.recoveries)
    yield from dollars.cost_of_a_month(len(scene.counted.metrics))
    yield from dollars.cost_of_sizes(card)


#: By name: a title for the document, and what measures.
BENCHES: Final[dict[str, tuple[str, Callable[[Scene], Iterable[report.Line]]]]] = {
    "calls": ("Calls of each operation", lambda scene: calls.lines(scene.counted)),
    "bytes": ("Layers", lambda scene: calls.bytes_of_layers(scene.artifact)),
    "init": ("Cold start", lambda scene: init.cost_of_init(scene.artifact)),
    "create": ("A warm create", lambda scene: warm.cost_of_a_create(scene.artifact, scene.variables)),
    "client": ("A signed call", _client),
    "pacing": ("Pace, in virtual time", lambda _: pacing.rates_achieved()),
    "rate": ("Pace, in real time", lambda scene: reservations.rate_achieved(scene.dynamodb)),
    "reservation": ("A reservation", lambda scene: reservations.cost_of_a_reservation(scene.dynamodb)),
    "recovery": ("Recovery", lambda scene: recovery.cost_of_recoveries(scene.recoveries)),
    "accounts": ("With the number of accounts", lambda _: accounts.cost_of_accounts()),
    "growth": ("With the ledger's size", lambda _: growth.cost_of_growth()),
    "memory": ("Memory", lambda scene: memory.needs_of_functions(scene.artifact, scene.variables)),
    "dollars": ("Dollars", _dollars),
}

#: What is to be known of a bench's figures before they are believed.
NOTES: Final[Mapping[str, str]] = {
    "calls": "Counted through the real functions and adapters; `tests/unit/test_calls_per_operation.py` holds them.",
    "init": (
        "CPU of a fresh process until the function could serve: its imports, and the AWS clients that its first call "
        "needs. Floor: boto3 with the same clients, and requests; where the function never calls Amazon, the stricter "
        "figure without requests stands beside it. Usual: Powertools' event handler with validation, Tracer and "
        "idempotency, and the same clients. All of it compiled beforehand, as the layers are when the interpreter of "
        "the build is the target's. Functions whose callers wait for Amazon read its certificate authorities as well "
        "when they start, while Lambda gives a whole processor; the others do it in their first call, so that it is a "
        "line of its own."
    ),
    "create": (
        "CPU in the handler against a local AWS and the sandbox, both in other processes. The bare handler does the "
        "same three DynamoDB calls and one signed POST, and checks, logs and measures nothing."
    ),
    "client": (
        "Over TLS to the same sandbox. Ours builds, signs, sends under a deadline, and judges the answer; the others "
        "send and parse JSON. agcod and plain requests open a connection for each call."
    ),
    "pacing": (
        "Real use cases and pacer on a virtual clock. In real time: `make load`; a bulk order on the local cloud: "
        "`make bulk`."
    ),
    "recovery": "The real workflow definition on a virtual clock. Amazon says RESEND until it is well.",
    "accounts": (
        "Calls of one more such operation at 1,000 accounts, each of which has a secret and has issued a card. Counted "
        "as above, not timed. Only the watch asks about all of them."
    ),
    "growth": (
        "Shows that what is asked of DynamoDB - calls, items, bytes - and what is done with it does not grow. It does "
        "not show DynamoDB's own time, which no emulator could: by its documentation a keyed call and a page of an "
        "index do not depend on the table's size. CPU is without the emulator's, and is held against that at 10,000: "
        "among a hundred records the emulator, which shares the process, leaves the processor's caches to us."
    ),
    "memory": (
        f"After {memory.INVOCATIONS} invocations in one process (a bulk order's: the largest file validated, three "
        "times). The smallest size holds the most that was resident "
        f"with a quarter to spare, and its p99 of CPU at that size's share of a processor, with {memory.WAITS:.0f} s "
        "of waiting for a slot, Amazon and AWS, ends within the time-out. A processor of this machine is taken for one "
        "of Lambda's. Below the template's size, cold starts and slow calls take longer for a saving that the last "
        "section shows to be small; above it, nothing here gets faster that anybody would notice."
    ),
    "dollars": (
        f"List prices of {prices.REGION}, {prices.AS_OF}, as in `tests/bench/prices.py`: check them. Without free "
        f"tiers. Amazon's answer is assumed to take {prices.AMAZON_SECONDS} s; each stream record is taken to be a "
        "batch of its own. Not in it: tax, transfer, storage, the callers' own asking, and KMS for a table's key."
    ),
}


def main(arguments: list[str]) -> int:
    """Run all benches, or those that are named."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where to put the same as a document")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHES):
        sys.stderr.write(f"There is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}.\n")
        return 2
    scene = Scene()
    sections: dict[str, list[report.Line]] = {}
    with scene.stack:
        for name in options.names or BENCHES:
            sys.stderr.write(f"{name} ...\n")
            sections[name] = list(BENCHES[name][1](scene))
    lines = [line for section in sections.values() for line in section]
    holds = report.show(lines)
    if options.write:
        options.write.write_text(_document(sections), encoding="utf-8")
    broken = [line.what.strip() for line in lines if line.holds is False]
    if broken:
        sys.stderr.write(f"Not as promised: {'; '.join(broken)}.\n")
    return 0 if holds else 1


def _document(sections: Mapping[str, Iterable[report.Line]]) -> str:
    machine = f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    head = (
        "# Performance\n\n"
        "Written by `make bench`: each figure beside what it is to be compared with, measured in the same run. "
        "Times are of this machine and of no other; ratios, counts and bytes are what to look at. Medians.\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}.\n"
    )
    parts = [
        f"\n## {BENCHES[name][0]}\n\n" + (f"{NOTES[name]}\n\n" if name in NOTES else "") + report.as_markdown(lines)
        for name, lines in sections.items()
    ]
    return head + "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
