"""The console as a process in front of the deployed system, with IAM enforced: what is shown is what the API says."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from bs4 import Tag

from console.page import amount
from tests.console.served import Browser, text_of
from tests.stack.cloud import Cloud
from tests.stack.console import Console, command, console, person
from tests.stack.orders import OwnAccount

pytestmark = pytest.mark.stack

#: Of every screen one right, which the person who lacks them has not.
LACKING: Final = ("POST/accounts/*/freeze",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("consoles")


@pytest.fixture(scope="module")
def own(cloud: Cloud) -> Iterator[OwnAccount]:
    """An account of its own."""
    made = OwnAccount(cloud)
    key = made.key("console")
    with made.at_amazon(key):
        made.put(key)
        # An account is known once something was asked about it.
        assert cloud.call("GET", f"/funds?account={made.account}").status == 200
        yield made


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
        shown = text_of(started.browser().get("/accounts").find(id="accounts"))
        print(  # noqa: T201 - what a newcomer waits for
            f"\nThe console printed its address {started.seconds:.1f} s after its command, and showed figures after "
            f"{time.monotonic() - begun:.1f} s"
        )
        assert cloud.outputs.accountName in shown
        assert started.end() == (0, "")
        assert not started.group_is_left


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


def test_an_account_is_shown_frozen_with_who_did_it_and_why(
    cloud: Cloud, own: OwnAccount, page: Browser, lacking: Browser
) -> None:
    route = "/accounts/{account}/freeze"
    # when somebody without the right freezes it, then the action and its route are named, and the screen is whole
    denied = text_of(lacking.submit(lacking.get(f"/accounts/{own.account}/freeze"), reason="a drill"))
    assert f"You may not see or do this. It takes the right to call POST {route}" in denied
    assert "ACTIVE" in account_row(lacking, own.account)
    # and when the developer does, then both see it
    page.submit(page.get(f"/accounts/{own.account}/freeze"), reason="a drill")
    told = next(each for each in get(cloud, "/accounts")["accounts"] if each["account"] == own.account)
    for each in (page, lacking):
        assert f"by {told['frozen']['by']}: a drill" in account_row(each, own.account)
    assert told["frozen"]["by"] == "user/local-developer"
    page.submit(page.get(f"/accounts/{own.account}/unfreeze"))
    assert "ACTIVE" in account_row(page, own.account)


def test_accounts_are_shown_as_the_api_has_them(cloud: Cloud, own: OwnAccount, page: Browser) -> None:
    told = get(cloud, "/accounts")["accounts"]
    assert told
    for each in told:
        shown = account_row(page, each["account"])
        assert each["state"] in shown
        assert (f"{each['keyAgeDays']} days" in shown) is (each["keyAgeDays"] is not None)
        if each["balance"]:
            assert money(each["balance"]) in shown
