"""Freezing an account in its real tables, by many processes at once: what holds in the end is what was written last."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from incentives.aws.accounts.freezes import DynamoDbFreezes
from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.rate_limit import Frozen, Pace, Priority
from incentives.usecases.accounts.dependencies import AccountDependencies
from incentives.usecases.accounts.freeze import freeze, keep_frozen, unfreeze
from tests.contract import motos
from tests.contract.subject import all_at_once
from tests.contract.tables import create_table
from tests.support.fakes import world
from tests.support.holds import states_of

NAMES = (f"account-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        yield motos.client()


class Process:
    """One that freezes, unfreezes and watches; all share the tables."""

    def __init__(self, client: Any, tables: tuple[str, str], account: str) -> None:
        self.account, self.w = account, world()
        accounts, pace = tables
        self.rate_limiter = DynamoDbRateLimiter(client, pace, pace=Pace(), now=self.w.clock.now)
        self.freezes = DynamoDbFreezes(client, accounts)
        self.here = AccountDependencies(
            dependencies=replace(self.w.dependencies, rate_limiter=self.rate_limiter, new_nonce=self._nonce),  # type: ignore[type-var]
            freezes=self.freezes,
            states=states_of(client, accounts),
            default=account,
        )

    def _nonce(self) -> str:
        return f"{id(self)}-{self.w.dependencies.new_nonce()}"

    def freeze(self) -> None:
        freeze(self.account, "A key has leaked", f"arn:caller:{id(self)}", self.here)

    def unfreeze(self) -> None:
        unfreeze(self.account, f"arn:caller:{id(self)}", self.here)

    def watch(self) -> None:
        keep_frozen(self.here.states.accounts(), self.freezes, self.here.dependencies)

    @property
    def is_frozen(self) -> bool:
        return self.rate_limiter.reserve(self.account, Priority.RECOVERY, never_sent=True) == Frozen()


@pytest.fixture(scope="module")
def tables(client: Any) -> tuple[str, str]:
    return create_table(client, "AccountTable"), create_table(client, "PacerTable")


@pytest.fixture
def processes(client: Any, tables: tuple[str, str]) -> list[Process]:
    account = next(NAMES)
    return [Process(client, tables, account) for _ in range(6)]


def told(processes: list[Process]) -> list[str]:
    return [subject for each in processes for subject, _ in each.w.notifier.notices]


@pytest.mark.parametrize("seed", range(4))
def test_of_many_at_once_the_copy_is_as_the_truth(
    seed: int, client: Any, tables: tuple[str, str], processes: list[Process]
) -> None:
    # given processes that freeze, unfreeze and watch, and one that loses the copy
    chance = random.Random(seed)

    def act(process: Process) -> None:
        for _ in range(4):
            action = chance.choice([process.freeze, process.unfreeze, process.watch])
            try:
                action()
            except LedgerUnavailable:
                # Too many at once: a caller would do it again.
                continue
            if chance.random() < 0.1:
                client.delete_item(TableName=tables[1], Key={"id": {"S": process.account}})

    processes[0].freeze()
    # when they all do so at once
    all_at_once(*(lambda each=each: act(each) for each in processes))
    # then after one more watch the copy is as the truth, and the operators have been told of it
    processes[-1].watch()
    truth = processes[0].freezes.get(processes[0].account)
    assert truth is not None
    assert all(each.is_frozen is truth.frozen for each in processes)
    assert truth.told_at is not None
    item = client.get_item(TableName=tables[1], Key={"id": {"S": truth.account}}, ConsistentRead=True)["Item"]
    assert (int(item["frozen"]["N"]), int(item["freezeVersion"]["N"])) == (int(truth.frozen), truth.version)
