from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.control.api import handle
from sandbox.control.options import Options
from sandbox.control.report import report
from sandbox.http.gateway import make_account
from sandbox.model.clock import Clock
from sandbox.model.throttle import SECOND, Throttle, most_in_any_second
from sandbox.model.values import Json
from tests.sandbox.callers import PARTNER, Model


def test_ten_calls_pass_in_any_second_and_the_eleventh_waits_for_the_first_to_age() -> None:
    model = Model(options=Options())
    for number in range(10):
        assert model.create(f"Sandb{number}")[0] == 200
        model.time.advance(0.09)
    assert model.create("Sandb10") == (400, {"message": "Rate exceeded"})
    # The first call was at 0.0, and it is 0.9 now.
    model.time.tick = 1000.0 + 0.999999
    assert model.create("Sandb10")[0] == 400
    model.time.tick = 1001.0
    assert model.create("Sandb10")[0] == 200
    assert model.create("Sandb11")[0] == 400


def test_a_throttled_call_has_no_effect_uses_nothing_up_and_is_reported() -> None:
    model = Model(options=Options(per_second=1))
    model.create("Sandb1")
    for _ in range(5):
        assert model.create("Sandb2")[1] == {"message": "Rate exceeded"}
    assert model.card_status("Sandb2") is None
    model.time.advance(1)
    assert model.create("Sandb2")[0] == 200
    shown = report(model.sandbox)
    assert shown["throttledCalls"] == 5
    assert shown["mostCallsInAnySecond"] == 1
    assert shown["mostCallsInAnySecondWithThrottled"] == 6


def test_funds_and_the_activity_page_have_their_own_limits() -> None:
    model = Model(options=Options())
    assert model.ask("GetAvailableFunds")[0] == 200
    assert model.ask("GetAvailableFunds")[0] == 400
    assert model.create()[0] == 200
    query: dict[str, Json] = {
        "requestId": "1",
        "utcStartDate": "2030-06-01T00:00:00",
        "utcEndDate": "2030-06-01T00:00:00",
    }
    query |= {"pageIndex": 0, "pageSize": 1}
    assert model.ask("GetGiftCardActivityPage", **query)[0] == 200
    model.time.advance(59.9)
    assert model.ask("GetAvailableFunds")[0] == 200
    assert model.ask("GetGiftCardActivityPage", **query) == (400, {"message": "Rate exceeded"})
    model.time.advance(0.1)
    assert model.ask("GetGiftCardActivityPage", **query)[0] == 200


def test_accounts_do_not_share_a_limit() -> None:
    model = Model(options=Options(per_second=1))
    model.sandbox.world.put_account(make_account("Other", "OTHER-KEY", "other-secret"))
    assert model.create()[0] == 200
    assert model.create()[0] == 400
    body: dict[str, Json] = {
        "creationRequestId": "Other1",
        "partnerId": "Other",
        "value": {"amount": 1, "currencyCode": "USD"},
    }
    assert model.sandbox.call("CreateGiftCard", body, "OTHER-KEY").http_status == 200


def test_the_limit_can_be_set_live_and_its_status_too() -> None:
    model = Model(options=Options())
    clock = Clock(real=lambda: model.time.now)
    assert handle(model.sandbox, clock, "POST", "throttle", {"perSecond": 4})[0] == 200
    assert [model.create()[0] for _ in range(5)] == [200, 200, 200, 200, 400]
    handle(model.sandbox, clock, "POST", "options", {"throttleStatus": 429})
    assert model.create()[0] == 429
    handle(model.sandbox, clock, "POST", "throttle", {"perSecond": None})
    assert model.create()[0] == 200
    assert handle(model.sandbox, clock, "POST", "throttle", {"perSecond": 0})[0] == 400
    assert PARTNER in model.sandbox.world.accounts


@settings(deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=2), max_size=40), st.integers(min_value=1, max_value=12))
def test_no_second_ever_holds_more_than_allowed(gaps: list[float], most: int) -> None:
    throttle, tick, accepted = Throttle(), 0.0, []
    for gap in gaps:
        tick += gap
        if throttle.accepts([("account", most, SECOND)], tick):
            accepted.append(tick)
    assert most_in_any_second(accepted) <= most
    # And nothing is refused for less: with one call more allowed than were made, all pass.
    generous = Throttle()
    assert all(generous.accepts([("account", len(gaps) + 1, SECOND)], at) for at in accepted)


def test_most_in_any_second_counts_half_open_windows() -> None:
    assert most_in_any_second([]) == 0
    assert most_in_any_second([0.0, 0.5, 1.0, 1.4]) == 3
    assert most_in_any_second([0.0, 1.0, 2.0]) == 1
