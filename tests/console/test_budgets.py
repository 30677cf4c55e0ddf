"""Budgets: figures are the API's; making and changing one says what changes, and sends what was seen, once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from incentives.api.models.budgets import NAME
from tests.console.served import Api, Browser, text_of
from tests.openapi.budgets import put, spent
from tests.openapi.served import CALLER
from tests.support.fakes import START, usd

NEW = {"name": "winter", "limit": "500.00", "currencyCode": "EUR", "period": "total", "active": "yes"}


def standing(api: Api, name: str = NAME) -> dict[str, Any]:
    body: dict[str, Any] = api.functions.send("get_budget", name).body
    return body


def test_each_budget_is_shown_as_the_api_has_it(api: Api, browser: Browser) -> None:
    spent(api.functions)
    put(api.functions, "winter", active=False, period="total")
    rows = {str(row["id"]): row for row in browser.get("/budgets").find_all("tr", id=True)}
    assert list(rows) == [f"budget-{NAME}", "budget-winter"]
    shown, its = rows[f"budget-{NAME}"], standing(api)
    amounts = [text_of(each) for each in shown.find_all("td", class_="number")]
    assert amounts == [f"{Decimal(its[each]):,} USD" for each in ("limit", "spent", "held", "remaining")]
    assert shown.find("svg")["aria-label"] == "20.0 % spent, 70.0 % held, 10.0 % left"
    assert "user/caller" in text_of(shown)
    assert "INACTIVE" in text_of(rows["budget-winter"])


def test_who_has_set_one_is_told_as_people_know_them(
    api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "assumed-role/AWSReservedSSO_Gateway_Finance_0123456789abcdef/anna@example.com"
    monkeypatch.setitem(CALLER, "userArn", f"arn:aws:sts::123456789012:{role}")
    put(api.functions)
    for path in ("/budgets", f"/budgets/{NAME}", f"/budgets/{NAME}/set?active=no"):
        assert "by anna@example.com (Gateway_Finance)" in text_of(browser.get(path))


def test_budgets_are_turned_over_page_by_page(api: Api, browser: Browser) -> None:
    for number in range(41):
        put(api.functions, f"b{number:02}")
    first = browser.get("/budgets")
    second = browser.get(str(first.find("a", rel="next")["href"]))
    assert [len(each.find_all("tr", id=True)) for each in (first, second)] == [40, 1]
    assert second.find("a", rel="next") is None
    assert str(second.find("nav", attrs={"aria-label": "Pages"}).find("a")["href"]) == "/budgets"


def test_without_any_it_says_what_that_means(api: Api, browser: Browser) -> None:
    assert "There are no budgets" in text_of(browser.get("/budgets"))
    assert "There is none." in text_of(browser.get("/budgets/winter"))


def test_who_may_not_list_them_may_still_look_at_one(api: Api, browser: Browser) -> None:
    put(api.functions)
    api.fail("GET", "/budgets", 429, '{"detail": "too many", "errorType": "BudgetBusy"}')
    assert "too many" in text_of(browser.get("/budgets"))
    api.deny("GET", "/budgets")
    assert "It takes the right to call GET /budgets ," in text_of(browser.get("/budgets"))
    api.answers.clear()
    assert "10,000.00 USD" in text_of(browser.get(f"/budgets/{NAME}").find(id="standing"))


def test_another_month_has_figures_of_its_own_and_is_not_changed_there(api: Api, browser: Browser) -> None:
    spent(api.functions)
    now = browser.get(f"/budgets/{NAME}")
    month = standing(api)["currentPeriod"]
    assert month in text_of(now.find(id="standing"))
    before = browser.get(str(now.find("a", rel="prev")["href"]))
    its = api.functions.send("get_budget", NAME, query={"period": "2026-02"}).body
    assert f"{Decimal(its['remaining']):,} USD" in text_of(before.find(id="standing"))
    assert before.find(id="set") is None
    # and one in total has none
    put(api.functions, "winter", period="total")
    assert browser.get("/budgets/winter").find("nav", attrs={"aria-label": "Months"}) is None
    assert "period" in text_of(browser.get("/budgets/winter?period=2026-02").find(class_="failure"))


def test_a_budget_is_made_once_and_none_is_changed_by_that(api: Api, browser: Browser) -> None:
    # given the page that asks
    asking = browser.get("/budgets/_new")
    assert api.sent == []
    # when it is sent twice
    done = browser.submit(asking, **NEW)
    browser.submit(asking, **NEW)
    # then
    assert "Done." in text_of(done)
    assert api.sent == [("PUT", "/budgets/winter")]
    its = standing(api, "winter")
    assert (its["limit"], its["currencyCode"], its["period"], its["active"]) == ("500.00", "EUR", "total", True)
    # and another one of that name is not taken for a change of it
    refused = browser.submit(browser.get("/budgets/_new"), **{**NEW, "limit": "900.00"})
    assert "Not sent. There is a budget winter already" in text_of(refused)
    assert len(api.sent) == 1


def test_a_budget_may_be_called_new(api: Api, browser: Browser) -> None:
    put(api.functions, "new")
    assert "10,000.00 USD" in text_of(browser.get("/budgets/new"))


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"limit": "5,00"}, "limit.amount"),
        ({"currencyCode": ""}, "limit.currencyCode"),
        ({"name": "winter sale"}, "name"),
    ],
)
def test_what_cannot_be_made_is_refused_by_field(api: Api, browser: Browser, said: dict[str, str], field: str) -> None:
    refused = browser.submit(browser.get("/budgets/_new"), **{**NEW, **said})
    assert f"{field} " in text_of(refused.find(class_="failure"))
    # and what was said is there again
    again = browser.get(str(refused.find("a", string="Try again")["href"]))
    assert again.find("input", attrs={"name": "limit"})["value"] == said.get("limit", "500.00")


def test_a_change_says_what_was_and_what_becomes_of_it(api: Api, browser: Browser) -> None:
    spent(api.functions)
    asking = browser.get(f"/budgets/{NAME}/set?limit=12000.00&active=no")
    said = text_of(asking.find("main"))
    for each in (
        "10,000.00 USD becomes 12,000.00 USD",
        "1,000.00 USD becomes 3,000.00 USD",
        "yes becomes no",
        "Held in 2026-03 7,000.00 USD",
        "New requests and bulk orders that name it are refused. What is held or spent stays what it is",
    ):
        assert each in said
    assert api.sent == []
    browser.submit(asking)
    browser.submit(asking)
    assert api.sent == [("PUT", f"/budgets/{NAME}")]
    its = standing(api)
    assert (its["limit"], its["remaining"], its["active"]) == ("12000.00", "3000.00", False)


def test_the_form_of_a_budget_leads_to_what_would_change(api: Api, browser: Browser) -> None:
    put(api.functions)
    form = browser.get(f"/budgets/{NAME}").find(id="set").find("form")
    assert (form.get("method"), form["action"]) == (None, f"/budgets/{NAME}/set")
    # as it is, nothing would
    unchanged = browser.get(f"{form['action']}?limit={form.find('input')['value']}&active=yes")
    assert "Nothing would change" in text_of(unchanged)
    assert unchanged.find("form", method="post") is None


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("limit=12000.00&active=Yes", "Whether it is active is yes or no."),
        # what the API reads otherwise, or not at all, is shown as no figure
        ("limit=12_000", 'The limit must be a plain decimal number such as "25.00"'),
        ("limit=1E1000000", 'The limit must be a plain decimal number such as "25.00"'),
        ("limit=12.000", "The limit must have at most 2 decimals for USD"),
    ],
)
def test_what_the_api_would_not_take_is_not_asked_for(api: Api, browser: Browser, query: str, why: str) -> None:
    put(api.functions)
    asking = browser.get(f"/budgets/{NAME}/set?{query}")
    assert why in text_of(asking)
    assert asking.find("form", method="post") is None


def test_a_reduction_below_what_is_taken_is_warned_of_and_refused_as_the_api_says(api: Api, browser: Browser) -> None:
    spent(api.functions)
    asking = browser.get(f"/budgets/{NAME}/set?limit=8999.99")
    assert "9,000.00 USD are held or spent in 2026-03: a limit below that is refused" in text_of(asking)
    refused = text_of(browser.submit(asking).find(class_="failure"))
    assert "In 2026-03, 9000.00 USD are held or spent: the limit cannot be lower." in refused
    assert standing(api)["limit"] == "10000.00"


def test_what_somebody_else_has_set_meanwhile_is_not_set_back(api: Api, browser: Browser) -> None:
    # given somebody who turns it off while another looks at a higher limit
    put(api.functions)
    asking = browser.get(f"/budgets/{NAME}/set?limit=12000.00")
    put(api.functions, active=False)
    # when
    told = browser.submit(asking)
    # then
    assert "Not sent. Somebody has changed it since it was shown" in text_of(told)
    assert (api.sent, standing(api)["active"]) == ([], False)


def test_a_change_whose_response_is_lost_is_unknown_and_seen_when_tried_again(api: Api, browser: Browser) -> None:
    put(api.functions)
    asking = browser.get(f"/budgets/{NAME}/set?limit=12000.00")
    api.lose("PUT", "/budgets")
    told = browser.submit(asking)
    assert "Nobody knows yet whether it was done." in text_of(told)
    # given that it was done
    api.answers.clear()
    put(api.functions, limit={"amount": "12000.00", "currencyCode": "USD"})
    assert "Nothing would change" in text_of(browser.get(str(told.find("a", string="Try again")["href"])))


@pytest.mark.parametrize("path", [f"/budgets/{NAME}/set?limit=1.00", "/budgets/_new"])
def test_nothing_is_sent_while_nobody_can_tell_how_it_stands(api: Api, browser: Browser, path: str) -> None:
    put(api.functions)
    asking = browser.get(path)
    api.lose("GET", "/budgets/")
    told = browser.submit(asking, **(NEW if "_new" in path else {}))
    assert "Not sent." in text_of(told)
    assert api.sent == []
    assert browser.get(f"/budgets/{NAME}/set").find("form", method="post") is None


def test_a_bar_never_runs_over_its_limit(api: Api, browser: Browser) -> None:
    # given one of which more than all was given back
    put(api.functions)
    api.functions.budgets.budgets.take(NAME, usd("10000.00"), START)
    api.functions.budgets.budgets.add_spent(NAME, "2026-03", -50_000)
    bar = browser.get(f"/budgets/{NAME}").find("svg")
    assert bar["aria-label"] == "0.0 % spent, 100.0 % held, 0.0 % left"
