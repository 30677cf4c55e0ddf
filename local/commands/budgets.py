"""Budgets, and what is left of them: ``make budgets``.

``make budgets BUDGET=summer LIMIT=5000.00 CURRENCY=USD PERIOD=month`` makes one, or changes its limit. What is not said
stays as it is. Safe to repeat: a limit is set, not added to.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from incentives.domain.budgets.budget import BUDGET_NAME, PeriodKind
from local.calls import NotFoundError, called, listed
from local.settings import RefusedError
from local.target import Target, reach
from local.terminal import AsJson, StackVariable, agree, console, print_json, table

Budget = dict[str, Any]

YES_OR_NO: Final = {"yes": True, "no": False}


@dataclass(frozen=True)
class Wanted:
    """What is to be set; what is empty stays as it is."""

    limit: str
    currency: str
    period: str
    active: str

    def __bool__(self) -> bool:
        """Whether anything is to be set."""
        return any(vars(self).values())

    def beside(self, before: Budget | None, name: str) -> Budget:
        """The whole budget, as it is sent.

        Raises:
            RefusedError: it is a new one, and not all of it is said.
        """
        if before is None:
            missing = [f"{each.upper()}=" for each in ("limit", "currency", "period") if not getattr(self, each)]
            if missing:
                raise RefusedError(f"There is no budget {name} yet. To make it, say also {', '.join(missing)}")
        was = before or {"active": True}
        return {
            "limit": {"amount": self.limit or was["limit"], "currencyCode": self.currency or was["currencyCode"]},
            "period": self.period or was["period"],
            "active": YES_OR_NO[self.active] if self.active else was["active"],
        }


def main(
    *,
    budget: Annotated[str, typer.Option(envvar="BUDGET", help="its name; all of them if absent")] = "",
    limit: Annotated[str, typer.Option(envvar="LIMIT", help="set: what each period may spend, such as 5000.00")] = "",
    currency: Annotated[str, typer.Option(envvar="CURRENCY", help="of the limit; never changes")] = "",
    period: Annotated[str, typer.Option(envvar="PERIOD", help="month or total; never changes")] = "",
    active: Annotated[str, typer.Option(envvar="ACTIVE", help="set: yes, or no to let nothing new use it")] = "",
    month: Annotated[str, typer.Option("--of", metavar="MONTH", help="show that month, such as 2026-10")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="set it without asking")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """List budgets, show one, or set its limit.

    Ends with 0 if that was done, with 2 if it was refused.
    """
    wanted = Wanted(limit, currency, period, active)
    _refuse_nonsense(budget, wanted, month)
    target = reach(stack)
    if not budget:
        found = list(listed(target, "/budgets", "budgets"))
        if as_json:
            print_json(found)
        elif found:
            console().print(budgets_table(found))
        else:
            print(
                "There are no budgets. To make one:\n  make budgets BUDGET=name LIMIT=5000.00 CURRENCY=USD PERIOD=month"
            )
        return 0
    if wanted:
        one = _set(target, budget, wanted, yes=yes, silent=as_json)
    else:
        one = called(target, "GET", route_of(budget) + (f"?period={quote(month)}" if month else ""))
    if as_json:
        print_json(one)
    else:
        _tell(one)
    return 0


def _refuse_nonsense(budget: str, wanted: Wanted, month: str) -> None:
    if not budget and (wanted or month):
        raise RefusedError("BUDGET= is missing: which budget?")
    if budget and not BUDGET_NAME.fullmatch(budget):
        raise RefusedError("BUDGET must be 1 to 63 lower-case letters, digits, hyphens or underscores.")
    if wanted.period and wanted.period not in {*PeriodKind}:
        raise RefusedError(f"PERIOD must be {' or '.join(PeriodKind)}")
    if wanted.active and wanted.active not in YES_OR_NO:
        raise RefusedError(f"ACTIVE must be {' or '.join(YES_OR_NO)}")
    if month and wanted:
        raise RefusedError("--of shows a month that was: what is set is this month and the ones that follow")


def route_of(budget: str) -> str:
    """The route of one budget."""
    return f"/budgets/{quote(budget)}"


def _set(target: Target, name: str, wanted: Wanted, *, yes: bool, silent: bool) -> Budget:
    before = _found(target, name)
    body = wanted.beside(before, name)
    where = "the local cloud" if target.is_local else target.stack
    agree(change(name, before, body), f"Set it in {where}?", yes=yes, as_json=silent)
    if not yes and _settings(_found(target, name)) != _settings(before):
        # Whoever was asked may have taken their time, and what they did not say would be set as it was.
        raise RefusedError(f"Somebody has changed {name} meanwhile. Look at it, then set it again.")
    return called(target, "PUT", route_of(name), body)


def _found(target: Target, name: str) -> Budget | None:
    try:
        return called(target, "GET", route_of(name))
    except NotFoundError:
        return None


def _settings(budget: Budget | None) -> object:
    return budget and [budget[each] for each in ("limit", "currencyCode", "period", "active")]


def change(name: str, before: Budget | None, body: Budget) -> str:
    """What is about to be set, beside what was."""
    limit = f"{body['limit']['amount']} {body['limit']['currencyCode']}"
    each = "each month" if body["period"] == PeriodKind.MONTH else "in total"
    after = f"{limit} {each}{'' if body['active'] else ', inactive'}"
    if before is None:
        return f"A new budget {name}: {after}"
    was = f"{before['limit']} {before['currencyCode']}{'' if before['active'] else ', inactive'}"
    return f"{name}: {was} becomes {after}. In {before['currentPeriod']} {before['remaining']} of it remain."


def budgets_table(budgets: list[Budget]) -> Any:  # noqa: ANN401 - of the library that prints it
    """Budgets as a table."""
    made = table("Budget", "Period", "Limit", "Spent", "Held", "Remaining", "", "")
    for each in budgets:
        made.add_row(
            each["name"],
            each["currentPeriod"],
            each["limit"],
            each["spent"],
            each["held"],
            each["remaining"],
            each["currencyCode"],
            "" if each["active"] else "inactive",
        )
    return made


def _tell(budget: Budget) -> None:
    console().print(budgets_table([budget]))
    print(f"Set by {budget['changedBy'] or 'nobody who can be named'} at {budget['changedAt']}", flush=True)
