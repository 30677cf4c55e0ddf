"""Puts the console together: its routes, their guard, and what they work with."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from console import confirm
from console.endings import Endings
from console.figures import Figures, Shared, Source
from console.forms import Forms
from console.gateway import GET_SECONDS_MAX, Gateway
from console.guard import Guard
from console.page import FOLDER, Console, environment, nothing
from console.screens import accounts, books, budgets, now, orders, recovery, requests
from console.threads import Threads
from incentives.domain.bulk_orders import rows
from incentives.domain.reconciliation import statement_files
from local.target import Target

#: Calls to the API at a time, of all pages together.
CALLS_MAX: Final = 16
#: Of a request: a file of the greatest size, and what is around it.
BODY_BYTES_MAX: Final = max(rows.FILE_BYTES_MAX, statement_files.FILE_BYTES_MAX) + 65_536
#: Uploads stay in memory.
MultiPartParser.spool_max_size = BODY_BYTES_MAX

ROUTES: Final = (
    *accounts.ROUTES,
    *books.ROUTES,
    *budgets.ROUTES,
    *now.ROUTES,
    *orders.ROUTES,
    *recovery.ROUTES,
    *requests.ROUTES,
    *confirm.ROUTES,
    Mount("/static", StaticFiles(directory=FOLDER / "static")),
)


@dataclass(frozen=True)
class Served:
    """The console as a server runs it.

    Attributes:
        app: behind its guard.
        address: what the person opens; whoever knows it may do what the person may.
        forms: that were sent.
    """

    app: ASGIApp
    address: str
    forms: Forms


def build(
    target: Target, *, port: int, figures: Source, now: Callable[[], datetime], zone: tzinfo | None = None
) -> Served:
    """A console for a deployment.

    Args:
        target: whose API is called, and who signs.
        port: on 127.0.0.1, which somebody else listens on for it.
        figures: where those of CloudWatch come from.
        now: the clock; aware UTC.
        zone: in which times are shown; that of this machine if None.
    """
    executor, forms = Threads(CALLS_MAX, wait_seconds=GET_SECONDS_MAX), Forms(now)
    app = Starlette(routes=ROUTES, exception_handlers={HTTPException: _http_error, Exception: _failed})
    gateway, shared = Gateway(target, executor, now), Shared(now)
    app.state.console = Console(
        gateway=gateway,
        forms=forms,
        figures=Figures(gateway, figures, shared),
        shared=shared,
        now=now,
        zone=zone,
        environment=environment(now, zone),
        endings=Endings(now),
    )
    token = secrets.token_urlsafe(24)
    guard = Guard(app, port=port, token=token, cookie_value=secrets.token_urlsafe(24), body_bytes_max=BODY_BYTES_MAX)
    return Served(guard, f"http://127.0.0.1:{port}/?token={token}", forms)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for no other
    return nothing(request, error.status_code, HTTPStatus(error.status_code).phrase, error.detail)


async def _failed(request: Request, error: Exception) -> Response:
    why = f"It is {type(error).__name__}. What was sent stays sent: look at it before you send it again."
    return nothing(request, HTTPStatus.INTERNAL_SERVER_ERROR, "The console failed", why)
