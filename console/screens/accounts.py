"""Accounts at Amazon: frozen or not, balance, age of the keys; freezing and unfreezing."""

from typing import Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.confirm import Ask, Done, Field, step
from console.page import console_of, page

#: Amazon wants keys changed every 180 days.
KEY_OLD_DAYS: Final = 150


async def _accounts(request: Request) -> Response:
    cursor = request.query_params.get("cursor")
    reply = await console_of(request).gateway.get("/accounts", {"cursor": cursor})
    return page(request, "accounts.html", reply=reply, key_old_days=KEY_OLD_DAYS)


async def _ask_freeze(request: Request) -> Ask:
    account = request.path_params["account"]
    return Ask(
        title=f"Freeze the account {account}",
        says=(
            "No card is created, activated, loaded or revealed for it from then on; bulk orders pause.",
            "Cancels, recoveries, reconciliation and key rotations go on.",
            "All operators are told who froze it, and why.",
        ),
        button="Freeze it",
        back_url="/accounts",
        fields=(Field("reason", "Reason", hint="Told to all operators"),),
    )


async def _freeze(request: Request, form: FormData) -> Done:
    account = request.path_params["account"]
    body = {"reason": str(form.get("reason", "")).strip()}
    reply = await console_of(request).gateway.send("POST", "/accounts/{account}/freeze", body, account=account)
    return Done(f"Freeze the account {account}", reply, "/accounts")


async def _ask_unfreeze(request: Request) -> Ask:
    account = request.path_params["account"]
    return Ask(
        title=f"Unfreeze the account {account}",
        says=("What waits is sent from then on. Paused bulk orders have to be resumed.",),
        button="Unfreeze it",
        back_url="/accounts",
    )


async def _unfreeze(request: Request, _form: FormData) -> Done:
    account = request.path_params["account"]
    reply = await console_of(request).gateway.send("POST", "/accounts/{account}/unfreeze", account=account)
    return Done(f"Unfreeze the account {account}", reply, "/accounts")


ROUTES: Final = (
    Route("/accounts", _accounts),
    step("/accounts/{account}/freeze", _ask_freeze, _freeze),
    step("/accounts/{account}/unfreeze", _ask_unfreeze, _unfreeze),
)
