"""Kill the process at every moment of issuing and cancelling, let others finish, and compare the ledger with Amazon.

A moment is before and after every call to a port, and while a call to Amazon is under way, which then arrives at the
last moment that its signature allows. The moments are counted while a history is played: none is picked by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import cast

import pytest

from incentives.domain.errors import GatewayError, RefusedByAmazon, StateConflict
from incentives.domain.ledger import Intent, Record, Status
from incentives.domain.operations import Operation
from incentives.domain.request_ids import hash_key
from incentives.usecases.answers import Accepted, Delivered, Standing
from incentives.usecases.cancel import cancel
from incentives.usecases.find import find
from incentives.usecases.issue import issue
from tests.support.workflow import resume
from incentives.usecases.tools import Accounts, Amazon, Ledger, Pacer
from tests.support.fakes import World, world
from tests.unit.amazon_model import Fault, Killed, Killer, ModelAmazon, Mortal
from tests.unit.builders import code_of, gc_id_of, order

F = Fault

#: Of an invocation that issues or cancels: time for two tries, as more of them add nothing but moments.
SECONDS = 12.5


@dataclass(frozen=True)
class Story:
    """What happens, apart from the deaths."""

    faults: tuple[Fault, ...] = ()
    intent: Intent = Intent.RETRY
    cancelled: bool = False
    repeated: bool = False
    no_slot: bool = False


@dataclass
class Life:
    """One history, played to its end."""

    story: Story
    killer: Killer
    world: World
    amazon: ModelAmazon
    answers: list[object]
    deaths: int = 0

    @property
    def first_id(self) -> str | None:
        item = self.world.ledger.keys.get(hash_key("order-1"))
        return item.request_id if item else None

    @property
    def newest(self) -> Record:
        assert self.first_id is not None
        return find(self.first_id, self.world.ledger)

    def invoke(self, work: Callable[[], object]) -> object:
        """One invocation of a function: it answers, refuses, or dies."""
        try:
            answer = work()
        except GatewayError as error:
            answer = error
        except Killed:
            self.deaths += 1
            return None
        self.answers.append(answer)
        return answer

    def issue(self) -> object:
        wanted = order(on_unknown=self.story.intent)
        return self.invoke(lambda: issue(wanted, self.world.tools, self.world.budget(SECONDS)))

    def cancel(self) -> object:
        request_id = self.first_id
        if request_id is None:
            return None
        operation = Operation.CREATE_GIFT_CARD
        return self.invoke(lambda: cancel(request_id, operation, None, self.world.tools, self.world.budget(SECONDS)))

    def finish(self) -> None:
        """Let whoever finds the record take it, again and again, until it has ended."""
        # Where no process dies any more, one that takes its time is as good as many, and cheaper to play.
        seconds = 25.0 if self.killer.armed else 3600.0
        for _ in range(300):
            if self.first_id is None or not self.newest.status.is_open:
                break
            wake_at = self.newest.wake_at
            assert wake_at is not None, "an open record that wakes nobody"
            assert self.newest.request_id in self.world.ledger.due(wake_at, 10)
            self.world.clock.time = max(self.world.clock.time, wake_at)
            request_id = self.newest.request_id
            self.invoke(lambda: resume(request_id, self.world.tools, self.world.budget(seconds)))  # noqa: B023 - called at once
        else:
            raise AssertionError(f"it does not end: {self.newest}")
        self.world.clock.sleep(1800)
        self.amazon.deliver_late_calls()


def begin(story: Story, *deaths: int) -> Life:
    base = world()
    amazon = ModelAmazon(base.clock, list(story.faults))
    killer = Killer(frozenset(deaths))
    tools = replace(
        base.tools,
        ledger=cast("Ledger", Mortal(base.ledger, "ledger", killer)),
        pacer=cast("Pacer", Mortal(base.pacer, "pacer", killer)),
        amazon=cast("Amazon", Mortal(amazon, "amazon", killer)),
        accounts=cast("Accounts", Mortal(base.accounts, "accounts", killer)),
    )
    if story.no_slot:
        base.pacer.full_for = 5.0
    return Life(story, killer, replace(base, tools=tools), amazon, [])


def live(story: Story, *deaths: int, resumes_die: bool = False) -> Life:
    """Play a story: order, perhaps order again, perhaps cancel; then others finish it."""
    life = begin(story, *deaths)
    life.issue()
    life.world.pacer.full_for = None
    if story.repeated:
        life.issue()
    if story.cancelled:
        life.cancel()
    life.killer.armed = resumes_die
    life.finish()
    life.killer.armed = False
    # The repeats to come are answered by an Amazon that works.
    life.amazon.faults.clear()
    return life


def every_death(story: Story, *before: int, resumes_die: bool = False) -> Iterator[Life]:
    """The story once without a death (unless some are given), then once per moment, until it has no more moments."""
    yield live(story, *before, resumes_die=resumes_die)
    for number in count(max(before, default=-1) + 1):
        life = live(story, *before, number, resumes_die=resumes_die)
        if life.deaths <= len(before):
            return
        yield life


def check(life: Life) -> None:
    """The ledger's end is what Amazon charges for, and a repeat says exactly that."""
    live_cards = life.amazon.live
    told = [answer for answer in life.answers if isinstance(answer, Delivered)]
    assert len(live_cards) <= 1, "two live cards for one order"
    if life.first_id is None:
        assert not life.amazon.cards, "sent before it was recorded"
        assert not told
    else:
        _check_end(life)
    _check_nothing_leaked(life)
    _check_repeat(life)


def _check_end(life: Life) -> None:
    newest, live_cards = life.newest, life.amazon.live
    match newest.status:
        case Status.SUCCEEDED:
            assert list(live_cards) == [newest.request_id]
            assert live_cards[newest.request_id].gc_id == newest.gc_id
        case Status.REVERSED | Status.REFUSED:
            assert not live_cards, f"{newest.status}, and yet charged"
        case _:
            raise AssertionError(f"ended {newest.status}")
    for request_id in life.amazon.cards:
        assert request_id in life.world.ledger.records, "a charge nobody knows of"
    if any(isinstance(answer, Accepted | Standing) for answer in _answers_to_cancel(life)):
        assert newest.intent is Intent.REVERSE
        assert newest.status is not Status.SUCCEEDED, "a cancel was accepted and undone"


def _answers_to_cancel(life: Life) -> list[object]:
    accepted = any(event == "cancelAccepted" for event, _ in life.world.telemetry.lines)
    return [answer for answer in life.answers if accepted and isinstance(answer, Accepted | Standing)]


def _check_nothing_leaked(life: Life) -> None:
    written = repr([*life.world.ledger.records.values(), *life.world.ledger.keys.values(), *life.world.telemetry.lines])
    assert "CANARY" not in written


def _check_repeat(life: Life) -> None:
    before, calls = life.amazon.live, life.amazon.calls
    known = life.first_id is not None
    repeat = life.issue()
    again = life.issue()
    if not known or life.newest.status is Status.SUCCEEDED:
        assert isinstance(repeat, Delivered)
        assert isinstance(again, Delivered)
        (card,) = life.amazon.live.values()
        assert gc_id_of(repeat) == gc_id_of(again) == card.gc_id
        assert code_of(repeat) == code_of(again) == card.code
        assert (repeat.replayed, again.replayed) == (known, True)
        assert not known or before == life.amazon.live
        return
    assert life.amazon.calls == calls, "a repeat of what has ended sends nothing"
    expected = RefusedByAmazon if life.newest.status is Status.REFUSED else StateConflict
    assert isinstance(repeat, expected)
    assert isinstance(again, expected)


STORIES = {
    "plain": Story(),
    "repeated": Story(repeated=True),
    "no slot": Story(no_slot=True),
    "refused": Story((F.REFUSED,)),
    "throttled": Story((F.THROTTLED,)),
    "key refused once": Story((F.KEY_REFUSED,)),
    "key refused for good": Story((F.KEY_REFUSED,) * 2),
    "lost before": Story((F.LOST_BEFORE,)),
    "lost after": Story((F.LOST_AFTER,)),
    "resend": Story((F.RESEND,)),
    "late": Story((F.LATE,)),
    "always lost in line": Story((F.LOST_AFTER,) * 6),
    "never arrives in line": Story((F.LOST_BEFORE,) * 6),
    "lost after, then throttled": Story((F.LOST_AFTER, F.THROTTLED)),
    "lost after, then refused": Story((F.LOST_AFTER, F.REFUSED)),
    "lost before, then refused": Story((F.LOST_BEFORE, F.REFUSED)),
    "late, then refused": Story((F.LATE, F.REFUSED)),
    "cancelled": Story(cancelled=True),
    "cancelled, the cancel lost before": Story((F.NONE, F.LOST_BEFORE), cancelled=True),
    "cancelled, the cancel lost after": Story((F.NONE, F.LOST_AFTER), cancelled=True),
    "cancelled, the cancel late": Story((F.NONE, F.LATE), cancelled=True),
    "cancelled, the cancel throttled": Story((F.NONE, F.THROTTLED), cancelled=True),
    "cancelled, the cancel's key refused": Story((F.NONE, F.KEY_REFUSED), cancelled=True),
    "cancelled unsent": Story(no_slot=True, cancelled=True),
    "cancelled while unknown": Story((F.LOST_AFTER,) * 4, cancelled=True),
    "cancelled while it has not arrived": Story((F.LOST_BEFORE,) * 4, cancelled=True),
    "cancelled while it is late": Story((F.LATE,) + (F.LOST_BEFORE,) * 3, cancelled=True),
    "cancelled, to be reissued": Story((F.LOST_AFTER,) * 4, Intent.REISSUE, cancelled=True),
    "reverse, lost after": Story((F.LOST_AFTER,) * 40, Intent.REVERSE),
    "reverse, lost before": Story((F.LOST_BEFORE,) * 40, Intent.REVERSE),
    "reverse, late": Story((F.LATE,) * 40, Intent.REVERSE),
    "reissue, lost after": Story((F.LOST_AFTER,) * 40, Intent.REISSUE),
    "reissue, lost before": Story((F.LOST_BEFORE,) * 40, Intent.REISSUE),
    "reissue, late": Story((F.LATE,) * 40, Intent.REISSUE),
}

#: Stories in which two processes die, and whether those that resume may be among them. A resumed cancel of what has not
#: arrived takes the twenty minutes of the fence and some forty tries: too many to let it die at each.
SHORT = {
    "plain": True,
    "repeated": True,
    "refused": False,
    "lost after": False,
    "key refused once": False,
    "cancelled unsent": True,
    "cancelled": False,
    "cancelled, the cancel lost after": False,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_wherever_the_process_dies_the_ledger_ends_as_amazon_does(story: Story) -> None:
    moments = live(story).killer.moments
    lives = 0
    for life in every_death(story):
        check(life)
        lives += 1

    assert lives == 1 + len(moments) > 6


@pytest.mark.parametrize(("name", "resumes_die"), SHORT.items())
def test_wherever_two_processes_die_the_ledger_ends_as_amazon_does(name: str, resumes_die: bool) -> None:
    story = STORIES[name]
    first = 0
    while live(story, first, resumes_die=resumes_die).deaths:
        for life in every_death(story, first, resumes_die=resumes_die):
            check(life)
        first += 1

    assert first > 6


def test_the_moments_are_those_before_and_after_every_call_to_a_port() -> None:
    life = live(STORIES["plain"])

    assert life.killer.moments == [
        "before accounts.get",
        "after accounts.get",
        "before pacer.reserve",
        "after pacer.reserve",
        "before amazon.sign",
        "after amazon.sign",
        "before ledger.open",
        "after ledger.open",
        "before amazon.attempt",
        "during amazon.attempt",
        "after amazon.attempt",
        "before ledger.apply",
        "after ledger.apply",
    ]


def test_dying_between_the_ledgers_write_and_the_call_leaves_a_202_and_then_one_card() -> None:
    moments = live(STORIES["plain"]).killer.moments
    for moment in ("after ledger.open", "during amazon.attempt", "after amazon.attempt", "before ledger.apply"):
        life = begin(STORIES["plain"], moments.index(moment))

        assert life.issue() is None
        repeat = life.issue()
        life.killer.armed = False
        life.finish()

        assert isinstance(repeat, Accepted)
        assert life.newest.status is Status.SUCCEEDED
        check(life)


def test_an_amazon_that_answers_nothing_for_a_day_ends_escalated_and_nobody_is_told_otherwise() -> None:
    life = live(Story((F.LOST_BEFORE,) * 400))

    assert life.newest.status is Status.ESCALATED
    assert all(isinstance(answer, Accepted | Record) for answer in life.answers)
    assert life.world.clock.now() - life.newest.created_at < timedelta(hours=25)
    assert isinstance(life.issue(), StateConflict)
