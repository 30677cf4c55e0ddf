"""Pages that ask before something is done, and pages that show what came of it.

All of them work alike: the page says what will happen, its form is sent once, and the API's response is shown as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.forms import Sent
from console.gateway import Reply
from console.page import console_of, nothing, page, path_of

#: Names of what a form sends beside what was asked for.
FORM_ID: Final = "form"
#: Of the address that fills a form in once more.
AGAIN_LENGTH_MAX: Final = 30_000


@dataclass(frozen=True)
class Field:
    """What is asked for beside a yes.

    Attributes:
        name: of the form's field.
        label: in words.
        kind: text, date, month, file, textarea, select or checkbox.
        choices: of a select: value and words.
        hint: what is wanted, and in which form.
        value: what it begins with.
        group: fields of one group, which stand together, have its name.
    """

    name: str
    label: str
    kind: str = "text"
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    value: str = ""
    required: bool = True
    group: str = ""


@dataclass(frozen=True)
class Ask:
    """What a page asks.

    Attributes:
        title: what is to be done, as a sentence without its point: "Cancel the gift card X".
        says: what will happen, in sentences.
        button: what the person says yes to, as a verb.
        back_url: where nothing is done.
        facts: what it is about: a name and a value each.
        seen: what the page has shown and the API is told, by field: it refuses what has changed meanwhile.
        fields: what is asked for.
        until: when it is too late (RFC 3339), shown as a countdown.
        refused: why it cannot be done now; then there is no button.
        replies: calls that failed while the page was made.
        danger: it cannot be taken back.
    """

    title: str
    says: Sequence[str]
    button: str
    back_url: str
    facts: Sequence[tuple[str, str]] = ()
    seen: Mapping[str, str] = field(default_factory=dict)
    fields: Sequence[Field] = ()
    until: str | None = None
    refused: str = ""
    replies: Sequence[Reply] = ()
    danger: bool = False

    @property
    def groups(self) -> Sequence[tuple[str, Sequence[Field]]]:
        """Fields by group, in their order."""
        return [(name, list(its)) for name, its in groupby(self.fields, lambda each: each.group)]


@dataclass(frozen=True)
class Done:
    """What came of it.

    Attributes:
        title: what was asked for, as a sentence without its point.
        reply: the API's.
        next_url: what to look at then.
        note: what else there is to know, in a sentence.
        outcome: what it came to, in a sentence, where the API's response is no simple yes.
    """

    title: str
    reply: Reply
    next_url: str
    note: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class Onward:
    """Where it goes on: nothing has been sent yet.

    Attributes:
        title: of the page that asked.
        next_url: the page that asks for more.
    """

    title: str
    next_url: str


#: Makes the page that asks.
Look = Callable[[Request], Awaitable[Ask]]
#: Does it.
Act = Callable[[Request, FormData], Awaitable[Done | Onward]]


def step(path: str, look: Look, act: Act) -> Route:
    """The pages of one thing that can be done: GET asks, POST does it once."""

    async def endpoint(request: Request) -> Response:
        if request.method == "POST":
            return await _post(request, act)
        return await _get(request, look)

    return Route(path, endpoint, methods=["GET", "POST"])


async def _get(request: Request, look: Look) -> Response:
    console, path = console_of(request), path_of(request)
    form_id = request.query_params.get(FORM_ID)
    if form_id is None:
        # The id stands in the address: going back to it is going back to the same form.
        query = [*request.query_params.multi_items(), (FORM_ID, console.forms.new_id(path))]
        return RedirectResponse(f"{path}?{urlencode(query)}", HTTPStatus.SEE_OTHER)
    sent = console.forms.sent(form_id)
    if sent is not None:
        return RedirectResponse(f"/sent/{form_id}", HTTPStatus.SEE_OTHER)
    if not console.forms.is_ours(form_id, path):
        return _anew(request)
    ask = await look(request)
    return page(request, "confirm.html", ask=ask, form_id=form_id, given=request.query_params)


async def _post(request: Request, act: Act) -> Response:
    console, path = console_of(request), path_of(request)
    async with request.form(max_files=2, max_fields=100) as form:
        _refuse_doubles(form)
        form_id = str(form.get(FORM_ID, ""))
        if console.forms.sent(form_id) is None:
            if not console.forms.is_ours(form_id, path):
                return _anew(request)

            async def send() -> Sent:
                done = await act(request, form)
                if isinstance(done, Onward):
                    return Sent(done.title, None, done.next_url, path, console.now())
                given = [(name, str(value)) for name, value in form.multi_items() if isinstance(value, str)]
                again = urlencode([each for each in given if each[0] != FORM_ID])
                # No server takes an address of any length.
                again_url = f"{path}?{again}" if 0 < len(again) < AGAIN_LENGTH_MAX else path
                return Sent(done.title, done.reply, done.next_url, again_url, console.now(), done.note, done.outcome)

            await console.forms.once(form_id, send)
    return RedirectResponse(f"/sent/{form_id}", HTTPStatus.SEE_OTHER)


def _refuse_doubles(form: FormData) -> None:
    """No field of a page comes twice: of two, nobody could say which one the person meant."""
    names = [name for name, _ in form.multi_items()]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"Sent twice in one form: {', '.join(doubles)}. Nothing was done.")


def _anew(request: Request, status: HTTPStatus = HTTPStatus.CONFLICT) -> Response:
    """A form that an earlier console made, or for another thing, or too long ago."""
    why = (
        "Nothing was sent by this: the form was made too long ago, or the console was started again since. What an "
        "earlier form sent stays sent, so look before you send it again."
    )
    onward = (path_of(request) if status is HTTPStatus.CONFLICT else "/", "Open it anew")
    return nothing(request, status, "Open this page anew", why, onward=onward)


async def _sent(request: Request) -> Response:
    found = console_of(request).forms.sent(request.path_params["form_id"])
    if found is None:
        return _anew(request, HTTPStatus.NOT_FOUND)
    # Whoever does not wait stops nothing.
    sent = await asyncio.shield(found)
    if sent.reply is None:
        return RedirectResponse(sent.next_url, HTTPStatus.SEE_OTHER)
    return page(request, "sent.html", sent=sent)


ROUTES: Final = (Route("/sent/{form_id}", _sent),)
