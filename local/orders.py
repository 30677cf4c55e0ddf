"""Places a bulk order and watches it: ``make order FILE=cards.csv``, or ``python -m local.orders cards.csv``.

Makes the order, puts its file, starts it and shows how far it is. The order's key is made from the file's rows, so that
the same command once more, or with the file saved anew, shows the same order and never makes a second one. To issue the
same rows again on purpose: --allow-same-rows, with a --key of its own. Ctrl-C ends the watching, not the order. Without
--stack it works on the local cloud; --stack NAME takes a deployed stack in the AWS account and region of the usual AWS
settings (AWS_PROFILE, AWS_REGION ...), which also sign.

Ends with 0 for an order that issued every card, or a dry run that found nothing; with 1 for one that did not; with 2 if
it could not be placed or read; with 3 while it goes on.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from incentives.domain.bulk_orders.bulk_order import FileFormat
from incentives.domain.bulk_orders.rows import FILE_BYTES_MAX, digest_of
from local import order_texts, outputs, settings
from local.signing import Caller, Response, send

FORMATS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
STARTABLE: Final = frozenset({"AWAITING_FILE", "INVALID", "VALIDATED"})
WATCHED: Final = frozenset({"VALIDATING", "ISSUING", "STOPPING", "SETTLING"})
#: After these nobody knows what happened, or it may work a little later; every call here may be repeated.
REPEAT_ON: Final = frozenset({429, 500, 502, 503, 504})
TRIES_MAX: Final = 5
FIRST_ERROR_STATUS: Final = 400
#: A file of the greatest size over a slow line.
PUT_SECONDS_MAX: Final = 600.0
#: Between two looks: at first a second, later more, since a large order takes hours.
LOOK_SECONDS: Final = (1.0, 10.0)
#: Without a terminal a line is written this often.
LINE_SECONDS: Final = 30.0


class OrderError(Exception):
    """The order could not be placed or read; the message says why."""


@dataclass(frozen=True)
class Gateway:
    """One deployment.

    Attributes:
        url: without the route.
        caller: who signs, asked each time: keys for a while are renewed under way.
        call: sends; see `signing.send`.
        sleep: passed in by tests.
    """

    url: str
    region: str
    caller: Callable[[], Caller] = field(repr=False)
    call: Callable[..., Response] = send
    sleep: Callable[[float], None] = time.sleep

    def order(self, method: str, route: str, body: object = None, *, key: str | None = None) -> dict[str, Any]:
        """Send one request about orders; return the order that was answered.

        Raises:
            OrderError: the gateway said no, or nothing.
        """
        headers = {"Idempotency-Key": key} if key is not None else {}
        response = self._repeated(
            lambda: self.call(
                method, self.url + route, caller=self.caller(), region=self.region, body=body, headers=headers
            )
        )
        try:
            found = response.body
        except ValueError:
            raise OrderError(f"{method} {route}: HTTP {response.status}, no JSON") from None
        if response.status >= FIRST_ERROR_STATUS:
            raise OrderError(found.get("detail") or f"{method} {route}: HTTP {response.status}")
        return dict(found)

    def put(self, upload: dict[str, Any], content: bytes) -> None:
        """Put a file where the order's response said.

        Raises:
            OrderError: it was not taken.
        """
        response = self._repeated(
            lambda: self.call(
                upload["method"],
                upload["url"],
                caller=None,
                region="",
                body=content,
                headers=upload["headers"],
                timeout_seconds=PUT_SECONDS_MAX,
            )
        )
        if response.status >= FIRST_ERROR_STATUS:
            # The response repeats the address, which is a secret for as long as it works.
            raise OrderError(f"The file was not taken: HTTP {response.status}.")

    def _repeated(self, attempt: Callable[[], Response]) -> Response:
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                response = attempt()
            except OSError as error:
                if not tries_left:
                    raise OrderError(f"No answer from {self.url}: {error}") from error
            else:
                if response.status not in REPEAT_ON or not tries_left:
                    return response
            self.sleep(1.0)
        raise AssertionError("unreachable: the last try returns or raises")


@dataclass(frozen=True)
class Desk:
    """What a run works with: the gateway, and where it writes.

    Attributes:
        stack: as given on the command line.
        clock: aware UTC.
    """

    gateway: Gateway
    out: TextIO
    stack: str | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def say(self, text: str) -> None:
        """Write a line."""
        print(text, file=self.out, flush=True)

    def command(self, order_id: str, action: str | None = None) -> str:
        """What to type to see an order again, or to have something done with it."""
        given = {"stack": self.stack, "order": order_id, "do": action}
        return f'make order ARGS="{" ".join(f"--{name} {text}" for name, text in given.items() if text)}"'


def place(desk: Desk, file: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Make the order of a file, put the file and start it, as far as that is not done already.

    Raises:
        OrderError: there is no such file, or the gateway refused.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise OrderError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise OrderError(f"{file} has more than {FILE_BYTES_MAX:,} bytes: make two orders of it.")
    chosen = given.format or FORMATS.get(file.suffix.lower())
    if chosen is None:
        raise OrderError(f"{file}: is it csv or jsonl? Say so with --format.")
    body = {"format": chosen, "onUnknown": given.on_unknown} | ({"account": given.account} if given.account else {})
    body |= {"allowSameRows": True} if given.allow_same_rows else {}
    order = desk.gateway.order("POST", "/orders", body, key=given.key or key_of(content, FileFormat(chosen)))
    desk.say(f"Order {order['orderId']}")
    if order["status"] not in STARTABLE:
        return order
    if order["upload"] is not None:
        desk.gateway.put(order["upload"], content)
    return desk.gateway.order("POST", f"/orders/{order['orderId']}/start", {"dryRun": given.dry_run})


def key_of(content: bytes, file_format: FileFormat) -> str:
    """An order's key by its file: the same for the same rows, however the file is written."""
    digest = digest_of(content, file_format)
    # Of a file that is refused, what is wrong is for the gateway to say: the order is but a way to hear it.
    return f"file-{hashlib.sha256(content).hexdigest()}" if digest is None else f"rows-{digest}"


def watch(desk: Desk, order: dict[str, Any]) -> dict[str, Any]:
    """Show how far an order is until there is nothing to wait for; return it as it then stands.

    Raises:
        OrderError: it could not be read any more.
    """
    on_terminal = desk.out.isatty()
    began = said_at = desk.clock()
    shown = ""
    while order["status"] in WATCHED:
        now = desk.clock()
        line = order_texts.progress(order, now)
        if on_terminal:
            # Blanks wipe out what is left of a longer line.
            print(f"\r{line:<{len(shown)}}", end="", file=desk.out, flush=True)
            shown = line
        elif not shown or order["status"] != shown or (now - said_at).total_seconds() >= LINE_SECONDS:
            desk.say(line)
            shown, said_at = order["status"], now
        shortest, longest = LOOK_SECONDS
        desk.gateway.sleep(min(longest, shortest + (now - began).total_seconds() / 60))
        order = desk.gateway.order("GET", f"/orders/{order['orderId']}")
    if on_terminal and shown:
        desk.say(f"\r{order_texts.progress(order, desk.clock()):<{len(shown)}}")
    return order


def tell(desk: Desk, order: dict[str, Any]) -> int:
    """Say how an order stands that nobody has to wait for; return the exit code."""
    match order["status"]:
        case "INVALID" if order["sameRowsAs"]:
            other = order["sameRowsAs"]
            desk.say(f"Nothing was issued: order {other} has the same rows. To see it:\n  {desk.command(other)}")
            desk.say("If none of its cards was charged and it has FINISHED, run the same command again.")
            desk.say("To issue them again on purpose, order them with --allow-same-rows and a new --key.")
            return 1
        case "INVALID":
            desk.say(f"The file was refused; nothing was issued. Wrong in {order['errorCount']:,} places:")
            for line in order_texts.errors(order):
                desk.say(line)
            return 1
        case "VALIDATED":
            desk.say(f"The file is good: {order_texts.totals(order)}. Nothing was issued.")
            for line in order_texts.left_out(order):
                desk.say(line)
            return 0
        case "FINISHED":
            for line in order_texts.summary(order):
                desk.say(line)
            return 0 if order["counts"]["issued"] == order["rows"] else 1
        case "PAUSED":
            reason = (order["pauseReason"] or "as somebody asked for").rstrip(".")
            desk.say(f"Paused: {reason}. Nothing is issued until it is resumed:")
            desk.say(f"  {desk.command(order['orderId'], 'resume')}")
            return 3
        case _:
            desk.say(f"Order {order['orderId']}: {order_texts.progress(order, desk.clock())}")
            return 3


def run(desk: Desk, given: argparse.Namespace) -> int:
    """Do what the command line asks for; return the exit code."""
    order_id = given.order
    try:
        if given.order is None:
            order = place(desk, given.file, given)
        elif given.do is None:
            order = desk.gateway.order("GET", f"/orders/{given.order}")
        else:
            order = desk.gateway.order("POST", f"/orders/{given.order}/{given.do}")
        order_id = order["orderId"]
        return tell(desk, watch(desk, order))
    except KeyboardInterrupt:
        if order_id is None:
            desk.say("\nThe same command once more goes on where this one ended.")
        else:
            desk.say(f"\nThe order goes on. To see it again:\n  {desk.command(order_id)}")
        return 3


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line; ends the program for a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m local.orders", description="Place a bulk order and watch it.")
    parser.add_argument("file", type=Path, nargs="?", help="CSV (key,amount,currency,reference) or JSON Lines")
    parser.add_argument("--account", help="name of the partner account; the deployment's default one if absent")
    parser.add_argument("--format", choices=sorted({*FORMATS.values()}), help="the file's, if its name does not tell")
    parser.add_argument("--on-unknown", choices=("retry", "reverse", "reissue"), default="retry")
    parser.add_argument("--dry-run", action="store_true", help="only check the file")
    parser.add_argument("--key", help="the order's idempotency key, instead of one made from the file's rows")
    parser.add_argument("--allow-same-rows", action="store_true", help="issue rows again on purpose; needs a --key")
    parser.add_argument("--order", metavar="ID", help="watch an order that was placed earlier")
    parser.add_argument("--do", choices=("pause", "resume", "stop"), help="with --order: do this first")
    parser.add_argument("--stack", metavar="NAME", help="a deployed stack instead of the local cloud")
    read = parser.parse_args(given)
    if (read.file is None) == (read.order is None):
        parser.error("name a file, or an order with --order")
    if read.do is not None and read.order is None:
        parser.error("--do needs --order")
    if read.allow_same_rows and read.key is None:
        # The key that the rows make is that of the order which has issued them.
        parser.error("--allow-same-rows needs a --key that no order has had")
    return read


def gateway_of(stack: str | None) -> Gateway:
    """The local cloud's gateway, or a deployed stack's.

    Raises:
        OrderError: the stack has no API of this kind, or nobody can sign.
        outputs.NotDeployedError: there is no local cloud.
    """
    if stack is None:
        deployed = outputs.load(settings.from_environment().outputs_file)
        caller = Caller(deployed.accessKeyId, deployed.secretAccessKey)
        return Gateway(deployed.apiUrl, deployed.region, lambda: caller)
    session = boto3.Session()
    found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    url = next((output.get("OutputValue", "") for output in found if output.get("OutputKey") == "ApiUrl"), "")
    credentials = session.get_credentials()
    if not url or credentials is None:
        raise OrderError(f"The stack {stack} has no output ApiUrl: is it an Incentives Gateway?")

    def signer() -> Caller:
        frozen = credentials.get_frozen_credentials()
        return Caller(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    return Gateway(url.rstrip("/"), session.region_name or "", signer)


def main(given: Sequence[str]) -> int:
    """Run; return the exit code."""
    read = arguments(given)
    try:
        return run(Desk(gateway_of(read.stack), sys.stdout, read.stack), read)
    except (OrderError, outputs.NotDeployedError, ValueError) as error:
        print(error, file=sys.stderr)
    except (ClientError, BotoCoreError) as error:
        print(f"AWS refused: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
