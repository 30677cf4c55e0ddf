"""More orders at once than the pace allows: callers are told at once, and each is issued without being asked again."""

import contextlib
import threading
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.rate_limit import REQUESTS_PER_SECOND_DEFAULT, Full, Pace, Priority
from local.signing import Response
from tests.stack.cloud import Cloud
from tests.stack.orders import ORDER, Placed, wait_until

pytestmark = pytest.mark.stack

ORDERS = 40
#: As many as the emulator keeps busy at once. They cannot fill the pace by themselves.
CALLERS = 10
#: The pace is looked at in stretches this long: within a single second, a busy machine that sends some calls late and
#: so in a bunch says nothing about it. That no second is too full is shown where time is virtual (tests/pacing).
STRETCH_SECONDS = 5.0
LATE_SECONDS_MAX = 1.0


@contextlib.contextmanager
def crowd(cloud: Cloud) -> Iterator[None]:
    """Other callers of the account, who take every permit that a caller may take, as soon as there is one."""
    rate_limiter = DynamoDbRateLimiter(
        cloud.client("dynamodb"), cloud.outputs.pacerTableName, pace=Pace(), now=lambda: datetime.now(UTC)
    )
    enough = threading.Event()

    def take() -> None:
        while not enough.is_set():
            found = rate_limiter.reserve(cloud.outputs.accountName, Priority.CALLER)
            if isinstance(found, Full):
                enough.wait((found.again_at - datetime.now(UTC)).total_seconds())

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take)
        try:
            yield
        finally:
            enough.set()
            taking.result()


@dataclass(frozen=True)
class Burst:
    """Orders placed at once, what their callers were told, and all calls that Amazon got meanwhile."""

    responses: list[tuple[Placed, Response]]
    calls: list[dict[str, Any]]


@pytest.fixture(scope="module")
def burst(cloud: Cloud) -> Burst:
    before = len(cloud.sandbox.report()["calls"])
    orders = [Placed(cloud) for _ in range(ORDERS)]
    with ThreadPoolExecutor(CALLERS) as pool:
        # given some orders, for which there are permits
        responses = list(pool.map(lambda order: order.place(), orders[:CALLERS]))
        # when many more come while everybody else orders too
        with crowd(cloud):
            responses += pool.map(lambda order: order.place(), orders[CALLERS:])
    # and then do nothing more
    still_open = [*orders]

    def all_ended() -> bool:
        still_open[:] = [order for order in still_open if order.read()["status"] != "SUCCEEDED"]
        return not still_open

    wait_until(all_ended, "every order is issued")
    return Burst(list(zip(orders, responses, strict=True)), cloud.sandbox.report()["calls"][before:])


def test_some_callers_get_their_card_and_the_rest_are_told_when(burst: Burst) -> None:
    assert {response.status for _, response in burst.responses} == {201, 202}
    told = [response for _, response in burst.responses if response.status == 202]
    for response in told:
        assert response.body["status"] == "PENDING"
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert "gcClaimCode" not in response.body
    # One whose permit came but whose function had no time left for the call, on a busy machine, waits for no permit.
    due = [response.body["dueAt"] for response in told if response.body["dueAt"] is not None]
    assert due
    assert {datetime.fromisoformat(each).tzinfo for each in due} == {UTC}


def test_each_order_is_one_card(cloud: Cloud, burst: Burst) -> None:
    report = cloud.sandbox.report()
    ids = {order.request_id for order, _ in burst.responses}
    live = [card for card in report["cards"] if card["requestId"] in ids and card["status"] == "Fulfilled"]
    assert sorted(card["requestId"] for card in live) == sorted(ids)
    ledger = [item for item in cloud.items(cloud.ledger) if item["id"] in ids]
    assert {item["status"] for item in ledger} == {"SUCCEEDED"}
    assert sum(item["amount"] for item in ledger) == 25 * ORDERS


def test_calls_keep_to_the_pace(burst: Burst) -> None:
    ticks = sorted(call["tick"] for call in burst.calls)
    most = max(bisect_left(ticks, start + STRETCH_SECONDS) - at for at, start in enumerate(ticks))
    assert most <= REQUESTS_PER_SECOND_DEFAULT * (STRETCH_SECONDS + LATE_SECONDS_MAX)


def test_the_code_of_a_card_from_the_backlog_is_read_when_it_is_wanted(cloud: Cloud, burst: Burst) -> None:
    order = next(order for order, response in burst.responses if response.status == 202)
    revealed = cloud.call("POST", f"{order.route}/claim-code")
    assert revealed.body["gcClaimCode"] == order.live_cards()[0]["claimCode"]
    # and the same call with the same key gets it too
    again = order.place()
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.body["gcClaimCode"] == revealed.body["gcClaimCode"]


def test_who_would_rather_not_wait_does_not(cloud: Cloud) -> None:
    order = Placed(cloud)
    # when a caller prefers it so
    told = cloud.call("POST", "/gift-cards", ORDER, key=order.key, headers={"Prefer": "respond-async, wait=5"})
    # then nothing is waited for
    assert (told.status, told.headers["preference-applied"]) == (202, "respond-async")
    assert told.body["status"] == "PENDING"
    assert told.body["dueAt"] is not None
    # and the card is issued all the same
    wait_until(lambda: order.read()["status"] == "SUCCEEDED", "the order is issued")
    now = cloud.call("GET", told.headers["location"].removeprefix(f"/{cloud.outputs.stageName}"))
    assert (now.body["status"], now.body["dueAt"]) == ("SUCCEEDED", None)
    assert len(order.live_cards()) == 1


def test_nothing_is_left_in_the_queues(cloud: Cloud, burst: Burst) -> None:
    wait_until(lambda: _messages(cloud, cloud.outputs.backlogQueueUrl) == 0, "the backlog is empty")
    assert _messages(cloud, cloud.outputs.backlogDeadLettersUrl) == 0


def _messages(cloud: Cloud, queue_url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)
