"""Requests of one status, oldest first, as far as a few calls to the API reach.

The API lists newest first, and looks at some hundred requests for each call, of whatever status. So on a busy account
a few calls do not reach back to the first day; what was not looked at is told, with where to go on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any, Final

from console.gateway import Reply
from console.page import Console, url

#: A search goes 91 days back; a day less, for clocks that differ at midnight.
DAYS_BACK: Final = timedelta(days=90)
#: For a status, beside the one that looks at the newest requests.
FURTHER_CALLS_MAX: Final = 2
#: How long pages share what these found.
FURTHER_LIVES: Final = timedelta(seconds=15)

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

    The newest are asked for each time. Where one call does not reach the first day, what lies further back, and what
    lay before it then, is shared for some seconds: a page that renews itself takes one call.
    """
    first = f"{(console.now() - DAYS_BACK).astimezone(UTC):%Y-%m-%d}"
    query = {"account": account, "status": status, "from": first}
    reply = await console.gateway.get("/requests", query)
    if not reply.ok or reply.body["cursor"] is None:
        return Search(status, by_age(reply.body.get("requests", [])), reply)

    async def ask() -> tuple[Requests, Reply, str | None]:
        last, found, cursor = reply, [*reply.body["requests"]], reply.body["cursor"]
        for _ in range(FURTHER_CALLS_MAX):
            last = await console.gateway.get("/requests", {**query, "cursor": cursor})
            if not last.ok:
                break
            found += last.body["requests"]
            cursor = last.body["cursor"]
            if cursor is None:
                break
        return found, last, cursor

    found, last, cursor = await console.shared.get(("further", account, status), FURTHER_LIVES, ask)
    further = url("/requests", **query, cursor=cursor) if cursor else ""
    return Search(status, by_age([*found, *reply.body["requests"]]), last, further)


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
