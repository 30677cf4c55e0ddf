from __future__ import annotations

from collections.abc import Callable

import pytest

from incentives.domain import recovery
from incentives.domain.calls import Attempt
from incentives.domain.ledger import Record
from incentives.domain.outcomes import ReversalOutcome
from tests.simulation.checks import COUNTS, Report
from tests.simulation.history import history
from tests.simulation.life import Life
from tests.simulation.plan import draw
from tests.simulation.run import gateway, in_memory, new_id, play, table

SEEDS = range(1, 151)
BASELINE_SEEDS = range(1, 31)


@pytest.fixture(scope="module")
def ours() -> Report:
    return play(SEEDS, gateway)


def test_no_promise_is_broken_whatever_goes_wrong(ours: Report) -> None:
    assert not ours.broken, "\n".join(ours.broken)
    assert not any(getattr(ours, name) for name in COUNTS)


def test_what_is_promised_to_go_wrong_does_go_wrong(ours: Report) -> None:
    expected = {"drop before", "drop", "resend", "resend after", "lateEffect", "doubled", "throttle", "error503"}
    expected |= {"garbledCode", "account refused", "process died", "process froze", "key refused", "sweep failed"}
    expected |= {"aws: throttled", "aws: request lost", "aws: answer lost", "aws: sent twice", "workflow not started"}

    assert expected <= ours.faults.keys()
    assert {"SUCCEEDED", "REVERSED", "REFUSED", "ESCALATED"} <= ours.ended.keys()


def test_a_seed_tells_the_same_story_every_time() -> None:
    first, second = (list(history(Life(draw(7)).play())) for _ in range(2))

    assert first == second
    assert len(first) > 20


@pytest.mark.parametrize("client", [new_id, in_memory])
def test_a_client_without_a_ledger_loses_money_in_the_same_histories(client: Callable[[int], Report]) -> None:
    lost = play(BASELINE_SEEDS, client)

    assert lost.double_issues > 0
    assert lost.unrecorded_charges > 0


@pytest.fixture
def _without_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(record: Record, attempt: Attempt[ReversalOutcome]) -> bool:
        return True

    monkeypatch.setattr(recovery, "_is_after_fence", always)


@pytest.mark.usefixtures("_without_the_fence")
def test_a_rule_taken_out_is_missed_and_its_seed_tells_so_again() -> None:
    found = next(seed for seed in range(1, 400) if gateway(seed).broken)

    first, second = gateway(found), gateway(found)

    assert first.broken == second.broken
    assert any("is charged" in text for text in first.broken)


def test_the_table_names_what_must_be_nought(ours: Report) -> None:
    shown = "\n".join(table({"the gateway": ours}))

    assert "double issues" in shown
    assert "open after a day" in shown
