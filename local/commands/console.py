"""Serves the console on this machine: ``make console [STACK=] [PORT=]``, until Ctrl-C."""

import logging
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
import uvicorn
from botocore.exceptions import BotoCoreError, ClientError
from starlette.types import ASGIApp

from console import app
from local import settings
from local.commands.watch import Screen, watch_accounts_once
from local.settings import RefusedError
from local.target import reach
from local.terminal import StackVariable

#: Nobody waits for a slow call after Ctrl-C.
UNANSWERED: Final = (
    "Something was sent and not answered before the end. It may have been done: look before you send it again."
)


def main(
    *,
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65_535, help="of 127.0.0.1; 0 is any free one")] = 0,
    stack: StackVariable = None,
) -> int:
    """Serve pages for operators and finance on this machine, until Ctrl-C.

    It prints the address to open, which is a secret for as long as this runs. What the pages show and do is signed as
    you, and each thing that changes something asks first: docs/console.md.
    """
    target = reach(stack)
    with _listening(port) as listening:
        served = app.build(
            target, port=listening.getsockname()[1], figures=Screen(target), now=lambda: datetime.now(UTC)
        )
        print(f"The console of {target.stack}, until Ctrl-C. Whoever has this address may do what you may:", flush=True)
        print(f"  {served.address}", flush=True)
        running = server(served.app)
        # No call is waited for in the end, and that is no error.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not running.should_exit)
        with suppress(KeyboardInterrupt):
            if target.is_local:
                # Who may not do that, or does not reach it, sees figures that are older.
                with suppress(ClientError, BotoCoreError):
                    watch_accounts_once(target)
            running.run(sockets=[listening])
    if served.forms.unanswered:
        print(UNANSWERED, flush=True)
    return 0


def server(application: ASGIApp) -> uvicorn.Server:
    """Runs the console. No header of a proxy is believed, and nothing is logged: addresses hold ids."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_level="warning",
            ws="none",
            http="h11",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )


def _listening(port: int) -> socket.socket:
    """A socket on this machine's own address.

    Raises:
        RefusedError: somebody else has the port.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise RefusedError(
            f"PORT {port} cannot be had: {error.strerror}. Without PORT= any free one is taken."
        ) from error
    return listening
