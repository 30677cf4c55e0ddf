"""The routes of the books: closing months. See `routes`."""

from __future__ import annotations

from typing import Final

from incentives.api.models import closes
from incentives.api.route import ASK_AGAIN, Route, Success

ROUTES: Final = (
    Route(
        function="close_month",
        method="post",
        path="/closes/{account}/{month}",
        tag="Month's close",
        summary="Close a month",
        description="Closes a month to the cent, or says what blocks it; open items do not. It writes the month's "
        "files, and a manifest that names each with its hash. The same inputs are the same version, however often it "
        "is asked for; other inputs are the next one. A month that is not over returns 409; whoever uploaded a "
        "statement of the month gets 403.",
        body=closes.CloseBody,
        body_required=False,
        responses={
            202: Success(description="Closed: the next version.", model=closes.MonthClose, headers=ASK_AGAIN),
            200: Success(description="The same version as before, or what blocks it.", model=closes.MonthClose),
        },
        problems=(409, 503),
    ),
    Route(
        function="get_books",
        operation="get_close",
        method="get",
        path="/closes/{account}/{month}",
        tag="Month's close",
        summary="Read the close of a month",
        description="How it stands by what the books hold now, with its figures and where its files are.",
        responses={200: Success(description="How it stands.", model=closes.MonthClose)},
        problems=(503,),
    ),
    Route(
        function="close_month",
        operation="sign_off_month",
        method="post",
        path="/closes/{account}/{month}/sign-off",
        tag="Month's close",
        summary="Sign a closed month off",
        description="A second person's word for the manifest, and with it for every file. Whoever closed the month "
        "gets 403, as does a caller of whom the gateway cannot tell which person it is. Another manifest than the one "
        "that counts, and a month that is STALE, return 409. A repeat changes nothing.",
        body=closes.SignOffBody,
        responses={200: Success(description="Signed off.", model=closes.MonthClose)},
        problems=(409, 503),
    ),
)
