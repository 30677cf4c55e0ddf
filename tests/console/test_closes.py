"""Closing: movements are named, what blocks a month is told with what to do, and two persons close and sign it off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from console.page import who
from incentives.domain.reconciliation.closing import CloseStatus
from local.commands.close import rows_of
from tests.console.conftest import Be
from tests.console.served import Api, Browser, text_of
from tests.openapi.books import opened
from tests.openapi.closes import JANUARY, OF_JANUARY, blocked, closed, reconciled, shop_of
from tests.openapi.served import Served
from tests.support.books_world import DAY, finding

MOVEMENTS = "/books/default/2026-02/movements"
CLOSE = f"/books/invoiced/{JANUARY}/close"
WHOLE = {"type.1": "deposit", "amount.1": "512.50", "reference.1": "Wire 17"}
FEE = {"type.3": "fee", "amount.3": "-12.50", "reference.3": "Wire 17"}


def movement(api: Api) -> dict[str, Any]:
    (found,) = api.functions.send("list_movements", "default", query={"month": "2026-02"}).body["movements"]
    return dict(found)


def naming(api: Api) -> str:
    return f"{MOVEMENTS}/{movement(api)['movementId']}/name"


def standing(api: Api, of: str = OF_JANUARY) -> dict[str, Any]:
    return dict(api.functions.send("get_close", of).body)


# ---- movements -------------------------------------------------------------------------------------------------------


def test_a_movement_is_named_by_parts_that_sum_to_it_once(api: Api, browser: Browser) -> None:
    opened(api.functions)
    its = movement(api)
    row = text_of(browser.get(MOVEMENTS).find(id=f"movement-{its['movementId']}"))
    assert (its["amount"], "500.00 USD nobody has said" in row) == ("500.00", True)
    asking = browser.get(naming(api))
    assert [text_of(each) for each in asking.find_all("legend")] == [f"Part {number}" for number in range(1, 7)]
    # when one part is not all of it, what is missing is told, and nothing is sent
    short = browser.submit(asking, **WHOLE)
    assert "The parts sum to 512.50 USD, and the movement is 500.00 USD, so -12.50 USD is missing" in text_of(short)
    assert api.sent == []
    # when the same form is opened again, what was said stands in it
    asking = browser.get(str(short.find("a", string="Try again")["href"]))
    done = browser.submit(asking, **FEE)
    browser.submit(asking, **FEE)
    assert api.sent == [("POST", "/reconciliations/default/movements")]
    assert "Done." in text_of(done)
    parts = movement(api)["parts"]
    assert [(each["type"], each["amount"], each["date"]) for each in parts] == [
        ("deposit", "512.50", str(DAY)),
        ("fee", "-12.50", str(DAY)),
    ]
    row = text_of(browser.get(MOVEMENTS).find(id=f"movement-{its['movementId']}"))
    assert "deposit 512.50 USD of 2026-02-20: Wire 17" in row
    assert "None: all 1 have names." in text_of(browser.get("/books/default/2026-02").find(id="movements"))
    assert browser.get(naming(api)).find("input", attrs={"name": "amount.2"})["value"] == "-12.50"


def test_what_somebody_else_has_said_of_a_movement_meanwhile_is_not_replaced_unseen(
    api: Api, browser: Browser, be: Be
) -> None:
    opened(api.functions)
    asking = browser.get(naming(api))
    be("anna")
    part = {"type": "rebate", "amount": "500.00", "date": str(DAY), "reference": "Offer 3"}
    its = {"movementId": movement(api)["movementId"], "parts": [part]}
    assert api.functions.send("name_movement", "default", body=its).status == 200
    held = browser.submit(asking, **{**WHOLE, "amount.1": "500.00"})
    assert "Not sent. Meanwhile user/anna has said what it was." in text_of(held)
    assert (api.sent, movement(api)["parts"][0]["type"]) == ([], "rebate")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Part 1 is empty"),
        ({"type.2": "fee"}, "Part 2 its amount is missing"),
        ({**WHOLE, "amount.1": "5,000"}, "Part 1 its amount is no plain number"),
        ({**WHOLE, "date.1": ""}, "Part 1 its date is missing"),
        ({**WHOLE, "reference.1": "x" * 101}, "Part 1 its reference is longer than 100 characters"),
    ],
)
def test_a_part_that_is_not_whole_is_told_by_its_place(
    api: Api, browser: Browser, given: dict[str, str], told: str
) -> None:
    opened(api.functions)
    assert told in text_of(browser.submit(browser.get(naming(api)), **given).find(class_="failure"))
    assert api.sent == []


def test_what_the_api_says_of_a_naming_is_shown(api: Api, browser: Browser) -> None:
    opened(api.functions)
    given = {**WHOLE, "amount.1": "500.00"}
    wrong = browser.submit(browser.get(naming(api)), **given | {"reference.1": "AQ3R-ABCDEF-1234"})
    assert "parts.0.reference must hold nothing that looks like a claim code" in text_of(wrong.find(class_="failure"))
    asking = browser.get(naming(api))
    api.lose("POST", "/reconciliations")
    assert "Nobody knows yet whether it was done." in text_of(browser.submit(asking, **given))
    gone = browser.get(f"{MOVEMENTS}/{'0' * 24}/name")
    assert "no such movement any more" in text_of(gone.find(class_="failure"))
    api.deny("GET", "/reconciliations")
    assert "GET /reconciliations/{account}/movements ," in text_of(browser.get(MOVEMENTS))


# ---- closes ----------------------------------------------------------------------------------------------------------


def test_what_blocks_a_month_is_told_with_what_to_do_and_where(api: Api, browser: Browser) -> None:
    blocked(api.functions)
    shown = browser.get("/books/default/2026-02/close")
    told = [text_of(each).replace(" :", ":") for each in shown.find(id="close").find("ul").find_all("li")]
    for each in standing(api, "default 2026-02")["blockedBy"]:
        assert any(each in line for line in told), each
    (unresolved,) = (each for each in told if each.startswith("unresolved"))
    assert "Each has a page that resolves it" in unresolved
    links = {str(each["href"]) for each in shown.find(id="close").find_all("a")}
    assert {f"/books/default/{DAY}", "/books/default/2026-01/close"} <= links
    refused = browser.get("/books/default/2026-02/close/make")
    assert "It is blocked: " in text_of(refused.find(class_="failure"))
    assert refused.find("form", method="post") is None


def test_a_month_is_closed_once_and_not_called_done_when_it_is_blocked(api: Api, browser: Browser) -> None:
    reconciled(api.functions)
    assert "Nobody has asked to close this month yet." in text_of(browser.get(CLOSE))
    asking = browser.get(f"{CLOSE}/make")
    assert api.sent == []
    done = browser.submit(asking)
    browser.submit(asking)
    assert api.sent == [("POST", f"/closes/invoiced/{JANUARY}")]
    assert "Closed: version 1." in text_of(done.find(class_="note"))
    again = browser.get(f"{CLOSE}/make")
    assert "It is CLOSED, and nothing that it was made of has changed since." in text_of(again)
    opened(api.functions)
    first = browser.submit(browser.get("/books/default/2026-02/close/make"), amount="1000.00", source="the portal")
    assert "It is BLOCKED, and nothing was closed. In its way: " in text_of(first.find(class_="note"))
    assert first.find(class_="done") is None
    assert standing(api, "default 2026-02")["opening"] == {"amount": "1000.00", "source": "the portal"}


def test_an_opening_without_its_source_and_a_month_that_is_not_over_are_not_sent(api: Api, browser: Browser) -> None:
    opened(api.functions)
    half = browser.submit(browser.get("/books/default/2026-02/close/make"), amount="1000.00")
    assert "source is missing" in text_of(half.find(class_="failure"))
    assert api.sent == []
    assert "2026-03 is not over yet." in text_of(browser.get("/books/default/2026-03/close/make"))
    assert "It can be closed when it is over" in text_of(browser.get("/books/default/2026-03/close"))


def test_the_figures_and_the_files_are_the_closes_and_no_page_says_where_the_files_are(
    api: Api, browser: Browser
) -> None:
    closed(api.functions)
    close = standing(api)
    shown = browser.get(CLOSE)
    figures = shown.find(attrs={"aria-label": "Figures"}).find("tbody").find_all("tr")
    expected = [" ".join(each).split() for each in rows_of(close["figures"])]
    assert [text_of(each).split() for each in figures] == expected
    files = [*close["files"], close["manifest"]]
    rows = [each.find_parent("tr") for each in shown.find_all("a", download=True)]
    assert {f"{row.find('a')['title']} {text_of(row).partition(' ')[2]}" for row in rows} == {
        f"{each['name']} {each['rows']} {each['sha256']}" for each in files
    }
    sent = browser.submit(browser.get("/books/invoiced/2026-02/close/make"))
    for page in (shown, sent, browser.get(f"{CLOSE}/sign-off")):
        assert "books.test" not in str(page)
    assert browser.get(CLOSE).find("a", href=f"{CLOSE}/make") is None


def test_a_file_comes_through_the_console_if_it_is_what_the_close_names(api: Api, browser: Browser) -> None:
    closed(api.functions)
    for each in (standing(api)["files"][0], standing(api)["manifest"]):
        path = f"/books/invoiced/{JANUARY}/files/{each['name']}"
        browser.get(path, 502)
        content = api.functions.books.files.files[each["name"]]
        api.files[each["url"]] = content
        got = browser.session.get(f"{browser.origin}{path}")
        assert hashlib.sha256(got.content).hexdigest() == each["sha256"]
        assert got.content == content
        assert got.headers["Content-Type"].startswith("text/")
        assert got.headers["Content-Disposition"].startswith('attachment; filename="invoiced-2026-01-')
        api.files[each["url"]] = content + b"x"
        assert "was it changed?" in text_of(browser.get(path, 502))
    assert "has no such file" in text_of(browser.get(f"/books/invoiced/{JANUARY}/files/invoiced/other.csv", 404))
    api.deny("GET", "/closes")
    assert "GET /closes/{account}/{month}" in text_of(browser.get(path, 404))


def test_a_second_person_signs_the_figures_that_were_shown(api: Api, browser: Browser) -> None:
    manifest = closed(api.functions)
    asking = browser.get(f"{CLOSE}/sign-off")
    facts = text_of(asking.find(class_="facts"))
    figures = standing(api)["figures"]
    assert all(f"{figures[each]['amount']} EUR" in facts for each in ("charges", "refunds"))
    assert asking.find("input", attrs={"name": "manifestSha256"})["value"] == manifest
    assert api.sent == []
    browser.submit(asking)
    browser.submit(asking)
    assert api.sent == [("POST", f"/closes/invoiced/{JANUARY}/sign-off")]
    its = standing(api)
    assert who(its["signedOffBy"]) in text_of(browser.get(CLOSE).find(id="close"))
    assert f"It is signed off by {who(its['signedOffBy'])}." in text_of(browser.get(f"{CLOSE}/sign-off"))


def test_another_manifest_than_was_shown_is_not_signed_off(api: Api, browser: Browser) -> None:
    closed(api.functions)
    asking = browser.get(f"{CLOSE}/sign-off")
    kept = api.functions.books.books.close("invoiced", JANUARY)
    assert kept is not None
    assert kept.manifest is not None
    other = replace(kept, revision=kept.revision + 1, manifest=replace(kept.manifest, sha256="b" * 64))
    assert api.functions.books.books.keep_close(kept, other)
    refused = text_of(browser.submit(asking).find(class_="failure"))
    assert "Refused. manifestSha256 is not that of version 1" in refused


def test_whoever_closed_is_told_by_the_api_that_another_person_has_to_sign(api: Api, browser: Browser) -> None:
    reconciled(api.functions)
    browser.submit(browser.get(f"{CLOSE}/make"))
    told = browser.submit(browser.get(f"{CLOSE}/sign-off"))
    assert "Refused. You closed the month: somebody else has to sign it off." in text_of(told.find(class_="failure"))
    api.deny("POST", "/closes")
    denied = browser.submit(browser.get(f"{CLOSE}/sign-off"))
    assert "POST /closes/{account}/{month}/sign-off , which IAM does not give you" in text_of(denied)


@pytest.mark.parametrize(("step", "before"), [("make", reconciled), ("sign-off", closed)])
def test_what_nobody_has_answered_is_unknown_and_not_failed(
    api: Api, browser: Browser, step: str, before: Callable[[Served], object]
) -> None:
    before(api.functions)
    asking = browser.get(f"{CLOSE}/{step}")
    api.lose("POST", "/closes")
    assert "Nobody knows yet whether it was done." in text_of(browser.submit(asking).find(class_="failure"))


@pytest.mark.parametrize(
    ("status", "by", "words"),
    [
        (CloseStatus.CLOSING, "", "Close it again, and go on"),
        (CloseStatus.CLOSED, "arn:aws:iam::123456789012:root", "Ask for the same close in your own name"),
    ],
)
def test_what_was_left_half_way_or_closed_by_nobody_can_be_closed_again(
    api: Api, browser: Browser, status: CloseStatus, by: str, words: str
) -> None:
    closed(api.functions)
    kept = api.functions.books.books.close("invoiced", JANUARY)
    assert kept is not None
    changed = replace(kept, revision=kept.revision + 1, status=status, closed_by=None, caller=by or kept.caller)
    assert api.functions.books.books.keep_close(kept, changed)
    shown = browser.get(CLOSE)
    assert status.value in text_of(shown.find(id="close"))
    assert shown.find(id="close").has_attr("data-live") == (status is CloseStatus.CLOSING)
    assert text_of(shown.find("a", href=f"{CLOSE}/make")) == words
    assert browser.get(f"{CLOSE}/make").find("form", method="post") is not None


def test_a_close_whose_day_was_read_anew_is_stale_and_keeps_its_figures(api: Api, browser: Browser) -> None:
    closed(api.functions)
    shop, day = shop_of(api.functions), DAY.replace(month=1)
    shop.keep(replace(shop.judged(day), findings=(finding(found_on=day),)))
    shown = browser.get(CLOSE)
    assert "STALE version 1." in text_of(shown.find(id="close"))
    assert "What blocks its next version" in text_of(shown.find(id="close"))
    assert "615.00" in text_of(shown.find(attrs={"aria-label": "Figures"}))
    assert shown.find("a", href=f"{CLOSE}/sign-off") is None
    assert "only what is CLOSED can be signed off" in text_of(browser.get(f"{CLOSE}/sign-off"))
