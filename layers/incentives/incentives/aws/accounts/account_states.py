"""What is known of accounts without asking Amazon, in one DynamoDB table: a partition per account.

    part              holds
    counted#REQUEST   what a request was counted as: version, day, operation, amount; for 60 days. With a budget also
                      whether its hold was given back (once so, always so), and when it was counted; for 400 days
    day#2026-11-22    the totals of a UTC day, per currency and operation; for 400 days
    funds             the balance as Amazon last told it, and since when it is known
    watch             the alerts that stand

Parts sort as they stand here, so one query reads the last days, the balance and the alerts, and none of the requests:
some twenty small items, however large the ledger is. The partition `#accounts` lists the accounts that there are; no
account's name can hold a `#`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.clients import condition_failed, unavailable
from incentives.aws.items import Expression, Item, decode, encode, format_time, parse_time
from incentives.aws.transactions import CONDITION_FAILED, CONFLICT, Cancelled
from incentives.domain.accounts.account import AccountFunds
from incentives.domain.accounts.alerts import Alert, AlertStanding, Raised
from incentives.domain.accounts.funds import STALE_MAX, AccountState, Snapshot
from incentives.domain.accounts.spend import (
    AVERAGE_DAYS,
    TOTALS_FOR,
    Charge,
    Kind,
    Tally,
    charge_of,
    counted_for,
    difference,
    forgotten,
    is_to_be_given_back,
    minor_units,
    money_of,
)
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.operations import Operation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.aws.budgets.holds import DynamoDbHolds
    from incentives.domain.single_requests.record import Record

#: The partition that lists the accounts.
_LIST: Final = "#accounts"

#: Shards of the ledger's stream meet at a day's totals, and whoever takes from a budget meets them at its period; each
#: meeting lasts for some milliseconds. Full jitter: each wait is drawn evenly from nothing to a bound that doubles.
TRIES_MAX: Final = 12
WAIT_SECONDS: Final = 0.01
WAIT_SECONDS_MAX: Final = 0.2

_read: Final = unavailable("the accounts' table could not be read")
_written: Final = unavailable("the accounts' table could not be written")


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a request was counted as, and which version of it.

    Attributes:
        given_back: what it held of its budget was given back; once so, always so.
    """

    version: int
    charge: Charge | None
    given_back: bool = False


class DynamoDbAccountStates:
    """`SpendStates` and `WatchStates` on one DynamoDB table.

    Args:
        table: the table's name.
        ledger_table: of the records; giving back has a condition on their versions.
        holds: what gives back to budgets.
        sleep: waits between two tries, in seconds.
        random: evenly between 0 and 1.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        ledger_table: str,
        holds: DynamoDbHolds,
        sleep: Callable[[float], None],
        random: Callable[[], float],
    ) -> None:
        self._client = client
        self._table = table
        self._ledger_table = ledger_table
        self._holds = holds
        self._sleep = sleep
        self._random = random
        #: Accounts that this process has listed.
        self._listed: set[str] = set()

    @_read
    def read(self, account: str, today: date) -> AccountState:
        """Read what is known of an account, in one query.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        first = today - timedelta(days=AVERAGE_DAYS)
        response = self._client.query(
            TableName=self._table,
            KeyConditionExpression="account = :account AND part BETWEEN :first AND :last",
            ConsistentRead=True,
            **Expression(account=account, first=f"day#{first.isoformat()}", last="watch").arguments,
        )
        parts = {item["part"]: item for item in map(decode, response["Items"])}
        funds = parts.get("funds")
        return AccountState(
            snapshot=_read_snapshot(account, funds) if funds else None,
            known_since=parse_time(funds["knownSince"]) if funds else None,
            days={
                date.fromisoformat(part.removeprefix("day#")): _read_totals(item)
                for part, item in parts.items()
                if part.startswith("day#")
            },
            standing=_read_standing(parts["watch"]) if "watch" in parts else AlertStanding(),
        )

    @_written
    def keep_funds(self, snapshot: Snapshot) -> None:
        """Keep a balance, unless a newer one is kept already.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        self._list(snapshot.funds.account)
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(snapshot.funds.account, "funds"),
                UpdateExpression=(
                    "SET available = :available, currencyCode = :currency, asOf = :asOf, takenAt = :takenAt, "
                    "knownSince = if_not_exists(knownSince, :takenAt)"
                ),
                # One from the future is the work of a wrong clock, and must not keep others out until it comes true.
                ConditionExpression="attribute_not_exists(takenAt) OR takenAt < :takenAt OR takenAt > :future",
                **Expression(
                    available=minor_units(snapshot.funds.available),
                    currency=snapshot.funds.available.currency,
                    asOf=snapshot.funds.as_of,
                    takenAt=snapshot.taken_at,
                    future=snapshot.taken_at + STALE_MAX,
                ).arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise

    @_read
    def accounts(self) -> list[str]:
        """The accounts that have ever been asked about or charged.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        # One page: it holds the names of ten thousand accounts.
        response = self._client.query(
            TableName=self._table, KeyConditionExpression="account = :list", **Expression(list=_LIST).arguments
        )
        return [item["part"] for item in map(decode, response["Items"])]

    @_written
    def keep_standing(self, account: str, standing: AlertStanding) -> bool:
        """Write the alerts that stand, unless others have written since they were read.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        expression = Expression(alerts=_standing_text(standing), next=standing.version + 1)
        unchanged = f"version = {expression.value(standing.version)}" if standing.version else _NEW
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(account, "watch"),
                UpdateExpression="SET alerts = :alerts, version = :next",
                ConditionExpression=unchanged,
                **expression.arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return False
        return True

    @_written
    def count(self, record: Record, was: Charge | None, now: datetime) -> bool:
        """Count a request as its record stands, unless a newer version of it has been counted.

        What it counts as, the totals of the day and its budget are one transaction: none is seen without the others.
        Only the newest version gives back what was held. Where the ledger has a newer one, nothing is counted: the
        stream tells of that one, too.

        Raises:
            LedgerUnavailable: the table cannot be written. Counting again is harmless.
        """
        self._list(record.account)
        charge = charge_of(record)
        for number in range(TRIES_MAX):
            seen = self._counted(record)
            if seen is not None and seen.version >= record.version:
                return False
            counted = seen.charge if seen else forgotten(was, now.astimezone(UTC).date(), counted_for(record))
            gives_back = is_to_be_given_back(record) and not (seen and seen.given_back)
            given_back = gives_back or (seen is not None and seen.given_back)
            target = _Counted(record.version, charge, given_back)
            # The guard comes first, so that a response tells whether it was that.
            writes: list[Any] = [self._guard(record)] if gives_back else []
            writes += [self._put_counted(record, target, seen, now), *self._of_budget(record, counted, charge)]
            writes += [self._holds.give_back(*_share(record))] if gives_back else []
            writes += [
                self._add_totals(record.account, day, kinds) for day, kinds in difference(counted, charge).items()
            ]
            try:
                self._client.transact_write_items(TransactItems=writes)
            except ClientError as error:
                cancelled = Cancelled(error, len(writes))
                if gives_back and cancelled.failed(0):
                    return False
                if not cancelled.codes or not cancelled.codes <= {CONDITION_FAILED, CONFLICT}:
                    raise
            else:
                return True
            self._sleep(self._random() * min(WAIT_SECONDS_MAX, WAIT_SECONDS * 2**number))
        raise LedgerUnavailable("the day's totals are written by too many at once", in_doubt=False)

    def _guard(self, record: Record) -> dict[str, Any]:
        """That a record still has the version that is counted: a renewal takes over what it would give back."""
        expression = Expression(version=record.version)
        return {
            "ConditionCheck": {
                "TableName": self._ledger_table,
                "Key": encode({"id": record.request_id}),
                "ConditionExpression": f"{expression.name('version')} = :version",
                **expression.arguments,
            }
        }

    def _of_budget(self, record: Record, counted: Charge | None, charge: Charge | None) -> list[dict[str, Any]]:
        """The action, if any, that changes what is spent of a record's budget."""
        if record.budget is None or record.budget_period is None:
            return []
        now, before = (minor_units(each.value) if each else 0 for each in (charge, counted))
        name, period, _ = _share(record)
        return [self._holds.add_spent(name, period, now - before)] if now != before else []

    @_read
    def _counted(self, record: Record) -> _Counted | None:
        response = self._client.get_item(TableName=self._table, Key=encode(_counted_key(record)), ConsistentRead=True)
        return _read_counted(decode(response["Item"])) if "Item" in response else None

    def _put_counted(self, record: Record, target: _Counted, seen: _Counted | None, now: datetime) -> dict[str, Any]:
        charge = target.charge
        item: dict[str, object] = {
            **_counted_key(record),
            "version": target.version,
            "expiresAt": int((now + counted_for(record)).timestamp()),
            "givenBack": target.given_back or None,
            # The recount has to know what was counted before it looked.
            "countedAt": now if record.budget is not None else None,
        }
        if charge is not None:
            item |= {
                "day": charge.day.isoformat(),
                "operation": charge.operation,
                "currencyCode": charge.value.currency,
                "minor": minor_units(charge.value),
            }
        expression = Expression()
        unchanged = _NEW if seen is None else f"version = {expression.value(seen.version)}"
        return {
            "Put": {
                "TableName": self._table,
                "Item": encode(item),
                "ConditionExpression": unchanged,
                **expression.arguments,
            }
        }

    def _add_totals(self, account: str, day: date, kinds: Mapping[Kind, Tally]) -> dict[str, Any]:
        until = datetime(day.year, day.month, day.day, tzinfo=UTC) + TOTALS_FOR
        expression = Expression(until=int(until.timestamp()))
        adds = [
            f"{expression.name(f'{currency}#{operation.value}#{what}')} {expression.value(amount)}"
            for (currency, operation), tally in kinds.items()
            for what, amount in (("minor", tally.minor), ("count", tally.count), ("undone", tally.undone))
            if amount or what != "undone"
        ]
        return {
            "Update": {
                "TableName": self._table,
                "Key": _key(account, f"day#{day.isoformat()}"),
                "UpdateExpression": f"ADD {', '.join(adds)} SET expiresAt = :until",
                **expression.arguments,
            }
        }

    @_written
    def _list(self, account: str) -> None:
        """Note that there is such an account; once per process."""
        if account in self._listed:
            return
        self._client.put_item(TableName=self._table, Item=_key(_LIST, account))
        self._listed.add(account)


_NEW: Final = "attribute_not_exists(version)"


def _key(account: str, part: str) -> Item:
    return encode({"account": account, "part": part})


def _counted_key(record: Record) -> dict[str, str]:
    return {"account": record.account, "part": f"counted#{record.request_id}"}


def _read_counted(item: Mapping[str, Any]) -> _Counted:
    charge = None
    if "day" in item:
        charge = Charge(
            date.fromisoformat(item["day"]), Operation(item["operation"]), money_of(item["minor"], item["currencyCode"])
        )
    return _Counted(item["version"], charge, item.get("givenBack", False))


def _share(record: Record) -> tuple[str, str, int]:
    """What a record with a budget holds of it: which, in which period, and how much."""
    return record.budget or "", record.budget_period or "", minor_units(record.value)


def _read_totals(item: Mapping[str, Any]) -> dict[Kind, Tally]:
    found: dict[Kind, Tally] = {}
    for name in item:
        match name.split("#"):
            case [currency, operation, "minor"]:
                count = item[f"{currency}#{operation}#count"]
                undone = item.get(f"{currency}#{operation}#undone", 0)
                found[currency, Operation(operation)] = Tally(item[name], count, undone)
    return found


def _standing_text(standing: AlertStanding) -> str:
    alerts = {
        alert.value: {
            "since": format_time(raised.since),
            "told": raised.told,
            **({} if raised.needed is None else {"needed": f"{raised.needed:f}"}),
        }
        for alert, raised in standing.alerts.items()
    }
    return json.dumps(alerts, separators=(",", ":"))


def _read_standing(item: Mapping[str, Any]) -> AlertStanding:
    kept = json.loads(item["alerts"])
    # A version of tomorrow may know more alerts, and a deployment be rolled back.
    alerts = {
        Alert(name): Raised(
            parse_time(each["since"]), each["told"], Decimal(each["needed"]) if "needed" in each else None
        )
        for name, each in kept.items()
        if name in set(Alert)
    }
    return AlertStanding(alerts, item["version"])


def _read_snapshot(account: str, item: Mapping[str, Any]) -> Snapshot:
    available = money_of(item["available"], item["currencyCode"])
    return Snapshot(AccountFunds(account, available, parse_time(item["asOf"])), parse_time(item["takenAt"]))
