"""A process dies at every single step of a history, and what it leaves behind comes to a good end all the same.

The histories are the simulation's: its workflows, backlog and sweep, and the sandbox's Amazon. A step is before and
after every call to a port, and on either side of a call to Amazon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from incentives.domain.bulk_orders import bulk_order as bulk
from incentives.domain.operations import Operation
from incentives.domain.recovery import rules, waits
from incentives.domain.single_requests.record import Intent, Status
from tests.simulation.checks import examine
from tests.simulation.machine import Machine, TaskDied
from tests.simulation.mutants_look import Watched
from tests.simulation.mutants_scenes import (
    DONE_AND_LOST,
    LOST,
    NOT_PERMITTED,
    THROTTLED,
    When,
    amazon,
    key_refused,
    lands_late,
    messages_doubled,
    staged,
)
from tests.simulation.mutants_scenes import OPERATION as SENT
from tests.simulation.mutants_scenes import REVERSAL as UNDONE
from tests.simulation.plan import MINUTE, ROWS_FROM, Bulk, Plan, Wanted, What, draw
from tests.simulation.plan_control import Campaign, Control, Limit
from tests.simulation.ports import Died

CREATE, ACTIVATE, LOAD = Operation
S = Status


class ExecutionGoneError(Exception):
    """Somebody has aborted the execution whose task died."""


class Aborted(Machine):
    """Step Functions, whose execution is gone with the process of its task."""

    def run(self, definition: Mapping[str, Any], given: Mapping[str, Any]) -> str:
        try:
            return super().run(definition, given)
        except ExecutionGoneError:
            return "died"


class Dying(Watched):
    """A history in which one process dies.

    Attributes:
        dies_at: number of the step, from 1; 0: nobody dies.
        retried: whether the workflow runs the task anew; otherwise the request's recovery, or a bulk order's batch, is
            gone.
        aborts: of each step so far, whether it is one of a task that is not run anew then.
    """

    def __init__(self, plan: Plan, dies_at: int = 0, *, retried: bool = True) -> None:
        self.dies_at, self.retried, self.aborts = dies_at, retried, list[bool]()
        super().__init__(plan)

    def step(self, seconds: float) -> None:
        if not self._here.is_dead:
            self.aborts.append(getattr(self._here, "aborts", False))
            if len(self.aborts) == self.dies_at:
                self._here.is_dead = True
                raise Died
        super().step(seconds)

    def machine(self, task: Callable[[dict[str, Any]], dict[str, Any]]) -> Machine:
        def attempt(payload: dict[str, Any]) -> dict[str, Any]:
            self._here.aborts = "epoch" in payload or "batch" in payload
            try:
                return task(payload)
            except TaskDied:
                if self.retried or not self._here.aborts:
                    raise
                raise ExecutionGoneError from None
            finally:
                self._here.aborts = False

        plain = super().machine(attempt)
        return Aborted(plain.task, plain.sleep, plain.now, plain.together)


Story = Callable[..., Dying]


def story(
    *faults: Any, undone: tuple[Any, ...] = (), scene: Callable[[Watched], None] = lambda _: None, **plan: Any
) -> Story:
    """One order, what Amazon makes of its first calls, and of those that undo it."""
    responses = [(SENT, faults), (UNDONE, undone)]
    does = [When(sort, [each], numbers=range(n, n + 1)) for sort, some in responses for n, each in enumerate(some, 1)]

    def play(**dying: Any) -> Dying:
        life = Dying(staged(**{"orders": 1, "within": 1, "calm_at": 2 * MINUTE, **plan})(draw(1)), **dying)
        amazon(*does)(life)
        scene(life)
        life.play()
        return life

    return play


def rows(count: int, stopped_at: float | None = None) -> dict[str, Any]:
    """A bulk order beside it."""
    wanted = tuple(Wanted(ROWS_FROM + number, CREATE, Intent.RETRY, 1000) for number in range(count))
    return {"bulk": Bulk(2.0, wanted, Intent.RETRY, None, stopped_at)}


LATE: Final = (lands_late(800, 900), *[LOST] * 4)
CANCELLED: Final = {"later": [(What.CANCEL, 5.0, 6.0)]}
CANCELLED_AT_ONCE: Final = {"later": [(What.CANCEL, 0.6, 0.7)]}
REVERSE, REISSUE = (Intent.REVERSE,), (Intent.REISSUE,)


def budget(cents: int = 10_000, **updates: Any) -> dict[str, Any]:
    """A budget that the order takes from, with what counts beside it."""
    campaign = Campaign("spring", (Limit(0, cents),), frozenset({0}), **updates)
    return {"control": Control((campaign,)), "streams": True}


#: With the ways in which each may end, whoever dies in it.
STORIES: Final[Mapping[str, tuple[Story, set[Status]]]] = {
    "plain": (story(), {S.SUCCEEDED}),
    "repeated": (story(later=[(What.ORDER, 1, 2)]), {S.SUCCEEDED}),
    "later, doubled": (story(first=What.LATER, scene=messages_doubled(0)), {S.SUCCEEDED}),
    "refused": (story(NOT_PERMITTED), {S.REFUSED}),
    "throttled": (story(THROTTLED, THROTTLED), {S.SUCCEEDED}),
    "key refused, then mended": (story(scene=key_refused(0, 70)), {S.SUCCEEDED}),
    "lost after": (story(*[DONE_AND_LOST] * 3), {S.SUCCEEDED}),
    "lost after, then refused": (story(DONE_AND_LOST, NOT_PERMITTED), {S.REVERSED}),
    "another value": (story({"kind": "wrongAmount"}), {S.ESCALATED}),
    "cancelled": (story(**CANCELLED), {S.REVERSED}),
    "cancelled, the cancel lost": (story(undone=(DONE_AND_LOST, LOST), **CANCELLED), {S.REVERSED}),
    "cancelled while unknown": (story(*[DONE_AND_LOST] * 4, **CANCELLED_AT_ONCE), {S.REVERSED}),
    "to be reversed, late": (story(*LATE, intents=REVERSE), {S.REVERSED}),
    "a load to be reversed": (story(DONE_AND_LOST, LOST, LOST, intents=REVERSE, operations=(LOAD,)), {S.REVERSED}),
    "an activation, lost after": (story(*[DONE_AND_LOST] * 2, operations=(ACTIVATE,)), {S.SUCCEEDED}),
    "rows": (story(**rows(5)), {S.SUCCEEDED}),
    "rows, lost after": (story(DONE_AND_LOST, **rows(2)), {S.SUCCEEDED}),
    "a budget": (story(**budget()), {S.SUCCEEDED}),
    "a budget, refused": (story(NOT_PERMITTED, **budget()), {S.REFUSED}),
    "a budget, key refused, then mended": (story(scene=key_refused(0, 70), **budget()), {S.SUCCEEDED}),
    "a budget, cancelled": (story(**CANCELLED, **budget()), {S.REVERSED}),
    "a budget, to be reissued": (story(DONE_AND_LOST, *[LOST] * 4, intents=REISSUE, **budget()), {S.REVERSED}),
    "rows, stopped": (story(**rows(3, stopped_at=2.5)), {S.SUCCEEDED}),
}


@pytest.fixture(autouse=True)
def _fewer_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same policy with longer waits, smaller batches and one reissue: a step of a kind is enough to die of."""
    monkeypatch.setattr(waits, "FIRST_WAIT_SECONDS", 30)
    monkeypatch.setattr(waits, "WAIT_INSIDE_WINDOW_SECONDS_MAX", 400)
    monkeypatch.setattr(waits, "WAIT_SECONDS_MAX", 4 * 3600)
    monkeypatch.setattr(rules, "GENERATIONS_MAX", 2)
    monkeypatch.setattr(bulk, "BATCH_ROWS", 2)


def deaths_of(whole: Dying) -> Iterator[dict[str, Any]]:
    for step, aborts in enumerate(whole.aborts, start=1):
        yield {"dies_at": step}
        if aborts:
            yield {"dies_at": step, "retried": False}


@pytest.mark.parametrize(("play", "ends"), STORIES.values(), ids=STORIES)
def test_wherever_a_process_dies_the_ledger_ends_as_amazon_does(play: Story, ends: set[Status]) -> None:
    whole = play()
    assert examine(whole).broken == []
    assert {each.status for each in whole.ledger.records.values() if each.replaced_by is None} == ends
    for death in deaths_of(whole):
        life = play(**death)
        assert examine(life).broken == [], death
    assert len(whole.aborts) > 10


def test_what_is_sent_before_it_is_recorded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from incentives.domain.single_requests import transitions  # noqa: PLC0415 - only to spoil it

    monkeypatch.setattr(transitions.first_send, "__code__", (lambda record, sent_at, now: record).__code__)
    assert "I1" in str(examine(story()()).broken)
