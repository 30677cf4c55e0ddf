"""The caller's fields: each is declared once, and every field of a record says whether it is passed on."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import fields, replace

import pytest

from incentives.api import single_requests
from incentives.api.models.base import parse
from incentives.api.models.single_requests import (
    ActivateGiftCardBody,
    Activation,
    BalanceLoad,
    CreateGiftCardBody,
    GiftCard,
    IssueBody,
    IssuedResponse,
    LoadAmazonBalanceBody,
)
from incentives.domain import caller_fields
from incentives.domain.bulk_orders.bulk_order import FileFormat, RowOutcome
from incentives.domain.bulk_orders.rows import check_file, decode_row, digest_of
from incentives.domain.caller_fields import CUSTOMER_ACCOUNT, FIELDS, CallerField
from incentives.domain.errors import InvalidInput, KeyReused
from incentives.domain.events import event_of
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Record, Status, successor_of
from incentives.usecases.bulk_orders.settle_order import COLUMNS, _cells, _decode_part, _encode_part
from incentives.usecases.single_requests.issue import issue
from tests.support.fakes import world
from tests.unit.builders import START, order, record

#: What a request that follows a reversed one has of it. Everything else is its own.
PASSED_ON = {
    "operation", "account", "partner_id", "value", "key_hash", "intent", "renewals", "details", "encrypted", "subject",
    "caller", "budget", "budget_period", "order_id", "deadline_at",
}  # fmt: skip


def test_every_field_of_a_record_says_whether_it_is_passed_on() -> None:
    assert {each.name for each in fields(Record) if each.metadata["passed_on"]} == PASSED_ON


def test_a_successor_has_what_is_passed_on_and_nothing_else() -> None:
    before = replace(
        record(Status.REVERSING), details=dict.fromkeys(FIELDS, "x"), encrypted="e", subject="*1", caller="arn",
        budget="spring", budget_period="2026-03", order_id="ORDER1",
        renewals=1, deadline_at=START, history=("a line",), nonce="n", gc_id="GC1", mailed_at=START, case_file="{}",
    )  # fmt: skip
    own = {"request_id": "next", "status": Status.PENDING, "created_at": START, "updated_at": START, "wake_at": START}
    after = successor_of(before, **own)
    assert {
        each.name for each in fields(Record) if getattr(after, each.name) == getattr(before, each.name)
    } >= PASSED_ON
    assert (after.history, after.nonce, after.gc_id, after.mailed_at, after.case_file) == ((), "", None, None, None)
    assert (after.request_id, after.status, after.attempts) == ("next", Status.PENDING, 0)


def test_each_policy_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = CallerField(name="odd", sent_with=frozenset(), in_fingerprint=False, passed_on=False)
    monkeypatch.setitem(FIELDS, "odd", odd)
    given = {"odd": "x", "externalReference": "po-7"}
    usual = {"externalReference": "po-7"}
    assert caller_fields.fingerprinted(given) == usual
    assert caller_fields.passed_on(given) == usual
    assert caller_fields.sent_with("CreateGiftCard", given) == usual
    assert "odd" not in caller_fields.shown(given)
    assert caller_fields.readable(given) == given


@pytest.mark.parametrize(
    ("operation", "body", "response"),
    [
        (Operation.CREATE_GIFT_CARD, CreateGiftCardBody, GiftCard),
        (Operation.ACTIVATE_GIFT_CARD, ActivateGiftCardBody, Activation),
        (Operation.LOAD_AMAZON_BALANCE, LoadAmazonBalanceBody, BalanceLoad),
    ],
)
def test_a_field_is_taken_and_shown_by_the_api(
    operation: Operation, body: type[IssueBody], response: type[IssuedResponse]
) -> None:
    taken = {each.name for each in FIELDS.values() if operation in each.taken_with}
    shown = {each.name for each in FIELDS.values() if each.is_shown}
    own = {"amount", "currencyCode", "account", "budget", "onUnknown"}
    fields = {field.alias for field in body.model_fields.values()} - own
    assert {CUSTOMER_ACCOUNT if name == "customerAccount" else name for name in fields} == taken
    assert shown <= {field.serialization_alias for field in response.model_fields.values()}


def test_what_may_be_spent_is_not_readable_at_rest() -> None:
    given = {"cardNumber": "6" * 15 + "4321", "externalReference": "po-7"}
    assert caller_fields.secret(given) == {"cardNumber": given["cardNumber"]}
    assert caller_fields.readable(given) == {"externalReference": "po-7"}
    assert caller_fields.subject(given) == "*" * 15 + "4321"


@pytest.mark.parametrize(
    ("name", "operation"),
    [("notification", Operation.CREATE_GIFT_CARD), ("creationRequestId", Operation.CREATE_GIFT_CARD),
     ("cardNumber", Operation.LOAD_AMAZON_BALANCE), ("account", Operation.ACTIVATE_GIFT_CARD)],
)  # fmt: skip
def test_a_field_that_an_operation_does_not_take_is_refused_by_name(name: str, operation: Operation) -> None:
    with pytest.raises(InvalidInput) as refused:
        caller_fields.check_given({name: "x"}, operation)
    assert refused.value.field == name


def test_what_an_older_version_wrote_of_a_result_stands_in_its_columns() -> None:
    old = 'key-1,25.00,USD,"a, b",issued,ID1,GC1,,,\r\nkey-2,1.00,USD,,refused,ID2,,,F200,InvalidInput\r\n'
    rows = list(_decode_part(old))
    assert [(row["key"], row["reference"], row["outcome"], row["errorType"]) for row in rows] == [
        ("key-1", "a, b", "issued", ""),
        ("key-2", "", "refused", "InvalidInput"),
    ]


@pytest.mark.parametrize("key", ["{0c9d8f3e-7a51}", '{"version":2,', "{}"])
def test_an_older_part_of_a_result_may_begin_with_any_key(key: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerow([key, "25.00", "USD", *[None] * 7])

    assert [row["key"] for row in _decode_part(text.getvalue())] == [key]


def test_a_part_of_a_result_is_known_by_how_it_begins() -> None:
    assert _encode_part([]).startswith('{"version":2,')


def test_a_row_of_a_version_to_come_is_refused() -> None:
    with pytest.raises(ValueError, match="no form"):
        decode_row(b'[3,"key-1","25.00","USD",{}]')


def test_a_part_of_a_result_says_which_columns_it_has() -> None:
    assert '"columns":["key"' in _encode_part([])


def test_a_row_that_an_older_version_wrote_is_read() -> None:
    row = decode_row(b'["key-1","25.00","USD","a, b"]  \n')
    assert (row.key, row.value.amount_text, row.given) == ("key-1", "25.00", {"externalReference": "a, b"})


def test_a_file_has_the_digest_that_older_versions_gave_it() -> None:
    """Their claims of rows hold for 90 days."""
    lines = b'["key-1","25.00","USD","a, b"]\n["key-2","1.00","USD",null]\n'
    found = digest_of(b'key,amount,currency,reference\nkey-1,25.00,USD,"a, b"\nkey-2,1.00,USD,\n', FileFormat.CSV)
    assert found == hashlib.sha256(lines).hexdigest()


GIVEN = {"amount": "25.00", "currencyCode": "USD", "costCenter": "EMEA-4711"}


def test_a_cost_center_is_kept_shown_and_passed_on_and_not_sent_to_amazon() -> None:
    w = world()
    given = parse(CreateGiftCardBody, GIVEN).given()
    response = issue(order(given=given), w.dependencies, w.budget())
    (sent,) = w.amazon.sent
    assert dict(sent.call.options) == {}
    kept = response.record
    assert single_requests.told(kept).model_dump(by_alias=True)["costCenter"] == "EMEA-4711"
    told = event_of(None, kept)
    assert told is not None
    assert told.detail["costCenter"] == "EMEA-4711"
    own = {"request_id": "next", "status": Status.REFUSED, "created_at": START, "updated_at": START}
    assert successor_of(kept, **own).details == {"costCenter": "EMEA-4711"}


def test_another_cost_center_under_the_same_key_is_another_request() -> None:
    w = world()
    issue(order(given={"costCenter": "EMEA-4711"}), w.dependencies, w.budget())
    with pytest.raises(KeyReused) as told:
        issue(order(given={"costCenter": "EMEA-4712"}), w.dependencies, w.budget())
    assert told.value.differing == ("costCenter",)


@pytest.mark.parametrize("wrong", ["", "E" * 33, "EMEA 1", "EMEA_1", "\u00c4-1", "A\n"])
def test_a_cost_center_of_another_form_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(CreateGiftCardBody, GIVEN | {"costCenter": wrong})
    assert refused.value.field == "costCenter"


def test_a_file_and_its_result_have_cost_centers() -> None:
    lines = "key,amount,currency,cost_center\na,1,USD,EMEA-4711\nb,1,USD,\nc,1,USD,not this\n"
    found = check_file(lines.encode(), FileFormat.CSV, lambda _: None)
    (error,) = found.errors
    assert (error.line, error.field) == (4, "cost_center")
    assert error.problem == 'must be 1 to 32 letters, digits and hyphens: "not this"'
    rows = [decode_row(row) for row in found.rows]
    assert [row.given for row in rows] == [{"costCenter": "EMEA-4711"}, {}]
    (part,) = _decode_part(_encode_part([_cells(rows[0], RowOutcome.NOT_ISSUED, None, None)]))
    assert part["cost_center"] == "EMEA-4711"
    assert COLUMNS[-2:] == ("cost_center", "budget"), "what is new comes last"


def test_rows_that_differ_in_their_cost_center_are_not_the_same_rows() -> None:
    digests = {
        digest_of(f"key,amount,currency,cost_center\na,1,USD,{center}\n".encode(), FileFormat.CSV)
        for center in ("EMEA-4711", "EMEA-4712", "")
    }
    assert len(digests) == 3
