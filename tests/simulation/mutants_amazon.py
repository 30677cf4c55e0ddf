"""What Amazon does with calls in a scene: by sort, time, number and generation, instead of by the plan's chances."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from incentives.agcod.client import SignedCall
from incentives.domain.operations import Operation
from tests.simulation.life import Life
from tests.simulation.mutants_look import Watched

#: Amazon takes a call for 15 minutes from its x-amz-date, and 5 more may go by until it has its effect.
LANDS_WITHIN: Final = timedelta(minutes=20)

Fault = Mapping[str, Any] | Callable[[Life, SignedCall, random.Random], Mapping[str, Any]] | None

#: Nothing goes wrong.
FINE: Final[Fault] = None
LOST: Final[Fault] = {"kind": "drop"}
#: Nobody at Amazon has seen the call.
SHUT: Final[Fault] = {"kind": "error503", "when": "before"}
DONE_AND_LOST: Final[Fault] = {"kind": "drop", "when": "after"}
THROTTLED: Final[Fault] = {"kind": "throttle"}
#: Of an operation: a plain refusal. Of a reversal: Amazon knows no such request, or the account may not do this.
NOT_PERMITTED: Final[Fault] = {"kind": "refuse", "errorType": "OperationNotPermitted"}
TOO_LATE: Final[Fault] = {"kind": "refuse", "errorType": "CancelRequestArrivedAfterTimeLimit"}
NO_PAGE: Final[Fault] = {"kind": "refuse", "errorType": "APIGetGiftCardActivityPageIsDisabled"}

#: What a call is to Amazon.
OPERATION: Final = "operation"
REVERSAL: Final = "reversal"
PAGE: Final = "page"


def lands_late(low: float, high: float) -> Fault:
    """It has its effect after so many seconds, as long as Amazon takes it; and is not answered."""

    def fault(life: Life, signed: SignedCall, chance: random.Random) -> Mapping[str, Any]:
        latest = (signed.sent_at + LANDS_WITHIN - life.stage.time).total_seconds()
        seconds = max(0.0, min(chance.uniform(low, high), latest))
        return {"kind": "lateEffect", "delaySeconds": seconds, "answer": "drop"}

    return fault


@dataclass(frozen=True)
class When:
    """What Amazon does with calls of one sort.

    Attributes:
        calls: `OPERATION`, `REVERSAL` or `PAGE`.
        faults: one of them, by chance.
        begins, ends: seconds between which it does so.
        numbers: of a request's calls of this sort, counted from 1, only those; none: all.
        generations: of which the request is one, counted by reissues.
    """

    calls: str
    faults: Sequence[Fault]
    begins: float = 0.0
    ends: float = float("inf")
    numbers: range | None = None
    generations: range = range(3)


def amazon(*does: When) -> Callable[[Watched], None]:
    """Whatever is first said of a call is what happens to it."""

    def arrange(life: Watched) -> None:
        chance, counts = random.Random(f"amazon's {life.plan.seed}"), Counter[tuple[str, str]]()

        def fault(signed: SignedCall) -> dict[str, Any] | None:
            name = signed.call.name
            sort = PAGE if name == "GetGiftCardActivityPage" else OPERATION if name in set(Operation) else REVERSAL
            counts[sort, signed.call.request_id] += 1
            number, seconds = counts[sort, signed.call.request_id], life.stage.seconds
            record = life.ledger.records.get(signed.call.request_id)
            generation = record.reissues if record else 0
            for each in does:
                if each.calls != sort or not each.begins <= seconds < each.ends or generation not in each.generations:
                    continue
                if each.numbers is None or number in each.numbers:
                    found = chance.choice(each.faults)
                    found = found(life, signed, chance) if callable(found) else found
                    return dict(found) if found is not None else None
            return None

        shore: Any = life.shore
        shore._fault = fault

    return arrange
