"""Start everything, issue a gift card, and stay until Ctrl-C."""

import json
import shlex
import signal
import time
import uuid
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Final

import typer

from local import cloud, settings
from local.cloud.processes import ServiceFailedError
from local.outputs import Outputs
from local.signing import Caller, Response, send
from local.terminal import bar, complain

# Between two looks at whether the services are still there.
LOOK_SECONDS: Final = 0.5
# A shell expects 130 of a program that Ctrl-C ended; but that is how this one is meant to end.
ENDED_AS_ASKED: Final = 0
FIRST_CARD: Final = {"amount": "25.00", "currencyCode": "USD"}


class FirstCardFailedError(Exception):
    """The first gift card was not issued; the message holds the response."""


class _AskedToEnd(BaseException):
    """SIGINT or SIGTERM came."""


def main(
    *, background: Annotated[bool, typer.Option("--background", help="return once it runs; `down` ends it")] = False
) -> int:
    """Start the local cloud, issue one gift card at the sandbox, stay until Ctrl-C.

    With INCENTIVES_ENDPOINT=URL there is no sandbox: it works against that Incentives API, and issues no card. Ends
    with 1 if something did not start, or ended by itself.
    """
    _on_signals(_ask_to_end)
    chosen = settings.from_environment()
    deployed: Outputs | None = None
    try:
        started = time.monotonic()
        with bar("Starting the local cloud", cloud.STEPS + 1) as show:

            def say(line: str) -> None:
                print(line, flush=True)
                show(advance=1)

            deployed = cloud.up(chosen, say)
            key = f"first-card-{uuid.uuid4().hex[:8]}"
            # Against somebody else's Incentives API no card is issued that nobody asked for.
            response = _issue_first_card(deployed, key, started) if deployed.sandboxUrl else None
        print(f"\nThe API is at {deployed.apiUrl} and wants signed requests. To try next, in another terminal:\n")
        print(_what_to_try(deployed, key, response))
        if background:
            print("\nRunning in the background; `make down` ends it.")
            return 0
        print("\nRunning; Ctrl-C ends it.", flush=True)
        while cloud.is_up(chosen, deployed):
            time.sleep(LOOK_SECONDS)
        complain("A service has ended; so does this.")
    except _AskedToEnd:
        _on_signals(signal.SIG_IGN)
        print()
        with bar("Stopping"):
            _take_down(chosen, deployed)
        return ENDED_AS_ASKED
    except (ServiceFailedError, FirstCardFailedError, OSError) as error:
        complain(f"\n{error}")
    _on_signals(signal.SIG_IGN)
    _take_down(chosen, deployed)
    return 1


def _issue_first_card(deployed: Outputs, key: str, started: float) -> Response:
    began = time.monotonic()
    response = send(
        "POST",
        f"{deployed.apiUrl}/gift-cards",
        caller=Caller(deployed.accessKeyId, deployed.secretAccessKey),
        region=deployed.region,
        body=FIRST_CARD,
        headers={"Idempotency-Key": key},
    )
    if response.status != 201:  # noqa: PLR2004 - HTTP's Created
        raise FirstCardFailedError(f"The first gift card was not issued: HTTP {response.status}\n{response.text}")
    now = time.monotonic()
    print(f"  {'first gift card':<16} {now - began:5.1f} s   ({now - started:.0f} s in all)")
    print(f"\nHTTP {response.status}\n{json.dumps(response.body, indent=2)}")
    return response


def _what_to_try(deployed: Outputs, key: str, response: Response | None) -> str:
    """Commands for the next minutes, each on one line."""
    body = shlex.quote(json.dumps(FIRST_CARD))
    request_id = response.body["requestId"] if response else "REQUEST_ID"
    again = "the same order again: no second card" if response else "a gift card"
    lines = [
        (again, f"make call METHOD=POST ROUTE=/gift-cards KEY={key} BODY={body}"),
        ("what the ledger knows", f"make call ROUTE=/gift-cards/{request_id}"),
        ("its claim code once more", f"make call METHOD=POST ROUTE=/gift-cards/{request_id}/claim-code"),
        ("cancel it", f"make call METHOD=POST ROUTE=/gift-cards/{request_id}/cancel"),
        ("what is left to spend", "make call ROUTE=/funds"),
        ("the same and more, as pages in the browser", "make console"),
    ]
    if deployed.sandboxUrl:
        lines.append(("what Amazon's stand-in saw", f"curl -s {deployed.sandboxUrl}/_sandbox/report"))
    return "\n".join(f"  # {what}\n  {command}" for what, command in lines)


def _take_down(chosen: settings.Settings, deployed: Outputs | None) -> None:
    # A later start in the same folder has ended ours already; then what runs there now is not ours to end.
    if deployed is None or cloud.is_current(chosen, deployed):
        cloud.down(chosen)


def _ask_to_end(_number: int, _frame: FrameType | None) -> None:
    raise _AskedToEnd


def _on_signals(act: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    # While things are tidied up a second Ctrl-C must not cut that short.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, act)
