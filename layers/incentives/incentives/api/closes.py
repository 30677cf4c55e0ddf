"""Closes over HTTP: how a month's close is asked for, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from incentives.api.gateway import ApiCall, ApiResponse
from incentives.api.models import closes as models
from incentives.api.models.base import parse
from incentives.domain.reconciliation.close_files import MANIFEST
from incentives.domain.reconciliation.closing import Opening
from incentives.domain.reconciliation.words import check_words

if TYPE_CHECKING:
    from incentives.domain.reconciliation.closing import CloseView

_SOURCE_LENGTH_MAX: Final = 200

#: The files are there by then.
_RETRY_AFTER_SECONDS: Final = 1


def read_close(call: ApiCall) -> Opening | None:
    """The opening of a `POST /closes/{account}/{month}`. Its body may be left out.

    Raises:
        InvalidInput: names the field.
    """
    body = parse(models.CloseBody, call.json_object() if call.body.strip() else {})
    if body.opening is None:
        return None
    check_words("opening.source", body.opening.source, _SOURCE_LENGTH_MAX)
    return Opening(amount=Decimal(body.opening.amount), source=body.opening.source)


def read_sign_off(call: ApiCall) -> str:
    """The manifest's hash of a `POST .../sign-off`. Raises `InvalidInput`: names the field."""
    return parse(models.SignOffBody, call.json_object()).manifest_sha256


def closed(view: CloseView, call: ApiCall, *, is_new: bool) -> ApiResponse:
    """202 with where to ask again for a new version; 200 for the same one again, or for what blocks it."""
    told = standing(view)
    if not is_new:
        return told
    location = f"{call.base_path}/closes/{view.close.account}/{view.close.month}"
    return ApiResponse(202, told.body, {"Location": location, "Retry-After": str(_RETRY_AFTER_SECONDS)})


def standing(view: CloseView) -> ApiResponse:
    """200: how a close stands."""
    close = view.close
    files = [
        models.CloseFile(name=file.name, sha256=file.sha256, rows=file.rows, url=at.url, expires_at=at.expires_at)
        for file, at in view.files
    ]
    told = models.MonthClose.of(
        close,
        blocked_by=list(close.blocked_by),
        opening=models.Opening(amount=f"{close.opening.amount:f}", source=close.opening.source)
        if close.opening
        else None,
        figures=_figures(close.figures) if close.figures else None,
        files=[file for file in files if not file.name.endswith(f"/{MANIFEST}")],
        manifest=next((file for file in files if file.name.endswith(f"/{MANIFEST}")), None),
        manifest_sha256=close.manifest.sha256 if close.manifest else None,
        closed_by=close.caller if close.closed_at else None,
        signed_off_by=close.signed_off.caller if close.signed_off else None,
        signed_off_at=close.signed_off.at if close.signed_off else None,
    )
    return ApiResponse(200, told.dump())


def _figures(figures: Mapping[str, str]) -> models.CloseFigures:
    currency = figures["currencyCode"]

    def counted(name: str) -> models.CountedSum:
        return models.CountedSum(count=int(figures[f"{name}.count"]), amount=figures[name])

    def named(prefix: str) -> list[models.NamedSum]:
        found = {name.removeprefix(prefix): amount for name, amount in figures.items() if name.startswith(prefix)}
        return [models.NamedSum(name=name, amount=amount, currency_code=currency) for name, amount in found.items()]

    foreign = [
        models.NamedSum(name=what, amount=amount, currency_code=code)
        for name, amount in figures.items()
        for what, _, code in (name.partition("."),)
        if what in {"charges", "refunds"} and code not in {"", "count"}
    ]
    return models.CloseFigures(
        currency_code=currency,
        opening=figures.get("opening"),
        movements=figures.get("movements"),
        movements_by_type=named("movements."),
        charges=counted("charges"),
        refunds=counted("refunds"),
        closing=figures.get("closing"),
        ledger=figures["ledger"],
        bridge=named("bridge."),
        foreign=foreign,
        open_items=models.OpenItemsFlow(
            opening=counted("openItems.opening"),
            new=counted("openItems.new"),
            ended=counted("openItems.ended"),
            closing=counted("openItems.closing"),
        ),
        differences_resolved=int(figures["differences.resolved"]),
        differences_cleared=int(figures["differences.cleared"]),
    )
