"""Now: figures are the API's and CloudWatch's, and whatever needs somebody leads to where to act."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bs4 import BeautifulSoup

from incentives.bootstrap import container
from console.charts import HEIGHT, spend_chart
from console.figures import FIGURES_LIVE
from console.screens.now import ACCOUNTS_MAX, LIVES
from incentives.agcod.reading.responses import Funds
from incentives.domain.accounts.funds import AccountState
from incentives.domain.money import Money
from incentives.domain.reconciliation.findings import Kind
from tests.console.recovering import escalated
from tests.console.served import Api, Browser, metrics, text_of
from tests.support.books_world import DAY, finding
from tests.support.bulk import csv_of
from tests.support.fakes import START, usd

ONE_DAY = timedelta(days=1)


def alerts_of(page: BeautifulSoup) -> dict[str, Any]:
    return {str(row["id"]): row for row in page.select("#alerts li[id]")}


def key_of_age(api: Api, days: int) -> None:
    accounts = api.functions.world.accounts.accounts
    accounts["default"] = replace(accounts["default"], key_created_at=START - timedelta(days=days))


def test_an_account_stands_as_the_api_has_it(api: Api, browser: Browser) -> None:
    api.functions.world.amazon.funds_response = Funds(Money(Decimal("12345.60"), "USD"), START - timedelta(minutes=7))
    api.functions.send("get_available_funds")
    key_of_age(api, 40)
    api.functions.books.judged(day=DAY, net=16_500)
    api.figures.told["metrics"] = metrics(accounts={"default": {"daysLeft": 9.94}})
    (its,) = api.functions.send("get_accounts").body["accounts"]
    (day,) = api.functions.send("list_reconciliations", query={"from": f"{DAY}", "to": f"{DAY}"}).body["days"]

    page = browser.get("/")

    cells = [text_of(each) for each in page.select("#standing-default td")]
    charged = f"{day['charges']['amount']} USD"
    assert cells[:6] == ["ACTIVE", "12,345.60 USD", "7 min 0 s ago", "9.9 days", charged, f"{its['keyAgeDays']} days"]
    assert (its["balance"]["amount"], charged) == ("12345.60", "165.00 USD")
    assert charged in text_of(page.find(id="spend-sum"))
    assert ("GET", "/funds") not in {(method, path.partition("?")[0]) for method, path in api.called}


def test_each_day_of_the_chart_says_its_figures_or_why_it_has_none(api: Api, browser: Browser) -> None:
    books = api.functions.books
    books.judged(day=DAY, net=16_500)
    # A page that was switched off, and a day that is begun and not judged.
    books.judged(day=DAY + ONE_DAY, windows=(), judged=None, page_off=True)
    books.judged(day=DAY + 2 * ONE_DAY, windows=(), judged=None)
    page = browser.get("/")
    said = {str(each.parent["id"]): text_of(each) for each in page.select("#spend svg g > title")}
    assert len(said) == 30
    assert said[f"day-{DAY}"] == f"{DAY}: 1 charge of 165.00 USD, 0 refunds of 0.00 USD, BALANCED"
    assert "no activity page" in said[f"day-{DAY + ONE_DAY}"]
    assert said[f"day-{DAY + 2 * ONE_DAY}"].endswith("not judged yet")
    assert said[f"day-{DAY - ONE_DAY}"].endswith("nobody has begun to read it")
    assert [len(page.select(f"#day-{day} rect.bar")) for day in (DAY, DAY + ONE_DAY)] == [1, 0]
    # And the table says the same.
    rows = {str(row["id"]): text_of(row) for row in page.select("#day-days tr[id]")}
    assert "165.00 USD" in rows[f"day-row-{DAY}"]
    assert "no activity page" in rows[f"day-row-{DAY + ONE_DAY}"]
    assert "29 of 30 days have no figures" in text_of(page.find(id="spend-sum"))


def test_bars_are_as_high_as_their_amounts() -> None:
    def day(name: str, charges: str, refunds: str) -> dict[str, Any]:
        figures = {"charges": {"count": 1, "amount": charges}, "refunds": {"count": 1, "amount": refunds}}
        return {"day": name, "status": "BALANCED", "currencyCode": "USD", **figures}

    days = [day("2026-02-19", "200.00", "50.00"), day("2026-02-20", "0.01", "0.00")]
    chart = spend_chart(days, DAY, 3)
    heights = [(each.charges and each.charges.height, each.refunds and each.refunds.height) for each in chart.columns]
    # An amount so small that it had no height is seen all the same; nothing is not.
    assert heights == [(None, None), (HEIGHT, HEIGHT / 4), (2, None)]
    assert (chart.charged, chart.refunded, chart.most, chart.without) == ("200.01", "50.00", "200.00", 1)
    assert [each.gap is not None for each in chart.columns] == [True, False, False]


def test_what_needs_somebody_leads_to_where_to_act(api: Api, browser: Browser) -> None:
    api.functions.send("freeze_account", "default", body={"reason": "the key leaked"})
    escalated(api, "Test1E1", 30)
    escalated(api, "Test1E2", 25, value=usd("99.50"))
    api.functions.books.judged(finding(), finding(Kind.UNREADABLE_ROW, ""), day=DAY)
    rings = {"name": "unknown-old", "description": "Do not order it again.", "since": "2026-03-01T11:00:00Z"}
    api.figures.told["alarms"] = [rings]

    found = alerts_of(browser.get("/"))

    said = {name: text_of(row) for name, row in found.items()}
    alarm = said["alarm-unknown-old"]
    assert alarm.startswith("Alarm unknown-old , for 1 h 0 min Do not order it again. Recovery docs/operate.md")
    assert "the key leaked" in said["frozen-default"]
    assert "user/caller" in said["frozen-default"]
    assert said["escalated-default"].startswith("2 requests are escalated: account default")
    assert "for 1 d 6 h , 124.50 USD at risk" in said["escalated-default"]
    assert said["unresolved-default"].startswith("2 unresolved differences: account default")
    assert {name: str(row.find("a")["href"]) for name, row in found.items()} == {
        "alarm-unknown-old": "/recovery",
        "frozen-default": "/accounts/default",
        "escalated-default": "/recovery?account=default",
        "unresolved-default": "/books?account=default",
    }


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (149, None),
        (150, "More than 150 days. Amazon may refuse it in 30 days"),
        (170, "More than 170 days. Amazon may refuse it in 10 days"),
        (180, "More than 180 days. Amazon may refuse it any day now"),
    ],
)
def test_a_key_is_told_as_it_grows_old(api: Api, browser: Browser, days: int, said: str | None) -> None:
    key_of_age(api, days)
    found = alerts_of(browser.get("/"))
    assert (said is None and found == {}) or (said is not None and said in text_of(found["key-default"]))


def test_where_nothing_needs_anybody_it_says_so(api: Api, browser: Browser) -> None:
    page = browser.get("/")
    assert "Nothing. No alarm rings" in text_of(page.find(id="alerts"))
    assert "No day has figures yet" in text_of(page.find(id="spend"))
    assert "No bulk order is at work. Bulk orders is where one is uploaded" in text_of(page.find(id="orders"))


def test_figures_are_cloudwatchs_and_what_nobody_counted_is_not_zero(api: Api, browser: Browser) -> None:
    busy = browser.get("/").find(id="busy")
    assert all("not counted" in text_of(busy.find(id=each)) for each in ("unknown", "oldest", "waiting", "throttled"))
    assert "No call to Amazon was counted" in text_of(busy.find(id="rate"))
    assert busy.find("meter") is None

    api.figures.told |= {
        "metrics": metrics(
            open={"unknown": 3, "oldestSeconds": 7260.0, "waiting": 1200},
            pace={"permitsAMinute": 120.5, "allowedAMinute": 480.0, "throttled": 0},
        ),
        "backlog": {"queued": 1234, "deadLetters": 1, "failuresOfSchedules": 2},
        "recoveries": 1000,
    }
    api.functions.world.clock.time += FIGURES_LIVE
    page = browser.get("/")

    shown = {
        name: text_of(page.find(id=name))
        for name in ("unknown", "oldest", "waiting", "throttled", "queued", "dead", "failures", "under-way", "rate")
    }
    assert shown["unknown"].startswith("Unknown 3 ")
    assert shown["oldest"].startswith("Oldest unknown 2 h 1 min ")
    assert shown["waiting"].startswith("Waiting 1,200 ")
    assert shown["throttled"].startswith("Throttled by Amazon 0 ")
    assert shown["queued"].startswith("Postponed 1,234 ")
    assert shown["dead"].startswith("Dead letters 1 ")
    assert shown["failures"].startswith("Failures of schedules 2 ")
    assert shown["under-way"].startswith("1,000 or more under way")
    assert shown["rate"].startswith("120.5 calls to Amazon a minute. An account may make 480 a minute")
    (meter,) = page.find(id="rate").select("meter")
    assert (meter["value"], meter["max"]) == ("120.5", "480.0")


@pytest.mark.parametrize(
    ("part", "operation", "action", "gone"),
    [
        ("metrics", "GetMetricData", "cloudwatch:GetMetricData", "#unknown"),
        ("metrics", "ListMetrics", "cloudwatch:ListMetrics", "#unknown"),
        ("backlog", "GetQueueAttributes", "sqs:GetQueueAttributes", "#queued"),
        ("recoveries", "ListExecutions", "states:ListExecutions", "#under-way"),
        ("recoveries", "ListStackResources", "cloudformation:ListStackResources", "#under-way"),
    ],
)
def test_a_missing_right_to_figures_takes_its_own_part_away(
    api: Api, browser: Browser, part: str, operation: str, action: str, gone: str
) -> None:
    api.figures.deny(part, operation)
    page = browser.get("/")
    assert f"It takes the right to call {action} ," in text_of(page.find("main"))
    left = [each for each in ("#standing-default", "#unknown", "#queued", "#under-way") if page.select_one(each)]
    assert left == [each for each in ("#standing-default", "#unknown", "#queued", "#under-way") if each != gone]


def test_who_may_not_see_alarms_or_accounts_is_not_told_that_nothing_is_wrong(api: Api, browser: Browser) -> None:
    api.figures.deny("alarms", "DescribeAlarms")
    api.deny("GET", "/accounts")
    api.deny("GET", "/orders")
    page = browser.get("/")
    alerts = text_of(page.find(id="alerts"))
    assert "the right to call cloudwatch:DescribeAlarms ," in alerts
    assert "the right to call GET /accounts ," in alerts
    assert "Nothing that could be read" in alerts
    assert "the right to call GET /orders ," in text_of(page.find(id="orders"))
    assert "0 requests in the queue" in text_of(page.find(id="queued"))


def test_a_right_that_is_missing_for_every_account_is_named_once(api: Api, browser: Browser) -> None:
    container.account_states.states["japan"] = AccountState()
    api.deny("GET", "/reconciliations")
    page = browser.get("/")
    assert text_of(page.find(id="alerts")).count("the right to call GET /reconciliations ,") == 1
    assert "No day has figures" not in text_of(page.find(id="spend"))


def test_orders_at_work_are_shown_with_why_they_do_not_go_on(api: Api, browser: Browser) -> None:
    bulk = api.functions.bulk
    bulk.create("waits for its file")
    paused = bulk.place(csv_of(("a", "25.00"), ("b", "30.50")), "paused")
    api.functions.send("freeze_account", "default", body={"reason": "the key leaked"})
    bulk.run(paused)
    (its,) = (each for each in api.functions.send("list_orders").body["orders"] if each["orderId"] == paused)

    (row,) = browser.get("/").select("#orders tr[id]")

    assert [text_of(each) for each in row.select("td")[:4]] == [its["status"], its["account"], "2", "55.50 USD"]
    assert (its["status"], its["total"]["amount"]) == ("PAUSED", "55.50")
    assert text_of(row.find("td", class_="words")) == its["pauseReason"]
    assert str(row.find("a")["href"]) == f"/orders/{paused}"


def test_more_pages_do_not_mean_more_calls(api: Api, browser: Browser) -> None:
    browser.get("/")
    asked = len(api.figures.asked)
    api.called.clear()
    for _ in range(3):
        browser.get("/")
    assert len(api.figures.asked) == asked == 4
    assert {path.partition("?")[0] for _, path in api.called} == {"/accounts", "/orders"}
    # Once they are old they are read anew.
    api.functions.world.clock.time += LIVES
    browser.get("/")
    assert len(api.figures.asked) == 2 * asked


def test_many_accounts_are_looked_at_in_part_and_that_is_said(api: Api, browser: Browser) -> None:
    names = [f"a{number:02}" for number in range(ACCOUNTS_MAX + 2)]
    container.account_states.states.update({name: AccountState() for name in names})
    page = browser.get("/")
    assert "are those of the first accounts by name" in text_of(page.find(id="alerts"))
    assert len(page.select("#accounts tr[id]")) == len(names) + 1
    asked = [path for _, path in api.called if path.startswith(("/requests", "/reconciliations"))]
    assert len(asked) == 2 * ACCOUNTS_MAX
    # One that was left out can be chosen.
    api.called.clear()
    assert f"Spend of 30 days: {names[-1]}" in text_of(browser.get(f"/?account={names[-1]}").find(id="spend"))
    assert sum(f"account={names[-1]}" in path for _, path in api.called) == 2


def test_a_day_is_the_books_own(api: Api, browser: Browser) -> None:
    # In Berlin it is tomorrow.
    api.functions.world.clock.time = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    browser.get("/")
    assert any(path.startswith("/reconciliations") and path.endswith("to=2026-03-02") for _, path in api.called)
