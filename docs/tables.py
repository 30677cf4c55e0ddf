"""Writes the tables of this folder from the code: `errors.md` and `marketplaces.md`. Run by `make openapi`."""
# ruff: noqa: INP001 - a folder of documents, and no package

from http import HTTPStatus
from pathlib import Path

from incentives.agcod import errors as error_table
from incentives.agcod.marketplaces import MARKETPLACES, Marketplace
from incentives.agcod.reading import words
from incentives.api.problems import REFUSED_STATUSES, STATUSES
from incentives.domain import errors as own_errors
from incentives.domain.errors import GatewayError, RefusedFor
from incentives.domain.money import CURRENCY_DECIMALS

FOLDER = Path(__file__).parent

ERRORS = """# What Amazon's errors mean

Written by `make openapi` from the tables in the code. For each error of Amazon's: what it says about the attempt that
got it, what it says about a reversal that got it, the HTTP status that the caller of this API gets, whether the same
request with the same Idempotency-Key can still succeed, and what to do.

**A refusal needs evidence**: a FAILURE with an F2xx or F3xx code or a known errorType, whose type and message speak
neither of credentials, nor of rate, nor of a time-out or lost connection. An attempt that is `resend`, `fault`,
`overloaded` or `unreadable` has an unknown outcome, whatever its HTTP status: the request is repeated and, if that
does not help, recovered. `throttled` and `credentials` mean that nothing was done. A refusal ends the request only if
no earlier attempt of it is unknown.

Two errorTypes are the gateway's own, both with status 503: `AccountKeyRefused` (Amazon refuses the account's key, also
after it was read anew) and `notSent` (not sent within 24 hours). Amazon has not looked at the order and nothing was
charged: repeat it with the same Idempotency-Key once the cause is mended.

Four more are told before anything is written or sent. The Idempotency-Key is still unused, and works once the cause is
mended:

| errorType | Status | Retryable | What it means, and what to do |
|---|---|---|---|
"""

#: Errors that are told before anything is written, and what to do about each.
OWN: dict[type[GatewayError], str] = {
    own_errors.BudgetUnusable: "The budget is unknown, inactive or in another currency, or none is named where one "
    "must be. Name another, or have finance make it or turn it on.",
    own_errors.BudgetExceeded: "The budget has too little left. Repeat it once finance has raised the limit, or in the "
    "next period.",
    own_errors.BudgetBusy: "Too many took from the budget at this moment. Repeat it after `Retry-After`.",
    own_errors.AccountFrozen: "Somebody has frozen the account. Repeat it once an operator has unfrozen it.",
}

MARKETS = """# Marketplaces

Written by `make openapi` from the code. An account's secret names its marketplace; host, signing region and currencies
follow from it. Limits are listed where a source names them; elsewhere the judgement is left to Amazon.

Documented: by Amazon or by recorded traffic. Reported: by one other source. Inferred: nobody says so.

| Marketplace | Region | Currency (decimals) | How well known | Limits | Sandbox | Production |
|---|---|---|---|---|---|---|
"""


def errors() -> str:
    """The page about errors."""
    own = "".join(
        f"| {each.code} | {STATUSES[each]} | {'yes' if each.retryable else 'no'} | {what} |\n"
        for each, what in OWN.items()
    )
    return f"{ERRORS}{own}\n{error_table.as_markdown(_status_of)}\n{words.as_markdown()}"


def _status_of(refused_for: RefusedFor | None) -> int:
    return REFUSED_STATUSES[refused_for] if refused_for else HTTPStatus.ACCEPTED


def marketplaces() -> str:
    """The page about marketplaces."""
    return MARKETS + "".join(map(_row, MARKETPLACES.values()))


def _row(marketplace: Marketplace) -> str:
    group = marketplace.group
    limits = "; ".join(
        f"{operation} {limit.minimum} to {limit.maximum} {limit.currency} ({limit.source})"
        for operation, each in marketplace.limits.items()
        for limit in each
    )
    cells = (
        marketplace.code,
        marketplace.region,
        ", ".join(f"{code} ({CURRENCY_DECIMALS[code]})" for code in marketplace.currencies),
        marketplace.confidence,
        limits or "-",
        group.sandbox,
        group.production,
    )
    return f"| {' | '.join(cells)} |\n"


PAGES = {"errors.md": errors, "marketplaces.md": marketplaces}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")
