"""`make chaos`: callers order while processes die and Amazon fails; exits 1 if ledger and Amazon differ, or worse."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from local import cloud as local_cloud
from local import settings
from tests.chaos.lines import lines_of
from tests.chaos.run import Result, Wanted, run
from tests.chaos.table import as_markdown, as_text
from tests.stack.cloud import Cloud

#: A local cloud of its own, beside that of `make run` and of the tests.
FOLDER = ".local-chaos"

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STARTED = time.monotonic()

_HEAD = """\
# Chaos

Written by `make chaos CHAOS_ARGS="--write docs/chaos.md"`; do not edit.

The deployed template on the local cloud, IAM enforced, under mixed load: orders with each intent, repeats, races of one
key, cancels, reveals, activations, loads, bulk orders. Meanwhile processes of functions are killed, one by one and all
at once, Amazon's stand-in fails a share of its calls in every way it knows, the sweep's schedule is off for a minute,
and the emulator itself is ended and started again. Then the faults stop, a day is let go by, and the ledger is held
against the charges at the stand-in. The emulator's own speed, on whatever machine this ran on, bounds the load.
"""


def main(arguments: list[str]) -> int:
    """Run it, print and write the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Wanted.seconds, help="for which callers come")
    parser.add_argument("--per-second", type=float, default=Wanted.per_second, help="calls of the API a second")
    parser.add_argument("--seed", type=int, default=Wanted.seed, help="of load, faults and kills")
    parser.add_argument("--faults", type=float, default=Wanted.faults, help="share of Amazon's calls that go wrong")
    parser.add_argument("--callers", type=int, default=Wanted.callers, help="who wait for their answers at a time")
    parser.add_argument("--write", type=Path, help="a page for the table, if all holds")
    given = parser.parse_args(arguments)
    wanted = Wanted(given.seconds, given.per_second, given.seed, given.faults, given.callers)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        # Once: a second Ctrl-C must not cut the tidying short.
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        stop.set()
        raise KeyboardInterrupt

    for number in _ENDING:
        signal.signal(number, end)
    try:
        result = _run(wanted, stop)
    except KeyboardInterrupt:
        return 130
    lines = lines_of(result)
    print(as_text(lines))  # noqa: T201 - a command line prints
    broken = [line for line in lines if not line.holds]
    for line in broken:
        print(f"\nBROKEN: {line.what}: {line.figure}, must be {line.must}\n  {line.because}")  # noqa: T201 - likewise
    if given.write and not broken:
        given.write.write_text(f"{_HEAD}\n{as_markdown(lines)}", encoding="utf-8")
    return 1 if broken else 0


def _run(wanted: Wanted, stop: threading.Event) -> Result:
    """The whole run on a local cloud that lives no longer than it."""
    chosen = settings.Settings(settings.ROOT / FOLDER, keeps_state=True)
    try:
        outputs = local_cloud.up(chosen, _say)
        return run(Cloud(outputs, chosen.directory), chosen, wanted, _say, stop)
    finally:
        # Callers and trouble that are still at it end by themselves: there is nobody to ask, and nothing to kill.
        stop.set()
        local_cloud.down(chosen)


def _say(line: str) -> None:
    print(f"{time.monotonic() - _STARTED:6.1f}  {line.strip()}", flush=True)  # noqa: T201 - a command line prints


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
