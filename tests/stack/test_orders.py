"""Orders end to end: the deployed API, the real ledger, a sandbox that fails on demand."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from local import settings
from local.signing import Response
from tests.stack.cloud import Cloud
from tests.stack.orders import Placed, wait_until

pytestmark = pytest.mark.stack


ENDED = ("SUCCEEDED", "REFUSED", "REVERSED", "ESCALATED")


def ends_as(order: Placed, status: str) -> None:
    """Wait until recovery has brought an order to its end."""
    wait_until(lambda: order.read()["status"] in ENDED, "the order has ended")
    assert order.read()["status"] == status


def resume(cloud: Cloud, request_id: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "local", "resume", request_id],
        cwd=settings.ROOT,
        env={"PATH": "/usr/bin:/bin", "INCENTIVES_LOCAL_DIR": str(cloud.directory)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# ---- the happy path and its repeats --------------------------------------------------------------


def test_same_key_twice_is_one_card(cloud: Cloud) -> None:
    order = Placed(cloud)
    # when an order is sent twice
    first, second = order.place(), order.place()
    # then there is one card, and the second response says that it is the first one's
    assert (first.status, second.status) == (201, 200)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["cache-control"] == "no-store"
    assert first.body["gcClaimCode"] == second.body["gcClaimCode"] == order.cards()[0]["claimCode"]
    assert first.body["gcId"] == second.body["gcId"]
    assert len(order.cards()) == 1


def test_fifty_at_once_with_one_key_are_one_card(cloud: Cloud) -> None:
    order = Placed(cloud)
    # when fifty callers send the same order at once
    with ThreadPoolExecutor(50) as pool:
        responses = list(pool.map(lambda _: order.place(), range(50)))
    # then none is told that it failed, and there is one card
    assert {response.status for response in responses} <= {200, 201, 202}, [a.text for a in responses if a.status > 202]
    assert sum(response.status == 201 for response in responses) == 1
    assert len(order.cards()) == 1
    assert {a.body["gcClaimCode"] for a in responses if a.status < 202} == {order.cards()[0]["claimCode"]}


def test_claim_code_is_read_again_from_amazon(cloud: Cloud) -> None:
    order = Placed(cloud)
    issued = order.place()
    # when the code is asked for by its route, and the record by its own
    revealed = cloud.call("POST", f"{order.route}/claim-code")
    read = cloud.call("GET", order.route)
    # then the code is the same, comes with no permission to keep it, and the record never has it
    assert revealed.status == 200
    assert revealed.headers["cache-control"] == "no-store"
    assert revealed.body["gcClaimCode"] == issued.body["gcClaimCode"]
    assert read.status == 200
    assert "gcClaimCode" not in read.body


def test_cancel_refunds_and_the_code_is_gone(cloud: Cloud) -> None:
    order = Placed(cloud)
    order.place()
    # when it is cancelled, twice
    cancelled, again = (cloud.call("POST", f"{order.route}/cancel") for _ in range(2))
    # then nothing is charged any more
    assert (cancelled.status, again.status) == (200, 200)
    assert cancelled.body["status"] == again.body["status"] == "REVERSED"
    assert order.live_cards() == []
    # and neither its code nor its order can be had again
    for response in (cloud.call("POST", f"{order.route}/claim-code"), order.place()):
        assert response.status == 409, response.text
        assert response.body["requestStatus"] == "REVERSED"
        assert "gcClaimCode" not in response.body


def test_cancel_after_fifteen_minutes_names_the_deadline(cloud: Cloud) -> None:
    order = Placed(cloud)
    order.place()
    # given a card that was issued sixteen minutes ago, by the ledger's account of it
    cloud.ledger.update_item(
        Key={"id": order.request_id},
        UpdateExpression="SET answeredAt = :then",
        ExpressionAttributeValues={":then": "2026-01-01T00:00:00.000Z"},
    )
    before = order.calls("CancelGiftCard")
    # when it is cancelled
    response = cloud.call("POST", f"{order.route}/cancel")
    # then the deadline is named, and Amazon was not asked
    assert response.status == 409
    assert response.body["errorType"] == "CancelWindowOver"
    assert "2026-01-01T00:15:00Z" in response.body["detail"]
    assert order.calls("CancelGiftCard") == before
    assert len(order.live_cards()) == 1


def test_funds_are_what_amazon_says(cloud: Cloud) -> None:
    response = cloud.call("GET", "/funds")
    assert response.status == 200, response.text
    held = cloud.sandbox.report()["funds"][cloud.outputs.partnerId]
    assert float(response.body["availableFunds"]["amount"]) == pytest.approx(float(held["USD"]), abs=1000)


# ---- bad input -----------------------------------------------------------------------------------


def test_key_of_another_order_is_refused_by_field(cloud: Cloud) -> None:
    order = Placed(cloud)
    order.place()
    before, calls = cloud.items(cloud.ledger), order.calls()
    # when its key comes with another amount and reference
    response = order.place(amount="30.00", externalReference="another")
    # then both are named, and nothing was sent or written
    assert response.status == 422
    assert [each["field"] for each in response.body["errors"]] == ["amount", "externalReference"]
    assert response.body["requestId"] == order.request_id
    assert order.calls() == calls
    assert len(cloud.items(cloud.ledger)) == len(before)
    # and "25" is not another amount
    assert order.place(amount=25).status == 200


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", ""), ("POST", "/claim-code"), ("POST", "/cancel")],
    ids=["get", "claim-code", "cancel"],
)
def test_unknown_request_id(cloud: Cloud, method: str, action: str) -> None:
    response = cloud.call(method, f"/gift-cards/{Placed(cloud).request_id}{action}")
    assert response.status == 404
    assert response.body["errors"][0]["field"] == "requestId"


def test_key_items_cannot_be_read_as_requests(cloud: Cloud) -> None:
    order = Placed(cloud)
    order.place()
    (key_item,) = [item["id"] for item in cloud.items(cloud.ledger) if item.get("requestId") == order.request_id]
    assert cloud.call("GET", f"/gift-cards/{key_item.replace('#', '%23')}").status == 404


# ---- faults --------------------------------------------------------------------------------------

_ONCE = {"first": 1}
#: One for each thing that the way through HTTP may do to a function: what a response says is read in tests/agcod, and
#: all faults are in tests/simulation.
FAULTS: dict[str, dict[str, Any]] = {
    **{
        f"{kind} {when} the effect": {"kind": kind, "when": when, "calls": _ONCE, **extra}
        for when in ("before", "after")
        for kind, extra in {
            "resend": {},
            "timeout": {"holdSeconds": 7},
            "drop": {},
            "error503": {},
            "xmlError": {"errorCode": "F400", "errorType": "SystemTemporarilyUnavailable"},
            "connectionLost": {},
        }.items()
    },
    "throttle as XML": {
        "kind": "throttle",
        "errorType": "SlowDown",
        "form": "xmlCode",
        "httpStatus": 503,
        "calls": _ONCE,
    },
    "signature as F200": {"kind": "wrongSignature", "errorType": "GeneralError", "calls": _ONCE},
    "created": {"kind": "created", "calls": _ONCE},
    "throttle before the effect": {"kind": "throttle", "calls": _ONCE},
    "lateEffect": {"kind": "lateEffect", "delaySeconds": 3, "answer": "drop", "calls": _ONCE},
    **{kind: {"kind": kind, "calls": _ONCE} for kind in ("truncatedJson", "xml", "missingStatus", "slowDrip")},
    "garbledCode": {"kind": "garbledCode", "variant": 0, "calls": _ONCE},
}


@pytest.fixture(scope="module")
def after_faults(cloud: Cloud) -> dict[str, tuple[Placed, Response]]:
    """Every fault, each on an order of its own, all on their way together: one waits while another fails."""

    def run(name: str) -> tuple[str, tuple[Placed, Response]]:
        order = Placed(cloud)
        order.fault(**FAULTS[name])
        return name, (order, order.place())

    with ThreadPoolExecutor(6) as pool:
        return dict(pool.map(run, FAULTS))


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_is_repeated_in_line_to_one_card(
    cloud: Cloud, after_faults: Mapping[str, tuple[Placed, Response]], name: str
) -> None:
    order, response = after_faults[name]
    # then the caller got its card, or was told that it is not known yet
    assert response.status in (201, 202), response.text
    # and there is one, at once or when the throttled pace allows it
    wait_until(lambda: len(order.cards()) > 0, "the card is there")
    assert len(order.cards()) == 1
    if response.status == 201:
        assert response.body["gcClaimCode"] == order.live_cards()[0]["claimCode"]
        assert order.read()["status"] == "SUCCEEDED"
    else:
        assert "gcClaimCode" not in response.body
        assert response.body["status"] in ("PENDING", "RECOVERING")
    # and a repeat brings the same card
    wait_until(lambda: order.place().status in (200, 202), "the repeat is answered")


@pytest.mark.parametrize(
    ("kind", "extra", "status", "ends"),
    [
        ("refunded", {}, 409, "REVERSED"),
        ("refuse", {"errorCode": "F200", "errorType": "InvalidAmountValue"}, 422, "REFUSED"),
        ("refuse", {"errorCode": "F300", "errorType": "InsufficientFunds"}, 402, "REFUSED"),
        ("refuse", {"errorCode": "F300", "errorType": "AccountHasProblems"}, 403, "REFUSED"),
        ("message", {}, 422, "REFUSED"),
    ],
)
def test_answers_that_end_an_order_without_a_card(
    cloud: Cloud, kind: str, extra: dict[str, str], status: int, ends: str
) -> None:
    order = Placed(cloud)
    order.fault(kind, **extra)
    # when Amazon gives such a response, the caller and every repeat hear the same, and no code
    for response in (order.place(), order.place()):
        assert response.status == status, response.text
        assert response.body["requestId"] == order.request_id
        assert "gcClaimCode" not in response.body
    assert order.read()["status"] == ends
    assert order.calls() == 1


@pytest.mark.parametrize("kind", ["wrongAmount", "wrongCurrency", "expired"])
def test_a_card_that_nobody_ordered_is_never_delivered(cloud: Cloud, kind: str) -> None:
    order = Placed(cloud)
    order.fault(kind)
    # when Amazon answers with another card than was asked for, then the caller hears neither "issued" nor "refused"
    response = order.place()
    assert response.status == 202, response.text
    assert "gcClaimCode" not in response.body
    # and it goes to people
    ends_as(order, "ESCALATED")
    assert order.place().status == 409
    assert order.calls() == 1


def test_refusal_after_an_unknown_is_not_believed(cloud: Cloud) -> None:
    order = Placed(cloud)
    # given a card whose response was lost, and a refusal of the repeat
    order.fault("drop", when="after", calls={"nth": [1]})
    order.fault("refuse", errorCode="F300", errorType="OperationNotPermitted", calls={"nth": [2]})
    # when it is placed, then nobody says "refused" while a card may be charged
    response = order.place()
    assert response.status in (202, 409), response.text
    # and it is undone
    ends_as(order, "REVERSED")
    assert order.live_cards() == []


@dataclass(frozen=True)
class Unknown:
    """Two orders that Amazon carried out and never answered for, and what their callers were told."""

    retried: Placed
    cancelled: Placed
    responses: Mapping[str, Response]


@pytest.fixture(scope="module")
def unknown(cloud: Cloud) -> Unknown:
    """Placed together: each takes all the time that a function has."""
    retried, cancelled = Placed(cloud), Placed(cloud)
    for order in (retried, cancelled):
        order.fault("resend", when="after")
    with ThreadPoolExecutor(2) as pool:
        placed = list(pool.map(Placed.place, (retried, cancelled)))
    return Unknown(retried, cancelled, {retried.key: placed[0], cancelled.key: placed[1]})


def test_cancel_while_unknown_is_never_undone(cloud: Cloud, unknown: Unknown) -> None:
    order = unknown.cancelled
    assert unknown.responses[order.key].status == 202
    # when it is cancelled while nobody knows, then that is noted
    response = cloud.call("POST", f"{order.route}/cancel")
    assert response.status == 202
    assert response.body["status"] == "REVERSING"
    # and the order is never sent again: the card is found and cancelled
    ends_as(order, "REVERSED")
    assert order.live_cards() == []
    asked = [call["operation"] for call in cloud.sandbox.report()["calls"] if call["requestId"] == order.request_id]
    assert "CreateGiftCard" not in asked[asked.index("CancelGiftCard") :]


def test_unknown_until_the_time_is_over_is_recorded_and_recovered(cloud: Cloud, unknown: Unknown) -> None:
    order = unknown.retried
    response = unknown.responses[order.key]
    # given an Amazon that does what is asked and never says so: the response says neither, and where to ask
    assert response.status == 202, response.text
    assert response.body["status"] == "RECOVERING"
    assert response.headers["location"].endswith(f"/gift-cards/{order.request_id}")
    assert int(response.headers["retry-after"]) > 0
    record = order.read()
    assert record["wakeAt"]
    assert record["wakePartition"].startswith("open#")
    # and repeats hear the same
    assert order.calls() > 1
    assert order.place().status == 202
    assert cloud.call("POST", f"{order.route}/claim-code").status == 409
    # when Amazon has recovered, then recovery finds the one card by itself, and the next repeat delivers it
    cloud.sandbox.delete("faults")
    ends_as(order, "SUCCEEDED")
    (card,) = order.cards()
    repeat = order.place()
    assert repeat.status == 200
    assert repeat.body["gcClaimCode"] == card["claimCode"]


# ---- crashes -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Killed:
    """An order whose function was killed, and how everything stood then and after an operator resumed it."""

    order: Placed
    cards_then: int
    status_then: str
    repeat_then: int
    sent_by_repeat: int


@pytest.fixture(scope="module")
def killed(cloud: Cloud) -> Mapping[str, Killed]:
    """Two orders whose function dies, one before Amazon has acted and one after. Both are resumed."""
    orders = {when: Placed(cloud) for when in ("before", "after")}
    for when, order in orders.items():
        order.fault("timeout", when=when, holdSeconds=6, calls={"first": 1})
    with ThreadPoolExecutor(2) as pool:
        responses = [pool.submit(order.place) for order in orders.values()]
        wait_until(lambda: orders["before"].calls() == 1 and len(orders["after"].cards()) == 1, "both are at Amazon")
        for process in cloud.lambda_processes(cloud.outputs.functionNames["CreateGiftCard"]):
            process.kill()
        assert all(response.result().status >= 500 for response in responses)
    found = {when: _after_kill(order) for when, order in orders.items()}
    said = {when: resume(cloud, order.request_id) for when, order in orders.items()}
    assert all(card["claimCode"] not in text for card in cloud.sandbox.report()["cards"] for text in said.values())
    return found


def _after_kill(order: Placed) -> Killed:
    cards, status, calls = len(order.cards()), order.read()["status"], order.calls()
    repeat = order.place()
    return Killed(order, cards, status, repeat.status, order.calls() - calls)


@pytest.mark.parametrize(("when", "cards"), [("before", 0), ("after", 1)])
def test_killed_around_the_call(killed: Mapping[str, Killed], when: str, cards: int) -> None:
    # given a function that died after its order was written: before Amazon acted, or after it did
    dead = killed[when]
    assert dead.cards_then == cards
    assert dead.status_then == "PENDING"
    # then repeats answered 202 and sent nothing
    assert dead.repeat_then == 202
    assert dead.sent_by_repeat == 0
    # and now that it has been resumed there is one card, which the next repeat delivers
    (card,) = dead.order.cards()
    assert dead.order.read()["status"] == "SUCCEEDED"
    repeat = dead.order.place()
    assert repeat.status == 200
    assert repeat.body["gcClaimCode"] == card["claimCode"]
