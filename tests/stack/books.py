"""What the stack tests of the books share: an account whose books begin when a test says so, its rows and rounds."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from incentives.aws.reconciliation.book_items import encode_balance
from incentives.aws.reconciliation.books import DynamoDbBooks
from incentives.domain.money import Money
from incentives.domain.reconciliation.balance import BalanceSnapshot
from incentives.domain.reconciliation.day_state import BooksDay
from local.commands import reconcile
from local.keys import AccountKeys
from local.signing import Response
from local.target import of_local
from tests.sandbox import callers
from tests.stack.cloud import Cloud
from tests.stack.orders import OwnAccount, wait_until
from tests.support.portal import PORTAL_READING

CARD: Final = Decimal("25.00")
#: The last day of a month whose first day after it is over for long enough, too: its total can be confirmed. Books that
#: begin with it have a month of one day.
DAY: Final = (datetime.now(UTC).date() - timedelta(days=2)).replace(day=1) - timedelta(days=1)
NEXT: Final = DAY + timedelta(days=1)
MONTH: Final = DAY.isoformat()[:7]

#: How the sandbox's download is read, in a zone that is not the books'. A row that cannot be read is left out.
READING: Final = PORTAL_READING.with_said(
    columns={"gcId": "Card Serial"},
    types={"Card activation": "GCActivation", "Balance top-up": "BalanceLoad"},
    statuses={"Pending": ""},
)


@dataclass
class Books:
    """The books of an account of its own."""

    cloud: Cloud
    own: OwnAccount
    key: AccountKeys

    @property
    def account(self) -> str:
        return self.own.account

    @cached_property
    def resources(self) -> dict[str, str]:
        return dict(of_local(self.cloud.outputs).resources())

    def sandbox(self, method: str, path: str = "rows", **members: object) -> None:
        self.cloud.sandbox.send(method, path, {"account": self.own.partner, **members})

    def row(self, request_id: str, at: datetime, **members: object) -> None:
        """A row of Amazon's that no call made. The balance stays as it is."""
        shown = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        given = {"requestId": request_id, "amount": str(CARD), "at": shown, "movesBalance": False, **members}
        self.sandbox("POST", **given)

    def balance(self, as_of: datetime, available: Decimal) -> None:
        """A balance, as the watch would have kept it. The books begin with the first one."""
        snapshot = BalanceSnapshot(
            account=self.account,
            partner_id=self.own.partner,
            taken_at=as_of,
            as_of=as_of,
            available=Money(available, "USD"),
            at_risk=0,
        )
        books = self.resources["BooksTable"]
        self.cloud.client("dynamodb").put_item(TableName=books, Item=encode_balance(snapshot))

    def create_directly(self, request_id: str) -> None:
        """Make a card at the sandbox with the account's own key, as whoever else has it would."""
        body = {
            "creationRequestId": request_id,
            "partnerId": self.own.partner,
            "value": {"currencyCode": "USD", "amount": float(CARD)},
        }
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "x-amz-target": "com.amazonaws.agcod.AGCODService.CreateGiftCard",
        }
        url = f"{self.cloud.outputs.sandboxUrl}/CreateGiftCard"
        request = AWSRequest("POST", url, data=json.dumps(body).encode(), headers=headers)
        credentials = Credentials(self.key.access_key_id, self.key.secret_access_key)
        SigV4Auth(credentials, "AGCODService", "us-east-1").add_auth(request)
        response = callers.send(request)
        assert response.status_code == 200, response.text

    def show_pages_at_once(self) -> None:
        """The gateway asks for a page a minute and no more; forget that it has."""
        self.cloud.rate_limiter.delete_item(Key={"id": self.account})

    def run(self, day: date) -> dict[str, Any]:
        """Begin a round, or join the one under way; the day as it then stands."""
        started = self.cloud.call("POST", f"/reconciliations/{self.account}/{day}/run")
        assert started.status == 202, started.text
        found: dict[str, Any] = started.body
        return found

    def shown(self, day: date) -> dict[str, Any]:
        found: dict[str, Any] = self.cloud.call("GET", f"/reconciliations/{self.account}/{day}").body
        return found

    def ended(self, day: date) -> dict[str, Any]:
        """The day, once nobody works on it any more."""
        wait_until(lambda: not self.shown(day)["underWay"], f"the round of {day} has ended")
        return self.shown(day)

    def judged(self, day: date) -> dict[str, Any]:
        """The day, after one more round of it."""
        self.show_pages_at_once()
        # Of today a round reads what is older than the second under way.
        second = int(time.time())
        wait_until(lambda: int(time.time()) > second, "the second is over")
        begun = self.run(day)
        after = self.ended(day)
        assert (after["round"], after["judgedAt"] is None) == (begun["round"], False), after
        return after

    def resolve(self, day: date, kind: str, note: str) -> Response:
        said = {"kind": kind, "reason": "explainedByAmazon", "note": note}
        return self.cloud.call("POST", f"/reconciliations/{self.account}/{day}/differences/resolve", said)

    def upload(self, day: date, content: bytes) -> None:
        """A statement of a day, as `make reconcile STATEMENT=` sends it. Raises `RefusedError`: it was refused."""
        desk = reconcile.Books(of_local(self.cloud.outputs), self.account)
        desk.take(content, hashlib.sha256(content).hexdigest(), day, day)

    def uploads_left(self) -> list[str]:
        """Statements that are still where they were put, in any version."""
        found = self.cloud.client("s3").list_object_versions(
            Bucket=self.cloud.outputs.ordersBucketName, Prefix="statements/"
        )
        return [each["Key"] for name in ("Versions", "DeleteMarkers") for each in found.get(name, [])]

    def files(self) -> dict[str, bytes]:
        """The account's files, as somebody would download them."""
        s3, bucket = self.cloud.client("s3"), self.resources["BooksBucket"]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{self.account}/")
        return {
            each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
            for page in pages
            for each in page.get("Contents", [])
        }

    def rounds(self, day: date) -> dict[str, dict[str, Any]]:
        """All executions that worked on a day, by their names."""
        machine = self.resources["ReconcileAccountStateMachine"]
        pages = self.cloud.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=machine)
        begun = f"{self.account}-{day}-r"
        return {each["name"]: each for page in pages for each in page["executions"] if each["name"].startswith(begun)}

    def forget(self, day: date) -> None:
        """Make a day's item what it is before anybody has read it; no round is done twice, though."""
        books = DynamoDbBooks(
            self.cloud.client("dynamodb"),
            self.resources["BooksTable"],
            sleep=time.sleep,
            new_nonce=lambda: uuid.uuid4().hex,
        )
        known = books.day(self.account, day)
        assert known is not None
        fresh = BooksDay(account=self.account, day=day, revision=known.revision + 1, round=known.round)
        assert books.keep_day(known, fresh)

    def notices(self, day: date, kind: str) -> list[str]:
        """What people were told of a kind of difference on a day."""
        texts = [json.dumps(each) for each in self.cloud.notices()]
        return [each for each in texts if self.account in each and day.isoformat() in each and kind in each]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The details of all events of that name."""
        return [
            each["detail"]
            for each in self.cloud.events()
            if each["detail-type"] == name and each["detail"].get("account") == self.account
        ]


@contextmanager
def new_books(cloud: Cloud) -> Iterator[Books]:
    """An account that Amazon shows as many pages as it is asked for."""
    own = OwnAccount(cloud)
    key = own.key("books")
    pace = cloud.sandbox.get("options")["activityPerMinute"]
    cloud.sandbox.post("options", {"activityPerMinute": None})
    try:
        with own.at_amazon(key):
            own.put(key)
            yield Books(cloud, own, key)
    finally:
        cloud.sandbox.post("options", {"activityPerMinute": pace})


def midday(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
