"""Bulk orders in tests of the console: files that are sent through its pages, and the workflow that looks at them."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup

from tests.console.served import Api, Browser
from tests.support.bulk import Bulk, rows_of


def send(browser: Browser, content: str | bytes, name: str = "cards.csv", **fields: str) -> BeautifulSoup:
    """Send a file by the form; what came of it."""
    return browser.submit(browser.get("/orders/new"), files={"file": (name, content)}, **fields)


def where(order_id: str) -> str:
    """Where the file goes that belongs to an order."""
    return f"https://files.test/{order_id}"


def work(api: Api, order_id: str) -> None:
    """Let the order's workflow come to its end, and its result be where the API says that it is."""
    files = bulk_of(api).files.files
    if where(order_id) in api.files:
        files[f"{order_id}/upload"] = api.files[where(order_id)]
    bulk_of(api).run(order_id)
    if f"{order_id}/result.csv" in files:
        api.files[f"{where(order_id)}/result.csv"] = files[f"{order_id}/result.csv"]


def checked(api: Api, browser: Browser, content: str | None = None, **fields: str) -> str:
    """An order whose file was sent by the form and checked; its id."""
    before = set(bulk_of(api).orders.orders)
    send(browser, content or rows_of(3), **fields)
    (order_id,) = set(bulk_of(api).orders.orders) - before
    work(api, order_id)
    return order_id


def finished(api: Api, browser: Browser, content: str | None = None, **fields: str) -> str:
    """An order whose cards were issued; its id."""
    order_id = checked(api, browser, content, **fields)
    browser.submit(browser.get(f"/orders/{order_id}/start"))
    work(api, order_id)
    return order_id


def shown_by_api(api: Api, order_id: str) -> dict[str, Any]:
    """An order as the API shows it."""
    found: dict[str, Any] = api.functions.send("get_order", order_id).body
    return found


def bulk_of(api: Api) -> Bulk:
    return api.functions.bulk
