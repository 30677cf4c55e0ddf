"""Each function's real answers, held against the document: every status it can give, and none that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from incentives.bootstrap import container
from incentives.agcod.activity import ActivityPage
from incentives.agcod.errors import TABLE, Kind
from incentives.agcod.reading.responses import Failure, Funds
from incentives.api.models.budgets import NAME
from incentives.api.openapi import GATEWAY_STATUSES
from incentives.api.problems import REFUSED_STATUSES, STATUSES, Unexpected
from incentives.api.route import Route
from incentives.api.routes import REFUSALS
from incentives.domain.accounts.account import Activity, CardState
from incentives.domain.bulk_orders.bulk_order import ORDER_ID_LENGTH, OrderStatus
from incentives.domain.errors import (
    BudgetBusy,
    BudgetExceeded,
    GatewayError,
    LedgerUnavailable,
    RefusedByAmazon,
    RefusedFor,
)
from incentives.domain.money import Money
from incentives.domain.outcomes import AmazonError, Refused
from incentives.domain.single_requests.record import Status
from tests.openapi import books, budgets, closes
from tests.openapi.bulk_orders import approval, of_a_maker, ordered, standing, with_a_budget_that
from tests.openapi.contract import committed, operations
from tests.openapi.served import BODIES, BY_NAME, CARD_NUMBER, CUSTOMER, QUERY_OF, Response, Served, served
from tests.support.fakes import CODE, START, account, usd
from tests.unit.builders import MINUTE, NOT_SENT, REFUNDED, TIMED_OUT

REFUSED_BY: Final = {
    402: AmazonError("F300", "InsufficientFunds"),
    403: AmazonError("F300", "AccountHasProblems"),
    409: AmazonError("F200", "CancelRequestArrivedAfterTimeLimit"),
    422: AmazonError("F200", "InvalidAmountValue"),
}
ISSUES: Final = ("create_gift_card", "activate_gift_card", "load_amazon_balance")
REVERSALS: Final = {
    "cancel_gift_card": "create_gift_card",
    "deactivate_gift_card": "activate_gift_card",
    "void_amazon_balance_load": "load_amazon_balance",
}
READS: Final = {
    "get_gift_card": "create_gift_card",
    "get_activation": "activate_gift_card",
    "get_balance_load": "load_amazon_balance",
}
QUERIES: Final = ("check_activation_status", "get_available_funds", "get_activity")
#: No order has it.
ORDER_ID: Final = "A" * ORDER_ID_LENGTH

Scenario = Callable[[Served], Response]


def ask(api: Served, function: str) -> Response:
    return api.send(function, body=BODIES.get(function), query=QUERY_OF.get(function))


def tell(api: Served, response: Funds | CardState | ActivityPage | Failure) -> None:
    api.world.amazon.funds_response = response  # type: ignore[assignment] # of a funds question; the others take the script
    api.world.amazon.script = [response] * 50  # type: ignore[list-item] # the same
    api.world.amazon.pages = [response] * 50


def told(function: str) -> Funds | CardState | ActivityPage:
    match function:
        case "get_available_funds":
            return Funds(Money(-usd("12.50").amount, "USD"), START)
        case "check_activation_status":
            return CardState("Activated", usd("25.00"), START)
        case _:
            blank = Activity("Test1A", "GCCreation", "Failed", None, None, None, "InvalidAmountValue", is_real=False)
            return ActivityPage((replace(blank, time=START, value=usd("25.00"), gc_id="G1", is_real=True), blank), 2)


def unanswered(api: Served, function: str, action: str | None = None) -> Response:
    api.world.amazon.script = [TIMED_OUT] * 50
    response = api.issue(function)
    api.world.amazon.script = []
    return response if action is None else api.send(action, response.body["requestId"])


def refused(api: Served, function: str, status: int, action: str | None = None) -> Response:
    api.world.amazon.script = [Refused(REFUSED_BY[status])]
    response = api.issue(function)
    return response if action is None else api.send(action, response.body["requestId"])


def done(api: Served, function: str, action: str) -> Response:
    return api.send(action, api.issue(function).body["requestId"])


def reversed_already(api: Served, function: str, action: str) -> Response:
    request_id = api.issue(function).body["requestId"]
    records = api.world.ledger.records
    records[request_id] = replace(records[request_id], status=Status.REVERSED)
    return api.send(action, request_id)


def escalated(api: Served, action: str) -> Response:
    request_id = unanswered(api, "create_gift_card").body["requestId"]
    case_file = '{"no": "case"}' if action != "get_case_file" else CASE
    api.world.ledger.records[request_id] = replace(
        api.world.ledger.records[request_id], status=Status.ESCALATED, wake_at=None, case_file=case_file
    )
    return api.send(action, request_id)


def broken(api: Served, error: Exception, function: str) -> Response:
    """Every port fails alike."""

    def fail(*_: object, **__: object) -> Any:
        raise error

    for port, names in (
        (api.books.books, ("day", "days", "keep_day", "statement", "close")),
        (api.bulk.orders, ("create", "get", "newest")),
        (api.world.ledger, ("get", "open", "apply")),
        (api.world.accounts, ("get",)),
        (api.world.freezes, ("get",)),
        (api.index, ("day",)),
        (api.budgets, ("get", "listed")),
    ):
        for name in names:
            setattr(port, name, fail)
    route = BY_NAME[function]
    if function == "get_available_funds":
        return ask(api, function)
    known = {"control_account": "default", "set_budget": NAME, "get_budgets": NAME}.get(route.function, "UNKNOWN")
    return api.send(
        function,
        ORDER_ID if "{orderId}" in route.path else books.PATHS.get(function, known),
        body=BODIES.get(function),
        key="k" if route.keyed else None,
        query=QUERY_OF.get(function),
    )


CASE: Final = (
    '{"partnerId":"Test1","requestId":"Test1A","operation":"CreateGiftCard","reversal":"CancelGiftCard","amount":"25.00",'
    '"currencyCode":"USD","gcId":null,"cardNumber":null,"status":"ESCALATED","intent":"retry","cause":null,'
    '"conflict":null,"generation":0,"replaces":null,"attempts":3,"reversalAttempts":0,"firstSentAt":null,'
    '"lastSentAt":null,"lastReversalSentAt":null,"writtenAt":"2026-03-01T12:00:00Z","timeZone":"UTC",'
    '"programmingLanguage":"Python","recentChanges":"none","history":[]}'
)


def scenarios(function: str) -> Iterator[tuple[int, Scenario]]:
    """What a function can be brought to response, each with the status it has to give."""
    yield from _of_every_route(function)
    if function in ISSUES:
        yield from _of_issues(function)
    elif function in REVERSALS:
        yield from _of_reversals(function, REVERSALS[function])
    elif function in READS:
        yield 200, lambda api: done(api, READS[function], function)
        yield 200, lambda api: unanswered(api, READS[function], function)
    elif function in QUERIES:
        yield from _of_questions(function)
    elif BY_NAME[function].tag == "Reconciliation":
        yield from books.SCENARIOS[function]
    elif BY_NAME[function].tag == "Month's close":
        yield from closes.SCENARIOS[function]
    elif BY_NAME[function].tag == "Budgets":
        yield from budgets.SCENARIOS[function]
    elif BY_NAME[function].tag == "Bulk orders":
        yield from _of_bulk_orders(function)
    else:
        yield from _of_others(function)


def _of_every_route(function: str) -> Iterator[tuple[int, Scenario]]:
    yield 400, lambda api: api.send(function, query={"dryRun": "true"}, body=BODIES.get(function), key="k")
    yield 413, lambda api: api.send(function, body="x" * 11_000, key="k")
    yield 500, lambda api: broken(api, RuntimeError(f"boom {CODE}"), function)
    yield 503, lambda api: broken(api, LedgerUnavailable("down", in_doubt=False), function)
    # A budget that is not there is made.
    if "{" in BY_NAME[function].path and function != "set_budget":
        yield 404, lambda api: api.send(function, query=QUERY_OF.get(function))
    if "{orderId}" in BY_NAME[function].path:
        yield 404, lambda api: api.send(function, ORDER_ID, body=BODIES.get(function))


#: No status, no account, no size of a page, none at all, no cursor.
NO_LISTS: Final = (
    {"status": "DONE"},
    {"account": "No"},
    {"limit": "0"},
    {"limit": "101"},
    {"cursor": "x"},
    {"page": "1"},
)


def _of_bulk_orders(function: str) -> Iterator[tuple[int, Scenario]]:
    match function:
        case "create_order":
            yield 201, ordered
            yield 201, lambda api: ordered(api, format="jsonl", account="default", onUnknown="reissue")
            yield 200, lambda api: (ordered(api), ordered(api))[1]
            yield 200, lambda api: (standing(api, OrderStatus.ISSUING), ordered(api))[1]
            yield 422, lambda api: (ordered(api), ordered(api, onUnknown="reverse"))[1]
            yield 422, lambda api: ordered(api, budget="unknown")
            yield 503, lambda api: ordered(api, account="nobody")
        case "list_orders":
            yield 200, lambda api: api.send(function)
            yield from ((200, lambda api, s=s: (standing(api, s), api.send(function))[1]) for s in OrderStatus)
            yield from ((400, lambda api, q=query: api.send(function, query=q)) for query in NO_LISTS)
        case "approve_order":
            yield 202, lambda api: approval(api, function)
            yield 202, lambda api: approval(api, function, total={"amount": 120, "currencyCode": "USD"})
            yield 200, lambda api: with_a_budget_that(api, BudgetExceeded("too little"))
            yield 403, of_a_maker
            yield 409, lambda api: approval(api, function, OrderStatus.ISSUING)
            yield 409, lambda api: approval(api, function, digest="0" * 64)
            yield 429, lambda api: with_a_budget_that(api, BudgetBusy("spring"))
        case "reject_order":
            yield 200, lambda api: approval(api, function)
            yield 409, lambda api: approval(api, function, OrderStatus.PAUSED)
            yield from ((400, lambda api, r=r: approval(api, function, reason=r)) for r in ("", "x" * 501, CODE))
        case "get_order":
            yield from ((200, lambda api, s=status: api.send(function, standing(api, s))) for status in OrderStatus)
        case "start_order":
            yield 202, lambda api: api.send(function, standing(api, OrderStatus.AWAITING_FILE))
            yield 202, lambda api: api.send(function, standing(api, OrderStatus.INVALID), body={"dryRun": True})
            yield 202, lambda api: api.send(function, standing(api, OrderStatus.ISSUING), body={})
            yield 200, lambda api: api.send(function, standing(api, OrderStatus.AWAITING_APPROVAL))
            yield 409, lambda api: api.send(function, standing(api, OrderStatus.FINISHED))
        case "pause_order":
            yield 200, lambda api: api.send(function, standing(api, OrderStatus.ISSUING))
            yield 409, lambda api: api.send(function, standing(api, OrderStatus.SETTLING))
        case "resume_order":
            yield 202, lambda api: api.send(function, standing(api, OrderStatus.PAUSED))
            yield 409, lambda api: api.send(function, standing(api, OrderStatus.AWAITING_FILE))
        case "stop_order":
            yield 200, lambda api: api.send(function, standing(api, OrderStatus.AWAITING_FILE))
            yield 202, lambda api: api.send(function, standing(api, OrderStatus.ISSUING))
            yield 409, lambda api: api.send(function, standing(api, OrderStatus.SETTLING))
        case _:
            raise AssertionError(f"say what {function} can answer")


def with_budget(api: Served, function: str, status: int) -> Response:
    """Issue with a budget that says so."""
    api.world.budgets.define("spring", "24.99" if status == 402 else "100.00", active=status != 422)
    if status == 429:
        fails_with(api.world.budgets, "take", BudgetBusy("spring"))
    response = api.issue(function, budget="spring")
    if status == 201:
        assert response.body["budget"] == "spring"
    else:
        assert response.body["retryable"] is (status != 422)
        assert response.body["errorType"] == {402: "BudgetExceeded", 422: "BudgetUnusable", 429: "BudgetBusy"}[status]
        assert [each["field"] for each in response.body.get("errors") or []] == (["budget"] if status == 422 else [])
        assert response.headers.get("Retry-After") == ("1" if status == 429 else None)
    return response


def fails_with(port: object, method: str, error: Exception) -> None:
    def call(*_: object, **__: object) -> None:
        raise error

    setattr(port, method, call)


def _of_issues(function: str) -> Iterator[tuple[int, Scenario]]:
    yield 201, lambda api: api.issue(function)
    yield 200, lambda api: (api.issue(function), api.issue(function))[1]
    yield 202, lambda api: unanswered(api, function)
    yield 202, lambda api: (setattr(api.world.rate_limiter, "full_for", 9.0), api.issue(function))[1]
    yield 202, lambda api: api.issue(function, headers={"Prefer": "respond-async"})
    yield from ((status, lambda api, s=status: refused(api, function, s)) for status in REFUSALS)
    yield 409, lambda api: (setattr(api.world.amazon, "script", [REFUNDED]), api.issue(function))[1]
    yield 422, lambda api: (api.issue(function), api.issue(function, amount="30.00"))[1]
    yield 503, lambda api: api.send(function, body={**BODIES[function], "account": "nobody"}, key="k")
    yield from ((status, lambda api, s=status: with_budget(api, function, s)) for status in (201, 402, 422, 429))
    yield 503, lambda api: (api.world.freeze(), api.issue(function))[1]


def _of_reversals(function: str, issue: str) -> Iterator[tuple[int, Scenario]]:
    yield 200, lambda api: reversed_already(api, issue, function)
    yield 202, lambda api: unanswered(api, issue, function)
    yield 409, lambda api: refused(api, issue, 422, function)
    if function == "cancel_gift_card":
        yield 200, lambda api: done(api, issue, function)


def _of_questions(function: str) -> Iterator[tuple[int, Scenario]]:
    yield 200, lambda api: (tell(api, told(function)), ask(api, function))[1]
    for status in REFUSALS:
        yield status, lambda api, s=status: (tell(api, Refused(REFUSED_BY[s])), ask(api, function))[1]
    yield 503, lambda api: (tell(api, NOT_SENT), ask(api, function))[1]


def _of_others(function: str) -> Iterator[tuple[int, Scenario]]:
    match function:
        case "reveal_claim_code":
            yield 200, lambda api: done(api, "create_gift_card", function)
            yield 409, lambda api: unanswered(api, "create_gift_card", function)
            yield 202, unreadable
            yield 503, revealed_while_frozen
            yield from ((s, lambda api, s=s: refused(api, "create_gift_card", s, function)) for s in REFUSALS)
        case "search_requests":
            yield 200, found
            yield 200, lambda api: (api.issue("load_amazon_balance"), api.send(function, key="order-1"))[1]
            yield 200, lambda api: api.send(function, key="order-2")
        case "start_recovery":
            yield 202, lambda api: escalated(api, function)
            yield 202, lambda api: unanswered(api, "load_amazon_balance", function)
            yield 409, lambda api: done(api, "create_gift_card", function)
        case "get_accounts":
            yield 200, accounts_of_all_kinds
            yield 200, lambda api: api.send(function, query={"cursor": "default"})
            yield 400, lambda api: api.send(function, query={"cursor": "No cursor"})
        case "freeze_account":
            yield 200, frozen
            yield 200, lambda api: (frozen(api), frozen(api))[1]
            yield 404, lambda api: api.send(function, "nobody", body=BODIES[function])
            yield from ((400, lambda api, b=body: api.send(function, "default", body=b)) for body in NO_REASONS)
        case "unfreeze_account":
            yield 200, lambda api: (frozen(api), api.send(function, "default"))[1]
            yield 200, lambda api: api.send(function, "default")
            yield 400, lambda api: api.send(function, "default", body=BODIES["freeze_account"])
            yield 404, lambda api: api.send(function, "nobody")
        case "get_case_file":
            yield 200, lambda api: escalated(api, function)
            yield 409, lambda api: done(api, "create_gift_card", function)
        case _:
            raise AssertionError(f"say what {function} can answer")


#: None, none in words, one that is a claim code, one that looks like another, too long a one.
NO_REASONS: Final = (
    {},
    {"reason": ""},
    {"reason": CODE},
    {"reason": "stolen: abcd-ef1234-5678"},
    {"reason": "x" * 501},
    {"reason": "two\nlines"},
)


def frozen(api: Served) -> Response:
    return api.send("freeze_account", "default", body=BODIES["freeze_account"])


def revealed_while_frozen(api: Served) -> Response:
    request_id = api.issue("create_gift_card").body["requestId"]
    frozen(api)
    return api.send("reveal_claim_code", request_id)


def accounts_of_all_kinds(api: Served) -> Response:
    """One frozen, with a balance; one without keys; one that is just there."""
    api.issue("create_gift_card")
    tell(api, told("get_available_funds"))
    ask(api, "get_available_funds")
    frozen(api)
    here = container.account_dependencies
    for name in ("uk", "without-keys"):
        here.states.states[name] = here.states.read("default", START.date())
    api.world.accounts.accounts["uk"] = replace(account("uk"), key_created_at=START - timedelta(days=28))
    response = api.send("get_accounts")
    assert [each["state"] for each in response.body["accounts"]] == ["FROZEN", "ACTIVE", "UNUSABLE"]
    return response


def unreadable(api: Served) -> Response:
    request_id = api.issue("create_gift_card").body["requestId"]
    api.world.amazon.script = [TIMED_OUT] * 50
    return api.send("reveal_claim_code", request_id)


def found(api: Served) -> Response:
    for function in ISSUES:
        api.issue(function, key=function)
    response = api.send("search_requests")
    assert len(response.body["requests"]) == len(ISSUES)
    return response


CASES: Final = [
    pytest.param(function, status, play, id=f"{function}-{status}-{number}")
    for function in BY_NAME
    for number, (status, play) in enumerate(scenarios(function))
]


@pytest.mark.parametrize(("function", "status", "play"), CASES)
def test_an_response_is_as_documented(function: str, status: int, play: Scenario) -> None:
    with served() as api:
        # when the function is brought to it, then it answers so, in the documented shape (checked on the way)
        response = play(api)
        assert response.status == status, response.text
        assert (response.status >= 400) == (response.headers["Content-Type"] == "application/problem+json")
        # and what is secret is shown only where it is asked for
        assert CARD_NUMBER not in response.text
        assert CUSTOMER not in response.text
        assert (CODE in response.text) == ("gcClaimCode" in response.text)
        assert CARD_NUMBER not in repr(api.world.telemetry.lines)


@pytest.mark.parametrize("route", BY_NAME.values(), ids=BY_NAME)
def test_no_status_is_documented_that_nothing_can_answer(route: Route) -> None:
    # given what the code was brought to response above, and what API Gateway answers by itself
    possible = {status for status, _ in scenarios(route.name)} | {*GATEWAY_STATUSES}
    # then the document says just that
    (documented,) = [
        set(map(int, operation["responses"]))
        for method, path, operation in operations(committed())
        if (method, path) == (route.method.upper(), route.path)
    ]
    assert documented == possible


def test_refusals_are_those_of_the_table() -> None:
    about = {error_spec.refused_for for error_spec in TABLE.values() if error_spec.kind is Kind.REFUSED}
    assert {REFUSED_STATUSES[each] for each in about if each} == {*REFUSALS}


def test_every_error_of_the_tree_has_a_documented_status() -> None:
    documented = {int(status) for _, _, operation in operations(committed()) for status in operation["responses"]}
    assert {*STATUSES.values(), *REFUSED_STATUSES.values()} <= documented


def test_every_class_of_error_has_a_status_of_its_own_or_its_kinds() -> None:
    assert {each for each in GatewayError.__subclasses__() if each not in STATUSES} == {RefusedByAmazon, Unexpected}
    assert {*REFUSED_STATUSES} == {*RefusedFor}


def test_a_replay_says_so_and_only_a_replay() -> None:
    with served() as api:
        first, second = api.issue("activate_gift_card"), api.issue("activate_gift_card")
        assert "Idempotent-Replayed" not in first.headers
        assert second.headers["Idempotent-Replayed"] == "true"


def test_how_far_an_order_is_comes_from_its_batches() -> None:
    with served() as api:
        # given an order that has been issued for a minute
        told = api.send("get_order", standing(api, OrderStatus.ISSUING)).body
        # then its counts, sums, pace and end are those of its rows
        counts = {"issued": 40, "refused": 1, "open": 2, "reversed": 3, "escalated": 4}
        assert told["counts"] == {**counts, "waiting": 70, "notIssued": 0}
        assert told["totals"] == [{"amount": "0", "currencyCode": "JPY"}, {"amount": "120.00", "currencyCode": "USD"}]
        assert told["issuedTotals"] == [{"amount": "40.50", "currencyCode": "USD"}]
        assert told["requestsPerSecond"] == 0.83
        assert told["estimatedEndAt"] == "2026-03-01T12:01:24Z"


@pytest.mark.parametrize(
    ("function", "body", "field"),
    [
        ("create_order", {}, "format"),
        ("create_order", {"format": "xlsx"}, "format"),
        ("create_order", {"format": "csv", "account": "No Account"}, "account"),
        ("create_order", {"format": "csv", "onUnknown": "forget"}, "onUnknown"),
        ("create_order", {"format": "csv", "rows": 3}, "rows"),
        ("create_order", [], "body"),
        ("start_order", {"dryRun": "yes"}, "dryRun"),
        ("start_order", {"dryRun": 1}, "dryRun"),
        ("start_order", {"dryRun": True, "total": {"amount": "1.00", "currencyCode": "USD"}}, "total"),
        ("start_order", {"dry": True}, "dry"),
        ("pause_order", {"dryRun": True}, "dryRun"),
        ("resume_order", {"round": 2}, "round"),
        ("stop_order", {"now": True}, "now"),
        ("create_order", {"format": "csv", "budget": "No Budget"}, "budget"),
        ("approve_order", {**BODIES["approve_order"], "digest": "0" * 63}, "digest"),
        ("approve_order", {"digest": "0" * 64}, "total"),
        ("approve_order", {"digest": "0" * 64, "total": {"amount": "1.005", "currencyCode": "USD"}}, "total.amount"),
        ("approve_order", {"digest": "0" * 64, "total": {"amount": "1", "currencyCode": "XXX"}}, "total.currencyCode"),
        ("reject_order", {"reason": f"{CODE} was in it"}, "reason"),
        ("reject_order", {}, "reason"),
    ],
)
def test_a_bulk_order_that_is_wrong_names_the_member(function: str, body: Any, field: str) -> None:
    with served() as api:
        order_id = standing(api, OrderStatus.VALIDATED) if function != "create_order" else ""
        response = api.send(function, order_id, body=body, key="k" if function == "create_order" else None)
        assert (response.status, [each["field"] for each in response.body["errors"]]) == (400, [field])
        assert len(api.bulk.orders.orders) == (function != "create_order")


def test_a_bulk_order_needs_a_key() -> None:
    with served() as api:
        response = api.send("create_order", body={"format": "csv"})
        assert [each["field"] for each in response.body["errors"]] == ["Idempotency-Key"]


def test_where_a_file_goes_is_told_to_whoever_makes_the_order_and_logged_nowhere() -> None:
    with served() as api:
        made = ordered(api)
        assert made.body["upload"]["url"].startswith("https://files.test/")
        assert made.headers["Location"] == f"/v1/orders/{made.body['orderId']}"
        assert "files.test" not in repr(api.world.telemetry.lines)
        assert "upload" not in api.send("get_order", made.body["orderId"]).body
        # and once it has been started there is no such place
        api.send("start_order", made.body["orderId"])
        assert ordered(api).body["upload"] is None


def test_an_order_is_found_in_the_log_by_its_id() -> None:
    with served() as api:
        order_id = ordered(api).body["orderId"]
        api.send("get_order", order_id)
        event, facts = api.world.telemetry.lines[-1]
        assert (event, facts) == ("answered", {"httpStatus": 200, "orderId": order_id, "status": "AWAITING_FILE"})


def test_a_conflict_names_the_orders_status() -> None:
    with served() as api:
        body = api.send("pause_order", standing(api, OrderStatus.SETTLING)).body
        assert (body["errorType"], body["orderStatus"]) == ("OrderConflict", "SETTLING")
        assert "requestStatus" not in body


def test_a_late_cancel_is_documented() -> None:
    with served() as api:
        request_id = api.issue("create_gift_card").body["requestId"]
        api.world.clock.time = START + 16 * MINUTE
        assert api.send("cancel_gift_card", request_id).body["requestStatus"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda body: body.pop("gcId"), "a member is missing"),
        (lambda body: body.update(colour="red"), "a member too many"),
        (lambda body: body.update(amount=25), "another type"),
        (lambda body: body.update(createdAt="2026-03-01 12:00:00"), "no RFC 3339"),
        (lambda body: body.update(status="DONE"), "no such status"),
    ],
)
def test_the_judge_can_condemn(spoil: Callable[[dict[str, Any]], object], why: str) -> None:
    from tests.openapi.contract import contract  # noqa: PLC0415 - the same object that the others use

    with served() as api:
        response = api.issue("create_gift_card")
    body: dict[str, Any] = {**response.body}
    spoil(body)
    with pytest.raises(AssertionError):
        contract().check_response("POST", "/gift-cards", status=201, headers=response.headers, body=body)


@pytest.mark.parametrize(
    ("status", "drop"), [(299, ""), (201, "Cache-Control"), (202, "Location"), (202, "Retry-After")]
)
def test_the_judge_looks_at_statuses_and_headers(status: int, drop: str) -> None:
    from tests.openapi.contract import contract  # noqa: PLC0415 - the same object that the others use

    with served() as api:
        response = unanswered(api, "create_gift_card") if status == 202 else api.issue("create_gift_card")
    headers: Mapping[str, str] = {name: value for name, value in response.headers.items() if name != drop}
    with pytest.raises(AssertionError):
        contract().check_response("POST", "/gift-cards", status=status, headers=headers, body=response.body)
