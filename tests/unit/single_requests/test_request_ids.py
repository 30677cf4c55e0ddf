from __future__ import annotations

import itertools
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.domain.errors import InvalidInput
from incentives.domain.operations import Operation
from incentives.domain.single_requests.request_ids import (
    derive_request_id,
    differing_fields,
    fingerprint,
    hash_key,
    parse_idempotency_key,
)
from incentives.domain.single_requests.transitions import LEASE

PRINTABLE = string.ascii_letters + string.digits + string.punctuation


@pytest.mark.parametrize("key", ["a", "order 1", "~", "x" * 255, "{}[]\"'\\;,:"])
def test_one_to_255_printable_characters_are_a_key(key: str) -> None:
    assert parse_idempotency_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        " ",
        "   ",
        "x" * 256,
        "a\nb",
        "a\tb",
        "a\x00b",
        "\x7f",
        "caf\u00e9",
        "\u200b",
        "order\u00a01",
        "\ud800",
        " a",
        "a ",
        "a\u200b",
        '"',
        '"a"',
        'a"',
    ],
    ids=repr,
)
def test_anything_else_is_refused_and_names_the_header(key: str | None) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_idempotency_key(key)
    assert error.value.field == "Idempotency-Key"


def test_the_ledger_holds_a_hash_and_not_the_key() -> None:
    assert hash_key("order-1") == hash_key("order-1")
    assert hash_key("order-1") != hash_key("order-2")
    assert len(hash_key("order-1")) == 64
    assert "order" not in hash_key("order-1")


@given(
    partner_id=st.text(string.ascii_letters + string.digits, min_size=5, max_size=5),
    key=st.text(PRINTABLE, min_size=1, max_size=255),
    generation=st.integers(0, 2),
)
def test_a_request_id_is_alphanumeric_begins_with_the_partner_id_and_has_at_most_40_characters(
    partner_id: str, key: str, generation: int
) -> None:
    request_id = derive_request_id(partner_id, "default", Operation.CREATE_GIFT_CARD, hash_key(key), generation)
    assert request_id.isascii()
    assert request_id.isalnum()
    assert request_id.startswith(partner_id)
    assert len(request_id) == 40


def test_every_part_of_an_order_makes_another_request_id() -> None:
    accounts, keys, generations = ("default", "jp"), (hash_key("a"), hash_key("b")), (0, 1, 2)
    ids = [
        derive_request_id("Test1", account, operation, key, generation)
        for account, operation, key, generation in itertools.product(accounts, Operation, keys, generations)
    ]
    assert len(set(ids)) == len(ids)


def test_the_same_order_always_derives_the_same_request_id() -> None:
    def derive() -> str:
        return derive_request_id("Test1", "default", Operation.CREATE_GIFT_CARD, hash_key("order-1"), 0)

    assert derive() == derive()


def test_fingerprints_name_each_field_that_differs_whether_it_changed_came_or_went() -> None:
    ours = fingerprint("key", {"amount": "25.00", "currencyCode": "USD", "externalReference": "a", "programId": None})
    theirs = fingerprint("key", {"amount": "50.00", "currencyCode": "USD", "productType": "b"})
    assert differing_fields(ours, theirs) == ["amount", "externalReference", "productType"]
    assert differing_fields(ours, ours) == []


def test_fingerprints_hold_no_value_and_are_salted_by_the_key() -> None:
    one, other = fingerprint("key-1", {"amount": "25.00"}), fingerprint("key-2", {"amount": "25.00"})
    assert one != other
    assert re.fullmatch("[0-9a-f]{16}", one["amount"])


def test_a_value_cannot_pose_as_another_field() -> None:
    assert fingerprint("k", {"a": "x\nb\ny"})["a"] != fingerprint("k", {"a": "x", "b": "y"})["a"]


def test_the_lease_is_longer_than_a_function_may_run() -> None:
    assert LEASE.total_seconds() > 25
