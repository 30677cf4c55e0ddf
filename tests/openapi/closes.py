"""Months to close behind the served functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from incentives.domain.reconciliation.days import days_of
from incentives.usecases.reconciliation.close_month import close_month
from tests.openapi.books import opened
from tests.openapi.served import BODIES, Response, Served
from tests.unit.reconciliation.months import ANNA, Shop

Scenario = Callable[[Served], Response]

#: The first month of the books, of an account that has no balance in them.
JANUARY: Final = "2026-01"
OF_JANUARY: Final = f"invoiced {JANUARY}"


def shop_of(api: Served) -> Shop:
    """The account that is closed."""
    return Shop(
        world=api.world,
        books=api.books.books,
        files=api.books.files,
        without_balance=frozenset({"invoiced"}),
        account="invoiced",
        zone=api.books.here.settings.zone.key,
    )


def reconciled(api: Served) -> None:
    """Have every day of January judged."""
    shop = shop_of(api)
    for day in days_of(JANUARY):
        shop.judge(day, rows=(2000, -500) if day == date(2026, 1, 20) else (2000,))


def closed(api: Served) -> str:
    """Have January closed by another person; the hash of its manifest."""
    reconciled(api)
    manifest = close_month("invoiced", JANUARY, None, ANNA, api.books.here)[0].close.manifest
    assert manifest is not None
    return manifest.sha256


def blocked(api: Served) -> Response:
    """Ask to close a month of which one day is judged, and not the month before it."""
    opened(api)
    return api.send("close_month", "default 2026-02", body=BODIES["close_month"])


def _close(api: Served) -> Response:
    return api.send("close_month", OF_JANUARY)


def _signed(api: Served) -> Response:
    return api.send("sign_off_month", OF_JANUARY, body={"manifestSha256": closed(api)})


def _signed_by_closer(api: Served) -> Response:
    reconciled(api)
    seen = _close(api).body["manifest"]["sha256"]
    return api.send("sign_off_month", OF_JANUARY, body={"manifestSha256": seen})


#: What each route can be brought to answer beyond what all of them can, each with its status.
SCENARIOS: Final[Mapping[str, Sequence[tuple[int, Scenario]]]] = {
    "close_month": [
        (202, lambda api: (reconciled(api), _close(api))[1]),
        (200, lambda api: (closed(api), _close(api))[1]),
        (200, blocked),
        (409, lambda api: api.send("close_month", "default 2026-03")),
    ],
    "get_close": [
        (200, lambda api: (_signed(api), api.send("get_close", OF_JANUARY))[1]),
        (200, lambda api: (blocked(api), api.send("get_close", "default 2026-02"))[1]),
    ],
    "sign_off_month": [
        (200, _signed),
        (403, _signed_by_closer),
        (409, lambda api: (closed(api), api.send("sign_off_month", OF_JANUARY, body=BODIES["sign_off_month"]))[1]),
    ],
}
