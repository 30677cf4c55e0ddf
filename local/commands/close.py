"""Closes a month, or signs a closed one off: ``make close MONTH=2026-11``.

Safe to repeat: what the books hold decides the version, so the same command again shows the same close.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from incentives.domain.reconciliation.days import days_of
from local.calls import called
from local.commands.put_keys import Account, checked
from local.settings import RefusedError
from local.target import Target, reach
from local.terminal import AsJson, StackVariable, bar, console, print_json, table

Close = dict[str, Any]


def main(
    *,
    month: Annotated[str, typer.Option(envvar="MONTH", help="such as 2026-11")] = "",
    account: Account = "",
    opening: Annotated[
        str, typer.Option(envvar="OPENING", help="balance with which the first month begins, such as 10000.00")
    ] = "",
    source: Annotated[str, typer.Option(envvar="SOURCE", help="where you have the opening balance from")] = "",
    show: Annotated[bool, typer.Option("--show", help="only show how it stands")] = False,
    sign_off: Annotated[bool, typer.Option("--sign-off", help="sign the closed month off, as a second person")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="with --sign-off: do not ask")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Close a month, and show its figures or what blocks it.

    Ends with 0 if it is closed, with 1 if it is blocked or stale, with 2 if it was refused.
    """
    if not month:
        raise RefusedError("MONTH is needed, such as 2026-11")
    check_month(month)
    if bool(opening) != bool(source):
        raise RefusedError("OPENING and SOURCE go together: the balance, and where you have it from")
    target, route = reach(stack), f"/closes/{checked(account)}/{month}"
    body = {"opening": {"amount": opening, "source": source}} if opening else None
    if show or sign_off:
        close = called(target, "GET", route)
    else:
        with bar(f"Closing {month}", silent=as_json):
            close = called(target, "POST", route, body)
    if sign_off:
        close = _sign(target, route, close, yes=yes, silent=as_json)
    if as_json:
        print_json(close)
    else:
        _tell(close)
    return 0 if close["status"] == "CLOSED" else 1


def check_month(text: str) -> None:
    """Refuse what is no month. Raises `RefusedError`."""
    try:
        days_of(text)
    except ValueError as error:
        raise RefusedError(f"MONTH {error}") from None


def _sign(target: Target, route: str, close: Close, *, yes: bool, silent: bool) -> Close:
    if close["status"] != "CLOSED" or close["signedOffBy"]:
        # What is wrong with it is told below, as is who has signed it.
        return close
    if not silent:
        _tell(close)
    if not yes and not typer.confirm("Are these figures right? Sign them off"):
        raise typer.Abort
    return called(target, "POST", f"{route}/sign-off", {"manifestSha256": close["manifestSha256"]})


def _tell(close: Close) -> None:
    version = f", version {close['version']}" if close["version"] else ""
    print(f"{close['account']} {close['month']}: {close['status']}{version}", flush=True)
    if close["figures"]:
        shown = table("", "Count", "Amount", "")
        for name, count, amount, currency in rows_of(close["figures"]):
            shown.add_row(name, count, amount, currency)
        console().print(shown)
    if close["manifestSha256"]:
        print(f"Manifest: {close['manifestSha256']}", flush=True)
        print(f"Closed by {close['closedBy']} at {close['closedAt']}", flush=True)
        signed = close["signedOffBy"]
        print(f"Signed off by {signed} at {close['signedOffAt']}" if signed else "Not signed off yet", flush=True)
    if close["blockedBy"]:
        print("What blocks it:" if close["status"] == "BLOCKED" else "What blocks its next version:", flush=True)
        for reason in close["blockedBy"]:
            print(f"  {reason}", flush=True)
        print("docs/month-end.md says what to do about each.", flush=True)
    elif close["status"] == "STALE":
        print("What it was made of has changed. To make the next version, close it again.", flush=True)


def rows_of(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Figures as a table: name, count, amount, currency."""
    currency = figures["currencyCode"]

    def line(name: str, amount: str, count: int | None = None) -> tuple[str, str, str, str]:
        return name, "" if count is None else f"{count:,}", amount, currency

    if figures["opening"] is not None:
        yield line("Opening balance", figures["opening"])
        yield line("+ movements", figures["movements"])
        for each in figures["movementsByType"]:
            yield line(f"    {each['name']}", each["amount"])
    yield line("- charges", figures["charges"]["amount"], figures["charges"]["count"])
    yield line("+ refunds", figures["refunds"]["amount"], figures["refunds"]["count"])
    if figures["closing"] is not None:
        yield line("= closing balance", figures["closing"])
    else:
        yield "(without a balance)", "", "", ""
    yield line("Ledger", figures["ledger"])
    for each in figures["bridge"]:
        yield line(f"    {each['name']}", each["amount"])
    for each in figures["foreign"]:
        yield f"Other {each['name']}", "", each["amount"], each["currencyCode"]
    for name in ("opening", "new", "ended", "closing"):
        its = figures["openItems"][name]
        yield line(f"Open items, {name}", its["amount"], its["count"])
    yield "Differences resolved", f"{figures['differencesResolved']:,}", "", ""
