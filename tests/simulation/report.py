"""What became of many histories, side by side: for the terminal, and as a page of the documentation."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.simulation import amazon
from tests.simulation.checks import COUNTS, PER_SECOND_MAX, Report

#: What must be nought, in words.
_WORDS: Final = {
    "double_issues": "double issues",
    "unrecorded_charges": "charges without a record",
    "open_after_a_day": "open after 24 hours",
    "ids_reused": "ids reused",
    "codes_at_rest": "claim codes at rest",
}

_ROWS: Final[Sequence[tuple[str, Callable[[Report], int]]]] = (
    ("histories", lambda each: each.histories),
    ("orders", lambda each: each.orders),
    ("calls to Amazon", lambda each: each.calls),
    ("faults injected", lambda each: each.faults.total()),
    *((_WORDS[name], lambda each, name=name: int(getattr(each, name))) for name in COUNTS),
    (f"fastest second (Amazon's limit: {PER_SECOND_MAX} calls)", lambda each: each.fastest_second),
    ("the same while clocks differ or AWS fails", lambda each: each.fastest_apart),
)

_HEAD: Final = """\
# Reliability

Written by `make reliability`; do not edit.

Each history is simulated whole, from one seed and on a virtual clock: callers, the real use cases and recovery policy,
the real workflow definitions, interpreted, a ledger in memory with the semantics of conditional writes, the real rate
limiter, and the sandbox's model of Amazon behind the gateway's own client. Any two steps of two processes may change
places, and a process may die at any of them. When a history is over, it is held against the charges at Amazon.

## What happens in it

Callers order, repeat, race with themselves, change an order under its key, cancel and read codes; bulk orders are
placed, paused and stopped; operators start recoveries and rotate keys; the sweep, the account's watch and the readers
of the ledger's stream come and go. Meanwhile:

- requests to Amazon and its responses get lost, come twice, come up to 20 minutes late, say RESEND before and after the
  effect, or are throttled, 5xx, cut off or garbled; front ends tell lost connections, faults and throttles as 400, in a
  wrapper, as XML or as a page; cards are shown as others than were ordered, as refunded, or as not live yet;
- processes die or freeze between any two steps; their clocks differ by up to ten minutes;
- DynamoDB throttles, loses requests and responses, is sent writes twice, and has writes get into each other's way;
  messages and events get lost or doubled, batches of the stream come again, and people cannot be reached;
- Amazon is away for 17 minutes or for 25 hours, refuses the account for a while, allows fewer calls than agreed;
- the account runs out of money and gets some; keys are swapped, rotated, refused and rolled back;
- orders and bulk orders name budgets that are too small, changed, stopped and whose month ends; batches of the stream
  that could not be counted are counted again much later; the account is frozen and unfrozen; bulk orders are approved,
  rejected and changed before they are approved.

Where there are budgets or a freeze, the real adapters write, call by call, to a DynamoDB in memory that is held against
moto's.

## What is left out

"""

_CHECKED: Final = """
## What is checked

The promises, each by name: nothing is sent that is not recorded (I1); one live card per key (I2); every
charge has a record, every record ends, within 24 hours and soon after the last fault, and the stream's totals are the
charges (I3); no claim code is at rest (I4); nobody calls faster than Amazon allows (I5); nobody is told that an unknown
order has failed or succeeded (I6); an id that was reversed is not charged again (I7); what is given up has had its 24
hours and leaves a complete case without a signature that could be used (I8); a key's other order is refused (I9);
secret keys are nowhere at rest (I10); the books find each difference and no other (I11); after every step, what remains
of each budget, is held and is spent of it comes to its limit, and in the end nothing is held for nothing (I12). Once an
account is called frozen, nothing leaves that Amazon has never seen; nobody approves what he made, or what he has not
seen. A broken one fails `make reliability`, which prints its seed.
"""


_TOO_FAST: Final = """\
More than ten in a second come of processes that have just begun, whose clocks differ or that were late between their
permit and Amazon: they go by the common clock only once they have heard of it. Amazon throttles what is too much, and
it is sent again under the same id."""


@dataclass(frozen=True)
class Played:
    """A run.

    Attributes:
        reports: of the gateway first, then of the baselines.
        first, count: which seeds.
        commit: of the code.
    """

    reports: Mapping[str, Report]
    first: int
    count: int
    commit: str

    @property
    def ours(self) -> Report:
        return next(iter(self.reports.values()))


def rows(reports: Mapping[str, Report]) -> Iterator[tuple[str, list[str]]]:
    """The table: what it is that was counted, and the count of each."""
    for title, read in _ROWS:
        yield title, [f"{read(each):,}" for each in reports.values()]


def as_text(played: Played) -> Iterator[str]:
    yield f"{'':44}" + "".join(f"{name:>24}" for name in played.reports)
    for title, counts in rows(played.reports):
        yield f"{title:44}" + "".join(f"{count:>24}" for count in counts)
    yield "\nThe gateway's orders ended: " + _listed(played.ours.ended.most_common())
    yield "Its faults: " + _listed(played.ours.faults.most_common())


def as_page(played: Played) -> Iterator[str]:
    yield _HEAD + _left_out() + _CHECKED
    yield "## What came of it\n"
    last = played.first + played.count - 1
    yield f"Seeds {played.first} to {last}, commit {played.commit}. The other two are careful bare clients that do"
    yield "without a ledger, in the first of the same histories: they pace themselves, tell refusals from unknown"
    yield "answers and repeat what is unknown, with a new request id for each try or with one that is kept in memory.\n"
    yield "| | " + " | ".join(played.reports) + " |"
    yield "|---|" + "---:|" * len(played.reports)
    yield from (f"| {title} | {' | '.join(counts)} |" for title, counts in rows(played.reports))
    yield "\n" + _TOO_FAST
    yield f"\nThe gateway's orders ended: {_listed(played.ours.ended.most_common())}."
    yield "\nIts faults by kind:\n"
    yield "| fault | how often |"
    yield "|---|---:|"
    yield from (f"| {name} | {count:,} |" for name, count in played.ours.faults.most_common())
    yield "\n## How to see it again\n"
    yield "```"
    yield f"make reliability SEEDS={played.count} FIRST={played.first}"
    yield f"PYTHONPATH=layers/incentives python -m tests.simulation --history --first {played.first}"
    yield "```\n"
    yield "The first plays the same histories, the second tells one of them line by line."


def commit() -> str:
    """Which code this is; a plus sign says that it has been changed since."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"


def _left_out() -> str:
    return (amazon.__doc__ or "").partition("Some things are left out")[2].partition(":\n\n")[2]


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
