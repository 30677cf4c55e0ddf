"""Deployments to look at, and an address of every screen in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from incentives.api.models.budgets import NAME
from local.signing import Response
from tests.console.served import Place, text_of
from tests.openapi.budgets import put, spent

#: A person's words may be of any length, without a blank and with what could be markup.
LONG: Final = "Wegen<b>Verdachts</b>auf" + "Donaudampfschifffahrtsgesellschaftskapitän" * 6 + "&amp;'\""
#: What each route is called with: what is in braces is a scene's. A new screen has to be added.
EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "/accounts": ["/accounts"],
    "/accounts/{account}/freeze": [f"/accounts/default/freeze?reason={LONG}"],
    "/accounts/{account}/unfreeze": ["/accounts/default/unfreeze"],
    "/budgets": ["/budgets"],
    "/budgets/_new": ["/budgets/_new"],
    "/budgets/{name}": [f"/budgets/{NAME}"],
    "/budgets/{name}/set": [f"/budgets/{NAME}/set"],
    "/sent/{form_id}": ["{sent}"],
}
#: Pages that are no route's, and their status.
OTHERS: Final[Mapping[str, int]] = {f"/nowhere/{'x' * 200}": 404, "/sent/of-an-earlier-console": 404}
Scene = Mapping[str, str]


def full(here: Place) -> Scene:
    """All there is to be seen, with words and ids as long as they get."""
    browser, functions = here.browser(), here.api.functions
    spent(functions)
    put(functions, "x" * 64, active=False, period="total")
    page = browser.submit(browser.get("/accounts/default/freeze"), reason=LONG)
    assert "Done." in text_of(page)
    return {"sent": str(browser.path)}


def empty(here: Place) -> Scene:
    """Nothing has been done yet."""
    here.api.fail("POST", "/", 400, '{"detail": "no", "errors": [{"field": "reason", "message": "is empty"}]}')
    browser = here.browser()
    browser.submit(browser.get("/accounts/default/freeze"), reason="x")
    here.api.answers.clear()
    return {"sent": str(browser.path)}


def failing(here: Place) -> Scene:
    """Nothing can be had: a third is denied, a third breaks, a third does not answer."""
    here.api.lose("POST", "/accounts/default/freeze")
    browser = here.browser()
    browser.submit(browser.get("/accounts/default/freeze"), reason="x")
    asked = 0

    def answer() -> Response:
        nonlocal asked
        asked += 1
        if asked % 3 == 0:
            raise TimeoutError("timed out")
        broken = '{"title": "Forbidden", "status": 403, "detail": "IAM does not allow it", "errorType": "AccessDenied"}'
        return Response(403, {}, broken) if asked % 3 == 1 else Response(500, {}, "no JSON")

    here.api.answers["GET", "/"] = answer
    return {"sent": str(browser.path)}


SCENES: Final[Mapping[str, Callable[[Place], Scene]]] = {"full": full, "empty": empty, "failing": failing}
