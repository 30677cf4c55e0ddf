"""The last page of Amazon's activity that anybody was shown, by account, in an item on the rate limiter's table.

Its key is `book#` and the account's name, which no account is called. Of the page's rows only the request ids are kept:
40 characters each and a thousand at most, a tenth of what an item may hold. One that is deleted is asked for anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import from_milliseconds, to_milliseconds
from incentives.domain.recovery.kept_page import RESPONSES_APART, KeptPage
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX

_KEY: Final = "book#"

#: A page with a date that Amazon's clock never showed speaks for nobody, and must not stay.
_NEVER_SHOWN_MILLISECONDS: Final = RESPONSES_APART // timedelta(milliseconds=1)


class DynamoDbKeptPages:
    """`KeptPages` on the rate limiter's table.

    Args:
        client: a low-level DynamoDB client.
        table: the table's name.
    """

    def __init__(self, client: AwsClient, table: str) -> None:
        self._client = client
        self._table = table

    def kept(self, account: str) -> KeptPage | None:
        """Return the account's page; None if there is none that can be read.

        Raises:
            LedgerUnavailable: the table cannot be read.
        """
        try:
            # A page that was overwritten a moment ago is still a page.
            response = self._client.get_item(TableName=self._table, Key=_key(account))
        except AWS_ERRORS as error:
            raise _unavailable("read", error) from error
        item = response.get("Item")
        return _decode(item) if item else None

    def keep(self, account: str, page: KeptPage) -> None:
        """Keep a page, unless the one that is there is newer.

        Raises:
            LedgerUnavailable: the table cannot be written.
        """
        as_of = to_milliseconds(page.as_of)
        # None of ours is longer, and DynamoDB knows no empty set.
        request_ids = sorted(each for each in page.request_ids if 0 < len(each) <= REQUEST_ID_LENGTH_MAX)
        values: dict[str, Any] = {
            ":number": {"S": "N"},
            ":partnerId": {"S": page.partner_id},
            ":asOf": {"N": str(as_of)},
            ":neverShown": {"N": str(as_of + _NEVER_SHOWN_MILLISECONDS)},
            ":since": {"N": str(to_milliseconds(page.since))},
            ":isAvailable": {"BOOL": page.is_available},
            ":isWhole": {"BOOL": page.is_whole},
        }
        if request_ids:
            values[":requestIds"] = {"SS": request_ids}
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(account),
                UpdateExpression="SET partnerId = :partnerId, asOf = :asOf, since = :since, "
                "isAvailable = :isAvailable, isWhole = :isWhole"
                + (", requestIds = :requestIds" if request_ids else " REMOVE requestIds"),
                ConditionExpression="NOT attribute_type(asOf, :number) OR asOf < :asOf OR asOf > :neverShown",
                ExpressionAttributeValues=values,
            )
        except AWS_ERRORS as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise _unavailable("written", error) from error


def _key(account: str) -> dict[str, Any]:
    return {"id": {"S": f"{_KEY}{account}"}}


def _decode(item: dict[str, Any]) -> KeptPage | None:
    try:
        return KeptPage(
            partner_id=item["partnerId"]["S"],
            as_of=from_milliseconds(int(item["asOf"]["N"])),
            since=from_milliseconds(int(item["since"]["N"])),
            is_available=item["isAvailable"]["BOOL"],
            is_whole=item["isWhole"]["BOOL"],
            request_ids=frozenset(item["requestIds"]["SS"] if "requestIds" in item else ()),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        # It is none of ours, so it says nothing; the next page takes its place.
        return None


def _unavailable(what: str, error: BaseException) -> LedgerUnavailable:
    return LedgerUnavailable(f"the page of Amazon's book could not be {what} ({error_code(error)})", in_doubt=False)
