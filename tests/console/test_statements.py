"""Statements: the download stays in memory, what may hold codes is not offered, and only what was shown leaves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import Final
from urllib.parse import urlencode, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

from console.uploads import LIVES, UPLOADS_MAX
from local.statement import Reading, mapped
from tests.console.served import STATEMENTS, Api, Browser, text_of
from tests.openapi.books import opened
from tests.support.books_world import DAY, TYPES, ZONE
from tests.support.fakes import START
from tests.support.portal import PORTAL_READING

#: A claim code, whole and in one piece.
CANARY: Final = "AQ3R-ABCDEF-1234"
PLAIN: Final = "QQ3RABCDEF1234"
HEADER: Final = "Transaction Date,Transaction,Result,Client Reference,Card Serial,Claim Code,Amount,Currency"
#: As the sandbox's portal has it.
DOWNLOAD: Final = f"""{HEADER}
02/20/2026 06:15:07 AM,Gift card order,Completed,Test1A,A2GCN9BRX5QS76,{CANARY},25.00,USD
02/20/2026 07:00:00 AM,Gift card order cancelled,Completed,Test1A,A2GCN9BRX5QS76,{CANARY},-25.00,USD
02/20/2026 07:00:01 AM,Gift card order,Declined,Test1B,,,,
02/22/2026 01:00:00 AM,Gift card order,Completed,Test1C,,{CANARY},30.00,USD
02/20/2026 08:00:00 AM,Deposit,Completed,,,,500.00,USD
"""
READING: Final = PORTAL_READING.with_said(types={"Deposit": ""}, statuses={"Declined": "Failed"})
NEW: Final = "/books/default/statements/new"
DAYS: Final = {"from": str(DAY), "to": str(DAY)}


def given(browser: Browser, download: str = DOWNLOAD, mapping: Reading | str | None = None) -> BeautifulSoup:
    """Give the console a file; the page that asks what its columns mean."""
    files = {"file": ("download.csv", download)}
    if mapping is not None:
        text = mapping if isinstance(mapping, str) else json.dumps(asdict(mapping))
        files["mapping"] = ("portal.json", text)
    return browser.submit(browser.get(NEW), files=files, **DAYS)


def said(browser: Browser, shown: BeautifulSoup, **fields: str) -> BeautifulSoup:
    """Fill in what the page asks, and have it shown."""
    form = shown.find("form", method="get")
    assert isinstance(form, Tag)
    data = {}
    for each in form.find_all(["input", "select"]):
        chosen = each.find("option", selected=True) or each.find("option") if each.name == "select" else each
        data[str(each["name"])] = str(chosen["value"])
    assert fields.keys() <= data.keys(), fields.keys() - data.keys()
    return browser.get(f"{form['action']}?{urlencode({**data, **fields})}")


def upload_page(browser: Browser, shown: BeautifulSoup) -> BeautifulSoup:
    return browser.get(str(shown.find("a", string="It is right: on to the upload")["href"]))


def put(api: Api) -> list[bytes]:
    return [content for address, content in api.files.items() if address.startswith(STATEMENTS)]


def test_a_download_is_mapped_step_by_step_and_what_was_shown_is_uploaded_once(api: Api, browser: Browser) -> None:
    pages = [given(browser)]
    # when columns are said, the page asks what their words mean
    pages.append(said(browser, pages[-1], **{f"column.{name}": theirs for name, theirs in READING.columns.items()}))
    assert "what the type 'Deposit' is" in text_of(pages[-1])
    pages.append(
        said(
            browser,
            pages[-1],
            zone=READING.zone,
            time_format=READING.time_format,
            signs=READING.signs,
            **{f"type.{word}": ours or "-" for word, ours in READING.types.items()},
            **{f"status.{word}": ours for word, ours in READING.statuses.items()},
        )
    )
    # then it shows how it understood them, and has sent nothing
    preview = text_of(pages[-1].find("section"))
    assert f"3 rows from {DAY} to {DAY}, 2 others left out. 1 GCCancellation, 25.00 USD; 1 GCCreation" in preview
    assert f"Test1A {DAY} 2026-02-20 14:15:07 GCCreation Success 25.00" in preview
    pages.append(upload_page(browser, pages[-1]))
    facts = text_of(pages[-1].find(class_="facts"))
    digest = hashlib.sha256(DOWNLOAD.encode()).hexdigest()
    assert f"SHA-256 of the file {digest}" in facts
    assert (api.called, api.files) == ([], {})
    # when it is uploaded, twice
    asking = pages[-1]
    pages += [browser.submit(asking), browser.submit(asking)]
    # then canonical columns left once, with the download's hash
    expected = mapped(DOWNLOAD.encode(), READING, first=DAY, last=DAY, books_zone=ZONE, types=TYPES)
    assert put(api) == [expected.content]
    assert api.bodies[0] == {**DAYS, "sha256": digest}
    assert [path.rpartition("/")[2] for _, path in api.sent] == ["statements", "read"]
    assert "Accepted" in text_of(pages[-1])
    day = api.functions.send("get_reconciliation", f"default {DAY}").body
    assert (day["source"], day["underWay"]) == ("statement", True)
    # and no code was in any page or call
    assert not [each for each in pages if CANARY in str(each) or "uploads.test" in str(each)]
    assert CANARY not in repr((api.called, api.bodies, api.files))
    browser.get(urlsplit(str(pages[2].find("form", method="get")["action"])).path, 404)


def test_what_may_hold_codes_is_offered_for_nothing(browser: Browser) -> None:
    rows = [f"Test1{number:035},{CANARY},{PLAIN},{PLAIN[::-1]},2026022{number}T101507Z,note" for number in range(3)]
    shown = given(browser, "\n".join(["Reference,Note,Voucher,Redemption PIN,When,Kind", *rows]))
    offered = {
        str(each["name"]).removeprefix("column."): [str(one["value"]) for one in each.find_all("option")]
        for each in shown.find_all("select")
        if str(each["name"]).startswith("column.")
    }
    assert offered["requestId"] == ["", "Reference", "Kind"]
    assert not {"Note", "Voucher", "Redemption PIN"} & {name for names in offered.values() for name in names}
    assert "When" in offered["activityTime"]
    assert offered["gcId"] == [""]
    assert "may hold codes: Note, Voucher, Redemption PIN." in text_of(shown)
    assert CANARY not in str(shown)
    assert PLAIN not in str(shown)


@pytest.mark.parametrize(
    ("download", "mapping", "told"),
    [
        (f"{CANARY},Test1A\n", None, "a name of it may be a code"),
        ("", None, "There is no file, or it is empty."),
        (f"{HEADER}\na,{CANARY}\n", None, "Line 2 has 2 cells, and the first line 8."),
        (f'{HEADER}\n"{CANARY}', None, "Line 2 cannot be read as CSV."),
        (DOWNLOAD, '{"colour": "red"}', "has what no mapping has: colour"),
        (DOWNLOAD, f"{CANARY}", "The second file cannot be read as a mapping"),
        (DOWNLOAD, '{"zone": "\\ud800"}', "The second file cannot be read as a mapping"),
        (DOWNLOAD, "[" * 100_000, "The second file cannot be read as a mapping"),
        (DOWNLOAD, json.dumps({"types": {f"T{n}": "" for n in range(61)}}), "what more than 60 words mean"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_without_its_cells(
    api: Api, browser: Browser, download: str, mapping: str | None, told: str
) -> None:
    refused = given(browser, download, mapping)
    assert told in text_of(refused.find(class_="failure"))
    assert CANARY not in str(refused)
    assert api.called == []


def test_a_day_that_is_not_over_is_told_before_any_column_is_mapped(api: Api, browser: Browser) -> None:
    files = {"file": ("download.csv", DOWNLOAD)}
    shown = browser.submit(browser.get(NEW), files=files, **{**DAYS, "to": f"{START:%Y-%m-%d}"})
    assert "Not sent. The last day must be a day that is over" in text_of(shown.find("main"))
    assert api.called == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"column.gcId": "Claim Code"}, "gcId cannot be taken from there"),
        ({"column.type": "Client Reference"}, "what the type 'Test1A' is"),
        ({"time_format": "%Y-%m-%d"}, "Line 2: its time is not written as %Y-%m-%d"),
        ({"signs": "none"}, "Line 3: its amount has not the sign"),
        ({"zone": "Mars/Base"}, "'Mars/Base' is no time zone"),
        ({"to": "2026-02-19"}, "The last day is before the first."),
        ({"to": "9999-12-31"}, "The last day must be a day that is over"),
        ({"from": "0001-01-01"}, "No books are kept at an end of the calendar"),
        ({"thousands": "."}, "cannot both begin the decimals"),
        ({"type.Deposit": ""}, "what the type 'Deposit' is"),
    ],
)
def test_what_does_not_fit_is_told_and_cannot_be_uploaded(
    api: Api, browser: Browser, fields: dict[str, str], told: str
) -> None:
    form = given(browser, mapping=READING).find("form", method="get")
    names = {f"column.{name}": theirs for name, theirs in READING.columns.items()}
    words = {f"type.{word}": ours or "-" for word, ours in READING.types.items()}
    words |= {f"status.{word}": ours for word, ours in READING.statuses.items()}
    plain = {name: getattr(READING, name) for name in ("zone", "time_format", "signs")}
    query = urlencode({**names, **words, **plain, **DAYS, **fields})
    shown = browser.get(f"{form['action']}?{query}")
    assert told in text_of(shown.find("main"))
    assert shown.find("a", string="It is right: on to the upload") is None
    refused = browser.get(f"{form['action']}/upload?{query}")
    assert refused.find("form", method="post") is None
    assert CANARY not in str(shown) + str(refused)
    assert api.called == []


def test_a_time_at_an_end_of_the_calendar_is_told_by_its_line(browser: Browser) -> None:
    download = DOWNLOAD.replace("02/22/2026 01:00:00 AM", "12/31/9999 11:00:00 PM")
    shown = text_of(given(browser, download, READING).find("main"))
    assert "Line 5: its time is at an end of the calendar" in shown


def test_a_mapping_that_comes_with_the_file_says_it_all_and_is_saved_as_it_was(browser: Browser) -> None:
    kept = READING.with_said(types={"Of another month": "GCCreation"})
    shown = given(browser, mapping=kept)
    assert "3 rows" in text_of(shown.find("section"))
    shown = said(browser, shown)
    saved = browser.session.get(
        f"{browser.origin}{shown.find('a', string='Save this mapping')['href']}", headers={"Sec-Fetch-Site": "none"}
    )
    assert saved.headers["Content-Disposition"] == 'attachment; filename="portal.json"'
    assert Reading.parse(saved.content, "portal.json") == kept


def test_a_request_id_that_looks_like_a_code_is_not_shown(browser: Browser) -> None:
    shown = given(browser, DOWNLOAD.replace("Test1A,A2", f"{PLAIN},A2", 1), READING)
    assert "not shown: it looks like a code" in text_of(shown.find("section"))
    assert PLAIN not in str(shown)


def test_a_file_is_forgotten_after_a_quarter_of_an_hour_or_when_others_take_its_place(
    api: Api, browser: Browser
) -> None:
    first = given(browser, mapping=READING)
    asking = upload_page(browser, first)
    where = str(first.find("form", method="get")["action"])
    assert "forgotten" in text_of(browser.get(where.replace("/default/", "/other/"), 404))
    api.functions.world.clock.time += LIVES - timedelta(seconds=1)
    browser.get(where)
    api.functions.world.clock.time += timedelta(seconds=1)
    assert "The file is forgotten" in text_of(browser.get(where, 404))
    assert "The file was forgotten meanwhile. Nothing was sent." in text_of(browser.submit(asking))
    assert "is forgotten" in text_of(browser.get(f"{where}/upload").find(class_="failure"))
    places = [str(given(browser).find("form", method="get")["action"]) for _ in range(UPLOADS_MAX + 1)]
    browser.get(places[0], 404)
    assert all(browser.get(each) for each in places[1:])
    assert api.sent == []


def uploaded(browser: Browser, **fields: str) -> BeautifulSoup:
    """Upload a file; what came of it."""
    return browser.submit(upload_page(browser, given(browser, mapping=READING)), **fields)


def test_what_goes_wrong_on_the_way_is_told_as_what_it_is(api: Api, browser: Browser) -> None:
    api.lose("POST", "/reconciliations")
    assert "Nobody knows yet whether it was done." in text_of(uploaded(browser))
    api.answers.clear()
    api.fail("PUT", STATEMENTS, 403, "<Error/>")
    refused = uploaded(browser)
    assert "PUT file responded 403" in text_of(refused)
    assert "No day has changed" in text_of(refused)
    assert "uploads.test" not in str(refused)
    api.answers.clear()
    other = uploaded(browser, sha256="0" * 64)
    assert "Not sent. This is not what the page showed. Nothing was sent." in text_of(other)
    opened(api.functions)
    assert "has been read from Amazon's activity page" in text_of(uploaded(browser).find(class_="failure"))
    assert put(api) == []


def test_rows_that_the_gateway_refuses_are_told_by_line(api: Api, browser: Browser) -> None:
    shown = given(browser, DOWNLOAD.replace("Test1A", PLAIN), READING)
    refused = browser.submit(upload_page(browser, shown))
    assert "requestId of line 2 looks like a claim code" in text_of(refused.find(class_="failure"))
    assert PLAIN not in str(refused)
    assert api.functions.books.uploads.uploads == {}


def test_markup_in_the_downloads_words_is_text(browser: Browser) -> None:
    markup = "</b><img src=x onerror=1>"
    shown = given(browser, DOWNLOAD.replace("Gift card order,", f"{markup},").replace("Amount", markup), READING)
    assert shown.find("img") is None
    assert f"what the type '{markup}' is" in text_of(shown)
    assert markup in [text_of(each) for each in shown.find(id="field-column.amount").find_all("option")]


def test_a_download_of_any_size_is_on_no_disk(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def rolled_over(*_: object) -> None:
        raise AssertionError("a part of the download was written to a file")

    monkeypatch.setattr(SpooledTemporaryFile, "rollover", rolled_over)
    rows = DOWNLOAD.partition("\n")[2] * 4_000
    shown = given(browser, f"{HEADER}\n{rows}", READING)
    assert "12,000 rows" in text_of(shown.find("section"))
