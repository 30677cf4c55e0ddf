"""Histories of a budget in which everything happens in any order, and transactions get into each other's way.

The emulators know no TransactionConflict: it is put into the client's way here.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from botocore.retries.standard import ExponentialBackoff

from tests.contract import motos
from tests.contract.budget_machine import Machine
from tests.contract.conflicts import put_in_the_way
from tests.contract.dynamodb_suite import Shop, lose_first_responses, open_shop, subject_of
from tests.contract.subject import Subject
from tests.contract.test_fake_ledger import fake_subject

STEPS = 40


@pytest.mark.parametrize("seed", range(150))
def test_the_fakes_add_up(seed: int) -> None:
    Machine(fake_subject(), Random(seed)).run(STEPS)


@pytest.fixture
def clients() -> Iterator[tuple[Any, Any]]:
    """Of each test its own: the SDK gives up repeating after a few hundred lost responses."""
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        yield motos.client(), lose_first_responses(motos.client(), in_process=True)


@pytest.mark.parametrize("seed", range(6))
def test_the_real_adapters_add_up_whoever_is_in_the_way(clients: tuple[Any, Any], seed: int) -> None:
    answered, losing = clients
    shop: Shop = open_shop(answered, losing)
    subject: Subject = subject_of(shop)
    met = [put_in_the_way(client, 0.3, Random(seed)) for client in clients]
    Machine(subject, Random(seed)).run(STEPS)
    assert any(met)
