"""Whatever comes: the reader answers with an outcome, never with a wrong success, never with a code in sight."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from incentives.agcod.activity import judge_activity
from incentives.agcod.client import IncentivesClient
from incentives.agcod.reading.evidence import evidence_of
from incentives.agcod.reading.responses import (
    judge_card_state,
    judge_funds,
    judge_outcome,
    judge_reversal,
    open_response,
    read_outcome,
    read_reversal,
)
from incentives.agcod.transport import HttpResponse
from incentives.domain.calls import Call
from incentives.domain.outcomes import Reversed, Succeeded
from tests.agcod.samples import (
    ACCOUNT,
    CALLS,
    CARD_NUMBER,
    CLAIM_CODE,
    OPERATIONS,
    REVERSALS,
    failure,
    response,
    success,
    to_json,
    to_xml,
)

Write = Callable[[dict[str, Any]], bytes]
STATUSES = st.sampled_from([200, 200, 200, 201, 302, 400, 401, 403, 404, 429, 500, 503])
NAMES = st.sampled_from([*OPERATIONS, *REVERSALS])
FUNDS = Call(name="GetAvailableFunds", request_id="")
CLIENT = IncentivesClient("https://agcod.example")
SIGNED = {name: CLIENT.sign(call, ACCOUNT) for name, call in CALLS.items()}
#: Ways to write the code, none of which may be seen.
SECRETS = (CLAIM_CODE, CLAIM_CODE.replace("-", ""), CLAIM_CODE.replace("-", " "), CARD_NUMBER)


def judge(name: str, given_response: HttpResponse) -> object:
    """The reader without its last resort, so that a bug is seen as one."""
    call = CALLS[name]
    envelope = open_response(given_response, call)
    judge_funds(envelope, given_response.status, FUNDS, None)
    judge_activity(envelope, Call(name="GetGiftCardActivityPage", request_id=call.request_id))
    if call.card_number is not None:
        judge_card_state(envelope, given_response.status, Call(**_as_status_check(call)))
    evidence = evidence_of(SIGNED[name], given_response, envelope)
    outcome: object = (
        judge_outcome(envelope, given_response.status, call)
        if name in OPERATIONS
        else judge_reversal(envelope, given_response.status, call)
    )
    public = read_outcome(given_response, call) if name in OPERATIONS else read_reversal(given_response, call)
    assert public == outcome
    for shown in (repr(outcome), str(outcome), repr(evidence), repr(envelope), repr(given_response)):
        for secret in SECRETS:
            assert secret.lower() not in shown.lower()
    return outcome


def _as_status_check(call: Call) -> dict[str, Any]:
    return {"name": "ActivationStatusCheck", "request_id": call.request_id, "card_number": call.card_number}


@given(NAMES, STATUSES, st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_are_never_a_success(name: str, status: int, body: bytes) -> None:
    assert not isinstance(judge(name, response(body, status)), Succeeded | Reversed)


@pytest.mark.parametrize("write", [to_json, to_xml])
@pytest.mark.parametrize("name", [*OPERATIONS, *REVERSALS])
def test_a_truncated_answer_is_never_a_success(name: str, write: Write) -> None:
    body = write(success(name))
    for end in range(len(body)):
        assert not isinstance(judge(name, response(body[:end])), Succeeded | Reversed)


@given(NAMES, st.sampled_from([to_json, to_xml]), st.data())
@settings(max_examples=60, deadline=None)
def test_order_and_extra_members_never_matter(name: str, write: Write, data: st.DataObject) -> None:
    members = success(name)
    extra = data.draw(st.dictionaries(st.from_regex(r"x[a-z]{1,8}", fullmatch=True), _VALUES, max_size=4))
    shuffled = dict(data.draw(st.permutations(list((members | extra).items()))))
    assert isinstance(judge(name, response(write(shuffled))), Succeeded | Reversed)


_VALUES = st.one_of(
    st.none(),
    st.text(alphabet="abc .-19", max_size=30),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-9999, max_value=9999),
    st.sampled_from([CLAIM_CODE, "SUCCESS", "Fulfilled", Decimal("1e999999"), [], [1], {}]),
)


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name, each in value.items():
            found += paths(each, (*path, name))
    return found


def changed(members: dict[str, Any], path: tuple[Any, ...], value: object, *, remove: bool) -> dict[str, Any]:
    copied = copy.deepcopy(members)
    inner = copied
    for name in path[:-1]:
        inner = inner[name]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copied


#: Members that a success may lack or have otherwise.
FREE = {("gcExpirationDate",), ("cardInfo", "cardNumber"), ("cardInfo", "expirationDate")}
#: Of reversals: the id is enough, the rest may be missing but not be otherwise.
FREE_IF_MISSING = {("gcId",), ("cardInfo",), ("cardInfo", "cardStatus"), ("cardInfo", "value")}


@given(NAMES, st.sampled_from([to_json, to_xml]), st.data())
@settings(max_examples=300, deadline=None)
def test_one_member_garbled_or_missing_is_never_a_wrong_success(name: str, write: Write, data: st.DataObject) -> None:
    members = success(name)
    path = data.draw(st.sampled_from(paths(members)))
    remove = data.draw(st.booleans())
    value = data.draw(_VALUES)
    other = changed(members, path, value, remove=remove)
    assume(other != members)
    body = write(other)
    outcome = judge(name, response(body))
    if isinstance(outcome, Succeeded):
        # Another opaque id or code is not wrong; anything else would be.
        assert path in FREE or (path in {("gcClaimCode",), ("gcId",)} and value and not remove)
        assert outcome.card.value == CALLS[name].value
    elif isinstance(outcome, Reversed):
        assert path in FREE | FREE_IF_MISSING or path[:2] == ("cardInfo", "value") or value == "SUCCESS"


@given(NAMES, STATUSES, st.sampled_from([to_json, to_xml]), st.data())
@settings(max_examples=250, deadline=None)
def test_no_code_is_shown_wherever_it_stands(name: str, status: int, write: Write, data: st.DataObject) -> None:
    members = data.draw(st.sampled_from([success(name), failure(name, "F300", "GeneralError")]))
    for path in data.draw(st.lists(st.sampled_from(paths(members)), max_size=4, unique=True)):
        secret = data.draw(st.sampled_from(SECRETS))
        # A number that the call does not name is an id like any other.
        assume(path != ("gcId",) or secret != CARD_NUMBER or CALLS[name].card_number is not None)
        wrapped = data.draw(st.sampled_from(["{}", "the code {} is yours", "{}.", "a{}b"]))
        try:
            members = changed(members, path, wrapped.format(secret), remove=False)
        except (KeyError, TypeError):
            continue
    judge(name, response(write(members), status))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"<a>" * 100_000,
        b'{"status":' + b"9" * 100_000 + b"}",
        b'{"status":"SUCCESS","cardInfo":{"value":{"amount":1e999999999999}}}',
        b'{"availableFunds":{"amount":1e30,"currencyCode":"USD"},"status":"SUCCESS"}',
        b'{"totalNumberOfTransactionsInRequestedTimeFrame":1e30,"status":"SUCCESS"}',
        b'{"message":"\\ud800\\udc00\\ud800","errorCode":"F200"}',
        b"\xff\xfe<\x00a\x00/\x00>\x00",
        b"\xef\xbb\xbf<a/>",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
        b'<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><l>&b;</l>',
        b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><x>&y;</x>',
        b"\x00" * 1000,
    ],
)
def test_hostile_bodies_are_only_unreadable(body: bytes) -> None:
    for name in CALLS:
        assert not isinstance(judge(name, response(body)), Succeeded | Reversed)


def test_a_doctype_is_refused_in_any_encoding() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a []>' + to_xml(success("CreateGiftCard")).decode()[38:]
    plain = '<?xml version="1.0" encoding="utf-16"?>' + to_xml(success("CreateGiftCard")).decode()[38:]
    assert isinstance(judge("CreateGiftCard", response(plain.encode("utf-16"))), Succeeded)
    assert not isinstance(judge("CreateGiftCard", response(text.encode("utf-16"))), Succeeded)


def test_a_cut_body_is_unreadable_even_if_it_parses() -> None:
    whole = HttpResponse(200, {}, to_json(success("CreateGiftCard")), complete=False)
    assert not isinstance(judge("CreateGiftCard", whole), Succeeded)


def test_evidence_keeps_length_and_hash_of_what_cannot_be_read() -> None:
    body = b"garbage with " + CLAIM_CODE.encode()
    evidence = evidence_of(SIGNED["CreateGiftCard"], response(body), None)
    assert set(evidence.response) == {"unreadable", "bytes", "sha256"}
    assert evidence.response["bytes"] == str(len(body))


def test_evidence_says_what_support_asks_for() -> None:
    members = failure("CreateGiftCard", "F200", "InvalidAmountValue", "Amount must be larger than 0")
    given_response = response(to_json(members), 400, **{"x-amzn-requestid": "7e1c8ea1-0f39-4c0f-9d37-0123456789ab"})
    evidence = evidence_of(
        SIGNED["CreateGiftCard"], given_response, open_response(given_response, CALLS["CreateGiftCard"])
    )
    assert evidence.http_status == 400
    assert evidence.amazon_request_id == "7e1c8ea1-0f39-4c0f-9d37-0123456789ab"
    assert evidence.response == {
        "status": "FAILURE",
        "errorCode": "F200",
        "errorType": "InvalidAmountValue",
        "message": "Amount must be larger than 0",
        "creationRequestId": "AwssbT1",
    }


def test_a_traceback_through_the_reader_shows_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr("incentives.agcod.reading.responses._money", broken)
    given_response = response(to_json(success("CreateGiftCard")))
    try:
        judge_outcome(open_response(given_response, CALLS["CreateGiftCard"]), 200, CALLS["CreateGiftCard"])
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert "bug" in text
    else:
        pytest.fail("the bug was not seen")
    # The public reader turns even that into an outcome.
    assert not isinstance(read_outcome(given_response, CALLS["CreateGiftCard"]), Succeeded)


@pytest.mark.parametrize(("amount", "shown"), [(Decimal("25.00"), "25.00 USD"), (CARD_NUMBER, "(another)")])
def test_evidence_shows_an_amount_and_no_card_number_in_its_place(amount: object, shown: str) -> None:
    members = success("CreateGiftCard")
    members["cardInfo"]["value"]["amount"] = amount
    given_response = response(to_json(members))
    evidence = evidence_of(
        SIGNED["CreateGiftCard"], given_response, open_response(given_response, CALLS["CreateGiftCard"])
    )
    assert evidence.response["value"] == shown
