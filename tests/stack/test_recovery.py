"""Recovery on the local cloud: real workflows, real conditional writes, every operation and intent at once.

Hours are not waited for: the ledger's clocks are set back, and the sandbox's is put forward by what Amazon tolerates.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from incentives.aws.items import format_time
from incentives.domain.operations import Operation
from local.signing import Response
from tests.stack.cloud import Cloud
from tests.stack.orders import PATIENCE_SECONDS, Placed, wait_until

pytestmark = pytest.mark.stack

ENDED = ("SUCCEEDED", "REFUSED", "REVERSED", "ESCALATED")
INTENTS = ("retry", "reverse", "reissue")
FAULTS: Mapping[str, dict[str, Any]] = {
    "RESEND before": {"kind": "resend", "when": "before"},
    "RESEND after": {"kind": "resend", "when": "after"},
    "time-out after": {"kind": "timeout", "when": "after", "holdSeconds": 7},
    "drop after": {"kind": "drop", "when": "after"},
    "late effect": {"kind": "lateEffect", "delaySeconds": 20, "answer": "drop"},
}
#: All of them by `make recovery`, and in the workflow's own tests each time; here each operation with each intent.
CASES = [
    (operation, fault, intent)
    for operation, fault, intent in product(Operation, FAULTS, INTENTS)
    if os.environ.get("RECOVERY_CASES") == "all" or fault == "drop after"
]

#: Most of a recovery is waiting; but more of them would keep the emulator busy with itself.
AT_A_TIME = 21

#: More repeats than a function has time for: what is unknown in line stays unknown, and recovery's first try too.
REPEATS_IN_LINE = 5

#: Between two looks at the ledger.
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Case:
    """One order, with one fault and one intent."""

    order: Placed
    fault: str
    intent: str

    @property
    def name(self) -> str:
        return f"{self.order.operation.value}, {self.fault}, {self.intent}"


@pytest.fixture(scope="module")
def recovered(cloud: Cloud) -> dict[str, tuple[Case, Response]]:
    """Every case placed and brought to its end, so many at a time as the emulator can do with."""
    found: dict[str, tuple[Case, Response]] = {}
    # Amazon's activity may be asked once a minute, by real time: here several requests ask for it at once.
    cloud.sandbox.post("throttle", {"activityPerMinute": None})
    with in_a_hurry(cloud):
        for first in range(0, len(CASES), AT_A_TIME):
            cases = [Case(Placed(cloud, each[0]), *each[1:]) for each in CASES[first : first + AT_A_TIME]]
            with ThreadPoolExecutor(len(cases)) as pool:
                responses = list(pool.map(_place, cases))
            found |= {case.name: (case, response) for case, response in zip(cases, responses, strict=True)}
            _bring_to_its_end(cloud, cases)
    cloud.sandbox.post("throttle", {"activityPerMinute": 1})
    cloud.sandbox.post("clock", {"offsetSeconds": 0})
    cloud.sandbox.delete("faults")
    return found


def _place(case: Case) -> Response:
    calls: dict[str, object] = {"first": REPEATS_IN_LINE} if case.intent == "retry" else {"every": True}
    case.order.fault(**FAULTS[case.fault], calls=calls)
    return case.order.place(amount="10.00", onUnknown=case.intent)


@contextlib.contextmanager
def in_a_hurry(cloud: Cloud) -> Iterator[None]:
    """Functions have little more than half their time, so that they hand over soon; workflows wait a tenth of theirs.

    A request whose function has no time left for a try goes on from the backlog: that one, too, is to hand over soon.
    """
    functions = cloud.client("lambda")
    issuing = ("CreateGiftCard", "ActivateGiftCard", "LoadAmazonBalance", "IssueQueued")
    names = [cloud.outputs.functionNames[name] for name in issuing]
    before = [functions.get_function_configuration(FunctionName=name)["Timeout"] for name in names]
    for name in names:
        functions.update_function_configuration(FunctionName=name, Timeout=16)
    cloud.set_wait_scale(0.1)
    try:
        yield
    finally:
        cloud.set_wait_scale(1)
        for name, seconds in zip(names, before, strict=True):
            functions.update_function_configuration(FunctionName=name, Timeout=seconds)


def _bring_to_its_end(cloud: Cloud, cases: Sequence[Case]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    put_forward: set[str] = set()
    while True:
        items = {case.name: _latest(cloud, case) for case in cases}
        still_open = {name: item for name, item in items.items() if item["status"] not in ENDED}
        if not still_open:
            return
        assert time.monotonic() < end, {name: item["status"] for name, item in still_open.items()}
        for item in still_open.values():
            _hurry(cloud, item)
        told_once = {name for name, item in still_open.items() if "noSuchRequestAt" in item} - put_forward
        if told_once:
            # Twice, a minute apart by Amazon's clock, which may run ahead of ours by 15 minutes in all.
            cloud.sandbox.post("clock", {"advanceSeconds": 61})
            put_forward |= told_once
        time.sleep(LOOK_SECONDS)


def _latest(cloud: Cloud, case: Case) -> dict[str, Any]:
    item = case.order.read()
    while "replacedBy" in item:
        item = _item(cloud, item["replacedBy"])
    return item


def _item(cloud: Cloud, request_id: str) -> dict[str, Any]:
    item: dict[str, Any] = cloud.ledger.get_item(Key={"id": request_id}, ConsistentRead=True)["Item"]
    return item


def _hurry(cloud: Cloud, item: Mapping[str, Any]) -> None:
    """Set an open record's clocks back by what it would wait for: a minute of repeating, then the in-flight window."""
    now = datetime.now(UTC)
    past = {"dueAt": now}
    if "firstUnknownAt" in item and item["status"] == "RECOVERING" and item["intent"] != "retry":
        past["firstUnknownAt"] = now - timedelta(minutes=2)
    if item["status"] == "REVERSING":
        past["lastSentAt"] = now - timedelta(minutes=25)
    names = list(past)
    with contextlib.suppress(cloud.ledger.meta.client.exceptions.ConditionalCheckFailedException):
        cloud.ledger.update_item(
            Key={"id": item["id"]},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in names),
            ConditionExpression="version = :version",
            ExpressionAttributeValues={
                ":version": item["version"],
                **{f":{name}": format_time(moment) for name, moment in past.items()},
            },
        )


ALL = [f"{operation.value}, {fault}, {intent}" for operation, fault, intent in CASES]


@pytest.mark.parametrize("name", ALL)
def test_every_unknown_ends_as_it_should(
    cloud: Cloud, recovered: Mapping[str, tuple[Case, Response]], name: str
) -> None:
    case, response = recovered[name]
    # given a caller who was told that nobody knows yet
    assert response.status == 202, response.text
    # then the order has ended as its intent says
    item = _latest(cloud, case)
    ends = {"retry": "SUCCEEDED", "reverse": "REVERSED", "reissue": "SUCCEEDED"}[case.intent]
    assert item["status"] == ends
    assert item["generation"] == (1 if case.intent == "reissue" else 0)
    # and it is told so under every one of its ids
    told = cloud.call("GET", case.order.route)
    assert told.body["status"] == ends
    # and no id was used once it had been reversed
    report = cloud.sandbox.report()
    for request_id in {case.order.request_id, item["id"]}:
        asked = [call["operation"] for call in report["calls"] if call["requestId"] == request_id]
        if case.order.operation.reversal in asked:
            assert case.order.operation.value not in asked[asked.index(case.order.operation.reversal) :]


def test_what_is_charged_is_what_the_ledger_says(cloud: Cloud, recovered: Mapping[str, tuple[Case, Response]]) -> None:
    ids = {case.order.id_of(generation=generation) for case, _ in recovered.values() for generation in range(3)}
    ledger = sum(
        item["amount"] for item in cloud.items(cloud.ledger) if item["id"] in ids and item["status"] == "SUCCEEDED"
    )
    report = cloud.sandbox.report()
    charged = [
        *(each for each in report["cards"] if each["status"] == "Fulfilled"),
        *(each for each in report["activations"] if each["status"] == "Activated"),
        *(each for each in report["loads"] if each["status"] in ("Loaded", "SUCCESS", "Fulfilled")),
    ]
    mine = [each for each in charged if each["requestId"] in ids]
    assert len(mine) == len([name for name in ALL if not name.endswith("reverse")])
    assert ledger == 10 * len(mine)


def test_no_history_holds_a_code_or_a_number(cloud: Cloud, recovered: Mapping[str, tuple[Case, Response]]) -> None:
    secrets = {card["claimCode"] for card in cloud.sandbox.report()["cards"]}
    secrets |= {case.order.secret for case, _ in recovered.values()}
    ids = tuple(case.order.request_id for case, _ in recovered.values())
    executions = [each for each in cloud.executions() if each["name"].startswith(ids)]
    # One that found no permit in time is issued from the backlog, perhaps without any recovery.
    assert executions
    text = json.dumps([cloud.history(each["executionArn"]) for each in executions], default=str)
    assert [secret for secret in secrets if secret in text] == []
    # and each has come to an end by itself
    wait_until(
        lambda: not [each for each in cloud.executions("RUNNING") if each["name"].startswith(ids)],
        "none of these recoveries runs any more",
    )


def test_another_round_after_an_execution_was_aborted_by_hand(cloud: Cloud) -> None:
    order = Placed(cloud)
    order.fault("resend", when="after")
    # given a recovery that somebody has aborted
    with in_a_hurry(cloud):
        assert order.place().status == 202
    wait_until(lambda: _running(cloud, order) is not None, "recovery runs")
    cloud.client("stepfunctions").stop_execution(executionArn=_running(cloud, order))
    cloud.sandbox.delete("faults")
    assert order.read()["status"] == "RECOVERING"
    # when an operator starts another round, twice
    rounds = [cloud.call("POST", f"/requests/{order.request_id}/recover") for _ in range(2)]
    # then it ends, and there is one card
    assert [each.status for each in rounds] == [202, 202] or rounds[1].status == 409
    wait_until(lambda: order.read()["status"] == "SUCCEEDED", "the order has ended")
    assert len(order.live_cards()) == 1
    # and there is nothing to recover any more
    assert cloud.call("POST", f"/requests/{order.request_id}/recover").status == 409
    assert cloud.call("GET", f"/requests/{order.request_id}/case-file").status == 409


def _running(cloud: Cloud, order: Placed) -> str | None:
    names = [each for each in cloud.executions("RUNNING") if each["name"].startswith(order.request_id)]
    return names[0]["executionArn"] if names else None


def test_sweep_takes_what_a_crash_left_and_nothing_that_lives(cloud: Cloud) -> None:
    crashed, alive = Placed(cloud), Placed(cloud)
    for order in (crashed, alive):
        order.fault("timeout", when="after", holdSeconds=6, calls={"first": 1})
    with ThreadPoolExecutor(2) as pool:
        responses = [pool.submit(order.place) for order in (crashed, alive)]
        wait_until(lambda: bool(crashed.cards() and alive.cards()), "both are at Amazon")
        # given one record whose holder has been silent for too long, and one that is in hand
        cloud.ledger.update_item(
            Key={"id": crashed.request_id},
            UpdateExpression="SET wakeAt = :past",
            ExpressionAttributeValues={":past": format_time(datetime.now(UTC) - timedelta(seconds=1))},
        )
        epoch = alive.read()["epoch"]
        # when the sweep runs, twice at once
        with ThreadPoolExecutor(2) as sweeps:
            taken = [
                each.result()["taken"] for each in [sweeps.submit(cloud.invoke, "SweepRequests") for _ in range(2)]
            ]
        # then only the silent one was taken, once
        assert sum(crashed.request_id in each for each in taken) <= 1
        assert not any(alive.request_id in each for each in taken)
        assert alive.read()["epoch"] == epoch
        for response in responses:
            assert response.result().status in (201, 202)
    wait_until(lambda: crashed.read()["status"] == "SUCCEEDED", "the order has ended")
    assert len(crashed.live_cards()) == len(alive.live_cards()) == 1


def test_escalation_stores_the_case_and_tells_people(cloud: Cloud) -> None:
    order = Placed(cloud)
    order.fault("wrongAmount", calls={"first": 1})
    cloud.set_wait_scale(0)
    try:
        # given a card that only people can settle
        assert order.place().status == 202
        wait_until(lambda: order.read()["status"] == "ESCALATED", "the order is escalated")
        # then its case can be read at once
        case = cloud.call("GET", f"/requests/{order.request_id}/case-file")
        assert case.status == 200
        assert case.body["requestId"] == order.request_id
        assert "withheld" in case.body["lastRequest"]["signature"]
    finally:
        cloud.set_wait_scale(1)


def test_every_end_is_an_event_with_ids_and_amounts_only(
    cloud: Cloud, recovered: Mapping[str, tuple[Case, Response]]
) -> None:
    case, _ = recovered["CreateGiftCard, drop after, reissue"]
    request_id = case.order.request_id

    def seen() -> dict[str, dict[str, Any]]:
        return {
            each["detail"]["eventId"]: each
            for each in cloud.events()
            if request_id in (each["detail"].get("requestId"), each["detail"].get("replaces"))
        }

    types = {"RecoveryStarted", "ReversalStarted", "RequestReversed", "GiftCardIssued"}
    wait_until(lambda: types <= {each["detail-type"] for each in seen().values()}, f"all are told, not only {seen()}")
    assert all("gcClaimCode" not in each["detail"] for each in seen().values())
