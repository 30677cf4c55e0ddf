"""`make order` against an API that answers as documented: each request and each response is held against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from incentives.api import openapi
from incentives.api.models.bulk_orders import NewOrder, Order
from local.__main__ import main
from local.calls import TRIES_MAX
from local.commands import order_texts
from local.signing import Caller, Response
from local.target import Target
from tests.local.test_spreadsheets import Sheet
from tests.openapi.contract import contract

BASE: Final = "https://api.test/v1"
NEW: Final[dict[str, Any]] = openapi.example(NewOrder, openapi.NEW_ORDER)
ID: Final = NEW["orderId"]
UPLOAD: Final = NEW["upload"]
RESULT_URL: Final = "https://s3.test/r"
NOON: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GOOD: Final = "key,amount,currency\na,25.00,USD\nb,40.00,USD\n"
SUM: Final = {"amount": "65.00", "currencyCode": "USD"}
ROWS: Final = {"rows": 2, "totals": [SUM], "total": SUM}


def order(status: str, **members: Any) -> dict[str, Any]:
    """An order of two rows as the API tells it; `waiting=1` and the like are its counts."""
    counts = {name: members.pop(name, 0) for name in NEW["counts"]}
    return {**openapi.example(Order, {}), "status": status, **ROWS, "counts": counts, "estimatedEndAt": None, **members}


def problem(status: int, **members: Any) -> dict[str, Any]:
    return {**openapi.problem_example(status), **members}


Step = dict[str, Any] | Exception | Callable[[], dict[str, Any]]


@dataclass
class Api:
    """Answers calls in turn.

    Attributes:
        steps: what is answered, in order; the last is answered for good.
        put: what was put, and with which headers.
        slept: seconds.
    """

    steps: list[Step]
    called: list[tuple[str, str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    put: list[tuple[bytes, Mapping[str, str]]] = field(default_factory=list)
    put_responses: list[int] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    results: list[Response] = field(default_factory=list)

    def call(
        self,
        method: str,
        url: str,
        *,
        caller: Caller | None,
        region: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 0.0,
    ) -> Response:
        if url == RESULT_URL:
            assert caller is None
            return self.results.pop(0)
        assert headers is not None
        if url == UPLOAD["url"]:
            # Whoever signs it twice is refused.
            assert caller is None
            self.put.append((body, headers))
            return Response(self.put_responses.pop(0) if self.put_responses else 200, {}, "<Error/>")
        assert caller is not None
        path = url.removeprefix(BASE)
        contract().check_request(method, path, headers=headers, query={}, body=body)
        self.called.append((method, path, body))
        self.keys.append(headers.get("Idempotency-Key"))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        found = step() if callable(step) else step
        if isinstance(found, Exception):
            raise found
        # A status in numbers is a problem's.
        status = found["status"] if isinstance(found["status"], int) else self._success(method, path, found)
        said = {
            "content-type": "application/json" if status < 400 else "application/problem+json",
            "cache-control": "no-store",
        }
        if status < 400 and (path == "/orders" or status == 202):
            said["location"] = f"/v1/orders/{ID}"
        if status == 202:
            said["retry-after"] = "5"
        contract().check_response(method, path, status=status, headers=said, body=found)
        return Response(status, said, json.dumps(found))

    @staticmethod
    def _success(method: str, path: str, found: Mapping[str, Any]) -> int:
        if path == "/orders":
            return 201 if found["status"] == "AWAITING_FILE" else 200
        return 202 if method == "POST" and not path.endswith("/pause") else 200


@dataclass
class Run:
    """What a run said and did."""

    code: int
    said: str
    wrong: str
    api: Api


Runs = Callable[..., Run]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runs:
    """Runs the command against an API that responses in steps."""

    def run(*given: str, steps: Iterable[Step], puts: Iterable[int] = (), results: Iterable[Response] = ()) -> Run:
        api = Api([*steps], put_responses=[*puts], results=[*results])
        target = Target(
            "stack", "us-east-1", BASE, lambda: Caller("KEY", "dummy"), lambda _: None, {}, dict, {}, is_local=True
        )
        monkeypatch.setattr("local.commands.order.reach", lambda stack: target)
        monkeypatch.setattr("local.target.send", api.call)
        monkeypatch.setattr("local.calls.send", api.call)
        time = SimpleNamespace(sleep=api.slept.append, monotonic=lambda: sum(api.slept))
        monkeypatch.setattr("local.commands.order.time", time)
        monkeypatch.setattr("local.calls.time", time)
        code = main(["order", *given])
        return Run(code, *capsys.readouterr(), api)

    return run


@pytest.fixture
def cards(tmp_path: Path) -> str:
    file = tmp_path / "cards.csv"
    file.write_text(GOOD)
    return str(file)


FINISHED: Final = order("FINISHED", issued=2, result={"url": RESULT_URL, "expiresAt": "2026-03-01T13:00:00Z"})


def test_a_file_is_ordered_put_started_and_watched_to_its_end(ran: Runs, cards: str) -> None:
    # given an order that takes a while
    steps = [NEW, order("VALIDATING", rows=None, totals=[]), order("ISSUING", issued=1, waiting=1), FINISHED]
    done = ran(cards, steps=steps)
    # then it was made, its file put as the response said, and started
    assert done.api.called == [
        ("POST", "/orders", {"format": "csv", "onUnknown": "retry"}),
        ("POST", f"/orders/{ID}/start", {"dryRun": False}),
        ("GET", f"/orders/{ID}", None),
        ("GET", f"/orders/{ID}", None),
    ]
    assert done.api.put == [(GOOD.encode(), UPLOAD["headers"])]
    # and its end is told, with where the result is
    assert done.code == 0
    assert "Finished: 2 cards, 65.00 USD" in done.said
    assert "https://s3.test/r" in done.said
    assert f'make order ARGS="--order {ID} --save result.xlsx"' in done.said
    assert UPLOAD["url"] not in done.said


def test_the_same_rows_are_the_same_order_and_others_another(ran: Runs, cards: str, tmp_path: Path) -> None:
    # given the file, as a spreadsheet saved it, with a row more, and one that is no order
    saved = "\ufeff" + GOOD.replace("\n", ",\r\n").replace("25.00", '"25"')
    texts = [GOOD, saved, GOOD + "c,1.00,USD\n", GOOD.replace("25.00", "0")]
    files = [tmp_path / f"{number}.csv" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, newline="")
    keys = [ran(str(file), steps=[{**FINISHED, "upload": None}]).api.keys[0] for file in files]
    assert keys[0] == keys[1]
    assert len({*keys}) == 3
    assert ran(cards, "--key", "mine", steps=[{**FINISHED, "upload": None}]).api.keys == ["mine"]


def test_rows_are_issued_again_only_under_a_key_of_their_own(ran: Runs, cards: str) -> None:
    done = ran(cards, "--allow-same-rows", steps=[NEW])
    assert (done.code, done.api.called) == (2, [])
    assert "--allow-same-rows needs a --key" in done.wrong

    done = ran(cards, "--allow-same-rows", "--key", "again", steps=[NEW, FINISHED])
    assert done.api.called[0] == ("POST", "/orders", {"format": "csv", "onUnknown": "retry", "allowSameRows": True})


def test_rows_that_another_order_has_are_told_with_how_to_see_it(ran: Runs, cards: str) -> None:
    other = "B" * 26
    errors = [{"line": 1, "field": None, "problem": "begins a file"}]
    done = ran(cards, steps=[NEW, order("INVALID", sameRowsAs=other, errors=errors, errorCount=1)])
    assert done.code == 1
    assert f'make order ARGS="--order {other}"' in done.said
    assert "--allow-same-rows" in done.said
    assert "run the same command again" in done.said


def test_what_was_left_out_of_the_file_is_told(ran: Runs, cards: str) -> None:
    left_out = {"blankRows": 1, "emptyColumns": 1200}
    for status in ("VALIDATED", "FINISHED"):
        done = ran(cards, steps=[NEW, order(status, issued=2, leftOut=left_out)])
        assert "Left out of the file: 1 blank row and 1,200 empty columns." in done.said
    nothing = order("FINISHED", issued=2, leftOut={"blankRows": 0, "emptyColumns": 0})
    assert "Left out" not in ran(cards, steps=[NEW, nothing]).said


@pytest.mark.parametrize("status", ["VALIDATING", "ISSUING", "PAUSED", "STOPPING", "SETTLING", "FINISHED"])
def test_an_order_that_is_under_way_is_not_started_again(ran: Runs, cards: str, status: str) -> None:
    known = {**order(status, issued=2), "upload": None}
    done = ran(cards, steps=[known, FINISHED])
    assert done.api.put == []
    assert not [path for _, path, _ in done.api.called if path.endswith("/start")]


@pytest.mark.parametrize("status", ["INVALID", "VALIDATED"])
def test_an_order_that_was_checked_is_started_again(ran: Runs, cards: str, status: str) -> None:
    done = ran(cards, steps=[{**order(status), "upload": UPLOAD}, FINISHED])
    assert len(done.api.put) == 1
    assert done.api.called[1] == ("POST", f"/orders/{ID}/start", {"dryRun": False})


def test_what_the_command_line_says_is_asked_for(ran: Runs, tmp_path: Path) -> None:
    file = tmp_path / "rows.data"
    file.write_text('{"key": "a", "amount": 1, "currency": "USD"}\n')
    given = (str(file), "--format", "jsonl", "--account", "emea", "--on-unknown", "reissue", "--dry-run")
    done = ran(*given, steps=[NEW, order("VALIDATED", dryRun=True)])
    assert done.api.called == [
        ("POST", "/orders", {"format": "jsonl", "onUnknown": "reissue", "account": "emea"}),
        ("POST", f"/orders/{ID}/start", {"dryRun": True}),
    ]
    assert done.code == 0
    assert "The file is good: 2 cards, 65.00 USD. Nothing was issued." in done.said


def test_a_budget_is_named(ran: Runs, cards: str) -> None:
    done = ran(cards, "--budget", "summer", steps=[NEW, FINISHED])
    assert done.api.called[0] == ("POST", "/orders", {"format": "csv", "onUnknown": "retry", "budget": "summer"})


def test_an_order_that_waits_for_approval_says_who_may_and_how(ran: Runs, cards: str) -> None:
    waiting = order("AWAITING_APPROVAL", approvalUntil="2026-03-08T12:00:00Z")
    done = ran(cards, steps=[NEW, order("VALIDATING"), waiting])
    assert done.code == 3
    assert "Nothing is issued before somebody approves it" in done.said
    assert "Until 2026-03-08T12:00:00Z anybody may who neither made nor started it" in done.said
    assert f"make approve ORDER={ID}" in done.said


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"whyNotStarted": "budget 'summer' has 10.00 USD left."}, "It was not started: budget 'summer' has 10.00"),
        (
            {"decision": "reject", "decidedBy": "arn:carla", "rejectedBecause": "last year's list"},
            "Rejected by arn:carla: last year's list",
        ),
    ],
)
def test_a_good_file_that_is_not_issued_says_why(ran: Runs, cards: str, members: dict[str, Any], told: str) -> None:
    done = ran(cards, steps=[NEW, order("VALIDATED", dryRun=False, **members)])
    assert (done.code, told in done.said, "Nothing was issued." in done.said) == (1, True, True)


def test_a_refused_file_is_shown_line_by_line(ran: Runs, cards: str) -> None:
    errors = [
        {"line": 2, "field": "amount", "problem": "must be greater than zero"},
        {"line": 3, "field": None, "problem": "has 4 cells; the header has 3"},
    ]
    done = ran(cards, steps=[NEW, order("INVALID", rows=None, totals=[], errors=errors, errorCount=1202)])
    assert done.code == 1
    assert "line 2, amount must be greater than zero" in done.said
    assert "line 3 has 4 cells; the header has 3" in done.said
    assert "and 1,200 more" in done.said


def test_cards_that_were_not_issued_are_told_and_end_with_one(ran: Runs, cards: str) -> None:
    result = FINISHED["result"]
    done = ran(cards, steps=[NEW, order("FINISHED", issued=1, notIssued=1, stopped=True, result=result)])
    assert done.code == 1
    assert "Stopped: 2 cards" in done.said
    assert "1 never asked for" in done.said


def test_a_pause_says_why_and_how_to_go_on(ran: Runs, cards: str) -> None:
    done = ran(cards, steps=[NEW, order("PAUSED", pauseReason="The balance is used up. Top it up.")])
    assert done.code == 3
    assert "Paused: The balance is used up. Top it up. Nothing" in done.said
    assert f'make order ARGS="--order {ID} --do resume"' in done.said


def test_ctrl_c_leaves_the_order_running_and_says_how_to_see_it_again(ran: Runs, cards: str) -> None:
    def interrupted() -> dict[str, Any]:
        raise KeyboardInterrupt

    done = ran(cards, steps=[NEW, order("ISSUING", waiting=2), interrupted])
    assert done.code == 3
    assert "The order goes on" in done.said
    assert f'make order ARGS="--order {ID}"' in done.said
    assert not [path for _, path, _ in done.api.called if path.endswith(("/stop", "/pause"))]
    # and before the order has a name, there is nothing but the command itself
    assert "The same command once more" in ran(cards, steps=[interrupted]).said


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_an_order_can_be_told_what_to_do(ran: Runs, action: str) -> None:
    done = ran("--order", ID, "--do", action, steps=[order("PAUSED") if action == "pause" else FINISHED])
    assert done.api.called[0] == ("POST", f"/orders/{ID}/{action}", None)


def test_watching_an_order_only_reads_it(ran: Runs) -> None:
    done = ran("--order", ID, steps=[order("SETTLING", issued=1, open=1), FINISHED])
    assert {method for method, _, _ in done.api.called} == {"GET"}
    assert done.code == 0


@pytest.mark.parametrize("fault", [OSError("gone"), problem(503), problem(504), problem(429)])
def test_what_may_work_a_little_later_is_repeated_with_the_same_key(ran: Runs, cards: str, fault: Step) -> None:
    done = ran(cards, steps=[fault, NEW, fault, order("ISSUING", waiting=2), fault, FINISHED], puts=[500, 503])
    assert done.code == 0
    assert done.api.keys[0] == done.api.keys[1] is not None
    assert len(done.api.put) == 3


@pytest.mark.parametrize(
    ("steps", "why"),
    [([problem(422)], "was used for a request with another amount"), ([OSError("gone")], "No response")],
)
def test_a_refusal_says_why(ran: Runs, cards: str, steps: list[Step], why: str) -> None:
    done = ran(cards, steps=steps)
    assert done.code == 2
    assert why in done.wrong


def test_it_gives_up_on_what_stays_broken_and_shows_no_address(ran: Runs, cards: str) -> None:
    done = ran(cards, steps=[NEW], puts=[503] * (TRIES_MAX - 1) + [403])
    assert done.code == 2
    assert "HTTP 403" in done.wrong
    assert "https" not in done.wrong


def test_a_file_that_is_none_or_too_large_or_of_no_known_format_is_not_ordered(ran: Runs, tmp_path: Path) -> None:
    large, strange = tmp_path / "large.csv", tmp_path / "cards.xlsx"
    empty, other = tmp_path / "empty.csv", tmp_path / "utf-16.csv"
    empty.touch()
    other.write_text(GOOD, "utf-16")
    with large.open("wb") as file:
        file.truncate(25 * 1024 * 1024 + 1)
    strange.write_text(GOOD)
    for file_name, why in (
        (tmp_path / "none.csv", "cannot be read"),
        (large, "more than"),
        (strange, "--format"),
        (empty, "is empty"),
        (other, "is written in UTF-16"),
    ):
        done = ran(str(file_name), steps=[NEW])
        assert (done.code, done.api.called) == (2, [])
        assert why in done.wrong


@pytest.mark.parametrize(
    "given", [(), ("cards.csv", "--order", ID), ("cards.csv", "--do", "stop"), ("--order", ID, "--do", "sing")]
)
def test_a_command_line_that_makes_no_sense_is_refused_in_a_line(ran: Runs, given: tuple[str, ...]) -> None:
    done = ran(*given, steps=[NEW])
    assert (done.code, done.api.called) == (2, [])
    assert len(done.wrong.splitlines()) == 1


RESULT: Final = "\ufeffkey,amount,currency,gcId\r\na,25.00,USD,1234567890123456\r\n"


def test_a_result_is_saved_as_it_is_or_as_a_spreadsheet(ran: Runs, tmp_path: Path) -> None:
    # given a result that comes at the second try
    for name in ("result.csv", "result.XLSX"):
        answers = [Response(503, {}, ""), Response(200, {}, "", RESULT.encode())]
        done = ran("--order", ID, "--save", str(tmp_path / name), steps=[FINISHED], results=answers)
        assert done.code == 0
    assert (tmp_path / "result.csv").read_bytes() == RESULT.encode()
    rows = [*Sheet((tmp_path / "result.XLSX").read_bytes()).rows()]
    assert rows[1] == {"A": ("s", "a"), "B": ("n", "25"), "C": ("s", "USD"), "D": ("s", "1234567890123456")}


@pytest.mark.parametrize(
    ("name", "found", "results", "why"),
    [
        ("result.pdf", FINISHED, [], "a result is saved as .csv or .xlsx"),
        ("result.csv", order("PAUSED"), [], "has no result while it is PAUSED"),
        ("result.csv", FINISHED, [Response(404, {}, "<Error/>")], "The result did not come: HTTP 404"),
        ("none/result.csv", FINISHED, [Response(200, {}, "", RESULT.encode())], "cannot be written: No such file"),
        ("result.xlsx", FINISHED, [Response(200, {}, "")], "The result is empty"),
    ],
)
def test_a_result_that_cannot_be_saved_says_why_and_leaves_no_file(
    ran: Runs, tmp_path: Path, name: str, found: dict[str, Any], results: list[Response], why: str
) -> None:
    done = ran("--order", ID, "--save", str(tmp_path / name), steps=[found], results=results)
    assert (done.code, [*tmp_path.iterdir()]) == (2, [])
    assert why in done.wrong
    assert "https" not in done.wrong


def test_looks_become_fewer_as_an_order_takes_long(ran: Runs, cards: str) -> None:
    done = ran(cards, steps=[NEW, *[order("ISSUING", waiting=2)] * 300, FINISHED])
    assert done.api.slept[0] == 1.0
    assert done.api.slept[-1] == 10.0
    assert done.api.slept == sorted(done.api.slept)
    # and without a terminal what is written stays readable
    assert len(done.said.splitlines()) < 120


def test_json_is_all_that_is_printed_where_a_program_reads(ran: Runs, cards: str) -> None:
    done = ran(cards, "--json", steps=[NEW, order("ISSUING", waiting=2), FINISHED])
    assert json.loads(done.said) == FINISHED
    assert done.code == 0


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({"rows": None, "status": "VALIDATING"}, "its file is being checked"),
        (
            {"issued": 600, "refused": 2, "open": 3, "waiting": 395, "requestsPerSecond": 5.94, "rows": 1000},
            "602 of 1,000 | 2 refused, 3 open | 5.9/s",
        ),
        (
            {"waiting": 2, "requestsPerSecond": 0.5, "estimatedEndAt": "2026-03-01T12:30:00Z"},
            "0 of 2 | 0.5/s | ends about 12:30 UTC, in 30 min",
        ),
        ({"status": "SETTLING", "issued": 1, "open": 1}, "1 of 2 | 1 open | finding out the last outcomes"),
        ({"status": "PAUSED", "issued": 1, "waiting": 1, "requestsPerSecond": 3.0}, "1 of 2 | paused"),
    ],
)
def test_what_is_said_beside_the_bar(members: dict[str, Any], shown: str) -> None:
    told = order(members.pop("status", "ISSUING"), **{"requestsPerSecond": None, **members})
    assert order_texts.progress(told, NOON) == shown


@pytest.mark.parametrize(
    ("end", "left"),
    [("12:00:09", "in 9 s"), ("12:02:00", "in 2 min"), ("15:30:00", "in 3.5 h"), ("11:59:00", "in 0 s")],
)
def test_the_time_that_is_left(end: str, left: str) -> None:
    assert order_texts.until(f"2026-03-01T{end}Z", NOON).endswith(left)
