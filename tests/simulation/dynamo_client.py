"""A process's client of DynamoDB: the SDK on a way on which calls and responses get lost."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.model import ServiceId

from tests.simulation.dynamo import Dynamo, refused
from tests.simulation.ports import AWS_SECONDS, Way

_OPERATIONS: Final = {
    "get_item": "GetItem",
    "batch_get_item": "BatchGetItem",
    "query": "Query",
    "transact_get_items": "TransactGetItems",
    "put_item": "PutItem",
    "update_item": "UpdateItem",
    "delete_item": "DeleteItem",
    "transact_write_items": "TransactWriteItems",
}
_READS: Final = frozenset({"get_item", "batch_get_item", "query", "transact_get_items"})

#: Before the SDK sends once more what was not answered.
REPEATED_AFTER_SECONDS: Final = 0.5

#: Of requests that nobody responds to: so many arrive all the same, and are carried out so much later.
LATE_SHARE: Final = 0.5
LATE_SECONDS_MAX: Final = 5.0

Later = Callable[[Callable[[], object], float], None]


class _Events:
    """The SDK's own, as far as anybody listens to them."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Callable[..., None]]] = defaultdict(list)

    def register(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers[name].append(handler)

    def emit(self, name: str, **facts: object) -> None:
        for handler in self._handlers[name]:
            handler(**facts)


class Client:
    """`DynamoDBClient` of one process."""

    def __init__(self, dynamo: Dynamo, way: Way, later: Later, chance: random.Random) -> None:
        self._dynamo, self._way, self._events = dynamo, way, _Events()
        self._later, self._chance = later, chance
        self.meta = SimpleNamespace(
            service_model=SimpleNamespace(service_id=ServiceId("DynamoDB")), events=self._events
        )

    def __getattr__(self, method: str) -> Any:
        def call(**params: Any) -> Any:
            way = self._way
            way.step(AWS_SECONDS)
            fault = way.aws_fault()
            if fault in {"throttled", "conflict"} and not (fault == "conflict" and method in _READS):
                self._sent(method, 400)
                raise _throttled(method) if fault == "throttled" else _conflict(method, params)
            if fault == "request lost":
                self._sent(method, None)
                if method not in _READS and self._chance.random() < LATE_SHARE:
                    # It was only slow.
                    self._later(lambda: self._carried_out(method, params), self._chance.uniform(0, LATE_SECONDS_MAX))
                raise _unanswered()
            if fault == "sent twice" and method not in _READS:
                self._sent(method, None)
                if self._chance.random() < LATE_SHARE:
                    self._later(lambda: self._carried_out(method, params), self._chance.uniform(0, LATE_SECONDS_MAX))
                else:
                    self._carried_out(method, params)
                way.step(REPEATED_AFTER_SECONDS)
            result = self._carried_out(method, params)
            way.step(AWS_SECONDS)
            if fault == "answer lost":
                self._sent(method, None)
                raise _unanswered()
            self._sent(method, 200 if isinstance(result, dict) else 400)
            if isinstance(result, ClientError):
                raise result
            return result

        self.__dict__[method] = call
        return call

    def _carried_out(self, method: str, params: dict[str, Any]) -> Any:
        try:
            return getattr(self._dynamo, method)(**params)
        except ClientError as error:
            return error

    def _sent(self, method: str, status: int | None) -> None:
        """Of one try: it has left, and was answered or not."""
        name = f"dynamodb.{_OPERATIONS[method]}"
        self._events.emit(f"before-send.{name}")
        response = None if status is None else {"status_code": status}
        self._events.emit(
            f"response-received.{name}", response_dict=response, exception=None if status else _unanswered()
        )


def _unanswered() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="https://dynamodb.test")


def _throttled(method: str) -> ClientError:
    return refused("ProvisionedThroughputExceededException", _OPERATIONS[method])


def _conflict(method: str, params: dict[str, Any]) -> ClientError:
    """Another write is under way on an item: this one is refused without effect."""
    if method != "transact_write_items":
        return refused("TransactionConflictException", _OPERATIONS[method])
    reasons = [{"Code": "None"} for _ in params["TransactItems"]]
    reasons[-1] = {"Code": "TransactionConflict", "Message": "refused"}
    return refused("TransactionCanceledException", _OPERATIONS[method], CancellationReasons=reasons)
