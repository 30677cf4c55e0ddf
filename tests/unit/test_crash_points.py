"""Kill the process at every moment of issuing, cancelling and recovering, and compare ledger and Amazon at the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from incentives.domain.errors import StateConflict
from incentives.domain.operations import Operation
from incentives.domain.recovery import waits
from incentives.domain.single_requests.record import Intent, Status
from incentives.usecases.recovery.recover import Task
from incentives.usecases.single_requests.results import Accepted
from tests.unit.amazon_model import Fault
from tests.unit.ends import check
from tests.unit.lives import Execution, Message, Story, cut_short, cut_short_twice, deaths_of, lived

F = Fault
ACTIVATE, LOAD = Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE


#: Of an invocation: time for two tries, half a minute apart.
SECONDS = 45.0


@pytest.fixture(autouse=True)
def fewer_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same policy with longer waits: more tries of a kind add moments, and nothing to die of."""
    monkeypatch.setattr(waits, "FIRST_WAIT_SECONDS", 30)
    monkeypatch.setattr(waits, "WAIT_INSIDE_WINDOW_SECONDS_MAX", 400)
    monkeypatch.setattr(waits, "WAIT_SECONDS_MAX", 4 * 3600)


def _of_every_operation() -> Iterator[tuple[str, Story]]:
    faults = {
        "lost before": (F.LOST_BEFORE,) * 5,
        "lost after": (F.LOST_AFTER,) * 5,
        "late": (F.LATE,) + (F.LOST_BEFORE,) * 4,
    }
    for operation in Operation:
        yield f"{operation.value}, lost after, then refused", Story((F.LOST_AFTER, F.REFUSED), operation=operation)
        for intent in Intent:
            for name, happens in faults.items():
                if name == "late" and (intent is Intent.RETRY or operation is ACTIVATE):
                    continue  # found by the next repeat, as what was lost; undone as a load is
                yield f"{operation.value}, {intent}, {name}", Story(happens, intent, operation=operation)


#: Amazon refuses the account's key, and also the one that is read anew.
KEY_REFUSED = (F.KEY_REFUSED,) * 2

#: A cancel after a success, and no response to it until its window is over.
CANCEL_LOST_BEFORE = (F.NONE,) + (F.LOST_BEFORE,) * 7
CANCEL_LOST_AFTER = (F.NONE, F.LOST_AFTER) + (F.LOST_BEFORE,) * 6

STORIES = {
    "plain": Story(),
    "repeated": Story(repeated=True),
    "no slot": Story(no_permit_for=5.0),
    "no slot for long": Story(no_permit_for=100.0),
    "no slot, doubled": Story(no_permit_for=5.0, doubled=True),
    "no slot, repeated": Story(no_permit_for=5.0, repeated=True),
    "no slot, refused": Story((F.REFUSED,), no_permit_for=5.0),
    "no slot, throttled": Story((F.THROTTLED,) * 5, no_permit_for=5.0),
    "no slot, key refused for good": Story(KEY_REFUSED, no_permit_for=5.0),
    "no slot, lost after": Story((F.LOST_AFTER,) * 5, no_permit_for=5.0),
    "no slot, late and doubled": Story((F.LATE,) + (F.LOST_BEFORE,) * 3, no_permit_for=5.0, doubled=True),
    "no slot, to be reissued": Story((F.LOST_AFTER,) * 5, Intent.REISSUE, no_permit_for=5.0),
    "no slot, another value": Story((F.OTHER_VALUE,) * 20, no_permit_for=5.0),
    "no slot, an activation": Story(no_permit_for=5.0, operation=ACTIVATE),
    "later": Story(later=True),
    "later, repeated": Story(later=True, repeated=True),
    "later, a load to be reversed": Story((F.LOST_AFTER,) * 5, Intent.REVERSE, later=True, operation=LOAD),
    "refused": Story((F.REFUSED,)),
    "throttled": Story((F.THROTTLED,)),
    "key refused once": Story((F.KEY_REFUSED,)),
    "key refused for good": Story(KEY_REFUSED),
    "key refused, then mended": Story(KEY_REFUSED, repeated=True),
    "key refused, and refused again": Story(KEY_REFUSED * 2, repeated=True),
    "key refused, then mended, doubled and not waited for": Story(
        KEY_REFUSED, repeated=True, repeated_later=True, doubled=True
    ),
    "key refused, then mended, then cancelled": Story(KEY_REFUSED, repeated=True, cancelled=True),
    "key refused, then mended, then refused": Story((*KEY_REFUSED, F.REFUSED), repeated=True),
    "key refused, then mended and lost before": Story((*KEY_REFUSED, F.LOST_BEFORE), repeated=True),
    "key refused, then mended, late and to be reversed": Story(
        (*KEY_REFUSED, F.LATE, *(F.LOST_BEFORE,) * 4), Intent.REVERSE, repeated=True
    ),
    **{
        f"key refused, then mended, to be reissued, {operation.value}": Story(
            (*KEY_REFUSED, *(F.LOST_AFTER,) * 5), Intent.REISSUE, repeated=True, operation=operation
        )
        for operation in Operation
    },
    "lost before": Story((F.LOST_BEFORE,)),
    "lost after": Story((F.LOST_AFTER,)),
    "resend": Story((F.RESEND,)),
    "late": Story((F.LATE,)),
    "lost after, then throttled": Story((F.LOST_AFTER, F.THROTTLED)),
    "lost before, then refused": Story((F.LOST_BEFORE, F.REFUSED)),
    "late, then refused": Story((F.LATE, F.REFUSED)),
    "another value": Story((F.OTHER_VALUE,) * 20),
    "cancelled": Story(cancelled=True),
    "cancelled, the cancel lost before": Story((F.NONE, F.LOST_BEFORE), cancelled=True),
    "cancelled, the cancel lost after": Story((F.NONE, F.LOST_AFTER), cancelled=True),
    "cancelled, the cancel late": Story((F.NONE, F.LATE), cancelled=True),
    "cancelled, the cancel throttled": Story((F.NONE, F.THROTTLED), cancelled=True),
    "cancelled, the cancel's key refused": Story((F.NONE, F.KEY_REFUSED), cancelled=True),
    "cancelled, too late": Story(CANCEL_LOST_BEFORE, cancelled=True),
    "cancelled, in time and not known until it is too late": Story(CANCEL_LOST_AFTER, cancelled=True),
    "cancelled unsent, doubled": Story(no_permit_for=5.0, cancelled=True, doubled=True),
    "cancelled unsent": Story(no_permit_for=5.0, cancelled=True),
    "cancelled while unknown": Story((F.LOST_AFTER,) * 4, cancelled=True),
    "cancelled while it has not arrived": Story((F.LOST_BEFORE,) * 4, cancelled=True),
    "cancelled while it is late": Story((F.LATE,) + (F.LOST_BEFORE,) * 3, cancelled=True),
    "cancelled, to be reissued": Story((F.LOST_AFTER,) * 4, Intent.REISSUE, cancelled=True),
    "activation, deactivated": Story(cancelled=True, operation=ACTIVATE),
    "load, voided": Story(cancelled=True, operation=LOAD),
    "to be reversed, too late": Story((F.LOST_AFTER,) * 2 + (F.LOST_BEFORE,) * 8, Intent.REVERSE),
    "to be reissued, too late": Story((F.LOST_AFTER,) * 2 + (F.LOST_BEFORE,) * 8, Intent.REISSUE),
    **dict(_of_every_operation()),
}

#: Stories in which two processes die, one after the other.
SHORT = ("plain", "refused", "key refused once", "key refused, then mended", "cancelled unsent")


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_wherever_the_process_dies_the_ledger_ends_as_amazon_does(story: Story) -> None:
    lives = 0
    for life in cut_short(story, SECONDS):
        check(life)
        lives += 1

    assert lives > 5


@pytest.mark.parametrize("name", SHORT)
def test_wherever_two_processes_die_the_ledger_ends_as_amazon_does(name: str) -> None:
    lives = 0
    for life in cut_short_twice(STORIES[name], SECONDS):
        check(life)
        lives += 1

    assert lives > 25


def test_every_task_and_every_end_is_among_the_stories() -> None:
    tasks, ends, moments_in_backlog = set(), set(), set()
    for story in STORIES.values():
        life = lived(story, SECONDS)
        tasks |= {remains.died.task for remains in life.moments if isinstance(remains.died, Execution)}
        moments_in_backlog |= {remains.moment for remains in life.moments if isinstance(remains.died, Message)}
        ends.add(life.newest.status)

    assert tasks == set(Task) - {Task.DONE, Task.ESCALATED}
    assert moments_in_backlog > {
        "before ledger.get",
        "after rate_limiter.reserve",
        "after ledger.apply",
        "during amazon.attempt",
        "before backlog.put",
        "after backlog.put",
        "after recoveries.start",
    }
    assert ends == {Status.SUCCEEDED, Status.REFUSED, Status.REVERSED, Status.ESCALATED}


def test_the_moments_are_those_before_and_after_every_call_to_a_port() -> None:
    life = lived(STORIES["plain"], SECONDS)

    assert [remains.moment for remains in life.moments] == [
        "before accounts.get",
        "after accounts.get",
        "before rate_limiter.reserve",
        "after rate_limiter.reserve",
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


def test_moments_that_are_left_out_leave_the_same_behind_as_one_that_is_not() -> None:
    life = lived(STORIES["lost after"], SECONDS)
    played = [remains for remains, retried in deaths_of(life) if not retried]

    assert {remains.identity for remains in played} == {remains.identity for remains in life.moments}
    for remains in life.moments:
        (same,) = [each for each in played if each.identity == remains.identity]
        assert (same.records, same.cards, same.executions) == (remains.records, remains.cards, remains.executions)


def test_dying_between_the_ledgers_write_and_the_call_leaves_a_202_and_then_one_card() -> None:
    whole = lived(STORIES["repeated"], SECONDS)
    for moment in ("after ledger.open", "during amazon.attempt", "after amazon.attempt", "before ledger.apply"):
        remains = next(each for each in whole.moments if each.moment == moment)

        life = whole.after(remains, retried=False)
        life.play()

        (repeat,) = life.responses
        assert isinstance(repeat, Accepted)
        assert life.newest.status is Status.SUCCEEDED
        check(life)


def test_an_amazon_that_responses_nothing_for_a_day_ends_escalated_and_nobody_is_told_otherwise() -> None:
    life = lived(Story((F.LOST_BEFORE,) * 400))

    assert life.newest.status is Status.ESCALATED
    assert all(isinstance(response, Accepted) for response in life.responses)
    assert life.newest.mailed_at is not None
    assert life.newest.mailed_at - life.newest.created_at < timedelta(hours=24, minutes=30)
    assert isinstance(life.issue(), StateConflict)
