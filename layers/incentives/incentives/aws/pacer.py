"""The pacer in DynamoDB: one item per account, one conditional update per call to Amazon.

    idle   tat is absent or in the past     tat = now + interval      the slot is now
    busy   tat is now or later, not far     tat = tat + interval      the slot is the old tat

The update that adds needs no look at the old value, so callers in a crowd do not get into each other's way.

Slots are as far apart as the interval by the callers' own clocks. A caller whose clock is ahead finds slots later than
need be, and one whose clock is behind waits longer; neither gets more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from incentives.aws.calls import AWS_ERRORS, AwsClient, answer_of, error_code
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.pacing import Full, Slot, from_milliseconds, interval_milliseconds, to_milliseconds

#: Idle, busy, and once more each for callers that change the state between our two looks.
TRIES_MAX: Final = 4

#: Nobody waits this long for a slot, so a tat that lies further off was written by a clock that was wrong. Obeying it
#: would close the account until that time has come.
ABSURDLY_FAR: Final = timedelta(hours=1)


class DynamoDbPacer:
    """`Pacer` on one DynamoDB table.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
        requests_per_second: the pace of each account.
        now: aware UTC.
    """

    def __init__(
        self, client: AwsClient, table: str, *, requests_per_second: float, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._table = table
        self._interval = interval_milliseconds(requests_per_second)
        self._now = now
        #: Where the account's tat was when last seen: tells which of the two updates to try first.
        self._last_seen: dict[str, int] = {}

    def reserve(self, account: str, *, wait_seconds_max: float) -> Slot | Full:
        """Take the next slot if it begins soon enough; otherwise nothing is taken.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        busy = self._last_seen.get(account, 0) >= to_milliseconds(self._now())
        tat = 0
        for _ in range(TRIES_MAX):
            now = to_milliseconds(self._now())
            latest = now + int(wait_seconds_max * 1000)
            taken, tat = self._add(account, now, latest) if busy else self._start(account, now)
            self._last_seen[account] = tat
            if taken:
                return Slot(from_milliseconds(tat - self._interval))
            busy = now <= tat <= now + _ABSURDLY_FAR_MILLISECONDS
            if busy and tat > latest:
                return Full(from_milliseconds(tat))
        return Full(from_milliseconds(tat) + timedelta(milliseconds=self._interval))

    def _start(self, account: str, now: int) -> tuple[bool, int]:
        return self._update(
            account,
            "SET tat = :next",
            "attribute_not_exists(tat) OR tat < :now OR tat > :absurd",
            {":next": now + self._interval, ":now": now, ":absurd": now + _ABSURDLY_FAR_MILLISECONDS},
        )

    def _add(self, account: str, now: int, latest: int) -> tuple[bool, int]:
        return self._update(
            account,
            "SET tat = tat + :interval",
            "tat BETWEEN :now AND :latest",
            {":interval": self._interval, ":now": now, ":latest": latest},
        )

    def _update(self, account: str, update: str, condition: str, values: dict[str, int]) -> tuple[bool, int]:
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": account}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AWS_ERRORS as error:
            if error_code(error) != "ConditionalCheckFailedException":
                # No slot, no call: nothing was written that counts.
                raise LedgerUnavailable(f"the pace could not be kept ({error_code(error)})", in_doubt=False) from error
            return False, _read_tat(account, answer_of(error).get("Item") or {})
        tat = _read_tat(account, answer.get("Attributes") or {})
        if not tat:
            raise LedgerUnavailable("the pace could not be kept (an answer without a time)", in_doubt=False)
        return True, tat


def _read_tat(account: str, item: Mapping[str, Any]) -> int:
    """An item's tat; 0, long past, if there is none."""
    if "tat" not in item:
        return 0
    try:
        return int(item["tat"]["N"])
    except (KeyError, ValueError):
        raise LedgerUnavailable(
            f"the pacer's item of account {account!r} holds no number; deleting it starts the pace anew", in_doubt=False
        ) from None


_ABSURDLY_FAR_MILLISECONDS: Final = ABSURDLY_FAR // timedelta(milliseconds=1)
