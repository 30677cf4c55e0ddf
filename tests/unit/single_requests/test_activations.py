"""Physical cards: the number is encrypted, masked and fingerprinted; activated once, deactivated for good."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from incentives.agcod.bodies import body_of
from incentives.api.problems import status_of
from incentives.api.single_requests import standing
from incentives.domain.caller_fields import CARD_NUMBER, masked
from incentives.domain.errors import InvalidInput, KeyReused, NotFound, VaultUnavailable
from incentives.domain.operations import Operation
from incentives.domain.outcomes import Succeeded
from incentives.domain.single_requests.record import Intent, Record, Status
from incentives.usecases.operation_calls import operation_call, reversal_call
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.results import Accepted, Delivered, Standing
from tests.support.fakes import FakeVault, Scripted, Sent, World, card, world
from tests.unit.builders import RESEND, TIMED_OUT, order, record

ACTIVATE: Final = Operation.ACTIVATE_GIFT_CARD
NUMBER: Final = "6006490000000001234"
MASKED: Final = "***************1234"
S = Status


def activation(number: str = NUMBER, **updates: Any) -> NewRequest:
    base = order(operation=ACTIVATE, given={CARD_NUMBER: number})
    return replace(base, **updates)


def activated(sent: Sent) -> Succeeded:
    return Succeeded(card(sent.call, claim_code=None, gc_id=None, status="Activated"))


def place(w: World, **updates: Any) -> Delivered | Accepted:
    return issue(activation(**updates), w.dependencies, w.budget())


def holding(*script: Scripted) -> tuple[World, Record]:
    """A world whose one card is active, and its record."""
    w = world(activated)
    place(w)
    (kept,) = w.ledger.records.values()
    w.amazon.script = list(script)
    w.amazon.sent.clear()
    return w, kept


def everything_kept(w: World) -> str:
    return repr((w.ledger.records, w.ledger.keys, w.telemetry.lines, w.recoveries, w.notifier))


# ---- activating ---------------------------------------------------------------------------------


def test_a_card_is_activated_and_its_number_is_only_at_amazon() -> None:
    w = world(activated)
    response = place(w)
    assert isinstance(response, Delivered)
    assert (response.record.status, response.replayed) == (S.SUCCEEDED, False)
    (sent,) = w.amazon.sent
    assert sent.call.name == "ActivateGiftCard"
    assert sent.call.card_number is not None
    assert sent.call.card_number.reveal() == NUMBER
    # and here it is encrypted, and shown by its last four digits
    assert (response.record.subject, bool(response.record.encrypted)) == (MASKED, True)
    assert NUMBER not in everything_kept(w)
    assert NUMBER not in repr(response)
    assert NUMBER not in repr(w.amazon.sent)


def test_the_numbers_fingerprint_tells_nothing_without_the_key() -> None:
    first, second = world(activated), world(activated)
    place(first)
    place(second, key="order-2")
    (one,), (other,) = first.ledger.keys.values(), second.ledger.keys.values()
    assert one.fingerprint[CARD_NUMBER] != other.fingerprint[CARD_NUMBER]
    assert NUMBER not in repr(one)


def test_a_repeat_is_told_and_sends_nothing() -> None:
    w, kept = holding()
    response = place(w)
    assert isinstance(response, Delivered)
    assert (response.record, response.card, response.replayed) == (kept, None, True)
    assert not w.amazon.sent


def test_a_repeat_with_another_card_is_refused_by_name() -> None:
    w, _ = holding()
    other = NUMBER[:-1] + "5"
    with pytest.raises(KeyReused) as told:
        place(w, number=other)
    assert (status_of(told.value), told.value.differing) == (422, (CARD_NUMBER,))
    assert other not in told.value.detail
    assert not w.amazon.sent


def test_without_the_vault_nothing_is_written_or_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world()

    def refuse(self: FakeVault, key_hash: str, members: object) -> str:
        raise VaultUnavailable("the request could not be sealed (AccessDeniedException)")

    monkeypatch.setattr(FakeVault, "encrypt", refuse)
    with pytest.raises(VaultUnavailable) as told:
        place(w)
    assert status_of(told.value) == 503
    assert not w.amazon.sent
    assert not w.ledger.writes


def test_what_is_unknown_is_repeated_with_the_same_card() -> None:
    w = world(RESEND, TIMED_OUT, activated)
    response = place(w)
    assert isinstance(response, Delivered)
    numbers = {sent.call.card_number.reveal() for sent in w.amazon.sent if sent.call.card_number}
    assert (len(w.amazon.sent), numbers) == (3, {NUMBER})
    assert len({sent.call.request_id for sent in w.amazon.sent}) == 1


def test_an_encrypted_number_opens_for_its_own_order_only() -> None:
    w, kept = holding()
    assert kept.encrypted is not None
    assert w.vault.decrypt(kept.key_hash, kept.encrypted) == {CARD_NUMBER: NUMBER}
    with pytest.raises(VaultUnavailable):
        w.vault.decrypt("another", kept.encrypted)


def test_an_option_of_another_operation_is_refused_here() -> None:
    w = world()
    with pytest.raises(InvalidInput) as told:
        place(w, given={"notification": {}})
    assert told.value.field == "notification"
    assert not w.ledger.writes


# ---- deactivating -------------------------------------------------------------------------------


def test_a_deactivation_is_sent_at_once_with_the_encrypted_number() -> None:
    w, kept = holding()
    response = cancel(kept.request_id, ACTIVATE, "caller", w.dependencies, w.budget())
    assert w.amazon.sent[0].call.name == "DeactivateGiftCard"
    assert w.amazon.sent[0].call.request_id == kept.request_id
    assert w.amazon.sent[0].call.card_number is not None
    assert w.amazon.sent[0].call.card_number.reveal() == NUMBER
    # and it is either sure already, or on its way there for good
    assert isinstance(response, Standing | Accepted)
    assert response.record.status in (S.REVERSED, S.REVERSING)
    assert response.record.intent is Intent.REVERSE
    assert NUMBER not in everything_kept(w)


def test_a_card_whose_number_cannot_be_opened_stays_open_for_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    w, kept = holding()

    def refuse(self: FakeVault, key_hash: str, encrypted: str) -> dict[str, str]:
        raise VaultUnavailable("the request could not be unsealed (KMSInvalidStateException)")

    monkeypatch.setattr(FakeVault, "decrypt", refuse)
    response = cancel(kept.request_id, ACTIVATE, None, w.dependencies, w.budget())
    assert isinstance(response, Accepted)
    assert response.record.status is S.REVERSING
    assert response.record.wake_at is not None
    assert response.record.error is not None
    assert response.record.error.type == "VaultUnavailable"
    assert not w.amazon.sent


def test_an_activation_is_found_by_its_own_route_only() -> None:
    w, kept = holding()
    assert find(kept.request_id, w.ledger, operation=ACTIVATE) == kept
    for operation in (Operation.CREATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE):
        with pytest.raises(NotFound):
            find(kept.request_id, w.ledger, operation=operation)
        with pytest.raises(NotFound):
            cancel(kept.request_id, operation, None, w.dependencies, w.budget())


# ---- the calls ----------------------------------------------------------------------------------


def test_operation_and_reversal_name_the_same_request_and_card() -> None:
    kept = record(operation=ACTIVATE, details={"programId": "P1"})
    there = json.loads(body_of(operation_call(kept, {CARD_NUMBER: NUMBER}), "Test1"))
    back = json.loads(body_of(reversal_call(kept, {CARD_NUMBER: NUMBER}), "Test1"))
    assert there == {
        "activationRequestId": "Test1AAAA",
        "partnerId": "Test1",
        "cardNumber": NUMBER,
        "value": {"currencyCode": "USD", "amount": 25.0},
        "programId": "P1",
    }
    assert back == {"activationRequestId": "Test1AAAA", "partnerId": "Test1", "cardNumber": NUMBER}


@pytest.mark.parametrize(
    ("text", "shown"), [(NUMBER, MASKED), ("123456", "****56"), ("1234", "****"), ("", "")], ids=repr
)
def test_at_most_the_last_four_characters_are_shown(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize("operation", [ACTIVATE, Operation.LOAD_AMAZON_BALANCE])
def test_a_record_without_what_may_be_shown_of_its_card_is_told_all_the_same(operation: Operation) -> None:
    told = standing(replace(record(S.SUCCEEDED), operation=operation, subject=None)).body

    assert told["status"] == "SUCCEEDED"
    assert told["cardNumber" if operation is ACTIVATE else "customerAccountId"] == ""
