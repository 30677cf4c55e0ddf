"""What all functions have in common around their work: their log's lines, their time, what they count, their events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from incentives.bootstrap import container
from incentives.usecases.dependencies import Budget

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from incentives.api.gateway import ApiCall, ApiResponse
    from incentives.domain.decisions import Told
    from incentives.domain.reconciliation.writes import BooksWrite
    from incentives.domain.single_requests.writes import Write

Result = TypeVar("Result")
One = TypeVar("One")
Event: TypeAlias = dict[str, Any]
Function: TypeAlias = "Callable[[Event, LambdaContext], Result]"


def function(work: Callable[[Event, Budget], Result]) -> Function[Result]:
    """A function of an event and of the time that it may take."""

    @wraps(work)
    def handler(event: Event, context: LambdaContext) -> Result:
        telemetry = container.telemetry
        telemetry.begin(context, _api_request_id(event))
        try:
            return work(event, Budget(lambda: context.get_remaining_time_in_millis() / 1000))
        finally:
            telemetry.flush()

    return handler


def _api_request_id(event: object) -> str | None:
    match event:
        case {"requestContext": {"requestId": str(request_id)}}:
            return request_id
    return None


def api_function(respond: Callable[[ApiCall, Budget], ApiResponse]) -> Function[dict[str, Any]]:
    """A function that answers calls of the API."""
    from incentives.api.gateway import serve  # noqa: PLC0415 - other functions do without it

    @wraps(respond)
    def answer(event: Event, budget: Budget) -> dict[str, Any]:
        return serve(event, lambda call: respond(call, budget), container.telemetry.log)

    return function(answer)


def stream_function(take: Callable[[Iterator[Write]], str | None]) -> Function[dict[str, Any]]:
    """A function of the ledger's stream. It returns the number of the first write that must come again."""
    from incentives.aws.stream import read_stream  # noqa: PLC0415 - other functions do without it

    return _stream(take, read_stream)


def streams_function(take: Callable[[Iterator[Write | BooksWrite | Told]], str | None]) -> Function[dict[str, Any]]:
    """The same of the streams of all tables."""
    from incentives.aws.stream import read_streams  # noqa: PLC0415 - likewise

    return _stream(take, read_streams)


def _stream(
    take: Callable[[Iterator[One]], str | None], read: Callable[[Event], Iterator[One]]
) -> Function[dict[str, Any]]:
    @wraps(take)
    def batch(event: Event, _: Budget) -> dict[str, Any]:
        number = take(read(event))
        return {"batchItemFailures": [] if number is None else [{"itemIdentifier": number}]}

    return function(batch)


def queue_function(take: Callable[[str, Budget], None]) -> Function[None]:
    """A function of the backlog's messages, one request id each. What it raises brings them all again."""
    from incentives.aws.single_requests.backlog import read_message  # noqa: PLC0415 - other functions do without it

    @wraps(take)
    def batch(event: Event, budget: Budget) -> None:
        for message in event["Records"]:
            take(read_message(message), budget)

    return function(batch)
