"""Budgets: what each may spend, what is spent, held and left of it; making one, and changing its limit."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.confirm import Ask, Done, Field, step
from console.page import Console, amount, console_of, page, who
from incentives.domain.budgets.budget import BUDGET_NAME, PeriodKind
from incentives.domain.errors import InvalidInput
from incentives.domain.money import CURRENCY_DECIMALS, SUM_MAX, parse_money
from incentives.domain.reconciliation.days import next_month, previous_month

Budget = Mapping[str, Any]

BUDGETS: Final = "/budgets"
ONE: Final = "/budgets/{name}"
#: Where one is made. No name begins with an underscore, so that it hides no budget's page.
NEW: Final = "/budgets/_new"
#: Of the limit and of whether it may be taken from, as the page has shown them.
SEEN_LIMIT: Final = "seenLimit"
SEEN_ACTIVE: Final = "seenActive"

YES_OR_NO: Final = (("yes", "yes"), ("no", "no: new requests and orders that name it are refused"))
PERIODS: Final = (
    (PeriodKind.MONTH.value, "each calendar month, in the zone that the books are kept in"),
    (PeriodKind.TOTAL.value, "in total, for all time"),
)


async def _budgets(request: Request) -> Response:
    cursor = request.query_params.get("cursor")
    reply = await console_of(request).gateway.get(BUDGETS, {"cursor": cursor})
    return page(request, "budgets.html", reply=reply, cursor=cursor, shares=shares, new_url=NEW)


async def _budget(request: Request) -> Response:
    name, period = request.path_params["name"], request.query_params.get("period")
    reply = await console_of(request).gateway.get(ONE, {"period": period}, name=name)
    is_monthly = reply.ok and reply.body["period"] == PeriodKind.MONTH
    shown = reply.body["currentPeriod"] if is_monthly else None
    return page(
        request,
        "budget.html",
        name=name,
        period=period,
        reply=reply,
        beside=[previous_month(shown), next_month(shown)] if shown else [],
        shares=shares,
        yes_or_no=YES_OR_NO,
    )


def shares(budget: Budget) -> tuple[float, float, float]:
    """What is spent, held and left of a budget, in percent of its limit. One whose limit is zero has nothing left."""
    limit, spent, held = (Decimal(budget[each]) for each in ("limit", "spent", "held"))
    if not limit:
        return 0.0, 0.0, 0.0
    of_spent, of_held = (min(max(each / limit, Decimal(0)), Decimal(1)) * 100 for each in (spent, held))
    return float(of_spent), float(of_held), float(max(100 - of_spent - of_held, Decimal(0)))


# ---- a new one -------------------------------------------------------------------------------------------------------


async def _ask_new(_request: Request) -> Ask:
    return Ask(
        title="Make a new budget",
        says=(
            "Requests and bulk orders may name it from then on. What they spend is taken from it before it is sent.",
            "Its name, its currency and whether it is one per month never change, and it is never deleted.",
            "Its limit can be changed, and it can be made inactive.",
            "It is told as a decision: who made it, and when.",
        ),
        button="Make it",
        back_url=BUDGETS,
        fields=(
            Field("name", "Name", hint="1 to 63 lower-case letters, digits, hyphens or underscores"),
            Field("limit", "Limit of each period", hint="With a point for decimals, and nothing between thousands"),
            Field(
                "currencyCode",
                "Currency",
                "select",
                [("", "choose one"), *((each, each) for each in CURRENCY_DECIMALS)],
            ),
            Field("period", "The limit holds", "select", PERIODS),
            Field("active", "May be taken from", "select", YES_OR_NO),
        ),
    )


async def _make(request: Request, form: FormData) -> Done:
    gateway, name = console_of(request).gateway, _said(form, "name")
    title = f"Make a new budget {name}"
    if not BUDGET_NAME.fullmatch(name):
        wrong = ("name", "must be 1 to 63 lower-case letters, digits, hyphens or underscores")
        return Done(
            title, gateway.held_back("PUT", ONE, "No budget can be called so. Nothing was sent.", wrong), BUDGETS
        )
    # The same call changes one that there is.
    found = await gateway.get(ONE, name=name)
    if found.ok:
        why = f"There is a budget {name} already. Nothing was sent: look at it, and change its limit there."
        return Done(title, gateway.held_back("PUT", ONE, why), f"{BUDGETS}/{name}")
    if found.status != 404:  # noqa: PLR2004 - there is none
        why = f"Whether there is a budget {name} already could not be read: {found.detail} Nothing was sent."
        return Done(title, gateway.held_back("PUT", ONE, why), BUDGETS)
    body = _body(_said(form, "limit"), _said(form, "currencyCode"), _said(form, "period"), _said(form, "active"))
    reply = await gateway.send("PUT", ONE, body, name=name)
    return Done(title, reply, f"{BUDGETS}/{name}" if reply.ok else BUDGETS)


# ---- a change --------------------------------------------------------------------------------------------------------


async def _ask_set(request: Request) -> Ask:
    """What it is becomes what the query says; what that does not say stays."""
    here, name = console_of(request), request.path_params["name"]
    title, back_url = f"Change the budget {name}", f"{BUDGETS}/{name}"
    found = await here.gateway.get(ONE, name=name)
    if not found.ok:
        why = "It cannot be changed unseen: how it stands could not be read."
        return Ask(title, (), "", back_url, refused=why, replies=[found])
    before = found.body
    limit = request.query_params.get("limit", "").strip() or before["limit"]
    active = request.query_params.get("active") or _yes_or_no(before["active"])
    if active not in dict(YES_OR_NO):
        return Ask(title, (), "", back_url, _facts(before, here), refused="Whether it is active is yes or no.")
    try:
        after = parse_money(limit, before["currencyCode"], amount_field="limit", most=SUM_MAX).amount
    except InvalidInput as error:
        refused = f"The limit {error.message}. Nothing was sent."
        return Ask(title, (), "", back_url, _facts(before, here), refused=refused)
    if after == Decimal(before["limit"]) and active == _yes_or_no(before["active"]):
        refused = "Nothing would change: it is so already."
        return Ask(title, (), "", back_url, _facts(before, here), refused=refused)
    return Ask(
        title=title,
        says=_what_happens(before, after, active),
        button="Change it",
        back_url=back_url,
        facts=(*_changes(before, after, active), *_facts(before, here)),
        seen={"limit": limit, "active": active, SEEN_LIMIT: before["limit"], SEEN_ACTIVE: _yes_or_no(before["active"])},
    )


async def _set(request: Request, form: FormData) -> Done:
    gateway, name = console_of(request).gateway, request.path_params["name"]
    title, next_url = f"Change the budget {name}", f"{BUDGETS}/{name}"
    # All of a budget is sent each time: what somebody else has set since it was shown would be set back unseen.
    found = await gateway.get(ONE, name=name)
    if not found.ok:
        why = f"How it stands could not be read: {found.detail} Nothing was sent."
        return Done(title, gateway.held_back("PUT", ONE, why), next_url)
    now = found.body
    if (_said(form, SEEN_LIMIT), _said(form, SEEN_ACTIVE)) != (now["limit"], _yes_or_no(now["active"])):
        why = (
            f"Somebody has changed it since it was shown: its limit is {amount(now['limit'])} {now['currencyCode']} "
            f"now, and it is {'active' if now['active'] else 'inactive'}. Nothing was sent: look at it, then try again."
        )
        return Done(title, gateway.held_back("PUT", ONE, why), next_url)
    body = _body(_said(form, "limit"), now["currencyCode"], now["period"], _said(form, "active"))
    return Done(title, await gateway.send("PUT", ONE, body, name=name), next_url)


def _changes(before: Budget, after: Decimal, active: str) -> list[tuple[str, str]]:
    """What it is, and what it becomes."""
    now = Decimal(before["limit"])
    changes = [(f"Limit {_holds(before)}", _becomes(before, "limit", after))]
    if after != now:
        left = Decimal(before["remaining"]) + after - now
        changes.append((f"Remaining in {before['currentPeriod']}", _becomes(before, "remaining", left)))
    was = _yes_or_no(before["active"])
    changes.append(("May be taken from", was if was == active else f"{was} becomes {active}"))
    return changes


def _becomes(before: Budget, name: str, after: Decimal) -> str:
    shown = f"{amount(before[name])} {before['currencyCode']}"
    if after == Decimal(before[name]):
        return f"{shown}, as it is"
    return f"{shown} becomes {after:,} {before['currencyCode']}"


def _facts(before: Budget, here: Console) -> list[tuple[str, str]]:
    """How it stands."""
    period, currency = before["currentPeriod"], before["currencyCode"]
    return [
        (f"Held in {period}", f"{amount(before['held'])} {currency}"),
        (f"Spent in {period}", f"{amount(before['spent'])} {currency}"),
        ("Last set", f"{here.time(before['changedAt'])} by {who(before['changedBy'])}"),
    ]


def _what_happens(before: Budget, after: Decimal, active: str) -> list[str]:
    now, period = Decimal(before["limit"]), before["currentPeriod"]
    says: list[str] = []
    if after != now and before["period"] == PeriodKind.MONTH:
        says.append(f"The new limit is that of {period} and of each month after it. Months that are over keep theirs.")
    if after < now:
        taken = Decimal(before["held"]) + Decimal(before["spent"])
        says.append(
            f"{taken:,} {before['currencyCode']} are held or spent in {period}: a limit below that is refused, "
            "and nothing is changed then."
        )
    if after > now:
        says.append("What was refused because too little was left works under the same key from then on.")
    if active == "no" and before["active"]:
        says.append(
            "New requests and bulk orders that name it are refused. What is held or spent stays what it is, and is "
            "counted or given back as always; orders that are being issued go on."
        )
    if active == "yes" and not before["active"]:
        says.append("Requests and bulk orders may take from it again.")
    says.append("It is told as a decision: who changed it, when, and what it was before.")
    return says


def _holds(budget: Budget) -> str:
    return "of each month" if budget["period"] == PeriodKind.MONTH else "in total"


def _body(limit: str, currency: str, period: str, active: str) -> dict[str, object]:
    return {"limit": {"amount": limit, "currencyCode": currency}, "period": period, "active": active == "yes"}


def _said(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


def _yes_or_no(value: bool) -> str:  # noqa: FBT001 - it is what is put into words
    return "yes" if value else "no"


ROUTES: Final = (
    Route(BUDGETS, _budgets),
    step(NEW, _ask_new, _make),
    Route(ONE, _budget),
    step("/budgets/{name}/set", _ask_set, _set),
)
