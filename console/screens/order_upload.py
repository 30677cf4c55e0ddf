"""A file of rows becomes a bulk order, whose file is checked and nothing else: the order's page shows what was found.

The order's key is made from the file's rows. Whatever is lost on the way, the same file sent again goes on with the
same order and never makes a second one. The file stays in memory.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from console.confirm import Ask, Done, Field, step
from console.gateway import Reply
from console.page import console_of
from console.threads import Threads
from incentives.domain.bulk_orders.bulk_order import FileFormat
from incentives.domain.errors import InvalidInput
from incentives.domain.single_requests.request_ids import parse_idempotency_key
from incentives.domain.texts import shown
from local import order_files
from local.commands import order_texts

FORMATS: Final = (("", "as the file's name says"), ("csv", "CSV"), ("jsonl", "JSON Lines"))
ON_UNKNOWN: Final = (
    ("retry", "repeat the request until Amazon responds"),
    ("reverse", "make sure that nothing is charged"),
    ("reissue", "make sure that nothing is charged, then issue it anew"),
)
#: A file of the greatest size takes seconds of a processor.
_READERS: Final = Threads(1)
AGAIN: Final = "Send the same file again: it goes on with the same order, and never makes a second one."


@dataclass(frozen=True)
class _Given:
    """A form that can be sent.

    Attributes:
        name: the file's.
        content: the file.
        body: of the call that makes the order.
        key: likewise, its Idempotency-Key.
        has_own_key: it was not made from the file's rows.
    """

    name: str
    content: bytes
    body: dict[str, Any]
    key: str
    has_own_key: bool


async def _ask(request: Request) -> Ask:
    gateway = console_of(request).gateway
    accounts, budgets = await asyncio.gather(gateway.get("/accounts"), gateway.get("/budgets"))
    return Ask(
        title="Check a file of gift cards",
        says=(
            "The file is sent, and checked as a whole. Nothing is issued: you see first what it asks for.",
            "The order is known by its rows. The same rows sent again show the same order.",
            "Whoever sends its file is one of the order's makers: they cannot approve it.",
        ),
        button="Send and check it",
        back_url="/orders",
        fields=(
            Field("file", "File", "file", hint="CSV (key, amount, currency, reference, cost_center) or JSON Lines"),
            Field("format", "Format", "select", FORMATS, required=False),
            _choice("account", "Account", accounts, of=("accounts", "account"), nothing="the deployment's own"),
            _choice("budget", "Budget", budgets, of=("budgets", "name"), nothing="none"),
            Field("onUnknown", "If Amazon does not say what became of a card", "select", ON_UNKNOWN),
            Field(
                *("allowSameRows", "Issue the rows even if another order has the same", "checkbox"),
                hint="On purpose: they are charged again. It needs a key of its own",
                required=False,
            ),
            Field("key", "Key of the order", hint="Usually none: it is made from the file's rows", required=False),
        ),
        replies=[each for each in (accounts, budgets) if not each.ok],
    )


def _choice(name: str, label: str, reply: Reply, *, of: tuple[str, str], nothing: str) -> Field:
    """One of a list; a text where nobody knows the whole list."""
    if not reply.ok or reply.body["cursor"]:
        return Field(name, label, hint=f"Empty: {nothing}", required=False)
    members, member = of
    choices = (("", nothing), *((each[member], each[member]) for each in reply.body[members]))
    return Field(name, label, "select", choices, required=False)


async def _upload(request: Request, form: FormData) -> Done:
    gateway = console_of(request).gateway
    file = form.get("file")
    name, content = (file.filename or "", await file.read()) if isinstance(file, UploadFile) else ("", b"")
    given = await asyncio.get_running_loop().run_in_executor(_READERS, _read, form, name, content)
    if not isinstance(given, _Given):
        why = "Nothing was sent: mend what is wrong, and send it again."
        return Done(f"Check the file {name}".rstrip(), gateway.held_back("POST", "/orders", why, *given), "/orders")
    made = await gateway.send("POST", "/orders", given.body, key=given.key)
    if not made.ok:
        return Done(f"Make an order of {name}", made, "/orders", AGAIN)
    order = made.body
    order_id, order_url = order["orderId"], f"/orders/{order['orderId']}"
    if order["status"] not in order_texts.STARTABLE:
        outcome = f"It is {order['status']}: the file was not sent, and nothing was started."
        title = "This key is that of an order" if given.has_own_key else "These rows are ordered already"
        return Done(f"{title}: {order_id}", made, order_url, outcome=outcome)
    if order["upload"] is not None:
        put = await gateway.put_file(order["upload"], given.content)
        if not put.ok:
            return Done(f"Send the file {name} of order {order_id}", put, order_url, AGAIN)
    started = await gateway.send("POST", "/orders/{orderId}/start", {"dryRun": True}, orderId=order_id)
    return Done(f"Check the file {name} as order {order_id}", started, order_url, "" if started.ok else AGAIN)


def _read(form: FormData, name: str, content: bytes) -> "_Given | list[tuple[str, str]]":
    """What is to be sent; or each field that is wrong, and what is wrong with it."""
    texts = {each: str(form.get(each, "")).strip() for each in ("format", "account", "budget", "onUnknown", "key")}
    same_rows = bool(form.get("allowSameRows"))
    errors = []
    why = order_files.why_not_sent(content) if name else "is missing"
    if why is not None:
        errors.append(("file", f"{shown(name)} {why}" if name else why))
    file_format = FileFormat(texts["format"]) if texts["format"] in {*FileFormat} else order_files.format_of(name)
    if file_format is None:
        errors.append(("format", "is not told by the file's name: choose one"))
    if same_rows and not texts["key"]:
        # The key that the rows make is that of the order which has issued them.
        errors.append(("key", "is needed to issue the same rows again: one that no order has had"))
    try:
        key = parse_idempotency_key(texts["key"]) if texts["key"] else ""
    except InvalidInput as error:
        errors.append(("key", error.message))
        key = ""
    if errors or file_format is None:
        return errors
    body: dict[str, Any] = {"format": file_format.value, "onUnknown": texts["onUnknown"]}
    body |= {each: texts[each] for each in ("account", "budget") if texts[each]}
    body |= {"allowSameRows": True} if same_rows else {}
    return _Given(name, content, body, key or order_files.key_of(content, file_format), has_own_key=bool(key))


ROUTES: Final = (step("/orders/new", _ask, _upload),)
