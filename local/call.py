"""Signs and sends one request to any route of the local API: ``make call METHOD=POST ROUTE=/funds KEY=... BODY=...``.

Environment (all optional): METHOD (GET), ROUTE (/funds), KEY (the idempotency key), BODY (JSON), and AS=invoker to
sign as the caller that may only call. Prints status, the headers that matter and the body; ends with 1 for a status
over 399.
"""

import json
import os
import sys

from local import outputs, settings
from local.signing import Caller, send

SHOWN_HEADERS = ("location", "retry-after", "idempotent-replayed", "cache-control", "content-type")
FIRST_ERROR_STATUS = 400


def main() -> int:
    """Run; return the exit code."""
    try:
        deployed = outputs.load(settings.from_environment().outputs_file)
    except (outputs.NotDeployedError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if os.environ.get("AS") == "invoker":
        caller = Caller(deployed.invokerAccessKeyId, deployed.invokerSecretAccessKey)
    else:
        caller = Caller(deployed.accessKeyId, deployed.secretAccessKey)
    route = "/" + os.environ.get("ROUTE", "/funds").lstrip("/")
    key = os.environ.get("KEY")
    try:
        response = send(
            os.environ.get("METHOD", "GET").upper(),
            deployed.apiUrl + route,
            caller=caller,
            region=deployed.region,
            body=os.environ.get("BODY"),
            headers={"Idempotency-Key": key} if key else {},
        )
    except OSError as error:
        print(f"No answer from {deployed.apiUrl}: {error}", file=sys.stderr)
        return 2
    print(f"HTTP {response.status}")
    for name in SHOWN_HEADERS:
        if name in response.headers:
            print(f"{name}: {response.headers[name]}")
    try:
        print(json.dumps(response.body, indent=2))
    except ValueError:
        print(response.text)
    return 1 if response.status >= FIRST_ERROR_STATUS else 0


if __name__ == "__main__":
    sys.exit(main())
