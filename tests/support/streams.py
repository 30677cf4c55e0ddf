"""A table on moto with its stream, read as the template has `publish_events` read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends

from incentives.aws.stream import read_streams
from incentives.domain.events import DECISION_MADE, Event
from incentives.usecases.publish_events import publish_events
from local.template import read
from tests.contract import motos
from tests.contract.tables import TEMPLATE, create_table
from tests.support.fakes import FakeTelemetry
from tests.unit.test_publish_events import FakeBus

#: The operations that write.
_WRITES: Final = ("PutItem", "UpdateItem", "TransactWriteItems")


class Died(BaseException):
    """A process is gone, right after a write of its own."""


class Streamed:
    """One table.

    Attributes:
        client: as the functions have it.
        dies_at: number of the write, from 1, after which the process of `client` is gone; 0: it never is.
        writes: how many there were.
    """

    def __init__(self, logical_id: str) -> None:
        self.client = motos.client()
        self.table = create_table(self.client, logical_id)
        self._mapping = _mapping_of(logical_id)
        self.client.update_table(
            TableName=self.table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        )
        self.dies_at = self.writes = 0
        for name in _WRITES:
            self.client.meta.events.register(f"after-call.dynamodb.{name}", self._written)

    def _written(self, **_: object) -> None:
        self.writes += 1
        if self.writes == self.dies_at:
            raise Died

    def told(self, kind: str = DECISION_MADE) -> tuple[list[Event], list[Mapping[str, object]]]:
        """All events of a kind that the stream has told since the table was made, and the log lines of decisions."""
        bus, telemetry = FakeBus(), FakeTelemetry()
        records = [each for each in self._records() if self._mapping(each["dynamodb"])]
        assert publish_events(read_streams({"Records": records}), bus, telemetry) is None
        events = [event for event in bus.published if event.type == kind]
        return events, [facts for name, facts in telemetry.lines if name == "decision"]

    def _records(self) -> list[Any]:
        # As moto keeps it: its API of streams is not reached through the lock around its tables.
        backend = dynamodb_backends["123456789012"]["us-east-1"]
        shard = backend.tables[self.table].stream_shard
        assert shard is not None
        records = [each.to_json() for each in shard.items]
        # What an update makes moto first puts as a bare key.
        return [_of_no_bare_key(each) for each in records if not _is_bare(each["dynamodb"], "NewImage")]


def _of_no_bare_key(told: dict[str, Any]) -> dict[str, Any]:
    images = told["dynamodb"]
    if not _is_bare(images, "OldImage"):
        return told
    return {**told, "dynamodb": {name: each for name, each in images.items() if name != "OldImage"}}


def _is_bare(images: Mapping[str, Any], name: str) -> bool:
    return name in images and images[name].keys() == images["Keys"].keys()


def _mapping_of(logical_id: str) -> Callable[[Mapping[str, Any]], bool]:
    """What the template lets wake `publish_events`."""
    events = read(TEMPLATE)["Resources"]["PublishEventsFunction"]["Properties"]["Events"].values()
    (mapping,) = (
        each["Properties"]
        for each in events
        if each["Properties"]["Stream"] == {"Fn::GetAtt": [logical_id, "StreamArn"]}
    )
    patterns = [json.loads(each["Pattern"])["dynamodb"] for each in mapping["FilterCriteria"]["Filters"]]
    return lambda images: any(_passes(images, pattern) for pattern in patterns)


def _passes(value: Any, pattern: Any) -> bool:
    """Whether a value passes a pattern of Lambda's, of the kinds that the template has."""
    if isinstance(pattern, dict):
        return all(_passes((value or {}).get(name), inner) for name, inner in pattern.items())
    for test in pattern:
        match test:
            case {"exists": bool(wanted)}:
                passes = (value is not None) is wanted
            case {"prefix": str(start)}:
                passes = isinstance(value, str) and value.startswith(start)
            case str():
                passes = value == test
            case _:
                raise AssertionError(f"a kind of test that nobody has written here: {test}")
        if passes:
            return True
    return False
