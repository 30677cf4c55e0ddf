"""Starts another round of recovery by hand and watches it: ``make resume REQUEST_ID=...``.

Asks the local cloud's own route, POST /requests/{requestId}/recover, and reads the request until it has ended or
SECONDS (default 120) are over. On a deployed stack call the same route with the operator's own signature.
"""

import os
import sys
import time
from typing import Any

from local import outputs, settings
from local.outputs import Outputs
from local.signing import Caller, send

SECONDS_DEFAULT = 120.0
LOOK_SECONDS = 1.0
ACCEPTED = 202
OK = 200
OPEN = ("PENDING", "RECOVERING", "REVERSING")
ROUTES = {"CreateGiftCard": "gift-cards", "ActivateGiftCard": "activations", "LoadAmazonBalance": "balance-loads"}


def main() -> int:
    """Run; return the exit code: 0 when the request has ended, 3 while it is open, 2 when it cannot be recovered."""
    request_id = (sys.argv[1] if len(sys.argv) > 1 else os.environ.get("REQUEST_ID", "")).strip()
    if not request_id:
        print("REQUEST_ID= is missing: which request?", file=sys.stderr)
        return 2
    try:
        until = time.monotonic() + float(os.environ.get("SECONDS") or SECONDS_DEFAULT)
        deployed = outputs.load(settings.from_environment().outputs_file)
    except (outputs.NotDeployedError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    status, body = _call(deployed, "POST", f"/requests/{request_id}/recover")
    if status != ACCEPTED:
        print(body.get("detail", body), file=sys.stderr)
        return 2
    return _watch(deployed, f"/{ROUTES[body['operation']]}/{request_id}", until)


def _watch(deployed: Outputs, route: str, until: float) -> int:
    shown = ""
    while True:
        status, body = _call(deployed, "GET", route)
        now = f"{body.get('requestId')} is {body.get('status')}" if status == OK else str(body)
        if now != shown:
            print(now, flush=True)
            shown = now
        if body.get("status") not in OPEN:
            return 0
        if time.monotonic() >= until:
            return 3
        time.sleep(LOOK_SECONDS)


def _call(deployed: Outputs, method: str, route: str) -> tuple[int, dict[str, Any]]:
    caller = Caller(deployed.accessKeyId, deployed.secretAccessKey)
    response = send(method, deployed.apiUrl + route, caller=caller, region=deployed.region)
    return response.status, response.body if isinstance(response.body, dict) else {"detail": response.text}


if __name__ == "__main__":
    sys.exit(main())
