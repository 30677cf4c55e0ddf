"""On the local cloud: an account whose activity page is switched off, and a download from the portal instead."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from incentives.aws.reconciliation.book_items import encode_balance
from incentives.domain.money import parse_money
from incentives.domain.reconciliation.balance import BalanceSnapshot
from incentives.domain.reconciliation.days import read_zone
from incentives.domain.reconciliation.rows import read_activity_types
from local.commands.reconcile import Books
from local.settings import RefusedError
from local.signing import send
from local.statement import Reading, mapped
from local.target import Target, of_local
from tests.stack.cloud import Cloud
from tests.stack.orders import OwnAccount, wait_until

pytestmark = pytest.mark.stack

#: Its total, a day later, is known already.
DAY: Final = datetime.now(UTC).date() - timedelta(days=3)
READING: Final = Reading(
    columns={
        "requestId": "Client Reference",
        "activityTime": "Transaction Date",
        "type": "Transaction",
        "status": "Result",
        "amount": "Amount",
        "currencyCode": "Currency",
    },
    zone="America/Los_Angeles",
    time_format="%m/%d/%Y %I:%M:%S %p",
    signs="negative-refunds",
    types={"Gift card order": "GCCreation"},
    statuses={"Completed": "Success"},
)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def download(cloud: Cloud, partner: str) -> bytes:
    """What the portal gives for the day."""
    start, end = (f"{noon(DAY) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (-12, 12))
    query = f"from={start}&to={end}&account={partner}&zone={READING.zone}"
    url = f"{cloud.outputs.sandboxUrl}/_sandbox/statement?{query}"
    response = send("GET", url, caller=None, region="")
    assert response.status == 200, response.text
    return response.text.encode()


def objects(target: Target, *buckets: str) -> bytes:
    """All that lies in buckets of the stack."""
    s3, found = target.client("s3"), b""
    for bucket in (target.resources()[name] for name in buckets):
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            found += each["Key"].encode() + s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
    return found


def test_a_download_makes_the_books_where_the_page_is_switched_off(cloud: Cloud) -> None:
    # Given an account without the page, with a balance that was kept, and a card that somebody else ordered
    own, target = OwnAccount(cloud), of_local(cloud.outputs)
    key = own.key("statement")
    with own.at_amazon(key):
        own.put(key)
        pair = {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key}
        cloud.sandbox.post(
            "accounts", {"partnerId": own.partner, "currencies": ["USD"], **pair, "activityDisabled": True}
        )
        earlier = noon(DAY) - timedelta(days=1)
        balance = BalanceSnapshot(
            account=own.account,
            partner_id=own.partner,
            taken_at=earlier,
            as_of=earlier,
            available=parse_money("1000.00", "USD"),
            at_risk=0,
        )
        table = target.resources()["BooksTable"]
        cloud.client("dynamodb").put_item(TableName=table, Item=encode_balance(balance))
        stranger = {"account": own.partner, "requestId": f"{own.partner}STRANGER", "amount": "50.00"}
        cloud.sandbox.post("rows", {**stranger, "at": f"{noon(DAY):%Y-%m-%dT%H:%M:%SZ}"})
        original = download(cloud, own.partner)
        (code,) = [line.split(",")[5] for line in original.decode().splitlines()[1:]]
        assert code
        books, sha256 = Books(target, own.account), hashlib.sha256(original).hexdigest()
        # When it is uploaded as it was downloaded, then it is refused, and gone
        with pytest.raises(RefusedError, match="column"):
            books.take(original, sha256, DAY, DAY)
        # When what was mapped of it is uploaded
        types = read_activity_types(target.parameters["ActivityTypes"])
        zone = read_zone(target.parameters["BooksTimeZone"])
        found = mapped(original, READING, first=DAY, last=DAY, books_zone=zone, types=types)
        books.take(found.content, sha256, DAY, DAY)
        shown: dict[str, Any] = {}

        def is_judged() -> bool:
            shown.update(books.day(DAY.isoformat()))
            return shown["judgedAt"] is not None and not shown["underWay"]

        wait_until(is_judged, "the statement's day is judged")
    # Then the day is judged by it
    assert (shown["status"], shown["source"]) == ("DIFFERENCES", "statement")
    assert [(each["kind"], each["amount"]) for each in shown["differences"]] == [("unknownToLedger", "50.00")]
    # And no code has come to rest, in either bucket
    kept = objects(target, "BooksBucket", "OrdersBucket")
    assert f"{own.partner}STRANGER".encode() in kept
    assert code.encode() not in kept
    assert b"statements/" not in kept
