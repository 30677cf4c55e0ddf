from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from incentives.domain.recovery import rules as recovery
from incentives.domain.single_requests.record import Record
from tests.simulation.checks import COUNTS, Report
from tests.simulation.history import history
from tests.simulation.life import Life
from tests.simulation.plan import draw
from tests.simulation.report import Played, as_page, as_text, rows
from tests.simulation.run import gateway, in_memory, new_id, play

#: Five hundred, in two parts; `make reliability` plays thousands.
PART = 250
PARTS = [range(first, first + PART) for first in range(1, 501, PART)]

#: For the baselines, which are only a yardstick.
BASELINE_SEEDS = range(1, 31)

#: What goes wrong in any so many histories.
EXPECTED = {
    *("drop before", "drop", "resend", "resend after", "lateEffect", "doubled", "throttle", "error503", "garbledCode"),
    *("connectionLost after", "internalFault after", "capacity after", "page after", "created", "wrong signature"),
    *("account refused", "process died", "process froze", "key refused", "sweep failed", "workflow not started"),
    *("aws: throttled", "aws: request lost", "aws: answer lost", "aws: sent twice", "aws: conflict"),
    *("stream: batch came again", "balance changed", "rotation interrupted", "refunded by Amazon"),
    *("stream: batch set aside", "told BudgetExceeded", "told BudgetUnusable", "told AccountFrozen", "budget not set"),
    *("aws: request late", "bulk: approved by its maker"),
}


@pytest.mark.parametrize("seeds", PARTS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_promise_is_broken_whatever_goes_wrong(seeds: range) -> None:
    ours = play(seeds, gateway)

    assert not ours.broken, "\n".join(ours.broken)
    assert not any(getattr(ours, name) for name in COUNTS)
    # and it did go wrong
    assert ours.faults.keys() >= EXPECTED
    assert ours.ended.keys() >= {"SUCCEEDED", "REVERSED", "REFUSED"}


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
def _without_the_in_flight_window(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(record: Record, amazon_date: datetime | None) -> bool:
        return True

    # Everybody who has imported it has this one.
    monkeypatch.setattr(recovery.is_after_in_flight_window, "__code__", always.__code__)


@pytest.mark.usefixtures("_without_the_in_flight_window")
def test_a_rule_taken_out_is_missed_and_its_seed_tells_so_again() -> None:
    found = next(seed for seed in range(1, 400) if gateway(seed).broken)

    first, second = gateway(found), gateway(found)

    assert first.broken == second.broken
    assert any("is charged" in text for text in first.broken)


def test_terminal_and_page_tell_the_same() -> None:
    # given a run
    reports = {"the gateway": play(range(1, 6), gateway), "a new id per try": play(range(1, 6), new_id)}
    played = Played(reports, first=1, count=5, commit="abc1234")
    # when
    text, page = "\n".join(as_text(played)), "\n".join(as_page(played))
    # then
    for title, counts in rows(reports):
        assert title in text
        assert f"| {title} | {' | '.join(counts)} |" in page
    assert "Seeds 1 to 5, commit abc1234." in page
    assert "- A copy of a call that Amazon has refused" in page


def test_whatever_is_drawn_is_drawn_by_some_seeds_and_not_by_most() -> None:
    plans = [draw(seed) for seed in range(1, 501)]

    drawn = [
        [each for each in plans if each.bulk],
        [each for each in plans if each.trial],
        [each for each in plans if each.balances],
        [each for each in plans if each.watches],
        [each for each in plans if each.refunds],
        [each for each in plans if each.rotations],
        [each for each in plans if each.outages],
        [each for each in plans if each.control.campaigns],
        [each for each in plans if each.control.freezes],
        [each for each in plans if each.control.approving],
        [each for each in plans if each.control.bulk_budget],
    ]

    assert all(5 <= len(found) < len(plans) / 3 for found in drawn)
