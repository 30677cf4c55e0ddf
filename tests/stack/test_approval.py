"""Bulk orders above a sum wait for a second person, on the local cloud: who may be that, and what it is told as."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local.signing import Caller, Response
from tests.stack.bulk import Bulk
from tests.stack.cloud import Cloud
from tests.stack.orders import APPROVAL_ABOVE, NEEDS_APPROVAL, OwnAccount, wait_until

pytestmark = pytest.mark.stack

#: As many cards as the sum of which is above the limit, or below.
ABOVE, BELOW = 6, 4


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry(cloud: Cloud) -> Iterator[None]:
    """Waits of workflows take a tenth of their time."""
    cloud.set_wait_scale(0.1)
    yield
    cloud.set_wait_scale(1)


@pytest.fixture(scope="module")
def own(cloud: Cloud) -> Iterator[OwnAccount]:
    """The account whose orders wait."""
    account = OwnAccount(cloud, mark=NEEDS_APPROVAL.removeprefix("own-"))
    key = account.key("approval")
    with account.at_amazon(key):
        account.put(key)
        yield account


@pytest.fixture(scope="module")
def somebody(cloud: Cloud) -> Caller:
    """A third person, who may call every route."""
    iam, name = cloud.client("iam"), f"somebody-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Caller(key["AccessKeyId"], key["SecretAccessKey"])


def waiting(own: OwnAccount) -> tuple[Bulk, dict[str, Any]]:
    """An order that the invoker has made and started, as it is shown while it waits."""
    bulk = Bulk(own.cloud, ABOVE, own)
    bulk.start()
    return bulk, bulk.wait_for(lambda order: order["status"] == "AWAITING_APPROVAL", "it waits for its approval")


def approve(bulk: Bulk, order: dict[str, Any], caller: Caller) -> Response:
    body = {"digest": order["approvalDigest"], "total": order["total"]}
    return bulk.cloud.call("POST", f"{bulk.route}/approve", body, caller=caller)


def events_of(bulk: Bulk) -> dict[str, dict[str, Any]]:
    """What the bus was told of an order: details, by the word for a decision, or by their type."""
    told = [each for each in bulk.cloud.events() if bulk.id in json.dumps(each["detail"])]
    return {each["detail"].get("decision", each["detail-type"]): each["detail"] for each in told}


def test_an_order_below_the_sum_does_not_wait(own: OwnAccount) -> None:
    bulk = Bulk(own.cloud, BELOW, own)
    bulk.start()
    order = bulk.wait_for_the_end()
    assert float(order["total"]["amount"]) < float(APPROVAL_ABOVE)
    assert (order["counts"]["issued"], order["decision"]) == (BELOW, None)


def test_an_order_above_it_is_issued_once_somebody_else_approves(
    cloud: Cloud, own: OwnAccount, somebody: Caller
) -> None:
    bulk, order = waiting(own)
    # given an order that waits: nothing is issued, the operators know, and whoever looks for such orders finds it
    assert bulk.cards() == []
    wait_until(lambda: bulk.id in json.dumps(cloud.notices()), "the operators are told")
    listed = cloud.call("GET", f"/orders?status=AWAITING_APPROVAL&account={own.account}").body["orders"]
    assert bulk.id in [each["orderId"] for each in listed]
    # when its maker approves, or somebody approves what it is not, then it goes on waiting
    refused = approve(bulk, order, cloud.invoker)
    assert (refused.status, refused.body["errorType"]) == (403, "NotThisPerson"), refused.text
    for other in ({"approvalDigest": "0" * len(order["approvalDigest"])}, {"total": {**order["total"], "amount": "1"}}):
        assert approve(bulk, {**order, **other}, somebody).status == 409
    assert bulk.read()["status"] == "AWAITING_APPROVAL"
    # and when somebody else approves it, twice, then it is issued once
    assert [approve(bulk, order, somebody).status for _ in range(2)] in ([202, 202], [202, 200])
    order = bulk.wait_for_the_end()
    assert (order["counts"]["issued"], len(bulk.cards())) == (ABOVE, ABOVE)
    assert (order["decision"], order["decidedBy"] != order["createdBy"]) == ("approve", True)
    # and all of that is told
    wait_until(lambda: {"OrderAwaitingApproval", "approve"} <= {*events_of(bulk)}, "both are on the bus")
    assert events_of(bulk)["approve"]["caller"] == order["decidedBy"]


def test_whoever_started_it_is_a_maker_too(cloud: Cloud, own: OwnAccount, somebody: Caller) -> None:
    # given an order that the invoker has made, and somebody has started
    bulk = Bulk(cloud, ABOVE, own)
    made = bulk.make()
    assert bulk.put(made, bulk.csv).status == 200
    assert cloud.call("POST", f"{bulk.route}/start", caller=somebody).status == 202
    order = bulk.wait_for(lambda order: order["status"] == "AWAITING_APPROVAL", "it waits for its approval")
    # then neither may approve it
    assert [approve(bulk, order, caller).status for caller in (cloud.invoker, somebody)] == [403, 403]
    # and when a third person rejects it, then it may be started again, and says why it did not go on
    reason = "these amounts are last month's"
    rejected = cloud.call("POST", f"{bulk.route}/reject", {"reason": reason}, caller=cloud.developer)
    assert (rejected.status, rejected.body["status"]) == (200, "VALIDATED"), rejected.text
    assert bulk.read()["rejectedBecause"] == reason
    assert approve(bulk, order, cloud.developer).status == 409
    assert bulk.cards() == []
    wait_until(lambda: "reject" in events_of(bulk), "the rejection is on the bus")
    assert events_of(bulk)["reject"]["reason"] == reason
    assert bulk.do("start").status == 202
    bulk.wait_for(lambda order: order["status"] == "AWAITING_APPROVAL", "it waits again")
    assert bulk.do("stop").status in {200, 202}
