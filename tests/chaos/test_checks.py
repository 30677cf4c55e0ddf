"""The checks of a chaos run see what is wrong: each is shown a history that is right but for one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos import checks
from tests.chaos.callers import Told
from tests.chaos.checks import Charge, Facts
from tests.chaos.plan import Blow, What
from tests.chaos.trouble import Kill, Outage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = {0: "R0", 1: "R1"}
Checked = Iterable[object]


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def record(request_id: str, status: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    kept = {"id": request_id, "status": status, "operation": "CreateGiftCard", "amount": Decimal(25)}
    kept |= {"currencyCode": "USD", "keyHash": f"key of {request_id}", "gcId": f"card {request_id}"}
    return {**kept, "createdKey": f"2026-03-01T12:00:00.500Z#{request_id}", **more}


def charge(request_id: str, since: float = 1, until: float | None = None) -> Charge:
    ends = None if until is None else at(until)
    value = (Decimal(25), "USD", until is None)
    return Charge(request_id, "CreateGiftCard", *value, at(since), ends, f"card {request_id}", f"CODE-{request_id}")


def told(
    status: int | None, *, what: What = What.ORDER, begin: float = 0, end: float = 2, order: int = 0, **body: Any
) -> Told:
    return Told(what, order, "create", at(begin), at(end), status, body or None)


def card(request_id: str, **more: Any) -> dict[str, Any]:
    shown = {"requestId": request_id, "gcId": f"card {request_id}", "gcClaimCode": f"CODE-{request_id}"}
    return {**shown, "amount": "25.00", **more}


ISSUED = told(201, **card("R0"))
CONTRACT = replace(told(503, retryable=True, errorType="LedgerUnavailable"), retry_after="5")
#: Handed out when it had been asked for before the caller's cancel took it away, and when it had not.
EARLY = told(200, what=What.REPEAT, begin=2, end=6, order=1, **card("R1"))
LATE = replace(EARLY, asked_at=at(5))
MISSING = told(404, what=What.READ, begin=3, end=4)

#: Two orders: one was issued, one was issued and cancelled by its caller.
FACTS = Facts(
    records={"R0": record("R0"), "R1": record("R1", "REVERSED", cause="cancel")},
    charges={"R0": charge("R0"), "R1": charge("R1", until=3)},
    net={"USD": Decimal(25)},
    told=[ISSUED],
    kills=[],
    outages=[],
)
ONE_KEY = {"R0": record("R0", keyHash="key"), "R1": record("R1", "REVERSED", keyHash="key")}


def with_record(request_id: str, **changes: Any) -> Facts:
    return replace(FACTS, records={**FACTS.records, request_id: {**FACTS.records[request_id], **changes}})


def with_told(*responses: Told) -> Facts:
    return replace(FACTS, told=responses)


def all_of(facts: Facts) -> dict[str, list[object]]:
    found: dict[str, Checked] = {
        "a difference": (name for name, amount in checks.differences(facts).items() if amount),
        "no record": checks.charges_without_record(facts),
        "contradicted": checks.contradictions(facts),
        "charged twice": checks.keys_charged_twice(facts),
        "told wrongly": checks.told_wrongly(facts, IDS),
        "written": checks.written_all_the_same(facts, IDS),
        "unexpected": checks.unexpected(facts.told),
    }
    return {name: each for name, each in ((name, [*found[name]]) for name in found) if each}


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (FACTS, set()),
        (with_record("R0", amount=Decimal("25.01")), {"a difference", "contradicted"}),
        (replace(FACTS, net={"USD": Decimal(30)}), {"a difference"}),
        (replace(FACTS, records={"R0": FACTS.records["R0"]}), {"no record"}),
        (with_record("R0", status="REVERSED"), {"a difference", "contradicted"}),
        (with_record("R1", status="SUCCEEDED"), {"a difference", "contradicted"}),
        (with_record("R0", gcId="card of somebody else"), {"contradicted"}),
        (replace(FACTS, records=ONE_KEY, charges=FACTS.charges | {"R0": charge("R0", 2)}), {"charged twice"}),
        (replace(FACTS, records=ONE_KEY, charges=FACTS.charges | {"R0": charge("R0", 3.5)}), set()),
        (with_told(told(201, **card("R0", gcClaimCode="CODE-OF-ANOTHER"))), {"told wrongly"}),
        (with_told(told(201, **card("R0", amount="26.00"))), {"told wrongly"}),
        (with_told(told(201, **card("R7"))), {"told wrongly"}),
        (with_told(told(402)), {"told wrongly"}),
        (with_told(told(409, requestStatus="REVERSED")), {"told wrongly"}),
        (with_told(told(200, what=What.CANCEL)), {"told wrongly"}),
        (with_told(LATE), {"told wrongly"}),
        (with_told(EARLY), set()),
        # unless nobody had asked for its reversal
        (replace(with_record("R1", cause="reverse"), told=[EARLY]), {"told wrongly"}),
        (with_told(ISSUED, MISSING), {"told wrongly"}),
        (with_told(MISSING), set()),
        (with_told(CONTRACT), {"written"}),
        # another call at the same time may have written it
        (with_told(CONTRACT, ISSUED), set()),
        (with_told(ISSUED, told(403, errorType="AccessDenied")), {"unexpected"}),
    ],
)
def test_what_is_wrong_is_found_and_nothing_else(facts: Facts, found: set[str]) -> None:
    assert all_of(facts).keys() == found


def test_an_error_is_explained_by_one_death_of_its_own_function_or_by_the_emulators_absence() -> None:
    def kill(seconds: float, function: str = "create") -> Kill:
        return Kill(at(seconds), 1, function, "SIGKILL", Blow.KILL)

    errors, away = [told(502, end=2), told(502, end=4)], Outage(at(10), at(12))
    assert checks.unexplained(errors, [kill(1), kill(1.5)], []) == []
    assert checks.unexplained(errors, [kill(1)], []) == errors[1:]
    # the later death explains the error that the earlier one does not
    assert checks.unexplained(errors, [kill(3), kill(1)], []) == []
    assert checks.unexplained(errors, [kill(1, "another"), kill(7)], []) == errors
    assert checks.unexplained([told(None, begin=11, end=11.1)], [], [away]) == []
    assert len(checks.unexplained([told(None, begin=20, end=21)], [], [away])) == 1


def test_what_counts_as_a_servers_error() -> None:
    errors = [replace(CONTRACT, retry_after=None), told(500), told(None)]
    assert checks.server_errors([ISSUED, CONTRACT, *errors]) == errors
