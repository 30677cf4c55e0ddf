"""`make reconcile`: a download mapped on this machine, and what leaves it; days and differences as people read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.domain.reconciliation.days import read_zone
from incentives.domain.reconciliation.rows import read_activity_types
from local.commands import reconcile
from local.settings import RefusedError
from local.signing import Response
from local.statement import Mapped, Reading, mapped
from tests.support.portal import PORTAL_READING

TYPES_TEXT: Final = "GCCreation=charge,GCCancellation=refund"
TYPES: Final = read_activity_types(TYPES_TEXT)
CANARY: Final = "AQ3R-ABCDEF-1234"
HEADER: Final = "Transaction Date,Transaction,Result,Client Reference,Card Serial,Claim Code,Amount,Currency"
#: As the sandbox's portal has it.
DOWNLOAD: Final = f"""{HEADER}
11/22/2026 03:15:07 PM,Gift card order,Completed,Sandb1,A2GCN9BRX5QS76,{CANARY},25.00,USD
11/22/2026 04:00:00 PM,Gift card order cancelled,Completed,Sandb1,A2GCN9BRX5QS76,{CANARY},-25.00,USD
11/22/2026 04:00:01 PM,Gift card order,Declined,Sandb2,,,,
11/23/2026 01:00:00 AM,Gift card order,Completed,Sandb3,,{CANARY},30.00,USD
11/22/2026 05:00:00 PM,Deposit,Completed,,,,500.00,USD
"""
READING: Final = PORTAL_READING.with_said(types={"Deposit": ""}, statuses={"Declined": "Failed"})
ON: Final = date(2026, 11, 22)


def mapping(download: str = DOWNLOAD, reading: Reading = READING, *, first: date = ON, last: date = ON) -> Mapped:
    zone = read_zone("America/Los_Angeles")
    return mapped(download.encode(), reading, first=first, last=last, books_zone=zone, types=TYPES)


def one(line: str) -> str:
    """A download of one row."""
    return f"{HEADER}\n{line}\n"


def test_what_may_leave_is_in_our_columns_in_utc_and_holds_no_code() -> None:
    found = mapping()
    assert found.content.decode() == (
        "requestId,activityTime,type,status,amount,currencyCode\n"
        "Sandb1,2026-11-22T23:15:07Z,GCCreation,Success,25.00,USD\n"
        "Sandb1,2026-11-23T00:00:00Z,GCCancellation,Success,25.00,USD\n"
        "Sandb2,2026-11-23T00:00:01Z,GCCreation,Failed,,\n"
    )
    assert (len(found.rows), found.left_out) == (3, 2)


@pytest.mark.parametrize(
    ("download", "said", "told"),
    [
        (DOWNLOAD, {"columns": {"gcId": "Claim Code"}}, "may hold claim codes"),
        (DOWNLOAD.replace("Claim Code", "Note"), {"columns": {"gcId": "Note"}}, "Line 2: gcId looks like a claim code"),
        (DOWNLOAD, {"columns": {"requestId": "Order"}}, "no column 'Order'"),
        (DOWNLOAD, {"columns": {"requestId": "=X"}}, "cannot be the same"),
        (DOWNLOAD, {"columns": {"colour": "Result"}}, "colour is no column"),
        (DOWNLOAD, {"types": {"Gift card order": "Creation"}}, "Creation is no type"),
        (DOWNLOAD.replace("Declined", "Pending"), {}, "Line 4: nobody has said what its status means"),
        (DOWNLOAD, {"signs": "none"}, "Line 3: its amount has not the sign"),
        (DOWNLOAD, {"signs": "negative-charges"}, "Line 2: its amount has not the sign"),
        (DOWNLOAD, {"time_format": "%Y-%m-%d"}, "Line 2: its time is not written as"),
        (DOWNLOAD.replace(",25.00", ',"1.025,00"'), {}, "Line 2: its amount is no plain number"),
        (DOWNLOAD.replace(",25.00", ",25.000"), {}, "amount of line 2"),
        (DOWNLOAD.replace(",25.00", ',"25,00"'), {"thousands": ","}, "Line 2: its amount is no plain number"),
        (DOWNLOAD, {"thousands": "."}, "cannot both begin the decimals"),
        (DOWNLOAD, {"time_format": "%m %m"}, "Line 2: its time is not written as"),
        (one(f"11/01/2026 01:30:00 AM,Gift card order,Completed,A,,{CANARY},1.00,USD"), {}, "comes twice"),
        (one(f"03/08/2026 02:30:00 AM,Gift card order,Completed,A,,{CANARY},1.00,USD"), {}, "clocks skip"),
        (one("a,b"), {}, "Line 2 has 2 cells"),
        (DOWNLOAD.replace("Result", "Amount"), {}, "each by a name of its own"),
        (one('"open'), {}, "cannot be read as CSV"),
    ],
)
def test_what_was_not_said_or_does_not_fit_is_told_by_line(download: str, said: dict[str, Any], told: str) -> None:
    with pytest.raises(RefusedError) as refused:
        mapping(download, READING.with_said(**said), first=date(2026, 3, 1), last=date(2026, 12, 31))
    assert told in str(refused.value)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(("twice", "utc"), [("first", "08:30:00"), ("second", "09:30:00")])
def test_an_hour_that_comes_twice_is_the_one_that_was_said(twice: str, utc: str) -> None:
    line = "11/01/2026 01:30:00 AM,Gift card order,Completed,A,,,1.00,USD"
    found = mapping(one(line), READING.with_said(twice=twice), first=date(2026, 11, 1), last=date(2026, 11, 1))
    assert f"2026-11-01T{utc}Z" in found.content.decode()


def test_amounts_are_read_as_they_were_said_to_be_written_and_a_column_may_be_missing() -> None:
    said = READING.with_said(decimal=",", thousands=".", columns={"currencyCode": "=JPY", "status": "=Success"})
    found = mapping(one('11/22/2026 03:15:07 PM,Gift card order,,A,,,"12.500",?'), said)
    assert found.content.decode().endswith("GCCreation,Success,12500,JPY\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "has what no mapping has"),
        ('{"colour": "red"}', "has what no mapping has: colour"),
        ('{"zone": 5}', "zone must be a text"),
        ('{"types": ["Gift card order"]}', "types must be texts, each by a name"),
        ('{"columns": {"amount": 7}}', "columns must be texts, each by a name"),
        ("Claim Code", "cannot be read as a mapping"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_by_name(content: str, told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        Reading.parse(content.encode(), "portal.json")


# ---- the command -----------------------------------------------------------------------------------


@dataclass
class Gateway:
    """A deployment that remembers whatever left this machine."""

    left: list[str] = field(default_factory=list)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    parameters: dict[str, str] = field(
        default_factory=lambda: {"ActivityTypes": TYPES_TEXT, "BooksTimeZone": "America/Los_Angeles"}
    )
    api_url: str = "https://api.test"

    def call(self, method: str, route: str, body: object = None) -> Response:
        self.left.append(f"{method} {route} {json.dumps(body)}")
        answers = self.answers[f"{method} {route.partition('?')[0]}"]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return Response(found.get("status", 200) if "detail" in found else 200, {}, json.dumps(found))

    def put(self, *_: object, body: bytes, **__: object) -> Response:
        self.left.append(body.decode())
        return Response(200, {}, "")


def day(**updates: Any) -> dict[str, Any]:
    values = {
        "account": "default", "day": "2026-11-22", "status": "DIFFERENCES", "source": "page", "round": 2,
        "charges": {"count": 2, "amount": "75.00"}, "refunds": {"count": 0, "amount": "0.00"}, "currencyCode": "USD",
        "openItems": 0, "unresolved": 1, "differences": 1, "judgedAt": "2026-11-23T08:20:00Z", "incomplete": None,
        "underWay": False, "reading": None,
    }  # fmt: skip
    return values | updates


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    found = Gateway()
    monkeypatch.setattr(reconcile, "reach", lambda _: found)
    monkeypatch.setattr("local.calls.send", found.put)
    for module in ("local.calls", "local.commands.reconcile"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(sleep=lambda _: None))
    return found


@pytest.fixture
def run() -> Callable[..., int]:
    from local.__main__ import main  # noqa: PLC0415 - as people run it

    return lambda *arguments: main(["reconcile", *arguments])


def test_nothing_of_a_download_leaves_but_what_was_mapped(
    gateway: Gateway, run: Callable[..., int], tmp_path: Path
) -> None:
    upload = {"method": "PUT", "url": "https://files.test/x", "headers": {}}
    gateway.answers = {
        "POST /reconciliations/default/statements": [{"statementId": "5" * 32, "upload": upload}],
        f"POST /reconciliations/default/statements/{'5' * 32}/read": [{"days": [day(status="PENDING", unresolved=0)]}],
    }
    file, kept = tmp_path / "download.csv", tmp_path / "mapping.json"
    file.write_text(DOWNLOAD)
    maps = [text for ours, theirs in READING.columns.items() for text in ("--map", f"{ours}={theirs}")]
    said = [
        "--zone", READING.zone, "--time-format", READING.time_format, "--signs", READING.signs,
        "--types", "Gift card order=GCCreation,Gift card order cancelled=GCCancellation,Deposit=",
        "--statuses", "Completed=Success,Declined=Failed", "--from", "2026-11-22", "--to", "2026-11-22", "--yes",
    ]  # fmt: skip
    # when it is uploaded, and once more by the mapping that was kept
    assert run("--statement", str(file), *maps, *said, "--keep-mapping", str(kept)) == 0
    assert (
        run("--statement", str(file), "--mapping", str(kept), "--from", "2026-11-22", "--to", "2026-11-22", "--yes")
        == 0
    )
    # then the canonical columns left this machine, and no code
    assert sum("Sandb1,2026-11-22T23:15:07Z" in each for each in gateway.left) == 2
    assert not [each for each in gateway.left if CANARY in each or CANARY.replace("-", "") in each]


def test_where_nobody_can_be_asked_the_option_is_named(
    gateway: Gateway, run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "download.csv"
    file.write_text(DOWNLOAD)
    assert run("--statement", str(file), "--from", "2026-11-22", "--to", "2026-11-22") == 2
    assert "--map requestId=" in capsys.readouterr().err
    assert gateway.left == []


def test_what_was_not_said_is_asked_for_and_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a person at a terminal who answers by what is asked
    answers = {
        "requestId": "Client Reference", "activityTime": "Transaction Date", "is type?": "Transaction",
        "is status": "Result", "is amount?": "Amount", "currencyCode": "=USD", "times written": READING.time_format,
        "zone": READING.zone, "minus sign": READING.signs, "type 'Gift card order'": "GCCreation",
        "cancelled'": "GCCancellation", "'Deposit'": "-", "'Completed'": "Success", "'Declined'": "Failed",
    }  # fmt: skip
    monkeypatch.setattr(reconcile, "console", lambda: SimpleNamespace(is_terminal=True))
    monkeypatch.setattr(
        reconcile.typer, "prompt", lambda asked: next(answers.pop(key) for key in [*answers] if key in asked)
    )
    found = reconcile.completed(DOWNLOAD.encode(), Reading(), tuple(TYPES))
    assert found == READING.with_said(columns={"currencyCode": "=USD"})
    assert answers == {}
    # and what was said is not asked for again
    assert reconcile.completed(DOWNLOAD.encode(), found, tuple(TYPES)) == found


def test_a_day_is_run_and_watched_and_its_differences_are_told(
    gateway: Gateway, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    reading = day(status="PENDING", charges=None, refunds=None, unresolved=0, underWay=True)
    difference = {
        "differenceId": "f" * 24, "kind": "unknownToLedger", "requestId": "Sandb9", "ledger": None,
        "amazon": {"charges": 1, "refunds": 0, "nets": [], "unreadable": None}, "amount": "50.00",
        "currencyCode": "USD", "foundAt": "2026-11-23T08:20:00Z", "foundOn": "2026-11-22", "resolution": None,
    }  # fmt: skip
    gateway.answers = {
        "POST /reconciliations/default/2026-11-22/run": [reading | {"reading": {"windows": 3, "read": 0}}],
        "GET /reconciliations": [
            {"days": [reading | {"reading": {"windows": 3, "read": 2}}], "cursor": None},
            {"days": [day()], "cursor": None},
        ],
        "GET /reconciliations/default/2026-11-22": [day(differences=[difference], cursor=None)],
    }
    assert run("--day", "2026-11-22", "--watch") == 1
    told = capsys.readouterr().out
    assert "2 of 3 pages read" in told
    assert "DIFFERENCES" in told
    assert "Sandb9  50.00 USD  not in the ledger  Amazon: 1 charged, 0 refunded" in told


def test_days_are_listed_over_all_pages(
    gateway: Gateway, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [
        {"days": [day(unresolved=0)], "cursor": "c"},
        {"days": [day(day="2026-11-23", unresolved=0)], "cursor": None},
    ]
    gateway.answers = {"GET /reconciliations": pages}
    assert run("--from", "2026-11-22", "--to", "2026-11-23") == 0
    assert "2026-11-23" in capsys.readouterr().out
    assert "cursor=c" in gateway.left[1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--watch"], "--watch needs --day"),
        (["--run", "--from", "2026-11-22"], "--run needs --day"),
        (["--kind", "inTransit", "--watch"], "--kind and --watch need --day"),
        (["--statement", "download.csv", "--day", "2026-11-22"], "one at a time"),
    ],
)
def test_what_is_said_of_no_day_is_refused_and_not_left_out(
    gateway: Gateway, run: Callable[..., int], capsys: pytest.CaptureFixture[str], given: list[str], told: str
) -> None:
    assert run(*given) == 2
    assert told in capsys.readouterr().err
    assert gateway.left == []


def test_what_the_gateway_refuses_is_told_by_field(
    gateway: Gateway, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"detail": "No.", "status": 422, "errors": [{"field": "gcId", "message": "is not a column"}]}
    gateway.answers = {"GET /reconciliations": [wrong]}
    assert run() == 2
    assert "gcId is not a column" in capsys.readouterr().err
