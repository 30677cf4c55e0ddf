"""Requests of one status, oldest first, as far as a few calls to the API reach.

The API lists newest first, and looks at some hundred requests for each call, of whatever status. So on a busy account
a few calls do not reach back to the first day; what was not looked at is told, with where to go on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from console.gateway import Gateway, Reply
from console.page import url

#: A search goes 91 days back; a day less, for clocks that differ at midnight.
DAYS_BACK: Final = timedelta(days=90)
#: Of each status, for each time that it is looked for.
CALLS_MAX: Final = 3


@dataclass(frozen=True)
class Search:
    """What was found.

    Attributes:
        requests: as the API tells them, oldest first.
        reply: the one that failed, else the last.
        further_url: where requests that were not looked at are searched; empty: all were.
    """

    status: str
    requests: Sequence[Mapping[str, Any]]
    reply: Reply
    further_url: str = ""

    @property
    def sums(self) -> list[tuple[str, str]]:
        """Amount and currency of all of them, by currency."""
        return sums(self.requests)


async def search(gateway: Gateway, account: str | None, status: str, now: datetime) -> Search:
    """Look for an account's requests of a status, of the last 90 days; the default account's for None."""
    first = f"{(now - DAYS_BACK).astimezone(UTC):%Y-%m-%d}"
    query = {"account": account, "status": status, "from": first}
    reply = await gateway.get("/requests", query)
    found = [*reply.body.get("requests", [])]
    cursor = reply.body.get("cursor")
    for _ in range(CALLS_MAX - 1):
        if cursor is None:
            break
        reply = await gateway.get("/requests", {**query, "cursor": cursor})
        if not reply.ok:
            break
        found += reply.body["requests"]
        cursor = reply.body["cursor"]
    further = url("/requests", **query, cursor=cursor) if cursor else ""
    return Search(status, by_age(found), reply, further)


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
