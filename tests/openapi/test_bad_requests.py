"""What is wrong with a request is told by the field's name, and nothing has happened."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.bootstrap import container
from incentives.usecases.reconciliation.pages import write_cursor
from tests.openapi.books import ask, opened
from tests.openapi.served import BODIES, BY_NAME, ORDER, Response, Served, served
from tests.openapi.test_responses import REVERSALS
from tests.support.fakes import CODE

BODIES_OF: Final = {
    "amount of zero": (ORDER | {"amount": 0}, "amount"),
    "negative amount": (ORDER | {"amount": "-25.00"}, "amount"),
    "amount NaN as text": (ORDER | {"amount": "NaN"}, "amount"),
    "amount NaN": ('{"amount": NaN, "currencyCode": "USD"}', "body"),
    "amount Infinity": ('{"amount": Infinity, "currencyCode": "USD"}', "body"),
    "amount 1e400": ('{"amount": 1e400, "currencyCode": "USD"}', "amount"),
    "amount 1e400 as text": (ORDER | {"amount": "1e400"}, "amount"),
    "amount beyond decimals": ('{"amount": 1e99999999999999999999, "currencyCode": "USD"}', "body"),
    "amount of 9,000 digits": ('{"amount": ' + "9" * 9000 + ', "currencyCode": "USD"}', "amount"),
    "amount with an underscore": (ORDER | {"amount": "1_000"}, "amount"),
    "amount in other digits": (ORDER | {"amount": "\u0662\u0665"}, "amount"),
    "amount true": (ORDER | {"amount": True}, "amount"),
    "amount null": (ORDER | {"amount": None}, "amount"),
    "amount as object": (ORDER | {"amount": {"value": 1}}, "amount"),
    "no amount": ({"currencyCode": "USD"}, "amount"),
    "too many decimals": (ORDER | {"amount": "25.001"}, "amount"),
    "a thousand with a point": (ORDER | {"amount": "1.000"}, "amount"),
    "a thousand with a point as a number": ('{"amount": 1.000, "currencyCode": "USD"}', "amount"),
    "amount above the marketplace's": (ORDER | {"amount": "2000.01"}, "amount"),
    "unknown currency": (ORDER | {"currencyCode": "XXX"}, "currencyCode"),
    "lower-case currency": (ORDER | {"currencyCode": "usd"}, "currencyCode"),
    "another marketplace's currency": (ORDER | {"currencyCode": "EUR"}, "currencyCode"),
    "no currency": ({"amount": "25.00"}, "currencyCode"),
    "unknown field": (ORDER | {"colour": "red"}, "colour"),
    "field in another spelling": (ORDER | {"Amount": "25.00"}, "Amount"),
    "field given twice": ('{"amount": "25.00", "amount": "25.00", "currencyCode": "USD"}', "amount"),
    "unknown intent": (ORDER | {"onUnknown": "ignore"}, "onUnknown"),
    "empty account": (ORDER | {"account": ""}, "account"),
    "account null is absent, number is not": (ORDER | {"account": 7}, "account"),
    "long reference": (ORDER | {"externalReference": "x" * 101}, "externalReference"),
    "a budget of no budget's name": (ORDER | {"budget": "Spring"}, "budget"),
    "no text as budget": (ORDER | {"budget": 7}, "budget"),
    "a null character": (ORDER | {"externalReference": "a\u0000b"}, "externalReference"),
    "a line break": (ORDER | {"transactionSource": {"sourceId": "a\nb"}}, "transactionSource.sourceId"),
    "a blank at an end": (ORDER | {"externalReference": "po-7 "}, "externalReference"),
    "half a character": (
        '{"amount": "25.00", "currencyCode": "USD", "externalReference": "\\ud800"}',
        "externalReference",
    ),
    "no JSON": ("amount=25", "body"),
    "a list": ([], "body"),
    "no body": ("", "body"),
}

LIMIT: Final = {"amount": "10000.00", "currencyCode": "USD"}
#: Name, and what is different in the body.
BUDGETS_OF: Final = {
    "a name in capitals": ("Summer", {}, "name"),
    "a name that is too long": ("x" * 64, {}, "name"),
    "a name of another alphabet": ("\u00e9t\u00e9", {}, "name"),
    "a name like the list's": ("#budgets", {}, "name"),
    "no limit": ("summer", {"limit": None}, "limit"),
    "a limit without a currency": ("summer", {"limit": {"amount": "1.00"}}, "limit.currencyCode"),
    "a limit of zero": ("summer", {"limit": LIMIT | {"amount": 0}}, "limit.amount"),
    "a negative limit": ("summer", {"limit": LIMIT | {"amount": "-1.00"}}, "limit.amount"),
    "a limit with three decimals": ("summer", {"limit": LIMIT | {"amount": "1.000"}}, "limit.amount"),
    "a limit beyond all limits": ("summer", {"limit": LIMIT | {"amount": "1000000000000.01"}}, "limit.amount"),
    "an unknown currency": ("summer", {"limit": LIMIT | {"currencyCode": "XXX"}}, "limit.currencyCode"),
    "more in the limit": ("summer", {"limit": LIMIT | {"per": "day"}}, "limit.per"),
    "another period": ("summer", {"period": "week"}, "period"),
    "active as a text": ("summer", {"active": "yes"}, "active"),
    "an unknown field": ("summer", {"owner": "me"}, "owner"),
}

KEYS: Final = [
    None, "", " ", "x" * 256, "a\nb", "caf\u00e9", '"', '""', '"a', 'a"', '"a"b', '"a";b=c', '"a" "b"', '"a "',
    '" a"', '"a\\b"', '"a"b"', '"caf\u00e9"', '"a\tb"', f'"{"x" * 256}"',
]  # fmt: skip

PART: Final = {"type": "deposit", "amount": "500.00", "date": "2026-02-20", "reference": "Wire 17"}
PART_DATE: Final = "parts.0.date"


def fields(response: Response) -> list[str]:
    return [each["field"] for each in response.body["errors"]]


def assert_nothing_happened(api: Served) -> None:
    assert (api.world.ledger.writes, api.world.amazon.sent, api.bulk.orders.orders) == (0, [], {})


@pytest.mark.parametrize(("body", "field"), BODIES_OF.values(), ids=BODIES_OF)
def test_a_bad_body_is_a_400_that_names_the_field(body: object, field: str) -> None:
    with served() as api:
        response = api.send("create_gift_card", body=body, key="order-1")

        assert (response.status, fields(response), response.body["retryable"]) == (400, [field], False)
        assert_nothing_happened(api)


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("function", ["create_gift_card", "create_order"])
def test_a_bad_key_is_a_400_that_names_the_header(function: str, key: str | None) -> None:
    with served() as api:
        response = api.send(function, body=BODIES[function], key=key)

        assert (response.status, fields(response)) == (400, ["Idempotency-Key"])
        assert_nothing_happened(api)


@pytest.mark.parametrize("key", KEYS[1:], ids=repr)
def test_a_bad_key_that_is_looked_for_is_a_400_that_names_the_header(key: str) -> None:
    with served() as api:
        response = api.send("search_requests", key=key)
        assert (response.status, fields(response)) == (400, ["Idempotency-Key"])


@pytest.mark.parametrize("parameter", ["account", "status", "from", "to", "cursor", "dry"])
def test_a_key_that_is_looked_for_stands_alone(parameter: str) -> None:
    with served() as api:
        response = api.send("search_requests", key="order-1", query={parameter: "x"})
        assert (response.status, fields(response)) == (400, [parameter])


@pytest.mark.parametrize(
    ("first", "again"),
    [("order-1", '"order-1"'), ("order-1", ' \t"order-1" '), ("order-1", "\torder-1 "), (r'"a\"b\\c"', r'a"b\c')],
)
def test_a_key_in_quotes_and_without_is_one_key(first: str, again: str) -> None:
    with served() as api:
        api.issue("create_gift_card", first)

        assert api.send("create_gift_card", body=ORDER, key=again).status == 200
        (looked_up,) = api.send("search_requests", key=again).body["requests"]
        assert looked_up == api.send("search_requests").body["requests"][0]


@pytest.mark.parametrize(
    "route",
    # Books of an account that nobody knows are empty ones, and a budget that nobody knows is made.
    [route for route in BY_NAME.values() if "{" in route.path.replace("{account}", "") and route.method != "put"],
    ids=lambda each: each.name,
)
@pytest.mark.parametrize("given", ["..x", "\u0661", "a" * 41, "A" * 26, "KEY#0", "a b", "a\n"])
def test_an_id_that_nothing_has_is_a_404_that_names_it(route: Any, given: str) -> None:
    with served() as api:
        response = api.send(route.name, given, body=BODIES.get(route.name))

        assert (response.status, response.body["retryable"]) == (404, False)
        assert_nothing_happened(api)


@pytest.mark.parametrize("route", BY_NAME.values(), ids=BY_NAME)
def test_an_unknown_query_parameter_is_a_400_that_names_it(route: Any) -> None:
    with served() as api:
        response = api.send(
            route.name, body=BODIES.get(route.name), key="k" if route.keyed else None, query={"dry": "1"}
        )

        assert (response.status, fields(response)) == (400, ["dry"])
        assert_nothing_happened(api)


@pytest.mark.parametrize("function", [*REVERSALS, "reveal_claim_code", "start_recovery"])
@pytest.mark.parametrize(("body", "field"), [({"amount": 1}, "amount"), ("[]", "body"), ("x", "body")])
def test_a_body_where_none_belongs_is_a_400_that_names_its_member(function: str, body: Any, field: str) -> None:
    with served() as api:
        response = api.send(function, body=body)

        assert (response.status, fields(response)) == (400, [field])


def test_what_concerns_the_account_or_the_key_names_it() -> None:
    with served() as api:
        unknown = api.issue("create_gift_card", account="nobody")
        assert (unknown.status, fields(unknown)) == (503, ["account"])
        assert "nobody" in unknown.body["detail"]
        assert_nothing_happened(api)
        api.issue("create_gift_card")
        reused = api.issue("create_gift_card", amount="50.00")
        assert (reused.status, fields(reused), len(api.world.amazon.sent)) == (422, ["amount"], 1)
        api.send("create_order", body={"format": "csv"}, key="bulk-1")
        reused = api.send("create_order", body={"format": "jsonl"}, key="bulk-1")
        assert (reused.status, fields(reused)) == (422, ["format"])


@pytest.mark.parametrize("end", ["1999-12-31", "3000-01-01", "9999-12-31", "0001-01-01"])
def test_a_day_at_the_calendars_ends_is_refused_by_the_fields_name(end: str) -> None:
    with served() as api:
        opened(api)
        (movement,) = ask(api, "list_movements").body["movements"]
        asked = [
            *(
                (api.send(name, query={field: end}), [field])
                for name in ("list_reconciliations", "search_requests", "get_activity")
                for field in ("from", "to")
            ),
            (api.send("list_movements", "default", query={"month": end[:7]}), ["month"]),
            (ask(api, "create_statement", to=end), ["to"]),
            (ask(api, "name_movement", movementId=movement["movementId"], parts=[PART | {"date": end}]), [PART_DATE]),
        ]
        assert [(response.status, fields(response)) for response, _ in asked] == [(400, field) for _, field in asked]
        # What no month or day can be in a path is not there.
        assert {
            api.send(name, f"default {end[:length]}", body=BODIES.get(name)).status
            for name, length in (("get_close", 7), ("close_month", 7), ("get_reconciliation", 10))
        } == {404}


def test_what_is_wrong_with_a_movements_part_is_named_as_in_its_body() -> None:
    with served() as api:
        opened(api)
        (movement,) = ask(api, "list_movements").body["movements"]

        def name(**members: str) -> Response:
            return ask(api, "name_movement", movementId=movement["movementId"], parts=[PART | members])

        for field, value in (("amount", "0.00"), ("amount", "x"), ("date", "2026-02-23"), ("reference", "")):
            response = name(**{field: value})
            assert (response.status, fields(response)) == (400, [f"parts.0.{field}"])
        # On the first and the last day that can be named nothing moved.
        assert [name(date=day).status for day in ("2000-01-01", "2999-12-31")] == [404, 404]


def test_without_a_default_account_each_request_has_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as api:
        monkeypatch.setitem(vars(container), "settings", SimpleNamespace(default_account=None))
        for function in ("create_gift_card", "get_available_funds"):
            response = api.send(function, body=BODIES.get(function), key="k" if function in BODIES else None)
            assert (response.status, fields(response)) == (400, ["account"])


def test_each_time_a_code_is_delivered_it_is_logged_to_whom() -> None:
    with served() as api:
        request_id = api.issue("create_gift_card").body["requestId"]
        api.issue("create_gift_card")
        for function in ("reveal_claim_code", "get_gift_card"):
            api.send(function, request_id)

        delivered = [facts for event, facts in api.world.telemetry.lines if event == "claimCodeDelivered"]
        caller = "arn:aws:iam::123456789012:user/caller"
        assert delivered == [
            {"httpStatus": status, "requestId": request_id, "caller": caller} for status in (201, 200, 200)
        ]
        assert CODE not in repr(api.world.telemetry.lines)


@pytest.mark.parametrize(("name", "different", "field"), BUDGETS_OF.values(), ids=BUDGETS_OF)
def test_a_bad_budget_names_the_field_and_is_not_made(name: str, different: dict[str, Any], field: str) -> None:
    with served() as api:
        response = api.send("set_budget", name, body={**BODIES["set_budget"], **different})

        assert (response.status, fields(response)) == (400, [field])
        assert api.budgets.budgets.definitions == {}


@pytest.mark.parametrize("missing", ["limit", "period", "active"])
def test_a_budget_is_set_as_a_whole(missing: str) -> None:
    with served() as api:
        body = {name: value for name, value in BODIES["set_budget"].items() if name != missing}
        assert fields(api.send("set_budget", "summer", body=body)) == [missing]


def test_a_cursor_of_another_list_is_none_of_budgets() -> None:
    with served() as api:
        # the cursor of some list of the books
        response = api.send("list_budgets", query={"cursor": write_cursor(["2026-02-20"] * 2)})
        assert (response.status, fields(response)) == (400, ["cursor"])
        response = api.send("list_budgets", query={"cursor": write_cursor(["#budgets"])})
        assert (response.status, fields(response)) == (400, ["cursor"])
