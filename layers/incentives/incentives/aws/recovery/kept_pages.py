"""The last page of Amazon's activity that anybody was shown, by account, in an item on the rate limiter's table.

Its key is `book#` and the account's name, which no account is called. Of the page's rows only the request ids are kept:
40 characters each and a thousand at most, a tenth of what an item may hold. One that is deleted is asked for anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.clients import condition_failed, unavailable
from incentives.aws.items import Expression, Item, decode, encode
from incentives.domain.rate_limit import from_milliseconds, to_milliseconds
from incentives.domain.recovery.kept_page import RESPONSES_APART, KeptPage
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = "book#"

#: A page with a date that Amazon's clock never showed speaks for nobody, and must not stay.
_NEVER_SHOWN_MILLISECONDS: Final = RESPONSES_APART // timedelta(milliseconds=1)

_TYPES: Final = {"partnerId": str, "asOf": int, "since": int, "isAvailable": bool, "isWhole": bool, "requestIds": set}


class DynamoDbKeptPages:
    """`KeptPages` on the rate limiter's table.

    Args:
        table: the table's name.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    @unavailable("the page of Amazon's book could not be read")
    def kept(self, account: str) -> KeptPage | None:
        """Return the account's page; None if there is none that can be read.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        # A page that was overwritten a moment ago is still a page.
        response = self._client.get_item(TableName=self._table, Key=_key(account))
        item = response.get("Item")
        return _decode(item) if item else None

    @unavailable("the page of Amazon's book could not be written")
    def keep(self, account: str, page: KeptPage) -> None:
        """Keep a page, unless the one that is there is newer.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        as_of = to_milliseconds(page.as_of)
        # None of ours is longer, and DynamoDB knows no empty set.
        request_ids = {each for each in page.request_ids if 0 < len(each) <= REQUEST_ID_LENGTH_MAX}
        expression = Expression(
            number="N",
            partnerId=page.partner_id,
            asOf=as_of,
            neverShown=as_of + _NEVER_SHOWN_MILLISECONDS,
            since=to_milliseconds(page.since),
            isAvailable=page.is_available,
            isWhole=page.is_whole,
        )
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(account),
                UpdateExpression="SET partnerId = :partnerId, asOf = :asOf, since = :since, "
                "isAvailable = :isAvailable, isWhole = :isWhole"
                + (f", requestIds = {expression.value(request_ids)}" if request_ids else " REMOVE requestIds"),
                ConditionExpression="NOT attribute_type(asOf, :number) OR asOf < :asOf OR asOf > :neverShown",
                **expression.arguments,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise


def _key(account: str) -> Item:
    return encode({"id": f"{_KEY}{account}"})


def _decode(item: Mapping[str, Any]) -> KeptPage | None:
    values = {"requestIds": set(), **decode(item)}
    try:
        if any(type(values[name]) is not kind for name, kind in _TYPES.items()):
            return None
        return KeptPage(
            partner_id=values["partnerId"],
            as_of=from_milliseconds(values["asOf"]),
            since=from_milliseconds(values["since"]),
            is_available=values["isAvailable"],
            is_whole=values["isWhole"],
            request_ids=frozenset(values["requestIds"]),
        )
    except (KeyError, ValueError, OverflowError, OSError):
        # It is none of ours, so it says nothing; the next page takes its place.
        return None
