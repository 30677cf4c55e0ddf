"""The watch over accounts: which alerts, when, and each once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from incentives.bootstrap import container
from incentives.agcod.reading.responses import UNREADABLE
from incentives.aws.stream import read_stream
from incentives.aws.telemetry import PowertoolsTelemetry
from incentives.domain.accounts.alerts import CHECK_OVERDUE, TOLD_WITHIN, Alert, AlertStanding, Limits
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.events import NotPublished
from incentives.domain.outcomes import AmazonError, Refused
from incentives.domain.reconciliation.days import read_zone
from incentives.domain.single_requests.record import Status
from incentives.settings import Settings, read_settings
from incentives.usecases.accounts.count_spend import count_spend
from incentives.usecases.accounts.raise_alerts import TRIES_MAX
from incentives.usecases.accounts.watch_account import SECONDS_FOR_AN_ACCOUNT, watch_account, watch_accounts
from tests.openapi.served import handler_of
from tests.support.books import FakeBooks
from tests.support.deployed import DEPLOYED
from tests.support.fakes import START, FakeAccountStates
from tests.unit.builders import KEY_REFUSED, MINUTE, THROTTLED, TIMED_OUT
from tests.unit.watching import DAY, HOUR, QUARTER, SHORT, Company, Says, image, of_accounts

MIDNIGHT = START.replace(hour=0)


# ---- a key grows old ----------------------------------------------------------------------------


@pytest.mark.slow
def test_200_days_of_a_key_are_three_alerts_and_its_successor_has_its_own() -> None:
    c = Company()
    c.world.clock.time = MIDNIGHT
    c.key(MIDNIGHT)
    c.hours(200 * 24)
    first = list(c.told)
    c.key(MIDNIGHT + 200 * DAY)
    c.hours(151 * 24)
    assert first == [
        ("default", "keyAge150", "150 days, 0:00:00"),
        ("default", "keyAge170", "170 days, 0:00:00"),
        ("default", "keyAge180", "180 days, 0:00:00"),
    ]
    assert c.told == [*first, ("default", "keyAge150", "350 days, 0:00:00")]
    texts = [text for _, text in c.world.notifier.notices]
    assert "30 days, until 2026-08-28." in texts[0]
    assert "10 days, until 2026-08-28." in texts[1]
    assert "None: it is due today." in texts[2]
    assert all("API security credentials" in text for text in texts)


def test_a_key_that_is_first_seen_when_it_is_old_is_one_alert() -> None:
    c = Company()
    c.key(START - 175 * DAY)
    c.hours(24)
    assert c.alerts == ["keyAge170"]
    assert c.stands() == {Alert.KEY_AGE_150, Alert.KEY_AGE_170}


def test_a_key_of_unknown_age_is_none() -> None:
    c = Company()
    c.key(None)
    c.hours(3)
    assert c.told == []
    assert not [metric for _, metric, _ in c.measured if metric == "AccessKeyAgeDays"]


# ---- money comes and goes -----------------------------------------------------------------------


@pytest.mark.slow
def test_60_days_of_spend_and_top_ups_are_exactly_these_alerts_each_once() -> None:
    c = of_accounts(default="2050.00")
    c.limits = Limits(balance={"": Decimal(500)}, days_remaining=Decimal(7), spend_multiple=Decimal(3))
    c.world.clock.time = MIDNIGHT
    top_ups = {17: 2000, 40: 3000, 52: 2000}
    large = {(50, 20): "2500.00", (51, 3): "2500.00", (53, 20): "5000.00"}
    for day in range(60):
        c.balances["default"] += top_ups.get(day, 0)
        for hour in range(24):
            for _ in range(3):
                c.look()
                c.world.clock.time += QUARTER
            c.look()
            if 8 <= hour < 18:
                c.spend("50.00" if day == 30 else "10.00")
            if (day, hour) in large:
                c.spend(large[day, hour])
            c.world.clock.time += QUARTER
    assert c.told == [
        # 100 a day, 10 an hour: 690 are left, which is 6.9 days
        ("default", "daysLow", "13 days, 14:00:00"),
        # 490 are left
        ("default", "balanceLow", "15 days, 14:00:00"),
        # 2,000 are paid in on day 17, which ends both. On day 30, 50 an hour: 350 of an average 100
        ("default", "spendHigh", "30 days, 15:00:00"),
        # 650 are left
        ("default", "daysLow", "30 days, 16:00:00"),
        ("default", "balanceLow", "31 days, 14:00:00"),
        # nothing is left: the first of many refusals
        ("default", "insufficientFunds", "36 days, 13:45:00"),
        # 3,000 are paid in on day 40, which ends all three. A card of 2,500 for which 1,900 are left, asked for twice
        ("default", "insufficientFunds", "50 days, 20:45:00"),
        # 2,000 are paid in on day 52, which would have been enough. A card of 5,000
        ("default", "insufficientFunds", "53 days, 20:45:00"),
    ]
    assert c.stands() == {Alert.INSUFFICIENT_FUNDS}


def test_a_balance_that_hovers_about_its_limit_is_one_alert() -> None:
    c = of_accounts(default="500.00")
    c.limits = Limits(balance={"default": Decimal(500)})
    for balance in ("499.99", "500.00", "549.99", "499.00", "550.00", "549.00", "499.99"):
        c.balances["default"] = Decimal(balance)
        c.hours(1)
    assert [time for _, _, time in c.told] == ["12:00:00", "18:00:00"]


def test_a_limit_may_be_an_accounts_own() -> None:
    c = of_accounts(default="400.00", emea="400.00", japan="400.00")
    c.limits = Limits(balance={"": Decimal(300), "emea": Decimal(500)})
    know_all(c)
    c.hours(2)
    assert [(name, alert) for name, alert, _ in c.told] == [("emea", "balanceLow")]


def know_all(c: Company) -> None:
    """Each account has been asked about once."""
    for name in c.balances:
        watch_account(name, c.watch)


def test_a_refused_request_is_told_at_once_with_the_balance_last_known_and_ends_when_it_can_be_paid() -> None:
    c = of_accounts(default="20.00")
    c.look()
    c.world.clock.sleep(90)
    c.spend("25.00")
    c.spend("60.00")
    c.spend("30.00")
    assert c.told == [("default", "insufficientFunds", "12:01:30")]
    assert "20.00 USD" in c.world.notifier.notices[0][1]
    c.balances["default"] = Decimal("59.99")
    c.hours(1)
    assert c.stands() == {Alert.INSUFFICIENT_FUNDS}
    c.balances["default"] = Decimal("60.00")
    c.hours(1)
    assert c.stands() == set()


def test_a_refusal_that_comes_out_of_the_stream_again_after_the_money_has_come_is_old_news() -> None:
    c = of_accounts(default="20.00")
    before = c.record("25.00", "default")
    refused = image(before, replace(before, status=Status.REFUSED, refusal=SHORT, version=2))
    c.balances["default"] = Decimal(100)
    c.world.clock.sleep(60)
    c.look()
    count_spend(read_stream({"Records": [refused]}), c.watch)
    assert c.told == []


# ---- checks that fail ---------------------------------------------------------------------------

REFUSED_ACCOUNT = Refused(AmazonError("F300", "ActiveContractNotFound"))


@pytest.mark.parametrize(
    ("says", "alert"),
    [
        (TIMED_OUT, "checkFailing"),
        (THROTTLED, "checkFailing"),
        (UNREADABLE, "checkFailing"),
        (ZeroDivisionError("nonsense"), "checkFailing"),
        (REFUSED_ACCOUNT, "checkFailing"),
        (KEY_REFUSED, "keyRefused"),
    ],
    ids=["hangs", "throttled", "nonsense", "breaks", "refused", "key"],
)
def test_a_check_that_fails_is_one_alert_until_it_works_and_leaves_the_others_alone(says: Says, alert: str) -> None:
    c = of_accounts(default="100.00", emea="100.00")
    know_all(c)
    c.says["default"] = says
    for _ in range(12):
        c.hours(1)
        assert c.states.read("emea", c.now.date()).snapshot is not None
    failing = list(c.told)
    del c.says["default"]
    c.hours(1)
    recovered = c.stands()
    c.says["default"] = says
    c.hours(3)
    assert [(name, each) for name, each, _ in failing] == [("default", alert)]
    assert recovered == set()
    assert c.alerts == [alert, alert]
    assert c.asked.count("emea") == 1 + 12 + 1 + 3


def test_checks_without_a_response_are_no_news_until_they_are_overdue() -> None:
    c = Company()
    c.look()
    c.says["default"] = TIMED_OUT
    c.world.clock.time = START + HOUR
    c.look()
    assert c.told == []
    c.world.clock.time = START + CHECK_OVERDUE
    c.look()
    assert c.alerts == ["checkFailing"]
    assert "12:00 UTC" in c.world.notifier.notices[0][1]


def test_an_account_without_a_secret_is_told_and_those_that_have_one_are_watched() -> None:
    c = of_accounts(default="1.00", emea="1.00")
    know_all(c)
    del c.world.accounts.accounts["default"]
    assert c.look() == {"watched": 2, "failed": 0, "skipped": 0}
    assert [(name, alert) for name, alert, _ in c.told] == [("default", "checkFailing")]
    assert "has no secret" in c.world.notifier.notices[0][1]


def test_before_there_is_any_account_there_is_nothing_to_watch() -> None:
    c = of_accounts()
    assert watch_accounts(None, c.watch, lambda: 900.0) == {"watched": 0, "failed": 0, "skipped": 0}
    assert c.asked == c.told == []
    # a list that cannot be read is another matter
    assert isinstance(c.states, FakeAccountStates)
    c.states.works = False
    watch_accounts(None, c.watch, lambda: 900.0)
    assert [event for event, _ in c.world.telemetry.lines] == ["accountsUnlisted"]


def test_a_balance_that_is_not_known_says_nothing_of_the_money() -> None:
    c = of_accounts(default="100.00")
    c.limits = Limits(balance={"": Decimal(500)})
    c.look()
    c.says["default"] = TIMED_OUT
    c.hours(5)
    assert c.alerts == ["balanceLow", "checkFailing"]
    assert c.stands() == {Alert.BALANCE_LOW, Alert.CHECK_FAILING}


def test_a_table_that_cannot_be_reached_ends_no_run_and_hides_no_balance() -> None:
    c = of_accounts(default="100.00")
    assert isinstance(c.states, FakeAccountStates)
    c.states.works = False
    assert c.look() == {"watched": 0, "failed": 1, "skipped": 0}
    assert ("default", "AvailableFunds", 100.0) in c.measured


def test_a_fault_in_one_accounts_data_does_not_hide_the_others() -> None:
    c = of_accounts(default="100.00", emea="100.00")
    know_all(c)
    read = c.states.read

    def spoilt(account: str, today: Any) -> Any:
        if account == "default":
            raise KeyError("knownSince")
        return read(account, today)

    c.states.read = spoilt  # type: ignore[method-assign]
    assert c.look() == {"watched": 1, "failed": 1, "skipped": 0}


def test_when_time_runs_out_other_accounts_come_first_the_next_time() -> None:
    c = of_accounts(default="1.00", emea="1.00", japan="1.00")
    know_all(c)
    c.says = dict.fromkeys(c.balances, TIMED_OUT)
    c.asked.clear()
    firsts = []
    for _ in range(3):
        seen = len(c.asked)
        # Time for one account, and not for the next.
        done = c.look(seconds_left=SECONDS_FOR_AN_ACCOUNT)
        assert done["skipped"] == 2
        firsts.append(c.asked[seen])
        c.world.clock.time += QUARTER
    assert sorted(firsts) == ["default", "emea", "japan"]


def test_however_long_amazon_hangs_an_account_takes_no_more_than_its_time() -> None:
    c = Company()

    def hangs(*_: object, seconds: float) -> Any:
        c.world.clock.sleep(seconds)
        return TIMED_OUT

    c.world.amazon.funds = hangs  # type: ignore[assignment,method-assign]
    c.look()
    assert (c.now - START).total_seconds() < SECONDS_FOR_AN_ACCOUNT
    assert c.alerts == ["checkFailing"]


# ---- told once, and told for sure ---------------------------------------------------------------


def low() -> Company:
    c = of_accounts(default="100.00")
    c.limits = Limits(balance={"": Decimal(500)})
    return c


def test_a_notice_that_cannot_be_sent_is_sent_by_a_later_watch() -> None:
    c = low()
    c.world.notifier.notice_fault = "ThrottlingException"
    c.hours(2)
    c.world.notifier.notice_fault = None
    c.hours(3)
    assert c.told == [("default", "balanceLow", "12:00:00")]


def test_a_watch_that_dies_before_it_tells_is_made_good_by_the_next() -> None:
    c = low()

    def dies(subject: str, text: str) -> str:
        raise SystemExit

    notify = c.world.notifier.notify
    c.world.notifier.notify = dies  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        c.look()
    c.world.notifier.notify = notify  # type: ignore[method-assign]
    c.look()
    assert c.told == [], "it may be about to be told"
    c.world.clock.time += TOLD_WITHIN + MINUTE
    c.look()
    assert c.told == [("default", "balanceLow", "12:00:00")]


def test_two_watches_at_once_tell_it_once() -> None:
    c = low()
    notify = c.world.notifier.notify

    def while_another_watches(subject: str, text: str) -> str | None:
        c.world.notifier.notify = notify  # type: ignore[method-assign]
        c.look()
        return notify(subject, text)

    c.world.notifier.notify = while_another_watches  # type: ignore[method-assign]
    c.look()
    c.hours(2)
    assert c.told == [("default", "balanceLow", "12:00:00")]


def test_an_alert_that_others_change_meanwhile_is_raised_on_top_of_theirs() -> None:
    c = of_accounts(default="20.00")
    c.limits = Limits(balance={"": Decimal(500)})
    keep = c.states.keep_standing

    def after_a_refusal(account: str, standing: AlertStanding) -> bool:
        c.states.keep_standing = keep  # type: ignore[method-assign]
        c.spend("25.00")
        return keep(account, standing)

    c.states.keep_standing = after_a_refusal  # type: ignore[method-assign]
    c.look()
    assert sorted(c.alerts) == ["balanceLow", "insufficientFunds"]
    assert c.stands() == {Alert.BALANCE_LOW, Alert.INSUFFICIENT_FUNDS}


def test_alerts_that_are_always_written_by_others_are_given_up_for_this_time() -> None:
    c = low()
    tries = []

    def lost(account: str, standing: AlertStanding) -> bool:
        tries.append(standing)
        return False

    c.states.keep_standing = lost  # type: ignore[method-assign]
    with pytest.raises(LedgerUnavailable):
        watch_account("default", c.watch)
    assert len(tries) == TRIES_MAX
    assert c.told == []


def test_an_event_that_gets_lost_does_not_tell_people_again() -> None:
    c = low()
    c.bus.fault = NotPublished([], "InternalException")
    c.hours(3)
    assert len(c.world.notifier.notices) == 1


def test_the_event_tells_programs_the_same() -> None:
    c = low()
    c.look()
    (event,) = c.bus.events
    assert (event.type, event.event_id) == ("AccountAlert", "default#balanceLow#2026-03-01T12:00:00+00:00")
    assert event.detail == {
        "schemaVersion": 1, "eventId": event.event_id, "account": "default", "alert": "balanceLow",
        "availableFunds": "100.00", "averageDailySpend": None, "spentToday": "0.00", "currencyCode": "USD",
        "daysRemaining": None, "accessKeyAgeDays": None,
    }  # fmt: skip


# ---- what is measured ---------------------------------------------------------------------------


def test_metrics_are_per_account_and_only_what_is_known() -> None:
    c = of_accounts(default="1000.00")
    c.key(START - timedelta(days=10, hours=5))
    c.look()
    assert c.measured == [("default", "AccessKeyAgeDays", 10.0), ("default", "AvailableFunds", 1000.0)]
    c.spend("300.00")
    c.measured.clear()
    c.world.clock.time += DAY
    c.look()
    assert c.measured == [
        ("default", "AccessKeyAgeDays", 11.0),
        ("default", "AvailableFunds", 700.0),
        ("default", "AverageDailySpend", 300.0),
        ("default", "DaysRemaining", 2.3),
    ]


def test_the_functions_write_metrics_with_the_accounts_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    c = of_accounts(default="1000.00")
    telemetry = PowertoolsTelemetry("test", "Test")
    watch = replace(c.watch, dependencies=replace(c.world.dependencies, telemetry=telemetry))
    monkeypatch.setitem(vars(container), "settings", SimpleNamespace(default_account="default"))
    monkeypatch.setitem(vars(container), "telemetry", telemetry)
    monkeypatch.setitem(vars(container), "watch_dependencies", watch)
    settings = SimpleNamespace(zone=read_zone("UTC"), begin=None)
    books = SimpleNamespace(dependencies=watch.dependencies, books=FakeBooks(), settings=settings)
    monkeypatch.setitem(vars(container), "books_dependencies", books)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000, function_name="watch", aws_request_id="1")
    done: Any = handler_of("watch_account")({}, context)
    counted: Any = handler_of("count_spend")({"Records": []}, context)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (funds,) = [line for line in lines if "AvailableFunds" in line]
    (metric,) = funds["_aws"]["CloudWatchMetrics"]
    assert (funds["account"], funds["AvailableFunds"]) == ("default", [1000.0])
    assert ["account" in each for each in metric["Dimensions"]] == [True]
    assert [line["AccountWatched"] for line in lines if "AccountWatched" in line] == [[1.0]]
    assert done == {"watched": 1, "failed": 0, "skipped": 0, "rounds": 0, "booksFailed": 0}
    assert counted == {"batchItemFailures": []}


# ---- settings -----------------------------------------------------------------------------------


def settings(**alerts: str) -> Settings:
    return read_settings(DEPLOYED | alerts)


def test_limits_are_read_from_the_environment() -> None:
    limits = settings(ALERT_BALANCE_BELOW=" 500, japan=50000 ", ALERT_DAYS_BELOW="10").limits
    assert limits == Limits(balance={"": Decimal(500), "japan": Decimal(50_000)}, days_remaining=Decimal(10))
    assert settings().limits == Limits()


@pytest.mark.parametrize("text", ["much", "-1", "0", "NaN", "default=", "a=b"])
def test_a_wrong_limit_is_named(text: str) -> None:
    with pytest.raises(RuntimeError, match=r"ALERT_\*: '.*' is"):
        settings(ALERT_BALANCE_BELOW=text)


# ---- frozen accounts ----------------------------------------------------------------------------


def test_what_is_frozen_is_kept_so_before_anybody_is_asked() -> None:
    # given two accounts that are frozen, and a rate limiter that has lost its items
    here = Company(balances={"default": Decimal(10_000), "uk": Decimal(10_000)})
    for name in ("default", "uk"):
        watch_account(name, here.watch)
        here.world.freeze(name)
    here.world.rate_limiter.copies.clear()
    # when there is no time left to ask Amazon of any
    asked = len(here.asked)
    done = here.look(seconds_left=1.0)
    # then
    assert (done["watched"], len(here.asked)) == (0, asked)
    assert {name: frozen for name, (frozen, _) in here.world.rate_limiter.copies.items()} == {
        "default": True, "uk": True,
    }  # fmt: skip
    # and the watch goes on as always: it asks for what was sent before
    assert here.look()["watched"] == 2


def test_an_account_that_was_never_frozen_costs_no_write() -> None:
    here = Company()
    here.look()
    assert here.world.rate_limiter.copies == {}
