"""The routes of the books: reconciliation. See `routes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from incentives.api.models import reconciliation
from incentives.api.route import ACCOUNT, ASK_AGAIN, CURSOR, DAY, MONTH, Route, Success, parameter
from incentives.domain.reconciliation.findings import SETTLED, Kind

if TYPE_CHECKING:
    from incentives.api.models.base import Body


def _control_books(
    operation: str,
    path: str,
    summary: str,
    description: str,
    *,
    responses: Mapping[int, Success],
    body: type[Body] | None = None,
    problems: tuple[int, ...] = (409, 503),
) -> Route:
    return Route(
        function="control_books",
        operation=operation,
        method="post",
        path=f"/reconciliations/{{account}}{path}",
        tag="Reconciliation",
        summary=summary,
        description=description,
        body=body,
        responses=responses,
        problems=problems,
    )


ROUTES: Final = (
    Route(
        function="get_books",
        operation="list_reconciliations",
        method="get",
        path="/reconciliations",
        tag="Reconciliation",
        summary="List booking days",
        description="Days of one account, oldest first: what Amazon charged beside what the ledger holds. Days are in "
        "the zone that the books are kept in; a day that nobody has begun to read is not listed.",
        query=(
            ACCOUNT,
            parameter("from", "First day. A week up to `to` if absent; at most 399 days before it.", DAY),
            parameter("to", "Last day; today if absent.", DAY),
            CURSOR,
        ),
        responses={200: Success(description="A page.", model=reconciliation.DayList)},
        problems=(503,),
    ),
    Route(
        function="get_books",
        operation="get_reconciliation",
        method="get",
        path="/reconciliations/{account}/{day}",
        tag="Reconciliation",
        summary="Read a booking day",
        description="A day with its differences and open items, a hundred at a time, by kind and request.",
        query=(
            parameter(
                "kind", "Only differences of this kind.", {"enum": [kind.value for kind in Kind if kind not in SETTLED]}
            ),
            CURSOR,
        ),
        responses={200: Success(description="The day.", model=reconciliation.ReconciledDayDetail)},
        problems=(503,),
    ),
    _control_books(
        "run_reconciliation",
        "/{day}/run",
        "Reconcile a day now",
        "Begins another round, unless one is under way: all of Amazon's rows of the day are read anew, a page a "
        "minute, and the day is judged. The day need not be over: what is too young counts as in transit, and what "
        "Amazon has and the ledger does not is told at once.",
        responses={202: Success(description="Under way.", model=reconciliation.ReconciledDay, headers=ASK_AGAIN)},
        problems=(503,),
    ),
    _control_books(
        "resolve_difference",
        "/{day}/differences/{differenceId}/resolve",
        "Resolve a difference",
        "Says why a difference needs nobody's attention any more, or how an escalated request ended. What is "
        "inTransit ends by itself. A repeat changes nothing; a correction is added to what was said before, and "
        "counts. Once the facts have changed it returns 409.",
        body=reconciliation.ResolveBody,
        responses={200: Success(description="Resolved.", model=reconciliation.Resolved)},
    ),
    _control_books(
        "resolve_differences",
        "/{day}/differences/resolve",
        "Resolve all differences of a kind",
        "The same for all of a kind of which nobody has decided anything yet. Where there are thousands, `left` tells "
        "how many this call had no time for: call again.",
        body=reconciliation.ResolveAllBody,
        responses={200: Success(description="Resolved.", model=reconciliation.Resolved)},
    ),
    _control_books(
        "create_statement",
        "/statements",
        "Upload a statement",
        "For days that Amazon's activity page does not show, or not whole: says where rows go that somebody downloaded "
        "from Amazon's portal, in the columns that are named here and in no others. A day that the page shows whole "
        "returns 409.",
        body=reconciliation.StatementBody,
        responses={
            201: Success(description="Where it goes. Nothing else tells.", model=reconciliation.OpenedStatement)
        },
    ),
    _control_books(
        "read_statement",
        "/statements/{statementId}/read",
        "Read a statement that was uploaded",
        "Reads the file, deletes it whatever comes of it, and begins a round of each of its days. A column that a "
        "statement has not, or a row that is wrong, refuses all of it by name, and the file is gone. Once it was read, "
        "a repeat returns its days as they now stand.",
        responses={202: Success(description="Under way.", model=reconciliation.StatementDays, headers=ASK_AGAIN)},
        problems=(409, 422, 503),
    ),
    Route(
        function="get_books",
        operation="list_movements",
        method="get",
        path="/reconciliations/{account}/movements",
        tag="Reconciliation",
        summary="List movements of the balance",
        description="What changed the balance in a month although no row says so: deposits and fees, mostly.",
        query=(parameter("month", "Such as 2026-03.", MONTH, required=True),),
        responses={200: Success(description="All of the month.", model=reconciliation.MovementList)},
        problems=(503,),
    ),
    _control_books(
        "name_movement",
        "/movements",
        "Name a movement of the balance",
        "Says what a movement is made of; the parts have to sum to it. A repeat changes nothing; another naming is "
        "added to the first, and counts.",
        body=reconciliation.NameMovementBody,
        responses={200: Success(description="Named.", model=reconciliation.MovementTold)},
        problems=(503,),
    ),
)
