"""The case of a request that could not be settled: what is in it, what must never be, and that people get it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from incentives.agcod.client import IncentivesClient, SignedCall
from incentives.agcod.signatures import signature_of
from incentives.domain.errors import StateConflict
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError, ConflictKind, Unknown, UnknownBecause, Unresolved
from incentives.domain.recovery.case_file import is_stale, stale_at
from incentives.domain.secret_text import Secret
from incentives.domain.single_requests.record import Cause, Change, Lost, Record, Status
from incentives.usecases.recovery.escalate import get_case_file
from incentives.usecases.recovery.recover import RecoveryTask, recover
from incentives.usecases.recovery.start_recovery import start_recovery
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import issue
from tests.support.fakes import CODE, START, Sent, World, account, world
from tests.support.workflow import SUPPORT, run_execution
from tests.unit.builders import (
    CARD_NUMBER,
    CUSTOMER,
    MINUTE,
    ORDERS,
    SECOND,
    TIMED_OUT,
    attempt,
    fails,
    holding,
    order,
    record,
    reversing,
    unknown_since,
)

S = Status
ID = "Test1AAAA"
SECRET = "not-a-real-secret"
RESEND = Unknown(UnknownBecause.RESEND, AmazonError("F400", "SystemTemporarilyUnavailable", "Try again."))


def escalated(**updates: Any) -> Record:
    known = {"status": S.ESCALATED, "wake_at": None, "due_at": None, "case_file": "{}"}
    return replace(unknown_since(evidence=attempt(TIMED_OUT).evidence), **(known | updates))


def mail(w: World, *, support_address: str | None = SUPPORT) -> RecoveryTask:
    """The workflow's last task, once it is due."""
    w.clock.time = max(w.clock.time, START + 26 * MINUTE)
    return recover(RecoveryTask.MAIL, ID, 0, w.dependencies, w.budget(), support_address=support_address).next


def really_signing(w: World) -> list[SignedCall]:
    """Let the real client sign; what it has signed."""
    client, signed = IncentivesClient("https://incentives.test", wall=w.clock.now), []

    def sign(call: Any, by: Any) -> SignedCall:
        signed.append(client.sign(call, by))
        return signed[-1]

    w.amazon.sign = sign  # type: ignore[assignment,method-assign]
    return signed


def a_day_of(w: World, operation: Operation, response: Any) -> Record:
    """An order whose every attempt gets this response, until it is escalated and mailed."""
    w.amazon.script = [response] * 1000
    issue(order(**ORDERS[operation]), w.dependencies, w.budget())
    assert run_execution(*w.recoveries.started[-1], w.dependencies) is RecoveryTask.ESCALATED
    (kept,) = w.ledger.records.values()
    return kept


# ---- escalating ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kept",
    [unknown_since(conflict=ConflictKind.VALUE), reversing(Cause.REVERSE, conflict=ConflictKind.EXPIRED)],
    ids=lambda r: r.status,
)
def test_the_case_is_stored_with_the_very_write_that_escalates(kept: Record) -> None:
    w = holding(replace(kept, evidence=attempt(TIMED_OUT).evidence))
    written: list[Change] = []
    apply = w.ledger.apply

    def watched(change: Change, nonce: str) -> Record | Lost:
        written.append(change)
        return apply(change, nonce)

    w.ledger.apply = watched  # type: ignore[method-assign]
    recover(RecoveryTask.ESCALATE, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    (change,) = written
    assert change.after.status is S.ESCALATED
    assert {"status", "case_file"} <= set(change.changed_fields)
    assert json.loads(get_case_file(ID, w.ledger))["lastRequest"]["signature"].startswith("withheld")


def test_escalated_is_written_by_no_other_step() -> None:
    w = holding(unknown_since(conflict=ConflictKind.VALUE))
    for task in set(RecoveryTask) - {RecoveryTask.ESCALATE}:
        recover(task, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert w.ledger.records[ID].status is S.RECOVERING


# ---- the mail -----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
def test_the_mail_holds_every_item_that_amazons_support_asks_for(operation: Operation) -> None:
    w = world()
    signed = really_signing(w)
    kept = a_day_of(w, operation, RESEND)
    ((to, subject, text),) = w.notifier.mails
    case = json.loads(text)
    last = signed[-1]
    request, response = case["lastRequest"], case["lastAnswer"]
    assert to == SUPPORT
    assert kept.request_id in subject
    assert case["partnerId"] == "Test1"
    # The complete request and answer, and the whole URL.
    assert (request["method"], request["url"]) == ("POST", f"https://incentives.test/{operation.value}")
    assert json.loads(request["body"]).keys() == json.loads(last.body).keys()
    assert response["httpStatus"] == 200
    assert response.keys() == {"httpStatus", "x-amzn-RequestId", "members", "fault"}
    # String to sign, its signature, and the time with its zone.
    assert request["stringToSign"] == last.string_to_sign
    assert request["signature"] in last.prepared.headers["Authorization"]
    assert request["x-amz-date"] == last.amz_date
    assert case["timeZone"] == "UTC"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", case[name]) for name in ("firstSentAt", "writtenAt"))
    assert case["programmingLanguage"] == "Python"
    assert "version" in case["recentChanges"]
    # What was tried, how often, and what came of it.
    assert case["attempts"] == kept.attempts > 100
    assert len(case["history"]) == 60
    assert all("Unknown resend" in line and "F400" in line for line in case["history"])
    assert (case["amount"], case["currencyCode"], case["requestId"]) == ("25.00", "USD", kept.request_id)


@pytest.mark.parametrize("operation", Operation)
def test_nothing_that_could_be_spent_or_used_is_in_it(operation: Operation) -> None:
    w = world()
    really_signing(w)
    kept = a_day_of(w, operation, TIMED_OUT)
    told = repr((w.notifier.mails, w.notifier.notices, kept, w.telemetry.lines))
    for secret in (SECRET, CODE, CARD_NUMBER, CUSTOMER, "AKIDTESTTESTTEST", "Authorization", "Credential="):
        assert secret not in told
    assert (kept.subject is None) is (operation is Operation.CREATE_GIFT_CARD)
    assert kept.subject is None or kept.subject in w.notifier.mails[0][2], "masked, so that support can find it"


def test_a_customer_whose_name_is_no_ascii_is_masked_too() -> None:
    w = world()
    members = {"account": {"id": 'amz1."Zoë".TEST', "type": "2"}}
    wanted = order(operation=Operation.LOAD_AMAZON_BALANCE, given=members)
    w.amazon.script = [TIMED_OUT] * 1000
    issue(wanted, w.dependencies, w.budget())
    run_execution(*w.recoveries.started[-1], w.dependencies)
    body = json.loads(json.loads(w.notifier.mails[0][2])["lastRequest"]["body"])
    assert body["account"] == {"id": "***********TEST", "type": "2"}


@pytest.mark.parametrize("offset", [-1, 0])
def test_no_signature_younger_than_26_minutes_leaves(offset: int) -> None:
    w = holding(escalated())
    w.clock.time = START + 26 * MINUTE + offset * SECOND
    recover(RecoveryTask.MAIL, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert bool(w.notifier.mails) is (offset == 0)
    assert is_stale("20260301T120000Z", w.clock.now()) is (offset == 0)
    assert stale_at("20260301T120000Z") == START + timedelta(minutes=26)


def test_until_then_an_operator_reads_the_case_without_any_signature() -> None:
    w = holding(unknown_since(conflict=ConflictKind.VALUE))
    signed = really_signing(w)
    w.amazon.script = [TIMED_OUT]
    w.ledger.records[ID] = unknown_since()
    recover(RecoveryTask.REPEAT, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    w.ledger.records[ID] = replace(w.ledger.records[ID], conflict=ConflictKind.VALUE)
    recover(RecoveryTask.ESCALATE, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    case = get_case_file(ID, w.ledger)
    signature = str(signed[-1].prepared.headers["Authorization"]).rpartition("Signature=")[2]
    assert len(signature) == 64
    assert signature not in case
    assert signed[-1].string_to_sign.splitlines()[-1] in case


def test_the_case_of_a_reversal_shows_the_reversal() -> None:
    w = world()
    really_signing(w)
    issue(order(), w.dependencies, w.budget())
    (request_id,) = w.ledger.records
    w.amazon.script = [Unresolved(unknown=UnknownBecause.TIMED_OUT)] * 1000
    cancel(request_id, Operation.CREATE_GIFT_CARD, None, w.dependencies, w.budget())
    assert run_execution(*w.recoveries.started[-1], w.dependencies) is RecoveryTask.ESCALATED
    case = json.loads(get_case_file(request_id, w.ledger))
    assert case["lastRequest"]["url"].endswith("/CancelGiftCard")
    assert json.loads(case["lastRequest"]["body"]) == {"creationRequestId": request_id, "partnerId": "Test1"}
    assert (case["cause"], case["reversal"]) == ("cancel", "CancelGiftCard")
    assert case["gcId"] is not None


@pytest.mark.parametrize("fault", ["MessageRejected", "no sender address is set"])
def test_a_mail_that_cannot_be_sent_is_told_to_the_operators_and_loses_nothing(fault: str) -> None:
    w = holding(escalated())
    w.notifier.mail_fault = fault
    assert mail(w) is RecoveryTask.ESCALATED
    ((_, text),) = w.notifier.notices
    assert "NOT mailed" in text
    assert fault in text
    case = get_case_file(ID, w.ledger)
    assert json.loads(case)["requestId"] == ID
    assert case in text
    assert w.telemetry.counts["CaseMailFailed"] == 1


def test_without_an_address_the_operators_are_told_to_mail_it_themselves() -> None:
    w = holding(escalated())
    assert mail(w, support_address=None) is RecoveryTask.ESCALATED
    assert w.notifier.mails == []
    assert "Mail it by hand" in w.notifier.notices[0][1]


def test_the_operators_are_told_once_what_to_do_and_what_not() -> None:
    w = holding(escalated())
    mail(w)
    mail(w)
    ((subject, text),) = w.notifier.notices
    assert ID in subject
    assert "Do not order it again" in text
    assert f"POST /requests/{ID}/recover" in text
    assert f"GET /requests/{ID}/case-file" in text
    assert len(w.notifier.mails) == 1
    assert w.telemetry.counts["CaseMailFailed"] == 0


@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_mail_whose_note_is_lost_is_sent_again_rather_than_never(takes_effect: bool) -> None:
    w = holding(escalated())
    fails(w.ledger, "apply", takes_effect=takes_effect)
    assert mail(w) is RecoveryTask.LOOK
    assert run_execution(ID, 0, w.dependencies) is RecoveryTask.ESCALATED
    assert len(w.notifier.mails) == (1 if takes_effect else 2)


def test_a_round_that_an_operator_starts_meanwhile_is_not_ended_by_the_mail() -> None:
    w = holding(escalated())
    tell = w.notifier.mail

    def slow(to: str, subject: str, text: str) -> str | None:
        start_recovery(ID, None, w.dependencies)
        return tell(to, subject, text)

    w.notifier.mail = slow  # type: ignore[method-assign]
    assert mail(w) is RecoveryTask.DONE
    kept = w.ledger.records[ID]
    assert (kept.status, kept.epoch, kept.mailed_at) == (S.RECOVERING, 1, None)


@pytest.mark.parametrize("missing", ["account", "vault"])
def test_a_case_whose_request_cannot_be_made_again_is_mailed_without_it(missing: str) -> None:
    w = holding(escalated(encrypted="sealed-0"))
    w.vault.kept["sealed-0"] = ("another order" if missing == "vault" else "0" * 64, {"cardNumber": CARD_NUMBER})
    if missing == "account":
        w.accounts.accounts["default"] = account(partner_id="Other")
    assert mail(w) is RecoveryTask.ESCALATED
    case = json.loads(w.notifier.mails[0][2])
    assert case["lastRequest"]["body"] is None
    assert case["lastRequest"]["stringToSign"] == "test"


def test_a_case_of_what_was_never_answered_nor_sent_again_has_no_request_and_is_mailed() -> None:
    w = holding(escalated(evidence=None))
    # without a signature in it there is nothing to wait for
    due = recover(RecoveryTask.LOOK, ID, 0, w.dependencies, w.budget(), support_address=SUPPORT)
    assert (due.next, due.wait_seconds) == (RecoveryTask.MAIL, 0)
    assert mail(w) is RecoveryTask.ESCALATED
    assert "lastRequest" not in json.loads(w.notifier.mails[0][2])


# ---- the signature ------------------------------------------------------------------------------


def test_a_signature_made_again_is_the_one_that_was_sent() -> None:
    def step(key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    text = f"AWS4-HMAC-SHA256\n20260301T120000Z\n20260301/us-east-1/AGCODService/aws4_request\n{'0' * 64}"
    key = b"AWS4" + SECRET.encode()
    for part in ("20260301", "us-east-1", "AGCODService", "aws4_request"):
        key = step(key, part)
    assert signature_of(text, Secret(SECRET)) == step(key, text).hex()


@pytest.mark.parametrize("text", ["", "test", "a\nb\nc\nd", "a\nb\nc/d\ne"])
def test_what_is_no_string_to_sign_has_no_signature(text: str) -> None:
    assert signature_of(text, Secret(SECRET)) is None


# ---- reading the case ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(set(Status) - {S.ESCALATED}))
def test_only_an_escalated_request_has_a_case(status: Status) -> None:
    w = holding(record(status, case_file="{}"))
    with pytest.raises(StateConflict) as told:
        get_case_file(ID, w.ledger)
    assert told.value.request_status == status


def test_a_case_holds_what_amazon_answered_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    at: list[datetime] = []

    def answered(sent: Sent) -> Unknown:
        at.append(sent.sent_at)
        return RESEND

    w = world()
    kept = a_day_of(w, Operation.CREATE_GIFT_CARD, answered)
    case = json.loads(str(kept.case_file))
    assert case["lastRequest"]["x-amz-date"] == at[-1].strftime("%Y%m%dT%H%M%SZ")
    assert case["firstSentAt"] == at[0].strftime("%Y-%m-%dT%H:%M:%SZ")
