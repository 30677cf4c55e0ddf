"""POST /reconciliations/...: start rounds, take statements, resolve differences, name movements."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api import reconciliation
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.invocation import api_function
from incentives.usecases.dependencies import Budget
from incentives.usecases.persons import person_of
from incentives.usecases.reconciliation import resolve, take_statement
from incentives.usecases.reconciliation.name_movement import name_movement
from incentives.usecases.reconciliation.start_round import start_round


@api_function
def handler(call: ApiCall, budget: Budget) -> ApiResponse:
    """Do what the route says."""
    call.query_of()
    books, account, by = container.books_dependencies, reconciliation.read_account(call), reconciliation.caller(call)
    now = books.dependencies.clock.now()
    match call.route.removeprefix("/reconciliations/{account}"):
        case "/{day}/run":
            day = reconciliation.read_route_day(call)
            call.refuse_body()
            return reconciliation.started(start_round(account, day, by=by, fresh=True, books=books), call, now)
        case "/{day}/differences/{differenceId}/resolve":
            day, difference_id = reconciliation.read_route_day(call), reconciliation.read_difference_id(call)
            said = resolve.Said(*reconciliation.read_resolution(call), by)
            done = resolve.resolve_one(account, day, difference_id, said, books)
            return reconciliation.resolved(done.resolved, done.left, done.day, now)
        case "/{day}/differences/resolve":
            day = reconciliation.read_route_day(call)
            kind, reason, note = reconciliation.read_resolution_of_all(call)
            done = resolve.resolve_all(account, day, kind, resolve.Said(reason, note, by), books, budget=budget)
            return reconciliation.resolved(done.resolved, done.left, done.day, now)
        case "/movements":
            movement_id, parts = reconciliation.read_naming(call)
            named = name_movement(account, movement_id, parts, by, books)
            return reconciliation.movement(named.movement, named.name)
        case "/statements":
            first, last, sha256 = reconciliation.read_statement(call)
            person = person_of(call.identity, container.role_paths)
            opened = take_statement.open_statement(
                account, first, last, sha256, person=person, caller=call.caller, here=books
            )
            return reconciliation.statement_opened(opened.statement, opened.upload)
        case _:
            statement_id = reconciliation.read_statement_id(call)
            call.refuse_body()
            days = take_statement.read_statement(account, statement_id, by=by, here=books)
            return reconciliation.statement_read(days, call, now)


in_init(lambda: (container.books_dependencies, client("secretsmanager"), client("s3")))
