"""Calls of each operation, counted; and the bytes of the layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.bench.artifact import Artifact, bytes_of
from tests.bench.dollars import metrics_of
from tests.bench.operations import OPERATIONS, measure
from tests.bench.report import Line
from tests.bench.stand import Calls, Stand

DEPENDENCIES_BYTES_MAX: Final = 25_000_000


@dataclass(frozen=True)
class Counted:
    """What all operations did.

    Attributes:
        calls: by operation.
        metrics: name and dimensions of each that was written.
    """

    calls: Mapping[str, Calls]
    metrics: frozenset[tuple[str, str]]


def count(stand: Stand) -> Counted:
    """Carry out every operation once."""
    found, metrics = {}, set[tuple[str, str]]()
    for operation in OPERATIONS:
        found[operation.name] = measure(operation, stand)
        metrics |= metrics_of(stand.log.getvalue())
    return Counted(found, frozenset(metrics))


def lines(counted: Counted) -> Iterable[Line]:
    """What was counted, beside what is expected and what for."""
    for operation in OPERATIONS:
        calls = counted.calls[operation.name]
        yield Line(
            operation.name,
            f"{sum(calls.aws.values())} AWS, {len(calls.amazon)} Amazon",
            f"{sum(operation.aws.values())}, {len(operation.amazon)}",
            calls.aws == operation.aws and calls.amazon == list(operation.amazon),
            baseline=operation.why,
        )


def bytes_of_layers(artifact: Artifact) -> Iterable[Line]:
    """Unzipped, with bytecode."""
    dependencies, ours = (bytes_of(layer) for layer in artifact.layers)
    usual = bytes_of(artifact.usual)
    yield Line(
        "dependencies layer, unzipped",
        f"{dependencies / 1e6:.1f} MB",
        f"<= {DEPENDENCIES_BYTES_MAX / 1e6:.0f} MB",
        dependencies <= DEPENDENCIES_BYTES_MAX,
        baseline=f"packages of the usual way {usual / 1e6:.1f} MB",
    )
    yield Line("our own layer, unzipped", f"{ours / 1e6:.1f} MB", baseline="none")
