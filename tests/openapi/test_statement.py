"""From the sandbox's portal to the books: a download mapped as `make reconcile` does, uploaded, read and judged."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from incentives.domain.reconciliation.days import read_zone
from incentives.domain.reconciliation.rows import decode_rows
from incentives.usecases.dependencies import Budget
from incentives.usecases.reconciliation.rounds import Progress, Task, reconcile
from local.statement import mapped
from sandbox.http.gateway import Sandbox, Settings, make_account
from sandbox.model.plants import Plant, plant
from sandbox.model.statement import statement as download
from sandbox.model.values import Money
from tests.openapi.books import ask
from tests.openapi.served import Served, served
from tests.support.books_world import TYPES, ZONE
from tests.support.portal import PORTAL_READING

ON: Final = date(2026, 2, 20)
PORTAL: Final = read_zone("America/Los_Angeles")
READING: Final = PORTAL_READING.with_said(columns={"gcId": "Card Serial"}, statuses={"Declined": "Failed"})


def at(hour: int, minute: int) -> datetime:
    return datetime(ON.year, ON.month, ON.day, hour, minute, 7, tzinfo=UTC)


def traded(api: Served, box: Sandbox) -> None:
    """A day: three cards, one of them cancelled; and one of somebody else's."""
    ids = []
    for minute, amount in ((0, "25.00"), (5, "40.00"), (20, "100.00")):
        api.world.clock.time = at(14, minute)
        ids.append(api.issue("create_gift_card", key=f"order-{minute}", amount=amount).body["requestId"])
        plant(box.world, "Test1", Plant("CreateGiftCard", ids[-1], Money(Decimal(amount), "USD"), at(14, minute)))
    api.world.clock.time = at(14, 10)
    assert api.send("cancel_gift_card", ids[1]).status == 200
    plant(box.world, "Test1", Plant("CancelGiftCard", ids[1], Money(Decimal("40.00"), "USD"), at(14, 10)))
    plant(box.world, "Test1", Plant("CreateGiftCard", "Test1PORTAL7", Money(Decimal("50.00"), "USD"), at(16, 30)))


def test_a_download_of_the_portal_makes_the_books_of_its_day() -> None:
    with served() as api:
        clock = api.world.clock
        account = make_account("Test1", "KEY", "secret", funds={"USD": Decimal(1000)})
        box = Sandbox(Settings((account,)), clock=clock.now, tick=lambda: 0.0)
        traded(api, box)
        clock.time = datetime(2026, 2, 22, 9, tzinfo=UTC)
        text = download(box.world, "Test1", at(0, 0), at(23, 0), now=clock.time, zone=PORTAL)
        codes = [line.split(",")[5] for line in text.splitlines()[1:]]
        assert any(codes)
        # when it is mapped, uploaded, read, and its day's round has come to its end
        found = mapped(text.encode(), READING, first=ON, last=ON, books_zone=ZONE, types=TYPES)
        made = ask(api, "create_statement", to=ON.isoformat()).body["statementId"]
        api.books.uploads.uploads[made] = found.content
        assert ask(api, "read_statement", f"default {made}").status == 202
        here = Progress(account="default", day=ON, round=api.books.day(ON).round)
        while here.next is not Task.DONE:
            here = reconcile(here.next, here, api.books.here, Budget(lambda: 200.0))
        # then what the gateway issued is as it should be, and the stranger's card is not
        shown = ask(api, "get_reconciliation").body
        assert (shown["charges"], shown["refunds"]) == (
            {"count": 4, "amount": "215.00"},
            {"count": 1, "amount": "40.00"},
        )
        assert [(each["kind"], each["requestId"], each["amount"]) for each in shown["differences"]] == [
            ("unknownToLedger", "Test1PORTAL7", "50.00")
        ]
        assert (shown["status"], shown["source"], shown["underWay"]) == ("DIFFERENCES", "statement", False)
        # and no code has left the file
        kept = repr((api.books.files.files, api.books.books.items, found.content, shown))
        assert not [code for code in codes if code and (code in kept or code.replace("-", "") in kept)]
        (window,) = api.books.day(ON).windows
        assert len(list(decode_rows(api.books.files.files[window.name or ""]))) == 5
