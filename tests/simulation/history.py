"""What happened, line by line: for whoever looks into a broken promise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tests.simulation.amazon import QUERIES
from tests.simulation.life import Life, Told
from tests.support.fakes import START


def history(life: Life) -> Iterator[str]:
    """Everything in its order, by the true time in seconds."""
    plan, sandbox = life.plan, life.shore.sandbox
    yield f"seed {plan.seed}: clocks {[round(each, 3) for each in plan.skews]}, Amazon fails {plan.amazon}, AWS "
    yield f"{plan.aws}, deaths {plan.crashes}, late {plan.late}, calm from {plan.calm_at:.0f} s on"
    for trouble in (*plan.outages, *plan.blocks, *plan.rotations, plan.trial, plan.bulk):
        if trouble is not None:
            yield f"{trouble}"
    if plan.balances:
        yield f"balances {plan.balances}, parks {plan.parks}"
    lines = [(float(event.split()[0]), _facts(event, facts)) for event, facts in life.telemetry.lines]
    lines += [(at, f"   sent {name} {request_id} {said}") for at, name, request_id, said in life.shore.arrived]
    lines += [
        (_seconds(charge.at), f"      charged {charge.request_id} {charge.value}") for charge in sandbox.world.charges
    ]
    landings = [each for each in sandbox.landings if each.operation not in QUERIES]
    lines += [(_seconds(each.at), f"      landed late {each.operation} {each.request_id}") for each in landings]
    lines += [(_seconds(told.at), _response(told)) for told in life.told]
    yield from (f"{at:12.3f} {text}" for at, text in sorted(lines, key=lambda each: each[0]))


def _seconds(moment: datetime) -> float:
    return (moment - START).total_seconds()


def _facts(event: str, facts: dict[str, object]) -> str:
    shown = {name: fact for name, fact in facts.items() if fact is not None and name not in {"account", "operation"}}
    return f"{event.split()[1]} {shown}"


def _response(told: Told) -> str:
    response = told.response
    said = f"{type(response).__name__} {response if isinstance(response, Exception) else ''}"
    return f"told: {told.visit.what.value}, order {told.visit.order}: {said}"
