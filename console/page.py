"""How pages are made: templates, and the words for money, times and states that all of them use."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console.endings import Endings
from console.figures import Figures, Shared
from console.forms import Forms
from console.gateway import Gateway, Reply
from console.uploads import Uploads
from incentives.domain.accounts.freezing import shown_caller
from local.commands.order_texts import NOBODY

FOLDER: Final = Path(__file__).parent
#: Screens, in the order of the navigation: what they are called, and where they begin.
SCREENS: Final = (
    ("Now", "/"),
    ("Requests", "/requests"),
    ("Recovery", "/recovery"),
    ("Orders", "/orders"),
    ("Books", "/books"),
    ("Budgets", "/budgets"),
    ("Accounts", "/accounts"),
)
_SESSION: Final = re.compile(r"assumed-role/AWSReservedSSO_(?P<permissions>.+)_[0-9a-f]{16}/(?P<name>.+)")


@dataclass(frozen=True)
class Console:
    """What all screens work with.

    Attributes:
        gateway: the API.
        forms: of this process.
        figures: of CloudWatch, as `make watch` reads them.
        shared: what all pages ask for together.
        now: the clock; aware UTC.
        zone: the person's; None is that of this machine.
        endings: of requests that were shown as unknown.
        operations: by request id, of requests that were looked at: what each asks for, as that screen knows it.
        uploads: statements whose columns are being mapped.
    """

    gateway: Gateway
    forms: Forms
    figures: Figures
    shared: Shared
    now: Callable[[], datetime]
    zone: tzinfo | None
    environment: Environment
    endings: Endings
    operations: dict[str, Any] = field(default_factory=dict)
    uploads: Uploads = field(default_factory=Uploads)

    def time(self, value: str | datetime) -> str:
        """A time in a sentence: in the person's zone, and in UTC where that is another."""
        here, there = in_zone(value, self.zone), in_utc(value)
        return here if here == there else f"{here} ({there})"


def console_of(request: Request) -> Console:
    """The console that a request came to."""
    found = request.app.state.console
    assert isinstance(found, Console)  # noqa: S101 - the type of what the application keeps
    return found


async def account_of(request: Request) -> tuple[str | None, Reply | None]:
    """The account that a screen is about: the one in its address, else the first that there is.

    Returns:
        The account, None if there is none; and the reply that told, or that did not: then it is the default one.
    """
    given = request.query_params.get("account")
    if given:
        return given, None
    console = console_of(request)
    reply = await console.gateway.get("/accounts")
    if not reply.ok:
        return console.gateway.target.parameters.get("DefaultAccount") or "default", reply
    return next((str(each["account"]) for each in reply.body["accounts"]), None), reply


def is_renewal(request: Request) -> bool:
    """Whether the page's script asks, every two seconds, for the parts that renew themselves.

    What costs many reads is left out then: a part that is not there is left as it was.
    """
    return request.headers.get("sec-fetch-dest") == "empty"


def path_of(request: Request) -> str:
    """The path that a request came to, fit for an address: what is no path's own character is percent-encoded."""
    return quote(request.scope["path"], safe="/-._~:@!$&'()*+,;=")


def page(request: Request, template: str, /, status: int = 200, **values: object) -> Response:
    """A whole page.

    Args:
        request: what it answers.
        template: a file of console/templates.
        status: HTTP's.
        values: what the template names; it fails for one that is not given.
    """
    console = console_of(request)
    shown = console.environment.get_template(template).render(
        path=path_of(request),
        screens=SCREENS,
        stack=console.gateway.target.stack,
        is_local=console.gateway.target.is_local,
        now=console.now(),
        **values,
    )
    return HTMLResponse(shown, status)


def nothing(
    request: Request,
    status: int,
    title: str,
    why: str = "",
    *,
    reply: Reply | None = None,
    onward: tuple[str, str] = ("/", "To the first page"),
) -> Response:
    """A page that says why there is nothing to see, and where to go on: an address and words."""
    return page(request, "nothing.html", status, title=title, why=why, reply=reply, onward=onward)


def environment(now: Callable[[], datetime], zone: tzinfo | None) -> Environment:
    """The templates."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "amount": amount,
        "count": count,
        "local": lambda value: in_zone(value, zone),
        "utc": in_utc,
        "iso": lambda value: f"{moment(value):%Y-%m-%dT%H:%M:%SZ}",
        "age": lambda value: span(now() - moment(value)),
        "left": lambda value: left(moment(value) - now()),
        "span": span,
        "who": who,
        "pretty": lambda value: json.dumps(without_addresses(value), indent=2, ensure_ascii=False),
    }
    made.globals["url"] = url
    return made


def without_addresses(value: object) -> object:
    """What the API said, without where files are or go: whoever has such an address has the file."""
    if isinstance(value, dict):
        return {
            name: "(not shown: it opens the file for whoever has it)"
            if name == "url" and each
            else without_addresses(each)
            for name, each in value.items()
        }
    return [without_addresses(each) for each in value] if isinstance(value, list) else value


def who(arn: str | None) -> str:
    """Who did something, as people call them: a session of IAM Identity Center by its name, with its permission set."""
    if not arn:
        return NOBODY
    shown = shown_caller(arn)
    session = _SESSION.fullmatch(shown)
    return f"{session['name']} ({session['permissions']})" if session else shown


def url(path: str, **query: object) -> str:
    """An address of the console's own; empty values are left out. Jinja2 escapes it as any other text."""
    asked = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(asked)}" if asked else path


def moment(value: str | datetime) -> datetime:
    """A time of the API's, aware UTC."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.astimezone(UTC)


def in_utc(value: str | datetime) -> str:
    """A time as clocks in UTC show it."""
    return in_zone(value, UTC)


def in_zone(value: str | datetime, zone: tzinfo | None) -> str:
    """A time as the person's clock shows it."""
    return f"{moment(value).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def amount(value: str) -> str:
    """An amount with its thousands apart: `-1234.50` is `-1,234.50`."""
    sign = "-" if value.startswith("-") else ""
    whole, point, decimals = value.removeprefix("-").partition(".")
    return f"{sign}{int(whole or 0):,}{point}{decimals}"


def count(value: float | None) -> str:
    """A number with its thousands apart; a dash for none."""
    return "-" if value is None else f"{value:,.0f}"


def span(value: timedelta | float) -> str:
    """How long something is, in its two greatest units: `2 d 3 h`. The page's script writes the same."""
    seconds = int(max(0.0, value.total_seconds() if isinstance(value, timedelta) else value))
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{number} {unit}" for number, unit in parts[:2])


def left(value: timedelta) -> str:
    """How long there is time for something. The page's script writes the same."""
    return f"{span(value)} left" if value > timedelta() else "over"
