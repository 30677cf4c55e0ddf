"""Freezing an account on the local cloud while it is under load: what stops, what goes on, and what comes after it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incentives.aws.items import parse_time
from local.signing import Response
from tests.stack.bulk import Bulk
from tests.stack.cloud import Cloud
from tests.stack.orders import OwnAccount, Placed, take_up, wait_until

pytestmark = pytest.mark.stack

REASON = "a key was found in a public repository"
#: Who order at the same time: more than the pace allows, together with a bulk order.
CALLERS = 6
#: Responses that the load must have brought before the account is frozen, and of orders placed after it.
BEFORE, AFTER = 12, 8
WAITING = 3


@dataclass
class Scene:
    """An account that was frozen while much was under way.

    Attributes:
        kept, cancelled: cards from before.
        lost: a request all of whose responses were lost, so that its recovery has begun.
        waiting: in the backlog, and taken up by nobody before the account was frozen.
        load: orders placed before that, and their responses; late: after.
        frozen: the response to who froze it.
        created: calls for a card that Amazon had got by then.
    """

    cloud: Cloud
    own: OwnAccount
    bulk: Bulk
    kept: Placed
    cancelled: Placed
    lost: Placed
    waiting: list[Placed]
    load: list[tuple[Placed, Response]] = field(default_factory=list)
    late: list[tuple[Placed, Response]] = field(default_factory=list)
    frozen: Response | None = None
    created: int = 0

    def do(self, action: str, body: object = None) -> Response:
        return self.cloud.call("POST", f"/accounts/{self.own.account}/{action}", body)

    def order_on(self, over: threading.Event) -> None:
        """Order one card after another."""
        while not over.is_set():
            order, responses = Placed(self.cloud, own=self.own), self.late if self.frozen else self.load
            response = order.place()
            while response.status == 429 and not over.wait(0.2):
                # A busy machine has no process for it now, and nothing was done.
                response = order.place()
            if response.status != 429:
                responses.append((order, response))

    def freeze(self) -> None:
        """In the middle of all that."""
        over = threading.Event()
        with ThreadPoolExecutor(CALLERS) as pool:
            try:
                for _ in range(CALLERS):
                    pool.submit(self.order_on, over)
                wait_until(lambda: len(self.load) >= BEFORE, "it is under load")
                # when it is frozen
                self.frozen = self.do("freeze", {"reason": REASON})
                # then Amazon has had these calls by the time of the answer
                self.created = len(self.calls())
                wait_until(lambda: len(self.late) >= AFTER, "the load has gone on")
            finally:
                over.set()

    def calls(self) -> list[str]:
        """The ids of all calls that asked for one of its cards, in order."""
        calls = self.cloud.sandbox.report()["calls"]
        mine = (self.own.partner, "CreateGiftCard")
        return [each["requestId"] for each in calls if (each["account"], each["operation"]) == mine]

    def new_since(self) -> set[str]:
        """Ids that Amazon was asked for since, but for the one that may have been charged."""
        return {*self.calls()[self.created :]} - {self.lost.request_id}

    @property
    def told_to_wait(self) -> list[Placed]:
        return self.waiting + [order for order, response in self.load if response.status == 202]

    def decisions(self) -> set[tuple[str, str | None]]:
        """About the account, as the bus was told of them, and why."""
        told = [each["detail"] for each in self.cloud.events() if each["detail-type"] == "DecisionMade"]
        return {(each["decision"], each["reason"]) for each in told if each["account"] == self.own.account}

    def standing(self) -> dict[str, Any]:
        """As the list of accounts shows it."""
        cursor, found = "", dict[str, Any]()
        while cursor is not None and not found:
            page = self.cloud.call("GET", f"/accounts?cursor={cursor}" if cursor else "/accounts").body
            found = next((each for each in page["accounts"] if each["account"] == self.own.account), {})
            cursor = page["cursor"]
        return found


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry(cloud: Cloud) -> Iterator[None]:
    """Waits of workflows take a tenth of their time."""
    cloud.set_wait_scale(0.1)
    yield
    cloud.set_wait_scale(1)


@pytest.fixture(scope="module")
def scene(cloud: Cloud) -> Iterator[Scene]:
    own = OwnAccount(cloud)
    key = own.key("freeze")
    with own.at_amazon(key):
        own.put(key)
        kept, cancelled, lost, *waiting = (Placed(cloud, own=own) for _ in range(3 + WAITING))
        # given two cards, and one whose response was lost each time
        for order in (kept, cancelled):
            stands_as(order, "SUCCEEDED")
        lost.fault("resend", when="after")
        stands_as(lost, "RECOVERING")
        made = Scene(cloud, own, Bulk(cloud, 40, own), kept, cancelled, lost, waiting)
        with backlog_stands(cloud):
            # and some that wait, a bulk order, and callers who order all the time
            for order in waiting:
                stands_as(order, "PENDING", later=True)
            made.bulk.start()
            # Before the others: callers who wait take the permits that it would have.
            wait_until(lambda: bool(made.bulk.cards()), "the bulk order is issued")
            made.freeze()
        yield made


def stands_as(order: Placed, status: str, **how: bool) -> None:
    """Order, and again until it stands so: a busy machine may have no process, or no time, for it at once."""
    wait_until(lambda: order.place(**how).body["status"] == status, f"it is {status}")


@contextmanager
def backlog_stands(cloud: Cloud) -> Iterator[None]:
    """Nobody takes up what is in it."""
    client = cloud.client("lambda")
    (found,) = client.list_event_source_mappings(FunctionName=cloud.outputs.functionNames["IssueQueued"])[
        "EventSourceMappings"
    ]
    client.update_event_source_mapping(UUID=found["UUID"], Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=found["UUID"], Enabled=True)


def is_refused(response: Response) -> bool:
    assert response.status == 503, response.text
    assert (response.body["errorType"], response.headers["retry-after"]) == ("AccountFrozen", "900")
    return True


def test_nothing_leaves_that_amazon_has_not_seen_once_the_answer_is_there(scene: Scene) -> None:
    assert scene.frozen is not None
    assert scene.frozen.status == 200, scene.frozen.text
    assert scene.frozen.body["frozen"]["reason"] == REASON
    # what was asked for before was issued, or waits
    assert {response.status for _, response in scene.load} <= {201, 202, 503}
    assert 201 in {response.status for _, response in scene.load}
    # what came after the answer is refused, and nobody has heard of it
    assert all(is_refused(response) for _, response in scene.late)
    ledger = {item["id"] for item in scene.cloud.items(scene.cloud.ledger)}
    assert not ledger & {order.request_id for order, _ in scene.late}
    assert scene.new_since() == set()


def test_the_bulk_order_pauses_and_says_who_and_why(scene: Scene) -> None:
    order = scene.bulk.wait_for(lambda order: order["status"] == "PAUSED", "it is paused")
    assert REASON in order["pauseReason"]
    assert "user/local-invoker" in order["pauseReason"]
    assert order["counts"]["issued"] < scene.bulk.rows


def test_everybody_is_told_who_and_why(cloud: Cloud, scene: Scene) -> None:
    standing = scene.standing()
    assert (standing["state"], standing["frozen"]["reason"]) == ("FROZEN", REASON)
    assert standing["frozen"]["by"] == "user/local-invoker"
    subject = f"Frozen: Incentives account {scene.own.account}"
    (notice,) = [each for each in cloud.notices() if each["Subject"] == subject]
    assert REASON in notice["Message"]
    wait_until(lambda: ("freeze", REASON) in scene.decisions(), "the decision is on the bus")


def test_a_card_can_be_cancelled(scene: Scene) -> None:
    response = scene.cancelled.undo()
    assert (response.status, response.body["status"]) == (200, "REVERSED"), response.text
    assert scene.cancelled.live_cards() == []


def test_no_code_is_read_but_a_repeat_hears_how_it_stands(cloud: Cloud, scene: Scene) -> None:
    is_refused(cloud.call("POST", f"{scene.kept.route}/claim-code"))
    repeat = scene.kept.place()
    assert (repeat.status, repeat.body["status"]) == (202, "SUCCEEDED"), repeat.text
    assert "gcClaimCode" not in repeat.body


def test_what_amazon_may_have_charged_is_found_out(cloud: Cloud, scene: Scene) -> None:
    # when Amazon's responses come again
    cloud.sandbox.delete("faults")
    # then recovery goes on to its end; what waits in the backlog is looked at again later
    wait_until(lambda: scene.lost.read()["status"] == "SUCCEEDED", "its recovery has ended")
    wait_until(lambda: all(map(_rests, scene.told_to_wait)), "the backlog waits for the account to be thawed")
    assert {order.read()["status"] for order in scene.waiting} == {"PENDING"}
    assert scene.new_since() == set()


def _rests(order: Placed) -> bool:
    """It was issued in time, or waits for minutes."""
    item = order.read()
    later = datetime.now(UTC) + timedelta(minutes=5)
    return item["status"] == "SUCCEEDED" or (item["status"] == "PENDING" and parse_time(item["dueAt"]) > later)


def test_the_watch_keeps_an_account_frozen_whose_copy_is_lost(cloud: Cloud, scene: Scene) -> None:
    # given a rate limiter that knows nothing of it any more
    cloud.rate_limiter.delete_item(Key={"id": scene.own.account})
    # when the watch has come by
    cloud.invoke("WatchAccount")
    # then it is frozen
    is_refused(Placed(cloud, own=scene.own).place())
    assert scene.new_since() == set()


def test_all_goes_on_once_it_is_thawed(cloud: Cloud, scene: Scene) -> None:
    # when
    thawed = scene.do("unfreeze")
    # then
    assert (thawed.status, thawed.body["frozen"]) == (200, None), thawed.text
    # and what has waited is issued when it is next due
    take_up(cloud, [order.request_id for order in scene.told_to_wait])
    wait_until(
        lambda: {order.read()["status"] for order in scene.told_to_wait} == {"SUCCEEDED"}, "what has waited is issued"
    )
    # and the bulk order, once it is resumed
    assert scene.bulk.do("resume").status == 202
    assert scene.bulk.wait_for_the_end()["counts"]["issued"] == scene.bulk.rows
    # and a code is read
    assert scene.kept.place().status == 200
