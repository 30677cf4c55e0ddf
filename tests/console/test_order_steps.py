"""What is done with an order: asked first, sent once, and only of what was seen."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from incentives.domain.bulk_orders.bulk_order import OrderStatus
from tests.console.conftest import Be
from tests.console.ordering import bulk_of, checked, finished, shown_by_api, work
from tests.console.served import Api, Browser, text_of
from tests.openapi.bulk_orders import standing
from tests.support.bulk import rows_of

S = OrderStatus


@pytest.fixture
def awaiting(api: Api, browser: Browser, be: Be) -> str:
    """An order that anna has made and started, and whose sum needs a second person."""
    bulk_of(api).dependencies.approvals[""] = Decimal(20)
    be("anna")
    order_id = finished(api, browser)
    assert shown_by_api(api, order_id)["status"] == "AWAITING_APPROVAL"
    api.called.clear()
    return order_id


def test_starting_says_what_is_charged_and_to_what_and_is_sent_once(api: Api, browser: Browser) -> None:
    order_id = checked(api, browser, rows_of(120))
    api.called.clear()
    asking = browser.get(f"/orders/{order_id}/start")
    told = text_of(asking)
    assert "Issue 120 cards for 1,200.00 USD?" in told
    assert "charges what it issues: 1,200.00 USD in all" in told
    assert "It is taken from no budget." in told
    assert "Where such a sum needs a second person, nothing is issued before" in told
    assert api.sent == []

    browser.submit(asking)
    browser.submit(asking)

    assert api.sent == [("POST", f"/orders/{order_id}/start")]
    work(api, order_id)
    assert shown_by_api(api, order_id)["counts"]["issued"] == 120


def test_a_budget_is_shown_before_its_sum_is_taken_and_too_little_of_it_is_told(api: Api, browser: Browser) -> None:
    budgets = api.functions.budgets.budgets = bulk_of(api).world.budgets
    budgets.define("summer", "1000.00")
    order_id = checked(api, browser, budget="summer")
    asking = browser.get(f"/orders/{order_id}/start")
    assert "The whole sum is taken from the budget summer first." in text_of(asking)
    assert "Left in the budget 1,000.00 USD" in text_of(asking)
    # who may not see it may still start the order
    api.deny("GET", "/budgets/")
    asking = browser.get(f"/orders/{order_id}/start")
    assert "It takes the right to call GET /budgets/{name}" in text_of(asking)

    budgets.define("summer", "29.99")
    browser.submit(asking)
    work(api, order_id)

    shown = text_of(browser.get(f"/orders/{order_id}"))
    assert "Not started: Budget 'summer' has less left than 30.00 USD." in shown
    assert "Issue its cards" in shown


def test_an_order_that_has_changed_since_it_was_seen_is_not_started(api: Api, browser: Browser) -> None:
    # given a page that shows an order, whose file is another by then
    order_id = checked(api, browser, rows_of(3), key="mine")
    asking = browser.get(f"/orders/{order_id}/start")
    bulk_of(api).world.clock.sleep(1)
    bulk_of(api).files.put(order_id, rows_of(3000).encode())
    api.files.clear()
    browser.submit(browser.get(f"/orders/{order_id}/check"))
    work(api, order_id)
    api.called.clear()

    told = text_of(browser.submit(asking))

    assert "Not sent. Nothing was sent: the order has changed since you saw it." in told
    assert api.sent == []
    assert "Issue 3,000 cards for 30,000.00 USD?" in text_of(browser.get(f"/orders/{order_id}/start"))


def test_a_file_that_was_put_since_the_order_was_seen_is_not_issued(api: Api, browser: Browser) -> None:
    # given a page that shows an order, and whoever may put its file, which no call tells of
    order_id = checked(api, browser, rows_of(3), key="mine")
    asking = browser.get(f"/orders/{order_id}/start")
    api.files.clear()
    bulk_of(api).files.put(order_id, rows_of(3000).encode())

    browser.submit(asking)
    work(api, order_id)

    shown = text_of(browser.get(f"/orders/{order_id}"))
    assert "Not started: Its file asks for another sum by now" in shown
    assert bulk_of(api).order(order_id).status is S.VALIDATED
    assert bulk_of(api).world.ledger.records == {}
    # and what is seen then is started
    browser.submit(browser.get(f"/orders/{order_id}/start"))
    work(api, order_id)
    assert shown_by_api(api, order_id)["counts"]["issued"] == 3000


def test_a_second_person_approves_what_they_have_seen_and_its_maker_may_not(
    api: Api, browser: Browser, be: Be, awaiting: str
) -> None:
    its = shown_by_api(api, awaiting)
    path = f"/orders/{awaiting}/approve"
    asking = browser.get(path)
    for fact in ("3 cards, 30.00 USD", "user/anna", its["approvalDigest"]):
        assert fact in text_of(asking)
    assert asking.find(attrs={"data-until": its["approvalUntil"]})

    refused = text_of(browser.submit(asking))
    assert "Refused. You made the order, could put its file, or started it" in refused

    be("bert")
    asking = browser.get(path)
    done = browser.submit(asking)
    browser.submit(asking)
    assert "Accepted" in text_of(done)
    assert api.sent == [("POST", path)] * 2
    assert api.bodies[-1] == {"digest": its["approvalDigest"], "total": its["total"]}
    assert "Approved by user/bert" in text_of(browser.get(f"/orders/{awaiting}"))
    # and a repeat, for whom the response was lost, only finishes what was left
    assert "It is approved already, by user/bert." in text_of(browser.get(path))
    work(api, awaiting)
    assert shown_by_api(api, awaiting)["counts"]["issued"] == 3


def test_whoever_checks_or_sends_a_file_once_more_is_told_that_they_cannot_approve_then(
    api: Api, browser: Browser, be: Be
) -> None:
    bulk_of(api).dependencies.approvals[""] = Decimal(20)
    be("anna")
    order_id = checked(api, browser)
    be("bert")
    checking = browser.get(f"/orders/{order_id}/check")
    for asking in (checking, browser.get("/orders/new")):
        assert "they cannot approve it" in text_of(asking)
    browser.submit(checking)
    work(api, order_id)
    be("anna")
    browser.submit(browser.get(f"/orders/{order_id}/start"))
    work(api, order_id)
    be("bert")
    refused = text_of(browser.submit(browser.get(f"/orders/{order_id}/approve")))
    assert "Refused. You made the order, could put its file, or started it" in refused


def test_what_has_changed_since_it_was_seen_is_not_approved(api: Api, browser: Browser, be: Be, awaiting: str) -> None:
    be("bert")
    asking = browser.get(f"/orders/{awaiting}/approve")
    # when it is rejected, and started with other rows
    bulk = bulk_of(api)
    bulk.reject(awaiting)
    bulk.files.put(awaiting, rows_of(5).encode())
    api.files.clear()
    api.functions.send("start_order", awaiting)
    work(api, awaiting)
    told = text_of(browser.submit(asking))
    assert "cannot be approved with this digest" in told
    assert shown_by_api(api, awaiting)["status"] == "AWAITING_APPROVAL"


def test_an_approval_that_its_budget_does_not_allow_is_not_called_done(api: Api, browser: Browser, be: Be) -> None:
    budgets = api.functions.budgets.budgets = bulk_of(api).world.budgets
    budgets.define("summer", "1000.00")
    bulk_of(api).dependencies.approvals[""] = Decimal(20)
    be("anna")
    order_id = finished(api, browser, budget="summer")
    budgets.define("summer", "29.99")
    be("bert")
    told = text_of(browser.submit(browser.get(f"/orders/{order_id}/approve")))
    assert "Nothing is issued all the same. Budget 'summer' has less left than 30.00 USD." in told
    assert "Done." not in told


def test_a_rejection_takes_a_reason_that_the_order_shows(api: Api, browser: Browser, be: Be, awaiting: str) -> None:
    be("bert")
    path = f"/orders/{awaiting}/reject"
    told = text_of(browser.submit(browser.get(path), reason=" "))
    assert "reason" in told
    assert "Refused." in told
    again = browser.get(path)
    browser.submit(again, reason="the list of last year")
    browser.submit(again, reason="the list of last year")
    assert api.sent == [("POST", path)] * 2
    assert "Rejected by user/bert: the list of last year" in text_of(browser.get(f"/orders/{awaiting}"))


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        (S.ISSUING, "pause", S.PAUSED),
        (S.PAUSED, "resume", S.ISSUING),
        (S.PAUSED, "stop", S.STOPPING),
        (S.VALIDATED, "stop", S.FINISHED),
        (S.INVALID, "check", S.VALIDATING),
    ],
)
def test_each_step_asks_and_is_sent_once(
    api: Api, browser: Browser, before: OrderStatus, name: str, after: OrderStatus
) -> None:
    order_id = standing(api.functions, before)
    asking = browser.get(f"/orders/{order_id}/{name}")
    assert text_of(asking.select_one("form button")) == f"{name.capitalize()} it"
    assert api.sent == []
    browser.submit(asking)
    browser.submit(asking)
    assert len(api.sent) == 1
    assert bulk_of(api).order(order_id).status is after
    assert bulk_of(api).order(order_id).dry_run is (name == "check")


@pytest.mark.parametrize(
    ("status", "route", "body"),
    [
        (S.VALIDATING, "start", {"dryRun": True}),
        (S.ISSUING, "start", {"dryRun": False}),
        (S.STOPPING, "stop", None),
        (S.SETTLING, "resume", None),
    ],
)
def test_an_order_whose_workflow_has_died_is_gone_on_with(
    api: Api, browser: Browser, status: OrderStatus, route: str, body: object
) -> None:
    order_id = standing(api.functions, status)
    before = bulk_of(api).order(order_id)
    bulk_of(api).workflows.ended.add((order_id, before.round))
    browser.submit(browser.get(f"/orders/{order_id}/go-on"))
    assert (api.sent, api.bodies) == ([("POST", f"/orders/{order_id}/{route}")], [body])
    after = bulk_of(api).order(order_id)
    assert (after.status, after.dry_run) == (before.status, before.dry_run)
    assert bulk_of(api).workflows.started == [(order_id, before.round + 1)]


@pytest.mark.parametrize(("before", "name"), [(S.SETTLING, "go-on"), (S.PAUSED, "resume")])
def test_an_order_that_was_paused_meanwhile_is_not_resumed(
    api: Api, browser: Browser, before: OrderStatus, name: str
) -> None:
    order_id = standing(api.functions, before)
    asking = browser.get(f"/orders/{order_id}/{name}")
    assert (bulk_of(api).order(order_id).why_paused or "") in text_of(asking.find("dl"))
    bulk_of(api).world.clock.sleep(60)
    standing(api.functions, S.PAUSED, order_id)
    paused, nonce = bulk_of(api).orders.orders[order_id]
    bulk_of(api).orders.orders[order_id] = (replace(paused, updated_at=bulk_of(api).world.clock.now()), nonce)
    api.called.clear()
    assert "Not sent." in text_of(browser.submit(asking))
    assert api.sent == []
    assert bulk_of(api).order(order_id).status is S.PAUSED


@pytest.mark.parametrize("name", ["start", "approve", "reject", "pause", "resume", "stop", "check", "go-on"])
def test_what_cannot_be_done_now_has_no_button_and_says_why(api: Api, browser: Browser, name: str) -> None:
    order_id = standing(api.functions, S.FINISHED)
    shown = browser.get(f"/orders/{order_id}/{name}")
    assert "It cannot be done with an order that is FINISHED, but with one that is" in text_of(shown)
    assert shown.find("form", method="post") is None


def test_an_order_that_cannot_be_read_can_still_be_paused_and_stopped(api: Api, browser: Browser) -> None:
    order_id = standing(api.functions, S.ISSUING)
    api.lose("GET", f"/orders/{order_id}")
    for name in ("start", "approve", "reject", "resume", "check", "go-on"):
        assert browser.get(f"/orders/{order_id}/{name}").find("form", method="post") is None
    for name, status in (("pause", S.PAUSED), ("stop", S.STOPPING)):
        browser.submit(browser.get(f"/orders/{order_id}/{name}"))
        assert bulk_of(api).order(order_id).status is status


def test_a_start_that_may_have_been_written_is_not_called_undone_and_can_be_gone_on_with(
    api: Api, browser: Browser
) -> None:
    # given workflows that cannot be started, though the order is written as started
    order_id = checked(api, browser)
    asking = browser.get(f"/orders/{order_id}/start")
    bulk_of(api).workflows.works = False
    told = text_of(browser.submit(asking))
    assert "Nobody knows yet whether it was done. The order's work could not be started now." in told
    assert "If it gets no further, go on with it" in text_of(browser.get(f"/orders/{order_id}/start"))

    bulk_of(api).workflows.works = True
    browser.submit(browser.get(f"/orders/{order_id}/go-on"))

    work(api, order_id)
    assert shown_by_api(api, order_id)["counts"]["issued"] == 3


def test_an_order_that_the_gateway_surely_did_not_touch_is_not_in_doubt(api: Api, browser: Browser) -> None:
    order_id = standing(api.functions, S.AWAITING_APPROVAL)
    said = '{"errorType": "IdentityUnavailable", "detail": "IAM could not be asked"}'
    api.fail("POST", f"/orders/{order_id}/approve", 503, said)
    told = text_of(browser.submit(browser.get(f"/orders/{order_id}/approve")))
    assert "Not done, for now. IAM could not be asked" in told
