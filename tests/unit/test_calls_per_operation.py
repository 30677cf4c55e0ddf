"""What each operation costs in calls, to AWS and to Amazon: counted through the real functions and adapters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bench.artifact import function_names
from tests.bench.operations import OPERATIONS, Operation, measure
from tests.bench.stand import Stand, standing


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with standing() as stand:
        yield stand


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_makes_the_calls_that_it_needs_and_no_other(operation: Operation, stand: Stand) -> None:
    calls = measure(operation, stand)
    assert calls.aws == operation.aws, operation.why
    assert calls.amazon == list(operation.amazon)


def test_a_card_is_three_calls_to_dynamodb_and_one_to_amazon() -> None:
    plain = OPERATIONS[0]
    assert (plain.function, plain.is_cold) == ("create_gift_card", False)
    assert sum(plain.aws.values()) == 3
    assert {call.partition(".")[0] for call in plain.aws} == {"dynamodb"}
    assert len(plain.amazon) == 1


def test_every_function_has_its_calls_counted() -> None:
    assert sorted({operation.function for operation in OPERATIONS}) == function_names()


def test_nothing_is_ever_scanned() -> None:
    assert not [operation.name for operation in OPERATIONS if "dynamodb.Scan" in operation.aws]
