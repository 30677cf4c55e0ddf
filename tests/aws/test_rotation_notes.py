"""What functions note of keys, and how far a rotation is: on moto's DynamoDB."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from incentives.aws.keys.key_notes import DynamoDbKeyNotes
from incentives.aws.keys.rotations import DynamoDbRotations
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.keys.rotation import KeyNotes, Rotation, Stage
from incentives.domain.rate_limit import Full, Pace, Priority
from tests.aws.rotating import ACCOUNTS, RATE_LIMITER, Aws
from tests.support.fakes import START, FakeClock

OLD, NEW = "0123abcd", "4567ef89"
SECOND = timedelta(seconds=1)

_numbers = itertools.count()


@pytest.fixture
def account() -> str:
    return f"noted-{next(_numbers)}"


def rate_limiter(aws: Aws, clock: FakeClock, key: str | None = OLD, **updates: Any) -> DynamoDbRateLimiter:
    pace = Pace(**updates)
    return DynamoDbRateLimiter(aws.dynamodb, RATE_LIMITER, pace=pace, now=clock.now, key_of=lambda _account: key)


def notes(aws: Aws, clock: FakeClock) -> DynamoDbKeyNotes:
    return DynamoDbKeyNotes(aws.dynamodb, RATE_LIMITER, now=clock.now)


def test_nothing_is_noted_of_a_key_that_nobody_used(aws: Aws, account: str) -> None:
    assert notes(aws, FakeClock()).key_notes(account, OLD) == KeyNotes()


def test_each_permit_notes_the_key_that_it_is_for_in_the_same_write(aws: Aws, account: str) -> None:
    clock = FakeClock()
    with_old, with_new = rate_limiter(aws, clock), rate_limiter(aws, clock, NEW)
    # given two processes, one of which has the new key already
    with_old.reserve(account, Priority.CALLER)
    clock.sleep(10)
    with_new.reserve(account, Priority.CALLER)
    # then each key has its own last use
    seen = notes(aws, clock)
    assert seen.key_notes(account, OLD) == KeyNotes(used_at=START)
    assert seen.key_notes(account, NEW) == KeyNotes(used_at=START + 10 * SECOND)
    # and a later one takes its place, also in a line of permits
    with_old.reserve(account, Priority.CALLER)
    assert seen.key_notes(account, OLD) == KeyNotes(used_at=START + 10 * SECOND)


def test_a_permit_that_is_not_taken_is_no_use(aws: Aws, account: str) -> None:
    clock = FakeClock()
    others, ours = (
        rate_limiter(aws, clock, NEW, requests_per_second=0.1),
        rate_limiter(aws, clock, requests_per_second=0.1),
    )
    others.reserve(account, Priority.CALLER)
    assert isinstance(ours.reserve(account, Priority.CALLER), Full)
    assert notes(aws, clock).key_notes(account, OLD) == KeyNotes()


def test_a_process_that_has_read_no_key_yet_notes_none(aws: Aws, account: str) -> None:
    rate_limiter(aws, FakeClock(), None).reserve(account, Priority.CALLER)
    item = aws.dynamodb.get_item(TableName=RATE_LIMITER, Key={"id": {"S": account}})["Item"]
    assert [name for name in item if name.startswith("used")] == []


def test_a_use_by_a_clock_that_is_ahead_is_told_by_ours(aws: Aws, account: str) -> None:
    # given somebody whose clock is an hour ahead
    ahead, clock = FakeClock(START + timedelta(hours=1)), FakeClock()
    theirs = rate_limiter(aws, ahead)
    theirs.reserve(account, Priority.CALLER)
    # when it is told ten seconds later, after they have made another call with the new key
    for each in (ahead, clock):
        each.sleep(10)
    rate_limiter(aws, ahead, NEW).reserve(account, Priority.CALLER)
    assert notes(aws, clock).key_notes(account, OLD) == KeyNotes(used_at=START)


def test_no_use_is_in_the_future(aws: Aws, account: str) -> None:
    clock = FakeClock()
    item = {"id": {"S": account}, f"used{OLD}": {"N": "99999999999999"}, f"refused{OLD}": {"N": "99999999999999"}}
    aws.dynamodb.put_item(TableName=RATE_LIMITER, Item=item)
    assert notes(aws, clock).key_notes(account, OLD) == KeyNotes(used_at=START, refused_at=START)


def test_a_refusal_is_noted_and_does_not_disturb_the_pace(aws: Aws, account: str) -> None:
    clock = FakeClock()
    notes(aws, clock).note_refusal(account, NEW)
    taken = rate_limiter(aws, clock).reserve(account, Priority.CALLER)
    assert not isinstance(taken, Full)
    assert notes(aws, clock).key_notes(account, NEW) == KeyNotes(refused_at=START)


def rotation(account: str, at: datetime = START, **updates: Any) -> Rotation:
    made = Rotation(account=account, new_key=NEW, old_key=OLD, stage=Stage.PROMOTED, promoted_at=at, at=at)
    return replace(made, **updates)


def test_a_rotation_is_read_as_it_was_kept(aws: Aws, account: str) -> None:
    rotations = DynamoDbRotations(aws.dynamodb, ACCOUNTS)
    assert rotations.read(account) is None
    for each in (rotation(account), rotation(account, stage=Stage.KEPT, at=START + SECOND)):
        rotations.keep(each)
        assert rotations.read(account) == each


def test_tables_that_cannot_be_reached_are_told(aws: Aws, account: str) -> None:
    clock = FakeClock()
    nowhere = DynamoDbKeyNotes(aws.dynamodb, "no-such-table", now=clock.now)
    rotations = DynamoDbRotations(aws.dynamodb, "no-such-table")
    for call in (
        lambda: nowhere.key_notes(account, OLD),
        lambda: nowhere.note_refusal(account, OLD),
        lambda: rotations.read(account),
        lambda: rotations.keep(rotation(account)),
    ):
        with pytest.raises(LedgerUnavailable, match="ResourceNotFoundException"):
            call()
