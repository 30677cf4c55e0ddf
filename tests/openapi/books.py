"""The books behind the served functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from incentives.api.models.reconciliation import STATEMENT_ID
from incentives.domain.reconciliation.findings import Kind
from incentives.domain.reconciliation.statements import Statement
from tests.openapi.served import BODIES, QUERY_OF, Response, Served
from tests.support.books_world import DAY, finding, level
from tests.support.fakes import START

Scenario = Callable[[Served], Response]

#: The day that the samples are of.
OF_DAY: Final = f"default {DAY}"
UNKNOWN: Final = finding()
ESCALATED: Final = finding(Kind.ESCALATED, "Test1E")
ROW: Final = (
    "requestId,activityTime,type,status,amount,currencyCode\nTest1A,2026-02-20T10:15:07Z,GCCreation,Success,{},USD\n"
)
#: What is in the path of each route of one account's books, once they hold what `opened` writes.
PATHS: Final = {
    "get_reconciliation": OF_DAY,
    "run_reconciliation": OF_DAY,
    "resolve_difference": f"{OF_DAY} {UNKNOWN.difference_id}",
    "resolve_differences": OF_DAY,
    "create_statement": "default",
    "read_statement": f"default {'5' * 32}",
    "list_movements": "default",
    "name_movement": "default",
    "close_month": "default 2026-02",
    "get_close": "default 2026-02",
    "sign_off_month": "default 2026-02",
}


def opened(api: Served) -> None:
    """Books with a day that has differences, an open item, a row nobody can read, and a deposit."""
    at = datetime(DAY.year, DAY.month, DAY.day, 9, tzinfo=UTC)
    levels = [level(at, 100_000), level(at + timedelta(hours=1), 150_000)]
    api.books.judged(UNKNOWN, ESCALATED, finding(Kind.UNREADABLE_ROW, ""), levels=levels)


def ask(api: Served, name: str, path: str | None = None, **members: Any) -> Response:
    """Ask for what there is."""
    body = {**BODIES[name], **members} if name in BODIES else None
    return api.send(name, path or PATHS.get(name, ""), body=body, query=QUERY_OF.get(name))


def named(api: Served) -> Response:
    """Name the deposit."""
    (movement,) = ask(api, "list_movements").body["movements"]
    return ask(api, "name_movement", movementId=movement["movementId"])


def statement(api: Served, amount: str | None = "25.00") -> Response:
    """Have a statement read, of days that nobody has read from the page; none was put without an amount."""
    made = ask(api, "create_statement").body["statementId"]
    if amount is not None:
        api.books.uploads.uploads[made] = ROW.format(amount).encode()
    return ask(api, "read_statement", f"default {made}")


def put(api: Served) -> None:
    """A statement without a row, put and not read yet, with the id of the samples."""
    day = DAY - timedelta(days=1)
    waiting = Statement(
        account="default",
        statement_id=STATEMENT_ID,
        first=day,
        last=day,
        sha256="a" * 64,
        uploaded_by=None,
        caller=None,
        at=START,
    )
    assert api.books.books.keep_statement(None, waiting)
    api.books.uploads.uploads[STATEMENT_ID] = ROW.partition("\n")[0].encode()


def _after(*made: Callable[[Served], object], then: Scenario) -> Scenario:
    def play(api: Served) -> Response:
        for each in made:
            each(api)
        return then(api)

    return play


def _asking(name: str, path: str | None = None, **members: Any) -> Scenario:
    return lambda api: ask(api, name, path, **members)


_RESOLVED: Final = (opened, _asking("resolve_difference"), _asking("run_reconciliation"))
#: What each route can be brought to answer beyond what all of them can, each with its status.
SCENARIOS: Final[Mapping[str, Sequence[tuple[int, Scenario]]]] = {
    "list_reconciliations": [
        (200, _after(opened, then=_asking("list_reconciliations"))),
        (200, _after(*_RESOLVED, then=_asking("list_reconciliations"))),
    ],
    "get_reconciliation": [
        (200, _after(opened, then=_asking("get_reconciliation"))),
        (200, _after(*_RESOLVED, then=_asking("get_reconciliation"))),
    ],
    "run_reconciliation": [
        (202, _asking("run_reconciliation")),
        (400, _asking("run_reconciliation", "default 2026-03-02")),
    ],
    "resolve_difference": [
        (200, _after(opened, then=_asking("resolve_difference"))),
        (404, _after(opened, then=_asking("resolve_difference", f"{OF_DAY} {'g' * 24}"))),
        (409, _after(opened, then=_asking("resolve_difference", f"{OF_DAY} {'f' * 24}"))),
    ],
    "resolve_differences": [
        (200, _after(opened, then=_asking("resolve_differences"))),
        (400, _after(opened, then=_asking("resolve_differences", kind="inTransit"))),
        (409, _after(_asking("run_reconciliation"), then=_asking("resolve_differences"))),
    ],
    "create_statement": [
        (201, _asking("create_statement")),
        (409, _after(opened, then=_asking("create_statement"))),
        (503, _after(lambda api: api.world.accounts.accounts.clear(), then=_asking("create_statement"))),
    ],
    "read_statement": [
        (202, statement),
        (409, lambda api: statement(api, None)),
        (422, lambda api: statement(api, "25.000")),
    ],
    "list_movements": [
        (200, _after(opened, then=_asking("list_movements"))),
        (200, _after(opened, named, then=_asking("list_movements"))),
        (400, lambda api: api.send("list_movements", "default", query={"month": "2026-13"})),
    ],
    "name_movement": [
        (200, _after(opened, then=named)),
        (400, _after(opened, then=_asking("name_movement", parts=[]))),
    ],
}
