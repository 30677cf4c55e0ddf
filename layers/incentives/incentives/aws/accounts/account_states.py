"""What is known of accounts without asking Amazon, in one DynamoDB table: a partition per account.

    part              holds
    counted#REQUEST   what a request was counted as: version, day, operation, amount; for 60 days
    day#2026-11-22    the totals of a UTC day, per currency and operation; for 400 days
    funds             the balance as Amazon last told it, and since when it is known
    watch             the alerts that stand

Parts sort as they stand here, so one query reads the last days, the balance and the alerts, and none of the requests:
some twenty small items, however large the ledger is. The partition `#accounts` lists the accounts that there are; no
account's name can hold a `#`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code, response_of
from incentives.aws.items import format_time, parse_time
from incentives.domain.accounts.account import AccountFunds
from incentives.domain.accounts.alerts import Alert, Raised, Standing
from incentives.domain.accounts.funds import STALE_MAX, AccountState, Snapshot
from incentives.domain.accounts.spend import (
    AVERAGE_DAYS,
    COUNTED_FOR,
    TOTALS_FOR,
    Charge,
    Kind,
    Tally,
    charge_of,
    difference,
    forgotten,
    minor_units,
    money_of,
)
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.operations import Operation

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record

#: The partition that lists the accounts.
_LIST: Final = "#accounts"

#: Shards of the ledger's stream meet at a day's totals; each meeting lasts for some milliseconds.
TRIES_MAX: Final = 8

Item = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a request was counted as, and which version of it."""

    version: int
    charge: Charge | None


class DynamoDbAccountStates:
    """`SpendStates` and `WatchStates` on one DynamoDB table.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
    """

    def __init__(self, client: AwsClient, table: str) -> None:
        self._client = client
        self._table = table
        #: Accounts that this process has listed.
        self._listed: set[str] = set()

    def read(self, account: str, today: date) -> AccountState:
        """Read what is known of an account, in one query.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        first = today - timedelta(days=AVERAGE_DAYS)
        try:
            response = self._client.query(
                TableName=self._table,
                KeyConditionExpression="account = :account AND part BETWEEN :first AND :last",
                ExpressionAttributeValues={
                    ":account": {"S": account},
                    ":first": {"S": f"day#{first.isoformat()}"},
                    ":last": {"S": "watch"},
                },
                ConsistentRead=True,
            )
        except AWS_ERRORS as error:
            raise _unavailable("read", error) from error
        parts = {item["part"]["S"]: item for item in response["Items"]}
        funds = parts.get("funds")
        return AccountState(
            snapshot=_read_snapshot(account, funds) if funds else None,
            known_since=parse_time(funds["knownSince"]["S"]) if funds else None,
            days={
                date.fromisoformat(part.removeprefix("day#")): _read_totals(item)
                for part, item in parts.items()
                if part.startswith("day#")
            },
            standing=_read_standing(parts["watch"]) if "watch" in parts else Standing(),
        )

    def keep_funds(self, snapshot: Snapshot) -> None:
        """Keep a balance, unless a newer one is kept already.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        self._list(snapshot.funds.account)
        taken_at = {"S": format_time(snapshot.taken_at)}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"account": {"S": snapshot.funds.account}, "part": {"S": "funds"}},
                UpdateExpression=(
                    "SET available = :available, currencyCode = :currency, asOf = :asOf, takenAt = :takenAt, "
                    "knownSince = if_not_exists(knownSince, :takenAt)"
                ),
                # One from the future is the work of a wrong clock, and must not keep others out until it comes true.
                ConditionExpression="attribute_not_exists(takenAt) OR takenAt < :takenAt OR takenAt > :future",
                ExpressionAttributeValues={
                    ":available": {"N": str(minor_units(snapshot.funds.available))},
                    ":currency": {"S": snapshot.funds.available.currency},
                    ":asOf": {"S": format_time(snapshot.funds.as_of)},
                    ":takenAt": taken_at,
                    ":future": {"S": format_time(snapshot.taken_at + STALE_MAX)},
                },
            )
        except AWS_ERRORS as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise _unavailable("written", error) from error

    def accounts(self) -> list[str]:
        """The accounts that have ever been asked about or charged.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        try:
            # One page: it holds the names of ten thousand accounts.
            response = self._client.query(
                TableName=self._table,
                KeyConditionExpression="account = :list",
                ExpressionAttributeValues={":list": {"S": _LIST}},
            )
        except AWS_ERRORS as error:
            raise _unavailable("read", error) from error
        return [item["part"]["S"] for item in response["Items"]]

    def keep_standing(self, account: str, standing: Standing) -> bool:
        """Write the alerts that stand, unless others have written since they were read.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"account": {"S": account}, "part": {"S": "watch"}},
                UpdateExpression="SET alerts = :alerts, version = :next",
                ConditionExpression="version = :seen" if standing.version else "attribute_not_exists(version)",
                ExpressionAttributeValues={
                    ":alerts": {"S": _standing_text(standing)},
                    ":next": {"N": str(standing.version + 1)},
                    **({":seen": {"N": str(standing.version)}} if standing.version else {}),
                },
            )
        except AWS_ERRORS as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise _unavailable("written", error) from error
            return False
        return True

    def count(self, record: Record, was: Charge | None, now: datetime) -> bool:
        """Count a request as its record stands, unless a newer version of it has been counted.

        What it counts as and the totals of the day are one transaction: neither is ever seen without the other.

        Raises:
            LedgerUnavailable: the table cannot be written. Counting again is harmless.
        """
        self._list(record.account)
        charge = charge_of(record)
        for _ in range(TRIES_MAX):
            seen = self._counted(record)
            if seen is not None and seen.version >= record.version:
                return False
            counted = seen.charge if seen else forgotten(was, now.astimezone(UTC).date())
            writes = [self._put_counted(record, charge, seen, now)]
            writes += [
                self._add_totals(record.account, day, kinds) for day, kinds in difference(counted, charge).items()
            ]
            try:
                self._client.transact_write_items(TransactItems=writes)
            except AWS_ERRORS as error:
                if not _is_race(error):
                    raise _unavailable("written", error) from error
            else:
                return True
        raise LedgerUnavailable("the day's totals are written by too many at once", in_doubt=False)

    def _counted(self, record: Record) -> _Counted | None:
        try:
            response = self._client.get_item(TableName=self._table, Key=_counted_key(record), ConsistentRead=True)
        except AWS_ERRORS as error:
            raise _unavailable("read", error) from error
        item = response.get("Item")
        return _read_counted(item) if item else None

    def _put_counted(
        self, record: Record, charge: Charge | None, seen: _Counted | None, now: datetime
    ) -> dict[str, Any]:
        item = _counted_key(record) | {
            "version": {"N": str(record.version)},
            "expiresAt": {"N": str(int((now + COUNTED_FOR).timestamp()))},
        }
        if charge is not None:
            item |= {
                "day": {"S": charge.day.isoformat()},
                "operation": {"S": charge.operation.value},
                "currencyCode": {"S": charge.value.currency},
                "minor": {"N": str(minor_units(charge.value))},
            }
        put: dict[str, Any] = {"TableName": self._table, "Item": item}
        if seen is None:
            return {"Put": put | {"ConditionExpression": "attribute_not_exists(version)"}}
        values = {":seen": {"N": str(seen.version)}}
        return {"Put": put | {"ConditionExpression": "version = :seen", "ExpressionAttributeValues": values}}

    def _add_totals(self, account: str, day: date, kinds: Mapping[Kind, Tally]) -> dict[str, Any]:
        names, values, adds = {}, {}, []
        for number, ((currency, operation), tally) in enumerate(kinds.items()):
            for what, amount in (("minor", tally.minor), ("count", tally.count)):
                at = f"{what}{number}"
                names[f"#{at}"] = f"{currency}#{operation.value}#{what}"
                values[f":{at}"] = {"N": str(amount)}
                adds.append(f"#{at} :{at}")
        until = datetime(day.year, day.month, day.day, tzinfo=UTC) + TOTALS_FOR
        values[":until"] = {"N": str(int(until.timestamp()))}
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"account": {"S": account}, "part": {"S": f"day#{day.isoformat()}"}},
                "UpdateExpression": f"ADD {', '.join(adds)} SET expiresAt = :until",
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            }
        }

    def _list(self, account: str) -> None:
        """Note that there is such an account; once per process."""
        if account in self._listed:
            return
        try:
            self._client.put_item(TableName=self._table, Item={"account": {"S": _LIST}, "part": {"S": account}})
        except AWS_ERRORS as error:
            raise _unavailable("written", error) from error
        self._listed.add(account)


def _counted_key(record: Record) -> dict[str, dict[str, str]]:
    return {"account": {"S": record.account}, "part": {"S": f"counted#{record.request_id}"}}


def _read_counted(item: Item) -> _Counted:
    charge = None
    if "day" in item:
        charge = Charge(
            date.fromisoformat(item["day"]["S"]),
            Operation(item["operation"]["S"]),
            money_of(int(item["minor"]["N"]), item["currencyCode"]["S"]),
        )
    return _Counted(int(item["version"]["N"]), charge)


def _read_totals(item: Item) -> dict[Kind, Tally]:
    found: dict[Kind, Tally] = {}
    for name in item:
        match name.split("#"):
            case [currency, operation, "minor"]:
                count = item[f"{currency}#{operation}#count"]
                found[currency, Operation(operation)] = Tally(int(item[name]["N"]), int(count["N"]))
    return found


def _standing_text(standing: Standing) -> str:
    alerts = {
        alert.value: {
            "since": format_time(raised.since),
            "told": raised.told,
            **({} if raised.needed is None else {"needed": f"{raised.needed:f}"}),
        }
        for alert, raised in standing.alerts.items()
    }
    return json.dumps(alerts, separators=(",", ":"))


def _read_standing(item: Item) -> Standing:
    kept = json.loads(item["alerts"]["S"])
    # A version of tomorrow may know more alerts, and a deployment be rolled back.
    alerts = {
        Alert(name): Raised(
            parse_time(each["since"]), each["told"], Decimal(each["needed"]) if "needed" in each else None
        )
        for name, each in kept.items()
        if name in set(Alert)
    }
    return Standing(alerts, int(item["version"]["N"]))


def _read_snapshot(account: str, item: Item) -> Snapshot:
    available = money_of(int(item["available"]["N"]), item["currencyCode"]["S"])
    return Snapshot(AccountFunds(account, available, parse_time(item["asOf"]["S"])), parse_time(item["takenAt"]["S"]))


def _unavailable(what: str, error: BaseException) -> LedgerUnavailable:
    return LedgerUnavailable(f"the accounts' table could not be {what} ({error_code(error)})", in_doubt=False)


def _is_race(error: BaseException) -> bool:
    """Whether a transaction was not carried out only because another one came in between."""
    reasons = response_of(error).get("CancellationReasons") or []
    codes = {str(reason.get("Code")) for reason in reasons} - {"None"}
    return bool(codes) and codes <= {"ConditionalCheckFailed", "TransactionConflict"}
