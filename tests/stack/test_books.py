"""The books on the local cloud: a day with a difference of every kind, the month's close, and what is left of both.

What happened today is set back to that day: records in the ledger, rows at the sandbox, balances in the books.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from incentives.aws.single_requests.record_items import decode_record, encode_record
from incentives.domain.operations import Operation
from incentives.domain.reconciliation.days import read_zone
from incentives.domain.reconciliation.findings import Kind
from incentives.domain.reconciliation.rows import read_activity_types
from incentives.domain.single_requests.record import Record, Status
from local.__main__ import main
from local.settings import RefusedError
from local.signing import Response
from local.statement import mapped
from local.target import of_local
from tests.stack.books import CARD, DAY, MONTH, NEXT, READING, Books, midday, new_books
from tests.stack.cloud import Cloud
from tests.stack.orders import ACTIVATE, COLLECTIONS, CREATE, LOAD, REVERSALS, wait_until

pytestmark = pytest.mark.stack

NOON: Final = midday(DAY)
OPENING: Final = Decimal("1000.00")

#: What each request is made to be, and what is to be found of it.
PLANTED: Final = {
    "fine": None,
    "cancelled": None,
    "activated": None,
    "loaded": None,
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
SPENT: Final = CARD * 10 + Decimal("26.00")

OPERATIONS: Final = {"activated": ACTIVATE, "loaded": LOAD}


@dataclass
class Scene:
    """An account, and what became of its requests, by the names above."""

    books: Books
    ids: dict[str, str] = field(default_factory=dict)
    second: int = 0

    @property
    def cloud(self) -> Cloud:
        return self.books.cloud

    def make(self) -> None:
        partner = self.books.own.partner
        for name in PLANTED:
            if name not in {"stranger", "odd"}:
                self._issue(name)
        self._row(f"{partner}STRANGER")
        self._row(f"{partner}ODD", shown={"activityStatus": "Pending"})
        self._row(self.ids["twice"])
        self._row(self.ids["refunded"], operation="CancelGiftCard")
        for as_of, available in (
            (NOON - timedelta(hours=11), OPENING),
            (NOON + timedelta(hours=11), OPENING - SPENT),
            (NOON + timedelta(hours=13), OPENING - SPENT),
        ):
            self.books.balance(as_of, available)

    def _issue(self, name: str) -> None:
        operation, number = OPERATIONS.get(name, CREATE), uuid.uuid4().int % 10**15
        body: dict[str, object] = {"amount": str(CARD), "currencyCode": "USD", "account": self.books.account}
        shown: dict[str, object] = {}
        if operation is ACTIVATE:
            body["cardNumber"] = shown["cardNumber"] = f"6006{number:015d}"
        if operation is LOAD:
            body["customerAccount"] = {"id": f"amzn1.account.{number:015d}", "type": "2"}
        placed = self.cloud.call("POST", COLLECTIONS[operation], body, key=f"books-{uuid.uuid4().hex}")
        assert placed.status == 201, placed.text
        self.ids[name] = request_id = placed.body["requestId"]
        self._remove(request_id, operation)
        if name in {"cancelled", "revived"}:
            undone = self.cloud.call("POST", f"{COLLECTIONS[operation]}/{request_id}/{REVERSALS[operation]}")
            assert undone.status == 200, undone.text
            self._remove(request_id, operation.reversal)
        if name != "gone":
            amount = "26.00" if name == "dearer" else str(CARD)
            self._row(request_id, operation=operation, amount=amount, shown=shown)
        if name == "cancelled":
            self._row(request_id, operation=operation.reversal)
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

    def _remove(self, request_id: str, operation: Operation) -> None:
        self.books.sandbox("DELETE", requestId=request_id, operation=operation, movesBalance=False)

    def _row(self, request_id: str, **members: object) -> None:
        self.second += 10
        self.books.row(request_id, NOON + timedelta(seconds=self.second), **members)

    def close(self, **body: object) -> Response:
        return self.cloud.call("POST", f"/closes/{self.books.account}/{MONTH}", body, caller=self.cloud.developer)

    def movements(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud.call(
            "GET", f"/reconciliations/{self.books.account}/movements?month={MONTH}"
        ).body["movements"]
        return found


@pytest.fixture(scope="module")
def scene(cloud: Cloud) -> Iterator[Scene]:
    with new_books(cloud) as books:
        made = Scene(books)
        made.make()
        yield made


@pytest.fixture(scope="module")
def day(scene: Scene) -> dict[str, Any]:
    """The day, read from the page and judged for the first time."""
    return scene.books.judged(DAY)


@dataclass(frozen=True)
class Closed:
    """What closing the month said, step by step."""

    at_first: Response
    when_resolved: Response
    movements: list[dict[str, Any]]
    in_the_end: Response


@pytest.fixture(scope="module")
def closed(scene: Scene, day: dict[str, Any]) -> Closed:
    """The month, closed once everything but the open items is resolved, and what moved the balance is named."""
    scene.books.judged(NEXT)
    at_first = scene.close(opening={"amount": str(OPENING), "source": "statement 1"})
    for kind in {each["kind"] for each in day["differences"]} - {Kind.IN_TRANSIT, Kind.ESCALATED}:
        done = scene.books.resolve(DAY, kind, f"case {kind}")
        assert done.status == 200, done.text
    when_resolved, movements = scene.close(), scene.movements()
    part = {"type": "correction", "amount": str(-CARD), "date": DAY.isoformat(), "reference": "the odd row"}
    named = {"movementId": movements[0]["movementId"], "parts": [part]}
    route = f"/reconciliations/{scene.books.account}/movements"
    assert scene.cloud.call("POST", route, named).status == 200
    return Closed(at_first, when_resolved, movements, scene.close())


def test_each_kind_is_found_once_under_its_request(scene: Scene, day: dict[str, Any]) -> None:
    # Each kind is found once, under the request that it was planted in, and nothing else.
    found = {each["kind"]: each for each in day["differences"]}
    assert sorted(each["kind"] for each in day["differences"]) == sorted(filter(None, PLANTED.values()))
    for name, kind in PLANTED.items():
        if kind is not None and name in scene.ids:
            assert found[kind]["requestId"] == scene.ids[name], kind
    assert day["status"] == "DIFFERENCES"
    # And people are told at once of money that nobody ordered.
    for kind in ("unknownToLedger", "chargedTwice", "amountDiffers", "chargedUnexpectedly"):
        wait_until(lambda kind=kind: len(scene.books.notices(DAY, kind)) == 1, f"the operators hear of {kind}")


def test_month_closes_to_the_cent_when_all_is_explained_and_named(scene: Scene, closed: Closed) -> None:
    # As long as anything is unresolved, it blocks, and the response says what.
    assert closed.at_first.body["status"] == "BLOCKED", closed.at_first.text
    assert any("unknownToLedger" in why or "unresolved" in why for why in closed.at_first.body["blockedBy"])
    # Then the balance has moved by what the odd row was, and nobody has said so.
    assert [why.partition(":")[0] for why in closed.when_resolved.body["blockedBy"]] == ["unnamedMovement"]
    assert [each["amount"] for each in closed.movements] == [str(-CARD)]
    # When it is named, it closes to the cent, and again it is the same version.
    body = closed.in_the_end.body
    assert (closed.in_the_end.status, body["status"]) == (202, "CLOSED"), closed.in_the_end.text
    figures = body["figures"]
    charges, refunds = (Decimal(figures[name]["amount"]) for name in ("charges", "refunds"))
    assert Decimal(figures["closing"]) == OPENING - SPENT == OPENING - CARD - charges + refunds
    again = scene.close()
    assert (again.status, again.body["version"]) == (200, body["version"])

    # And only a second person signs it off.
    sign, route = {"manifestSha256": body["manifest"]["sha256"]}, f"/closes/{scene.books.account}/{MONTH}"
    own_word = scene.cloud.call("POST", f"{route}/sign-off", sign, caller=scene.cloud.developer)
    assert own_word.status == 403, own_word.text
    signed = scene.cloud.call("POST", f"{route}/sign-off", sign)
    assert signed.status == 200, signed.text
    assert scene.cloud.call("GET", route).body["signedOffBy"] is not None


def test_programs_hear_of_the_day_of_each_difference_and_of_the_close_once(
    scene: Scene, day: dict[str, Any], closed: Closed
) -> None:
    books, body = scene.books, closed.in_the_end.body
    wait_until(
        lambda: (
            bool(books.events("MonthClosed"))
            and any(
                each["unresolved"] == 0 for each in books.events("ReconciliationFinished") if each["day"] == str(DAY)
            )
        ),
        "events tell that everything is resolved and the month is closed",
    )
    told = {name: books.events(name) for name in ("ReconciliationFinished", "DifferenceFound", "MonthClosed")}
    # Nothing is told twice.
    assert Counter(each["eventId"] for found in told.values() for each in found).most_common(1)[0][1] == 1
    # The day is told as its first round left it, and once more when the last of it was resolved.
    of_day = sorted(
        (each for each in told["ReconciliationFinished"] if each["day"] == DAY.isoformat()),
        key=lambda each: int(each["eventId"].rpartition("#")[2]),
    )
    own = ("eventId", "schemaVersion")
    assert {name: value for name, value in of_day[0].items() if name not in own} == {
        **{name: day[name] for name in ("account", "day", "round", "status", "source", "charges", "refunds")},
        **{name: day[name] for name in ("openItems", "unresolved")},
        "currencyCode": "USD",
        "differences": len(day["differences"]) - day["openItems"],
    }
    assert [each["unresolved"] for each in of_day] == [day["unresolved"], 0]
    # Each difference that nobody has resolved is told once, as it was found.
    differences = [each for each in day["differences"] if each["kind"] not in {Kind.IN_TRANSIT, Kind.ESCALATED}]
    assert sorted(
        (each["kind"], each["day"], each["count"], each["amount"], each["currencyCode"], each["requestIds"])
        for each in told["DifferenceFound"]
    ) == sorted(
        (each["kind"], DAY.isoformat(), 1, each["amount"], each["currencyCode"], [each["requestId"]])
        for each in differences
    )
    # And the close is told with the hash that proves all of its files.
    (month,) = told["MonthClosed"]
    names = ("account", "month", "version", "manifestSha256")
    wanted = (books.account, MONTH, body["version"], body["manifest"]["sha256"])
    assert tuple(month[name] for name in names) == wanted
    assert Decimal(month["figures"]["closing"]) == Decimal(body["figures"]["closing"])


def test_closed_month_verifies_from_its_files_and_a_changed_byte_is_named(
    scene: Scene, closed: Closed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account, head = scene.books.account, closed.in_the_end.body["manifest"]["sha256"]
    monkeypatch.setattr("local.commands.verify_books.find", lambda _: of_local(scene.cloud.outputs))
    given = ["verify-books", "--account", account, "--month", MONTH, "--head", head]
    # The bucket is as it was closed, by the head that went out.
    assert main(given) == 0, capsys.readouterr().out
    assert "whole" in capsys.readouterr().out
    # So is a copy of it, until one byte of one file is another one, of the month or of its day.
    for name, content in scene.books.files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    given += ["--folder", str(tmp_path)]
    assert main(given) == 0
    for pattern in ("closes/*/v1/open-items.csv", f"*/{DAY}/r1/transactions-*.csv"):
        (file,) = (tmp_path / account).glob(pattern)
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        capsys.readouterr()
        assert main(given) == 1
        wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]
        assert wrong, pattern
        assert all(file.relative_to(tmp_path).as_posix() in line for line in wrong), wrong
        file.write_bytes(whole)


def test_statement_of_a_page_that_is_switched_off_gives_the_same_day(scene: Scene, closed: Closed) -> None:
    books, by_page = scene.books, scene.books.shown(DAY)
    # given the same day as if nobody had read it, and a page that is switched off
    books.forget(DAY)
    scene.cloud.sandbox.post("accounts", {"partnerId": books.own.partner, "activityDisabled": True})
    books.show_pages_at_once()
    books.run(DAY)
    assert books.ended(DAY)["status"] == "NO_ACTIVITY_PAGE"
    # and a download of Amazon's rows of that day, with claim codes in it, and of one the result is not known
    query = f"from={DAY}T00:00:00Z&to={NEXT}T00:00:00Z&zone={READING.zone}&account={books.own.partner}"
    download = scene.cloud.sandbox.text(f"statement?{query}").encode()
    # when it is uploaded as it is, or with one column too many, then it is refused by that column's name, and gone
    with pytest.raises(RefusedError, match="Transaction Date is not a column"):
        books.upload(DAY, download)
    there = of_local(scene.cloud.outputs).parameters
    zone, types = read_zone(there["BooksTimeZone"]), read_activity_types(there["ActivityTypes"])
    statement = mapped(download, READING, first=DAY, last=DAY, books_zone=zone, types=types).content
    head, *lines = statement.decode().splitlines()
    with_codes = "\n".join([f"{head},claimCode", *(f"{line},AB2C-D3EFGH-J4KL" for line in lines)])
    with pytest.raises(RefusedError, match="claimCode is not a column"):
        books.upload(DAY, with_codes.encode())
    assert books.uploads_left() == []
    assert books.shown(DAY)["status"] == "NO_ACTIVITY_PAGE"
    # when its canonical columns are uploaded, then the day is what it was by the page
    books.upload(DAY, statement)
    by_statement = books.ended(DAY)
    assert books.uploads_left() == []
    assert by_statement["source"] == "statement"
    readable = [each for each in by_page["differences"] if each["kind"] != Kind.UNREADABLE_ROW]
    assert [_facts(each) for each in by_statement["differences"]] == [_facts(each) for each in readable]
    for name in ("charges", "refunds", "openItems", "unresolved"):
        assert by_statement[name] == by_page[name], name


def _facts(difference: dict[str, Any]) -> dict[str, Any]:
    """A difference with its resolution; it was found at another time."""
    return {name: value for name, value in difference.items() if name != "foundAt"}
