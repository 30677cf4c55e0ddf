"""Requests: the search, the look-up by key or id, one request with all that is known of it, and what undoes it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.confirm import Ask, Done, step
from console.gateway import Kind, Reply
from console.page import Console, amount, console_of, moment, nothing, page
from incentives.agcod.errors import Kind as ErrorKind
from incentives.agcod.errors import describe
from incentives.domain.outcomes import AmazonError, NotExecutedBecause
from incentives.domain.recovery.rules import KEY_REFUSED, NOT_SENT
from incentives.domain.single_requests.record import Status
from incentives.domain.single_requests.renewal import OWN_REFUSALS
from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX

#: A search that names no day goes a week back, as the API's own does.
DAYS: Final = 7
#: The page renews itself every two seconds; accounts come and go by the month.
ACCOUNTS_LIVE: Final = timedelta(seconds=10)
#: How far back the requests are looked for that one replaces, and how many pages of each status: 500 requests a page.
DAYS_OF_GENERATIONS: Final = 14
PAGES_OF_GENERATIONS: Final = 5
#: Amazon cancels a gift card for as long, from its creation.
CANCEL_WINDOW: Final = timedelta(minutes=15)
#: Requests of which is remembered what they ask for.
REMEMBERED_MAX: Final = 1_000
REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9]{{1,{REQUEST_ID_LENGTH_MAX}}}")

#: What a status says.
MEANINGS: Final[Mapping[str, str]] = {
    Status.PENDING: "It waits to be sent to Amazon, or has been sent and has no response yet.",
    Status.RECOVERING: "What became of it at Amazon is not known yet. It is being found out, for 24 hours at most.",
    Status.REVERSING: "It is being made sure that nothing is charged for it.",
    Status.SUCCEEDED: "Amazon has carried it out, and it is charged.",
    Status.REFUSED: "Nothing was charged.",
    Status.REVERSED: "It was undone: nothing is charged.",
    Status.ESCALATED: "What became of it could not be found out in 24 hours. People are on it: do not order it again.",
}
OPEN: Final = frozenset(each.value for each in Status if each.is_open)
#: Why an open request waits, by the gateway's own names: nothing was done, and it is tried again.
WAITS: Final[Mapping[str, str]] = {
    NotExecutedBecause.THROTTLED: "Amazon's request rate was exceeded and nothing was done. It is tried again.",
    NotExecutedBecause.NOT_SENT: "There was no connection to Amazon and nothing was done. It is tried again.",
    NotExecutedBecause.CREDENTIALS: "Amazon did not accept the account's key or its signature, and nothing was done. "
    "It is tried again.",
    "AccountFrozen": "The account is frozen and nothing was done. It is tried again once the account is unfrozen.",
}
#: Why a success must not be delivered, as the case file names it.
CONFLICTS: Final[Mapping[str, str]] = {
    "refunded": "Amazon says that the card was refunded to its purchaser.",
    "expired": "Amazon says that the card has expired.",
    "value": "Amazon shows another amount or currency than was asked for.",
}


@dataclass(frozen=True)
class What:
    """What is asked of Amazon, and how it is undone.

    Attributes:
        name: in words.
        path: where it is read.
        verb: of the route that undoes it, and of the page that asks.
        undoes: of the button and the title.
        effect: what undoing it does at Amazon.
    """

    name: str
    path: str
    verb: str
    undoes: str
    effect: str


GIFT_CARD: Final = What(
    "gift card",
    "/gift-cards/{requestId}",
    "cancel",
    "Cancel",
    "Amazon cancels the card: its claim code is dead for whoever has it, and the money goes back to the account.",
)
ACTIVATION: Final = What(
    "activation",
    "/activations/{requestId}",
    "deactivate",
    "Deactivate",
    "Amazon deactivates the physical card: it is dead for whoever has it, and the money goes back to the account.",
)
BALANCE_LOAD: Final = What(
    "balance load",
    "/balance-loads/{requestId}",
    "void",
    "Void",
    "Amazon takes the amount off the customer's balance, and the money goes back to the account.",
)
OPERATIONS: Final[Mapping[str, What]] = {
    "CreateGiftCard": GIFT_CARD,
    "ActivateGiftCard": ACTIVATION,
    "LoadAmazonBalance": BALANCE_LOAD,
}


# ---- search and look-up ----------------------------------------------------------------------------------------------


async def _requests(request: Request) -> Response:
    console, query = console_of(request), request.query_params
    if query.get("id"):
        return await _by_id(request, query["id"].strip())
    accounts = await console.shared.get("accounts", ACCOUNTS_LIVE, lambda: console.gateway.get("/accounts"))
    names = [str(each["account"]) for each in accounts.body.get("accounts", [])] if accounts.ok else []
    filters = _filters(console, query, names)
    shown: dict[str, Any] = {"filters": filters, "names": names, "key": query.get("key", "")}
    if "key" in query:
        reply = await console.gateway.get("/requests", key=query["key"])
        return page(request, "requests.html", looked_up=True, reply=reply, cursor=None, **shown)
    cursor = query.get("cursor")
    return page(
        request,
        "requests.html",
        looked_up=False,
        reply=await console.gateway.get("/requests", {**filters, "cursor": cursor}),
        cursor=cursor,
        **shown,
    )


async def _by_id(request: Request, request_id: str) -> Response:
    if REQUEST_ID.fullmatch(request_id):
        return RedirectResponse(f"/requests/{request_id}", HTTPStatus.SEE_OTHER)
    return _none(request, request_id)


def _filters(console: Console, query: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """What is searched for. Days are named even if the person named none: a cursor belongs to its search's days."""
    last = query.get("to") or console.now().date().isoformat()
    first = query.get("from") or _days_before(last, DAYS - 1)
    account = query.get("account") or (names[0] if names else "")
    return {"account": account, "status": query.get("status", ""), "from": first, "to": last}


def _days_before(day: str, days: int) -> str:
    """Empty if there is no such day: the API says so then."""
    try:
        return (date.fromisoformat(day) - timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return ""


# ---- one request -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """What came of looking for a request by its id.

    Attributes:
        what: it is.
        reply: that has it; None if no route had it.
        failed: routes that could not say whether they have it.
    """

    what: What
    reply: Reply | None
    failed: Sequence[Reply] = ()


async def look_up(console: Console, request_id: str) -> Found:
    """Find a request by its id.

    An id does not say what was asked for: all routes that read requests are called at once, and one has it. It is
    remembered, so that a page that renews itself calls that one.
    """
    if not REQUEST_ID.fullmatch(request_id):
        return Found(GIFT_CARD, None)
    known = console.operations.get(request_id)
    for kinds in ([known] if known else [], [*OPERATIONS.values()]):
        replies = await asyncio.gather(*(console.gateway.get(each.path, requestId=request_id) for each in kinds))
        for what, reply in zip(kinds, replies, strict=True):
            if reply.ok:
                if len(console.operations) >= REMEMBERED_MAX:
                    console.operations.clear()
                console.operations[request_id] = what
                return Found(what, reply)
        failed = [each for each in replies if each.kind is not Kind.NOT_FOUND]
        if failed:
            return Found(GIFT_CARD, None, failed)
    return Found(GIFT_CARD, None)


async def _request(request: Request) -> Response:
    console, request_id = console_of(request), request.path_params["requestId"]
    found = await look_up(console, request_id)
    if found.reply is None and not found.failed:
        return _none(request, request_id)
    body = found.reply.body if found.reply else {}
    # The only status that has one.
    is_escalated = body.get("status") == Status.ESCALATED
    case = await _case(console, str(body["requestId"])) if is_escalated else None
    return page(
        request,
        "request.html",
        request_id=request_id,
        found=found,
        body=body,
        is_open=body.get("status") in OPEN,
        meaning=MEANINGS.get(body.get("status", ""), ""),
        advice=_advice(body),
        case=case,
        conflicts=CONFLICTS,
        undo_refused=_refused(body, _now(console, found.reply)) if found.reply else "",
    )


def _none(request: Request, request_id: str) -> Response:
    why = (
        "Neither a gift card nor an activation nor a balance load has this request id. An id has letters and digits "
        f"only, {REQUEST_ID_LENGTH_MAX} at most; upper and lower case differ."
    )
    title = f"There is no request {request_id}"
    return nothing(request, HTTPStatus.NOT_FOUND, title, why, onward=("/requests", "To the search"))


async def _case(console: Console, request_id: str) -> Reply:
    return await console.gateway.get("/requests/{requestId}/case-file", requestId=request_id)


def _advice(body: Mapping[str, Any]) -> str:
    """What the last error means, as the API's own responses say it; empty where it means nothing any more."""
    code, name = body.get("errorCode"), body.get("errorType")
    if not (code or name):
        return ""
    if body["status"] == Status.REFUSED and name in OWN_REFUSALS:
        own = next(each for each in (KEY_REFUSED, NOT_SENT) if each.type == name)
        return f"{own.message} Nothing was charged: repeat the order with its Idempotency-Key once the cause is mended."
    spec = describe(AmazonError(code=code, type=name))
    # That an outcome is being found out, or is tried again, is so only while it is.
    return WAITS.get(str(name), spec.advice) if spec.kind is ErrorKind.REFUSED or body["status"] in OPEN else ""


# ---- generations -----------------------------------------------------------------------------------------------------


async def _generations(request: Request) -> Response:
    console, request_id = console_of(request), request.path_params["requestId"]
    found = await look_up(console, request_id)
    if found.reply is None and not found.failed:
        return _none(request, request_id)
    if found.reply is None:
        return page(request, "generations.html", request_id=request_id, chain=[], replies=found.failed, earlier=None)
    chain, replies, earlier = await _chain(console, found.reply.body)
    return page(request, "generations.html", request_id=request_id, chain=chain, replies=replies, earlier=earlier)


async def _chain(
    console: Console, newest: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], list[Reply], dict[str, str] | None]:
    """The newest request of an Idempotency-Key, and those it replaces, newest first, as far as the search shows them.

    The API's other routes tell of the newest only, whichever id they are asked for.

    Returns:
        The requests; the calls that failed; and if there are more, the search that goes on.
    """
    last = moment(newest["createdAt"]).date()
    days = {"from": (last - timedelta(days=DAYS_OF_GENERATIONS - 1)).isoformat(), "to": last.isoformat()}
    chain, seen, failed = [newest], dict[str, Mapping[str, Any]](), list[Reply]()
    # A request that was replaced has been reversed, or was refused without Amazon having looked at it.
    cursors: dict[str, str | None] = {Status.REVERSED: None, Status.REFUSED: None}
    for _ in range(PAGES_OF_GENERATIONS):
        if chain[-1]["replaces"] is None:
            break
        asked = [{"account": newest["account"], "status": each, **days, "cursor": cursors[each]} for each in cursors]
        replies = await asyncio.gather(*(console.gateway.get("/requests", each) for each in asked))
        for status, reply in zip([*cursors], replies, strict=True):
            seen |= {each["requestId"]: each for each in reply.body["requests"]} if reply.ok else {}
            cursors[status] = reply.body["cursor"] if reply.ok else None
            if cursors[status] is None:
                del cursors[status]
        failed += [each for each in replies if not each.ok]
        while chain[-1]["replaces"] in seen:
            # Each is taken once: nothing that the API may say makes a circle of it.
            chain.append(seen.pop(chain[-1]["replaces"]))
    if chain[-1]["replaces"] is None:
        return chain, failed, None
    return chain, failed, {"account": newest["account"], **days}


# ---- undoing ---------------------------------------------------------------------------------------------------------


def _now(console: Console, reply: Reply) -> datetime:
    """The API's own time where it says it: this machine's clock decides about no card's 15 minutes."""
    try:
        said = parsedate_to_datetime(reply.headers["date"])
    except (KeyError, ValueError):
        return console.now()
    return said if said.tzinfo else console.now()


def _surely_over_at(body: Mapping[str, Any]) -> datetime | None:
    """When Amazon surely cancels a gift card no more; None for what has no such time.

    The API tells of 15 minutes from when the card was first asked for. Where Amazon's response came late, the card may
    be younger than that, but no younger than what the ledger last wrote of it.
    """
    if body.get("cancellableUntil") is None or body["status"] != Status.SUCCEEDED:
        return None
    return max(moment(body["cancellableUntil"]), moment(body["updatedAt"]) + CANCEL_WINDOW)


def _refused(body: Mapping[str, Any], now: datetime) -> str:
    """Why a request cannot be undone; empty if the API may be asked to, which decides."""
    over_at = _surely_over_at(body)
    if over_at is not None and now >= over_at:
        return (
            "Amazon cancels a gift card only within 15 minutes of its creation. For this one they ended at "
            f"{over_at:%Y-%m-%d %H:%M:%S} UTC. The card is live and stays charged."
        )
    return _ENDED.get(body["status"], "")


_ENDED: Final[Mapping[str, str]] = {
    Status.REVERSED: "It has been undone already: nothing is charged.",
    Status.REFUSED: "It was refused: nothing was charged, and there is nothing to undo.",
    Status.ESCALATED: "What became of it at Amazon could not be found out. People are on it: tell them that it is not "
    "wanted.",
}


def _steps_of(what: What) -> Route:
    """The pages that ask whether a request is to be undone, and have it undone."""

    async def ask(request: Request) -> Ask:
        console, request_id = console_of(request), request.path_params["requestId"]
        reply = await console.gateway.get(what.path, requestId=request_id)
        title, back_url = f"{what.undoes} the {what.name} {request_id}", f"/requests/{quote(request_id, safe='')}"
        if not reply.ok:
            return Ask(title, (), what.undoes, back_url, refused=_unread(what, reply), replies=[reply])
        body = reply.body
        until, over_at = body.get("cancellableUntil"), _surely_over_at(body)
        now = _now(console, reply)
        late = until is not None and over_at is not None and moment(until) <= now
        return Ask(
            title=title,
            says=_says(what, body, late=late),
            button=f"{what.undoes} it",
            back_url=back_url,
            facts=_facts(console, body),
            until=over_at.isoformat() if over_at is not None and late else until,
            refused=_refused(body, now),
            danger=True,
        )

    async def act(request: Request, _form: FormData) -> Done:
        request_id = request.path_params["requestId"]
        route = f"{what.path}/{what.verb}"
        reply = await console_of(request).gateway.send("POST", route, requestId=request_id)
        title = f"{what.undoes} the {what.name} {request_id}"
        return Done(title, reply, f"/requests/{quote(request_id, safe='')}")

    return step(f"/requests/{{requestId}}/{what.verb}", ask, act)


def _unread(what: What, reply: Reply) -> str:
    if reply.kind is Kind.NOT_FOUND:
        return f"There is no {what.name} of this request id. Nothing was sent."
    return "It could not be read: nothing is undone that cannot be seen. Nothing was sent."


def _says(what: What, body: Mapping[str, Any], *, late: bool) -> Sequence[str]:
    known = body["status"] == Status.SUCCEEDED
    of_budget = f" So does what it took of the budget {body['budget']}." if body["budget"] else ""
    says = [
        f"{what.effect}{of_budget}"
        if known
        else "What became of it at Amazon is not known yet. From then on it is not wanted, for good: if Amazon has "
        "done it, it is undone, and no other is issued in its place.",
        "It cannot be taken back: who is to have the amount after all needs a new order under a new key.",
        "If the response is 202, it is recorded but not done yet. It goes on by itself: its page shows how it ends.",
    ]
    if late:
        says.append(
            "15 minutes have passed since the card was first asked for. It may be younger than that: Amazon decides, "
            "and may refuse. Then it stays live and charged."
        )
    return says


def _facts(console: Console, body: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    facts = {
        "Request": body["requestId"],
        "Amount": f"{amount(body['amount'])} {body['currencyCode']}",
        "Status": body["status"],
        "Account": body["account"],
        "Card at Amazon (gcId)": body.get("gcId"),
        "Card number": body.get("cardNumber"),
        "Customer": body.get("customerAccountId"),
        "Reference": body["externalReference"],
        "Budget": body["budget"],
        "Created": console.time(body["createdAt"]),
    }
    return [(name, str(value)) for name, value in facts.items() if value]


ROUTES: Final = (
    Route("/requests", _requests),
    Route("/requests/{requestId}", _request),
    Route("/requests/{requestId}/generations", _generations),
    *(_steps_of(each) for each in OPERATIONS.values()),
)
