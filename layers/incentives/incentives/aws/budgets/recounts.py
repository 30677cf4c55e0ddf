"""What budgets are counted again from: the ledger by day, the bulk orders, and what requests were counted as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.batches import ItemReader
from incentives.aws.clients import unavailable
from incentives.aws.items import Expression, decode, encode, format_time, parse_time
from incentives.aws.single_requests.record_items import WAKE_PARTITIONS
from incentives.domain.accounts.spend import minor_units
from incentives.domain.budgets.recount import Counted, HeldOrder, HeldRequest
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.money import Money
from incentives.domain.single_requests.record import Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_read: Final = unavailable("what budgets are counted from could not be read")

#: Attributes of a record that are looked at.
_OF_RECORD: Final = (
    *("id", "account", "budget", "budgetPeriod", "amount", "currencyCode", "status", "createdAt", "updatedAt"),
    *("answeredAt", "generation", "replaces", "replacedBy", "orderId"),
)


class DynamoDbRecounts:
    """`Recounts` on the tables of ledger, accounts and orders.

    Args:
        sleep: waits before keys that were left unread are asked for again, in seconds.
    """

    def __init__(
        self, client: DynamoDBClient, *, ledger: str, accounts: str, orders: str, sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._orders = orders
        self._counted = ItemReader(client, accounts, sleep=sleep, ours=_unread)
        self._of_orders = ItemReader(client, orders, sleep=sleep, ours=_unread)

    def requests(self, account: str, day: date) -> Iterator[HeldRequest]:
        """Requests that name a budget, created on a day (UTC)."""
        expression = Expression(partition=f"{account}#{day.isoformat()}")
        shown = ", ".join(map(expression.name, _OF_RECORD))
        for item in self._pages(
            TableName=self._ledger,
            IndexName="by-account-day",
            KeyConditionExpression="accountDay = :partition",
            FilterExpression=f"attribute_exists({expression.name('budget')})",
            ProjectionExpression=shown,
            **expression.arguments,
        ):
            yield _request_of(item)

    def open_accounts(self) -> set[str]:
        """Accounts that have open requests."""
        found = set[str]()
        for partition in WAKE_PARTITIONS:
            expression = Expression(open=partition)
            account = expression.name("account")
            pages = self._pages(
                TableName=self._ledger,
                IndexName="by-wake",
                KeyConditionExpression="wakePartition = :open",
                ProjectionExpression=account,
                **expression.arguments,
            )
            found.update(item["account"] for item in pages)
        return found

    def counted(self, requests: Sequence[tuple[str, str]]) -> Mapping[str, Counted]:
        """What requests were counted as, by request id, where they were."""
        keys = [encode({"account": account, "part": f"counted#{each}"}) for account, each in dict.fromkeys(requests)]
        found = map(decode, self._counted.items(keys))
        return {values["part"].removeprefix("counted#"): _counted_of(values) for values in found}

    def orders(self, since: datetime, known: Iterable[str] = ()) -> Mapping[str, HeldOrder]:
        """Bulk orders that name a budget, by their ids: those that are not finished, new ones and known ones."""
        expression = Expression(listed="orders", finished=OrderStatus.FINISHED, since=format_time(since))
        status, budget = map(expression.name, ("status", "budget"))
        listed = self._pages(
            TableName=self._orders,
            IndexName="by-created",
            KeyConditionExpression=f"{expression.name('listed')} = :listed",
            FilterExpression=f"attribute_exists({budget}) AND ({status} <> :finished OR createdAt >= :since)",
            ProjectionExpression="orderId",
            **expression.arguments,
        )
        ids = dict.fromkeys([*known, *(values["orderId"] for values in listed)])
        keys = [encode({"orderId": each, "part": "order"}) for each in ids]
        orders = map(_order_of, map(decode, self._of_orders.items(keys)))
        return {order.order_id: order for order in orders}

    def _pages(self, **query: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - DynamoDB's own parameters
        start: dict[str, Any] = {}
        while True:
            with _read:
                response = self._client.query(**query, **start)
            yield from map(decode, response["Items"])
            if "LastEvaluatedKey" not in response:
                return
            start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def _unread(code: str) -> LedgerUnavailable:
    return LedgerUnavailable(f"what budgets are counted from could not be read ({code})", in_doubt=False)


def _request_of(values: Mapping[str, Any]) -> HeldRequest:
    answered = values.get("answeredAt")
    return HeldRequest(
        request_id=values["id"],
        account=values["account"],
        budget=values["budget"],
        period=values.get("budgetPeriod", ""),
        amount=minor_units(Money(Decimal(values["amount"]), values["currencyCode"])),
        status=Status(values["status"]),
        created_at=parse_time(values["createdAt"]),
        updated_at=parse_time(values["updatedAt"]),
        answered_at=parse_time(answered) if answered else None,
        generation=values.get("generation", 0),
        replaces=values.get("replaces"),
        replaced_by=values.get("replacedBy"),
        order_id=values.get("orderId"),
    )


def _counted_of(values: Mapping[str, Any]) -> Counted:
    # Items of before budgets lack the last two.
    at = values.get("countedAt")
    return Counted(values.get("minor", 0), values.get("givenBack", False), parse_time(at) if at else None)


def _order_of(values: Mapping[str, Any]) -> HeldOrder:
    began, finished = values.get("issuingSince"), values.get("finishedAt")
    return HeldOrder(
        order_id=values["orderId"],
        budget=values["budget"],
        period=values.get("budgetPeriod", ""),
        held=values.get("held", 0),
        created_at=parse_time(values["createdAt"]),
        began_at=parse_time(began) if began else None,
        finished_at=parse_time(finished) if finished else None,
    )
