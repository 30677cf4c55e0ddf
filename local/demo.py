"""Issues the first gift card, and tells a newcomer what to try next."""

import json
import shlex
import time
import uuid

from local.outputs import Outputs
from local.signing import Caller, Response, send

FIRST_CARD = {"amount": "25.00", "currencyCode": "USD"}


class FirstCardFailedError(Exception):
    """The first gift card was not issued; the message holds the response."""


def issue_first_card(deployed: Outputs, key: str) -> tuple[Response, float]:
    """Issue a card through the signed API; return the response and the seconds it took.

    Raises:
        FirstCardFailedError: the response is not 201.
    """
    started = time.monotonic()
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
    return response, time.monotonic() - started


def new_key() -> str:
    """An idempotency key of its own for every start, since another Incentives API may remember those before."""
    return f"first-card-{uuid.uuid4().hex[:8]}"


def what_to_try(deployed: Outputs, key: str, response: Response | None) -> str:
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
    ]
    text = "\n".join(f"  # {what}\n  {command}" for what, command in lines)
    if deployed.sandboxUrl:
        text += f"\n  # what Amazon's stand-in saw\n  curl -s {deployed.sandboxUrl}/_sandbox/report"
    return text
