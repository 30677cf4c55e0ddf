"""The ledger by account and day: the index `by-account-day`, one partition a day and account."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code
from incentives.aws.single_requests.record_items import decode_record
from incentives.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record


class DynamoDbIndex:
    """`Index` on the ledger's table. It lags behind the ledger by a moment."""

    def __init__(self, client: AwsClient, table: str) -> None:
        self._client = client
        self._table = table

    def day(self, account: str, day: date, before: str | None, limit: int) -> tuple[list[tuple[str, Record]], bool]:
        """Records created on a day, newest first, each with its sort key, and whether there are more.

        Raises:
            LedgerUnavailable: the index cannot be read.
        """
        values = {":partition": {"S": f"{account}#{day.isoformat()}"}}
        condition = "accountDay = :partition"
        if before is not None:
            condition += " AND createdKey < :before"
            values[":before"] = {"S": before}
        try:
            response = self._client.query(
                TableName=self._table,
                IndexName="by-account-day",
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                Limit=limit,
            )
        except AWS_ERRORS as error:
            raise LedgerUnavailable(
                f"the ledger could not be searched ({error_code(error)})", in_doubt=False
            ) from error
        rows = [(item["createdKey"]["S"], decode_record(item)) for item in response["Items"]]
        return rows, "LastEvaluatedKey" in response
