"""The rate limiter in DynamoDB: one item per account, one conditional update per call to Amazon.

    idle   tat is absent or in the past     tat = now + interval      the permit is now
    busy   tat is now or later, not far     tat = tat + interval      the permit is the old tat

The update that adds needs no look at the old value, so callers in a crowd do not get into each other's way.

The item's attributes, all milliseconds since the epoch unless said otherwise:

    tat           when the next permit begins
    clockAt       the clock of whoever wrote last; clockBefore: of whoever wrote before
    lineTat       when a request that joins the backlog now will be due
    slowedAt      when Amazon last throttled a call
    slowInterval  the interval that this set, in milliseconds
    fundsTat, activityTat    when the allowance may be used again
    activityWantedAt    when recovery last found the activity page taken; what asks in bulk leaves it alone for a while
    frozen        1: the account is frozen; 0 or none: it is not. A copy: the truth is with the account
    freezeVersion of that copy: only a newer version overwrites it

Clocks differ, and permits taken by differing clocks would leave in bunches. So `clockAt` is everybody's clock: whoever
finds itself behind it goes by it from then on, and all go by the one that is furthest ahead. Waits are differences
between two readings of it, so it does not matter whether it is right; but nothing may be written by another one. Nobody
far behind it gets a write through, so that whoever comes next still finds it.

Were a newcomer a little ahead to be followed at once, its permits would begin among those that others wait for. So it
first takes its lead for the time that has passed since the last write, and holds its own clock back by that much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.clients import condition_failed, response_of, unavailable
from incentives.aws.items import Expression, decode, encode
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import (
    ACTIVITY_WANTED_APART_MILLISECONDS,
    ACTIVITY_YIELDED_MILLISECONDS,
    ALLOWANCE_MILLISECONDS,
    SLOW_DOWN_APART_MILLISECONDS,
    Allowance,
    Frozen,
    Full,
    Pace,
    Permit,
    Priority,
    from_milliseconds,
    slower,
    to_milliseconds,
    yields,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Of the attributes that tell when a call which a key signs last took its permit; the key's print follows.
USED: Final = "used"

#: Idle, busy, a clock, a slow-down or a line unheard of, and more for callers that change the state between our looks.
TRIES_MAX: Final = 6

#: Nobody waits this long for a permit, so a tat this far ahead of everybody's clock is a mistake. Obeying it would
#: close the account until that time has come.
ABSURDLY_FAR: Final = timedelta(hours=1)

#: Writes overtake each other, so a clock a little behind everybody's is none to object to.
CLOCKS_APART_MILLISECONDS: Final = 1_000

#: A newcomer holds its clock back by no more: its first calls leave this much late at worst, and at eight a second two
#: more in one second are not too many.
HELD_BACK_MILLISECONDS: Final = 250

#: After such a silence there is nobody left who waits for a permit.
SILENCE_MILLISECONDS: Final = 3_000


@dataclass(frozen=True, slots=True)
class _Item:
    """An account's item as it was last seen; 0, long past, where there is nothing. Named as in the table."""

    tat: int = 0
    clockAt: int = 0  # noqa: N815
    clockBefore: int = 0  # noqa: N815
    lineTat: int = 0  # noqa: N815
    slowedAt: int = 0  # noqa: N815
    slowInterval: int = 0  # noqa: N815
    fundsTat: int = 0  # noqa: N815
    activityTat: int = 0  # noqa: N815
    activityWantedAt: int = 0  # noqa: N815
    frozen: int = 0
    freezeVersion: int = 0  # noqa: N815

    def free_at(self, allowance: Allowance | None) -> int:
        """When an allowance may be used again."""
        match allowance:
            case Allowance.FUNDS:
                return self.fundsTat
            case Allowance.ACTIVITY:
                return self.activityTat
            case None:
                return 0


class DynamoDbRateLimiter:
    """`RateLimiter` on one DynamoDB table.

    Args:
        table: the table's name.
        pace: of each account.
        now: aware UTC.
        key_of: the print of the key that an account's next call is signed with, if it is known; noted with each permit.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        pace: Pace,
        now: Callable[[], datetime],
        key_of: Callable[[str], str | None] = lambda _account: None,
    ) -> None:
        self._client = client
        self._table = table
        self._pace = pace
        self._now = now
        self._key_of = key_of
        #: Each account's item: tells which update to try first, and at which pace.
        self._items: dict[str, _Item] = {}
        #: Milliseconds by which everybody's clock is ahead of ours; less than none if we hold ours back.
        self._behind: dict[str, int] = {}

    def reserve(  # noqa: C901 - one branch per condition of the one update
        self, account: str, priority: Priority, *, allowance: Allowance | None = None, never_sent: bool = False
    ) -> Permit | Full | Frozen:
        """Take the next permit if it begins soon enough; otherwise nothing is taken.

        Args:
            account: whose.
            priority: who asks.
            allowance: what must be free as well when the permit begins.
            never_sent: Amazon has never seen what the permit is for: there is none while the account is frozen.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        patience = self._pace.patience(priority)
        seen = _Item()
        for _ in range(TRIES_MAX):
            now, seen = self._look(account)
            interval = self._pace.interval_at(now, seen.slowedAt, seen.slowInterval)
            updates, conditions, values = [], [], {"now": now}
            busy = now <= seen.tat <= now + _ABSURDLY_FAR
            if busy:
                updates.append("tat = tat + :interval")
                conditions.append("tat BETWEEN :now AND :latest")
                values |= {"interval": interval, "latest": now + patience + self._pace.tolerance}
            else:
                updates.append("tat = :next")
                conditions.append("(attribute_not_exists(tat) OR tat < :idle OR tat > :absurd)")
                idle = now - self._held_back(account)
                values |= {"next": now + interval, "idle": idle, "absurd": now + _ABSURDLY_FAR}
            if allowance is not None:
                name, begins = f"{allowance.value}Tat", "tat" if busy else ":now"
                updates.append(f"{name} = {begins} + :apart")
                conditions.append(f"(attribute_not_exists({name}) OR {name} <= {begins})")
                values["apart"] = ALLOWANCE_MILLISECONDS[allowance]
            if yields(priority, allowance):
                conditions.append("(attribute_not_exists(activityWantedAt) OR activityWantedAt <= :yielded)")
                values["yielded"] = now - ACTIVITY_YIELDED_MILLISECONDS
            if priority is Priority.CALLER:
                # Who came before us and was told to wait goes first.
                conditions.append("(attribute_not_exists(lineTat) OR lineTat <= :soon)")
                values["soon"] = now + patience
            if never_sent:
                conditions.append(_UNFROZEN)
                values["unfrozen"] = 0
            # At the pace that we know of; a slow-down of long ago makes no difference.
            as_seen, slowed = _slowed_as(seen)
            conditions.append(f"({as_seen} OR slowedAt < :forgotten)")
            values |= slowed | {"forgotten": now - self._pace.climbed_back_after}
            key = self._key_of(account)
            if key is not None:
                updates.append(f"{USED}{key} = :now")
            taken, seen = self._update(account, updates, conditions, values)
            if taken:
                permit = seen.tat - interval - self._pace.tolerance if busy else now
                return Permit(self._moment(account, max(permit, now)))
            if never_sent and seen.frozen:
                return Frozen()
            full_until = self._full_until(account, seen, priority, allowance)
            if full_until is not None:
                return self._full(account, *full_until)
        return self._full(account, seen.tat + self._pace.interval, seen.tat + self._pace.interval - patience)

    def line_up(self, account: str) -> datetime | Frozen:
        """Join the line of requests that wait for a permit.

        Returns:
            About when it will be due. Nothing is reserved: whoever takes it up then asks for a permit.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        seen = _Item()
        for _ in range(TRIES_MAX):
            now, seen = self._look(account)
            now -= self._held_back(account)
            interval = self._pace.interval_at(now, seen.slowedAt, seen.slowInterval)
            if now <= seen.lineTat:
                updates, conditions = ["lineTat = lineTat + :interval"], ["lineTat >= :now"]
                values = {"now": now, "interval": interval}
            else:
                soonest = max(now, seen.tat if seen.tat <= now + _ABSURDLY_FAR else 0)
                updates, conditions = ["lineTat = :due"], ["(attribute_not_exists(lineTat) OR lineTat < :now)"]
                values = {"now": now, "due": soonest + interval}
            joined, seen = self._update(account, updates, [*conditions, _UNFROZEN], values | {"unfrozen": 0})
            if joined:
                break
            if seen.frozen:
                return Frozen()
        return self._moment(account, seen.lineTat)

    def slow_down(self, account: str) -> None:
        """Amazon has throttled a call: halve the pace, once for all calls that were under way.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        for _ in range(TRIES_MAX):
            now, seen = self._look(account)
            now -= self._held_back(account)
            if abs(now - seen.slowedAt) < SLOW_DOWN_APART_MILLISECONDS:
                return
            interval = slower(self._pace.interval_at(now, seen.slowedAt, seen.slowInterval))
            as_seen, slowed = _slowed_as(seen)
            updates = ["slowedAt = :now", "slowInterval = :interval"]
            slowed_down, _ = self._update(account, updates, [as_seen], slowed | {"now": now, "interval": interval})
            if slowed_down:
                return

    def freeze(self, account: str, *, frozen: bool, version: int) -> None:
        """Write whether the account is frozen, unless that of a version as new is there.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        for _ in range(TRIES_MAX):
            now, _ = self._look(account)
            written, seen = self._update(
                account,
                ["frozen = :frozen", "freezeVersion = :version"],
                ["(attribute_not_exists(freezeVersion) OR freezeVersion < :version)"],
                {"now": now - self._held_back(account), "frozen": int(frozen), "version": version},
            )
            if written or seen.freezeVersion >= version:
                return
        raise LedgerUnavailable("the pace is written by too many at once", in_doubt=False)

    def want_activity(self, account: str) -> None:
        """Recovery has found the activity page taken: bulk work takes none for a while. Losing it costs nothing.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        now, seen = self._look(account)
        now -= self._held_back(account)
        longest_ago = now - ACTIVITY_WANTED_APART_MILLISECONDS
        if seen.activityWantedAt <= longest_ago:
            # Where others were faster their wish is as good.
            condition = "(attribute_not_exists(activityWantedAt) OR activityWantedAt <= :longest_ago)"
            self._update(account, ["activityWantedAt = :now"], [condition], {"now": now, "longest_ago": longest_ago})

    def _look(self, account: str) -> tuple[int, _Item]:
        return self._clock(account), self._items.get(account, _Item())

    def _clock(self, account: str) -> int:
        return to_milliseconds(self._now()) + self._behind.get(account, 0)

    def _held_back(self, account: str) -> int:
        """By how much more to hold our clock back as long as we know nothing of everybody's."""
        return 0 if account in self._behind else HELD_BACK_MILLISECONDS

    def _moment(self, account: str, milliseconds: int) -> datetime:
        """A time of everybody's clock by our own."""
        return from_milliseconds(milliseconds - self._behind.get(account, 0))

    def _full(self, account: str, next_at: int, again_at: int) -> Full:
        return Full(self._moment(account, next_at), self._moment(account, max(self._clock(account), again_at)))

    def _full_until(
        self, account: str, seen: _Item, priority: Priority, allowance: Allowance | None
    ) -> tuple[int, int] | None:
        """When the next permit for this priority begins, if it is too far off to be taken; and when to ask for it."""
        now = self._clock(account)
        if seen.tat > now + _ABSURDLY_FAR:
            return None
        patience = self._pace.patience(priority)
        waits = [seen.tat - self._pace.tolerance, seen.lineTat if priority is Priority.CALLER else 0]
        too_far = [(wait, wait - patience) for wait in waits if wait > now + patience]
        free_at, ahead = seen.free_at(allowance), max(0, seen.tat - now)
        if free_at > now + ahead:
            # Permits begin this far ahead: who asks earlier gets one that begins before the allowance is free.
            too_far.append((free_at, free_at - ahead))
        if yields(priority, allowance) and (left_until := seen.activityWantedAt + ACTIVITY_YIELDED_MILLISECONDS) > now:
            too_far.append((left_until, left_until))
        return max(too_far, default=None)

    # No permit, no call: nothing was written that counts.
    @unavailable("the pace could not be kept")
    def _update(
        self, account: str, updates: list[str], conditions: list[str], values: Mapping[str, int]
    ) -> tuple[bool, _Item]:
        """Carry out an update if all its conditions hold; whether they did, and the item as it now stands.

        Every update is made by the clock of its `now`, and leaves it behind.
        """
        updates = ["clockBefore = if_not_exists(clockAt, :now)", "clockAt = :now", *updates]
        conditions = [*conditions, "(attribute_not_exists(clockAt) OR clockAt <= :apart_from)"]
        values = {**values, "apart_from": values["now"] + CLOCKS_APART_MILLISECONDS}
        try:
            response = self._client.update_item(
                TableName=self._table,
                Key=encode({"id": account}),
                UpdateExpression="SET " + ", ".join(updates),
                ConditionExpression=" AND ".join(conditions),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **Expression(**values).arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            seen = _read(account, response_of(error).get("Item") or {})
            return False, self._see(account, seen, seen.clockAt)
        seen = _read(account, response.get("Attributes") or {})
        if seen == _Item():
            raise LedgerUnavailable("the pace could not be kept (an answer without a time)", in_doubt=False)
        return True, self._see(account, seen, seen.clockBefore)

    def _see(self, account: str, seen: _Item, clock: int) -> _Item:
        self._items[account] = seen
        ahead = clock - to_milliseconds(self._now())
        if account not in self._behind:
            least = -HELD_BACK_MILLISECONDS if ahead > -SILENCE_MILLISECONDS else 0
            self._behind[account] = max(ahead, least)
        else:
            self._behind[account] = max(ahead, self._behind[account])
        return seen


_UNFROZEN: Final = "(attribute_not_exists(frozen) OR frozen = :unfrozen)"


def _slowed_as(seen: _Item) -> tuple[str, dict[str, int]]:
    """The condition that no slow-down has come since, and its values."""
    if seen.slowedAt:
        return "slowedAt = :slowed", {"slowed": seen.slowedAt}
    return "attribute_not_exists(slowedAt)", {}


def _read(account: str, attributes: Mapping[str, Any]) -> _Item:
    numbers = {name: number for name, number in decode(attributes).items() if name in _NAMES}
    if not all(type(number) is int for number in numbers.values()):
        raise LedgerUnavailable(
            f"the pacer's item of account {account!r} holds no number; deleting it starts the pace anew", in_doubt=False
        )
    return _Item(**numbers)


_NAMES: Final = tuple(each.name for each in fields(_Item))
_ABSURDLY_FAR: Final = ABSURDLY_FAR // timedelta(milliseconds=1)
