"""Deployments to look at, and an address of every screen in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from incentives.api.models.budgets import NAME
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.reconciliation.statement_files import REQUIRED
from incentives.domain.single_requests.record import Status
from local.signing import Response
from local.statement import Reading
from tests.console.recovering import escalated, keep
from tests.console.served import Api, Browser, Place, metrics, text_of
from tests.openapi import books, closes
from tests.openapi.budgets import put, spent
from tests.openapi.bulk_orders import standing
from tests.support.books_world import DAY
from tests.support.fakes import START
from tests.unit.builders import record

#: A person's words may be of any length, without a blank, and look like markup.
LONG: Final = (
    "<img src=/x onerror=1><b>Wegen</b>" + "Donaudampfschifffahrtsgesellschaftskapitän" * 3 + "&amp;'\"{{ 7 * 7 }}"
)
#: By the status that an order has.
ORDERS: Final = {status: f"{status.name.replace('_', '')[:10]:A<26}" for status in OrderStatus}
BOOKS: Final = f"/books/default/{DAY}"
#: What each route is called with; what is in braces is a scene's. A new screen has to be added.
EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "/": ["/"],
    "/recovery": ["/recovery"],
    "/accounts": ["/accounts"],
    "/accounts/{account}": ["/accounts/default"],
    "/accounts/{account}/freeze": [f"/accounts/default/freeze?reason={'x' * 200}"],
    "/accounts/{account}/unfreeze": ["/accounts/default/unfreeze"],
    "/books": ["/books"],
    "/books/{account}/{month:month}": [f"/books/default/{DAY:%Y-%m}", "/books/invoiced/2026-01"],
    "/books/{account}/{month:month}/movements": ["/books/default/2026-02/movements"],
    "/books/{account}/{month:month}/movements/{movement_id}/name": ["/books/default/2026-02/movements/{movement}/name"],
    "/books/{account}/{month:month}/close": ["/books/invoiced/2026-01/close", "/books/default/2026-02/close"],
    "/books/{account}/{month:month}/close/make": ["/books/invoiced/2026-01/close/make"],
    "/books/{account}/{month:month}/close/sign-off": ["/books/invoiced/2026-01/close/sign-off"],
    "/books/{account}/statements/new": ["/books/default/statements/new"],
    "/books/{account}/statements/{upload_id}": ["/books/default/statements/{upload}"],
    "/books/{account}/statements/{upload_id}/upload": ["{mapped}"],
    "/books/{account}/{day:day}": [BOOKS],
    "/books/{account}/{day:day}/run": [f"{BOOKS}/run"],
    "/books/{account}/{day:day}/differences/{difference_id}/resolve": [
        f"{BOOKS}/differences/{books.UNKNOWN.difference_id}/resolve"
    ],
    "/books/{account}/{day:day}/resolve": [f"{BOOKS}/resolve?kind=unreadableRow"],
    "/budgets": ["/budgets"],
    "/budgets/_new": ["/budgets/_new"],
    "/budgets/{name}": [f"/budgets/{NAME}"],
    "/budgets/{name}/set": [f"/budgets/{NAME}/set?limit=12000.00"],
    "/orders": ["/orders"],
    "/orders/new": ["/orders/new"],
    "/orders/{orderId}": [f"/orders/{order_id}" for order_id in ORDERS.values()],
    "/orders/{orderId}/start": [f"/orders/{ORDERS[OrderStatus.VALIDATED]}/start"],
    "/orders/{orderId}/approve": [f"/orders/{ORDERS[OrderStatus.AWAITING_APPROVAL]}/approve"],
    "/orders/{orderId}/reject": [f"/orders/{ORDERS[OrderStatus.AWAITING_APPROVAL]}/reject"],
    "/orders/{orderId}/go-on": [f"/orders/{ORDERS[OrderStatus.SETTLING]}/go-on"],
    "/orders/{orderId}/check": [f"/orders/{ORDERS[OrderStatus.AWAITING_FILE]}/check"],
    "/orders/{orderId}/pause": [f"/orders/{ORDERS[OrderStatus.ISSUING]}/pause"],
    "/orders/{orderId}/resume": [f"/orders/{ORDERS[OrderStatus.PAUSED]}/resume"],
    "/orders/{orderId}/stop": [f"/orders/{ORDERS[OrderStatus.ISSUING]}/stop"],
    "/requests": ["/requests", "/requests?key=order-{long}"],
    "/requests/{requestId}": ["/requests/{card}", "/requests/{load}", "/requests/{open}", "/requests/{escalated}"],
    "/requests/{requestId}/generations": ["/requests/{card}/generations"],
    "/requests/{requestId}/cancel": ["/requests/{card}/cancel"],
    "/requests/{requestId}/deactivate": ["/requests/{activation}/deactivate"],
    "/requests/{requestId}/void": ["/requests/{load}/void"],
    "/requests/{requestId}/recover": ["/requests/{escalated}/recover"],
    "/requests/{requestId}/case-file": ["/requests/{escalated}/case-file"],
    "/sent/{form_id}": ["{sent}"],
}
#: Routes that answer with a file to save.
FILES: Final = {
    "/books/{account}/{month:month}/files/{name:path}",
    "/books/{account}/statements/{upload_id}/mapping.json",
    "/orders/{orderId}/result.csv",
    "/orders/{orderId}/result.xlsx",
    "/requests/{requestId}/case-file.json",
}
#: Steps, which all look alike, of whose pages a few are looked at in scenes that have nothing to show.
SOME_STEPS: Final = {"/accounts/{account}/freeze", "/orders/{orderId}/approve", "/requests/{requestId}/cancel"}
#: Pages that are no route's, and their status.
OTHERS: Final[Mapping[str, int]] = {f"/nowhere/{'x' * 200}": 404, "/sent/of-an-earlier-console": 404}
#: What a scene puts into the addresses.
Scene = Mapping[str, str]
#: Requests of a scene that has none.
REQUESTS: Final = ("card", "activation", "load", "open", "escalated")
NONE: Final[Scene] = {
    **dict.fromkeys(REQUESTS, "Test1NONE"),
    "long": "x",
    "movement": "0" * 24,
    "upload": "x",
    "mapped": "/books/default/statements/x/upload",
}


def issued(api: Api) -> dict[str, str]:
    """A request of each kind, and one in each of the states that need somebody's attention; their ids."""
    functions, long = api.functions, "k" * 200
    words: dict[str, Any] = {"externalReference": LONG[:100], "costCenter": "c" * 32}
    made = {
        name: str(functions.issue(function, key=f"{name}-{long}", **words).body["requestId"])
        for name, function in (
            ("card", "create_gift_card"),
            ("activation", "activate_gift_card"),
            ("load", "load_amazon_balance"),
        )
    }
    for number, status in enumerate((Status.PENDING, Status.RECOVERING, Status.REFUSED)):
        at = START - timedelta(hours=number + 1)
        keep(api, record(status, request_id=f"Test1{status.name:A<35}", created_at=at, updated_at=at))
    known = {"open": f"Test1{'RECOVERING':A<35}", "escalated": escalated(api, f"Test1{'ESCALATED':A<35}")}
    return made | known | {"long": long}


def busy(api: Api) -> dict[str, str]:
    """Of everything something, with words and ids as long as they get."""
    functions = api.functions
    spent(functions)
    put(functions, "x" * 64, active=False, period="total", limit={"amount": "123456789.00", "currencyCode": "USD"})
    books.opened(functions)
    for number in range(1, 8):
        functions.books.judged(day=DAY + timedelta(days=number), net=123_456 * number)
    for status, order_id in ORDERS.items():
        standing(functions, status, order_id)
    api.figures.told |= {
        "metrics": metrics(
            open={"unknown": 3, "oldestSeconds": 7260.0, "waiting": 1200},
            pace={"permitsAMinute": 120.5, "allowedAMinute": 480.0, "throttled": 0},
            accounts={"default": {"daysLeft": 9.94}},
        ),
        "backlog": {"queued": 1234, "deadLetters": 1, "failuresOfSchedules": 2},
        "recoveries": 1000,
        "alarms": [{"name": "unknown-old", "description": LONG, "since": "2026-03-01T11:00:00Z"}],
    }
    (movement,) = books.ask(functions, "list_movements").body["movements"]
    return issued(api) | {"movement": movement["movementId"]}


#: A day that nobody has read, a download from Amazon's portal that has it, and how that is read.
UNREAD: Final = DAY - timedelta(days=1)
DOWNLOAD: Final = """Time,Kind,Result,Our reference,Amount,Currency
02/19/2026 06:15:07 AM,Gift card order,Completed,Test1A,25.00,USD
"""
READING: Final = Reading(
    columns=dict(zip(REQUIRED, ("Our reference", "Time", "Kind", "Result", "Amount", "Currency"), strict=True)),
    zone="America/Los_Angeles",
    time_format="%m/%d/%Y %I:%M:%S %p",
    signs="negative-refunds",
    types={"Gift card order": "GCCreation"},
    statuses={"Completed": "Success"},
)


def statement(browser: Browser) -> dict[str, str]:
    """A download that the console has been given, and the page that asks whether it is to be uploaded."""
    files = {"file": ("x.csv", DOWNLOAD), "mapping": ("x.json", json.dumps(asdict(READING)))}
    asking = browser.get("/books/default/statements/new")
    shown = browser.submit(asking, files=files, **{"from": str(UNREAD), "to": str(UNREAD)})
    upload = browser.path.rpartition("/")[2]
    (onward,) = [str(each["href"]) for each in shown.find_all("a") if "/upload" in str(each["href"])]
    return {"upload": upload, "mapped": onward}


def full(here: Place) -> Scene:
    """All there is to be seen, with words and ids as long as they get."""
    made = busy(here.api)
    closes.closed(here.api.functions)
    browser = here.browser()
    assert "Done." in text_of(browser.submit(browser.get("/accounts/default/freeze"), reason=LONG))
    sent = browser.path
    return made | statement(browser) | {"sent": sent}


def empty(here: Place) -> Scene:
    """Nothing has been done yet."""
    here.api.fail("POST", "/", 400, '{"detail": "no", "errors": [{"field": "reason", "message": "is empty"}]}')
    browser = here.browser()
    browser.submit(browser.get("/accounts/default/freeze"), reason="x")
    here.api.answers.clear()
    return {**NONE, "sent": browser.path}


def failing(here: Place) -> Scene:
    """Nothing can be had: a third is denied, a third breaks, a third does not answer."""
    here.api.lose("POST", "/accounts/default/freeze")
    browser = here.browser()
    browser.submit(browser.get("/accounts/default/freeze"), reason="x")
    asked = 0

    def answer() -> Response:
        nonlocal asked
        asked += 1
        if asked % 3 == 0:
            raise TimeoutError("timed out")
        denied = '{"title": "Forbidden", "status": 403, "detail": "IAM does not allow it", "errorType": "AccessDenied"}'
        return Response(403, {}, denied) if asked % 3 == 1 else Response(500, {}, "no JSON")

    here.api.answers["GET", "/"] = answer
    return {**NONE, "sent": browser.path}


SCENES: Final[Mapping[str, Callable[[Place], Scene]]] = {"full": full, "empty": empty, "failing": failing}
