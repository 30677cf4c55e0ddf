"""Logs and metrics as they leave the process."""

from __future__ import annotations

import ast
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.metrics import Metrics

import incentives
from incentives.aws.telemetry import FACTS, PowertoolsTelemetry, mask, safe_facts
from tests.support.fakes import CODE

CARD_NUMBER = "6006491234567890123"
ROOM = Path(incentives.__file__).parent


class _Stdout:
    """The stdout of the moment: pytest has another one for each phase of a test."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture
def telemetry(request: pytest.FixtureRequest) -> Iterator[PowertoolsTelemetry]:
    service = f"service-{request.node.name}"
    made = PowertoolsTelemetry(service, "Namespace")
    (handler,) = logging.getLogger(service).handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(_Stdout())
    yield made
    Metrics._metrics.clear()
    Metrics._dimensions.clear()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def emf(document: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Dimensions and metrics of a line in the embedded metric format, after a check that it is one."""
    head = document["_aws"]
    assert isinstance(head["Timestamp"], int)
    (directive,) = head["CloudWatchMetrics"]
    assert directive["Namespace"] == "Namespace"
    (names,) = directive["Dimensions"]
    assert len(names) <= 30
    metrics = {each["Name"]: (document[each["Name"]], each["Unit"]) for each in directive["Metrics"]}
    return {name: document[name] for name in names}, metrics


# ---- metrics ------------------------------------------------------------------------------------


def test_metrics_of_the_same_dimensions_are_one_line(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.count("AttemptSucceeded", operation="CreateGiftCard")
    telemetry.count("RequestSucceeded", operation="CreateGiftCard")
    telemetry.count("RequestSucceeded", 2, operation="CreateGiftCard")
    telemetry.flush()
    (line,) = lines(capsys)
    dimensions, metrics = emf(line)
    assert metrics == {"AttemptSucceeded": ([1.0], "Count"), "RequestSucceeded": ([1.0, 2.0], "Count")}
    assert dimensions == {"operation": "CreateGiftCard", "service": line["service"]}


def test_dimensions_do_not_spread(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    # given a metric that waits
    telemetry.count("Plain")
    # when others with dimensions of their own come
    telemetry.count("First", operation="CreateGiftCard")
    telemetry.count("Second", account="uk")
    telemetry.count("Third", account="us")
    telemetry.count("Plain", 2)
    telemetry.flush()
    # then each has its own, and no other
    read = [emf(line) for line in lines(capsys)]
    assert [sorted(dimensions.keys() - {"service"}) for dimensions, _ in read] == [
        [], ["operation"], ["account"], ["account"], [],
    ]  # fmt: skip
    assert [list(metrics) for _, metrics in read] == [["Plain"], ["First"], ["Second"], ["Third"], ["Plain"]]


def test_units_and_values(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.count("Took", 12.5, unit="Milliseconds")
    telemetry.flush()
    (line,) = lines(capsys)
    assert emf(line)[1] == {"Took": ([12.5], "Milliseconds")}


def test_invocations_do_not_add_up(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        # given an invocation of a warm process
        telemetry.log("attempt", requestId="Test1")
        telemetry.count("Plain")
        telemetry.count("Dimensioned", operation="CreateGiftCard")
        telemetry.flush()
        # then it writes what is its own
        log, *written = lines(capsys)
        assert log["requestId"] == "Test1"
        assert [emf(line)[1] for line in written] == [{"Plain": ([1.0], "Count")}, {"Dimensioned": ([1.0], "Count")}]


def test_an_invocation_that_counts_nothing_writes_nothing(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    # Powertools would warn, in production in every second log line.
    telemetry.flush()
    telemetry.count("Dimensioned", operation="CreateGiftCard")
    telemetry.flush()
    assert len(lines(capsys)) == 1


def test_a_second_telemetry_does_not_write_twice(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    again = PowertoolsTelemetry(telemetry._logger.service, "Namespace")
    again.log("attempt")
    again.count("Metric", operation="CreateGiftCard")
    again.flush()
    assert len(lines(capsys)) == 2


# ---- logs ---------------------------------------------------------------------------------------


def context(request_id: str) -> Any:
    return SimpleNamespace(function_name="stack-CreateGiftCard", aws_request_id=request_id)


def test_each_line_names_its_invocation_and_only_its_own(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.begin(context("lambda-1"), "api-1")
    telemetry.log("first")
    telemetry.log("second")
    telemetry.begin(context("lambda-2"), None)
    telemetry.log("third")
    names = ("function_name", "function_request_id", "correlation_id", "cold_start")
    function = "stack-CreateGiftCard"
    assert [tuple(line.get(name) for name in names) for line in lines(capsys)] == [
        (function, "lambda-1", "api-1", True), (function, "lambda-1", "api-1", True),
        (function, "lambda-2", None, False),
    ]  # fmt: skip


def test_ids_that_a_caller_chose_are_masked(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.begin(context(CARD_NUMBER), CODE)
    telemetry.log("answered")
    out = capsys.readouterr().out
    assert CODE not in out
    assert CARD_NUMBER not in out


def test_a_metric_of_an_unknown_unit_leaves_no_dimension_behind(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="Lightyears"):
        telemetry.count("Far", unit="Lightyears", account="uk")
    telemetry.count("Near")
    telemetry.flush()
    (line,) = lines(capsys)
    assert "account" not in line


def test_metrics_that_cannot_be_written_take_the_place_of_no_response(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ValueError(CODE)

    telemetry.count("OrderValue", 25.0, unit="None", currency="USD")
    with monkeypatch.context() as patch:
        patch.setattr(telemetry._metrics, "flush_metrics", refuse)
        telemetry.flush()
    told = capsys.readouterr().out
    assert '"metricsLost"' in told
    assert CODE not in told
    telemetry.flush()
    assert not capsys.readouterr().out, "what was lost does not come with the next"


def test_a_log_line_holds_the_facts(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.log("attempt", requestId="Test1ABC", httpStatus=200, milliseconds=1.5, errorCode=None)
    (line,) = lines(capsys)
    assert line["message"] == "attempt"
    assert line["level"] == "INFO"
    # where it was said, and not where it was written
    assert line["location"].startswith("test_a_log_line_holds_the_facts:")
    assert (line["requestId"], line["httpStatus"], line["milliseconds"]) == ("Test1ABC", 200, 1.5)
    assert "errorCode" not in line


def test_no_fact_stays_for_the_next_line(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.log("first", requestId="Test1ABC")
    telemetry.log("second")
    assert "requestId" not in lines(capsys)[1]


def test_nothing_that_looks_like_a_code_leaves(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    # given every fact there is, each with a code, and others that are no facts
    code, bare = "ABCD-EFGHIJ-KLMN", "ABCDEFGHIJKLMN"
    for value in (code, bare, code.lower(), CARD_NUMBER, int(CARD_NUMBER), {"answer": code}, [bare], f"<{code}>"):
        # when
        telemetry.log(f"with {code}", **dict.fromkeys(sorted(FACTS), value), body=code, gcClaimCode=code, response=code)
    # then
    out = capsys.readouterr().out
    assert out.count("\n") == 8
    for secret in (code, bare, code.lower(), CARD_NUMBER):
        assert secret not in out


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        "W3GU-YD4NGH-88C8",
        "w3gu-yd4ngh-88c8",
        "W3GUYD4NGH88C8",
        "code=W3GU-YD4NGH-88C8.",
        '{"gcClaimCode":"W3GU-YD4NGH-88C8"}',
        "_W3GU-YD4NGH-88C8_",
        CARD_NUMBER,
        "6006 4912 3456 7890 123",
        "6006-4912-3456-7890-123",
    ],
)
def test_codes_and_card_numbers_are_masked(text: str) -> None:
    masked = str(mask(text))
    assert "***" in masked
    assert "W3GU" not in masked.upper()
    assert "6006" not in masked


@pytest.mark.parametrize(
    "value",
    [
        "CreateGiftCard", "CancelGiftCard", "GetAvailableFunds", "2026-03-01T12:00:00.000Z", "TransactionConflict",
        "Test1MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43UMFRGGZDF", "5f2c0d6e-3f0a-4a0e-9a51-0c9f4a0b7d11", "default",
        "arn:aws:iam::000000000000:user/caller", 200, 1.5, True, 20260301120000, "ThrottlingException",
    ],
)  # fmt: skip
def test_what_people_search_for_is_not_masked(value: Any) -> None:
    if value == 20260301120000:
        # Fourteen digits could be a code: rather one time too many.
        assert mask(value) == "***"
    else:
        assert mask(value) == value


def test_a_fact_that_is_not_on_the_list_is_dropped() -> None:
    assert safe_facts({"requestId": "Test1", "body": "x", "gcClaimCode": "y", "status": None}) == {"requestId": "Test1"}


def test_every_fact_that_the_code_logs_is_on_the_list() -> None:
    # given every call of `log` with named facts
    logged: set[tuple[str, str]] = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node) == "log":
                logged |= {(path.name, keyword.arg) for keyword in node.keywords if keyword.arg}
    # then none would be dropped without a word
    assert len(logged) > 10
    assert {(file, name) for file, name in logged if name not in FACTS} == set()


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""
