"""Whether a write that failed may have taken effect: the real client, over real sockets, with responses that get lost.

Much hangs on it: "certainly not written" is told to a caller as a failure, and he orders again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

from incentives.aws.clients import CLIENT_CONFIG
from incentives.aws.single_requests.ledger import CONFLICT_TRIES_MAX, DynamoDbLedger
from incentives.aws.single_requests.record_items import encode_key, encode_record
from incentives.domain.errors import LedgerUnavailable
from incentives.domain.single_requests.record import KeyTaken, Lost, Record, Status, change
from tests.aws.scripted import (
    CONFLICT,
    FAULT,
    NO_DOCUMENT,
    NONE,
    THROTTLED,
    Behaviour,
    Hangup,
    Response,
    Script,
    Scripted,
    Silence,
    cancelled,
    ok,
    refusal,
    scripted_dynamodb,
)
from tests.contract.records import in_state, key_of, new_nonce, new_record, reissue_of
from tests.support.holds import beside

#: Long enough for a loopback answer on a busy machine, short enough to be waited out dozens of times.
READ_TIMEOUT_SECONDS = 0.3


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_dynamodb() as server:
        yield server


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


class _Sleeps:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def ledger_at(url: str, sleeps: _Sleeps | None = None) -> DynamoDbLedger:
    config = CLIENT_CONFIG.merge(Config(read_timeout=READ_TIMEOUT_SECONDS))
    client = boto3.client(
        "dynamodb",
        config=config,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return DynamoDbLedger(client, "ledger", beside=beside(client), sleep=sleeps or _Sleeps())


def write_open(ledger: DynamoDbLedger) -> object:
    record = new_record()
    return ledger.open(record, key_of(record), new_nonce())


def write_apply(ledger: DynamoDbLedger) -> object:
    return ledger.apply(change(new_record(), status=Status.SUCCEEDED), new_nonce())


def write_reissue(ledger: DynamoDbLedger) -> object:
    return ledger.reissue(reissue_of(in_state(Status.REVERSING)), new_nonce())


WRITES = [
    pytest.param(write_open, id="open"),
    pytest.param(write_apply, id="apply"),
    pytest.param(write_reissue, id="reissue"),
]


def lose_connection_then(*behaviours: Behaviour) -> list[Scripted]:
    return [Hangup(), *behaviours]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("responses", "in_doubt"),
    [
        pytest.param([refusal("ValidationException")], False, id="a plain no"),
        pytest.param([refusal("AccessDeniedException")], False, id="not allowed"),
        pytest.param([refusal("ResourceNotFoundException")], False, id="no such table"),
        pytest.param([THROTTLED] * 3, False, id="throttled to the end"),
        pytest.param([Silence(), THROTTLED, THROTTLED], True, id="time-out, then throttled"),
        pytest.param([THROTTLED, Silence(), THROTTLED], True, id="time-out in between"),
        pytest.param([Silence()] * 3, True, id="time-out to the end"),
        pytest.param([FAULT, refusal("ValidationException")], True, id="fault, then a plain no"),
        pytest.param([NO_DOCUMENT] * 3, True, id="a fault that is no document"),
        pytest.param(lose_connection_then(THROTTLED, THROTTLED), True, id="connection lost, then throttled"),
        pytest.param([Hangup()] * 3, True, id="connection lost to the end"),
        pytest.param([Response(403, b"<html>Forbidden</html>")], False, id="a no that is no document"),
    ],
)  # fmt: skip
def test_a_write_that_failed(write: Any, responses: list[Scripted], in_doubt: bool, script: Script) -> None:
    # given
    script.responses = list(responses)
    ledger = ledger_at(script.url)
    # when
    with pytest.raises(LedgerUnavailable) as failure:
        write(ledger)
    # then
    assert failure.value.in_doubt is in_doubt
    assert len(script.calls) == len(responses)


@pytest.mark.parametrize("write", WRITES)
def test_nobody_listening_is_certain(write: Any) -> None:
    # given a port that nobody listens on
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        ledger = ledger_at(f"http://127.0.0.1:{held.getsockname()[1]}")
        # when
        with pytest.raises(LedgerUnavailable) as failure:
            write(ledger)
    # then
    assert failure.value.in_doubt is False


def test_without_keys_nothing_leaves(script: Script) -> None:
    ledger = ledger_at(script.url)
    ledger._client._request_signer._credentials = None  # what a process without keys has
    with pytest.raises(LedgerUnavailable) as failure:
        write_open(ledger)
    assert failure.value.in_doubt is False
    assert script.calls == []


def test_a_doubt_ends_with_its_write(script: Script) -> None:
    # given a write that was in doubt
    script.responses = [Silence(), THROTTLED, THROTTLED]
    ledger = ledger_at(script.url)
    with pytest.raises(LedgerUnavailable):
        write_apply(ledger)
    # when the next is refused, and a read fails
    script.responses = [refusal("ValidationException"), FAULT, FAULT, FAULT, FAULT, FAULT, FAULT]
    with pytest.raises(LedgerUnavailable) as failed_write:
        write_apply(ledger)
    with pytest.raises(LedgerUnavailable) as failed_read:
        ledger.get("Test1")
    with pytest.raises(LedgerUnavailable) as failed_query:
        ledger.due(new_record().created_at, 1)
    # then they have none
    assert [f.value.in_doubt for f in (failed_write, failed_read, failed_query)] == [False, False, False]


# ---- the response was lost, the write was not -----------------------------------------------------


def test_an_update_that_was_lost_is_known_by_its_nonce(script: Script) -> None:
    # given an update that takes effect, without a response
    record, nonce = new_record(), new_nonce()
    written = encode_record(change(record, status=Status.SUCCEEDED).after) | {"nonce": {"S": nonce}}
    script.responses = [Silence(), refusal("ConditionalCheckFailedException", Item=written)]
    # when the SDK repeats it
    result = ledger_at(script.url).apply(change(record, status=Status.SUCCEEDED), nonce)
    # then
    assert isinstance(result, Record)
    assert (result.status, result.nonce) == (Status.SUCCEEDED, nonce)
    assert script.names == ["UpdateItem", "UpdateItem"]


def test_an_update_that_another_beat_is_lost_although_its_response_was_too(script: Script) -> None:
    record = new_record()
    winner = encode_record(change(record, status=Status.REFUSED).after) | {"nonce": {"S": "theirs"}}
    script.responses = [Silence(), refusal("ConditionalCheckFailedException", Item=winner)]
    result = ledger_at(script.url).apply(change(record, status=Status.SUCCEEDED), new_nonce())
    assert isinstance(result, Lost)
    assert result.current is not None
    assert result.current.nonce == "theirs"


def test_an_open_that_was_lost_is_known_by_its_nonce(script: Script) -> None:
    record, nonce = new_record(), new_nonce()
    key_item = encode_key(key_of(record)) | {"nonce": {"S": nonce}}
    taken = {"Code": "ConditionalCheckFailed", "Item": key_item}
    script.responses = [Silence(), cancelled(taken, {"Code": "ConditionalCheckFailed"})]
    result = ledger_at(script.url).open(record, key_of(record), nonce)
    assert isinstance(result, Record)
    assert result.nonce == nonce


def test_each_try_of_a_transaction_bears_one_token(script: Script) -> None:
    # given: with it DynamoDB itself knows a repeat and carries it out once
    script.responses = [Silence(), ok()]
    nonce = new_nonce()
    record = new_record()
    # when
    result = ledger_at(script.url).open(record, key_of(record), nonce)
    # then
    assert isinstance(result, Record)
    assert [parameters["ClientRequestToken"] for _, parameters in script.calls] == [nonce, nonce]


# ---- others are in the way ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(cancelled(CONFLICT, NONE), id="conflict on the first item"),
        pytest.param(cancelled(NONE, CONFLICT), id="conflict on the second item"),
        pytest.param(cancelled({"Code": "ThrottlingError"}, NONE), id="one item throttled"),
        pytest.param(cancelled(CONFLICT, {"Code": "ConditionalCheckFailed"}), id="conflict beside a failed condition"),
    ],
)
def test_an_open_that_conflicts_is_repeated(response: Response, script: Script) -> None:
    # given nobody has the key yet
    script.responses = [response, ok(), response, ok(), ok()]
    sleeps = _Sleeps()
    # when
    result = write_open(ledger_at(script.url, sleeps))
    # then each time the key is looked up, since the rival may be through by now
    assert isinstance(result, Record)
    assert script.names == ["TransactWriteItems", "GetItem"] * 2 + ["TransactWriteItems"]
    assert len(sleeps.seconds) == 2
    assert sleeps.seconds == sorted(sleeps.seconds)


def test_a_rival_that_is_through_is_found_at_once(script: Script) -> None:
    # given a crowd with one key, one of which has written it
    record = new_record()
    holder = key_of(record, nonce="theirs")
    script.responses = [cancelled(CONFLICT, NONE), ok(Item=encode_key(holder))]
    # when
    result = ledger_at(script.url).open(record, key_of(record), new_nonce())
    # then
    assert result == KeyTaken(holder)


def test_an_update_that_meets_a_transaction_is_repeated(script: Script) -> None:
    record = new_record()
    written = encode_record(change(record, status=Status.SUCCEEDED).after)
    script.responses = [refusal("TransactionConflictException"), ok(Attributes=written)]
    result = ledger_at(script.url).apply(change(record, status=Status.SUCCEEDED), new_nonce())
    assert isinstance(result, Record)


def test_a_reissue_that_conflicts_is_repeated(script: Script) -> None:
    script.responses = [cancelled(CONFLICT, NONE), ok()]
    assert isinstance(write_reissue(ledger_at(script.url)), Record)


@pytest.mark.parametrize("write", WRITES)
def test_a_crowd_that_does_not_end_is_certain(write: Any, script: Script) -> None:
    # given
    reads = write is write_open
    conflict = refusal("TransactionConflictException") if write is write_apply else cancelled(CONFLICT, NONE)
    round_: list[Scripted] = [conflict, ok()] if reads else [conflict]
    script.responses = round_ * CONFLICT_TRIES_MAX
    # when
    with pytest.raises(LedgerUnavailable) as failure:
        write(ledger_at(script.url))
    # then
    assert failure.value.in_doubt is False
    assert script.responses == []


@pytest.mark.parametrize("write", [WRITES[0], WRITES[2]])
def test_a_lost_try_stays_in_doubt_while_others_are_in_the_way(write: Any, script: Script) -> None:
    # given a first try without a response, perhaps still under way: the SDK's second is in conflict with it
    reads = [ok()] if write is write_open else []
    script.responses = [Silence(), cancelled(CONFLICT, NONE), *reads]
    script.responses += [cancelled(CONFLICT, NONE), *reads] * (CONFLICT_TRIES_MAX - 1)
    # when
    with pytest.raises(LedgerUnavailable) as failure:
        write(ledger_at(script.url))
    # then
    assert failure.value.in_doubt is True


def test_a_look_at_the_key_that_fails_does_not_make_a_lost_try_certain(script: Script) -> None:
    script.responses = [Silence(), cancelled(CONFLICT, NONE), refusal("AccessDeniedException")]
    with pytest.raises(LedgerUnavailable) as failure:
        write_open(ledger_at(script.url))
    assert failure.value.in_doubt is True


def test_an_update_answered_without_its_record_is_in_doubt(script: Script) -> None:
    # given a response from something that is no DynamoDB
    script.responses = [Response(200, b"<html>Welcome</html>")]
    with pytest.raises(LedgerUnavailable) as failure:
        write_apply(ledger_at(script.url))
    assert failure.value.in_doubt is True
