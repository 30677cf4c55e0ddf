"""What can be done with a bulk order: start, pause, resume and stop it, check its file again, approve or reject it.

An order whose workflow has died can be had worked on again.

The page that asks shows the order as it is then. What was shown is what is started or approved: an order that has
changed meanwhile is not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.routing import Route

from console.confirm import Ask, Done, Field, step
from console.gateway import Kind, Reply
from console.page import amount, console_of, who
from local.commands import order_texts

Order = Mapping[str, Any]
Seen = Callable[[Order], Mapping[str, str]]
PATH: Final = "/orders/{orderId}"
MAKES_A_MAKER: Final = "Whoever does it counts as one of the order's makers: they cannot approve it."


@dataclass(frozen=True)
class Simple:
    """A step that takes no more than a yes.

    Attributes:
        name: the last part of its path.
        verb: what is done, before the order's id.
        says: what will happen.
        statuses: of orders that it can be done with.
        action: the last part of the API's path.
        body: of the call.
        needs_order: whether it is refused while nobody can read the order. What ends something is not.
        seen: by what the order that was shown is known again; where there is none, whatever it is by then will do.
        button: what the person says yes to.
    """

    name: str
    verb: str
    says: tuple[str, ...]
    statuses: frozenset[str]
    action: str
    body: Mapping[str, Any] | None = None
    danger: bool = False
    needs_order: bool = True
    seen: Seen | None = None
    button: str = ""

    @property
    def route(self) -> Route:
        """Its pages."""

        async def ask(request: Request) -> Ask:
            reply = await _read(request)
            order_id = request.path_params["orderId"]
            refused = _why_not(reply, self.statuses) if reply.ok or self.needs_order else ""
            return Ask(
                title=f"{self.verb} order {order_id}",
                says=self.says,
                button=self.button or f"{self.verb} it",
                back_url=f"/orders/{order_id}",
                facts=_facts(request, reply.body) if reply.ok else (),
                seen=self.seen(reply.body) if self.seen and reply.ok else {},
                refused=refused,
                replies=[] if reply.ok else [reply],
                danger=self.danger,
            )

        async def act(request: Request, form: FormData) -> Done:
            now = await _as_seen(request, form, self.statuses, self.seen, self.action) if self.seen else None
            reply = now if now and not now.ok else await _send(request, self.action, self.body)
            return _done(request, f"{self.verb} order {request.path_params['orderId']}", reply)

        return step(f"{PATH}/{self.name}", ask, act)


CHECK: Final = Simple(
    "check",
    "Check the file of",
    ("Its file is read once more, as it was sent last. Nothing is issued.", MAKES_A_MAKER),
    order_texts.STARTABLE,
    "start",
    {"dryRun": True},
    button="Check it",
)
PAUSE: Final = Simple(
    "pause",
    "Pause",
    ("Within seconds no further card is asked for. What was asked for comes to its end.", "It can be resumed."),
    frozenset({"ISSUING"}),
    "pause",
    needs_order=False,
)
RESUME: Final = Simple(
    "resume",
    "Resume",
    ("Its cards are issued from where it was paused; none is issued twice.",),
    frozenset({"PAUSED"}),
    "resume",
    # Whoever has paused it again meanwhile may have had another reason.
    seen=lambda order: {"updatedAt": order["updatedAt"]},
)
STOP: Final = Simple(
    "stop",
    "Stop",
    (
        "It ends for good: what was not asked for is never asked for.",
        "Cards that are issued stay issued, and charged. Its result tells which.",
    ),
    frozenset({"AWAITING_FILE", "INVALID", "VALIDATED", "AWAITING_APPROVAL", "VALIDATING", "ISSUING", "PAUSED"}),
    "stop",
    danger=True,
    needs_order=False,
)
#: A workflow runs for orders in these, or has died.
WORKED_ON: Final = frozenset({"VALIDATING", "ISSUING", "STOPPING", "SETTLING"})
VALIDATED: Final = frozenset({"VALIDATED"})
AWAITING: Final = frozenset({order_texts.AWAITING})


def steps_of(order: Order) -> list[tuple[str, str]]:
    """What can be done with an order now: the last part of its path, and in words."""
    status = order["status"]
    found = [
        (VALIDATED, "start", "Issue its cards"),
        (AWAITING, "approve", "Approve it"),
        (AWAITING, "reject", "Reject it"),
        (RESUME.statuses, "resume", "Resume it"),
        (PAUSE.statuses, "pause", "Pause it"),
        (CHECK.statuses, "check", "Check its file again"),
        (STOP.statuses, "stop", "Stop it"),
        (WORKED_ON, "go-on", "It gets no further"),
    ]
    return [(name, words) for statuses, name, words in found if status in statuses]


async def _ask_start(request: Request) -> Ask:
    reply, order_id = await _read(request), request.path_params["orderId"]
    refused = _why_not(reply, VALIDATED)
    if refused:
        return _refused(f"Issue the cards of order {order_id}", refused, reply)
    order = reply.body
    cards, sums = f"{order['rows'] or 0:,} cards", order_texts.sums(order)
    account, budget = order["account"], order["budget"]
    is_taken = (
        f"The whole sum is taken from the budget {budget} first. If it has too little left, nothing is issued."
        if budget
        else "It is taken from no budget."
    )
    same_rows = (
        "Its rows are issued even if another order has issued the same."
        if order["allowSameRows"]
        else "If another order has the same rows, nothing is issued."
    )
    says = (
        f"Amazon is asked for {cards} of account {account}, and charges what it issues: {sums} in all.",
        "Its file is checked once more. If it asks for another sum by then, nothing is issued.",
        is_taken,
        "Where such a sum needs a second person, nothing is issued before somebody else has approved it.",
        MAKES_A_MAKER,
        same_rows,
        "It can be paused, and stopped. What was issued by then stays issued.",
    )
    failed, left = await _left_in_budget(request, order)
    return Ask(
        title=f"Issue {order_texts.totals(order).replace(', ', ' for ', 1)}",
        says=says,
        button="Issue them",
        back_url=f"/orders/{order_id}",
        facts=(*_facts(request, order), *left),
        seen=_seen_to_start(order),
        replies=failed,
        danger=True,
    )


def _seen_to_start(order: Order) -> dict[str, str]:
    """What tells whether an order is still as it was shown. Whatever is done with it moves `updatedAt`."""
    return {"rows": str(order["rows"]), "total": order_texts.sums(order), "updatedAt": order["updatedAt"]}


async def _start(request: Request, form: FormData) -> Done:
    title = f"Issue the cards of order {request.path_params['orderId']}"
    now = await _as_seen(request, form, VALIDATED, _seen_to_start, "start")
    # Whoever may put its file needs no call of the API for another one to be there.
    body = {"dryRun": False, "total": now.body.get("total")}
    return _done(request, title, await _send(request, "start", body) if now.ok else now)


async def _ask_go_on(request: Request) -> Ask:
    reply, order_id = await _read(request), request.path_params["orderId"]
    title, refused = f"Go on with order {order_id}", _why_not(reply, WORKED_ON)
    if refused:
        return _refused(title, refused, reply)
    says = [
        "If its workflow has died, another one goes on where that one ended; no card is issued twice.",
        "If it has not, nothing happens.",
    ]
    if reply.body["status"] == "VALIDATING":
        says.append(MAKES_A_MAKER)
    return Ask(
        title=title,
        says=says,
        button="Go on with it",
        back_url=f"/orders/{order_id}",
        facts=(*_facts(request, reply.body), ("State", reply.body["status"])),
        seen=_seen_to_go_on(reply.body),
    )


async def _go_on(request: Request, form: FormData) -> Done:
    # Of an order that was paused meanwhile the same call would be more than a repeat.
    now = await _as_seen(request, form, WORKED_ON, _seen_to_go_on, "start")
    reply = await _send(request, *_repeat(now.body)) if now.ok else now
    return _done(request, f"Go on with order {request.path_params['orderId']}", reply)


def _seen_to_go_on(order: Order) -> dict[str, str]:
    return {"status": order["status"]}


def _repeat(order: Order) -> tuple[str, Mapping[str, Any] | None]:
    """What has an order worked on that is worked on already: the last part of the API's path, and a body."""
    match order["status"]:
        case "VALIDATING":
            return "start", {"dryRun": order["dryRun"]}
        case "ISSUING":
            return "start", {"dryRun": False}
        case _ if order["stopped"]:
            return "stop", None
        case _:
            return "resume", None


async def _ask_approve(request: Request) -> Ask:
    reply, order_id = await _read(request), request.path_params["orderId"]
    title = f"Approve order {order_id}"
    repeated = reply.ok and order_texts.is_approved(reply.body) and reply.body["status"] == "ISSUING"
    refused = "" if repeated else _why_not(reply, AWAITING)
    if refused:
        return _refused(title, refused, reply)
    order = reply.body
    failed, left = await _left_in_budget(request, order)
    says = (
        [f"It is approved already, by {who(order['decidedBy'])}. This only does what was left undone."]
        if repeated
        else [
            f"Its cards are issued then: {order_texts.totals(order)}.",
            "What is approved is what is shown here: an order that has changed meanwhile is not.",
        ]
    )
    seen = order_texts.seen_of(order)
    return Ask(
        title=title,
        says=[*says, "Whoever made it, could put its file or started it cannot approve it."],
        button="Approve it",
        back_url=f"/orders/{order_id}",
        facts=(*_facts(request, order), *left, ("Digest of account, budget and rows", str(order["approvalDigest"]))),
        seen={
            "digest": seen["digest"],
            "amount": seen["total"]["amount"],
            "currencyCode": seen["total"]["currencyCode"],
        },
        until=None if repeated else order["approvalUntil"],
        replies=failed,
        danger=True,
    )


async def _approve(request: Request, form: FormData) -> Done:
    digest, amount, currency = (str(form.get(name, "")) for name in ("digest", "amount", "currencyCode"))
    body = {"digest": digest, "total": {"amount": amount, "currencyCode": currency}}
    reply = await _send(request, "approve", body)
    is_issued = not reply.ok or order_texts.is_approved(reply.body)
    outcome = "" if is_issued else f"Nothing is issued all the same. {order_texts.why(reply.body)}"
    return _done(request, f"Approve order {request.path_params['orderId']}", reply, outcome)


async def _ask_reject(request: Request) -> Ask:
    reply, order_id = await _read(request), request.path_params["orderId"]
    title = f"Reject order {order_id}"
    refused = _why_not(reply, AWAITING)
    if refused:
        return _refused(title, refused, reply)
    return Ask(
        title=title,
        says=("Nothing of it is issued.", "Whoever made it reads the reason, and may start it again."),
        button="Reject it",
        back_url=f"/orders/{order_id}",
        facts=_facts(request, reply.body),
        fields=(Field("reason", "Reason", "textarea", hint="For whoever made the order"),),
    )


async def _reject(request: Request, form: FormData) -> Done:
    reply = await _send(request, "reject", {"reason": str(form.get("reason", "")).strip()})
    return _done(request, f"Reject order {request.path_params['orderId']}", reply)


async def _read(request: Request) -> Reply:
    return await console_of(request).gateway.get(PATH, orderId=request.path_params["orderId"])


async def _as_seen(request: Request, form: FormData, statuses: frozenset[str], seen: Seen, action: str) -> Reply:
    """The order, if it still is what the form's page has shown; else why nothing is sent."""
    now, gateway = await _read(request), console_of(request).gateway
    if not now.ok:
        why = f"Nothing was sent: how the order stands now could not be read. {now.detail}"
    elif _why_not(now, statuses) or any(form.get(name) != value for name, value in seen(now.body).items()):
        why = "Nothing was sent: the order has changed since you saw it. Look at it again."
    else:
        return now
    return gateway.held_back("POST", f"{PATH}/{action}", why)


async def _send(request: Request, action: str, body: object = None) -> Reply:
    template = f"{PATH}/{action}"
    return await console_of(request).gateway.send("POST", template, body, orderId=request.path_params["orderId"])


def _done(request: Request, title: str, reply: Reply, outcome: str = "") -> Done:
    return Done(title, reply, f"/orders/{request.path_params['orderId']}", outcome=outcome)


def _why_not(reply: Reply, statuses: frozenset[str]) -> str:
    """Why a step cannot be taken; empty if it can."""
    if not reply.ok:
        return "Nobody can say that of an order that cannot be read."
    status = reply.body["status"]
    if status in statuses:
        return ""
    hint = " If it gets no further, go on with it from its page." if status in WORKED_ON else ""
    wanted = " or ".join(sorted(statuses))
    return f"It cannot be done with an order that is {status}, but with one that is {wanted}.{hint}"


def _refused(title: str, why: str, reply: Reply) -> Ask:
    back = "/orders" if reply.kind is Kind.NOT_FOUND else f"/orders/{reply.body['orderId']}" if reply.ok else "/orders"
    return Ask(title, (), "", back, refused=why, replies=[] if reply.ok else [reply])


async def _left_in_budget(request: Request, order: Order) -> tuple[list[Reply], list[tuple[str, str]]]:
    """What the order's budget has left, if it has one: a call that failed, or a fact."""
    if order["budget"] is None:
        return [], []
    reply = await console_of(request).gateway.get("/budgets/{name}", name=order["budget"])
    if not reply.ok:
        return [reply], []
    return [], [("Left in the budget", f"{amount(reply.body['remaining'])} {reply.body['currencyCode']}")]


def _facts(request: Request, order: Order) -> tuple[tuple[str, str], ...]:
    """What an order is, for whoever decides on it."""
    left_out = " ".join(order_texts.left_out(order))
    facts = [
        ("Account", order["account"]),
        ("Cards", order_texts.totals(order) if order["rows"] else "not known before its file is checked"),
        ("Budget", order["budget"] or "none"),
        ("Made by", f"{who(order['createdBy'])}, {console_of(request).time(order['createdAt'])}"),
        *([("Started by", who(order["startedBy"]))] if order["startedBy"] else []),
        *([("Paused", order["pauseReason"])] if order["pauseReason"] else []),
        *([("In the file", left_out)] if left_out else []),
    ]
    return tuple(facts)


ROUTES: Final = (
    step(f"{PATH}/start", _ask_start, _start),
    step(f"{PATH}/approve", _ask_approve, _approve),
    step(f"{PATH}/reject", _ask_reject, _reject),
    step(f"{PATH}/go-on", _ask_go_on, _go_on),
    *(each.route for each in (CHECK, PAUSE, RESUME, STOP)),
)
