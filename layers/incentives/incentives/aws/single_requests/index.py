"""The ledger by account and day: the index `by-account-day`, one partition a day and account."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from incentives.aws.clients import unavailable
from incentives.aws.items import Expression, decode
from incentives.aws.single_requests.record_items import record_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from incentives.domain.single_requests.record import Record


class DynamoDbIndex:
    """`Index` on the ledger's table. It lags behind the ledger by a moment."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    @unavailable("the ledger could not be searched")
    def day(self, account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        """Records created on a day, newest first, each with its sort key, and whether there are more.

        Raises:
            LedgerUnavailable: the index cannot be read.
        """
        expression = Expression(partition=f"{account}#{day.isoformat()}")
        condition = "accountDay = :partition"
        if before is not None:
            condition += f" AND createdKey < {expression.value(before)}"
        response = self._client.query(
            TableName=self._table,
            IndexName="by-account-day",
            KeyConditionExpression=condition,
            ScanIndexForward=False,
            Limit=limit,
            **expression.arguments,
        )
        rows = [(values["createdKey"], record_of(values)) for values in map(decode, response["Items"])]
        return rows, "LastEvaluatedKey" in response
