"""The books on the local cloud: a day of last month with a difference of every kind, then the month's close.

What happened today is set back to that day: records in the ledger, rows at the sandbox, balances in the books.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from incentives.aws.reconciliation.book_items import encode_balance
from incentives.aws.single_requests.record_items import decode_record, encode_record
from incentives.domain.money import Money
from incentives.domain.reconciliation.balance import BalanceSnapshot
from incentives.domain.reconciliation.findings import Kind
from incentives.domain.single_requests.record import Record, Status
from local.target import of_local
from tests.stack.cloud import Cloud
from tests.stack.orders import OwnAccount, wait_until

pytestmark = pytest.mark.stack

#: The last day of last month: the books of this account begin with it, so that the month has one day.
TODAY: Final = datetime.now(UTC).date()
DAY: Final = TODAY.replace(day=1) - timedelta(days=1)
NEXT: Final = DAY + timedelta(days=1)
MONTH: Final = DAY.isoformat()[:7]
NOON: Final = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
OPENING: Final = Decimal("1000.00")
CARD: Final = Decimal("25.00")

#: What each request is made to be, and what is to be found of it.
PLANTED: Final = {
    "fine": None,
    "cancelled": None,
    "gone": Kind.MISSING_AT_AMAZON,
    "refunded": Kind.REFUNDED_UNEXPECTEDLY,
    "revived": Kind.CHARGED_UNEXPECTEDLY,
    "twice": Kind.CHARGED_TWICE,
    "dearer": Kind.AMOUNT_DIFFERS,
    "open": Kind.IN_TRANSIT,
    "given-up": Kind.ESCALATED,
    "stranger": Kind.UNKNOWN_TO_LEDGER,
    "odd": Kind.UNREADABLE_ROW,
}

#: What left the account on the day: charges less refunds of all rows, that of the odd one too, which cannot be booked.
SPENT: Final = CARD * 8 + Decimal("26.00")


@dataclass
class Scene:
    """An account, and what became of its requests, by the names above."""

    cloud: Cloud
    own: OwnAccount
    ids: dict[str, str] = field(default_factory=dict)
    second: int = 0

    @property
    def account(self) -> str:
        return self.own.account

    def make(self) -> None:
        for name in PLANTED:
            if name not in {"stranger", "odd"}:
                self._issue(name)
        self._row("stranger", f"{self.own.partner}STRANGER")
        self._row("odd", f"{self.own.partner}ODD", shown={"activityStatus": "Pending"})
        self._row("twice", self.ids["twice"])
        self._row("refunded", self.ids["refunded"], operation="CancelGiftCard")
        for as_of, available in (
            (NOON - timedelta(hours=11), OPENING),
            (NOON + timedelta(hours=11), OPENING - SPENT),
            (NOON + timedelta(hours=13), OPENING - SPENT),
        ):
            self._balance(as_of, available)

    def _issue(self, name: str) -> None:
        body = {"amount": str(CARD), "currencyCode": "USD", "account": self.account}
        placed = self.cloud.call("POST", "/gift-cards", body, key=f"books-{uuid.uuid4().hex}")
        assert placed.status == 201, placed.text
        self.ids[name] = request_id = placed.body["requestId"]
        self._sandbox("DELETE", requestId=request_id)
        if name in {"cancelled", "revived"}:
            assert self.cloud.call("POST", f"/gift-cards/{request_id}/cancel").status == 200
            self._sandbox("DELETE", requestId=request_id, operation="CancelGiftCard")
        if name != "gone":
            self._row(name, request_id, amount="26.00" if name == "dearer" else str(CARD))
        if name == "cancelled":
            self._row(name, request_id, operation="CancelGiftCard")
        self._set_back(request_id, {"open": Status.RECOVERING, "given-up": Status.ESCALATED}.get(name))

    def _set_back(self, request_id: str, status: Status | None) -> None:
        item = self.cloud.client("dynamodb").get_item(
            TableName=self.cloud.outputs.tableName, Key={"id": {"S": request_id}}, ConsistentRead=True
        )["Item"]
        record = decode_record(item)
        earlier = datetime.now(UTC) - NOON
        times = {
            each.name: value - earlier
            for each in fields(Record)
            if each.name != "expires_at" and isinstance(value := getattr(record, each.name), datetime)
        }
        changed = replace(record, **times, version=record.version + 1)
        if status is not None:
            # Nobody takes it up: nothing of it is due.
            changed = replace(changed, status=status, answered_at=None)
        self.cloud.client("dynamodb").put_item(TableName=self.cloud.outputs.tableName, Item=encode_record(changed))

    def _row(self, name: str, request_id: str, **members: object) -> None:
        del name
        self.second += 10
        at = (NOON + timedelta(seconds=self.second)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._sandbox("POST", **{"requestId": request_id, "amount": str(CARD), "at": at, **members})

    def _sandbox(self, method: str, **members: object) -> None:
        self.cloud.sandbox.send(method, "rows", {"account": self.own.partner, "movesBalance": False, **members})

    def _balance(self, as_of: datetime, available: Decimal) -> None:
        snapshot = BalanceSnapshot(
            account=self.account,
            partner_id=self.own.partner,
            taken_at=as_of,
            as_of=as_of,
            available=Money(available, "USD"),
            at_risk=0,
        )
        books = of_local(self.cloud.outputs).resources()["BooksTable"]
        self.cloud.client("dynamodb").put_item(TableName=books, Item=encode_balance(snapshot))

    def judged(self, day: date) -> dict[str, Any]:
        """The day, once a round of it has been judged."""
        self.cloud.rate_limiter.delete_item(Key={"id": self.account})
        route = f"/reconciliations/{self.account}/{day}"
        started = self.cloud.call("POST", f"{route}/run")
        assert started.status == 202, started.text
        before = started.body["judgedAt"]

        def is_judged() -> bool:
            now = self.cloud.call("GET", route).body
            return now["judgedAt"] != before and now["reading"] is None

        wait_until(is_judged, f"{day} is judged")
        found: dict[str, Any] = self.cloud.call("GET", route).body
        return found

    def close(self, **body: object) -> Any:
        return self.cloud.call("POST", f"/closes/{self.account}/{MONTH}", body, caller=self.cloud.developer)


@pytest.fixture(scope="module")
def scene(cloud: Cloud) -> Iterator[Scene]:
    own = OwnAccount(cloud)
    pace = cloud.sandbox.get("options")["activityPerMinute"]
    cloud.sandbox.post("options", {"activityPerMinute": None})
    with own.at_amazon(own.key("books")):
        own.put(own.key("books"))
        made = Scene(cloud, own)
        made.make()
        yield made
    cloud.sandbox.post("options", {"activityPerMinute": pace})


def told(scene: Scene, say: Callable[[], list[dict[str, Any]]], kind: str) -> bool:
    return any(scene.account in json.dumps(each) and kind in json.dumps(each) for each in say())


def test_each_kind_is_found_once_and_the_month_closes_when_all_is_explained(scene: Scene) -> None:
    cloud = scene.cloud
    # When the day is read and judged
    day = scene.judged(DAY)
    # Then each kind is found once, under the request that it was planted in, and nothing else
    found = {each["kind"]: each for each in day["differences"]}
    assert sorted(each["kind"] for each in day["differences"]) == sorted(filter(None, PLANTED.values()))
    for name, kind in PLANTED.items():
        if kind is not None and name in scene.ids:
            assert found[kind]["requestId"] == scene.ids[name], kind
    assert day["status"] == "DIFFERENCES"
    # And people and programs are told at once of money that nobody ordered
    for kind in ("unknownToLedger", "chargedTwice", "amountDiffers", "chargedUnexpectedly"):
        wait_until(lambda kind=kind: told(scene, cloud.notices, kind), f"the operators hear of {kind}")
        wait_until(lambda kind=kind: told(scene, cloud.events, kind), f"an event tells of {kind}")

    # When the month is closed, then what blocks it is said
    scene.judged(NEXT)
    opening = {"opening": {"amount": str(OPENING), "source": "statement 1"}}
    blocked = scene.close(**opening)
    assert blocked.body["status"] == "BLOCKED", blocked.text
    assert any("unknownToLedger" in why or "unresolved" in why for why in blocked.body["blockedBy"])

    # When everything is resolved but the open items
    route = f"/reconciliations/{scene.account}/{DAY}/differences"
    for kind in {*PLANTED.values()} - {None, Kind.IN_TRANSIT, Kind.ESCALATED}:
        done = cloud.call(
            "POST", f"{route}/resolve", {"kind": kind, "reason": "explainedByAmazon", "note": f"case {kind}"}
        )
        assert done.status == 200, done.text
    assert cloud.call("GET", f"/reconciliations/{scene.account}/{DAY}").body["unresolved"] == 0
    # Then the balance has moved by what the odd row was, and nobody has said so
    assert [why.partition(":")[0] for why in scene.close().body["blockedBy"]] == ["unnamedMovement"]
    moved = cloud.call("GET", f"/reconciliations/{scene.account}/movements?month={MONTH}").body["movements"]
    assert [each["amount"] for each in moved] == [str(-CARD)]
    part = {"type": "correction", "amount": str(-CARD), "date": DAY.isoformat(), "reference": "the odd row"}
    named = {"movementId": moved[0]["movementId"], "parts": [part]}
    assert cloud.call("POST", f"/reconciliations/{scene.account}/movements", named).status == 200
    # When it is named, then it closes to the cent, and again it is the same version
    closed = scene.close()
    assert (closed.status, closed.body["status"]) == (202, "CLOSED"), closed.text
    figures = closed.body["figures"]
    charges, refunds = (Decimal(figures[name]["amount"]) for name in ("charges", "refunds"))
    assert Decimal(figures["closing"]) == OPENING - SPENT == OPENING - CARD - charges + refunds
    again = scene.close()
    assert (again.status, again.body["version"]) == (200, closed.body["version"])
    wait_until(lambda: told(scene, cloud.events, "MonthClosed"), "an event tells that the month is closed")

    # And only a second person signs it off
    sign = {"manifestSha256": closed.body["manifest"]["sha256"]}
    own_word = cloud.call("POST", f"/closes/{scene.account}/{MONTH}/sign-off", sign, caller=cloud.developer)
    assert own_word.status == 403, own_word.text
    signed = cloud.call("POST", f"/closes/{scene.account}/{MONTH}/sign-off", sign)
    assert signed.status == 200, signed.text
    assert cloud.call("GET", f"/closes/{scene.account}/{MONTH}").body["signedOffBy"] is not None
