"""The tables of a history in which the real adapters write, and what each process has of them.

Reads and writes go call by call over a way on which processes die and responses get lost; what was written is shown to
whoever looks at the history, as if its ledger were in memory.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, cast

from incentives.aws.accounts.account_states import DynamoDbAccountStates
from incentives.aws.accounts.freezes import DynamoDbFreezes
from incentives.aws.budgets.budget_items import encode_budget
from incentives.aws.budgets.definitions import DynamoDbBudgetDefinitions
from incentives.aws.budgets.holds import DynamoDbHolds
from incentives.aws.budgets.recounts import DynamoDbRecounts
from incentives.aws.bulk_orders.orders import DynamoDbOrders
from incentives.aws.items import decode
from incentives.aws.single_requests.beside import Beside
from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.many_records import DynamoDbRecords
from incentives.aws.single_requests.record_items import decode_key, decode_record
from incentives.domain.budgets.budget import Budget, PeriodKind
from incentives.domain.single_requests.record import Change, KeyItem, KeyTaken, Lost, Record, Reissue
from tests.simulation.dynamo import Dynamo, Item
from tests.simulation.dynamo_client import Client
from tests.simulation.plan_control import Limit
from tests.simulation.ports import Ledger, Port, ProcessClock
from tests.simulation.sums import ACCOUNTS, BUDGETS, ORDERS, differing, of_write

if TYPE_CHECKING:
    from tests.simulation.life import Life

LEDGER: Final = "ledger"

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    LEDGER: ("id",),
    ORDERS: ("orderId", "part"),
    ACCOUNTS: ("account", "part"),
    BUDGETS: ("budget", "part"),
}


INDEXES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    (LEDGER, "by-account-day"): ("accountDay", "createdKey"),
    (LEDGER, "by-wake"): ("wakePartition", "wakeAt"),
    (ORDERS, "by-created"): ("listed", "createdAt"),
}

#: Histories begin on the first of a month, at noon of UTC.
NOON: Final = timedelta(hours=12)


@dataclass(frozen=True)
class Adapters:
    """What one process has."""

    client: Client
    holds: DynamoDbHolds
    definitions: DynamoDbBudgetDefinitions
    recounts: DynamoDbRecounts
    freezes: DynamoDbFreezes
    ledger: DynamoDbLedger
    records: DynamoDbRecords
    orders: DynamoDbOrders
    states: DynamoDbAccountStates


class TableLedger(Ledger):
    """The ledger's table, written by the adapter of whichever process is at work."""

    def __init__(self, life: Life) -> None:
        super().__init__(life.stage)
        self._life = life

    def _mine(self) -> Adapters:
        adapters = self._life.adapters
        assert adapters is not None
        return adapters

    def open(self, record: Record, key: KeyItem, nonce: str, **row: Any) -> Record | KeyTaken:
        return self._mine().ledger.open(record, key, nonce, **row)

    def apply(self, change: Change, nonce: str) -> Record | Lost:
        return self._mine().ledger.apply(change, nonce)

    def reissue(self, plan: Reissue, nonce: str, **row: Any) -> Record | Lost:
        return self._mine().ledger.reissue(plan, nonce, **row)

    def get(self, request_id: str) -> Record | None:
        return self._mine().ledger.get(request_id)

    def key(self, key_hash: str) -> KeyItem | None:
        return self._mine().ledger.key(key_hash)

    def note(self, before: Item | None, after: Item | None) -> None:
        """An item of the table was written."""
        assert after is not None
        if "status" not in after:
            key = decode_key(after)
            self.keys[key.key_hash] = key
            return
        record = decode_record(after)
        self.writes += 1
        was = self.records.get(record.request_id)
        self.records[record.request_id] = record
        self._written(was, record)


class ByAdapter:
    """The ledger's port: what its adapter does goes call by call to its table, all else as a port's."""

    def __init__(self, ledger: TableLedger, port: Port) -> None:
        self._ledger, self._port = ledger, port

    def __getattr__(self, method: str) -> Any:
        return getattr(self._ledger if method in _BY_ADAPTER else self._port, method)


_BY_ADAPTER: Final = frozenset({"open", "apply", "reissue", "get", "key"})


class Tables:
    """All tables of a history, and its processes' adapters.

    Attributes:
        dynamo: without anything that goes wrong.
        ledger: for whoever looks at the history.
        decoded: items by table and place as they were last looked at, each with its values.
    """

    def __init__(self, life: Life) -> None:
        self.dynamo = Dynamo(KEYS, INDEXES, on_write=self._note)
        self.ledger = TableLedger(life)
        self.decoded: dict[tuple[str, tuple[str, ...]], tuple[Item, dict[str, Any]]] = {}
        self._life, self._looked_at = life, 0
        control = life.plan.control
        # Months are counted in a zone in which one ends when the plan says so.
        self.kind = PeriodKind.TOTAL if control.month_ends_at is None else PeriodKind.MONTH
        self.zone = timezone(-(NOON + timedelta(seconds=round(control.month_ends_at or 0))))
        for campaign in control.campaigns:
            self.define(campaign.name, self.kind, campaign.limits[0])
        #: For whoever looks at the history: on them nothing goes wrong.
        self.seen = self._adapters(self.dynamo, ProcessClock(life.stage, 0.0), -1)

    @property
    def states(self) -> DynamoDbAccountStates:
        return self.seen.states

    @property
    def orders(self) -> DynamoDbOrders:
        return self.seen.orders

    def adapters(self, number: int, clock: ProcessClock) -> Adapters:
        """Those of one more process."""
        life = self._life

        def later(action: Callable[[], object], seconds: float) -> None:
            life.faults["aws: request late"] += 1
            life.begin(action, after_seconds=seconds)

        client = Client(self.dynamo, life, later, random.Random(f"client {life.plan.seed} {number}"))
        return self._adapters(client, clock, number)

    def _adapters(self, client: Any, clock: ProcessClock, number: int) -> Adapters:
        holds = DynamoDbHolds(
            client,
            BUDGETS,
            zone=lambda: cast("Any", self.zone),
            required=self._life.plan.control.required,
            now=clock.now,
            sleep=clock.sleep,
            random=random.Random(f"waits {self._life.plan.seed} {number}").random,
        )
        chance, numbers = random.Random(f"budgets {self._life.plan.seed} {number}"), itertools.count()
        return Adapters(
            client=client,
            holds=holds,
            definitions=DynamoDbBudgetDefinitions(
                client,
                BUDGETS,
                sleep=clock.sleep,
                random=chance.random,
                new_nonce=lambda: f"budget-{number}-{next(numbers)}",
            ),
            recounts=DynamoDbRecounts(client, ledger=LEDGER, accounts=ACCOUNTS, orders=ORDERS, sleep=clock.sleep),
            freezes=DynamoDbFreezes(client, ACCOUNTS),
            ledger=DynamoDbLedger(client, LEDGER, beside=Beside(holds, ACCOUNTS, ORDERS), sleep=clock.sleep),
            records=DynamoDbRecords(client, LEDGER, sleep=clock.sleep),
            orders=DynamoDbOrders(client, ORDERS, holds=lambda: holds, sleep=clock.sleep),
            states=DynamoDbAccountStates(
                client, ACCOUNTS, ledger_table=LEDGER, holds=holds, sleep=clock.sleep, random=chance.random
            ),
        )

    def define(self, name: str, kind: PeriodKind, limit: Limit) -> None:
        """Write a budget's first definition."""
        now = self._life.stage.time
        budget = Budget(
            name=name,
            limit=limit.cents,
            currency="USD",
            kind=kind,
            active=limit.active,
            version=1,
            created_at=now,
            changed_at=now,
        )
        self.dynamo.put_item(TableName=BUDGETS, Item=encode_budget(budget))

    def _note(self, table: str, before: Item | None, after: Item | None) -> None:
        if table == LEDGER:
            self.ledger.note(before, after)
        elif table == BUDGETS and before is not None and after is not None:
            self._life.broken += of_write(decode(before), decode(after))

    def look(self) -> Iterator[str]:
        """What is wrong with the budgets' sums now, if anything was written since the last look."""
        if self._looked_at != self.dynamo.writes:
            self._looked_at = self.dynamo.writes
            yield from differing(self)
