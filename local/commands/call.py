"""Signs and sends one request to any route: ``make call METHOD=POST ROUTE=/funds KEY=... BODY=...``."""

import json
from dataclasses import replace
from typing import Annotated, Final

import typer

from local import outputs, settings
from local.settings import RefusedError
from local.signing import Caller
from local.target import reach
from local.terminal import AsJson, Stack

SHOWN_HEADERS: Final = ("location", "retry-after", "idempotent-replayed", "cache-control", "content-type")
FIRST_ERROR_STATUS: Final = 400


def main(
    *,
    method: Annotated[str, typer.Option(envvar="METHOD", help="GET, POST or PUT")] = "GET",
    route: Annotated[str, typer.Option(envvar="ROUTE", help="with its query, as docs/openapi.json has it")] = "/funds",
    key: Annotated[str | None, typer.Option(envvar="KEY", help="the idempotency key")] = None,
    body: Annotated[str | None, typer.Option(envvar="BODY", help="JSON")] = None,
    signer: Annotated[str | None, typer.Option("--as", envvar="AS", help="invoker: sign as who may only call")] = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> int:
    """Sign one request to any route, send it, and print what comes back.

    It does not ask, whatever the request does. Ends with 1 for a status over 399.
    """
    target = reach(stack)
    if signer == "invoker":
        if stack:
            raise RefusedError("--as invoker is the local cloud's only.")
        deployed = outputs.load(settings.from_environment().outputs_file)
        invoker = Caller(deployed.invokerAccessKeyId, deployed.invokerSecretAccessKey)
        target = replace(target, caller=lambda: invoker)
    try:
        response = target.call(method.upper(), "/" + route.lstrip("/"), body, key=key)
    except OSError as error:
        raise RefusedError(f"No response from {target.api_url}: {error}") from error
    if not as_json:
        print(f"HTTP {response.status}")
        for name in SHOWN_HEADERS:
            if name in response.headers:
                print(f"{name}: {response.headers[name]}")
    try:
        print(json.dumps(response.body, indent=2))
    except ValueError:
        print(response.text)
    return 1 if response.status >= FIRST_ERROR_STATUS else 0
