"""Accounts: what is shown is what the API says, and freezing asks first."""

from __future__ import annotations

from tests.console.served import Api, Browser, text_of


def test_an_account_is_frozen_once_and_unfrozen(api: Api, browser: Browser) -> None:
    asking = browser.get("/accounts/default/freeze")
    assert "bulk orders pause" in text_of(asking)
    assert api.sent == []

    done = browser.submit(asking, reason="the key leaked")
    again = browser.submit(asking, reason="the key leaked")

    assert api.sent == [("POST", "/accounts/default/freeze")]
    assert "Done." in text_of(done)
    assert text_of(again.find("pre")) == text_of(done.find("pre"))
    assert "the key leaked" in text_of(browser.get("/accounts").find(id="account-default"))
    browser.submit(browser.get("/accounts/default/unfreeze"))
    assert "ACTIVE" in text_of(browser.get("/accounts").find(id="account-default"))


def test_a_missing_right_names_the_action_and_the_route(api: Api, browser: Browser) -> None:
    api.deny("GET", "/accounts")
    shown = text_of(browser.get("/accounts"))
    assert "You may not see or do this. It takes the right to call GET /accounts" in shown
