"""The ledger's stream in a simulated history: its readers get batches at least once, and give up none.

Records of one request come in the order of its writes; those of different requests in any. A batch may come again as a
whole, or from the record on that its reader has named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.items import Item
from incentives.aws.single_requests.record_items import encode_record
from incentives.aws.stream import read_stream
from incentives.domain.accounts.alerts import Limits
from incentives.domain.accounts.funds import AccountState
from incentives.domain.single_requests.record import Record
from incentives.domain.single_requests.writes import Write
from incentives.usecases.accounts.count_spend import count_spend
from incentives.usecases.accounts.dependencies import WatchDependencies
from incentives.usecases.dependencies import Dependencies
from incentives.usecases.publish_events import publish_events
from tests.simulation.ports import Bus, Died, Port
from tests.support.account_states import FakeAccountStates

if TYPE_CHECKING:
    from tests.simulation.life import Life

#: A batch is as large as it happens to be.
BATCH_MAX: Final = 10

#: So long after a batch was given up operators feed it again; between two tries.
SET_ASIDE_SECONDS_MAX: Final = 3600.0
AGAIN_SECONDS: Final = 60.0


@dataclass
class Reader:
    """A function that reads the stream.

    Attributes:
        members: it gets the records whose new image has any of these.
        takes_ends: also every end of a record that has a budget.
        waiting: what it has not read yet.
    """

    name: str
    members: frozenset[str]
    handle: Callable[[list[Any], Dependencies], str | None]
    takes_ends: bool = False
    waiting: list[Any] = field(default_factory=list)
    reads: bool = False


class Stream:
    """What a history's ledger tells, and who reads it.

    Attributes:
        images: every image that was ever written, in order.
        states: what is known of the account.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self.images: list[Item] = []
        self.states: Any = life.tables.states if life.tables else FakeAccountStates()
        self._newest: dict[str, Item] = {}
        #: What is read again, by the other function or in a batch that comes again, reads the same.
        self._read_before: dict[str, Write] = {}
        self._readers = [
            # As the template filters them.
            Reader("count_spend", frozenset({"answeredAt", "refusal", "error"}), self._count, takes_ends=True),
            Reader("publish_events", frozenset({"status"}), self._publish),
        ]

    def watch_dependencies(self, dependencies: Dependencies) -> WatchDependencies:
        adapters = self._life.adapters
        states: Any = adapters.states if adapters else Port(self.states, self._life)
        return WatchDependencies(
            dependencies=dependencies,
            states=states,
            bus=Bus(self._life),
            limits=Limits(),
            freezes=adapters.freezes if adapters else None,
        )

    @property
    def known(self) -> AccountState:
        """What is known of the account, counted from the stream."""
        found: AccountState = self.states.read("default", self._life.stage.time.date())
        return found

    def write(self, record: Record) -> None:
        image = encode_record(record)
        told: dict[str, Any] = {"NewImage": image, "SequenceNumber": str(len(self.images))}
        if record.request_id in self._newest:
            told["OldImage"] = self._newest[record.request_id]
        self._newest[record.request_id] = image
        self.images.append(image)
        for reader in self._readers:
            if reader.members & image.keys() or (reader.takes_ends and _is_end_with_budget(image)):
                reader.waiting.append({"dynamodb": told})
                if not reader.reads:
                    reader.reads = True
                    self._life.begin(lambda reader=reader: self._read(reader))  # type: ignore[misc] # bound here

    def _count(self, batch: list[Any], dependencies: Dependencies) -> str | None:
        return count_spend(self._writes(batch), self.watch_dependencies(dependencies))

    def _publish(self, batch: list[Any], dependencies: Dependencies) -> str | None:
        return publish_events(self._writes(batch), Bus(self._life), dependencies.telemetry)

    def _writes(self, batch: list[Any]) -> Iterator[Write]:
        for each in batch:
            number = each["dynamodb"]["SequenceNumber"]
            if number not in self._read_before:
                (self._read_before[number],) = read_stream({"Records": [each]})
            yield self._read_before[number]

    def _read(self, reader: Reader) -> None:
        life, chance = self._life, self._life.chance
        while reader.waiting:
            life.stage.sleep(chance.uniform(0.1, 2))
            # Of several shards now one comes first, now another.
            places: dict[str, float] = {}
            reader.waiting.sort(key=lambda each: places.setdefault(_request_id(each), chance.random()))
            batch = reader.waiting[: chance.randint(1, BATCH_MAX)]
            if self._is_set_aside(reader):
                del reader.waiting[: len(batch)]
                life.faults["stream: batch set aside"] += 1
                life.begin(partial(self._count_again, batch), after_seconds=chance.uniform(1, SET_ASIDE_SECONDS_MAX))
                continue
            try:
                response = life.invoke(lambda dependencies, _, batch=batch: reader.handle(batch, dependencies))  # type: ignore[misc]
            except Died:
                life.faults["stream: reader died"] += 1
                continue
            done = _done(batch, response)
            if not life.shore.is_calm and chance.random() < life.plan.aws:
                # Read, but that it was got lost.
                life.faults["stream: batch came again"] += 1
                done = 0
            del reader.waiting[:done]
        reader.reads = False

    def _is_set_aside(self, reader: Reader) -> bool:
        """Whether Lambda gives up a batch: what follows is counted before it."""
        share = self._life.plan.control.set_aside
        is_counted = share > 0 and reader.name == "count_spend" and not self._life.shore.is_calm
        return is_counted and self._life.chance.random() < share

    def _count_again(self, batch: list[Any]) -> None:
        """`make count-again`: a batch that was given up is fed to the same function, until it has taken all of it."""
        response: str | None = "not asked"
        while response is not None:
            try:
                response = self._life.invoke(lambda dependencies, _: self._count(batch, dependencies))
            except Died:
                self._life.faults["stream: reader died"] += 1
            if response is not None:
                self._life.stage.sleep(AGAIN_SECONDS)


def _is_end_with_budget(image: Item) -> bool:
    return "budget" in image and image["status"]["S"] in {"SUCCEEDED", "REFUSED", "REVERSED", "ESCALATED"}


def _request_id(told: Any) -> str:
    return str(told["dynamodb"]["NewImage"]["id"]["S"])


def _done(batch: list[Any], response: str | None) -> int:
    """How many of a batch need not come again."""
    failed = [] if response is None else [response]
    numbers = [each["dynamodb"]["SequenceNumber"] for each in batch]
    return numbers.index(failed[0]) if failed else len(batch)
