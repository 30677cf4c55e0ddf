"""The books: a month as a calendar with what it comes to, and one day with its differences side by side."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from http import HTTPStatus
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.books_days import days_between, read_day, statuses_of, today_of, totals_of, weeks_of, zone_of
from console.books_words import CLOSES, KINDS, OPEN_KINDS, REASONS, SETTLING, STATUSES
from console.gateway import Kind, Reply
from console.page import account_of, console_of, is_renewal, page
from console.screens import closes, differences, movements, statements
from incentives.domain.reconciliation.days import days_of, month_of, next_month, previous_month
from local.commands.reconcile import ADVICE

WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


async def _running_month(request: Request) -> Response:
    account, _ = await account_of(request)
    if account is None:
        return page(request, "books_none.html")
    month = month_of(today_of(console_of(request)))
    return RedirectResponse(f"/books/{quote(account, safe='')}/{month}", HTTPStatus.SEE_OTHER)


async def _month(request: Request) -> Response:
    console = console_of(request)
    account, month = request.path_params["account"], request.path_params["month"]
    days = days_of(month)
    calls: list[Awaitable[Reply]] = []
    if not is_renewal(request):
        # What moved and what blocks is made of all of a month's days: that is read when the page is opened.
        calls = [
            console.gateway.get("/accounts"),
            console.gateway.get("/reconciliations/{account}/movements", {"month": month}, account=account),
            console.gateway.get("/closes/{account}/{month}", account=account, month=month),
        ]
    (reply, told), others = await asyncio.gather(
        days_between(console, account, days[0], days[-1]), asyncio.gather(*calls)
    )
    accounts, *rest = others or [None]
    begin = console.gateway.target.parameters.get("BooksBegin")
    return page(
        request,
        "books.html",
        account=account,
        accounts=accounts,
        month=month,
        before=previous_month(month),
        after=next_month(month),
        week=WEEK,
        reply=reply,
        told=told,
        weeks=weeks_of(month, told, today=today_of(console), begin=read_day(begin) if begin else None),
        totals=totals_of(told),
        statuses=statuses_of(told),
        meaning=STATUSES,
        zone=zone_of(console).key,
        rest=rest,
        meaning_of_close=CLOSES,
    )


async def _day(request: Request) -> Response:
    console = console_of(request)
    account, day = request.path_params["account"], read_day(request.path_params["day"])
    query = {name: request.query_params.get(name) for name in ("kind", "cursor")}
    reply = await console.gateway.get("/reconciliations/{account}/{day}", query, account=account, day=day.isoformat())
    return page(
        request,
        "books_day.html",
        account=account,
        day=day.isoformat(),
        month=month_of(day),
        before=(day - timedelta(days=1)).isoformat(),
        after=(day + timedelta(days=1)).isoformat(),
        weekday=WEEK[day.weekday()],
        is_future=day > today_of(console),
        zone=zone_of(console).key,
        reply=reply,
        is_unread=reply.kind is Kind.NOT_FOUND,
        kinds=_by_kind(reply),
        asked=query,
        meaning=STATUSES,
        all_kinds=list(KINDS),
        kind_words=KINDS,
        advice=ADVICE,
        open_kinds=OPEN_KINDS,
        reasons={**REASONS, **SETTLING},
    )


def _by_kind(reply: Reply) -> list[tuple[str, list[Any]]]:
    """A page's differences by kind, in the API's order."""
    found = reply.body["differences"] if reply.ok else []
    return [(kind, list(its)) for kind, its in groupby(found, itemgetter("kind"))]


ROUTES: Final = (
    Route("/books", _running_month),
    Route("/books/{account}/{month:month}", _month),
    Route("/books/{account}/{day:day}", _day),
    *differences.ROUTES,
    *movements.ROUTES,
    *closes.ROUTES,
    *statements.ROUTES,
)
