"""Bulk orders: which there are, how one stands, and its result as a file."""

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.gateway import Kind, Reply
from console.page import console_of, is_renewal, nothing, page
from console.screens import order_steps, order_upload
from console.threads import Threads
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from local import order_files
from local.commands import order_texts
from local.spreadsheets import MEDIA_TYPE

#: What an order's state means, in words.
WORDS: Final = {
    **order_texts.WORDS,
    "INVALID": "refused: nothing of it is issued",
    "VALIDATED": "its file is good, and nothing is issued",
    "ISSUING": "its cards are being issued",
    "FINISHED": "at its end",
}
#: How cards are counted, in words.
COUNTED: Final = (
    ("issued", "Issued"),
    ("open", "Open: not known yet"),
    ("waiting", "Waiting: not asked for"),
    ("refused", "Refused: not charged"),
    ("reversed", "Reversed: not charged"),
    ("escalated", "Escalated: people find out"),
    ("notIssued", "Never asked for"),
)
#: One at a time: a hundred thousand rows take some 320 MB.
_WRITERS: Final = Threads(1)
LIVES: Final = timedelta(seconds=10)
MEDIA_TYPES: Final = {".csv": "text/csv; charset=utf-8", ".xlsx": MEDIA_TYPE}


async def _orders(request: Request) -> Response:
    gateway, query = console_of(request).gateway, request.query_params
    asked = {name: query.get(name) for name in ("status", "account")}
    cursor = query.get("cursor")
    # Who has asked for something else does not look for what waits.
    waiting = order_texts.WAITING if not cursor and not asked["status"] else ()
    accounts, reply, waits = await asyncio.gather(
        _accounts(request),
        gateway.get("/orders", {**asked, "cursor": cursor}),
        asyncio.gather(*(_waiting(request, status, asked["account"]) for status in waiting)),
    )
    return page(
        request,
        "orders.html",
        accounts=accounts,
        reply=reply,
        waits=list(zip(waiting, waits, strict=True)),
        waiting=[order for each in waits if each.ok for order in each.body["orders"]],
        nobody_waits=all(each.ok and not each.body["orders"] and not each.body["cursor"] for each in waits),
        asked=asked,
        cursor=cursor,
        statuses=[str(each) for each in OrderStatus],
        why=order_texts.why,
    )


async def _accounts(request: Request) -> list[str]:
    """Accounts that are proposed; whoever may not see them types one."""
    if is_renewal(request):
        return []
    reply = await console_of(request).gateway.get("/accounts")
    return [each["account"] for each in reply.body["accounts"]] if reply.ok else []


async def _waiting(request: Request, status: str, account: str | None) -> Reply:
    """Orders that wait in a state: looking for them takes reading many others, so renewed pages share it."""
    console = console_of(request)

    async def ask() -> Reply:
        return await console.gateway.get("/orders", {"status": status, "account": account})

    return await (console.shared.get(("orders", status, account), LIVES, ask) if is_renewal(request) else ask())


async def _order(request: Request) -> Response:
    order_id = request.path_params["orderId"]
    reply = await console_of(request).gateway.get("/orders/{orderId}", orderId=order_id)
    steps = order_steps.steps_of(reply.body) if reply.ok else []
    return page(
        request,
        "order.html",
        order_id=order_id,
        reply=reply,
        steps=steps,
        texts=order_texts,
        words=WORDS,
        counted=COUNTED,
        on_unknown=dict(order_upload.ON_UNKNOWN),
    )


def _result(end: str) -> Any:  # noqa: ANN401 - an endpoint of Starlette's
    """The result as a file whose name ends so. Where it is, is for this process alone to know."""

    async def endpoint(request: Request) -> Response:
        gateway, order_id = console_of(request).gateway, request.path_params["orderId"]
        reply = await gateway.get("/orders/{orderId}", orderId=order_id)
        if not reply.ok:
            return _no_result(request, reply)
        if reply.body["result"] is None:
            return _no_result(request, reply, "It has none: only an order that is at its end, and had rows, has one.")
        found, content = await gateway.file(reply.body["result"]["url"])
        if not found.ok:
            return _no_result(request, found, "Results are kept for 90 days.")
        try:
            make = order_files.SAVED_AS[end]
            made = await asyncio.get_running_loop().run_in_executor(_WRITERS, make, content)
        except ValueError as error:
            return _no_result(request, found, f"{error}. Take the CSV file as it is.")
        headers = {"Content-Disposition": f'attachment; filename="{reply.body["orderId"]}{end}"'}
        return Response(made, headers=headers, media_type=MEDIA_TYPES[end])

    return endpoint


def _no_result(request: Request, reply: Reply, why: str = "") -> Response:
    status = HTTPStatus.NOT_FOUND if reply.ok or reply.kind is Kind.NOT_FOUND else HTTPStatus.BAD_GATEWAY
    order_id = request.path_params["orderId"]
    title = f"The result of order {order_id} cannot be had"
    onward = (f"/orders/{quote(order_id, safe='')}", "To the order")
    return nothing(request, status, title, why, reply=reply, onward=onward)


ROUTES: Final = (
    Route("/orders", _orders),
    *order_upload.ROUTES,
    Route("/orders/{orderId}", _order),
    *order_steps.ROUTES,
    *(Route(f"/orders/{{orderId}}/result{end}", _result(end)) for end in order_files.SAVED_AS),
)
