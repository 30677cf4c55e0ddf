"""Recovery: requests without an outcome, oldest first, with what is at risk; another round; the case for Amazon."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.confirm import Ask, Done, step
from console.endings import Ended
from console.gateway import Kind, Reply
from console.page import Console, amount, console_of, page
from console.screens.requests import CONFLICTS, MEANINGS, OPEN, OPERATIONS, look_up
from console.searches import Search, by_age, search, sums
from incentives.domain.single_requests.record import Status

RECOVER: Final = "/requests/{requestId}/recover"
#: What is looked for each time that the page renews itself.
LISTED: Final = (Status.ESCALATED, Status.RECOVERING, Status.REVERSING)
#: How long pages share what is not: which accounts there are, and what waits.
LIVES: Final = timedelta(seconds=10)
#: How far back the newest judged day is looked for, and for how long what it says is shared: it is judged once a day.
JUDGED_WITHIN: Final = timedelta(days=7)
BOOKS_LIVE: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class InBooks:
    """Escalated requests, as the newest judged day of the books has them.

    Attributes:
        replies: those that were needed.
        day: ISO; None: none was judged lately.
        differences: as the API tells them, those that nobody has settled.
    """

    replies: Sequence[Reply]
    day: str | None = None
    differences: Sequence[Mapping[str, Any]] = ()
    is_whole: bool = True


async def _recovery(request: Request) -> Response:
    console = console_of(request)
    figures, shared = console.figures, console.shared
    accounts = await shared.get("accounts", LIVES, lambda: console.gateway.get("/accounts"))
    names = [each["account"] for each in accounts.body.get("accounts", [])]
    account = request.query_params.get("account") or (names[0] if names else None)
    lists = asyncio.gather(*(search(console, account, each) for each in LISTED))
    waiting = shared.get(("pending", account), LIVES, lambda: search(console, account, Status.PENDING))
    counted = asyncio.gather(figures.metrics(), figures.recoveries())
    (escalated, recovering, reversing), (metrics, recoveries), pending = await lists, await counted, await waiting
    unknown = by_age([*recovering.requests, *reversing.requests])
    at_risk = by_age([*escalated.requests, *unknown])
    ended = await _ended(console, account or "", [escalated, recovering, reversing])
    gone_on = {each["requestId"] for each in (*at_risk, *(one.request for one in ended))}
    pending = replace(pending, requests=[each for each in pending.requests if each["requestId"] not in gone_on])
    in_books = await _in_books(console, account) if account and escalated.further_url else None
    return page(
        request,
        "recovery.html",
        accounts=accounts,
        names=names,
        account=account,
        escalated=escalated,
        unknown=unknown,
        unknown_sums=sums(unknown),
        unknown_replies=[recovering.reply, reversing.reply],
        further=[each for each in (recovering, reversing) if each.further_url],
        pending=pending,
        at_risk=at_risk,
        at_risk_sums=sums(at_risk),
        metrics=metrics,
        recoveries=recoveries,
        in_books=in_books,
        ended=ended,
        meanings=MEANINGS,
        operations=OPERATIONS,
    )


async def _ended(console: Console, account: str, lists: Sequence[Search]) -> list[Ended]:
    """How those ended that an earlier page had in its lists. A list that is not whole does not say which are gone."""
    if not all(each.reply.ok and not each.further_url for each in lists):
        return []

    async def read(request_id: str) -> Mapping[str, Any] | None:
        found = await look_up(console, request_id)
        return found.reply.body if found.reply else None

    listed = [each["requestId"] for one in lists for each in one.requests]
    return await console.endings.of(account, listed, read, {*OPEN, Status.ESCALATED}.__contains__)


async def _in_books(console: Console, account: str) -> InBooks:
    """Where there are too many requests to look at all of them, the books know which are escalated."""

    async def ask() -> InBooks:
        first = f"{console.now() - JUDGED_WITHIN:%Y-%m-%d}"
        days = await console.gateway.get("/reconciliations", {"account": account, "from": first})
        judged = [each["day"] for each in days.body.get("days", []) if each["judgedAt"]]
        if not judged:
            return InBooks([days])
        path, query = "/reconciliations/{account}/{day}", {"kind": "escalated"}
        detail = await console.gateway.get(path, query, account=account, day=judged[-1])
        found = [each for each in detail.body.get("differences", []) if each["resolution"] is None]
        return InBooks([detail], judged[-1], found, is_whole=not detail.body.get("cursor"))

    return await console.shared.get(("escalated in the books", account), BOOKS_LIVE, ask)


# ---- another round ---------------------------------------------------------------------------------------------------


async def _ask_recover(request: Request) -> Ask:
    console, request_id = console_of(request), request.path_params["requestId"]
    looked_up = await look_up(console, request_id)
    found = looked_up.reply.body if looked_up.reply else None
    says, refused = _what_a_round_does(found)
    if found is None and not looked_up.failed:
        refused = f"There is no request {request_id}."
    if found is not None and found["requestId"] != request_id:
        says = (
            f"It was issued again as {found['requestId']}, the newest of its key. The round is for that one.",
            *says,
        )
    return Ask(
        title=f"Start another round of recovery for {request_id}",
        says=says,
        button="Start another round",
        back_url="/recovery" if found is None else f"/recovery?account={quote(found['account'], safe='')}",
        facts=_facts(found, console) if found else (),
        seen={"status": found["status"]} if found else {},
        replies=looked_up.failed,
        refused=refused,
    )


async def _recover(request: Request, form: FormData) -> Done:
    console, request_id = console_of(request), request.path_params["requestId"]
    title, next_url = f"Start another round of recovery for {request_id}", f"/requests/{quote(request_id, safe='')}"
    # A round of an open request sends nothing that was not sent: whoever was told so has not agreed to more.
    found = (await look_up(console, request_id)).reply if form.get("status") in OPEN else None
    if found is not None and found.body["status"] == Status.ESCALATED:
        why = "It is escalated meanwhile: another round may charge it only now. Nothing was sent: look at it again."
        return Done(title, console.gateway.held_back("POST", RECOVER, why), next_url)
    return Done(title, await console.gateway.send("POST", RECOVER, requestId=request_id), next_url)


def _what_a_round_does(found: Mapping[str, Any] | None) -> tuple[Sequence[str], str]:
    """In sentences; and why there can be none, or nothing."""
    if found is None:
        return (
            "Amazon is asked what became of the request, for another 24 hours if it was escalated.",
            "If it was, and was not being reversed, it is sent once more: it may be charged only now.",
        ), ""
    status = found["status"]
    if status == Status.ESCALATED:
        return (
            "Amazon is asked for another 24 hours what became of it.",
            "A request that was not being reversed is sent once more under the same id: it may be charged only now.",
            "Ask whoever ordered it whether it is still wanted.",
            "A request that was being reversed is reversed.",
            "If it is not wanted any more, start the round, and cancel it at once on its own page.",
            "Your name is kept with it.",
        ), ""
    if status in OPEN:
        return (
            "It is taken from whoever works on it now, and goes on where that one was.",
            "Its 24 hours do not begin anew.",
            "It is needed only where its recovery was stopped; within two minutes the sweep does the same.",
            "Your name is kept with it.",
        ), ""
    return (), f"It has ended as {status}: there is nothing to recover."


def _facts(found: Mapping[str, Any], console: Console) -> list[tuple[str, str]]:
    facts = [
        ("Request", found["requestId"]),
        ("Operation", found["operation"]),
        ("State", found["status"]),
        ("Amount", f"{amount(found['amount'])} {found['currencyCode']}"),
        ("Account", found["account"]),
        ("Made", console.time(found["createdAt"])),
    ]
    if found["externalReference"]:
        facts.append(("Reference", found["externalReference"]))
    return facts


# ---- the case --------------------------------------------------------------------------------------------------------


async def _case(request: Request) -> Response:
    request_id = request.path_params["requestId"]
    reply = await console_of(request).gateway.get("/requests/{requestId}/case-file", requestId=request_id)
    status = HTTPStatus.NOT_FOUND if reply.kind is Kind.NOT_FOUND else HTTPStatus.OK
    return page(request, "case.html", status, request_id=request_id, reply=reply, conflicts=CONFLICTS)


async def _download(request: Request) -> Response:
    """The case as Amazon's support gets it; whatever failed is shown on a page instead."""
    request_id = request.path_params["requestId"]
    reply = await console_of(request).gateway.get("/requests/{requestId}/case-file", requestId=request_id)
    if not reply.ok:
        return page(request, "case.html", request_id=request_id, reply=reply, conflicts=CONFLICTS)
    text = json.dumps(reply.body, indent=1, ensure_ascii=False)
    name = f"case-{request_id}.json" if request_id.isascii() and request_id.isalnum() else "case.json"
    return Response(
        text.encode(), media_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


ROUTES: Final = (
    Route("/recovery", _recovery),
    step("/requests/{requestId}/recover", _ask_recover, _recover),
    Route("/requests/{requestId}/case-file", _case),
    Route("/requests/{requestId}/case-file.json", _download),
)
