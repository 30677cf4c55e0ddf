"""The close of a month: what blocks it, its figures and files, closing it, and signing it off."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.books_days import NOT_READ, zone_of
from console.books_words import CLOSES, Blocker, blocker_of
from console.confirm import Ask, Done, Field, step
from console.gateway import Kind, Reply
from console.page import amount, console_of, nothing, page, who
from incentives.domain.reconciliation.days import bounds, days_of, next_month, previous_month
from local.commands.close import rows_of

CLOSE: Final = "/closes/{account}/{month}"
#: Blockers that closing with an opening may end.
OPENED_BY: Final = frozenset({"opening", "balance", "none"})
#: A day's file.
TRANSACTIONS: Final = re.compile(r"[^/]+/[^/]+/(?P<day>2[0-9]{3}-[0-9]{2}-[0-9]{2})/.*transactions-[^/]*")
#: Whoever signs as one of these is nobody that the gateway can tell from others.
NOBODY: Final = (":root", ":federated-user/")


async def _close(request: Request) -> Response:
    account, month = _where(request)
    reply = await _asked(request, month)
    close = reply.body if reply.ok else {}
    return page(
        request,
        "close.html",
        account=account,
        month=month,
        before=previous_month(month),
        after=next_month(month),
        reply=reply,
        is_new=reply.kind is Kind.NOT_FOUND,
        ends_at=bounds(days_of(month)[-1], zone_of(console_of(request)))[1],
        is_over=_is_over(request),
        meaning=CLOSES,
        blockers=_blockers(close),
        rows=list(rows_of(close["figures"])) if close.get("figures") else [],
        files=_files(close),
        closes_as=_closes_as(close),
    )


def _where(request: Request) -> tuple[str, str]:
    return request.path_params["account"], request.path_params["month"]


def _url(request: Request) -> str:
    account, month = _where(request)
    return f"/books/{quote(account, safe='')}/{month}/close"


async def _asked(request: Request, month: str) -> Reply:
    return await console_of(request).gateway.get(CLOSE, account=request.path_params["account"], month=month)


def _is_over(request: Request) -> bool:
    console = console_of(request)
    return console.now() >= bounds(days_of(request.path_params["month"])[-1], zone_of(console))[1]


def _blockers(close: Mapping[str, Any]) -> list[Blocker]:
    return [blocker_of(each) for each in close.get("blockedBy", ())]


def _files(close: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The files of a close, the manifest last. Where they are is for whoever downloads them here, and for no page."""
    found = [*close.get("files", ()), *([close["manifest"]] if close.get("manifest") else [])]
    return [
        {**{name: each[name] for name in ("name", "rows", "sha256")}, "day": _day_of(each["name"])} for each in found
    ]


def _day_of(name: str) -> str:
    """The day whose transactions a file has; empty for the month's own. Names are ACCOUNT/PARTNER/DAY/ROUND/..."""
    found = TRANSACTIONS.fullmatch(name)
    return found["day"] if found else ""


def _closes_as(close: Mapping[str, Any]) -> str:
    """What closing it now would be, as the words of a button; empty: there is nothing to close."""
    status = close.get("status")
    if status == "CLOSED":
        # Nobody signs off what was closed by somebody whom the gateway cannot tell from others.
        unknown = any(each in (close["closedBy"] or "") for each in NOBODY) or not close["closedBy"]
        return "Ask for the same close in your own name" if unknown and not close["signedOffBy"] else ""
    if status == "STALE":
        return "Close it again, which makes the next version"
    return {"CLOSING": "Close it again, and go on", "BLOCKED": "Try again to close it"}.get(str(status), "Close it")


# ---- closing ---------------------------------------------------------------------------------------------------------


async def _ask_close(request: Request) -> Ask:
    account, month = _where(request)
    reply = await _asked(request, month)
    close = reply.body if reply.ok else {}
    blockers = _blockers(close)
    left = [each for each in blockers if each.word not in OPENED_BY]
    refused = ""
    if not reply.ok and reply.kind is not Kind.NOT_FOUND:
        refused = NOT_READ
    elif not _is_over(request):
        refused = f"{month} is not over yet."
    elif close.get("status") == "CLOSED" and not _closes_as(close):
        refused = "It is CLOSED, and nothing that it was made of has changed since."
    elif left:
        refused = f"It is blocked: {'; '.join(f'{each.word}: {each.sentence}' for each in left)}"
    return Ask(
        title=f"Close {month} of {account}",
        says=(
            "If the figures add up to the cent, its files and its manifest are written, and are never changed again.",
            "If anything is missing, nothing is closed, and what blocks it is told.",
            "Another person then looks at the figures and signs them off: whoever closes does not sign off.",
            *(["Months after it that went on from the older version are then STALE."] if close.get("figures") else []),
        ),
        button="Close it",
        back_url=_url(request),
        facts=(
            ("Account", account),
            ("Month", month),
            ("Status", str(close.get("status", "nobody has asked to close it yet"))),
            *(("What is in its way", f"{each.word}: {each.sentence} {each.to_do}") for each in blockers),
        ),
        fields=await _opening(request, close, blockers) if not refused else (),
        refused=refused,
        replies=() if reply.ok or reply.kind is Kind.NOT_FOUND else (reply,),
    )


async def _opening(request: Request, close: Mapping[str, Any], blockers: Sequence[Blocker]) -> Sequence[Field]:
    """The balance with which the first month begins, where this may be one."""
    before = await _asked(request, previous_month(request.path_params["month"]))
    goes_on = before.ok and (before.body["figures"] or {}).get("closing") is not None
    named = close.get("opening") or {}
    if goes_on and not named and not any(each.word in OPENED_BY for each in blockers):
        return ()
    hint = "Only of the month in which the books begin, such as 10000.00; all others begin as the month before ended."
    return (
        Field("amount", "Opening balance", hint=hint, value=named.get("amount", ""), required=False),
        Field(
            "source",
            "Where it is from",
            hint="Such as Amazon's statement",
            value=named.get("source", ""),
            required=False,
        ),
    )


async def _do_close(request: Request, form: FormData) -> Done:
    account, month = _where(request)
    gateway, title = console_of(request).gateway, f"Close {month} of {account}"
    opening = {name: str(form.get(name, "")).strip() for name in ("amount", "source")}
    missing = [name for name, text in opening.items() if not text]
    if len(missing) == 1:
        why = "The opening balance and where it is from go together. Nothing was sent."
        held = gateway.held_back("POST", CLOSE, why, (missing[0], "is missing"))
        return Done(title, held, _url(request))
    body = {} if missing else {"opening": opening}
    reply = await gateway.send("POST", CLOSE, body, account=account, month=month)
    return Done(title, reply, _url(request), outcome=_outcome(reply))


def _outcome(reply: Reply) -> str:
    """What came of closing a month, in a sentence."""
    if not reply.ok:
        return ""
    close = reply.body
    if close["blockedBy"]:
        words = ", ".join(dict.fromkeys(each.word for each in _blockers(close)))
        return f"It is {close['status']}, and nothing was closed. In its way: {words}. The next page says what to do."
    if close["status"] == "CLOSED":
        version = f"version {close['version']}"
        is_new = reply.status == HTTPStatus.ACCEPTED
        return f"Closed: {version}." if is_new else f"It was closed before, as {version}, and nothing has changed."
    return f"It is {close['status']}."


# ---- signing off -----------------------------------------------------------------------------------------------------


async def _ask_sign_off(request: Request) -> Ask:
    account, month = _where(request)
    reply = await _asked(request, month)
    close = reply.body if reply.ok else {}
    refused = ""
    if not reply.ok:
        refused = NOT_READ
    elif close["status"] != "CLOSED":
        refused = f"It is {close['status']}: only what is CLOSED can be signed off."
    elif close["signedOffBy"]:
        refused = f"It is signed off by {who(close['signedOffBy'])}."
    figures = list(rows_of(close["figures"])) if close.get("figures") else []
    return Ask(
        title=f"Sign off {month} of {account}",
        says=(
            "You say that the figures on this page are right.",
            "Your word is for the hash of the manifest, and with it for every file.",
            "It is written beside the manifest, with your name and the time, and cannot be taken back.",
            "Whoever closed the month does not sign it off. If it was closed anew meanwhile, nothing is signed.",
        ),
        button="Sign it off",
        back_url=_url(request),
        facts=(
            ("Account", account),
            ("Month", f"{month}, version {close['version']}"),
            ("Closed by", who(close["closedBy"]) if close["closedBy"] else "nobody that is known"),
            ("SHA-256 of the manifest", str(close["manifestSha256"])),
            *((name.strip(), _figure(*figure)) for name, *figure in figures),
        )
        if figures
        else (),
        seen={"manifestSha256": close["manifestSha256"]} if close.get("manifestSha256") else {},
        refused=refused,
        replies=() if reply.ok else (reply,),
        danger=True,
    )


def _figure(count: str, total: str, currency: str) -> str:
    money = f"{amount(total)} {currency}" if total else ""
    return f"{money} ({count})" if count and money else money or count


async def _sign_off(request: Request, form: FormData) -> Done:
    account, month = _where(request)
    body = {"manifestSha256": str(form.get("manifestSha256", ""))}
    reply = await console_of(request).gateway.send("POST", f"{CLOSE}/sign-off", body, account=account, month=month)
    return Done(f"Sign off {month} of {account}", reply, _url(request))


# ---- files -----------------------------------------------------------------------------------------------------------


async def _file(request: Request) -> Response:
    """A file of a close, read here: the address that opens it is in no page."""
    account, month = _where(request)
    name = request.path_params["name"]
    reply = await _asked(request, month)
    close = reply.body if reply.ok else {}
    found = [*close.get("files", ()), *([close["manifest"]] if close.get("manifest") else [])]
    each = next((each for each in found if each["name"] == name), None)
    if each is None:
        return _not_given(request, reply, f"The close of {month} has no such file.", HTTPStatus.NOT_FOUND)
    read, content = await console_of(request).gateway.file(each["url"])
    if not read.ok:
        return _not_given(request, read, "The file did not come.", HTTPStatus.BAD_GATEWAY)
    if hashlib.sha256(content).hexdigest() != each["sha256"]:
        raise HTTPException(
            HTTPStatus.BAD_GATEWAY, "What came has not the SHA-256 that the close names: was it changed?"
        )
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(account, close, name)}"'}
    return Response(content, media_type="text/csv" if name.endswith(".csv") else "text/plain", headers=headers)


def _not_given(request: Request, reply: Reply, why: str, status: HTTPStatus) -> Response:
    """Why a file is not there, as a page."""
    return nothing(request, status, "No file", why, reply=reply, onward=(_url(request), "The month's close"))


def _file_name(account: str, close: Mapping[str, Any], name: str) -> str:
    """What the browser calls it: names in the bucket are folders."""
    day, last = _day_of(name), name.rpartition("/")[2]
    safe = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "_" for each in last)
    return f"{account}-{day}-transactions.csv" if day else f"{account}-{close['month']}-v{close['version']}-{safe}"


ROUTES: Final = (
    Route("/books/{account}/{month:month}/close", _close),
    step("/books/{account}/{month:month}/close/make", _ask_close, _do_close),
    step("/books/{account}/{month:month}/close/sign-off", _ask_sign_off, _sign_off),
    Route("/books/{account}/{month:month}/files/{name:path}", _file),
)
