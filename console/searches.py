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
#: Recovery takes a day.
DAYS_NEWEST: Final = timedelta(days=1)
#: For a status, beside the one that looks at the newest days.
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

    Those of the newest days are asked for each time: hardly anything older changes, and the API looks at each day by
    itself. What lies further back, and what of the newest days one call does not reach, is shared for some seconds.
    """
    today = console.now().astimezone(UTC).date()
    asked = {"account": account, "status": status}
    newest = {**asked, "from": f"{today - DAYS_NEWEST}"}
    whole = {**asked, "from": f"{today - DAYS_BACK}"}
    older = {**whole, "to": f"{today - DAYS_NEWEST - timedelta(days=1)}"}
    reply = await console.gateway.get("/requests", newest)
    if not reply.ok:
        return Search(status, [], reply)

    async def ask() -> tuple[Requests, Reply, str]:
        last, query, cursor = reply, newest, reply.body["cursor"]
        # While pages turn, a request that was on one may be on the next.
        found = [*reply.body["requests"]] if cursor else []
        for _ in range(FURTHER_CALLS_MAX):
            query = query if cursor else older
            last = await console.gateway.get("/requests", {**query, "cursor": cursor})
            if not last.ok:
                break
            found += last.body["requests"]
            cursor = last.body["cursor"]
            if cursor is None and query is older:
                return found, last, ""
        return found, last, url("/requests", **(whole if cursor and query is newest else older), cursor=cursor)

    # What was shared begins where the newest days or calls end now: at midnight, and once there are too many, elsewhere.
    name = ("further", account, status, today, reply.body["cursor"] is None)
    found, last, further_url = await console.shared.get(name, FURTHER_LIVES, ask)
    return Search(status, by_age([*found, *reply.body["requests"]]), last, further_url)


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
