"""Forms that have something done: each is sent once or not at all, whoever made it, and however it comes."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup, Tag

from console.forms import FORM_LIVES, KEPT_MAX, Forms, Sent
from local.signing import Response
from tests.console.served import Api, Browser, place, text_of
from tests.support.fakes import START

PATH: Final = "/accounts/default/freeze"
SENT: Final = Sent("Freeze", None, "/accounts", PATH, START)


def form_id_of(asking: BeautifulSoup) -> str:
    found = asking.find("input", attrs={"name": "form"})
    assert isinstance(found, Tag)
    return str(found["value"])


def data_of(asking: BeautifulSoup, **fields: str) -> dict[str, str]:
    inputs = [each for each in asking.select("form[method=post] input") if each.get("name")]
    return {str(each["name"]): str(each.get("value", "")) for each in inputs} | fields


def post(browser: Browser, path: str, **request: Any) -> Any:
    headers = {"Origin": browser.origin, **request.pop("headers", {})}
    return browser.session.post(browser.origin + path, headers=headers, allow_redirects=False, **request)


# ---- whose form it is ------------------------------------------------------------------------------------------------

TAMPERED: Final[dict[str, Callable[[str], str]]] = {
    "none": lambda _: "",
    "no signature": lambda ours: ours.rpartition(".")[0],
    "no start": lambda ours: ours.rpartition(".")[2],
    "another start": lambda ours: f"9{ours}",
    "a start that is no number": lambda ours: f"x{ours}",
    "an empty start": lambda ours: f"-{ours.rpartition('.')[2]}",
    "a cut signature": lambda ours: ours[:-1],
    "digits of another script": lambda ours: f"\u0663{ours[1:]}",
    "a line break at its end": lambda ours: f"{ours}\n",
    "NUL": lambda ours: f"\x00{ours}",
    "a long one": lambda _: "9" * 5_000,
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_form_that_the_console_did_not_make_is_not_sent(
    api: Api, browser: Browser, tamper: Callable[[str], str]
) -> None:
    asking = browser.get(PATH)
    form_id = tamper(form_id_of(asking))

    posted = post(browser, PATH, data=data_of(asking, reason="the key leaked", form=form_id))

    assert posted.status_code == 409
    assert "Nothing was sent by this" in posted.text
    shown = browser.session.get(browser.origin + PATH, params={"form": form_id}, allow_redirects=False)
    assert shown.status_code == 409
    assert api.sent == []


@pytest.mark.parametrize("found", ["x", "%00", "%0D%0A", "1-a.b", "\u0663"])
def test_what_was_never_sent_is_not_to_be_looked_at(browser: Browser, found: str) -> None:
    assert "Nothing was sent by this" in text_of(browser.get(f"/sent/{found}", 404))


def test_a_form_of_one_thing_does_no_other(api: Api, browser: Browser) -> None:
    asking = browser.get(PATH)
    posted = post(browser, "/accounts/default/unfreeze", data=data_of(asking, reason="the key leaked"))
    assert (posted.status_code, api.sent) == (409, [])


def test_a_form_of_an_earlier_console_is_not_sent(browser: Browser) -> None:
    asking = browser.get(PATH)
    with place() as later:
        shown = later.browser().submit(asking, 409, reason="the key leaked")
        assert "the console was started again since" in text_of(shown)
        assert later.api.sent == []


def test_a_form_lives_half_a_day_and_what_it_sent_is_known_for_longer(api: Api, browser: Browser) -> None:
    sent, never_sent = browser.get(PATH), browser.get(PATH)
    done = browser.submit(sent, reason="the key leaked")
    api.functions.world.clock.sleep(FORM_LIVES.total_seconds())

    assert "the form was made too long ago" in text_of(browser.submit(never_sent, 409, reason="the key leaked"))
    assert text_of(browser.submit(sent, reason="the key leaked").find("pre")) == text_of(done.find("pre"))
    assert len(api.sent) == 1


# ---- how it comes ----------------------------------------------------------------------------------------------------

#: Content type, and body, of what is no form.
NO_FORMS: Final = {
    "JSON": ("application/json", b'{"reason": "x"}'),
    "plain text": ("text/plain", b"reason=x"),
    "nothing": ("", b""),
    "no type": ("", b"reason=x"),
    "parts without a boundary": ("multipart/form-data", b"x"),
    "parts that never begin": ("multipart/form-data; boundary=b", b"x"),
    "parts that never end": ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n'),
    "a part without a name": ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n"),
    "no text": ("application/x-www-form-urlencoded", b"reason=\xff\xfe%ff%00&form=%ff"),
    "half a character": (
        "multipart/form-data; boundary=b; charset=unicode_escape",
        b'--b\r\nContent-Disposition: form-data; name="form"\r\n\r\n\\ud800.x\r\n--b--\r\n',
    ),
    "another character set": ("application/x-www-form-urlencoded; charset=utf-16", b"form=\x00"),
}


@pytest.mark.parametrize(("content_type", "body"), NO_FORMS.values(), ids=NO_FORMS)
def test_what_is_no_form_does_nothing_and_breaks_nothing(
    api: Api, browser: Browser, content_type: str, body: bytes
) -> None:
    posted = post(browser, PATH, data=body, headers={"Content-Type": content_type} if content_type else {})
    assert posted.status_code in {400, 409}
    assert api.sent == []


def test_a_field_that_comes_twice_is_refused_by_its_name(api: Api, browser: Browser) -> None:
    data = [*data_of(browser.get(PATH), reason="the key leaked").items(), ("reason", "no reason")]
    posted = post(browser, PATH, data=data)
    assert posted.status_code == 400
    assert "Sent twice in one form: reason. Nothing was done." in posted.text
    assert api.sent == []


@pytest.mark.parametrize("name", ["a%3Fb", "a%23b", "a%20b", "a%25b", "%C3%A9", "a%00b", "a%0D%0AX-Evil:1"])
def test_an_address_with_odd_characters_asks_about_what_it_names(api: Api, browser: Browser, name: str) -> None:
    path = f"/accounts/{name}/unfreeze"
    asked = browser.session.get(browser.origin + path, allow_redirects=False)
    assert (asked.status_code, asked.headers["location"].partition("?form=")[0]) == (303, path)
    assert "X-Evil" not in asked.headers
    assert f"Unfreeze the account {unquote(name).split()[0]}" in text_of(browser.get(path))
    assert not [called for _, called in api.called if "accounts/a" in called]


def test_a_step_that_fails_in_the_console_is_not_taken_again(api: Api, browser: Browser) -> None:
    asking = browser.get(PATH)
    tries: list[str] = []

    def broken() -> Response:
        tries.append("once")
        raise KeyError("reason")

    api.answers["POST", PATH] = broken
    for _ in range(2):
        assert "What was sent stays sent" in text_of(browser.submit(asking, 500, reason="the key leaked"))
    assert tries == ["once"]


# ---- at the same time, and for how long ------------------------------------------------------------------------------


def test_forms_sent_at_the_same_time_are_sent_once_and_go_on_without_their_browser() -> None:
    async def play() -> tuple[int, Sent, bool]:
        forms, may_end, begun, times = Forms(lambda: START), asyncio.Event(), asyncio.Event(), 0
        form_id = forms.new_id(PATH)

        async def send() -> Sent:
            nonlocal times
            times += 1
            begun.set()
            await may_end.wait()
            return SENT

        gone, waiting = (asyncio.create_task(forms.once(form_id, send)) for _ in range(2))
        await begun.wait()
        gone.cancel()
        may_end.set()
        return times, await waiting, gone.cancelled()

    assert asyncio.run(play()) == (1, SENT, True)


def test_what_is_forgotten_to_bound_memory_cannot_be_sent_again_whatever_the_clock_says() -> None:
    now = [START]

    async def play() -> tuple[Forms, list[str]]:
        forms, ids = Forms(lambda: now[0]), []
        for _ in range(KEPT_MAX + 1):
            now[0] += timedelta(seconds=1)
            ids.append(forms.new_id(PATH))
            await forms.once(ids[-1], sent)
        return forms, ids

    async def sent() -> Sent:
        return SENT

    forms, ids = asyncio.run(play())
    kept = [each for each in ids if forms.sent(each) is not None]
    assert len(kept) <= KEPT_MAX
    assert ids[-1] in kept
    forgotten = [each for each in ids if each not in kept]
    assert not [each for each in forgotten if forms.is_ours(each, PATH)]
    now[0] = START
    assert not [each for each in forgotten if forms.is_ours(each, PATH)]


def test_what_broke_keeps_nothing_of_what_it_worked_with() -> None:
    class Download:
        """In place of a file."""

    found: list[weakref.ref[Download]] = []

    async def send() -> Sent:
        content = Download()
        found.append(weakref.ref(content))
        raise KeyError("column")

    async def play() -> Forms:
        forms = Forms(lambda: START)
        with pytest.raises(KeyError):
            await forms.once(forms.new_id(PATH), send)
        return forms

    forms = asyncio.run(play())
    gc.collect()
    assert (found[0](), forms.unanswered) == (None, 0)


def test_what_is_too_long_for_an_address_is_not_filled_in_again(api: Api, browser: Browser) -> None:
    api.fail("POST", "/accounts", 400)
    refused = browser.submit(browser.get(PATH), reason="x" * 100_000)
    browser.get(str(refused.find("a", string="Try again")["href"]))
