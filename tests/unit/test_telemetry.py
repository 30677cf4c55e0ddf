from __future__ import annotations

import json
from typing import Any

import pytest

from incentives.aws.telemetry import FACTS, PowertoolsTelemetry, mask, safe_facts
from tests.support.fakes import FakeTelemetry


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_has_its_facts_and_nothing_that_is_not_on_the_list(lines: Any) -> None:
    PowertoolsTelemetry("test", "Test").log("attempt", requestId="R1", attempt=2, body="secret", response={"a": 1})

    (line,) = lines()
    assert (line["message"], line["requestId"], line["attempt"]) == ("attempt", "R1", 2)
    assert "body" not in line
    assert "answer" not in line
    assert "secret" not in json.dumps(line)


def test_facts_that_nobody_knows_are_left_out_and_so_are_empty_ones() -> None:
    assert safe_facts({"requestId": "R1", "errorCode": None, "event": {}, "httpStatus": 0}) == {
        "requestId": "R1",
        "httpStatus": 0,
    }


@pytest.mark.parametrize(
    "name", ["claimCode", "gcClaimCode", "body", "answer", "secret", "cardNumber", "event", "amount"]
)
def test_nothing_that_could_hold_a_secret_is_on_the_list(name: str) -> None:
    assert name not in FACTS


@pytest.mark.parametrize(
    "text",
    [
        "AB12-CD34EF-GH56",
        "AB12-CD34EF-GH567",
        "AB12CD34EFGH56",
        "AB12CD34EFGH567",
        "1234567890123456789",
        "1234567890123456",
    ],
)
@pytest.mark.parametrize("around", ["{}", "card {} is live", "({})", "'{}'", "x={},", "{}\n"])
def test_whatever_looks_like_a_code_or_a_card_number_is_masked(text: str, around: str) -> None:
    masked = mask(around.format(text))

    assert isinstance(masked, str)
    assert text not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "Test1ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABC",  # a request id of 40 characters
        "arn:aws:iam::123456789012:user/caller",
        "123e4567-e89b-12d3-a456-426614174000",
        "SystemTemporarilyUnavailable",
        "RECOVERING",
        "20260301T120000Z",
    ],
)
def test_what_an_operator_needs_is_not_masked(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("value", [True, False, 0, 201, 0.25])
def test_plain_numbers_stay_as_they_are(value: float) -> None:
    assert mask(value) == value


def test_what_is_no_plain_value_becomes_masked_text() -> None:
    assert mask({"code": "AB12-CD34EF-GH56"}) == "{'code': '***'}"


def test_a_metric_is_written_with_its_dimensions(lines: Any) -> None:
    telemetry = PowertoolsTelemetry("test", "Test")
    telemetry.count("AttemptSucceeded", operation="CreateGiftCard")
    telemetry.flush()

    (line,) = lines()
    assert line["AttemptSucceeded"] == [1.0]
    assert line["operation"] == "CreateGiftCard"
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Test"


def test_the_fake_refuses_what_the_real_one_would_drop() -> None:
    with pytest.raises(AssertionError, match="body"):
        FakeTelemetry().log("x", body="anything")
