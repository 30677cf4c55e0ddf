"""Writes docs/pictures: the console's screens on a made-up day. ``python -m tests.console.pictures FOLDER [NAME...]``.

The functions are real, everything outside of them is not: no account, name or id of anybody's. The clock stands still,
so that the same pages give the same pictures.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import FloatRect, Page, sync_playwright

from incentives.bootstrap import container
from incentives.domain.accounts.account import AccountFunds
from incentives.domain.accounts.funds import Snapshot
from incentives.domain.bulk_orders.bulk_order import Batch, BulkOrder, Counts, FileError, FileFormat, OrderStatus
from incentives.domain.money import Money, parse_money
from incentives.domain.outcomes import ConflictKind
from incentives.domain.persons import Identity
from incentives.domain.reconciliation.days import read_zone
from incentives.domain.reconciliation.findings import AmazonSide, Finding, Kind, LedgerSide
from incentives.domain.single_requests.record import Cause, Intent, Status
from tests.console.browser.chromium import FLAGS
from tests.console.recovering import escalated
from tests.console.served import Api, Place, metrics, place
from tests.openapi.closes import closed
from tests.openapi.served import CALLER
from tests.support.books_world import finding, level
from tests.support.fakes import account
from tests.unit.builders import REFUSAL, RESEND, record
from tests.waiting import NO_BROWSER, chromium_program

NOW: Final = datetime(2026, 3, 19, 13, 5, tzinfo=UTC)
ZONE: Final = read_zone("Europe/Berlin")
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
ROLE: Final = "arn:aws:sts::123456789012:assumed-role"
SHOP: Final = f"{ROLE}/AWSReservedSSO_GatewayIssuer_0123456789abcdef/shop-team"
OPERATOR: Final = f"{ROLE}/AWSReservedSSO_GatewayOperator_0123456789abcdef/on-call"
FINANCE: Final = f"{ROLE}/AWSReservedSSO_GatewayFinance_0123456789abcdef/finance-team"
#: Of the order that is issued, and of the one that waits for a second person.
AT_WORK: Final = "KX4TQ2M7VJ5RWZ3HNB6YDCFA2E"
WAITING: Final = "QH7WLR5ZB2XKTM4VNJ3CYDA6FE"
REQUEST: Final = "Acme1ZQ5K7TWB4XN2VJ6MHR3YDCFA5LE"
#: Name, limit and its currency, kind of period, whether it is active, what is held and spent.
BUDGETS: Final = (
    ("customer-care", "2000.00", "USD", "month", True, "25.00", "412.50"),
    ("japan-loyalty", "3000000", "JPY", "month", True, "120000", "1845000"),
    ("referrals-2026", "60000.00", "USD", "total", True, "0.00", "37150.00"),
    ("spring-campaign", "20000.00", "USD", "month", True, "4460.00", "14325.00"),
    ("winter-campaign", "15000.00", "USD", "month", False, "0.00", "0.00"),
)
SIZE: Final = {"width": 1280, "height": 800}
#: Higher pages are cut off: what a screen is like is seen before.
HEIGHT_MAX: Final = 1250
BYTES_MAX: Final = 300_000
#: What is taken: an address, and the part of the page that it is about, if it is not all of it.
PICTURES: Final[Mapping[str, str]] = {
    "now": "/",
    "spend": "/#spend",
    "requests": "/requests",
    "request": f"/requests/{REQUEST}",
    "cancel": f"/requests/{REQUEST}/cancel",
    "recovery": "/recovery?account=default",
    "orders": "/orders",
    "order": f"/orders/{AT_WORK}",
    "approve": f"/orders/{WAITING}/approve",
    "books": "/books/default/2026-03",
    "day": "/books/default/2026-03-12",
    "close": "/books/invoiced/2026-01/close",
    "budgets": "/budgets",
    "budget-change": "/budgets/spring-campaign/set?limit=25000.00&active=yes",
    "accounts": "/accounts",
    "unfreeze": "/accounts/uk/unfreeze",
}


def usd(amount: str) -> Money:
    return parse_money(amount, "USD")


def a_day(here: Place) -> None:
    """Everything that there is to be seen."""
    api = here.api
    api.functions.world.clock.time = NOW
    _accounts(api)
    _budgets(api)
    _requests(api)
    _orders(api)
    _books(api)
    _figures(api)


def _accounts(api: Api) -> None:
    world, states = api.functions.world, container.account_dependencies.states
    for name, days, balance in (
        ("default", 57, "48210.00 USD"),
        ("japan", 172, "2914000 JPY"),
        ("uk", 101, "7305.50 GBP"),
    ):
        amount, currency = balance.split()
        made = account(name, key_created_at=NOW - timedelta(days=days))
        world.accounts.accounts[name] = made
        states.keep_funds(Snapshot(AccountFunds(name, parse_money(amount, currency), NOW - 5 * MINUTE), NOW))
    world.clock.time = NOW - 2 * HOUR
    CALLER["userArn"] = OPERATOR
    reason = "Orders that the campaign did not expect; the caller is being looked for"
    api.functions.send("freeze_account", "uk", body={"reason": reason})
    world.clock.time, CALLER["userArn"] = NOW, FINANCE


def _budgets(api: Api) -> None:
    budgets, clock = api.functions.budgets.budgets, api.functions.world.clock
    for number, (name, limit, currency, period, active, held, spent) in enumerate(BUDGETS):
        clock.time = NOW - timedelta(days=17 - 4 * number, minutes=97 * number)
        body = {"limit": {"amount": limit, "currencyCode": currency}, "period": period, "active": True}
        api.functions.send("set_budget", name, body=body)
        if Decimal(held) + Decimal(spent):
            budgets.take(name, parse_money(str(Decimal(held) + Decimal(spent)), currency), NOW)
        minor_units = int(Decimal(spent) * (1 if currency == "JPY" else 100))
        budgets.add_spent(name, "total" if period == "total" else f"{NOW:%Y-%m}", minor_units)
        if not active:
            api.functions.send("set_budget", name, body={**body, "active": False})
    clock.time = NOW


def _requests(api: Api) -> None:
    draw = random.Random(19)  # a seed: the same day each time
    kept = api.functions.world.ledger.records

    def keep(number: int, status: Status, amount: str, ago: timedelta, **updates: Any) -> None:
        at = NOW - ago
        times = {"created_at": at, "updated_at": at, "first_sent_at": at, "last_sent_at": at}
        values: dict[str, Any] = {
            **times,
            "request_id": _id(draw),
            "value": usd(amount),
            "details": {"externalReference": f"Order {4711 + number}"},
            "caller": SHOP,
            "in_flight": False,
        }
        made = record(status, **(values | updates))
        kept[made.request_id] = made

    done = {"wake_at": None, "card_seen": True}
    keep(0, Status.SUCCEEDED, "100.00", 3 * MINUTE, **done, request_id=REQUEST, answered_at=NOW - 3 * MINUTE,
         gc_id="GC0000000311", budget="spring-campaign", budget_period="2026-03")  # fmt: skip
    for number in range(1, 12):
        minutes = timedelta(minutes=7 * number + draw.randrange(5))
        amount = draw.choice(["25.00", "50.00", "100.00"])
        ended = {**done, "gc_id": f"GC00000003{number:02}", "answered_at": NOW - minutes}
        keep(number, Status.SUCCEEDED, amount, minutes, **ended)
    keep(12, Status.REFUSED, "2500.00", 38 * MINUTE, wake_at=None, refusal=REFUSAL, error=REFUSAL)
    keep(13, Status.REVERSED, "50.00", 51 * MINUTE, wake_at=None, cause=Cause.CANCEL, undone=True)
    unknown = {"doubt": True, "attempts": 6, "deadline_at": NOW + 22 * HOUR, "error": RESEND.error}
    for number, amount, ago in ((14, "75.00", 4 * MINUTE), (15, "25.00", 26 * MINUTE), (16, "150.00", 2 * HOUR)):
        keep(number, Status.RECOVERING, amount, ago, **unknown, phase_started_at=NOW - ago, first_unknown_at=NOW - ago)
    keep(17, Status.REVERSING, "100.00", 9 * MINUTE, **unknown, phase_started_at=NOW - 5 * MINUTE, cause=Cause.CANCEL,
         intent=Intent.REVERSE)  # fmt: skip
    keep(18, Status.PENDING, "25.00", 12 * timedelta(seconds=1), attempts=0, first_sent_at=None, last_sent_at=None)
    escalated(api, _id(draw), value=usd("200.00"), created_at=NOW - 31 * HOUR, updated_at=NOW - 7 * HOUR, doubt=True,
              attempts=131, details={"externalReference": "Order 4688"}, conflict=ConflictKind.VALUE)  # fmt: skip
    escalated(api, _id(draw), value=usd("50.00"), created_at=NOW - 28 * HOUR, updated_at=NOW - 4 * HOUR, doubt=True,
              attempts=128, details={"externalReference": "Order 4699"})  # fmt: skip


def _id(draw: random.Random) -> str:
    """A request id as they look."""
    return "Acme1" + "".join(draw.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=27))


def _orders(api: Api) -> None:
    orders = api.functions.bulk.orders

    def keep(order_id: str, status: OrderStatus, rows: int, total: str, ago: timedelta, **updates: Any) -> BulkOrder:
        begun = {"rows_name": "rows", "row_bytes": 9, "totals": {"USD": Decimal(total)}} if rows else {}
        values: dict[str, Any] = {
            "order_id": order_id,
            "account": "default",
            "partner_id": "Test1",
            "format": FileFormat.CSV,
            "on_unknown": Intent.RETRY,
            "status": status,
            "created_at": NOW - ago,
            "updated_at": NOW - ago / 2,
            "round": 1,
            "caller": SHOP,
            "started_by": SHOP,
            "rows": rows,
            **begun,
        }
        made = BulkOrder(**(values | updates))
        orders.orders[order_id] = (made, "nonce")
        return made

    keep(AT_WORK, OrderStatus.ISSUING, 1_200, "60000.00", 6 * MINUTE, budget="referrals-2026", budget_period="total",
         issuing_since=NOW - 2 * MINUTE)  # fmt: skip
    for number, counts in (
        (1, Counts(issued=498, refused=2)),
        (2, Counts(issued=309, open=3, waiting=188)),
        (3, Counts(waiting=200)),
    ):
        issued = {"USD": Decimal(50 * counts.issued)}
        orders.kept[AT_WORK, number] = Batch(number=number, counts=counts, issued_value=issued, round=1)
    maker = Identity(SHOP, "AROASHOPSHOPSHOPSHOP:shop-team", "AROASHOPSHOPSHOPSHOP")
    digest = sha256(b"480 cards").hexdigest()
    keep(WAITING, OrderStatus.AWAITING_APPROVAL, 480, "36000.00", 3 * HOUR, makers=(maker,), approval_digest=digest,
         approval_until=NOW + timedelta(days=6, hours=21), told_at=NOW - 3 * HOUR)  # fmt: skip
    keep("TN3VYQ6KDM2HXWJ5RZB4LCFA7E", OrderStatus.PAUSED, 90, "4500.00", 5 * HOUR, account="uk",
         totals={"GBP": Decimal("4500.00")}, issuing_since=NOW - 3 * HOUR, issuing_until=NOW - 2 * HOUR,
         why_paused="account 'uk' has been frozen. Unfreeze it, then resume the order.")  # fmt: skip
    errors = (FileError(17, "amount", "must have at most 2 decimals"), FileError(52, "key", "is that of line 51"))
    keep("B5MZRW2XKQ7TVHJ4NYD3CLFA6E", OrderStatus.INVALID, 0, "0", 26 * HOUR, errors=errors, error_count=2)
    keep("W2HJX7NKQ4BTZMR6VYC5DLFA3E", OrderStatus.FINISHED, 350, "8750.00", 50 * HOUR, finished_at=NOW - 49 * HOUR)


def _books(api: Api) -> None:
    books, draw = api.functions.books, random.Random(20)  # likewise
    first, last = date(2026, 2, 17), date(2026, 3, 17)
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        cents = draw.randrange(80_000, 240_000, 500) if day.weekday() < 5 else draw.randrange(20_000, 70_000, 500)
        differences: Sequence[Finding] = ()
        at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        levels = ()
        if day == date(2026, 3, 12):
            amazon = AmazonSide(charges=1, nets={"USD": 10_000})
            told = {"amazon": amazon, "amount": 10_000, "found_at": at + 24 * HOUR, "found_on": day}
            differences = (
                finding(Kind.UNKNOWN_TO_LEDGER, _id(draw), **told),
                _difference(Kind.MISSING_AT_AMAZON, _id(draw), 2_500, at, day),
                _difference(Kind.ESCALATED, _id(draw), 20_000, at, day),
            )
        if day == date(2026, 3, 16):
            levels = (level(at, 1_500_000), level(at + HOUR, 4_500_000))
        kept = books.judged(*differences, day=day, levels=levels, net=cents)
        judged = replace(kept.judged, charges=cents // 4_200, at=at + 30 * HOUR) if kept.judged else None
        assert books.books.keep_day(kept, replace(kept, revision=kept.revision + 1, judged=judged))
    closed(api.functions)


def _difference(kind: Kind, request_id: str, cents: int, at: datetime, day: date) -> Finding:
    status = "ESCALATED" if kind is Kind.ESCALATED else "SUCCEEDED"
    ledger = LedgerSide(status=status, amount=cents, currency="USD")
    return finding(
        kind, request_id, ledger=ledger, amazon=AmazonSide(), amount=cents, found_at=at + 24 * HOUR, found_on=day
    )


def _figures(api: Api) -> None:
    api.figures.told |= {
        "metrics": metrics(
            requests={
                "issued": {"aMinute": 214.5, "inTenMinutes": 1_873.0},
                "refused": {"aMinute": 0.5, "inTenMinutes": 3.0},
                "reversed": {"aMinute": 0.0, "inTenMinutes": 1.0},
                "escalated": {"aMinute": 0.0, "inTenMinutes": 0.0},
            },
            open={"unknown": 4.0, "oldestSeconds": 7_200.0, "waiting": 188.0},
            pacedWaitMilliseconds={"median": 120.0, "p99": 1_480.0},
            pace={"permitsMissed": 0.0, "throttled": 0.0, "permitsAMinute": 231.0, "allowedAMinute": 480.0},
            accounts={
                "default": {"funds": 48_210.0, "aDay": 1_402.0, "daysLeft": 34.4, "keyAgeDays": 57.0},
                "japan": {"funds": 2_914_000.0, "aDay": 96_400.0, "daysLeft": 30.2, "keyAgeDays": 172.0},
                "uk": {"funds": 7_305.5, "aDay": 310.0, "daysLeft": 23.6, "keyAgeDays": 101.0},
            },
        ),
        "recoveries": 4,
        "backlog": {"queued": 188, "deadLetters": 0, "failuresOfSchedules": 0},
        "alarms": [
            {
                "name": "unknown-old",
                "description": "A request has been unknown for more than an hour.",
                "since": "2026-03-19T12:06:00Z",
            }
        ],
    }
    api.figures.told["metrics"]["at"] = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"


@contextmanager
def tab(here: Place) -> Iterator[Page]:
    """A browser's tab, at a clock that stands still."""
    program = chromium_program()
    if program is None:
        sys.exit(f"{NO_BROWSER[0].upper()}{NO_BROWSER[1:]}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        context = chromium.new_context(
            viewport=SIZE, color_scheme="light", reduced_motion="reduce", timezone_id=ZONE.key, locale="en-GB"
        )
        made = context.new_page()
        made.clock.set_fixed_time(NOW)
        made.goto(here.address)
        yield made
        chromium.close()


def take(page: Page, url: str, path: Path) -> None:
    """Write one picture."""
    page.set_viewport_size(SIZE)
    address, _, part = url.partition("#")
    response = page.goto(address)
    if response is None or not response.ok or page.locator(".failure-unavailable").count():
        raise ValueError(f"{url} has no figures")
    page.evaluate("() => document.fonts.ready")
    if part:
        content = page.locator(f"#{part}").screenshot(animations="disabled")
    else:
        height = ceil(page.evaluate("() => document.body.getBoundingClientRect().height"))
        clip: FloatRect = {"x": 0, "y": 0, "width": SIZE["width"], "height": min(height, HEIGHT_MAX)}
        content = page.screenshot(full_page=True, clip=clip, animations="disabled")
    if len(content) > BYTES_MAX:
        raise ValueError(f"{path.name} has {len(content):,} bytes")
    path.write_bytes(content)


def main(folder: str, *names: str) -> None:
    """Write all pictures, or those that are named."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with place(zone=ZONE, stack="incentives-gateway") as here:
        a_day(here)
        with tab(here) as page:
            for name in names or PICTURES:
                take(page, here.address.partition("/?")[0] + PICTURES[name], Path(folder) / f"{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
