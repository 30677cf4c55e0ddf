"""Bulk orders on the local cloud, from the command line to the result file.

`make bulk` runs the same with a thousand cards (BULK_ROWS) and prints the pace that was reached.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from incentives.domain.rate_limit import REQUESTS_PER_SECOND_DEFAULT
from local.__main__ import main
from local.target import of_local
from sandbox.model.throttle import most_in_any_second
from tests.stack.bulk import Bulk
from tests.stack.cloud import Cloud
from tests.stack.orders import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ROWS = int(os.environ.get("BULK_ROWS", "24"))
#: One row in twenty, and of a few every twelfth.
FAULT_EVERY = 20 if ROWS > 40 else 12
FAULTS: Sequence[dict[str, object]] = (
    {"kind": "resend", "when": "before"},
    {"kind": "resend", "when": "after"},
    {"kind": "drop", "when": "after"},
    {"kind": "drop", "when": "before"},
    {"kind": "error503", "when": "after"},
)
REFUSED_ROW = 7


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry(cloud: Cloud) -> Iterator[None]:
    """Waits of workflows take a tenth of their time."""
    cloud.set_wait_scale(0.1)
    yield
    cloud.set_wait_scale(1)


@dataclass(frozen=True)
class Finished:
    """A bulk order with faults in it, whose functions were killed under way, at its end."""

    bulk: Bulk
    order: dict[str, Any]
    calls: list[dict[str, Any]]
    killed: int


@pytest.fixture(scope="module")
def finished(cloud: Cloud) -> Finished:
    bulk = Bulk(cloud, ROWS)
    before = len(cloud.sandbox.report()["calls"])
    # given rows that go wrong once, and one that Amazon refuses
    for turn, number in enumerate(range(FAULT_EVERY // 2, ROWS, FAULT_EVERY)):
        bulk.fault(number, calls={"first": 1}, **FAULTS[turn % len(FAULTS)])
    bulk.fault(REFUSED_ROW, calls={"every": True}, kind="refuse", errorCode="F200", errorType="InvalidAmountValue")
    bulk.start()
    # when the functions that issue it are killed, twice
    killed = 0
    for share in (4, 2):
        least = ROWS // share
        bulk.wait_for(lambda order, least=least: _ended(order) >= least or order["status"] == "SETTLING", "it is on")
        for process in cloud.lambda_processes(cloud.outputs.functionNames["ProcessOrder"]):
            process.kill()
            killed += 1
    # and what they were at is taken up
    bulk.wait_for(lambda order: order["status"] in {"SETTLING", "FINISHED"}, "all rows were asked for")
    order = bulk.wait_for_the_end()
    return Finished(bulk, order, cloud.sandbox.report()["calls"][before:], killed)


def _ended(order: dict[str, Any]) -> int:
    counts = order["counts"]
    return sum(counts.values()) - int(counts["waiting"])


def test_every_row_has_ended_and_is_counted_once(finished: Finished) -> None:
    counts = finished.order["counts"]
    assert finished.killed > 0
    assert counts == {**dict.fromkeys(counts, 0), "issued": ROWS - 1, "refused": 1}
    assert finished.order["rows"] == ROWS
    total = sum((Decimal(finished.bulk.amount(n)) for n in range(ROWS)), Decimal())
    assert finished.order["totals"] == [{"amount": f"{total:.2f}", "currencyCode": "USD"}]
    issued = total - Decimal(finished.bulk.amount(REFUSED_ROW))
    assert finished.order["issuedTotals"] == [{"amount": f"{issued:.2f}", "currencyCode": "USD"}]


def test_the_result_is_what_amazon_has_charged(finished: Finished) -> None:
    result = finished.bulk.result()
    assert [row["key"] for row in result] == [finished.bulk.row(n) for n in range(ROWS)]
    told = {row["requestId"]: (row["gcId"], Decimal(row["amount"])) for row in result if row["outcome"] == "issued"}
    charged = {card["requestId"]: (card["gcId"], Decimal(card["amount"])) for card in finished.bulk.cards()}
    assert told == charged
    # and the ids are those that whoever knows order and row can derive
    assert [row["requestId"] for row in result] == finished.bulk.request_ids
    (refused,) = [row for row in result if row["outcome"] != "issued"]
    assert (refused["outcome"], refused["errorType"]) == ("refused", "InvalidAmountValue")


def test_how_fast_it_was(finished: Finished) -> None:
    rate = finished.order["requestsPerSecond"]
    # A machine that is too busy sends calls late, and so in bunches: Amazon may then throttle one, which is repeated.
    most = most_in_any_second(call["tick"] for call in finished.calls)
    throttled = sum(call["outcome"] == "ThrottlingException" for call in finished.calls)
    allowed = REQUESTS_PER_SECOND_DEFAULT
    print(  # noqa: T201 - what `make bulk` is for
        f"\n{ROWS} cards: {rate:.2f} a second, {rate / allowed:.0%} of the {allowed:.0f} allowed; at most {most} calls "
        f"in any second, {throttled} of all throttled; {finished.killed} processes killed"
    )
    assert 0 < rate <= allowed


def test_a_card_of_it_is_like_any_other(cloud: Cloud, finished: Finished) -> None:
    request_id = finished.bulk.request_ids[0]
    card = cloud.call("GET", f"/gift-cards/{request_id}")
    assert (card.body["status"], card.body["externalReference"]) == ("SUCCEEDED", "bulk 0")
    code = cloud.call("POST", f"/gift-cards/{request_id}/claim-code").body["gcClaimCode"]
    assert code == next(each for each in finished.bulk.cards() if each["requestId"] == request_id)["claimCode"]


def test_no_claim_code_in_files_tables_histories_or_logs(cloud: Cloud, finished: Finished) -> None:
    codes = {card["claimCode"] for card in cloud.sandbox.report()["cards"]}
    codes |= {code.replace("-", "") for code in codes}
    s3, bucket = cloud.client("s3"), cloud.outputs.ordersBucketName
    objects = [
        s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for each in page["Contents"]
    ]
    machine = cloud.client("stepfunctions")
    executions = machine.list_executions(stateMachineArn=cloud.outputs.orderStateMachineArn)["executions"]
    mine = [each["executionArn"] for each in executions if each["name"].startswith(finished.bulk.id)]
    assert mine
    places: dict[str, Any] = {
        "files": objects,
        "orders": cloud.items(cloud.table(cloud.outputs.ordersTableName)),
        "histories": [cloud.history(arn) for arn in mine],
        "logs": cloud.logs(cloud.outputs.functionNames["ProcessOrder"]),
    }
    assert finished.bulk.csv in objects
    for name, content in places.items():
        text = json.dumps(content, default=str)
        assert [code for code in codes if code in text] == [], name


def test_the_same_key_is_the_same_order(cloud: Cloud, finished: Finished) -> None:
    again = finished.bulk.make()
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert (again.body["orderId"], again.body["upload"]) == (finished.bulk.id, None)
    other = finished.bulk.make(onUnknown="reverse")
    assert (other.status, other.body["errorType"]) == (422, "KeyReused")
    assert [each["field"] for each in other.body["errors"]] == ["onUnknown"]
    assert finished.bulk.do("start").status == 409


def test_pause_resume_and_stop(cloud: Cloud) -> None:
    bulk = Bulk(cloud, 40)
    bulk.start()
    bulk.wait_for(lambda order: order["status"] == "ISSUING" and len(bulk.cards()) >= 3, "it is being issued")
    # when it is paused
    paused = bulk.do("pause")
    assert (paused.status, paused.body["status"]) == (200, "PAUSED")
    assert bulk.do("pause").status == 200
    wait_until(lambda: not _running(cloud, bulk), "its workflow has ended")
    # then nothing further is asked for; a row that was being issued is
    held = len(bulk.cards())
    assert held < bulk.rows
    assert bulk.read()["pauseReason"] is None
    # and when it is resumed it goes on
    assert bulk.do("resume").status == 202
    bulk.wait_for(lambda order: len(bulk.cards()) > held, "it goes on")
    # and when it is stopped it ends, and says which rows it never asked for
    stopped = bulk.do("stop")
    assert (stopped.status, stopped.body["stopped"]) == (202, True)
    order = bulk.wait_for_the_end()
    issued = {card["requestId"] for card in bulk.cards()}
    assert order["counts"]["issued"] == len(issued) < bulk.rows
    assert order["counts"]["notIssued"] == bulk.rows - len(issued)
    result = bulk.result()
    assert {row["requestId"] for row in result if row["outcome"] == "issued"} == issued
    assert {row["outcome"] for row in result} == {"issued", "notIssued"}
    assert bulk.do("resume").status == 409


def _running(cloud: Cloud, bulk: Bulk) -> list[str]:
    machine = cloud.client("stepfunctions")
    found = machine.list_executions(stateMachineArn=cloud.outputs.orderStateMachineArn, statusFilter="RUNNING")
    return [each["name"] for each in found["executions"] if each["name"].startswith(bulk.id)]


# ---- from a terminal -----------------------------------------------------------------------------


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def ordered(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`python -m local order FILE ...`, signed by who may only call: its exit code and what it wrote."""
    target = replace(of_local(cloud.outputs), caller=lambda: cloud.invoker)
    monkeypatch.setattr("local.commands.order.reach", lambda stack: target)

    def run(file: Path, *given: str) -> tuple[int, str]:
        return main(["order", str(file), *given]), capsys.readouterr().out

    return run


def test_the_command_checks_then_issues_then_shows_the_same_order(
    cloud: Cloud, ordered: Command, tmp_path: Path
) -> None:
    file, saved = tmp_path / "cards.jsonl", tmp_path / "saved.jsonl"
    stamp = uuid.uuid4().hex
    rows = [{"key": f"{stamp}-{n}", "amount": 2, "currency": "USD"} for n in range(3)]
    file.write_text("\n".join(map(json.dumps, rows)))
    before = len(cloud.sandbox.report()["cards"])
    assert ordered(file, "--dry-run")[0] == 0
    assert len(cloud.sandbox.report()["cards"]) == before
    code, said = ordered(file)
    assert code == 0, said
    assert "Finished: 3 cards, 6.00 USD" in said
    saved.write_text("\r\n".join(json.dumps({**row, "amount": "2.00"}) for row in reversed(rows)))
    again, said_again = ordered(saved)
    assert (again, said_again.splitlines()[0]) == (0, said.splitlines()[0])
    assert len(cloud.sandbox.report()["cards"]) == before + 3


def test_the_command_shows_what_is_wrong_line_by_line(ordered: Command, tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    file.write_text(f"key,amount,currency\n{uuid.uuid4().hex},0,USD\nb,1,JPY\nb,1.00,USD\n")
    code, said = ordered(file)
    assert code == 1
    assert [line.split(" ")[2:5] for line in said.splitlines() if line.startswith("  line")] == [
        ["line", "2,", "amount"],
        ["line", "3,", "currency"],
        ["line", "4,", "key"],
    ]
