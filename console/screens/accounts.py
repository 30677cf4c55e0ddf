"""Accounts at Amazon: frozen or not, balance, age of the keys; freezing and unfreezing."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.confirm import Ask, Done, Field, step
from console.gateway import Gateway, Reply
from console.page import Console, console_of, page, url, who
from incentives.domain.accounts.alerts import KEY_DAYS, KEY_DAYS_MAX
from incentives.domain.accounts.standing import AccountState
from incentives.domain.bulk_orders.bulk_order import OrderStatus

Account = Mapping[str, Any]

ACCOUNTS: Final = "/accounts"
FREEZE: Final = "/accounts/{account}/freeze"
UNFREEZE: Final = "/accounts/{account}/unfreeze"
#: What an age of the access key means, from the greatest of `KEY_DAYS` on, as the operators are alerted to it.
DUE: Final = tuple(
    zip(
        reversed(KEY_DAYS),
        ("it must be replaced now", "replace it within ten days", "replace it within a month"),
        strict=True,
    )
)
#: What is said of each state.
MEANING: Final = {
    AccountState.ACTIVE: "Cards are issued for it.",
    AccountState.FROZEN: "Nothing new is sent for it, and no claim code is read. Cancels, recoveries, reconciliation "
    "and key rotations go on.",
    AccountState.UNUSABLE: "Its keys cannot be read: nobody has put any, they are not whole, or the gateway may not "
    "read their secret. Nothing is sent for it, and callers get 503: nothing is charged, and the same key works once "
    "that is mended.",
}
#: Since when it is frozen, by whom and why, as the page has shown it.
SEEN: Final = {"seenSince": "since", "seenBy": "by", "seenReason": "reason"}


async def _accounts(request: Request) -> Response:
    cursor = request.query_params.get("cursor")
    reply = await console_of(request).gateway.get(ACCOUNTS, {"cursor": cursor})
    return page(request, "accounts.html", reply=reply, cursor=cursor, key_words=key_words)


async def _account(request: Request) -> Response:
    gateway, name = console_of(request).gateway, request.path_params["account"]
    (found, reply), paused = await asyncio.gather(_one(gateway, name), _paused(gateway, name))
    return page(
        request,
        "account.html",
        name=name,
        found=found,
        reply=reply,
        paused=paused,
        key_words=key_words,
        meaning=MEANING,
        key_days_max=KEY_DAYS_MAX,
        paused_url=paused_url(name),
        for_stack="" if gateway.target.is_local else f" STACK={gateway.target.stack}",
    )


def key_words(account: Account) -> str:
    """What there is to do about an account's access key; empty if nothing is."""
    age = account["keyAgeDays"]
    if age is None:
        return ""
    return next((words for days, words in DUE if age >= days), "")


async def _one(gateway: Gateway, name: str) -> tuple[Account | None, Reply]:
    """How an account stands; None with the reply that failed, or with the last one if the API does not know it."""
    cursor: str | None = None
    while True:
        reply = await gateway.get(ACCOUNTS, {"cursor": cursor})
        if not reply.ok:
            return None, reply
        found = next((each for each in reply.body["accounts"] if each["account"] == name), None)
        cursor = reply.body["cursor"]
        # By name: those after it are on later pages.
        if found or cursor is None or cursor >= name:
            return found, reply


async def _paused(gateway: Gateway, name: str) -> Reply:
    """Its bulk orders that wait for somebody to resume them: the first page of them."""
    return await gateway.get("/orders", {"account": name, "status": OrderStatus.PAUSED})


def paused_url(name: str) -> str:
    """Where the paused orders of an account are listed."""
    return url("/orders", account=name, status=OrderStatus.PAUSED)


# ---- freezing --------------------------------------------------------------------------------------------------------


async def _ask_freeze(request: Request) -> Ask:
    here, name = console_of(request), request.path_params["account"]
    found, reply = await _one(here.gateway, name)
    title, back_url = f"Freeze the account {name}", _url(name)
    if found and found["frozen"]:
        refused = "It is frozen already, and keeps the reason that it was frozen for."
        return Ask(title, (), "", back_url, _facts(found["frozen"], here), refused=refused)
    # Whoever freezes is in a hurry: it is asked for also while nobody can tell how the account stands.
    return Ask(
        title=title,
        says=(
            "No card is created, activated, loaded or revealed for it from then on: callers get 503 AccountFrozen.",
            "What waits unsent goes on waiting, and is refused 24 hours after it was ordered. Bulk orders pause.",
            "Cancels, recoveries, reconciliation and key rotations go on.",
            "All operators are told who froze it, and why.",
            "It takes some seconds: once it is done, nothing new leaves any more.",
        ),
        button="Freeze it",
        back_url=back_url,
        fields=(Field("reason", "Reason", hint="Told to all operators. Name a card by its request id."),),
        replies=() if reply.ok else [reply],
    )


async def _freeze(request: Request, form: FormData) -> Done:
    gateway, name = console_of(request).gateway, request.path_params["account"]
    body = {"reason": str(form.get("reason", "")).strip()}
    reply = await gateway.send("POST", FREEZE, body, account=name)
    frozen, note = reply.body["frozen"] if reply.ok else None, ""
    if reply.ok and not frozen:
        note = "Somebody has unfrozen it meanwhile: it is not frozen."
    elif frozen and frozen["reason"] != body["reason"]:
        note = f"It was frozen already, {_why(frozen)}. Your reason is told to nobody."
    return Done(f"Freeze the account {name}", reply, _url(name), note)


async def _ask_unfreeze(request: Request) -> Ask:
    here, name = console_of(request), request.path_params["account"]
    (found, reply), paused = await asyncio.gather(_one(here.gateway, name), _paused(here.gateway, name))
    title, back_url = f"Unfreeze the account {name}", _url(name)
    if not reply.ok:
        refused = "It cannot be unfrozen unseen: who froze it, and why, could not be read."
        return Ask(title, (), "", back_url, refused=refused, replies=[reply])
    if found is None or not found["frozen"]:
        refused = (
            "It is not frozen. Should callers still get 503 AccountFrozen, whoever unfroze it was cut off: the account "
            "watch mends that within a quarter of an hour."
        )
        return Ask(title, (), "", back_url, refused=refused)
    return Ask(
        title=title,
        says=(
            "See first that the cause is gone: the key is replaced, or the caller is stopped.",
            "What has waited goes on by itself within a quarter of an hour, at the account's usual rate.",
            "Cancel before what was ordered by mistake: what still waits is issued afterwards.",
            "Bulk orders stay paused until somebody resumes each of them.",
            "All operators are told who unfroze it.",
        ),
        button="Unfreeze it",
        back_url=back_url,
        facts=(*_facts(found["frozen"], here), *_orders(paused)),
        seen={field: found["frozen"][name] or "" for field, name in SEEN.items()},
        replies=() if paused.ok else [paused],
    )


async def _unfreeze(request: Request, form: FormData) -> Done:
    gateway, name = console_of(request).gateway, request.path_params["account"]
    title = f"Unfreeze the account {name}"
    found, reply = await _one(gateway, name)
    if not reply.ok:
        why = f"Who froze it, and why, could not be read: {reply.detail} Nothing was sent."
        return Done(title, gateway.held_back("POST", UNFREEZE, why), _url(name))
    frozen = found["frozen"] if found else None
    if frozen and any(form.get(field) != (frozen[name] or "") for field, name in SEEN.items()):
        why = f"Meanwhile it was frozen again: {_why(frozen)}. Nothing was sent: look at it, then try again."
        return Done(title, gateway.held_back("POST", UNFREEZE, why), _url(name))
    # Also where it is not frozen any more: whoever unfroze it may have been cut off before anything could be sent.
    reply = await gateway.send("POST", UNFREEZE, account=name)
    if reply.ok and reply.body["frozen"]:
        return Done(title, reply, _url(name), f"It was frozen again meanwhile: {_why(reply.body['frozen'])}.")
    return Done(title, reply, _url(name), "Resume its bulk orders one by one, where they are paused.")


def _facts(frozen: Mapping[str, Any], here: Console) -> list[tuple[str, str]]:
    return [
        ("Frozen by", who(frozen["by"])),
        ("Why", frozen["reason"] or "no reason was given"),
        ("Since", here.time(frozen["since"])),
    ]


def _why(frozen: Mapping[str, Any]) -> str:
    return f"by {who(frozen['by'])}, for this reason: {frozen['reason'] or 'none was given'}"


def _orders(paused: Reply) -> list[tuple[str, str]]:
    if not paused.ok:
        return []
    number = len(paused.body["orders"])
    more = " or more" if paused.body["cursor"] else ""
    return [("Bulk orders that are paused", f"{number}{more}")]


def _url(name: str) -> str:
    return f"{ACCOUNTS}/{name}"


ROUTES: Final = (
    Route(ACCOUNTS, _accounts),
    Route("/accounts/{account}", _account),
    step(FREEZE, _ask_freeze, _freeze),
    step(UNFREEZE, _ask_unfreeze, _unfreeze),
)
