"""How records are written as items."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from incentives.aws.items import format_time, parse_time
from incentives.aws.single_requests.record_items import (
    WAKE_PARTITIONS,
    attribute_name,
    attribute_value,
    decode_record,
    encode_record,
    wake_partition,
)
from incentives.domain.calls import Evidence
from incentives.domain.money import Money
from incentives.domain.single_requests.record import Record
from tests.contract.records import CHANGEABLE, START, new_record, records
from tests.contract.tables import table_properties


@settings(max_examples=50, deadline=None)
@given(record=records())
def test_an_item_is_what_dynamodb_takes(record: Record) -> None:
    item = encode_record(record)
    deserializer: Any = TypeDeserializer()
    for name, attribute in item.items():
        assert len(attribute) == 1, name
        deserializer.deserialize(attribute)
    # Attributes of an index's key must hold text, and some of it.
    for definition in table_properties("LedgerTable")["AttributeDefinitions"]:
        attribute = item.get(definition["AttributeName"], {"S": "absent"})
        assert attribute[definition["AttributeType"]]
    assert {"id", "accountDay", "createdKey"} <= item.keys()
    assert ("wakePartition" in item) == (record.wake_at is not None)


def test_open_records_are_spread_over_ten_partitions_for_good() -> None:
    # the digest must never change: no sweep looks elsewhere
    assert wake_partition("Test1ABCDEF") == "open#5"
    numbers = Counter(wake_partition(f"Test1{number:035d}") for number in range(10_000))
    assert len(numbers) == 10
    assert all(900 < number < 1100 for number in numbers.values())
    assert numbers.keys() < {*WAKE_PARTITIONS}


def test_every_field_but_the_value_has_an_attribute_of_its_own() -> None:
    # `value` is written as `amount` and `currencyCode`, and never changes.
    names = [attribute_name(field.name) for field in fields(Record) if field.name != "value"]
    assert len(set(names)) == len(names)
    assert not {"amount", "currencyCode", "wakePartition", "accountDay", "createdKey"} & set(names)
    assert {attribute_name(name) for name in CHANGEABLE} <= set(names)


def test_attributes_have_the_names_that_stand_at_rest() -> None:
    # A record outlives every version of the code: a field may be renamed, its attribute never.
    names = {field.name: attribute_name(field.name) for field in fields(Record) if field.name != "value"}
    others = {field: name for field, name in names.items() if to_camel(field) != name}
    assert others == {"request_id": "id", "details": "options", "encrypted": "sealed", "expires_at": "gcExpirationDate"}


def test_what_an_earlier_version_encrypted_is_read() -> None:
    item = encode_record(replace(new_record(), encrypted=None)) | {"sealed": {"S": "a ciphertext"}}
    assert decode_record(item).encrypted == "a ciphertext"


def test_evidence_of_an_earlier_version_is_read_whole_and_written_alike() -> None:
    kept = '{"amz_date":"20260301T120000Z","answer":{"status":"RESEND"},"string_to_sign":"s","url":"u"}'
    record = decode_record(encode_record(new_record()) | {"evidence": {"S": kept}})
    assert record.evidence == Evidence(
        url="u", amz_date="20260301T120000Z", string_to_sign="s", response={"status": "RESEND"}
    )
    assert encode_record(record)["evidence"] == {"S": kept}


@given(moment=st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_are_cut_off_at_the_millisecond(moment: datetime) -> None:
    text = format_time(moment)
    assert len(text) == 24
    assert timedelta() <= moment - parse_time(text) < timedelta(milliseconds=1)
    assert parse_time(text).tzinfo is UTC


@given(
    moments=st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), max_size=6)  # noqa: DTZ001
)
def test_times_sort_as_text(moments: list[datetime]) -> None:
    assert sorted(map(format_time, moments)) == list(map(format_time, sorted(moments)))


def test_times_of_other_zones_are_written_in_utc() -> None:
    assert format_time(datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))) == "2026-02-28T23:00:00.000Z"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (Money(Decimal("25.00"), "USD"), "25"),
        (Money(Decimal(1000), "JPY"), "1E+3"),
        (Money(Decimal("0.10"), "EUR"), "0.1"),
    ],
)
def test_amounts_get_their_decimals_back(value: Money, number: str) -> None:
    item = encode_record(new_record(value=value)) | {"amount": {"N": number}}
    assert decode_record(item).value.amount_text == value.amount_text


@pytest.mark.parametrize("field", ["in_flight", "doubt", "card_seen"])
def test_false_is_written_and_not_left_out(field: str) -> None:
    assert encode_record(new_record())[attribute_name(field)] == {"BOOL": False}


@pytest.mark.parametrize("field", ["epoch", "attempts", "reversal_attempts", "generation"])
def test_zero_is_written_and_not_left_out(field: str) -> None:
    assert encode_record(new_record())[attribute_name(field)] == {"N": "0"}


@pytest.mark.parametrize(("field", "value"), [("caller", ""), ("gc_id", ""), ("details", {}), ("error", None)])
def test_nothing_is_left_out(field: str, value: Any) -> None:
    record = new_record(**{field: value})
    assert attribute_value(record, field) is None
    assert attribute_name(field) not in encode_record(record)


def test_decimals_of_options_are_numbers() -> None:
    record = new_record(details={"a": Decimal("1.50"), "b": {"c": [Decimal("1E+2"), 1, True]}})
    assert encode_record(record)["options"] == {"S": '{"a":1.50,"b":{"c":[1E+2,1,true]}}'}


@pytest.mark.parametrize("value", [1.5, object(), Decimal("NaN"), Decimal("Infinity"), b"bytes", {1, 2}])
def test_options_that_would_not_come_back_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="keeps no"):
        encode_record(new_record(details={"a": value}))


def test_a_record_is_far_from_dynamodbs_limit() -> None:
    # given the longest of everything that the policy writes: DynamoDB takes 400 KB
    record = replace(new_record(details={"transactionSource": {"sourceDetails": "x" * 4096}}), updated_at=START)
    assert len(repr(encode_record(record))) < 20_000
