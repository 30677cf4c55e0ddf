"""Places a bulk order and watches it: ``make order FILE=cards.csv``.

The order's key is made from the file's rows, so that the same command once more, or with the file saved anew, shows the
same order and never makes a second one. Ctrl-C ends the watching, not the order.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from incentives.domain.bulk_orders.bulk_order import FileFormat
from local import order_files
from local.calls import called, fetched, put
from local.commands import order_texts
from local.settings import RefusedError
from local.target import Target, reach
from local.terminal import AsJson, Stack, bar, console, print_json

WATCHED: Final = frozenset({"VALIDATING", "ISSUING", "STOPPING", "SETTLING"})
#: Between two looks: at first a second, later more, since a large order takes hours.
LOOK_SECONDS: Final = (1.0, 10.0)
#: Without a terminal a line is written this often.
LINE_SECONDS: Final = 30.0

Order = dict[str, Any]


@dataclass(frozen=True)
class Orders:
    """The bulk orders of one deployment.

    Attributes:
        stack: as given on the command line.
    """

    target: Target
    stack: str | None

    def call(self, method: str, route: str, body: object = None, *, key: str | None = None) -> Order:
        """Send one request about orders; return the order that was answered.

        Raises:
            RefusedError: the gateway said no, or nothing.
        """
        return called(self.target, method, route, body, key=key)

    def start(self, order: Order, content: bytes, *, dry_run: bool) -> Order:
        """Put an order's file and start it, as far as that is not done already."""
        if order["status"] not in order_texts.STARTABLE:
            return order
        if order["upload"] is not None:
            put(self.target, order["upload"], content, "file")
        return self.call("POST", f"/orders/{order['orderId']}/start", {"dryRun": dry_run})

    def command(self, order_id: str, action: str | None = None, *, save: str | None = None) -> str:
        """What to type to see an order again, to have something done with it, or to save its result."""
        given = {"stack": self.stack, "order": order_id, "do": action, "save": save}
        return f'make order ARGS="{" ".join(f"--{name} {text}" for name, text in given.items() if text)}"'

    def to_approve(self, order_id: str) -> str:
        """What a second person types."""
        return f"make approve ORDER={order_id}{f' STACK={self.stack}' if self.stack else ''}"


def main(
    file: Annotated[Path | None, typer.Argument(help="CSV (key,amount,currency,reference) or JSON Lines")] = None,
    *,
    account: Annotated[str | None, typer.Option(help="of the deployment; its default one if absent")] = None,
    file_format: Annotated[
        Literal["csv", "jsonl"] | None, typer.Option("--format", help="the file's, if its name does not tell")
    ] = None,
    on_unknown: Annotated[
        Literal["retry", "reverse", "reissue"], typer.Option(help="what to do with a card that Amazon does not tell of")
    ] = "retry",
    budget: Annotated[str | None, typer.Option(help="the budget that the sum is taken from")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only check the file")] = False,
    key: Annotated[str | None, typer.Option(help="the order's own, instead of one made from the file's rows")] = None,
    allow_same_rows: Annotated[
        bool, typer.Option("--allow-same-rows", help="issue rows again on purpose; needs a --key")
    ] = False,
    order_id: Annotated[str | None, typer.Option("--order", help="watch one that was placed earlier")] = None,
    action: Annotated[
        Literal["pause", "resume", "stop"] | None, typer.Option("--do", help="with --order: do this first")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="at its end, save its result there: .csv, or .xlsx")] = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> int:
    """Place a bulk order and watch it.

    Ends with 0 for an order that issued every card, or a dry run that found nothing; with 1 for one that did not; with
    2 if it could not be placed or read, or its result not be saved; with 3 while it goes on, or waits for somebody.
    """
    _refuse_nonsense(file, order_id, action, key=key, allow_same_rows=allow_same_rows, save=save)
    content, chosen = _read(file, file_format) if file else (b"", FileFormat.CSV)
    orders = Orders(reach(stack), stack)
    try:
        if order_id is None:
            body: dict[str, object] = {"format": chosen.value, "onUnknown": on_unknown}
            body |= {"account": account} if account else {}
            body |= {"budget": budget} if budget else {}
            body |= {"allowSameRows": True} if allow_same_rows else {}
            order = orders.call("POST", "/orders", body, key=key or order_files.key_of(content, chosen))
            order_id = order["orderId"]
            if not as_json:
                print(f"Order {order_id}", flush=True)
            order = orders.start(order, content, dry_run=dry_run)
        elif action is None:
            order = orders.call("GET", f"/orders/{order_id}")
        else:
            order = orders.call("POST", f"/orders/{order_id}/{action}")
        order = watch(orders, order, silent=as_json)
    except KeyboardInterrupt:
        if order_id is None:
            print("\nThe same command once more goes on where this one ended.")
        else:
            print(f"\nThe order goes on. To see it again:\n  {orders.command(order_id)}")
        return 3
    if as_json:
        print_json(order)
    else:
        print("\n".join(tell(orders, order)), flush=True)
    if save is not None:
        _save(orders, order, save, silent=as_json)
    return status_of(order)


def _refuse_nonsense(
    file: Path | None,
    order_id: str | None,
    action: str | None,
    *,
    key: str | None,
    allow_same_rows: bool,
    save: Path | None,
) -> None:
    if (file is None) == (order_id is None):
        raise RefusedError("name a file, or an order with --order")
    if action is not None and order_id is None:
        raise RefusedError("--do needs --order")
    if allow_same_rows and key is None:
        # The key that the rows make is that of the order which has issued them.
        raise RefusedError("--allow-same-rows needs a --key that no order has had")
    if save is not None and save.suffix.lower() not in order_files.SAVED_AS:
        raise RefusedError(f"--save {save}: a result is saved as {' or '.join(order_files.SAVED_AS)}")


def _read(file: Path, file_format: str | None) -> tuple[bytes, FileFormat]:
    """A file of rows.

    Raises:
        RefusedError: there is no such file, or it cannot be ordered.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RefusedError(f"{file} cannot be read: {error.strerror}") from error
    why = order_files.why_not_sent(content)
    if why is not None:
        raise RefusedError(f"{file} {why}.")
    chosen = FileFormat(file_format) if file_format else order_files.format_of(file.name)
    if chosen is None:
        raise RefusedError(f"{file}: is it csv or jsonl? Say so with --format.")
    return content, chosen


def _save(orders: Orders, order: Order, path: Path, *, silent: bool) -> None:
    """Save an order's result.

    Raises:
        RefusedError: it has none (yet, or any more), or the file cannot be written.
    """
    if order["result"] is None:
        raise RefusedError(f"Nothing was saved: order {order['orderId']} has no result while it is {order['status']}.")
    with bar(f"Saving {path}", silent=silent):
        result = fetched(orders.target, order["result"]["url"], "result")
        content = order_files.SAVED_AS[path.suffix.lower()](result)
        try:
            path.write_bytes(content)
        except OSError as error:
            raise RefusedError(f"{path} cannot be written: {error.strerror}") from error
    if not silent:
        print(f"Saved as {path}.", flush=True)


def watch(orders: Orders, order: Order, *, silent: bool = False) -> Order:
    """Show how far an order is until there is nothing to wait for; return it as it then stands.

    Raises:
        RefusedError: it could not be read any more.
    """
    began = said_at = time.monotonic()
    said = ""
    in_lines = not silent and not console().is_terminal
    with bar("", silent=silent) as show:
        while order["status"] in WATCHED:
            now, line = time.monotonic(), order_texts.progress(order, datetime.now(UTC))
            show(description=line, completed=order_texts.ended(order), total=order["rows"])
            if in_lines and (order["status"] != said or now - said_at >= LINE_SECONDS):
                print(line, flush=True)
                said, said_at = order["status"], now
            shortest, longest = LOOK_SECONDS
            time.sleep(min(longest, shortest + (now - began) / 60))
            order = orders.call("GET", f"/orders/{order['orderId']}")
    return order


def status_of(order: Order) -> int:
    """The exit status for an order that nobody has to wait for."""
    match order["status"]:
        case "INVALID":
            return 1
        case "VALIDATED":
            return 0 if order["dryRun"] else 1
        case "FINISHED":
            return 0 if order["counts"]["issued"] == order["rows"] else 1
        case _:
            return 3


def tell(orders: Orders, order: Order) -> Iterator[str]:
    """How an order stands that nobody has to wait for."""
    match order["status"]:
        case "INVALID" if order["sameRowsAs"]:
            other = order["sameRowsAs"]
            yield f"Nothing was issued: order {other} has the same rows. To see it:\n  {orders.command(other)}"
            yield "If none of its cards was charged and it has FINISHED, run the same command again."
            yield "To issue them again on purpose, order them with --allow-same-rows and a new --key."
        case "INVALID":
            yield f"The file was refused; nothing was issued. Wrong in {order['errorCount']:,} places:"
            yield from order_texts.errors(order)
        case "VALIDATED":
            yield f"The file is good: {order_texts.totals(order)}. Nothing was issued."
            yield from order_texts.left_out(order)
            yield from order_texts.not_started(order)
        case "AWAITING_APPROVAL":
            yield f"The file is good: {order_texts.totals(order)}. Nothing is issued before somebody approves it."
            yield from order_texts.left_out(order)
            yield f"Until {order['approvalUntil']} anybody may who neither made nor started it:"
            yield f"  {orders.to_approve(order['orderId'])}"
        case "FINISHED":
            yield from order_texts.summary(order)
            if order["result"] is not None:
                yield f"To save it for a spreadsheet:\n  {orders.command(order['orderId'], save='result.xlsx')}"
        case "PAUSED":
            reason = (order["pauseReason"] or "as somebody asked for").rstrip(".")
            yield f"Paused: {reason}. Nothing is issued until it is resumed:"
            yield f"  {orders.command(order['orderId'], 'resume')}"
        case _:
            yield f"Order {order['orderId']}: {order_texts.progress(order, datetime.now(UTC))}"
