"""What is done about one day of the books: run a round, resolve a difference, resolve all of a kind."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from console.books_days import NOT_READ, all_of, read_day
from console.books_words import KINDS, REASONS, SETTLING
from console.confirm import Ask, Done, Field, step
from console.gateway import Reply
from console.page import amount, console_of, who
from console.searches import sums
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX
from local.commands.reconcile import ADVICE

DAY: Final = "/reconciliations/{account}/{day}"
ONE: Final = f"{DAY}/differences/{{differenceId}}/resolve"
ALL_OF_KIND: Final = f"{DAY}/differences/resolve"
#: Differences that are named one by one before all of them are resolved.
NAMED_MAX: Final = 10


def _where(request: Request) -> tuple[str, str, str]:
    """Account, day, and the day's page."""
    account, day = request.path_params["account"], read_day(request.path_params["day"]).isoformat()
    return account, day, f"/books/{quote(account, safe='')}/{day}"


async def _ask_run(request: Request) -> Ask:
    account, day, back_url = _where(request)
    return Ask(
        title=f"Run a round of {day}",
        says=(
            "Amazon's rows of the day are read anew, one page a minute at most, and held against the ledger.",
            "A day that is not over may be run, too: what is too young is inTransit.",
            "If a month that is closed changes by it, its close is STALE. A run that finds the same changes nothing.",
        ),
        button="Run it",
        back_url=back_url,
        facts=(("Account", account), ("Day", day)),
    )


async def _run(request: Request, _form: FormData) -> Done:
    account, day, next_url = _where(request)
    reply = await console_of(request).gateway.send("POST", f"{DAY}/run", account=account, day=day)
    return Done(f"Run a round of {day}", reply, next_url)


# ---- one -------------------------------------------------------------------------------------------------------------


async def _ask_resolve(request: Request) -> Ask:
    account, day, back_url = _where(request)
    kind = request.query_params.get("kind", "")
    reply, each = await _one(request, account, day, kind)
    refused = ""
    if each is None:
        refused = "The day has no such difference any more: its facts have changed, or it is settled. Read it again."
        if reply.ok and reply.body["cursor"] is not None:
            refused = "It is not among the first of the day: come here from the list of its kind."
    elif each["kind"] == "inTransit":
        refused = "It is inTransit: it ends by itself, and blocks nothing."
    elif kind and each["kind"] != kind:
        refused = f"It is of another kind: {each['kind']}."
    resolution = each["resolution"] if each else None
    return Ask(
        title=f"{'Correct what was decided of' if resolution else 'Resolve'} a difference of {day}",
        says=(
            "It explains the difference and books nothing: Amazon's rows stay what they are.",
            "The note is kept for as long as the books are, with who said it and when, and read by auditors.",
            *(["What was decided before is kept; this one counts from then on."] if resolution else []),
            *(
                ["The day is judged anew: how an escalated request ended changes what is due."]
                if each and each["kind"] == "escalated"
                else []
            ),
        ),
        button="Correct it" if resolution else "Resolve it",
        back_url=back_url,
        facts=_facts(account, each) if each else (),
        seen={"decided": _decided(each), **({"kind": kind} if kind else {})} if each else {},
        fields=_fields(each["kind"] if each else ""),
        refused=refused if reply.ok else NOT_READ,
        replies=() if reply.ok else (reply,),
    )


async def _resolve(request: Request, form: FormData) -> Done:
    account, day, next_url = _where(request)
    gateway, title = console_of(request).gateway, f"Resolve a difference of {day}"
    # The API takes whatever comes last: what somebody else has decided meanwhile is not to be corrected unseen.
    reply, each = await _one(request, account, day, str(form.get("kind", "")))
    if not reply.ok:
        return Done(title, gateway.held_back("POST", ONE, f"{reply.detail} Nothing was sent."), next_url)
    if each is not None and _decided(each) != form.get("decided"):
        why = (
            f"Meanwhile somebody has decided on it: {_resolution(each)}. Nothing was sent: look at it, then try again."
        )
        return Done(title, gateway.held_back("POST", ONE, why), next_url)
    wanted = request.path_params["difference_id"]
    reply = await gateway.send("POST", ONE, _said(form), account=account, day=day, differenceId=wanted)
    return Done(title, reply, next_url)


async def _one(request: Request, account: str, day: str, kind: str) -> tuple[Reply, dict[str, Any] | None]:
    """The difference that a request is about; None if it is not among those that the reply ends with."""
    reply, found = await _differences(request, account, day, kind)
    return reply, next((each for each in found if each["differenceId"] == request.path_params["difference_id"]), None)


async def _differences(request: Request, account: str, day: str, kind: str) -> tuple[Reply, list[dict[str, Any]]]:
    return await all_of(console_of(request), DAY, "differences", {"kind": kind}, account=account, day=day)


def _decided(each: Mapping[str, Any]) -> str:
    """Tells one decision about a difference from a later one."""
    resolution = each["resolution"]
    return f"{resolution['at']} {resolution['corrections']}" if resolution else ""


def _resolution(each: Mapping[str, Any]) -> str:
    resolution = each["resolution"]
    return f"{resolution['reason']}: {resolution['note']} (by {who(resolution['by'])})" if resolution else ""


def _facts(account: str, each: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    ledger, amazon, said = each["ledger"], each["amazon"], _resolution(each)
    nets = "".join(f"; net {_money(net)}" for net in amazon["nets"])
    return (
        ("Account", account),
        ("Request", each["requestId"] or "no request id"),
        ("Kind", f"{each['kind']}: {ADVICE.get(each['kind'], '')}"),
        ("At stake", _money(each)),
        ("Ledger", f"{ledger['status']} {_money(ledger)}" if ledger else "not in the ledger"),
        (
            "Amazon",
            f"unreadable: {amazon['unreadable']}"
            if amazon["unreadable"]
            else f"{amazon['charges']} charged, {amazon['refunds']} refunded{nets}",
        ),
        *((("Decided before", said),) if said else ()),
    )


def _money(of: Mapping[str, Any]) -> str:
    return f"{amount(of['amount'])} {of['currencyCode']}"


def _fields(kind: str) -> Sequence[Field]:
    reasons = SETTLING if kind == "escalated" else REASONS
    choices = [("", "Choose a reason"), *((value, f"{value}: {words}") for value, words in reasons.items())]
    hint = f"At most {NOTE_LENGTH_MAX} characters. Name a card by its request id: what looks like a code is refused."
    return Field("reason", "Reason", "select", choices), Field("note", "Note", "textarea", hint=hint)


def _said(form: FormData) -> dict[str, str]:
    return {name: str(form.get(name, "")).strip() for name in ("reason", "note")}


# ---- all of a kind ---------------------------------------------------------------------------------------------------


async def _ask_resolve_all(request: Request) -> Ask:
    account, day, back_url = _where(request)
    kind = _kind(request.query_params.get("kind"))
    reply, found = await _undecided(request, account, day, kind)
    names = [each["requestId"] or "a row without a request id" for each in found[:NAMED_MAX]]
    more = f" and {len(found) - NAMED_MAX:,} more" if len(found) > NAMED_MAX else ""
    refused = ""
    if kind == "inTransit":
        refused = "What is inTransit ends by itself, and blocks nothing."
    elif reply.ok and reply.body["cursor"] is not None:
        refused = f"There are more than {len(found):,}: nobody has looked at them all. Use the API, or ask why."
    elif not found:
        refused = "There is none of this kind that nobody has decided on."
    return Ask(
        title=f"Resolve all {len(found):,} of {kind} of {day}",
        says=(
            f"{len(found):,} are resolved for the same reason, with the same note; none that somebody has decided on.",
            "If others are found meanwhile, nothing is sent: look at them first.",
            "It explains them and books nothing. The note is kept for as long as the books are, with who and when.",
        ),
        button=f"Resolve {len(found):,}",
        back_url=back_url,
        facts=(
            ("Account", account),
            ("Kind", f"{kind}: {KINDS[kind]}"),
            ("What to do", ADVICE.get(kind, "")),
            ("Requests", ", ".join(names) + more),
            ("At stake", _sum_of(found)),
        ),
        seen={"kind": kind, "seen": _digest(found)},
        fields=_fields(kind),
        refused=refused if reply.ok else NOT_READ,
        replies=() if reply.ok else (reply,),
    )


async def _resolve_all(request: Request, form: FormData) -> Done:
    account, day, next_url = _where(request)
    kind, title = _kind(str(form.get("kind"))), f"Resolve all of a kind of {day}"
    gateway = console_of(request).gateway
    # The API resolves what there is by then. What nobody has looked at is not to be explained with the rest.
    reply, found = await _undecided(request, account, day, kind)
    if not reply.ok:
        return Done(title, reply, next_url)
    if _digest(found) != form.get("seen"):
        why = f"There are others of {kind} now than the page showed: {len(found):,}. Nothing was sent; look at them."
        return Done(title, gateway.held_back("POST", ALL_OF_KIND, why), next_url)
    body = {"kind": kind, **_said(form)}
    reply = await gateway.send("POST", ALL_OF_KIND, body, account=account, day=day)
    left = reply.body["left"] if reply.ok else 0
    note = f"There was no time for {left:,} more: do it again for these." if left else ""
    return Done(title, reply, next_url, note)


async def _undecided(request: Request, account: str, day: str, kind: str) -> tuple[Reply, list[dict[str, Any]]]:
    reply, found = await _differences(request, account, day, kind)
    return reply, [each for each in found if each["resolution"] is None]


def _kind(text: str | None) -> str:
    if text is None or text not in KINDS:
        raise HTTPException(404, "Say of which kind: the day's page leads here.")
    return text


def _digest(found: Sequence[Mapping[str, Any]]) -> str:
    """Of what a page showed; a difference's id is of its facts."""
    return hashlib.sha256(" ".join(sorted(each["differenceId"] for each in found)).encode()).hexdigest()


def _sum_of(found: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{amount(total)} {code}" for total, code in sums(found)) or "nothing"


ROUTES: Final = (
    step("/books/{account}/{day:day}/run", _ask_run, _run),
    step("/books/{account}/{day:day}/differences/{difference_id}/resolve", _ask_resolve, _resolve),
    step("/books/{account}/{day:day}/resolve", _ask_resolve_all, _resolve_all),
)
