"""Accounts: what is shown is what the API says, and freezing asks first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from incentives.bootstrap import container
from incentives.domain.accounts.account import AccountFunds
from incentives.domain.accounts.funds import Snapshot
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from tests.console.served import Api, Browser, text_of
from tests.openapi.bulk_orders import standing
from tests.support.fakes import START, usd

WHY = "requests that nobody knows"


def frozen(api: Api, reason: str = WHY) -> Mapping[str, Any]:
    body: Mapping[str, Any] = api.functions.send("freeze_account", "default", body={"reason": reason}).body["frozen"]
    return body


def known(api: Api, name: str) -> None:
    """Let an account have been asked about."""
    snapshot = Snapshot(AccountFunds(name, usd("1250.00"), START), START)
    container.account_dependencies.states.keep_funds(snapshot)


def of_age(api: Api, days: int | None) -> None:
    """Let the account's key be as old as that."""
    found = dict(api.functions.send("get_accounts").body["accounts"][0])
    body = {"accounts": [{**found, "keyAgeDays": days, "keyCreatedAt": None}], "cursor": None}
    api.fail("GET", "/accounts", 200, json.dumps(body))


def test_an_account_is_frozen_once_and_unfrozen(api: Api, browser: Browser) -> None:
    asking = browser.get("/accounts/default/freeze")
    assert "Bulk orders pause" in text_of(asking)
    assert api.sent == []

    done = browser.submit(asking, reason="the key leaked")
    again = browser.submit(asking, reason="the key leaked")

    assert api.sent == [("POST", "/accounts/default/freeze")]
    assert "Done." in text_of(done)
    assert text_of(again.find("pre")) == text_of(done.find("pre"))
    assert "the key leaked" in text_of(browser.get("/accounts").find(id="account-default"))
    # whoever unfreezes it is shown who froze it, and why
    asking = browser.get("/accounts/default/unfreeze")
    said = text_of(asking.find("dl"))
    assert ("user/caller" in said, "the key leaked" in said, "2026-03-01 12:00" in said) == (True, True, True)
    browser.submit(asking)
    assert "ACTIVE" in text_of(browser.get("/accounts").find(id="account-default"))


def test_the_balance_is_the_apis(api: Api, browser: Browser) -> None:
    assert "not known" in text_of(browser.get("/accounts").find(id="account-default"))
    known(api, "default")
    (its,) = api.functions.send("get_accounts").body["accounts"]
    for page, part in (("/accounts", "account-default"), ("/accounts/default", "standing")):
        assert f"{Decimal(its['balance']['amount']):,} {its['balance']['currencyCode']}" in text_of(
            browser.get(page).find(id=part)
        )


def test_accounts_are_turned_over_page_by_page_and_one_is_found_on_any(api: Api, browser: Browser) -> None:
    for name in (f"a{number:02}" for number in range(51)):
        known(api, name)
    api.functions.send("freeze_account", "a50", body={"reason": WHY})
    first = browser.get("/accounts")
    second = browser.get(str(first.find("a", rel="next")["href"]))
    shown = [str(row["id"]) for each in (first, second) for row in each.find_all("tr", id=True)]
    assert (len(shown), shown[-1]) == (len(set(shown)), "account-default")
    assert "FROZEN" in text_of(browser.get("/accounts/a50").find(id="standing"))


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (149, None),
        (150, "replace it within a month"),
        (169, "replace it within a month"),
        (170, "replace it within ten days"),
        (180, "it must be replaced now"),
        (None, "not known"),
    ],
)
def test_a_key_that_is_due_says_so_and_how_it_is_replaced(
    api: Api, browser: Browser, days: int | None, words: str | None
) -> None:
    of_age(api, days)
    link = browser.get("/accounts").find(id="account-default").find("a", href="/accounts/default#key")
    assert text_of(link) == ": ".join(filter(None, (f"{days} days" if days is not None else "", words)))
    key = text_of(browser.get("/accounts/default").find(id="key"))
    assert "make rotate-keys ACCOUNT=default STACK=gateway" in key


def test_an_account_whose_keys_cannot_be_read_says_what_that_means(api: Api, browser: Browser) -> None:
    api.functions.world.accounts.accounts.clear()
    assert "UNUSABLE" in text_of(browser.get("/accounts").find(id="account-default"))
    assert "Its keys cannot be read: nobody has put any" in text_of(
        browser.get("/accounts/default").find(id="standing")
    )


def test_an_account_that_nobody_knows_can_be_frozen_all_the_same(api: Api, browser: Browser) -> None:
    assert "knows no account" in text_of(browser.get("/accounts/new").find(id="standing"))
    assert browser.get("/accounts/new/freeze").find("form", method="post") is not None


def test_freezing_waits_for_nothing_that_cannot_be_read(api: Api, browser: Browser) -> None:
    api.lose("GET", "/accounts")
    asking = browser.get("/accounts/default/freeze")
    assert "No figures at the moment." in text_of(asking)
    browser.submit(asking, reason=WHY)
    assert api.functions.world.freezes.kept["default"].reason == WHY


def test_a_frozen_account_is_not_frozen_again_and_an_active_one_not_unfrozen(api: Api, browser: Browser) -> None:
    assert "It is not frozen." in text_of(browser.get("/accounts/default/unfreeze"))
    frozen(api)
    refused = browser.get("/accounts/default/freeze")
    assert "keeps the reason that it was frozen for" in text_of(refused)
    assert refused.find("form", method="post") is None


@pytest.mark.parametrize(("reason", "told"), [("", "reason"), ("card ABCD-EFGHIJ-KLMN", "reason")])
def test_a_reason_that_should_not_be_kept_is_refused_by_its_field(
    api: Api, browser: Browser, reason: str, told: str
) -> None:
    refused = browser.submit(browser.get("/accounts/default/freeze"), reason=reason)
    assert f"{told} " in text_of(refused.find(class_="failure"))
    assert api.functions.world.freezes.kept == {}


def test_a_freeze_whose_response_is_lost_is_unknown(api: Api, browser: Browser) -> None:
    api.lose("POST", "/accounts")
    told = browser.submit(browser.get("/accounts/default/freeze"), reason=WHY)
    assert "Nobody knows yet whether it was done." in text_of(told)
    again = browser.get(str(told.find("a", string="Try again")["href"]))
    assert again.find("input", attrs={"name": "reason"})["value"] == WHY


def test_a_freeze_that_nobody_was_shown_is_not_undone(api: Api, browser: Browser) -> None:
    # given somebody who looks at a freeze, which is undone and made anew for another reason
    frozen(api)
    asking = browser.get("/accounts/default/unfreeze")
    api.functions.send("unfreeze_account", "default")
    frozen(api, "a second leak")
    # when
    told = text_of(browser.submit(asking).find(class_="failure"))
    # then
    assert "Not sent. Meanwhile it was frozen again: by user/caller, for this reason: a second leak" in told
    assert api.sent == []
    # nor while nobody can tell
    asking = browser.get("/accounts/default/unfreeze")
    api.deny("GET", "/accounts")
    assert "Not sent." in text_of(browser.submit(asking))
    assert browser.get("/accounts/default/unfreeze").find("form", method="post") is None


def test_an_unfreeze_after_anothers_finishes_what_that_has_left(api: Api, browser: Browser) -> None:
    frozen(api)
    asking = browser.get("/accounts/default/unfreeze")
    api.functions.send("unfreeze_account", "default")
    assert "Done." in text_of(browser.submit(asking))
    assert api.sent == [("POST", "/accounts/default/unfreeze")]


def test_a_freeze_after_anothers_tells_that_its_reason_is_not_kept(api: Api, browser: Browser) -> None:
    asking = browser.get("/accounts/default/freeze")
    frozen(api, "a leak")
    told = text_of(browser.submit(asking, reason=WHY).find(class_="note"))
    assert "It was frozen already, by user/caller, for this reason: a leak." in told


@pytest.mark.parametrize("verb", ["freeze", "unfreeze"])
def test_what_others_did_meanwhile_is_told(api: Api, browser: Browser, verb: str) -> None:
    its = frozen(api)
    if verb == "freeze":
        api.functions.send("unfreeze_account", "default")
    asking = browser.get(f"/accounts/default/{verb}")
    body = {"account": "default", "frozen": None if verb == "freeze" else its}
    api.fail("POST", "/accounts", 200, json.dumps(body))
    told = text_of(browser.submit(asking, **({"reason": WHY} if verb == "freeze" else {})).find(class_="note"))
    assert ("unfrozen it meanwhile" if verb == "freeze" else "frozen again meanwhile: by user/caller") in told


def test_paused_orders_are_told_with_what_paused_them(api: Api, browser: Browser) -> None:
    order_id = standing(api.functions, OrderStatus.PAUSED)
    frozen(api)
    row = browser.get("/accounts/default").find(id=f"order-{order_id}")
    assert "account 'default' has no secret" in text_of(row)
    assert row.find("a")["href"] == f"/orders/{order_id}"
    assert "Bulk orders that are paused 1" in text_of(browser.get("/accounts/default/unfreeze").find("dl"))
    # and one right less takes only them away
    api.deny("GET", "/orders")
    page = browser.get("/accounts/default")
    assert "It takes the right to call GET /orders" in text_of(page.find(id="paused"))
    assert "FROZEN" in text_of(page.find(id="standing"))
    assert browser.get("/accounts/default/unfreeze").find("form", method="post") is not None


def test_how_long_it_has_been_frozen_is_counted(api: Api, browser: Browser) -> None:
    frozen(api)
    api.functions.world.clock.sleep(timedelta(hours=3, minutes=5).total_seconds())
    since = browser.get("/accounts").find(id="account-default").find("span", attrs={"data-since": True})
    assert str(since["data-since"]).startswith(f"{START:%Y-%m-%dT%H:%M}")
    assert text_of(since).startswith("3 h")
