"""Starts another round of recovery by hand and watches it: ``make resume REQUEST_ID=...``."""

import time
from typing import Annotated, Any, Final

import typer

from local.settings import RefusedError
from local.target import Target, reach
from local.terminal import Stack, bar

LOOK_SECONDS: Final = 1.0
ACCEPTED: Final = 202
OK: Final = 200
OPEN: Final = ("PENDING", "RECOVERING", "REVERSING")
ROUTES: Final = {
    "CreateGiftCard": "gift-cards",
    "ActivateGiftCard": "activations",
    "LoadAmazonBalance": "balance-loads",
}


def main(
    request_id: Annotated[str, typer.Argument(envvar="REQUEST_ID", show_default=False, help="which one")] = "",
    *,
    seconds: Annotated[float, typer.Option(envvar="SECONDS", help="how long to watch it")] = 120.0,
    stack: Stack = None,
) -> int:
    """Have another round of recovery begin for an open or escalated request, and watch it.

    Amazon is asked again under the same request id, or it is reversed, as whoever ordered it wanted. Ends with 0 when
    it has ended, with 3 while it is open, with 2 when it cannot be recovered.
    """
    if not request_id.strip():
        raise RefusedError("REQUEST_ID= is missing: which request?")
    until = time.monotonic() + seconds
    target = reach(stack)
    status, body = _call(target, "POST", f"/requests/{request_id.strip()}/recover")
    if status != ACCEPTED:
        raise RefusedError(str(body.get("detail", body)))
    with bar(f"Recovering {request_id.strip()}"):
        return _watch(target, f"/{ROUTES[body['operation']]}/{request_id.strip()}", until)


def _watch(target: Target, route: str, until: float) -> int:
    shown = ""
    while True:
        status, body = _call(target, "GET", route)
        now = f"{body.get('requestId')} is {body.get('status')}" if status == OK else str(body)
        if now != shown:
            print(now, flush=True)
            shown = now
        if body.get("status") not in OPEN:
            return 0
        if time.monotonic() >= until:
            return 3
        time.sleep(LOOK_SECONDS)


def _call(target: Target, method: str, route: str) -> tuple[int, dict[str, Any]]:
    response = target.call(method, route)
    return response.status, response.body if isinstance(response.body, dict) else {"detail": response.text}
