"""What all functions have in common around their work."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from incentives.bootstrap import container
from incentives.api.gateway import ApiCall, ApiResponse
from incentives.domain.single_requests.writes import Write
from incentives.invocation import Event, api_function, function, stream_function
from incentives.usecases.dependencies import Budget

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 2_500)


class Telemetry:
    """Keeps what a function does with it."""

    def __init__(self) -> None:
        self.did: list[object] = []

    def begin(self, context: object, api_request_id: str | None) -> None:
        self.did.append(("begin", context, api_request_id))

    def log(self, event: str, **facts: object) -> None:
        self.did.append(event)

    def flush(self) -> None:
        self.did.append("flush")


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Telemetry:
    told = Telemetry()
    monkeypatch.setitem(vars(container), "telemetry", told)
    return told


def test_a_call_of_the_api_is_named_answered_and_counted(telemetry: Telemetry) -> None:
    @api_function
    def handler(call: ApiCall, budget: Budget) -> ApiResponse:
        return ApiResponse(200, {"route": call.route, "seconds": budget.seconds_left()})

    response = handler({"resource": "/funds", "requestContext": {"requestId": "api-1"}}, CONTEXT)
    assert (response["statusCode"], response["body"]) == (200, '{"route":"/funds","seconds":2.5}')
    assert telemetry.did == [("begin", CONTEXT, "api-1"), "answered", "flush"]


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": ["?"]}, {"requestContext": {}}])
def test_what_was_counted_is_written_also_when_a_function_fails(telemetry: Telemetry, event: Event) -> None:
    @function
    def handler(_: Event, __: Budget) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        handler(event, CONTEXT)
    assert telemetry.did == [("begin", CONTEXT, None), "flush"]


@pytest.mark.parametrize(
    ("number", "failures"), [(None, []), ("", [{"itemIdentifier": ""}]), ("7", [{"itemIdentifier": "7"}])]
)
def test_a_batch_of_the_stream_comes_again_from_the_write_that_is_named(
    telemetry: Telemetry, number: str | None, failures: list[dict[str, str]]
) -> None:
    @stream_function
    def handler(writes: Iterator[Write]) -> str | None:
        assert [*writes] == [Write(number="1")]
        return number

    event = {"Records": [{"dynamodb": {"SequenceNumber": "1"}}]}
    assert handler(event, CONTEXT) == {"batchItemFailures": failures}
