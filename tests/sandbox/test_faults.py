from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.control.faults import AFTER_ONLY, BEFORE_ONLY, KINDS, LATE, REPLACING, Calls, Script, decide, parse_rule
from sandbox.control.report import report
from sandbox.http.delivery import Delivery
from sandbox.http.gateway import members
from sandbox.model.amazon import OPERATIONS
from tests.sandbox.callers import Model

CREATE = {"creationRequestId": "Sandb1", "value": {"amount": 25, "currencyCode": "USD"}}
EXTRA: dict[str, dict[str, Any]] = {"refuse": {"errorType": "InsufficientFunds"}, LATE: {"delaySeconds": 60}}


def create(model: Model) -> Delivery:
    return model.send("CreateGiftCard", **CREATE)


def spoiled_create(model: Model, kind: str, **rest: object) -> Delivery:
    model.fault(kind, "CreateGiftCard", **(EXTRA.get(kind, {}) | {"calls": {"first": 1}} | rest))
    return create(model)


@pytest.mark.parametrize("kind", sorted(REPLACING | BEFORE_ONLY))
def test_before_means_that_nothing_happened(model: Model, kind: str) -> None:
    delivery = spoiled_create(model, kind, when="before")
    assert not delivery.executed
    assert model.net == 0
    assert model.card_status() is None
    assert create(model).http_status == 200
    assert model.net == 25


@pytest.mark.parametrize("kind", sorted(REPLACING | AFTER_ONLY - {"refunded"}))
def test_after_means_that_the_card_exists_all_the_same(model: Model, kind: str) -> None:
    delivery = spoiled_create(model, kind, when="after")
    assert delivery.executed
    assert model.net == 25
    assert model.card_status() == ("Expired" if kind == "expired" else "Fulfilled")
    assert b"gcClaimCode" in (create(model).body or b"")
    assert model.net == 25


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "rest", "status", "expected"),
    [
        ("resend", {}, 400, ("F400", "SystemTemporarilyUnavailable", "RESEND")),
        ("generalError", {}, 400, ("F100", "GeneralError", "FAILURE")),
        ("generalError", {"errorCode": "F500"}, 400, ("F500", "GeneralError", "FAILURE")),
        ("refuse", {"errorType": "InsufficientFunds"}, 400, ("F300", "InsufficientFunds", "FAILURE")),
        (
            "refuse",
            {"errorType": "Novel", "errorCode": "F200", "message": "New", "httpStatus": 409},
            409,
            ("F200", "Novel", "FAILURE"),
        ),
    ],
)
def test_business_errors(
    model: Model, kind: str, rest: dict[str, Any], status: int, expected: tuple[str, str, str], *, when: str
) -> None:
    delivery = spoiled_create(model, kind, when=when, **rest)
    response = json.loads(delivery.body or b"")
    assert delivery.http_status == status
    assert (response["errorCode"], response["errorType"], response["agcodResponse"]["status"]) == expected
    assert response["agcodResponse"]["gcClaimCode"] is None


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "status", "content_type", "part"),
    [
        ("error500html", 500, "text/html", b"<html>"),
        ("error503", 503, "text/plain", b"Service Unavailable"),
        ("message", 400, "application/json", b'{"Message":null}'),
        ("emptyBody", 200, "application/json", b""),
        ("xmlError", 400, "application/xml", b"<errorCode>F400</errorCode>"),
    ],
)
def test_odd_responses(model: Model, kind: str, status: int, content_type: str, part: bytes, *, when: str) -> None:
    encoded = spoiled_create(model, kind, when=when).encoded
    assert encoded is not None
    assert (encoded.http_status, encoded.content_type) == (status, content_type)
    assert part in encoded.body
    assert (encoded.body == b"") == (kind == "emptyBody")


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_response_at_all(model: Model, when: str) -> None:
    assert spoiled_create(model, "drop", when=when).transport == "drop"
    held = spoiled_create(model, "timeout", when=when, holdSeconds=7, calls={"nth": 1})
    assert (held.transport, held.seconds, held.body) == ("hold", 7.0, None)


def test_a_scripted_throttle_looks_like_the_real_one(model: Model) -> None:
    delivery = spoiled_create(model, "throttle")
    assert (delivery.http_status, delivery.body) == (400, b'{"message":"Rate exceeded"}')


def test_a_truncated_answer_still_holds_the_code(model: Model) -> None:
    body = spoiled_create(model, "truncatedJson").body or b""
    true = create(model).body or b""
    code = members(true)["gcClaimCode"]
    assert true.startswith(body)
    assert str(code).encode() in body
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


@pytest.mark.parametrize("variant", range(6))
def test_garbled_responses_hold_the_code_and_nothing_else_that_is_right(model: Model, variant: int) -> None:
    body = spoiled_create(model, "garbledCode", variant=variant).body or b""
    true = members(create(model).body)
    assert str(true["gcClaimCode"]).encode() in body
    shown = members(body) if variant != 3 else {}
    told = {name for name, value in shown.items() if value is not None and name != "gcClaimCode"}
    assert not {name for name in told if shown[name] == true.get(name)}


def test_garbled_variants_take_turns(model: Model) -> None:
    model.fault("garbledCode", "CreateGiftCard")
    assert len({create(model).body for _ in range(6)}) == 6


def test_the_true_response_in_xml(model: Model) -> None:
    encoded = spoiled_create(model, "xml").encoded
    assert encoded is not None
    assert (encoded.http_status, encoded.content_type) == (200, "application/xml")
    assert encoded.body.startswith(b"<CreateGiftCardResponse>")


def test_a_dripping_answer_is_the_true_one(model: Model) -> None:
    slow = spoiled_create(model, "slowDrip", dripSeconds=3)
    assert (slow.transport, slow.seconds) == ("drip", 3.0)
    assert slow.body == create(model).body


@pytest.mark.parametrize(
    ("kind", "path", "shown"),
    [
        ("wrongAmount", ("cardInfo", "value", "amount"), 26),
        ("wrongCurrency", ("cardInfo", "value", "currencyCode"), "CAD"),
        ("refunded", ("cardInfo", "cardStatus"), "RefundedToPurchaser"),
        ("expired", ("cardInfo", "cardStatus"), "Expired"),
        ("missingStatus", ("status",), None),
    ],
)
def test_answers_that_lie_in_one_member(model: Model, kind: str, path: tuple[str, ...], shown: object) -> None:
    lie = json.loads(spoiled_create(model, kind).body or b"")
    value = lie
    for name in path:
        value = value.get(name)
    assert value == shown
    assert lie["gcClaimCode"] == members(create(model).body)["gcClaimCode"]


def test_a_card_shown_as_refunded_is_refunded(model: Model) -> None:
    spoiled_create(model, "refunded")
    assert model.net == 0
    assert model.card_status() == "RefundedToPurchaser"


@pytest.mark.parametrize(
    ("response", "transport"), [("drop", "drop"), ("timeout", "hold"), ("resend", "answer"), ("page", "answer")]
)
def test_a_late_effect_lands_when_its_time_comes(model: Model, response: str, transport: str) -> None:
    assert spoiled_create(model, LATE, answer=response).transport == transport
    model.time.advance(59.9)
    assert model.net == 0
    assert report(model.sandbox)["pendingEffects"] == 1
    model.time.advance(3600)
    assert model.net == 25
    shown = report(model.sandbox)
    assert shown["pendingEffects"] == 0
    landing = shown["landings"]
    assert isinstance(landing, list)
    assert landing[0]["time"] == "2030-06-01T12:01:00.000000Z"
    assert landing[0]["outcome"] == "SUCCESS"


def test_a_late_card_lives_although_its_cancel_was_refused_and_has_its_own_window(model: Model) -> None:
    spoiled_create(model, LATE, delaySeconds=600)
    assert model.cancel()[1]["errorType"] == "OperationNotPermitted"
    model.time.advance(600 + 900)
    assert model.card_status() == "Fulfilled"
    assert model.cancel()[0] == 200
    assert model.net == 0


def test_a_late_repeat_of_a_cancelled_card_changes_nothing(model: Model) -> None:
    create(model)
    model.fault(LATE, "CreateGiftCard", delaySeconds=60, calls={"first": 1})
    create(model)
    model.cancel()
    model.time.advance(61)
    assert model.net == 0
    assert model.card_status() == "RefundedToPurchaser"


def test_late_effects_land_in_the_order_of_their_times(model: Model) -> None:
    model.fault(LATE, "CreateGiftCard", delaySeconds=60)
    model.fault(LATE, "CancelGiftCard", delaySeconds=30)
    create(model)
    model.send("CancelGiftCard", creationRequestId="Sandb1")
    model.time.advance(100)
    model.sandbox.settle(model.time.now)
    assert [landing.operation for landing in model.sandbox.landings] == ["CancelGiftCard", "CreateGiftCard"]
    assert model.card_status() == "Fulfilled"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_fault_works_on_every_operation(model: Model, kind: str) -> None:
    model.fault(kind, **EXTRA.get(kind, {}))
    for operation in OPERATIONS:
        delivery = model.send(operation)
        assert delivery.transport in {"answer", "drop", "hold", "drip"}
        assert model.sandbox.calls[-1].fault == kind


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (Calls(first=2), [True, True, False, False]),
        (Calls(nth=[1, 3]), [True, False, True, False]),
        (Calls(every=True), [True, True, True, True]),
        (Calls(probability=0.0, seed=1), [False, False, False, False]),
        (Calls(probability=1.0, seed=1), [True, True, True, True]),
    ],
)
def test_which_calls_are_hit(calls: Calls, expected: list[bool]) -> None:
    assert [calls.hit(number) for number in range(1, 5)] == expected


def test_chance_replays_from_its_seed() -> None:
    one = [Calls(probability=0.3, seed=1).hit(number) for number in range(1, 1001)]
    assert one == [Calls(probability=0.3, seed=1).hit(number) for number in range(1, 1001)]
    assert one != [Calls(probability=0.3, seed=2).hit(number) for number in range(1, 1001)]
    assert 250 < sum(one) < 350


def test_deciding_is_pure_and_the_oldest_rule_wins() -> None:
    rules = [
        parse_rule(1, {"kind": "drop", "operation": "CreateGiftCard", "calls": {"nth": 2}}),
        parse_rule(2, {"kind": "resend", "requestId": "Sandb1"}),
    ]
    seen: dict[int, int] = {}
    chosen, counts = decide(rules, seen, "CreateGiftCard", "Sandb1")
    assert chosen is rules[1]
    assert seen == {}
    assert counts == {1: 1, 2: 1}
    assert decide(rules, counts, "CreateGiftCard", "Sandb1")[0] is rules[0]
    assert decide(rules, counts, "CancelGiftCard", "Sandb2") == (None, counts)


def test_a_script_counts_its_hits() -> None:
    script = Script()
    script.add({"kind": "drop", "calls": {"nth": [2, 3]}, "requestId": "Sandb1"})
    for _ in range(4):
        script.decide("CancelGiftCard", "Sandb1")
    script.decide("CancelGiftCard", "Sandb2")
    assert script.as_json() == [
        {
            "number": 1,
            "operation": "*",
            "kind": "drop",
            "when": "before",
            "requestId": "Sandb1",
            "calls": {"nth": [2, 3]},
            "seen": 4,
            "hits": 2,
        }
    ]
    script.clear()
    assert script.decide("CancelGiftCard", "Sandb1") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "nothing"},
        {"kind": "drop", "operation": "Nothing"},
        {"kind": "drop", "when": "during"},
        {"kind": "drop", "calls": {"first": 0}},
        {"kind": "drop", "calls": {"nth": []}},
        {"kind": "drop", "calls": {"first": 1, "nth": [1]}},
        {"kind": "drop", "calls": {"probability": 2}},
        {"kind": "drop", "calls": 3},
        {"kind": "drop", "holdSeconds": 3},
        {"kind": "drop", "requestId": 3},
        {"kind": "timeout", "holdSeconds": -1},
        {"kind": "timeout", "holdSeconds": float("nan")},
        {"kind": "timeout", "holdSeconds": True},
        {"kind": "throttle", "when": "after"},
        {"kind": "throttle", "form": "page"},
        {"kind": "capacity", "errorType": "Not\nAName"},
        {"kind": "truncatedJson", "when": "before"},
        {"kind": LATE},
        {"kind": LATE, "delaySeconds": 1, "answer": "never"},
        {"kind": LATE, "delaySeconds": 1, "when": "before"},
        {"kind": "refuse"},
        {"kind": "refuse", "errorType": "X", "httpStatus": 99},
        {"kind": "generalError", "errorCode": "F400"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parse_rule(1, wrong)
