"""Now: what there is to do, how much money is left and goes, and how busy the gateway is.

The page renews itself every two seconds. So it makes two calls to the API each time, and shares for some seconds with
all other pages whatever takes a call for each account; Amazon is never asked.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.books_days import today_of
from console.charts import Chart, spend_chart
from console.gateway import Reply
from console.page import Console, console_of, page, url, who
from console.searches import Search, search
from incentives.domain.accounts.alerts import KEY_DAYS, KEY_DAYS_MAX

#: Of spend.
DAYS: Final = 30
#: Accounts whose requests and books are looked at here. Each costs calls.
ACCOUNTS_MAX: Final = 10
#: How long what is asked for each of them is shared: requests are escalated after a day, and days judged once a day.
LIVES: Final = timedelta(seconds=30)
#: Orders that are looked at: the newest.
ORDERS_MAX: Final = 50
#: Those that are at work, or wait for somebody.
RUNNING: Final = ("VALIDATING", "AWAITING_APPROVAL", "ISSUING", "PAUSED", "STOPPING", "SETTLING")
#: Where to act on an alarm, by how its name begins; the first that fits. Anything else is for whoever deploys.
WHERE: Final = (
    ("order-", "/orders", "Bulk orders"),
    ("books-events", "", ""),
    ("books-", "/books", "The books"),
    ("reconciliation-", "/books", "The books"),
    ("budget-", "/budgets", "Budgets"),
    ("spend-", "/budgets", "Budgets"),
    ("recount-", "/budgets", "Budgets"),
    ("recovery-", "/recovery", "Recovery"),
    ("unknown-", "/recovery", "Recovery"),
    ("sweep-", "/recovery", "Recovery"),
    ("backlog-", "/recovery", "Recovery"),
    ("account-", "/accounts", "Accounts"),
    ("watch-", "/accounts", "Accounts"),
    ("key-", "/accounts", "Accounts"),
    ("days-", "/accounts", "Accounts"),
    ("refusals", "/requests?status=REFUSED", "Refused requests"),
)


@dataclass(frozen=True)
class Alert:
    """Something that somebody has to look at.

    Attributes:
        id: of its row.
        what: in a few words.
        says: what it means, or what to do.
        link: address of where to act, and its words; empty: nowhere here.
        amounts: at stake.
        since: when it began, where that is known.
        manual: heading of docs/operate.md.
    """

    id: str
    what: str
    says: str
    link: tuple[str, str] = ("", "")
    amounts: Sequence[tuple[str, str]] = ()
    since: str | None = None
    manual: str = ""


@dataclass(frozen=True)
class OfAccount:
    """What is looked at for one account beside how it stands."""

    account: str
    days: Reply
    chart: Chart
    escalated: Search

    @property
    def unresolved(self) -> int:
        """Differences of the days that are shown."""
        return sum(each["unresolved"] for each in self.days.body.get("days", []))


async def _now(request: Request) -> Response:
    console = console_of(request)
    figures = console.figures
    accounts, orders, metrics, backlog, recoveries, alarms = await asyncio.gather(
        console.gateway.get("/accounts"),
        console.gateway.get("/orders", {"limit": str(ORDERS_MAX)}),
        figures.metrics(),
        figures.backlog(),
        figures.recoveries(),
        figures.alarms(),
    )
    listed = accounts.body["accounts"] if accounts.ok else []
    names = [each["account"] for each in listed][:ACCOUNTS_MAX]
    chosen = request.query_params.get("account") or (names[0] if names else "")
    if chosen and chosen not in names:
        names.append(chosen)
    today = today_of(console)
    looked_at = {each.account: each for each in await asyncio.gather(*(_of(console, name, today) for name in names))}
    alerts = [
        *(_rings(each) for each in alarms.body.get("alarms", [])),
        *(alert for each in listed for alert in _of_standing(each)),
        *(alert for each in looked_at.values() for alert in _of_account(each)),
    ]
    asked = [alarms, accounts, *(reply for each in looked_at.values() for reply in (each.escalated.reply, each.days))]
    return page(
        request,
        "now.html",
        accounts=accounts,
        orders=orders,
        running=[each for each in orders.body.get("orders", []) if each["status"] in RUNNING],
        orders_max=ORDERS_MAX,
        metrics=metrics,
        backlog=backlog,
        recoveries=recoveries,
        alerts=alerts,
        asked=distinct(asked),
        further=[each for each in looked_at.values() if each.escalated.further_url],
        left_out=len(listed) > ACCOUNTS_MAX or bool(accounts.body.get("cursor")),
        looked_at=looked_at,
        chosen=looked_at.get(chosen),
        days=DAYS,
    )


async def _of(console: Console, account: str, today: date) -> OfAccount:
    gateway = console.gateway
    first = today - timedelta(days=DAYS - 1)

    async def read() -> Reply:
        return await gateway.get("/reconciliations", {"account": account, "from": f"{first}", "to": f"{today}"})

    days, escalated = await asyncio.gather(
        console.shared.get(("days", account, today), LIVES, read),
        console.shared.get(("escalated", account), LIVES, lambda: search(console, account, "ESCALATED")),
    )
    return OfAccount(account, days, spend_chart(days.body.get("days", []), today, DAYS), escalated)


def _rings(alarm: Mapping[str, Any]) -> Alert:
    name = alarm["name"]
    where = next(((address, words) for start, address, words in WHERE if name.startswith(start)), ("", ""))
    return Alert(f"alarm-{name}", f"Alarm {name}", alarm["description"], where, since=alarm["since"], manual=name)


def _of_standing(account: Mapping[str, Any]) -> Iterable[Alert]:
    """What is wrong with an account by itself."""
    name = account["account"]
    there = (f"/accounts/{quote(name, safe='')}", "The account")
    frozen = account["frozen"]
    if frozen:
        by = who(frozen["by"])
        yield Alert(
            f"frozen-{name}",
            f"Account {name} is frozen",
            f"By {by}: {frozen['reason'] or 'no reason'}. Nothing new is sent for it, and bulk orders pause.",
            there,
            since=frozen["since"],
        )
    if account["state"] == "UNUSABLE":
        says = "Its keys cannot be read, so nothing is sent for it. Put a key: make put-keys."
        yield Alert(f"unusable-{name}", f"Account {name} has no usable key", says, there)
    age = account["keyAgeDays"]
    steps = [days for days in KEY_DAYS if age is not None and age >= days]
    if steps:
        left = KEY_DAYS_MAX - age
        term = f"Amazon may refuse it in {left} days" if left > 0 else "Amazon may refuse it any day now"
        yield Alert(
            f"key-{name}",
            f"The key of account {name} is {age} days old",
            f"More than {steps[-1]} days. {term}. Make one in Amazon's portal, put it, and rotate: make rotate-keys.",
            there,
            manual="key-age",
        )


def _of_account(found: OfAccount) -> Iterable[Alert]:
    """What is wrong with what an account did."""
    name, escalated = found.account, found.escalated
    if escalated.requests:
        many = len(escalated.requests)
        yield Alert(
            f"escalated-{name}",
            f"{many} {'request is' if many == 1 else 'requests are'} escalated: account {name}",
            "Nobody knows whether they were charged. Do not order them again; read the cases.",
            (url("/recovery", account=name), "Recovery"),
            escalated.sums,
            escalated.requests[0]["createdAt"],
        )
    if found.unresolved:
        many = found.unresolved
        yield Alert(
            f"unresolved-{name}",
            f"{many} unresolved {'difference' if many == 1 else 'differences'}: account {name}",
            f"In the books of the last {DAYS} days. A month is not closed before each of its differences is resolved.",
            (url("/books", account=name), "The books"),
        )


def distinct(replies: Iterable[Reply]) -> list[Reply]:
    """All replies, but only one of those that failed alike."""
    found: dict[object, Reply] = {}
    for index, each in enumerate(replies):
        found.setdefault(index if each.ok else (each.call, each.kind, each.detail), each)
    return list(found.values())


ROUTES: Final = (Route("/", _now),)
