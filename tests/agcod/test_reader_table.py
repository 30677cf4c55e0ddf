"""Every operation, every documented kind of response, JSON and XML: the outcome of one attempt."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from incentives.agcod.reading.responses import read_outcome, read_reversal
from incentives.domain.outcomes import (
    ClaimCode,
    Conflict,
    ConflictKind,
    NoSuchRequest,
    NotExecuted,
    NotExecutedBecause,
    Outcome,
    Refused,
    ReversalOutcome,
    Reversed,
    Succeeded,
    TooLate,
    Unknown,
    UnknownBecause,
    Unresolved,
)
from tests.agcod.responses import BESIDE_A_REFUSAL, ERRORS, FRONT_DOOR, MESSAGES, SIGNATURE
from tests.agcod.samples import (
    CALLS,
    CARD_NUMBER,
    CLAIM_CODE,
    FORMS,
    GC_ID,
    ID_MEMBERS,
    OPERATIONS,
    REVERSALS,
    VALUE,
    card_info,
    failure,
    render,
    response,
    success,
    to_json,
    to_xml,
)

if TYPE_CHECKING:
    from incentives.agcod.bodies import LoadUnits

U, N = UnknownBecause, NotExecutedBecause


def matches(outcome: Outcome, expected: object) -> bool:
    match outcome:
        case Refused():
            return expected is Refused
        case Unknown(because) | NotExecuted(because):
            return because == expected and type(because) is type(expected)
    return False


def matches_reversal(outcome: ReversalOutcome, expected: object) -> bool:
    if not isinstance(outcome, Unresolved):
        return False
    reason = outcome.unknown or outcome.not_executed
    return reason is None if expected is Refused else reason == expected and type(reason) is type(expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_true_success_succeeds(name: str, form: str) -> None:
    outcome = read_outcome(response(render(form, success(name), name)), CALLS[name])
    assert isinstance(outcome, Succeeded)
    assert outcome.card.value == VALUE
    if name == "CreateGiftCard":
        assert outcome.card.gc_id == GC_ID
        assert outcome.card.claim_code == ClaimCode(CLAIM_CODE)
        assert outcome.card.expires_at is not None
        assert outcome.card.expires_at.isoformat() == "2032-06-10T14:59:59+00:00"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", REVERSALS)
def test_a_true_reversal_is_reversed(name: str, form: str) -> None:
    assert read_reversal(response(render(form, success(name), name)), CALLS[name]) == Reversed()


@pytest.mark.parametrize(("code", "kind", "status", "http_status", "expected"), ERRORS)
def test_an_error_of_an_operation(
    code: str | None, kind: str | None, status: str, http_status: int, expected: object
) -> None:
    for name, form in product(OPERATIONS, FORMS):
        body = render(form, failure(name, code, kind, status=status), name)
        outcome = read_outcome(response(body, http_status), CALLS[name])
        assert matches(outcome, expected), (name, form, outcome)


@pytest.mark.parametrize(("code", "kind", "status", "http_status", "expected"), ERRORS)
def test_an_error_of_a_reversal(
    code: str | None, kind: str | None, status: str, http_status: int, expected: object
) -> None:
    for name, form in product(REVERSALS, FORMS):
        body = render(form, failure(name, code, kind, status=status), name)
        outcome = read_reversal(response(body, http_status), CALLS[name])
        if kind == "OperationNotPermitted" and expected is Refused:
            assert isinstance(outcome, NoSuchRequest)
        else:
            assert matches_reversal(outcome, expected), (name, form, outcome)


@pytest.mark.parametrize(("code", "kind", "message", "http_status", "expected"), MESSAGES)
def test_what_a_message_says(
    code: str | None, kind: str | None, message: str, http_status: int, expected: object
) -> None:
    for form in FORMS:
        body = render(form, failure("CreateGiftCard", code, kind, message), "CreateGiftCard")
        outcome = read_outcome(response(body, http_status), CALLS["CreateGiftCard"])
        assert matches(outcome, expected), (form, outcome)


@pytest.mark.parametrize(
    ("more", "headers"), [row[1:] for row in BESIDE_A_REFUSAL], ids=[row[0] for row in BESIDE_A_REFUSAL]
)
def test_a_refusal_that_contradicts_itself_is_none(more: dict[str, Any], headers: dict[str, str]) -> None:
    for kind in ("InvalidAmountValue", "OperationNotPermitted"):
        for name in OPERATIONS:
            body = to_json(failure(name, "F200", kind) | more)
            assert isinstance(read_outcome(response(body, 400, **headers), CALLS[name]), Unknown)
        for name in REVERSALS:
            body = to_json(failure(name, "F200", kind) | more)
            assert isinstance(read_reversal(response(body, 400, **headers), CALLS[name]), Unresolved)


def test_a_fault_behind_thousands_of_values_is_found() -> None:
    hidden = failure("CreateGiftCard", "F200", "InvalidAmountValue") | {"errorMessage": "Request timed out"}
    body = to_json(hidden)[:-1] + b', "filler": [' + b"0," * 100_000 + b"0]}"
    assert matches(read_outcome(response(body, 400), CALLS["CreateGiftCard"]), U.AMAZON_FAULT)


def test_amazon_not_having_read_our_json_is_told_by_nothing_else() -> None:
    for header in ("DependencyException", "SystemTemporarilyUnavailable", "java.net.SocketTimeoutException"):
        read = read_outcome(response(b'{"Message":null}', 400, **{"x-amzn-errortype": header}), CALLS["CreateGiftCard"])
        assert isinstance(read, Unknown)
    call = replace(CALLS["CreateGiftCard"], options={"transactionSource": {"sourceDetails": ""}})
    assert isinstance(read_outcome(response(b'{"Message":null}', 400), call), Refused)


@pytest.mark.parametrize(
    "more",
    [
        {"error": {"code": "F400", "message": "x"}},
        {"errors": [{"code": "InternalFailure"}]},
        {"errorcode": "F500"},
        {"agcodResponse": [{"status": "FAILURE"}]},
        {"message": "Request timed out"},
        {"__type": "x#InternalFailure"},
    ],
    ids=repr,
)
def test_a_success_with_an_error_beside_it_is_none(more: dict[str, Any]) -> None:
    for name in OPERATIONS:
        assert isinstance(read_outcome(response(to_json(success(name) | more)), CALLS[name]), Unknown)
    for name in REVERSALS:
        assert isinstance(read_reversal(response(to_json(success(name) | more)), CALLS[name]), Unresolved)


@pytest.mark.parametrize("message", ["Card was already redeemed", "The account is suspended"])
def test_what_speaks_of_the_card_or_the_account_does_not_say_that_there_is_no_request(message: str) -> None:
    for name in REVERSALS:
        body = to_json(failure(name, "F300", "OperationNotPermitted", message))
        assert read_reversal(response(body, 400), CALLS[name]).__class__ is Unresolved


def test_only_a_card_that_is_reversed_is_reversed() -> None:
    for name, statuses in {
        "CancelGiftCard": {"RefundedToPurchaser": True, None: True, "Redeemed": False, "fulfilled": False},
        "DeactivateGiftCard": {"AwaitingActivation": True, None: True, "Deactivating": False, "activated": False},
        "VoidAmazonBalanceLoad": {"Voided": True, None: True, "Fulfilled": False, "Pending": False},
    }.items():
        for status, expected in statuses.items():
            body = to_json(success(name) | {"cardInfo": card_info("x", cardStatus=status)})
            assert (read_reversal(response(body), CALLS[name]) == Reversed()) is expected, (name, status)
        odd_id = to_json(success(name) | {"gcId": ["A", "B"]})
        assert isinstance(read_reversal(response(odd_id), CALLS[name]), Unresolved)


def test_thousands_of_secrets_cost_no_time() -> None:
    # The message is then not kept: no cleaning of it could be trusted to end.
    body = to_json({"token": [f"secret-{number}" for number in range(5_000)], "message": "about secret-1"})
    read = read_outcome(response(body, 400), CALLS["CreateGiftCard"])
    assert isinstance(read, Unknown)
    assert read.error.message is None


@pytest.mark.parametrize("quoted", ["Rate exceeded", SIGNATURE, "The connection was closed"])
def test_what_our_caller_wrote_proves_nothing(quoted: str) -> None:
    call = replace(CALLS["CreateGiftCard"], options={"externalReference": f"order: {quoted}"})
    message = f"Not accepted: {call.options['externalReference']}"
    for code, kind, expected in (
        (None, None, U.UNREADABLE),
        ("F200", None, U.UNREADABLE),
        ("F200", "ExternalReferenceTooLong", Refused),
    ):
        body = to_json(failure("CreateGiftCard", code, kind, message))
        assert matches(read_outcome(response(body, 400), call), expected)
    # Nor does it hide what Amazon says of itself.
    for sent, message, expected in (
        ("Socket wrench raffle", "The connection was closed by the server", U.AMAZON_FAULT),
        ("slow down", "Rate exceeded", U.UNREADABLE),
        ("Signature expired: reminder", "Signature expired: 20260101T000000Z", U.UNREADABLE),
    ):
        call = replace(call, options={"externalReference": sent})
        for kind in ("InvalidRequest", "GeneralError"):
            body = to_json(failure("CreateGiftCard", "F200", kind, message))
            assert matches(read_outcome(response(body, 400), call), expected), (sent, kind)
    not_read = "class java.lang.String is not an expected Json type"
    call = replace(call, options={"externalReference": not_read})
    assert matches(read_outcome(response(to_json({"Message": not_read}), 400), call), U.UNREADABLE)


@pytest.mark.parametrize(
    ("body", "http_status", "expected"), [row[1:] for row in FRONT_DOOR], ids=[row[0] for row in FRONT_DOOR]
)
def test_a_response_from_before_the_business_layer(body: bytes, http_status: int, expected: object) -> None:
    for name in OPERATIONS:
        outcome = read_outcome(response(body, http_status), CALLS[name])
        assert matches(outcome, expected), (name, outcome)
    for name in REVERSALS:
        reversal = read_reversal(response(body, http_status), CALLS[name])
        assert matches_reversal(reversal, expected), (name, reversal)


@pytest.mark.parametrize("header", ["ThrottlingException", "ThrottlingException:http://internal.amazon.com/coral/"])
def test_the_error_type_may_be_a_header(header: str) -> None:
    for body in (b"{}", b"", b"<html>Oops</html>"):
        read = read_outcome(response(body, 400, **{"x-amzn-errortype": header}), CALLS["CreateGiftCard"])
        assert matches(read, N.THROTTLED)


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("OperationNotPermitted", NoSuchRequest),
        ("OrderNotFound", NoSuchRequest),
        ("CardNotFound", NoSuchRequest),
        ("NonExistingActivationRequestId", NoSuchRequest),
        ("CancelRequestArrivedAfterTimeLimit", TooLate),
        ("GcNotReadyForRefund", Unresolved),
        ("DeactivationNotAllowed", Unresolved),
        ("WrongActivationRequestId", Unresolved),
        ("AccountHasProblems", Unresolved),
    ],
)
@pytest.mark.parametrize("name", REVERSALS)
def test_a_refused_reversal(name: str, kind: str, expected: type, form: str) -> None:
    outcome = read_reversal(response(render(form, failure(name, "F200", kind), name), 400), CALLS[name])
    assert type(outcome) is expected
    doubted = read_reversal(response(render(form, failure(name, "F500", kind), name), 400), CALLS[name])
    assert matches_reversal(doubted, U.AMAZON_FAULT)
    broken = read_reversal(response(render(form, failure(name, "F200", kind), name), 503), CALLS[name])
    assert matches_reversal(broken, U.AMAZON_FAULT)


# What is wrong with a SUCCESS -> what it is. `None` for a value removes the member.
Change = dict[str, Any]
CREATE_CHANGES: list[tuple[Change, object]] = [
    ({"creationRequestId": None}, U.UNREADABLE),
    ({"creationRequestId": "AwssbT2"}, U.UNREADABLE),
    ({"creationRequestId": "awssbt1"}, U.UNREADABLE),
    ({"creationRequestId": Decimal(1)}, U.UNREADABLE),
    ({"status": None}, U.UNREADABLE),
    ({"gcClaimCode": None}, U.UNREADABLE),
    ({"gcClaimCode": ""}, U.UNREADABLE),
    ({"gcClaimCode": " "}, U.UNREADABLE),
    ({"gcClaimCode": "null"}, U.UNREADABLE),
    ({"gcClaimCode": "****-******-****"}, U.UNREADABLE),
    ({"gcClaimCode": {"a": "b"}}, U.UNREADABLE),
    ({"gcId": None}, U.UNREADABLE),
    ({"gcId": CLAIM_CODE}, U.UNREADABLE),
    ({"gcId": CLAIM_CODE.replace("-", "")}, U.UNREADABLE),
    ({"gcId": ["A", "B"]}, U.UNREADABLE),
    ({"cardInfo": None}, U.UNREADABLE),
    ({"cardInfo": "Fulfilled"}, U.UNREADABLE),
    ({"cardInfo": card_info("Fulfilled", value=None)}, U.UNREADABLE),
    ({"cardInfo": card_info("Fulfilled", value={"amount": Decimal(25)})}, U.UNREADABLE),
    ({"cardInfo": card_info("Fulfilled", value={"currencyCode": "USD"})}, U.UNREADABLE),
    ({"cardInfo": card_info("Fulfilled", value={"amount": "many", "currencyCode": "USD"})}, U.UNREADABLE),
    ({"cardInfo": card_info("Fulfilled", value={"amount": "2_5", "currencyCode": "USD"})}, U.UNREADABLE),
    ({"cardInfo": card_info("Fulfilled", value={"amount": "٢٥", "currencyCode": "USD"})}, U.UNREADABLE),
    ({"cardInfo": card_info("Fulfilled", value=Decimal(25))}, U.UNREADABLE),
    ({"cardInfo": card_info("fulfilled")}, U.NOT_READY),
    ({"cardInfo": card_info("Activated")}, U.NOT_READY),
    ({"cardInfo": card_info("Created"), "gcClaimCode": None, "gcId": None}, U.NOT_READY),
    ({"cardInfo": card_info("")}, U.UNREADABLE),
    ({"errorCode": "F200"}, U.UNREADABLE),
    ({"errorType": "InsufficientFunds"}, U.UNREADABLE),
    ({"cardInfo": card_info("RefundedToPurchaser")}, ConflictKind.REFUNDED),
    ({"cardInfo": card_info("RefundedToPurchaser"), "gcClaimCode": None, "gcId": None}, ConflictKind.REFUNDED),
    ({"cardInfo": card_info("Expired")}, ConflictKind.EXPIRED),
    (
        {"cardInfo": card_info("Fulfilled", value={"amount": Decimal("25.01"), "currencyCode": "USD"})},
        ConflictKind.VALUE,
    ),
    ({"cardInfo": card_info("Fulfilled", value={"amount": Decimal(-25), "currencyCode": "USD"})}, ConflictKind.VALUE),
    ({"cardInfo": card_info("Fulfilled", value={"amount": Decimal(25), "currencyCode": "CAD"})}, ConflictKind.VALUE),
]


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(("change", "expected"), CREATE_CHANGES)
def test_a_success_with_something_wrong(change: Change, expected: object, form: str) -> None:
    members = {name: value for name, value in (success("CreateGiftCard") | change).items() if value is not None}
    outcome = read_outcome(response(render(form, members, "CreateGiftCard")), CALLS["CreateGiftCard"])
    if isinstance(expected, ConflictKind):
        assert isinstance(outcome, Conflict)
        assert outcome.kind is expected
        assert outcome.gc_id in (GC_ID, None)
    else:
        assert matches(outcome, expected), outcome


@pytest.mark.parametrize("http_status", [201, 202, 204, 206, 302, 400, 404, 500])
def test_success_needs_http_200(http_status: int) -> None:
    for name in OPERATIONS:
        assert isinstance(read_outcome(response(to_json(success(name)), http_status), CALLS[name]), Unknown)
    for name in REVERSALS:
        assert isinstance(read_reversal(response(to_json(success(name)), http_status), CALLS[name]), Unresolved)


@pytest.mark.parametrize(
    ("raw", "is_dated"),
    [
        (None, False),
        ("Mon Jun 09 21:59:59 UTC 2025", True),
        ("2032-06-10T14:59:59Z", True),
        ("Jeu Juin 10 14:59:59 UTC 2032", False),
        ("soon", False),
        (Decimal(1970), False),
        ({"year": "2032"}, False),
    ],
)
def test_an_expiration_never_costs_the_card(raw: object, is_dated: bool) -> None:
    members = success("CreateGiftCard") | {"gcExpirationDate": raw}
    outcome = read_outcome(response(to_json(members)), CALLS["CreateGiftCard"])
    assert isinstance(outcome, Succeeded)
    assert (outcome.card.expires_at is not None) is is_dated


@pytest.mark.parametrize("amount", [b"25", b"25.0", b"25.00", b"2.5E1", b"2.5e+1", b'"25.00"', b"25.000000000000000"])
def test_amounts_are_compared_as_decimals(amount: bytes) -> None:
    body = to_json(success("CreateGiftCard")).replace(b"25.0", amount)
    assert isinstance(read_outcome(response(body), CALLS["CreateGiftCard"]), Succeeded)


@pytest.mark.parametrize(
    "amount", [b"25.000000000000001", b"24.999999999999999999", b"1e999", b"1e999999", b"NaN", b"-Infinity"]
)
def test_amounts_are_no_binary_floats(amount: bytes) -> None:
    body = to_json(success("CreateGiftCard")).replace(b"25.0", amount)
    assert not isinstance(read_outcome(response(body), CALLS["CreateGiftCard"]), Succeeded)


def test_a_card_id_of_digits_may_be_a_number() -> None:
    body = to_json(success("CreateGiftCard")).replace(f'"{GC_ID}"'.encode(), GC_ID.encode())
    outcome = read_outcome(response(body), CALLS["CreateGiftCard"])
    assert isinstance(outcome, Succeeded)
    assert outcome.card.gc_id == GC_ID


def test_extra_members_and_capital_letters_do_not_matter() -> None:
    members = success("CreateGiftCard") | {"new": {"deep": [1, 2]}, "another": Decimal("1e9")}
    capital = {name[0].upper() + name[1:]: value for name, value in members.items()}
    for each in (members, capital, {"agcodResponse": members}):
        assert isinstance(read_outcome(response(to_json(each)), CALLS["CreateGiftCard"]), Succeeded)
    huge = to_json(members).replace(b"1E+9", b"1" + b"0" * 5000)
    assert isinstance(read_outcome(response(huge), CALLS["CreateGiftCard"]), Succeeded)


def test_a_member_given_twice_with_two_values_is_garbled() -> None:
    body = to_json(success("CreateGiftCard"))[:-1] + b', "creationRequestId": "AwssbT2"}'
    assert matches(read_outcome(response(body), CALLS["CreateGiftCard"]), U.UNREADABLE)


def test_a_failure_that_names_another_request_is_not_ours() -> None:
    members = failure("CreateGiftCard", "F300", "InsufficientFunds")
    members["agcodResponse"]["creationRequestId"] = "AwssbT2"
    assert matches(read_outcome(response(to_json(members), 400), CALLS["CreateGiftCard"]), U.UNREADABLE)
    # Mock failures name none.
    members["agcodResponse"]["creationRequestId"] = None
    assert isinstance(read_outcome(response(to_json(members), 400), CALLS["CreateGiftCard"]), Refused)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"cardInfo": card_info("AwaitingActivation")}, U.NOT_READY),
        ({"cardInfo": card_info("Fulfilled")}, U.NOT_READY),
        ({"cardInfo": card_info("Activated", cardNumber=CARD_NUMBER[:-1] + "9")}, U.UNREADABLE),
        ({"cardInfo": card_info("Activated", value=None)}, U.UNREADABLE),
    ],
)
def test_an_activation_with_something_wrong(change: Change, expected: object) -> None:
    members = success("ActivateGiftCard") | change
    assert matches(read_outcome(response(to_json(members)), CALLS["ActivateGiftCard"]), expected)


@pytest.mark.parametrize(
    ("extra", "units", "expected"),
    [
        ({"amount": {"currencyCode": "USD", "value": "2500"}}, "minor", Succeeded),
        ({"amount": {"currencyCode": "USD", "value": "25.00"}}, "major", Succeeded),
        ({"value": {"currencyCode": "USD", "amount": Decimal("25.0")}}, "minor", Succeeded),
        ({"cardInfo": card_info("Fulfilled")}, "minor", Succeeded),
        ({"amount": {"currencyCode": "USD", "value": "25"}}, "minor", Conflict),
        ({"amount": {"currencyCode": "USD", "value": "2500"}}, "major", Conflict),
        ({"amount": {"currencyCode": "CAD", "value": "2500"}}, "minor", Conflict),
        ({"cardInfo": card_info("RefundedToPurchaser")}, "minor", Conflict),
        ({"amount": {"currencyCode": "USD"}}, "minor", Unknown),
        ({"amount": "2500"}, "minor", Unknown),
        ({"cardInfo": card_info("Frozen")}, "minor", Unknown),
    ],
)
def test_what_a_load_says_about_its_amount(extra: Change, units: LoadUnits, expected: type) -> None:
    body = to_json(success("LoadAmazonBalance") | extra)
    assert type(read_outcome(response(body), CALLS["LoadAmazonBalance"], load_units=units)) is expected


@pytest.mark.parametrize("name", REVERSALS)
def test_a_reversal_of_another_request_is_unresolved(name: str) -> None:
    for change in ({ID_MEMBERS[name]: "AwssbT2"}, {ID_MEMBERS[name]: None}, {"cardInfo": 1}):
        assert matches_reversal(read_reversal(response(to_json(success(name) | change)), CALLS[name]), U.UNREADABLE)


def test_a_reversal_that_contradicts_itself_is_unresolved() -> None:
    other_card = success("CancelGiftCard") | {"gcId": "A2TSSYZ6M77V9I"}
    assert matches_reversal(read_reversal(response(to_json(other_card)), CALLS["CancelGiftCard"]), U.UNREADABLE)
    live = success("DeactivateGiftCard") | {"cardInfo": card_info("Activated", cardNumber=CARD_NUMBER)}
    assert matches_reversal(read_reversal(response(to_xml(live)), CALLS["DeactivateGiftCard"]), U.UNREADABLE)


@pytest.mark.parametrize("wrappers", [0, 1, 3, 4])
@pytest.mark.parametrize("form", ["json", "xml"])
def test_an_response_is_unwrapped_three_times_and_no_more(form: str, wrappers: int) -> None:
    members: dict[str, Any] = success("CreateGiftCard")
    for number in range(wrappers):
        members = {f"wrapper{number}": members}
    # An XML document's root is no wrapper: it says nothing.
    body = to_json(members) if form == "json" else to_xml(members)
    outcome = read_outcome(response(body), CALLS["CreateGiftCard"])
    if wrappers <= 3:
        assert isinstance(outcome, Succeeded)
    else:
        assert matches(outcome, U.UNREADABLE)


def test_an_error_whose_element_holds_nothing_but_its_text_is_read_by_its_name() -> None:
    bare = b"<ThrottlingException>Rate exceeded</ThrottlingException>"
    outcome = read_outcome(response(bare, 400), CALLS["CreateGiftCard"])
    assert matches(outcome, N.THROTTLED)
    assert isinstance(outcome, NotExecuted)
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("ThrottlingException", "Rate exceeded")


@pytest.mark.parametrize("body", [b'"SUCCESS"', b"5", b"null", b"[]", b"<a>", b"<a></b>", b"<?xml version='1.0'?>"])
def test_what_is_no_document_is_unreadable(body: bytes) -> None:
    assert matches(read_outcome(response(body), CALLS["CreateGiftCard"]), U.UNREADABLE)


@pytest.mark.parametrize("depth", [30, 33])
def test_xml_is_read_only_so_deep(depth: int) -> None:
    # An element of many is ignored, unless it is a trap for whoever walks it.
    deep = b"<x>" * depth + b"</x>" * depth
    body = to_xml(success("CreateGiftCard")).replace(b"</Response>", deep + b"</Response>")
    outcome = read_outcome(response(body), CALLS["CreateGiftCard"])
    assert isinstance(outcome, Succeeded if depth < 32 else Unknown)


def test_an_error_code_inside_an_error_object_counts() -> None:
    body = to_json({"error": {"code": "F300", "message": "No money left"}, "status": "FAILURE"})
    outcome = read_outcome(response(body, 400), CALLS["CreateGiftCard"])
    assert isinstance(outcome, Unknown | Refused)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.type, outcome.error.message) == ("F300", None, "No money left")


@pytest.mark.parametrize("name", REVERSALS)
def test_a_success_of_what_issues_nothing_issues_nothing(name: str) -> None:
    # Even if a card stands in it, and also where an operation's own success says no more.
    for members in (success(name), success("CreateGiftCard") | success(name)):
        assert matches(read_outcome(response(to_json(members)), CALLS[name]), U.UNREADABLE)
