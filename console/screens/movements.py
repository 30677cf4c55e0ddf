"""Movements: what changed the balance although no row says so. Finance says what each was made of."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.books_days import NOT_READ, zone_of
from console.books_words import PART_TYPES
from console.confirm import Ask, Done, Field, step
from console.gateway import Reply
from console.page import amount, console_of, moment, page, who
from incentives.domain.reconciliation.days import day_of, next_month, previous_month
from incentives.domain.reconciliation.movements import PARTS_MAX, REFERENCE_LENGTH_MAX

MOVEMENTS: Final = "/reconciliations/{account}/movements"
#: Parts that a page asks for: more than a movement of a quarter of an hour has in general.
PARTS_ASKED: Final = 6
_AMOUNT: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,2})?")


async def _movements(request: Request) -> Response:
    account, month = request.path_params["account"], request.path_params["month"]
    reply = await _listed(request)
    return page(
        request,
        "movements.html",
        account=account,
        month=month,
        before=previous_month(month),
        after=next_month(month),
        reply=reply,
        types=PART_TYPES,
    )


async def _listed(request: Request) -> Reply:
    account, month = request.path_params["account"], request.path_params["month"]
    return await console_of(request).gateway.get(MOVEMENTS, {"month": month}, account=account)


async def _one(request: Request) -> tuple[Reply, Mapping[str, Any] | None]:
    """The movement that a request is about; None if the month has none such."""
    reply, wanted = await _listed(request), request.path_params["movement_id"]
    found = reply.body["movements"] if reply.ok else []
    return reply, next((each for each in found if each["movementId"] == wanted), None)


def _back_url(request: Request) -> str:
    return f"/books/{quote(request.path_params['account'], safe='')}/{request.path_params['month']}/movements"


async def _ask_name(request: Request) -> Ask:
    console = console_of(request)
    reply, each = await _one(request)
    refused = ""
    if not reply.ok:
        refused = NOT_READ
    elif each is None:
        refused = "The month has no such movement any more: what was read since may have made another one of it."
    elif each["amount"] is None:
        refused = (
            "Its amount is not exact yet: every balance near it has rows within three seconds. Wait for a quiet one."
        )
    named = each is not None and bool(each["parts"])
    return Ask(
        title="Say otherwise what a movement was" if named else "Say what a movement was",
        says=(
            "Its parts are written into the books, with your name and the time; auditors read them.",
            "They must sum to the movement. What raised the balance is positive, what was taken is negative.",
            "Across the end of a month a part's date says whose month it is. Rows that are left empty are left out.",
            *(["What was said before is kept; this counts from then on."] if named else []),
        ),
        button="Name it",
        back_url=_back_url(request),
        facts=_facts(request, each) if each else (),
        seen={"total": each["amount"] or "", "currencyCode": each["currencyCode"], "named": each["namedAt"] or ""}
        if each
        else {},
        fields=list(_fields(each, day_of(moment(each["from"]), zone_of(console)).isoformat())) if each else (),
        refused=refused,
        replies=() if reply.ok else (reply,),
    )


def _facts(request: Request, each: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    console = console_of(request)
    return (
        ("Account", request.path_params["account"]),
        ("It happened between", console.time(each["from"])),
        ("and", console.time(each["to"])),
        ("Amount", f"{amount(each['amount'])} {each['currencyCode']}" if each["amount"] else "not exact yet"),
        ("Named", f"by {who(each['namedBy'])}" if each["namedBy"] else "not yet"),
    )


def _fields(each: Mapping[str, Any], day: str) -> Iterator[Field]:
    choices = [("", "-"), *((value, f"{value}: {words}") for value, words in PART_TYPES.items())]
    known = [*each["parts"], *[{}] * (PARTS_ASKED - len(each["parts"]))]
    for number, part in enumerate(known, start=1):
        group = f"Part {number}"
        # The browser is to send what is there: what is missing of a part is told by name.
        yield Field(f"type.{number}", "Type", "select", choices, "", part.get("type", ""), required=False, group=group)
        yield Field(
            f"amount.{number}",
            f"Amount in {each['currencyCode']}",
            value=part.get("amount", ""),
            required=False,
            group=group,
        )
        yield Field(f"date.{number}", "Date", "date", value=part.get("date", day), required=False, group=group)
        yield Field(f"reference.{number}", "Reference", value=part.get("reference", ""), required=False, group=group)


async def _name(request: Request, form: FormData) -> Done:
    gateway, title = console_of(request).gateway, "Say what a movement was"
    given = list(_given(form))
    wrong = list(_wrong(given, str(form.get("total", "")), str(form.get("currencyCode", ""))))
    if wrong:
        held = gateway.held_back("POST", MOVEMENTS, "Nothing was sent: mend this first.", *wrong)
        return Done(title, held, _back_url(request))
    # The API takes whatever comes last: what somebody else has said meanwhile is not to be replaced unseen.
    reply, each = await _one(request)
    if not reply.ok:
        return Done(
            title, gateway.held_back("POST", MOVEMENTS, f"{reply.detail} Nothing was sent."), _back_url(request)
        )
    if each is not None and (each["namedAt"] or "") != form.get("named"):
        by = who(each["namedBy"]) if each["namedBy"] else "somebody"
        why = f"Meanwhile {by} has said what it was. Nothing was sent: look at it, then try again."
        return Done(title, gateway.held_back("POST", MOVEMENTS, why), _back_url(request))
    body = {"movementId": request.path_params["movement_id"], "parts": [part for _, part in given]}
    reply = await gateway.send("POST", MOVEMENTS, body, account=request.path_params["account"])
    return Done(title, reply, _back_url(request))


def _given(form: FormData) -> Iterator[tuple[int, dict[str, str]]]:
    """The parts that something was said of, each with its number on the page. A date alone says nothing."""
    for number in range(1, PARTS_MAX + 1):
        part = {name: str(form.get(f"{name}.{number}", "")).strip() for name in ("type", "amount", "date", "reference")}
        if part["type"] or part["amount"] or part["reference"]:
            yield number, part


def _wrong(given: Sequence[tuple[int, Mapping[str, str]]], total: str, currency: str) -> Iterator[tuple[str, str]]:
    if not given:
        yield "Part 1", "is empty, as all others are: say at least what one was"
        return
    incomplete = False
    for number, part in given:
        for name, text in part.items():
            what = _what_is_wrong(name, text)
            if what:
                incomplete = True
                yield f"Part {number}", f"its {name} {what}"
    if incomplete or not _AMOUNT.fullmatch(total):
        return
    left = Decimal(total) - sum(Decimal(part["amount"]) for _, part in given)
    if left:
        its = f"the movement is {amount(total)} {currency}, so {amount(f'{left:f}')} {currency}"
        yield "The parts", f"sum to {amount(f'{Decimal(total) - left:f}')} {currency}, and {its} is missing"


def _what_is_wrong(name: str, text: str) -> str:
    if not text:
        return "is missing"
    if name == "amount" and not _AMOUNT.fullmatch(text):
        return "is no plain number such as -12.50"
    if name == "reference" and len(text) > REFERENCE_LENGTH_MAX:
        return f"is longer than {REFERENCE_LENGTH_MAX} characters"
    return ""


ROUTES: Final = (
    Route("/books/{account}/{month:month}/movements", _movements),
    step("/books/{account}/{month:month}/movements/{movement_id}/name", _ask_name, _name),
)
