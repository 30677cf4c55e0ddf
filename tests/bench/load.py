"""`make load`: more orders than Amazon takes, in real time, from several processes; exits 1 if a promise is broken."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

from incentives.domain.rate_limit import WAIT_SECONDS_MAX, Pace
from sandbox.throttle import most_in_any_second
from tests.bench import cloud
from tests.bench.processes import Result, Task, live
from tests.bench.report import Line, percentile, show
from tests.contract.tables import create_table

#: Seconds by which the processes' clocks are ahead.
SKEWS = (-0.2, 0.0, 0.2)

CALLS_IN_A_SECOND_MAX = 10
RATE_USED_LEAST = 0.95

#: Draining takes as long as it takes; a process that is silent for this long hangs.
RESPONSE_SECONDS_MAX = 900.0


def main(arguments: list[str]) -> int:
    """Run the load and print what was measured."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--per-second", type=float, default=100.0, help="orders a second, of all processes together")
    parser.add_argument("--seconds", type=float, default=60.0, help="for which orders come")
    options = parser.parse_args(arguments)
    with cloud.dynamodb() as dynamodb, cloud.sandbox() as sandbox:
        measured, results, cards = _run(dynamodb, sandbox, options.per_second, options.seconds)
    return 0 if show(_lines(options, measured, results, cards)) else 1


def _run(
    dynamodb: str, sandbox: str, per_second: float, seconds: float
) -> tuple[list[dict[str, Any]], list[Result], list[dict[str, Any]]]:
    """The calls that Amazon counted while orders came; what each process says; Amazon's activity in the end."""
    table = create_table(cloud.client(dynamodb), "PacerTable")
    spawn = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    children = []
    for number, skew in enumerate(SKEWS):
        ours, theirs = spawn.Pipe()
        task = Task(
            number=number,
            dynamodb=dynamodb,
            table=table,
            sandbox=sandbox,
            skew=skew,
            per_second=per_second / len(SKEWS),
            seconds=seconds,
            reversals=number == 0,
        )
        children.append(spawn.Process(target=live, args=(task, theirs), daemon=True))
        ends.append(ours)
    for child in children:
        child.start()
    try:
        _gather(ends)
        _tell(ends)
        _gather(ends)
        measured = cloud.ask_sandbox(sandbox, "report")["calls"]
        # From here on nothing is measured: what is left is issued as fast as this machine can.
        cloud.ask_sandbox(sandbox, "throttle", {"perSecond": None})
        _tell(ends)
        results = _gather(ends)
        return measured, results, cloud.ask_sandbox(sandbox, "report")["cards"]
    finally:
        for child in children:
            child.terminate()
            child.join()


def _tell(ends: list[Connection]) -> None:
    for end in ends:
        end.send("go on")


def _gather(ends: list[Connection]) -> list[Any]:
    for end in ends:
        if not end.poll(RESPONSE_SECONDS_MAX):
            raise TimeoutError("a process of the load is silent")
    return [end.recv() for end in ends]


def _lines(
    options: argparse.Namespace, measured: list[dict[str, Any]], results: list[Result], cards: list[dict[str, Any]]
) -> list[Line]:
    ticks = sorted(call["tick"] for call in measured)
    busiest = most_in_any_second(ticks)
    throttled = sum(call["outcome"] == "ThrottlingException" for call in measured)
    rate = (len(ticks) - 1) / (ticks[-1] - ticks[0])
    allowed = Pace().requests_per_second
    responses = sum((result.responses for result in results), Counter[int]())
    placed = responses.total()
    planned = sum(int(options.seconds * options.per_second / len(SKEWS)) for _ in SKEWS)
    told = sum(result.told_of_throttle for result in results)
    waits = [wait for result in results for wait in result.reversal_waits]
    found = [wait for wait in waits if wait is not None]
    records = sorted(record for result in results for record in result.records)
    activity = sorted(
        (card["requestId"], card["gcId"], "REVERSED" if card["status"] == "RefundedToPurchaser" else "SUCCEEDED")
        for card in cards
    )
    once = records == activity and len(records) == planned
    longest = max(found, default=0.0)
    return [
        Line("orders placed", f"{placed} of {planned}", "all", placed == planned),
        Line("the last one later than planned by", f"{max(result.late for result in results):.1f} s"),
        Line("answers", ", ".join(f"{count} x {status}" for status, count in sorted(responses.items()))),
        Line("answers that speak of a throttle", str(told), "none", not told and set(responses) <= {201, 202}),
        Line("calls while orders came", str(len(ticks))),
        Line("  most in any second", str(busiest), "at most 10", busiest <= CALLS_IN_A_SECOND_MAX),
        Line("  throttled", str(throttled), "none", not throttled),
        Line("  achieved / allowed a second", f"{rate:.2f} / {allowed:.0f}", "95 %", rate >= RATE_USED_LEAST * allowed),
        Line("  slots missed, this machine being busy", str(sum(result.permits_missed for result in results))),
        Line("reversals", ", ".join(f"{n} x {s}" for r in results for s, n in sorted(r.reversals.items()))),
        Line(
            "  waits for a slot, p50 / p99 / max",
            f"{percentile(found, 0.5):.2f} / {percentile(found, 0.99):.2f} / {longest:.2f} s",
            "at most 2 s",
            longest <= WAIT_SECONDS_MAX,
        ),
        Line("  without a slot", str(len(waits) - len(found)), "none", len(waits) == len(found)),
        Line("orders in the ledger / cards at Amazon", f"{len(records)} / {len(activity)}", "each once", once),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
