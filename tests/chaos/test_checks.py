"""The checks of a chaos run see what is wrong: each is shown a history that is right but for one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.faults import parse_rule
from tests.chaos import checks
from tests.chaos.callers import Told
from tests.chaos.checks import Charge, Facts
from tests.chaos.plan import Blow, What, blows, calls_of, fault_rules, make_plan
from tests.chaos.trouble import Kill, Outage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = {0: "R0", 1: "R1"}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def record(request_id: str, status: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    return {
        "id": request_id,
        "status": status,
        "operation": "CreateGiftCard",
        "amount": Decimal("25.00"),
        "currencyCode": "USD",
        "keyHash": f"key of {request_id}",
        "gcId": f"card {request_id}",
        "createdKey": f"2026-03-01T12:00:00.500Z#{request_id}",
        **more,
    }


def charge(request_id: str, *, live: bool = True, since: float = 1, until: float | None = None) -> Charge:
    return Charge(
        request_id,
        "CreateGiftCard",
        Decimal("25.00"),
        "USD",
        live,
        at(since),
        None if until is None else at(until),
        f"card {request_id}",
        f"CODE-{request_id}",
    )


def told(
    status: int | None, *, what: What = What.ORDER, begin: float = 0, end: float = 2, order: int = 0, **body: Any
) -> Told:
    return Told(what, order, "create", at(begin), at(end), status, body or None)


def issued(status: int = 201, **more: Any) -> Told:
    return replace(told(status, requestId="R0", gcId="card R0", gcClaimCode="CODE-R0", amount="25.00"), **more)


#: Two orders: one was issued, one was issued and cancelled by its caller.
FACTS = Facts(
    records={"R0": record("R0"), "R1": record("R1", "REVERSED", cause="cancel")},
    charges={"R0": charge("R0"), "R1": charge("R1", live=False, until=3)},
    net={"USD": Decimal("25.00")},
    told=[issued()],
    kills=[],
    outages=[],
)


def with_record(request_id: str, **changes: Any) -> Facts:
    changed = {**FACTS.records[request_id], **changes}
    return replace(FACTS, records={**FACTS.records, request_id: changed})


def with_told(*responses: Told) -> Facts:
    return replace(FACTS, told=responses)


def kill(seconds: float, function: str = "create") -> Kill:
    return Kill(at(seconds), 1, function, "SIGKILL", Blow.KILL)


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert set(checks.differences(FACTS).values()) == {Decimal()}
    assert checks.charges_without_record(FACTS) == []
    assert [*checks.contradictions(FACTS), *checks.keys_charged_twice(FACTS), *checks.told_wrongly(FACTS, IDS)] == []


def test_a_cent_is_a_difference() -> None:
    found = checks.differences(with_record("R0", amount=Decimal("25.01")))
    assert found == {("CreateGiftCard", "USD"): Decimal("0.01"), ("all", "USD"): Decimal("0.01")}


def test_a_line_that_only_the_activity_has_is_a_difference() -> None:
    assert checks.differences(replace(FACTS, net={"USD": Decimal("30.00")}))["all", "USD"] == Decimal("-5.00")


def test_a_charge_without_a_record() -> None:
    assert checks.charges_without_record(replace(FACTS, records={"R0": FACTS.records["R0"]})) == ["R1"]


@pytest.mark.parametrize(
    "facts",
    [
        with_record("R0", status="REVERSED"),
        with_record("R0", gcId="card of somebody else"),
        with_record("R1", status="SUCCEEDED"),
    ],
)
def test_a_record_that_the_activity_contradicts(facts: Facts) -> None:
    assert len([*checks.contradictions(facts)]) == 1


@pytest.mark.parametrize(("second", "wrong"), [(2.0, True), (3.5, False)])
def test_a_key_charged_twice_for_a_moment(second: float, wrong: bool) -> None:
    one_key = {"R0": record("R0", keyHash="key"), "R1": record("R1", "REVERSED", keyHash="key")}
    facts = replace(FACTS, records=one_key, charges={**FACTS.charges, "R0": charge("R0", since=second)})
    assert bool([*checks.keys_charged_twice(facts)]) == wrong


@pytest.mark.parametrize(
    "answer",
    [
        issued(body={**issued().body, "gcClaimCode": "CODE-OF-ANOTHER"}),
        issued(body={**issued().body, "amount": "26.00"}),
        issued(body={**issued().body, "requestId": "R7"}),
        told(402),
        told(409, requestStatus="REVERSED"),
        told(200, what=What.CANCEL),
    ],
)
def test_an_response_that_is_not_so(response: Told) -> None:
    assert len([*checks.told_wrongly(with_told(response), IDS)]) == 1


def test_a_card_handed_out_after_it_was_reversed() -> None:
    late = told(
        200,
        what=What.REPEAT,
        begin=5,
        end=6,
        order=1,
        requestId="R1",
        gcId="card R1",
        gcClaimCode="CODE-R1",
        amount="25.00",
    )
    assert len([*checks.told_wrongly(with_told(late), IDS)]) == 1
    # but not if it was on its way then
    early = replace(late, asked_at=at(2))
    assert [*checks.told_wrongly(with_told(early), IDS)] == []
    # unless nobody had asked for that
    facts = replace(with_record("R1", cause="reverse"), told=[early])
    assert len([*checks.told_wrongly(facts, IDS)]) == 1


def test_an_order_that_is_lost() -> None:
    missing = told(404, what=What.READ, begin=3, end=4)
    assert len([*checks.told_wrongly(with_told(issued(), missing), IDS)]) == 1
    assert [*checks.told_wrongly(with_told(missing), IDS)] == []


def test_an_error_is_explained_by_one_death_of_its_own_function_at_its_time() -> None:
    errors = [told(502, end=2), told(502, end=4)]
    assert checks.unexplained(errors, [kill(1), kill(1.5)], []) == []
    assert checks.unexplained(errors, [kill(1)], []) == errors[1:]
    # the later death explains the error that the earlier one does not
    assert checks.unexplained(errors, [kill(3), kill(1)], []) == []
    assert checks.unexplained(errors, [kill(1, "another"), kill(7)], []) == errors


def test_an_error_is_explained_by_the_emulators_absence() -> None:
    away = Outage(at(10), at(12))
    assert checks.unexplained([told(None, begin=11, end=11.1)], [], [away]) == []
    assert len(checks.unexplained([told(None, begin=20, end=21)], [], [away])) == 1


def test_what_counts_as_a_servers_error() -> None:
    contract = replace(told(503, retryable=True, errorType="LedgerUnavailable"), retry_after="5")
    without_when = replace(contract, retry_after=None)
    assert checks.server_errors([issued(), contract, without_when, told(500), told(None)]) == [
        without_when,
        told(500),
        told(None),
    ]


def test_a_record_that_was_not_to_be_written() -> None:
    contract = replace(told(503, retryable=True, errorType="LedgerUnavailable"), retry_after="5")
    assert len([*checks.written_all_the_same(with_told(contract), IDS)]) == 1
    # another call at the same time may have written it
    assert [*checks.written_all_the_same(with_told(contract, issued()), IDS)] == []


def test_an_response_that_nobody_should_get() -> None:
    assert checks.unexpected([issued(), told(403, errorType="AccessDenied")]) == {"order: 403 AccessDenied": 1}


def test_a_plan_is_its_seeds() -> None:
    plan = make_plan(3, 300, 8)
    assert plan == make_plan(3, 300, 8)
    assert plan != make_plan(4, 300, 8)
    assert sum(map(calls_of, plan.visits)) == pytest.approx(2400, abs=3)
    # everything that is asked of an order is asked after it was placed
    placed = {visit.order: visit.at for visit in reversed(plan.visits) if visit.what in {What.ORDER, What.RACE}}
    assert all(visit.order is None or visit.at >= placed[visit.order] for visit in plan.visits)
    assert {visit.what for visit in plan.visits} == {*What}


def test_every_blow_comes_within_the_time() -> None:
    found = blows(1, 60)
    assert {blow for _, blow in found} == {*Blow}
    assert all(0 <= moment < 60 for moment, _ in found)


def test_faults_come_to_their_share() -> None:
    def share(rules: list[dict[str, Any]]) -> float:
        well = 1.0
        for rule in rules:
            if parse_rule(1, rule).matches("CreateGiftCard", None):
                well *= 1 - rule["calls"]["probability"]
        return 1 - well

    assert share(fault_rules(1, 0.3)) == pytest.approx(0.3)
    assert fault_rules(1, 0) == []
