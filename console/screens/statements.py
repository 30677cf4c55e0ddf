"""A statement from Amazon's portal: its columns are mapped on this machine, and nothing but the mapped ones leaves it.

The file stays in memory; how it is read stands in the address of the page, as `make reconcile` keeps it in a file.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.books_days import today_of, zone_of
from console.confirm import Ask, Done, Field, Onward, step
from console.gateway import Reply
from console.page import Console, console_of, nothing, page, url
from console.statement_columns import WORDS_MAX, Column, choices_of, columns_of, refuse_misfits
from console.threads import Threads
from console.uploads import LIVES, Ready, Upload
from incentives.domain.reconciliation.days import day_of, month_of, read_zone
from incentives.domain.reconciliation.rows import FAILED, SUCCESS, ActivityTypes, Row, read_activity_types
from incentives.domain.reconciliation.statement_files import COLUMNS, FILE_BYTES_MAX, REQUIRED
from incentives.domain.reconciliation.words import looks_like_code
from local.commands.reconcile import sums
from local.settings import RefusedError
from local.statement import SIGNS, Mapped, Reading, mapped

Given = ParamSpec("Given")
Result = TypeVar("Result")

STATEMENTS: Final = "/reconciliations/{account}/statements"
READ: Final = f"{STATEMENTS}/{{statementId}}/read"
#: Rows that are shown as they were understood.
ROWS_SHOWN: Final = 5
#: A row that is left out, in a select: an empty word is one that nobody has said yet.
LEFT_OUT: Final = "-"
#: Of our columns, what each is.
LABELS: Final[Mapping[str, str]] = {
    "requestId": "Request id",
    "activityTime": "Time",
    "type": "Type",
    "status": "Result",
    "amount": "Amount",
    "currencyCode": "Currency",
    "gcId": "Id of the card, not its code",
}
FORMATS: Final = ("%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%d.%m.%Y %H:%M:%S")
#: Reads large files: seconds, and some 300 MB, for each. So one at a time.
FILES: Final = Threads(1)


@dataclass(frozen=True)
class Said:
    """How a download is read, as an address or a form says it.

    Attributes:
        reading: what is empty has not been said.
        first: booking day that the download has whole, as it was written.
        last: the last one.
    """

    reading: Reading
    first: str
    last: str

    @classmethod
    def of(cls, given: Mapping[str, Any], upload: Upload) -> "Said":
        """What is said; what the mapping says that came with the file, where the page has not asked yet."""
        days = str(given.get("from", "")), str(given.get("to", ""))
        if not any(name.startswith("column.") for name in given):
            return cls(upload.reading, *days)

        def words(prefix: str, kept: Mapping[str, str]) -> dict[str, str]:
            """What the page asked for; of other words, which the download has not, what the mapping says."""
            found = {name.removeprefix(prefix): str(value) for name, value in given.items() if name.startswith(prefix)}
            others = {word: value for word, value in kept.items() if word not in found}
            return others | {word: "" if value == LEFT_OUT else value for word, value in found.items() if value}

        plain = {name: str(given.get(name, "")) for name in ("zone", "time_format", "twice", "signs", "thousands")}
        decimal = str(given.get("decimal") or ".")
        reading = Reading(
            columns={name: str(given[f"column.{name}"]) for name in COLUMNS if given.get(f"column.{name}")},
            types=words("type.", upload.reading.types),
            statuses=words("status.", upload.reading.statuses),
            decimal=decimal,
            **plain,
        )
        return cls(reading, *days)

    @property
    def query(self) -> dict[str, str]:
        """The same as an address says it."""
        its = self.reading
        return {
            **{f"column.{name}": value for name, value in its.columns.items()},
            **{f"type.{word}": value or LEFT_OUT for word, value in its.types.items()},
            **{f"status.{word}": value or LEFT_OUT for word, value in its.statuses.items()},
            **{name: getattr(its, name) for name in ("zone", "time_format", "twice", "signs", "decimal", "thousands")},
            "from": self.first,
            "to": self.last,
        }

    def missing(self, columns: Sequence[Column]) -> list[str]:
        """What nobody has said yet, in words."""
        its = self.reading
        found = [f"which column is {name}" for name in REQUIRED if not its.columns.get(name)]
        if not found:
            found += [f"what the type {word!r} is" for word in _words(columns, its.columns["type"], its.types)]
            found += [f"what the status {word!r} is" for word in _words(columns, its.columns["status"], its.statuses)]
        found += ["how times are written"] if not its.time_format else []
        found += ["in which zone its times are"] if not its.zone and "%z" not in its.time_format else []
        found += ["whose amounts have a minus sign"] if its.signs not in SIGNS else []
        found += ["which days the download has whole"] if not self.first or not self.last else []
        return found


def _words(columns: Sequence[Column], theirs: str, known: Mapping[str, str]) -> list[str]:
    """The words of a column that nobody has said anything of."""
    return [word for each in columns if each.name == theirs for word in each.words if word not in known]


# ---- the file --------------------------------------------------------------------------------------------------------


async def _ask_file(request: Request) -> Ask:
    account = request.path_params["account"]
    return Ask(
        title=f"Map a statement for the books of {account}",
        says=(
            "The file stays on this machine: in this console's memory, for a quarter of an hour, and nowhere else.",
            "On the next page you say what its columns mean. Columns that may hold claim codes are not offered.",
            "You see what would be uploaded before anything is.",
        ),
        button="Go on to its columns",
        back_url=url("/books", account=account),
        facts=(("Account", account), ("Nothing is sent", "neither the file nor a part of it")),
        fields=(
            Field("file", "The download from Amazon's portal", "file", hint="CSV in UTF-8"),
            Field(
                "mapping",
                "How it is read, if you have that",
                "file",
                hint="As this console or make reconcile saved it (.json)",
                required=False,
            ),
            Field("from", "First day that it has whole", "date", required=False),
            Field("to", "Last day that it has whole", "date", hint="A day that is over", required=False),
        ),
    )


async def _take_file(request: Request, form: FormData) -> Done | Onward:
    console, account = console_of(request), request.path_params["account"]
    title, back_url = "Map a statement", f"{_books(account)}/statements/new"
    try:
        _refuse_what_goes_on(str(form.get("to", "")), console)
        upload = await _upload(console, account, await _bytes(form, "file"), await _bytes(form, "mapping"))
    except RefusedError as error:
        held = console.gateway.held_back("POST", STATEMENTS, f"{error} Nothing was sent.")
        return Done(title, held, back_url)
    at = f"{_books(account)}/statements/{console.uploads.keep(upload, console.now())}"
    return Onward(title, url(at, **{name: str(form.get(name, "")) for name in ("from", "to")}))


async def _bytes(form: FormData, name: str) -> bytes:
    found = form.get(name)
    return await found.read() if isinstance(found, UploadFile) else b""


async def _upload(console: Console, account: str, content: bytes, mapping: bytes) -> Upload:
    if not content:
        raise RefusedError("There is no file, or it is empty.")
    if len(content) > FILE_BYTES_MAX:
        raise RefusedError(f"The file has more than {FILE_BYTES_MAX:,} bytes: download fewer days at once.")
    reading = Reading.parse(mapping, "The second file") if mapping else Reading()
    if len(reading.types) + len(reading.statuses) > 2 * WORDS_MAX:
        raise RefusedError(f"The mapping says what more than {2 * WORDS_MAX} words mean.")
    columns = await _in_thread(columns_of, content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Upload(account, content, sha256, columns, reading, console.now() + LIVES)


async def _in_thread(work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """What takes seconds of a processor holds up no other page."""
    return await asyncio.get_running_loop().run_in_executor(FILES, partial(work, *given, **named))


def _books(account: str) -> str:
    return f"/books/{quote(account, safe='')}"


# ---- its columns -----------------------------------------------------------------------------------------------------


async def _columns(request: Request) -> Response:
    console, account = console_of(request), request.path_params["account"]
    upload = _kept(request)
    if upload is None:
        return _forgotten(request)
    said = Said.of(request.query_params, upload)
    missing = said.missing(upload.columns)
    found, wrong = None, ""
    if not missing:
        try:
            found = await _in_thread(_ready, upload, said, console)
        except RefusedError as error:
            wrong = str(error)
    at = f"{_books(account)}/statements/{request.path_params['upload_id']}"
    reading, ours = said.reading, {"type": list(_types(console)), "status": [SUCCESS, FAILED]}
    by_name = {each.name: each for each in upload.columns}
    return page(
        request,
        "statement.html",
        account=account,
        at=at,
        upload=upload,
        said=said,
        missing=missing,
        wrong=wrong,
        hidden=[each.name for each in upload.columns if not each.fits],
        choices={name: choices_of(upload.columns, name) for name in COLUMNS},
        labels=LABELS,
        required=REQUIRED,
        words={name: _offered(by_name, reading, name).words for name in ours},
        meanings={name: [(each, each) for each in its] for name, its in ours.items()},
        left_out=LEFT_OUT,
        example=_offered(by_name, reading, "activityTime").example,
        formats=FORMATS,
        signs=SIGNS,
        found=found,
        next_url=url(f"{at}/upload", **said.query),
        mapping_url=url(f"{at}/mapping.json", **said.query),
        zone=zone_of(console).key,
    )


def _offered(by_name: Mapping[str, Column], reading: Reading, ours: str) -> Column:
    """The column that one of ours is taken from; an empty one if it is not offered for that."""
    column = by_name.get(reading.columns.get(ours, ""))
    return column if column is not None and ours in column.fits else Column("")


def _kept(request: Request) -> Upload | None:
    console = console_of(request)
    return console.uploads.get(request.path_params["upload_id"], request.path_params["account"], console.now())


def _forgotten(request: Request) -> Response:
    account = request.path_params["account"]
    why = (
        "A download is kept in memory for a quarter of an hour, until another one takes its place, or until it was "
        "uploaded. It was never written anywhere."
    )
    onward = (f"{_books(account)}/statements/new", "Give it to the console once more")
    return nothing(request, 404, "The file is forgotten", why, onward=onward)


def _types(console: Console) -> ActivityTypes:
    """What the gateway's types do to the balance."""
    return read_activity_types(console.gateway.target.parameters["ActivityTypes"])


def _ready(upload: Upload, said: Said, console: Console) -> Ready:
    """What may leave this machine. Raises `RefusedError`: names the line, and quotes no cell."""
    before = upload.ready
    if before is not None and before.said == said.query:
        return before
    found = _mapped(upload, said, console)
    first, digest = list(_shown(found.rows[:ROWS_SHOWN], console)), hashlib.sha256(found.content).hexdigest()
    upload.ready = Ready(said.query, found.content, digest, len(found.rows), found.left_out, first, sums(found))
    return upload.ready


def _refuse_what_goes_on(last: str, console: Console) -> None:
    """The API takes no statement of a day that is not over: said before the person maps a column."""
    if last >= (today := today_of(console).isoformat()):
        raise RefusedError(f"The last day must be a day that is over: before {today}.")


def _mapped(upload: Upload, said: Said, console: Console) -> Mapped:
    refuse_misfits(upload.columns, said.reading.columns)
    try:
        first, last = date.fromisoformat(said.first), date.fromisoformat(said.last)
    except ValueError:
        raise RefusedError("The first and the last day are written as 2026-11-22.") from None
    if first > last:
        raise RefusedError("The last day is before the first.")
    _refuse_what_goes_on(said.last, console)
    if "%z" not in said.reading.time_format:
        try:
            read_zone(said.reading.zone)
        except ValueError as error:
            raise RefusedError(f"The zone of its times: {error}.") from None
    zone = zone_of(console)
    return mapped(upload.content, said.reading, first=first, last=last, books_zone=zone, types=_types(console))


def _shown(rows: Sequence[Row], console: Console) -> Iterator[dict[str, str]]:
    """Rows as they were understood; what might be a code is not shown, whatever column it is in."""
    for row in rows:
        yield {
            "request": "not shown: it looks like a code" if looks_like_code(row.request_id) else row.request_id,
            "day": day_of(row.time, zone_of(console)).isoformat() if row.time else "",
            "time": f"{row.time:%Y-%m-%d %H:%M:%S}" if row.time else "",
            "type": row.type or "",
            "status": row.status or "",
            "amount": str(row.value or ""),
            "card": "has an id" if row.gc_id else "",
        }


async def _mapping(request: Request) -> Response:
    """How it is read, as `make reconcile --mapping` takes it."""
    upload = _kept(request)
    if upload is None:
        return _forgotten(request)
    text = json.dumps(asdict(Said.of(request.query_params, upload).reading), indent=2)
    headers = {"Content-Disposition": 'attachment; filename="portal.json"'}
    return Response(f"{text}\n", media_type="text/plain", headers=headers)


# ---- the upload ------------------------------------------------------------------------------------------------------


async def _ask_upload(request: Request) -> Ask:
    console, account = console_of(request), request.path_params["account"]
    at = f"{_books(account)}/statements/{request.path_params['upload_id']}"
    upload = _kept(request)
    if upload is None:
        again = f"{_books(account)}/statements/new"
        return Ask("Upload a statement", (), "", again, refused="The file is forgotten: give it to the console again.")
    said = Said.of(request.query_params, upload)
    refused, found = "", None
    try:
        found = await _checked(upload, said, console)
    except RefusedError as error:
        refused = str(error)
    return Ask(
        title=f"Upload the statement of {said.first} to {said.last}",
        says=(
            f"Uploaded are the columns {', '.join(name for name in COLUMNS if said.reading.columns.get(name))}.",
            "No other column leaves this machine, and of the file itself only its SHA-256.",
            "The gateway reads them once, deletes the upload, and judges each of these days.",
            "A day that Amazon's page shows whole takes no statement: then all of it is refused.",
            "Whoever uploads a statement does not close its month.",
        ),
        button="Upload it",
        back_url=url(at, **said.query),
        facts=(
            ("Account", account),
            ("Days", f"{said.first} to {said.last}"),
            ("Rows", f"{found.rows:,}, and {found.left_out:,} left out"),
            ("Sums", found.sums),
            ("SHA-256 of the file", upload.sha256),
            ("SHA-256 of what is uploaded", found.sha256),
        )
        if found
        else (),
        seen={**said.query, "sha256": found.sha256} if found else {},
        refused=refused,
    )


async def _checked(upload: Upload, said: Said, console: Console) -> Ready:
    missing = said.missing(upload.columns)
    if missing:
        raise RefusedError(f"Nobody has said {missing[0]}.")
    return await _in_thread(_ready, upload, said, console)


async def _do_upload(request: Request, form: FormData) -> Done:
    console, account = console_of(request), request.path_params["account"]
    upload, title = _kept(request), "Upload a statement"
    if upload is None:
        held = console.gateway.held_back("POST", STATEMENTS, "The file was forgotten meanwhile. Nothing was sent.")
        return Done(title, held, f"{_books(account)}/statements/new")
    given = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    said = Said.of(given, upload)
    back_url = url(f"{_books(account)}/statements/{request.path_params['upload_id']}", **said.query)
    try:
        found = await _checked(upload, said, console)
    except RefusedError as error:
        return Done(title, console.gateway.held_back("POST", STATEMENTS, f"{error} Nothing was sent."), back_url)
    if found.sha256 != given.get("sha256"):
        why = "This is not what the page showed. Nothing was sent."
        return Done(title, console.gateway.held_back("POST", STATEMENTS, why), back_url)
    reply, note = await _send(console, account, said, upload.sha256, found.content)
    if not reply.ok:
        return Done(title, reply, back_url, note)
    console.uploads.drop(request.path_params["upload_id"])
    return Done(title, reply, f"{_books(account)}/{month_of(date.fromisoformat(said.first))}", note)


async def _send(console: Console, account: str, said: Said, sha256: str, content: bytes) -> tuple[Reply, str]:
    """Have a statement made, put its rows, have them read; the last of the replies, and what it means."""
    body = {"from": said.first, "to": said.last, "sha256": sha256}
    made = await console.gateway.send("POST", STATEMENTS, body, account=account)
    if not made.ok:
        return made, ""
    put = await console.gateway.put_file(made.body["upload"], content)
    if not put.ok:
        return put, "No day has changed: what nobody has read is deleted after a day. Upload it again."
    read = await console.gateway.send("POST", READ, account=account, statementId=made.body["statementId"])
    if read.ok:
        return read, "The file is forgotten: it is no longer in memory."
    return (
        read,
        "Look at the days first. Uploading it again makes another statement, which takes the place of this one.",
    )


ROUTES: Final = (
    step("/books/{account}/statements/new", _ask_file, _take_file),
    Route("/books/{account}/statements/{upload_id}", _columns),
    Route("/books/{account}/statements/{upload_id}/mapping.json", _mapping),
    step("/books/{account}/statements/{upload_id}/upload", _ask_upload, _do_upload),
)
