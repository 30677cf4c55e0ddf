"""Requests of one status, oldest first, as far as a few calls to the API reach.

The API lists newest first, and looks at some hundred requests for each call, of whatever status. So on a busy account
a few calls do not reach back to the first day; what was not looked at is told, with where to go on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any, Final

from console.gateway import Reply
from console.page import Console, url

#: A search goes 91 days back; a day less, for clocks that differ at midnight.
DAYS_BACK: Final = timedelta(days=90)
#: What is asked for each time. It has the day before yesterday whole: a request is escalated after 24 hours.
NEWEST: Final = timedelta(days=2)
#: For a status, beside the first.
FURTHER_CALLS_MAX: Final = 2
#: How long pages share what is older. The API looks at each day by itself, so 90 of them take it up to two seconds.
OLDER_LIVES: Final = timedelta(seconds=15)

Requests = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Search:
    """What was found.

    Attributes:
        requests: as the API tells them, oldest first.
        reply: the one that failed, else the last.
        further_url: where requests that were not looked at are searched; empty: all were.
    """

    status: str
    requests: Requests
    reply: Reply
    further_url: str = ""

    @property
    def sums(self) -> list[tuple[str, str]]:
        """Amount and currency of all of them, by currency."""
        return sums(self.requests)


async def search(console: Console, account: str | None, status: str) -> Search:
    """Look for an account's requests of a status, of the last 90 days; the default account's for None.

    All days are asked for once in a while, and shared by all pages; the newest each time, in one call.
    """
    name, is_new = ("requests", account, status), False

    async def ask() -> Search:
        nonlocal is_new
        is_new = True
        return await _whole(console, account, status)

    whole = await console.shared.get(name, OLDER_LIVES, ask)
    if not whole.reply.ok:
        console.shared.forget(name)
    if is_new or not whole.reply.ok:
        return whole
    first = _day(console, NEWEST)
    newest = await console.gateway.get("/requests", {"account": account, "status": status, "from": first})
    if not newest.ok:
        return replace(whole, requests=[], reply=newest, further_url="")
    found = newest.body["requests"]
    # The newest are known as far as this call reached: there a request that is missing has another status by now.
    reached = first if newest.body["cursor"] is None else found[-1]["createdAt"] if found else None
    older = [each for each in whole.requests if reached is None or each["createdAt"] <= reached]
    return replace(whole, requests=by_age([*older, *found]))


async def _whole(console: Console, account: str | None, status: str) -> Search:
    """All days, newest first, as far as a few calls reach."""
    query: dict[str, str | None] = {"account": account, "status": status, "from": _day(console, DAYS_BACK)}
    cursor: str | None = None
    reply = await console.gateway.get("/requests", query)
    found = [*reply.body.get("requests", [])]
    for _ in range(FURTHER_CALLS_MAX):
        if not reply.ok or reply.body["cursor"] is None:
            break
        cursor = reply.body["cursor"]
        reply = await console.gateway.get("/requests", {**query, "cursor": cursor})
        found += reply.body.get("requests", [])
    if reply.ok:
        cursor = reply.body["cursor"]
    return Search(status, by_age(found), reply, url("/requests", **query, cursor=cursor) if cursor else "")


def _day(console: Console, back: timedelta) -> str:
    return f"{(console.now() - back).astimezone(UTC):%Y-%m-%d}"


def by_age(requests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Oldest first, each once."""
    each_once = {each["requestId"]: each for each in requests}
    return sorted(each_once.values(), key=lambda each: (each["createdAt"], each["requestId"]))


def sums(requests: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Amount and currency of some requests, by currency."""
    found: dict[str, Decimal] = {}
    for each in requests:
        found[each["currencyCode"]] = found.get(each["currencyCode"], Decimal(0)) + Decimal(each["amount"])
    return [(f"{found[currency]:f}", currency) for currency in sorted(found)]
