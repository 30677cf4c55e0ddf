"""The console as a process in front of the deployed system, with IAM enforced: what is shown is what the API says."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from bs4 import Tag
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Expect

from console.page import amount
from incentives.aws.items import format_time
from local.commands.console import UNANSWERED
from local.commands.watch import Screen
from local.target import of_local
from tests.console.browser.chromium import Window
from tests.console.browser.chromium import window as opened
from tests.console.browser.fixtures import _chromium, chromium
from tests.console.served import Browser, text_of
from tests.stack.books import CARD, DAY, MONTH, NEXT, READING, Books, midday, new_books
from tests.stack.bulk import Bulk
from tests.stack.cloud import Cloud
from tests.stack.console import Console, command, console, keep, person, rows_of
from tests.stack.orders import NEEDS_APPROVAL, PATIENCE_SECONDS, OwnAccount, Placed, wait_until

pytestmark = pytest.mark.stack

__all__ = ["_chromium", "chromium"]

#: Of every screen one right, which the person who lacks them has not.
LACKING: Final = (
    "POST/gift-cards/*/cancel",
    "POST/requests/*/recover",
    "POST/orders/*/approve",
    "POST/reconciliations/*/statements/*/read",
    "PUT/budgets/*",
    "POST/accounts/*/freeze",
)


#: The balance that the books begin with.
OPENING: Final = Decimal("1000.00")
#: As many cards as have a sum above the limit.
ROWS: Final = 6
#: Longer than the console takes to end.
HOLD_SECONDS: Final = 6
#: What is told of it.
DENIED: Final = "You may not see or do this. It takes the right to call"
#: What is, or will be, there while a page is open.
seen: Final = Expect()
seen.set_options(timeout=1000 * PATIENCE_SECONDS)


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry(cloud: Cloud) -> Iterator[None]:
    """Waits of workflows take a tenth of their time."""
    cloud.set_wait_scale(0.1)
    yield
    cloud.set_wait_scale(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("consoles")


@pytest.fixture(scope="module")
def books(cloud: Cloud) -> Iterator[Books]:
    """The books of an account of its own, which have not begun."""
    with new_books(cloud) as made:
        # An account is known once something was asked about it.
        assert cloud.call("GET", f"/funds?account={made.account}").status == 200
        yield made


@pytest.fixture(scope="module")
def own(books: Books) -> OwnAccount:
    return books.own


@pytest.fixture(scope="module", autouse=True)
def losing(cloud: Cloud, own: OwnAccount) -> Iterator[tuple[Placed, Future[None]]]:
    """A card that is asked for from the start: a function tries for half a minute before it hands over to recovery."""
    order = Placed(cloud, own=own)
    order.fault("resend", when="after")
    with ThreadPoolExecutor(1) as pool:
        yield order, pool.submit(wait_until, lambda: order.place().body["status"] == "RECOVERING", "it is recovered")


@pytest.fixture(scope="module")
def first(cloud: Cloud, folder: Path) -> Iterator[Console]:
    """The developer's console, as `make console` starts it after `make up`."""
    with console(cloud, folder / "first") as started:
        yield started


@pytest.fixture(scope="module")
def page(first: Console) -> Browser:
    """The developer's browser."""
    return first.browser()


@pytest.fixture(scope="module")
def _window(chromium: Chromium, first: Console) -> Iterator[Window]:
    with opened(chromium, first) as made:
        yield made


@pytest.fixture
def window(_window: Window) -> Iterator[Window]:
    """The developer's window, of a browser that runs scripts. In the end nothing was wrong in it."""
    yield _window
    _window.settle()


@pytest.fixture(scope="module")
def second(cloud: Cloud, folder: Path) -> Iterator[Browser]:
    """The browser of somebody in finance."""
    with console(cloud, folder / "second", person(cloud, ["Finance"])) as started:
        yield started.browser()


@pytest.fixture(scope="module")
def lacking(cloud: Cloud, folder: Path) -> Iterator[Browser]:
    """The browser of somebody who lacks one right of every screen."""
    caller = person(cloud, ["Issuer", "Support", "Finance", "Operator"], denied=LACKING)
    with console(cloud, folder / "lacking", caller) as started:
        yield started.browser()


def get(cloud: Cloud, route: str) -> dict[str, Any]:
    """What the API says, to the same person."""
    response = cloud.call("GET", route, caller=cloud.developer)
    assert response.status == 200, response.text
    found: dict[str, Any] = response.body
    return found


def money(value: Mapping[str, str]) -> str:
    """An amount as pages have it; its blank is one that does not break."""
    return f"{amount(value['amount'])} {value['currencyCode']}"


def listed(page: Browser, path: str, row: str) -> Tag:
    """A row of a list, by its id, on whichever of its pages it is."""
    next_path: str | None = path
    while next_path:
        shown = page.get(next_path)
        found = shown.find(id=row)
        if isinstance(found, Tag):
            return found
        link = shown.find("a", rel="next")
        next_path = str(link["href"]) if isinstance(link, Tag) else None
    raise AssertionError(f"{path} has no {row}")


# ---- the process ---------------------------------------------------------------------------------


def test_a_page_with_figures_is_there_soon_after_the_command_and_nothing_is_left_after_ctrl_c(
    cloud: Cloud, folder: Path
) -> None:
    begun = time.monotonic()
    with console(cloud, folder / "timed") as started:
        shown = text_of(started.browser().get("/").find(id="accounts"))
        print(  # noqa: T201 - what a newcomer waits for
            f"\nThe console printed its address {started.seconds:.1f} s after its command, and showed figures after "
            f"{time.monotonic() - begun:.1f} s"
        )
        assert cloud.outputs.accountName in shown
        assert started.end() == (0, "")
        assert not started.group_is_left


def test_ctrl_c_waits_for_no_call_and_what_was_sent_goes_on_without_the_console(
    cloud: Cloud, own: OwnAccount, folder: Path, page: Browser
) -> None:
    # given a cancel that Amazon has carried out, and does not answer for a while
    order = Placed(cloud, own=own)
    assert order.place().status == 201
    order.fault("timeout", operation="CancelGiftCard", when="after", holdSeconds=HOLD_SECONDS, calls={"first": 1})
    with console(cloud, folder / "ended") as started, ThreadPoolExecutor(1) as pool:
        browser = started.browser()
        sent = pool.submit(browser.submit, browser.get(f"/requests/{order.request_id}/cancel"))
        wait_until(lambda: order.calls("CancelGiftCard") > 0, "Amazon is asked")
        # when Ctrl-C is pressed, then the console says so, and is gone before the answer is there
        assert started.end() == (0, f"{UNANSWERED}\n")
        assert get(cloud, f"/gift-cards/{order.request_id}")["status"] == "REVERSING"
        assert not started.group_is_left
        assert sent.exception() is not None
    # and the next one shows how it ends
    wait_until(
        lambda: "REVERSED" in text_of(page.get(f"/requests/{order.request_id}").find(id="request")), "it is cancelled"
    )


def test_what_cannot_be_started_says_so_in_one_line(cloud: Cloud, first: Console, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        caller = cloud.developer
        aws = {
            "AWS_ENDPOINT_URL": cloud.outputs.awsEndpointUrl,
            "AWS_REGION": cloud.outputs.region,
            "AWS_ACCESS_KEY_ID": caller.access_key_id,
            "AWS_SECRET_ACCESS_KEY": caller.secret_access_key,
        }
        started = {
            f"PORT {port} cannot be had": command(first.folder, PORT=str(port)),
            "There is no local cloud; start one with `make up`": command(folder / "nowhere"),
            "Stack with id nonesuch does not exist": command(first.folder, STACK="nonesuch", **aws),
        }
        for why, process in started.items():
            said, _ = process.communicate()
            assert (process.returncode, len(said.splitlines())) == (2, 1), said
            assert why in said


# ---- accounts ------------------------------------------------------------------------------------


def account_row(page: Browser, account: str) -> str:
    return text_of(listed(page, "/accounts", f"account-{account}"))


def test_accounts_are_shown_as_the_api_has_them(cloud: Cloud, own: OwnAccount, page: Browser) -> None:
    told = get(cloud, "/accounts")["accounts"]
    assert told
    for each in told:
        shown = account_row(page, each["account"])
        assert each["state"] in shown
        assert (f"{each['keyAgeDays']} days" in shown) is (each["keyAgeDays"] is not None)
        if each["balance"]:
            assert money(each["balance"]) in shown


# ---- budgets -------------------------------------------------------------------------------------


def test_a_budget_is_shown_with_what_is_spent_and_left_of_it(
    cloud: Cloud, own: OwnAccount, page: Browser, lacking: Browser
) -> None:
    name = f"console-{own.mark[:8]}"
    given = {"name": name, "limit": "100.00", "currencyCode": "USD", "period": "total"}
    # when somebody without the right makes it, then the action and its route are named, and there is none
    denied = text_of(lacking.submit(lacking.get("/budgets/_new"), **given))
    assert f"{DENIED} PUT /budgets/{{name}}" in denied
    assert cloud.call("GET", f"/budgets/{name}", caller=cloud.developer).status == 404
    # when the developer makes it, and a card takes from it, then both see what the API tells
    page.submit(page.get("/budgets/_new"), **given)
    assert Placed(cloud, own=own).place(budget=name).status == 201
    wait_until(lambda: get(cloud, f"/budgets/{name}")["spent"] == "25.00", "it is counted")
    told = get(cloud, f"/budgets/{name}")
    for browser in (page, lacking):
        row = text_of(listed(browser, "/budgets", f"budget-{name}"))
        for figure in ("limit", "spent", "held", "remaining"):
            assert money({"amount": told[figure], "currencyCode": "USD"}) in row


# ---- requests ------------------------------------------------------------------------------------


def aged(order: Placed, seconds: float) -> None:
    """Set back when the ledger says that the card was issued: the gateway's clock is this machine's."""
    then, item = datetime.now(UTC) - timedelta(seconds=seconds), order.read()
    names = ("createdAt", "firstSentAt", "answeredAt", "updatedAt")
    order.cloud.ledger.update_item(
        Key={"id": order.request_id},
        UpdateExpression="SET " + ", ".join(f"{name} = :then" for name in names),
        ConditionExpression="version = :version",
        ExpressionAttributeValues={":then": format_time(then), ":version": item["version"]},
    )


def test_a_request_is_found_and_shown_as_the_api_has_it(cloud: Cloud, own: OwnAccount, page: Browser) -> None:
    order = Placed(cloud, own=own)
    assert order.place(externalReference="for the console").status == 201
    told = get(cloud, f"/gift-cards/{order.request_id}")
    row = text_of(listed(page, f"/requests?account={own.account}", f"request-{order.request_id}"))
    by_key = text_of(page.get(f"/requests?key={order.key}").find(id=f"request-{order.request_id}"))
    shown = text_of(page.get(f"/requests/{order.request_id}").find(id="request"))
    for each in (row, by_key, shown):
        assert told["status"] in each
        assert money(told) in each
        assert told["externalReference"] in each
        assert told["gcId"] in each


def test_a_card_is_cancelled_a_moment_before_its_fifteen_minutes_are_over(
    cloud: Cloud, own: OwnAccount, page: Browser, lacking: Browser
) -> None:
    order = Placed(cloud, own=own)
    assert order.place().status == 201
    path = f"/requests/{order.request_id}/cancel"
    # given somebody without the right, who sees it, and is told what it takes to cancel it
    denied = text_of(lacking.submit(lacking.get(path)))
    assert f"{DENIED} POST /gift-cards/{{requestId}}/cancel" in denied
    assert "SUCCEEDED" in text_of(lacking.get(f"/requests/{order.request_id}").find(id="request"))
    # when the developer cancels it in the last moment, then nothing is charged
    asking = page.get(path)
    aged(order, 15 * 60 - 10)
    assert "Done." in text_of(page.submit(asking))
    assert "REVERSED" in text_of(page.get(f"/requests/{order.request_id}").find(id="request"))
    assert order.live_cards() == []


def test_a_card_is_not_cancelled_a_moment_after_them(cloud: Cloud, own: OwnAccount, page: Browser) -> None:
    order = Placed(cloud, own=own)
    assert order.place().status == 201
    # given a page that asks, and that was opened in time
    asking = page.get(f"/requests/{order.request_id}/cancel")
    aged(order, 15 * 60 + 1)
    # when its form is sent too late, then it is refused, and says so
    refused = text_of(page.submit(asking))
    assert "Refused." in refused
    assert get(cloud, f"/gift-cards/{order.request_id}")["cancellableUntil"] in refused
    # and whoever opens the page then has nothing to send
    late = page.get(f"/requests/{order.request_id}/cancel")
    assert late.find("form", method="post") is None
    assert "within 15 minutes" in text_of(late)
    assert len(order.live_cards()) == 1
    assert order.calls("CancelGiftCard") == 0


# ---- recovery ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lost(cloud: Cloud, losing: tuple[Placed, Future[None]]) -> Iterator[Placed]:
    """A card whose response was lost each time, so that nobody knows what became of it."""
    order, asked = losing
    asked.result()
    yield order
    cloud.sandbox.delete("faults")


def test_a_recovery_is_seen_to_end_while_the_page_is_open(
    cloud: Cloud, own: OwnAccount, lost: Placed, page: Browser, lacking: Browser, window: Window
) -> None:
    recovery = f"/recovery?account={own.account}"
    # given somebody without the right, who sees it, and is told what another round takes
    denied = text_of(lacking.submit(lacking.get(f"/requests/{lost.request_id}/recover")))
    assert f"{DENIED} POST /requests/{{requestId}}/recover" in denied
    told = get(cloud, f"/gift-cards/{lost.request_id}")
    row = text_of(listed(lacking, recovery, f"request-{lost.request_id}"))
    assert told["status"] in row
    assert money(told) in row
    # and two pages that are open while it goes on
    tab, overview = window.tab(f"/requests/{lost.request_id}"), window.tab(recovery)
    seen(tab.locator("#stands")).to_contain_text("RECOVERING")
    seen(overview.locator(f"#request-{lost.request_id}")).to_be_visible()
    # when Amazon's responses come again, and the developer starts another round, then both show its end by themselves
    cloud.sandbox.delete("faults")
    page.submit(page.get(f"/requests/{lost.request_id}/recover"))
    seen(tab.locator("#stands")).to_contain_text("SUCCEEDED")
    seen(overview.locator(f"#request-{lost.request_id}")).to_have_count(0)
    assert len(lost.live_cards()) == 1
    for each in (tab, overview):
        keep(cloud, each.content())


# ---- orders --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uploaded(Bulk):
    """An order that the console has made: its id comes of its rows."""

    order_id: str = ""

    @property
    def id(self) -> str:
        return self.order_id


@pytest.fixture(scope="module")
def waits(cloud: Cloud) -> Iterator[OwnAccount]:
    """The account whose orders wait for a second person."""
    account = OwnAccount(cloud, mark=NEEDS_APPROVAL.removeprefix("own-"))
    key = account.key("approval")
    with account.at_amazon(key):
        account.put(key)
        yield account


def test_an_order_is_uploaded_by_one_person_approved_by_another_and_its_result_read(
    cloud: Cloud, waits: OwnAccount, page: Browser, lacking: Browser, second: Browser, window: Window
) -> None:
    # given a file that the developer has uploaded, and that was checked
    bulk = Uploaded(cloud, ROWS, waits)
    sent = page.submit(page.get("/orders/new"), files={"file": ("cards.csv", bulk.csv.encode())}, account=waits.account)
    path = str(sent.find("a", string="Look at it now")["href"])
    bulk = replace(bulk, order_id=path.rpartition("/")[2])
    checked = bulk.wait_for(lambda order: order["status"] == "VALIDATED", "its file is checked")
    assert money(checked["total"]) in text_of(page.get(path).find(id="order"))
    assert bulk.cards() == []
    # when it is to be issued, then it waits, whoever lacks the right is told so, and whoever made it is refused
    page.submit(page.get(f"{path}/start"))
    bulk.wait_for(lambda order: order["status"] == "AWAITING_APPROVAL", "it waits for its approval")
    denied = text_of(lacking.submit(lacking.get(f"{path}/approve")))
    assert f"{DENIED} POST /orders/{{orderId}}/approve" in denied
    assert bulk.id in text_of(lacking.get("/orders").find(id="waiting"))
    assert "Refused." in text_of(page.submit(page.get(f"{path}/approve")))
    # and when another person approves what the page has shown, then whoever has it open sees it issued
    tab = window.tab(path)
    seen(tab.locator("#order")).to_contain_text("AWAITING_APPROVAL")
    second.submit(second.get(f"{path}/approve"))
    bulk.wait_for_the_end()
    seen(tab.locator("#order")).to_contain_text("FINISHED")
    keep(cloud, tab.content())
    order = bulk.read()
    shown = text_of(page.get(path).find(id="order"))
    assert (order["counts"]["issued"], len(bulk.cards())) == (ROWS, ROWS)
    assert order["decidedBy"] != order["createdBy"]
    for each in (
        f"Issued {ROWS}",
        *(money(each) for each in order["issuedTotals"]),
        order["decidedBy"].rpartition(":")[2],
    ):
        assert each in shown
    # and the spreadsheet is the result
    workbook = second.session.get(f"{second.origin}{path}/result.xlsx").content
    rows, result = rows_of(workbook), bulk.result()
    keep(cloud, json.dumps(rows))
    assert [{**row, "amount": Decimal(row["amount"])} for row in rows] == [
        {**row, "amount": Decimal(row["amount"])} for row in result
    ]


# ---- books ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def begun(books: Books) -> Books:
    """The same, which begin with the last day of a month. Whoever starts a console then has their days read."""
    books.balance(midday(DAY) - timedelta(hours=11), OPENING)
    return books


def test_a_day_with_a_difference_is_resolved_and_its_month_closed_and_signed_off_by_another_person(
    cloud: Cloud, page: Browser, second: Browser, begun: Books
) -> None:
    books = begun
    day_path, close_path = f"/books/{books.account}/{DAY}", f"/books/{books.account}/{MONTH}/close"
    # given a day with a card that nobody has ordered here, read and judged as the developer asked for
    noon = midday(DAY)
    books.row(f"{books.own.partner}STRANGER", noon)
    for hours in (11, 13):
        books.balance(noon + timedelta(hours=hours), OPENING - CARD)
    books.show_pages_at_once()
    page.submit(page.get(f"{day_path}/run"))
    told = books.ended(DAY)
    (difference,) = told["differences"]
    shown = page.get(day_path)
    row = text_of(shown.find(id=f"difference-{difference['differenceId']}"))
    for each in (difference["requestId"], money(difference), "1 charged"):
        assert each in row
    charges = money({**told["charges"], "currencyCode": told["currencyCode"]})
    for each in (told["status"], f"Charges {charges}", f"Unresolved {told['unresolved']}"):
        assert each in text_of(shown.find(id="day"))
    # when the month is closed, then that blocks it, until it is resolved
    books.judged(NEXT)
    blocked = page.submit(page.get(f"{close_path}/make"), amount=str(OPENING), source="statement 1")
    assert "It is BLOCKED, and nothing was closed." in text_of(blocked)
    resolve = page.get(f"{day_path}/differences/{difference['differenceId']}/resolve")
    page.submit(resolve, reason="explainedByAmazon", note="a card of another system")
    assert "Unresolved 0" in text_of(page.get(day_path).find(id="day"))
    page.submit(page.get(f"{close_path}/make"))
    closed = get(cloud, f"/closes/{books.account}/{MONTH}")
    shown = text_of(page.get(close_path))
    assert closed["status"] == "CLOSED"
    for each in ("CLOSED version 1", closed["manifestSha256"], amount(closed["figures"]["closing"])):
        assert each in shown
    # and whoever closed it does not sign it off, but somebody else does
    assert "Refused." in text_of(page.submit(page.get(f"{close_path}/sign-off")))
    assert "Done." in text_of(second.submit(second.get(f"{close_path}/sign-off")))
    signed = get(cloud, f"/closes/{books.account}/{MONTH}")
    assert signed["signedOffBy"] != signed["closedBy"]
    assert f"Signed off by {signed['signedOffBy'].rpartition(':')[2]}" in text_of(second.get(close_path))
    # and the files are there to be read
    link = f"{second.origin}/books/{books.account}/{MONTH}/files/{signed['manifest']['name']}"
    assert hashlib.sha256(second.session.get(link).content).hexdigest() == signed["manifestSha256"]


def test_no_claim_code_of_a_statement_leaves_this_machine(cloud: Cloud, begun: Books, lacking: Browser) -> None:
    books = begun
    # given yesterday's download, with the claim code of a card in it, whose columns somebody has mapped
    today = datetime.now(UTC).date()
    yesterday, order = today - timedelta(days=1), Placed(cloud, own=books.own)
    assert order.place().status == 201
    (card,) = order.cards()
    books.sandbox("DELETE", requestId=order.request_id, operation="CreateGiftCard", movesBalance=False)
    books.row(order.request_id, midday(yesterday))
    query = f"from={yesterday}T00:00:00Z&to={today}T00:00:00Z&account={books.own.partner}&zone={READING.zone}"
    download = cloud.sandbox.text(f"statement?{query}")
    assert card["claimCode"] in download
    files = {
        "file": ("download.csv", download.encode()),
        "mapping": ("portal.json", json.dumps(asdict(READING)).encode()),
    }
    days = dict.fromkeys(("from", "to"), yesterday.isoformat())
    mapped = lacking.submit(lacking.get(f"/books/{books.account}/statements/new"), files=files, **days)
    before = books.uploads_left()
    asking = lacking.get(str(mapped.find("a", string="It is right: on to the upload")["href"]))
    # when somebody uploads it who lacks the right to have it read, then the action and its route are named
    denied = text_of(lacking.submit(asking))
    assert f"{DENIED} POST /reconciliations/{{account}}/statements/{{statementId}}/read" in denied
    # and what lies there now has the card, and not its code
    s3, bucket = cloud.client("s3"), cloud.outputs.ordersBucketName
    (name,) = {*books.uploads_left()} - {*before}
    uploaded = s3.get_object(Bucket=bucket, Key=name)["Body"].read().decode()
    assert order.request_id in uploaded
    assert [each for each in (card["claimCode"], card["claimCode"].replace("-", "")) if each in uploaded] == []


# ---- now -----------------------------------------------------------------------------------------


def test_now_has_the_figures_of_the_api_and_of_cloudwatch(
    cloud: Cloud, own: OwnAccount, page: Browser, lacking: Browser
) -> None:
    cloud.invoke("SweepRequests")
    screen, told = Screen(of_local(cloud.outputs)), get(cloud, "/accounts")["accounts"]
    for browser in (page, lacking):
        shown = browser.get(f"/?account={own.account}")
        for each in told:
            row = text_of(shown.find(id=f"standing-{each['account']}"))
            assert each["state"] in row
            if each["balance"]:
                assert money(each["balance"]) in row

    def is_so() -> bool:
        """What was asked for lately is shared by all pages."""
        unknown = screen.metrics()["open"]["unknown"]
        return f"Unknown {unknown:,.0f} " in text_of(page.get("/").find(id="unknown"))

    wait_until(is_so, "what is unknown is shown")
    # and who may not ask CloudWatch hears that it takes that
    assert f"{DENIED} cloudwatch:ListMetrics" in text_of(lacking.get("/").find(id="busy"))


# ---- freezing ------------------------------------------------------------------------------------


def test_an_account_is_shown_frozen_with_who_did_it_and_why(
    cloud: Cloud, own: OwnAccount, page: Browser, lacking: Browser, window: Window
) -> None:
    route = "/accounts/{account}/freeze"
    # when somebody without the right freezes it, then the action and its route are named, and the screen is whole
    denied = text_of(lacking.submit(lacking.get(f"/accounts/{own.account}/freeze"), reason="a drill"))
    assert f"{DENIED} POST {route}" in denied
    assert "ACTIVE" in account_row(lacking, own.account)
    # and when the developer does, then all see it, also on a page that is open
    tab = window.tab("/")
    page.submit(page.get(f"/accounts/{own.account}/freeze"), reason="a drill")
    told = next(each for each in get(cloud, "/accounts")["accounts"] if each["account"] == own.account)
    for each in (page, lacking):
        assert f"by {told['frozen']['by']}" in (row := account_row(each, own.account))
        assert "a drill" in row
    assert told["frozen"]["by"] == "user/local-developer"
    seen(tab.locator(f"#frozen-{own.account}")).to_contain_text("a drill")
    page.submit(page.get(f"/accounts/{own.account}/unfreeze"))
    seen(tab.locator(f"#frozen-{own.account}")).to_have_count(0)
    assert "ACTIVE" in account_row(page, own.account)
