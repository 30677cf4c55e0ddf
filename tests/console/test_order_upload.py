"""A file becomes one order whose file is checked, whatever is lost, clicked twice, or wrong with the file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from incentives.domain.bulk_orders.rows import FILE_BYTES_MAX
from incentives.usecases.bulk_orders.control_order import Action
from tests.console.ordering import bulk_of, checked, finished, send, shown_by_api, where, work
from tests.console.served import Api, Browser, text_of
from tests.openapi import budgets
from tests.support.bulk import rows_of

GOOD: Final = rows_of(3)
#: The same rows as a spreadsheet saves them.
SAVED_ANEW: Final = "\ufeff" + GOOD.replace("\n", ",\r\n").replace("10.00", '"10"')


def order_ids(api: Api) -> list[str]:
    return list(bulk_of(api).orders.orders)


def test_a_file_is_checked_and_nothing_is_issued_however_often_it_is_sent(api: Api, browser: Browser) -> None:
    asking = browser.get("/orders/new")
    assert "Nothing is issued" in text_of(asking)
    assert api.sent == []

    # when the form is sent, by two clicks at once and a third later
    with ThreadPoolExecutor(2) as clicks:
        files = {"file": ("cards.csv", GOOD)}
        sent = [*clicks.map(lambda _: browser.submit(asking, files=files), range(2))]
    browser.submit(asking, files=files)

    # then one order was made of it, and only checked
    (order_id,) = order_ids(api)
    assert api.sent == [("POST", "/orders"), ("POST", f"/orders/{order_id}/start")]
    assert api.files == {where(order_id): GOOD.encode()}
    assert all("Accepted; it is not at its end yet." in text_of(each) for each in sent)
    work(api, order_id)
    assert bulk_of(api).order(order_id).status == "VALIDATED"
    # and the same rows in other bytes are the same order
    send(browser, SAVED_ANEW, "anew.CSV")
    assert order_ids(api) == [order_id]


class Lost(dict[str, bytes]):
    """Nothing arrives there."""

    def __setitem__(self, *_: object) -> None:
        raise TimeoutError("timed out")


@pytest.mark.parametrize("at", ["POST /orders", "PUT file", "POST /orders/{orderId}/start"])
def test_what_was_lost_on_the_way_is_not_called_failed_and_the_same_file_goes_on(
    api: Api, browser: Browser, at: str
) -> None:
    # given a deployment that does what it is asked, and whose answer is lost
    work_as_usual, files = api.functions.response, api.files
    if at == "PUT file":
        api.files = Lost()

    def lost(route: Any, path: str, **given: Any) -> Any:
        done = work_as_usual(route, path, **given)
        if f"{route.method.upper()} {route.path}" == at:
            raise TimeoutError("timed out")
        return done

    api.functions.response = lost  # type: ignore[method-assign]
    told = send(browser, GOOD)
    assert "Nobody knows yet whether it was done." in text_of(told)
    assert "Send the same file again" in text_of(told)
    assert text_of(told.find(class_="call")).startswith(at)

    # when the same file is sent again
    api.functions.response, api.files = work_as_usual, files  # type: ignore[method-assign]
    send(browser, GOOD)

    # then it is the same order
    (order_id,) = order_ids(api)
    work(api, order_id)
    assert bulk_of(api).order(order_id).status == "VALIDATED"


@pytest.mark.parametrize(
    ("at", "path"), [("POST /orders", "/orders"), ("POST /orders/{orderId}/start", "/orders/")], ids=["make", "start"]
)
def test_a_missing_right_ends_it_where_it_is_missing(api: Api, browser: Browser, at: str, path: str) -> None:
    api.deny("POST", path)
    assert f"It takes the right to call {at}" in text_of(send(browser, GOOD))
    assert (api.files == {}) == (at == "POST /orders")


@pytest.mark.parametrize(
    ("content", "name", "fields", "field", "why"),
    [
        (b"", "cards.csv", {}, "file", '"cards.csv" is empty'),
        (b"a" * (FILE_BYTES_MAX + 1), "cards.csv", {}, "file", "has more than 26,214,400 bytes: make two orders of it"),
        (GOOD.encode("utf-16"), "cards.csv", {}, "file", "is written in UTF-16; save the file as UTF-8"),
        ("key\nJürgen".encode("latin-1"), "cards.csv", {}, "file", "is not written in UTF-8; save the file as UTF-8"),
        (GOOD, "", {}, "file", "is missing"),
        (GOOD, "cards.xlsx", {}, "format", "is not told by the file's name: choose one"),
        (GOOD, "cards.csv", {"allowSameRows": "yes"}, "key", "is needed to issue the same rows again"),
        (GOOD, "cards.csv", {"key": "Jürgen"}, "key", "must hold printable ASCII characters only"),
    ],
    ids=["empty", "large", "utf-16", "latin-1", "none", "format", "no key", "key"],
)
def test_what_is_wrong_here_is_named_and_nothing_is_sent(
    api: Api, browser: Browser, content: str | bytes, name: str, fields: dict[str, str], field: str, why: str
) -> None:
    told = text_of(send(browser, content, name, **fields).find(class_="failure"))
    assert f"Not sent. Nothing was sent: mend what is wrong, and send it again. {field}" in told
    assert why in told
    assert (api.sent, api.files) == ([], {})


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        ("key,amount,currency\nx,1.000,USD\n", "cards.csv", "2 amount must have at most 2 decimals for USD"),
        ("key,amount,currency\ntw-1,1.00,USD\ntw-1 ,1.00,USD\n", "cards.csv", "3 key must not begin or end"),
        ('{"key": "a", "amount": 1, "currency": "EUR"}\n', "cards.jsonl", "1 currency"),
        ("key,amount,currency\n" + "a,1,USD\n" * 103, "cards.csv", "102 things are wrong"),
        (GOOD + ",,\n,,\n", "cards.csv", "Left out of the file: 2 blank rows."),
        (GOOD.replace("\n", ",\n"), "cards.csv", "Left out of the file: 1 empty column."),
        (GOOD.replace("currency", "currency,reference"), "cards.csv", "Cards 3 Sum in USD 30.00 USD"),
        ("sep=;\n" + GOOD.replace(",", "; "), "cards.csv", "Cards 3 Sum in USD 30.00 USD"),
        (SAVED_ANEW, "cards.csv", "Cards 3 Sum in USD 30.00 USD"),
    ],
)  # fmt: skip
def test_what_the_check_found_is_shown_with_line_and_column(
    api: Api, browser: Browser, content: str, name: str, told: str
) -> None:
    send(browser, content, name)
    (order_id,) = order_ids(api)
    work(api, order_id)
    assert told in text_of(browser.get(f"/orders/{order_id}"))


def test_the_name_of_a_file_is_shown_and_not_run(api: Api, browser: Browser) -> None:
    name = "<script src=//x>1</script>"
    for ending in (".csv", ".xlsx"):
        told = send(browser, GOOD, name + ending)
        assert name + ending in text_of(told.find("h1"))
        assert [script["src"] for script in told.find_all("script")] == ["/static/console.js"]


def test_rows_that_were_ordered_are_not_put_again_and_on_purpose_only_under_a_key_of_their_own(
    api: Api, browser: Browser
) -> None:
    # given an order whose cards were issued
    first = finished(api, browser, GOOD)
    api.files.clear()

    # then its rows are that order, and nothing is sent of them
    told = send(browser, GOOD)
    assert f"These rows are ordered already: {first}" in text_of(told)
    assert "It is FINISHED: the file was not sent, and nothing was started." in text_of(told)
    assert api.files == {}
    # nor is it shown where its result is
    assert "result.csv" in shown_by_api(api, first)["result"]["url"]
    assert "files.test" not in str(told)

    # and another order of them leads to it
    second = checked(api, browser, GOOD, key="another")
    refused = browser.get(f"/orders/{second}").find(id="order")
    assert f"Nothing was issued: order {first} has the same rows." in text_of(refused)
    assert refused is not None
    assert refused.find("a", href=f"/orders/{first}")

    # but for one that is made on purpose
    third = checked(api, browser, GOOD, key="on purpose", allowSameRows="yes")
    assert bulk_of(api).order(third).allow_same_rows
    assert bulk_of(api).order(third).status == "VALIDATED"
    bulk_of(api).ask(third, Action.STOP)
    assert f"This key is that of an order: {third}" in text_of(
        send(browser, rows_of(5), key="on purpose", allowSameRows="yes")
    )


def test_budgets_and_accounts_are_proposed_where_they_may_be_seen_and_typed_where_not(
    api: Api, browser: Browser
) -> None:
    budgets.put(api.functions, "summer")
    asking = browser.get("/orders/new")
    for name, value in (("budget", "summer"), ("account", "default")):
        chosen = asking.find("select", attrs={"name": name})
        assert chosen is not None
        assert [each["value"] for each in chosen.find_all("option")] == ["", value]

    api.deny("GET", "/budgets")
    asking = browser.get("/orders/new")
    assert "It takes the right to call GET /budgets" in text_of(asking)
    assert asking.find("input", attrs={"name": "budget", "type": "text"})
    told = text_of(browser.submit(asking, files={"file": ("cards.csv", GOOD)}, budget="winter", account="default"))
    assert "Refused." in told
    assert "budget is not known to this gateway" in told
