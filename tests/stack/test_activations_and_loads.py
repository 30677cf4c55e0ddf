"""Physical cards, balance loads, search and activity end to end; and the example client, run as its reader would."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incentives.aws.items import format_time
from incentives.domain.operations import Operation
from local import settings
from local.signing import Response
from tests.stack.cloud import Cloud
from tests.stack.orders import ACTIVATE, COLLECTIONS, LOAD, Placed, wait_until

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Life:
    """One activation or load from its beginning to its end, and what was answered on the way."""

    issue: Placed
    responses: Mapping[str, Response]
    live: Mapping[str, Any]
    undone: Mapping[str, Any]


def live(cloud: Cloud, operation: Operation) -> Life:
    issue = Placed(cloud, operation)
    responses = {"first": issue.place(), "repeat": issue.place()}
    other = (
        {"cardNumber": "6006490000000009999"}
        if operation is ACTIVATE
        else {"customerAccount": {"id": "amzn1.account.SOMEBODYELSE", "type": "2"}}
    )
    responses["another"] = issue.place(**other)
    (effect,) = issue.cards()
    if operation is ACTIVATE:
        responses["status"] = cloud.call("POST", "/activations/status-check", {"cardNumber": issue.secret})
    responses["read"] = cloud.call("GET", issue.route)
    responses["undo"] = issue.undo()
    (undone,) = issue.cards()
    return Life(issue, responses, effect, undone)


FAULTS: Mapping[str, Mapping[str, Any]] = {
    f"{operation.value}: {kind} {when}": {"operation": operation, "kind": kind, "when": when}
    for operation in (ACTIVATE, LOAD)
    for kind in ("drop", "resend")
    for when in ("before", "after")
}


@dataclass(frozen=True)
class Run:
    lives: Mapping[Operation, Life]
    faulted: Mapping[str, tuple[Placed, Response]]


@pytest.fixture(scope="module")
def run(cloud: Cloud) -> Run:
    def faulted(name: str) -> tuple[str, tuple[Placed, Response]]:
        fault = dict(FAULTS[name])
        operation = fault.pop("operation")
        assert isinstance(operation, Operation)
        issue = Placed(cloud, operation)
        issue.fault(**fault, calls={"first": 1})
        return name, (issue, issue.place())

    # Taking back waits until nothing late can arrive any more, for as long as the function may: hence side by side.
    with ThreadPoolExecutor(6) as pool:
        lives = {operation: pool.submit(live, cloud, operation) for operation in (ACTIVATE, LOAD)}
        responses = dict(pool.map(faulted, FAULTS))
        return Run({operation: life.result() for operation, life in lives.items()}, responses)


# ---- one life ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [ACTIVATE, LOAD])
def test_it_is_done_once_and_told_masked(run: Run, operation: Operation) -> None:
    life = run.lives[operation]
    first, repeat, read = (life.responses[name] for name in ("first", "repeat", "read"))
    assert (first.status, repeat.status, read.status) == (201, 200, 200)
    assert repeat.headers["idempotent-replayed"] == "true"
    assert first.body == repeat.body == read.body
    assert first.body["status"] == "SUCCEEDED"
    shown = first.body["cardNumber" if operation is ACTIVATE else "customerAccountId"]
    assert shown == "*" * (len(life.issue.secret) - 4) + life.issue.secret[-4:]
    assert not [response.text for response in life.responses.values() if life.issue.secret in response.text]
    # and Amazon was asked once, for the right one and the right amount
    assert life.issue.calls() == 1
    told = life.live["cardNumber"] if operation is ACTIVATE else life.live["customer"]["id"]
    assert (told, life.live["amount"], life.live["times"]) == (life.issue.secret, "25.00", 1)
    assert life.live["status"] == ("Activated" if operation is ACTIVATE else "Loaded")


@pytest.mark.parametrize(("operation", "field"), [(ACTIVATE, "cardNumber"), (LOAD, "account")])
def test_its_key_is_good_for_no_other(run: Run, operation: Operation, field: str) -> None:
    another = run.lives[operation].responses["another"]
    assert another.status == 422
    assert [each["field"] for each in another.body["errors"]] == [field]


def test_an_active_card_is_told_to_be_active(run: Run) -> None:
    state = run.lives[ACTIVATE].responses["status"]
    assert state.status == 200
    assert (state.body["cardStatus"], state.body["value"]["amount"]) == ("Activated", "25.00")


@pytest.mark.parametrize("operation", [ACTIVATE, LOAD])
def test_it_is_taken_back_at_amazon_at_once_and_said_so_once_it_is_sure(
    cloud: Cloud, run: Run, operation: Operation
) -> None:
    life = run.lives[operation]
    # when it was taken back, then Amazon did so at once
    assert life.responses["undo"].status in (200, 202), life.responses["undo"].text
    assert life.undone["status"] == ("AwaitingActivation" if operation is ACTIVATE else "Voided")
    # and once nothing late can arrive, it is final
    past = datetime.now(UTC) - timedelta(minutes=25)
    _set(cloud, life.issue.request_id, lastSentAt=past, dueAt=past)
    if life.responses["undo"].status == 202:
        assert life.responses["undo"].body["status"] == "REVERSING"
        assert cloud.call("POST", f"/requests/{life.issue.request_id}/recover").status == 202
    wait_until(lambda: cloud.call("GET", life.issue.route).body["status"] == "REVERSED", "it is final")
    again = life.issue.undo()
    assert (again.status, again.body["status"]) == (200, "REVERSED")
    assert again.headers["idempotent-replayed"] == "true"
    # and the order cannot be had again under its key
    assert life.issue.place().status == 409


def _set(cloud: Cloud, request_id: str, **moments: datetime) -> None:
    cloud.ledger.update_item(
        Key={"id": request_id},
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in moments),
        ExpressionAttributeValues={f":{name}": format_time(moment) for name, moment in moments.items()},
    )


@pytest.mark.parametrize("operation", [ACTIVATE, LOAD])
def test_it_is_found_by_its_own_route_only(cloud: Cloud, run: Run, operation: Operation) -> None:
    request_id = run.lives[operation].issue.request_id
    own = COLLECTIONS[operation]
    for collection in ("/gift-cards", "/activations", "/balance-loads"):
        assert cloud.call("GET", f"{collection}/{request_id}").status == (200 if collection == own else 404)


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_is_repeated_in_line_to_one_effect(cloud: Cloud, run: Run, name: str) -> None:
    issue, response = run.faulted[name]
    # then the caller was told that it is done, or that it is not known yet
    assert response.status in (201, 202), response.text
    wait_until(lambda: cloud.call("GET", issue.route).body["status"] == "SUCCEEDED", "it is done")
    # and it was done once
    (effect,) = issue.cards()
    assert effect["times"] == 1
    assert issue.calls() >= 2
    assert issue.place().status == 200


# ---- search and activity -------------------------------------------------------------------------


def test_search_finds_what_was_just_ordered(cloud: Cloud, run: Run) -> None:
    issued = run.lives[LOAD].issue
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    wait_until(lambda: issued.request_id in cloud.call("GET", f"/requests?from={today}").text, "it is in the index")


@pytest.fixture
def unthrottled(cloud: Cloud) -> Iterator[None]:
    """Amazon shows a page a minute: no test waits for that."""
    cloud.sandbox.post("throttle", {"activityPerMinute": None})
    yield
    cloud.sandbox.post("throttle", {"activityPerMinute": 1})


@pytest.mark.usefixtures("unthrottled")
def test_activity_shows_what_was_ordered(cloud: Cloud) -> None:
    order = Placed(cloud)
    order.place()
    day = datetime.now(UTC)
    span = f"from={day - timedelta(days=1):%Y-%m-%d}&to={day + timedelta(days=1):%Y-%m-%d}"
    response = cloud.call("GET", f"/activity?{span}")
    assert response.status == 200, response.text
    (row,) = [each for each in response.body["activities"] if each["requestId"] == order.request_id]
    assert (row["activityType"], row["activityStatus"], row["isRealOp"]) == ("GCCreation", "Success", True)
    assert row["value"] == {"amount": "25.00", "currencyCode": "USD"}


# ---- the example client --------------------------------------------------------------------------


def test_the_example_client_runs_against_outputs_json(cloud: Cloud) -> None:
    outputs = cloud.directory / "outputs.json"

    def client(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, settings.ROOT / "docs" / "example_client.py", "--outputs", outputs, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    key = f"example-{uuid.uuid4().hex}"
    card = client("create", "25.00", "USD", "--key", key)
    assert client("create", "25.00", "USD", "--key", key)["gcClaimCode"] == card["gcClaimCode"]
    assert client("reveal", card["requestId"])["gcClaimCode"] == card["gcClaimCode"]
    assert "gcClaimCode" not in client("read", card["requestId"])
    assert client("cancel", card["requestId"])["status"] == "REVERSED"
