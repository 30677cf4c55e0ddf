from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from incentives.api.problems import status_of
from incentives.domain.errors import (
    AccountUnusable,
    GatewayError,
    InvalidInput,
    LedgerUnavailable,
    RefusedByAmazon,
    StateConflict,
)
from incentives.domain.outcomes import (
    AmazonError,
    Conflict,
    NotExecuted,
    Outcome,
    Refused,
    ReversalOutcome,
    Reversed,
    Succeeded,
    Unknown,
    UnknownBecause,
)
from incentives.domain.single_requests.record import Intent, Record, Status
from incentives.domain.single_requests.transitions import accept_cancel, take_over
from incentives.usecases.recovery.recover import RecoveryTask
from incentives.usecases.recovery.start_recovery import start_recovery
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.issue import canonical, issue
from incentives.usecases.single_requests.results import Accepted, Delivered
from tests.support.fakes import CODE, START, Sent, World, account, card, usd, world
from tests.support.workflow import run_execution
from tests.unit.builders import (
    EXPIRED,
    KEY_REFUSED,
    NOT_SENT,
    OTHER_VALUE,
    REFUNDED,
    REFUSED,
    THROTTLED,
    UNKNOWNS,
    code_of,
    fails,
    order,
)
from tests.unit.queued import only


def place(w: World, seconds: float = 25.0, **updates: object) -> Delivered | Accepted:
    return issue(order(**updates), w.dependencies, w.budget(seconds))


# ---- the happy path -----------------------------------------------------------------------------


def test_an_order_is_recorded_sent_once_closed_and_delivered() -> None:
    w = world()
    response = place(w, caller="arn:caller", given={"externalReference": "po-7"})
    assert isinstance(response, Delivered)
    assert code_of(response) == CODE
    assert not response.replayed
    assert response.record == only(w)
    assert (response.record.status, response.record.attempts, response.record.caller) == (
        Status.SUCCEEDED,
        1,
        "arn:caller",
    )
    assert w.amazon.names == ["CreateGiftCard"]
    assert w.amazon.sent[0].call.options == {"externalReference": "po-7"}


def test_numbers_of_any_size_make_a_fingerprint_of_their_own() -> None:
    texts = [canonical(Decimal(text)) for text in ("1e1000000", "1." + "0" * 40 + "1", "1." + "0" * 40 + "2", "1.0")]
    assert len(set(texts)) == len(texts)
    assert canonical(Decimal("1.0")) == canonical(Decimal(1)) == "1"


def test_the_request_is_in_the_ledger_before_it_leaves() -> None:
    seen: list[Record] = []

    def look(sent: Sent) -> Succeeded:
        seen.append(w.ledger.records[sent.call.request_id])
        return Succeeded(card(sent.call))

    w = world(look)
    place(w)
    (recorded,) = seen
    assert (recorded.status, recorded.attempts, recorded.in_flight) == (Status.PENDING, 1, True)
    assert recorded.last_sent_at == w.amazon.sent[0].sent_at
    assert (recorded.value, recorded.account) == (usd("25.00"), "default")
    assert recorded.wake_at is not None


def test_no_claim_code_stays_anywhere() -> None:
    w = world()
    response = place(w)
    kept = (w.ledger.records, w.ledger.keys, w.telemetry.lines, w.telemetry.counts, response)
    assert CODE not in repr(kept)


# ---- one outcome each ---------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", UNKNOWNS.values(), ids=UNKNOWNS.keys())
def test_an_unknown_is_repeated_under_the_same_id_and_then_delivered(unknown: Unknown) -> None:
    w = world(unknown, unknown)
    response = place(w)
    assert isinstance(response, Delivered)
    assert len({sent.call.request_id for sent in w.amazon.sent}) == 1
    assert len(w.amazon.sent) == 3
    assert only(w).attempts == 3


@pytest.mark.parametrize("unknown", UNKNOWNS.values(), ids=UNKNOWNS.keys())
def test_what_stays_unknown_is_handed_over_and_is_neither_success_nor_failure(unknown: Unknown) -> None:
    w = world(*[unknown] * 50)
    response = place(w)
    assert isinstance(response, Accepted)
    assert response.retry_after_seconds >= 1
    assert (only(w).status, only(w).doubt) == (Status.RECOVERING, True)
    assert only(w).wake_at is not None
    assert only(w).deadline_at is not None
    assert w.recoveries.started == [(only(w).request_id, 1)]
    assert only(w).epoch == 1


@pytest.mark.parametrize("outcome", [THROTTLED, NOT_SENT], ids=["throttled", "not sent"])
def test_what_was_not_executed_is_repeated_and_leaves_no_doubt(outcome: NotExecuted) -> None:
    once, always = world(outcome), world(*[outcome] * 50)
    assert isinstance(place(once), Delivered)
    assert isinstance(place(always), Accepted)
    assert (only(always).status, only(always).may_have_executed) == (Status.PENDING, False)
    assert only(always).wake_at is not None


def test_a_refusal_is_stored_and_told_and_told_again() -> None:
    w = world(REFUSED)
    for _ in range(2):
        with pytest.raises(RefusedByAmazon) as error:
            place(w)
        assert (status_of(error.value), error.value.error_code) == (422, "F200")
        assert error.value.error_type == "MaxAmountExceeded"
    assert only(w).status is Status.REFUSED
    assert len(w.amazon.sent) == 1


@pytest.mark.parametrize(
    ("error", "http_status"),
    [
        (AmazonError("F200", "InvalidAmountValue"), 422),
        (AmazonError("F200", "SomethingNew"), 422),
        (AmazonError("F300", "InsufficientFunds"), 402),
        (AmazonError("F300", "SomethingNew"), 403),
        (AmazonError(message="class java.lang.String is not an expected Json type"), 422),
        (AmazonError(type="NobodyKnowsThis"), 422),
        (AmazonError(), 422),
    ],
)
def test_every_refusal_is_told_as_one(error: AmazonError, http_status: int) -> None:
    w = world(Refused(error))
    with pytest.raises(RefusedByAmazon) as told:
        place(w)
    assert status_of(told.value) == http_status
    assert not told.value.retryable
    assert "not known" not in told.value.detail


def test_a_refusal_after_a_doubt_is_reversed_and_reported_as_neither() -> None:
    w = world(Unknown(because=UNKNOWNS["timedOut"].because), REFUSED, Reversed())
    with pytest.raises(StateConflict) as error:
        place(w)
    assert w.amazon.names == ["CreateGiftCard", "CreateGiftCard", "CancelGiftCard"]
    assert error.value.request_status == only(w).status == Status.REVERSED


@pytest.mark.parametrize("outcome", [EXPIRED, OTHER_VALUE], ids=["expired", "another value"])
def test_another_card_than_ordered_is_escalated_and_never_delivered(outcome: Conflict) -> None:
    w = world(outcome)
    response = place(w)
    assert isinstance(response, Accepted)
    assert (only(w).status, only(w).conflict) == (Status.RECOVERING, outcome.kind)
    assert w.recoveries.started == [(only(w).request_id, only(w).epoch)]
    assert run_execution(*w.recoveries.started[0], w.dependencies) is RecoveryTask.ESCALATED
    with pytest.raises(StateConflict) as error:
        place(w)
    assert error.value.request_status == only(w).status == Status.ESCALATED
    assert w.telemetry.counts["RequestEscalated"] == 1
    assert len(w.amazon.sent) == 1


def test_a_refused_key_is_read_anew_once_and_tried_again() -> None:
    w = world(KEY_REFUSED)
    assert isinstance(place(w), Delivered)
    assert w.accounts.reread == 1
    assert len(w.amazon.sent) == 2


def test_a_key_that_stays_refused_is_a_503_that_says_when_to_repeat_the_order() -> None:
    w = world(*[KEY_REFUSED] * 50)
    with pytest.raises(RefusedByAmazon) as error:
        place(w)
    assert (status_of(error.value), error.value.retryable) == (503, True)
    assert "Nothing was charged" in error.value.detail
    assert "with the same Idempotency-Key" in error.value.detail
    assert w.accounts.reread == 1
    assert len(w.amazon.sent) == 2
    assert only(w).status is Status.REFUSED


# ---- the function's time ------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [11.0, 11.5, 12.0, 13.0, 17.0, 25.0, 29.0])
@pytest.mark.parametrize("seconds_per_call", [0.2, 3.0, 8.0])
@pytest.mark.parametrize("outcome", [UNKNOWNS["timedOut"], THROTTLED, KEY_REFUSED], ids=["lost", "throttled", "key"])
@pytest.mark.parametrize("permit_in", [0.0, 2.0, 6.0])
def test_no_try_starts_with_less_than_11_seconds_left(
    seconds: float, seconds_per_call: float, outcome: Unknown | NotExecuted, permit_in: float
) -> None:
    w = world(*[outcome] * 99)
    w.amazon.seconds_per_call = seconds_per_call
    w.rate_limiter.begins_in = [0.0] + [permit_in] * 99
    try:
        place(w, seconds)
    except RefusedByAmazon:
        assert outcome is KEY_REFUSED
    end = START + timedelta(seconds=seconds)
    assert w.amazon.sent
    assert all((end - sent.at).total_seconds() >= 11.0 for sent in w.amazon.sent)
    assert w.clock.now() <= end


def test_an_order_without_time_for_a_try_is_recorded_and_not_sent() -> None:
    w = world()
    response = place(w, 10.9)
    assert isinstance(response, Accepted)
    assert not w.amazon.sent
    # and nobody takes it for unknown: it goes on from the backlog
    assert (only(w).status, only(w).may_have_executed) == (Status.PENDING, False)
    assert w.backlog.puts == [(only(w).request_id, 1.0)]
    assert not w.recoveries.started


def test_in_line_repeats_are_a_second_apart() -> None:
    w = world(*[UNKNOWNS["timedOut"]] * 3)
    w.amazon.seconds_per_call = 0.0
    place(w)
    assert [(sent.at - START).total_seconds() for sent in w.amazon.sent] == [0, 1, 2, 3]


# ---- nothing sent, nothing written --------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "error", "field"),
    [
        (order(account="nobody"), AccountUnusable, "account"),
        (order(value=usd("2000.01")), InvalidInput, "amount"),
        (order(value=usd("0.14")), InvalidInput, "amount"),
        (order(given={"externalReference": "x" * 101}), InvalidInput, "externalReference"),
        (order(given={"creationRequestId": "mine"}), InvalidInput, "creationRequestId"),
    ],
    ids=["unknown account", "above the limit", "below the limit", "long reference", "foreign member"],
)
def test_what_cannot_be_ordered_is_neither_sent_nor_written(
    wanted: object, error: type[GatewayError], field: str
) -> None:
    w = world()
    with pytest.raises(error) as told:
        issue(wanted, w.dependencies, w.budget())  # type: ignore[arg-type] # an order, seen as a case of the table
    assert [name for name, _ in told.value.fields] == [field]
    assert (w.ledger.writes, w.rate_limiter.reserved, w.amazon.sent) == (0, 0, [])


def test_another_marketplaces_currency_is_refused() -> None:
    w = world()
    w.accounts.accounts["jp"] = account("jp", marketplace="JP")
    with pytest.raises(InvalidInput) as told:
        place(w, account="jp")
    assert told.value.field == "currencyCode"


def test_a_secret_with_a_marketplace_of_nobodys_is_the_accounts_fault_and_not_the_callers() -> None:
    w = world()
    w.accounts.accounts["default"] = account(marketplace="ATLANTIS")
    with pytest.raises(AccountUnusable) as told:
        place(w)
    assert status_of(told.value) == 503
    assert not w.ledger.records


# ---- a ledger that fails ------------------------------------------------------------------------


def test_a_record_that_was_certainly_not_written_is_a_503_and_nothing_is_sent() -> None:
    w = world()
    fails(w.ledger, "open")
    with pytest.raises(LedgerUnavailable) as error:
        place(w)
    assert (status_of(error.value), error.value.retryable) == (503, True)
    assert not w.amazon.sent


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize("full_for", [None, 5.0])
def test_a_record_in_doubt_is_a_202_and_nothing_is_sent(takes_effect: bool, full_for: float | None) -> None:
    w = world()
    fails(w.ledger, "open", takes_effect=takes_effect, in_doubt=True)
    w.rate_limiter.full_for = full_for
    response = place(w)
    assert isinstance(response, Accepted)
    assert not w.amazon.sent
    assert len(w.ledger.records) == takes_effect
    assert all(record.wake_at is not None for record in w.ledger.records.values())


@pytest.mark.parametrize("in_doubt", [True, False])
@pytest.mark.parametrize("takes_effect", [True, False])
def test_an_response_that_cannot_be_written_down_is_not_delivered(in_doubt: bool, takes_effect: bool) -> None:
    w = world()
    fails(w.ledger, "apply", at=None, takes_effect=takes_effect, in_doubt=in_doubt)
    response = place(w)
    assert isinstance(response, Accepted)
    assert CODE not in repr(response)
    assert len(w.amazon.sent) == 1
    assert takes_effect or only(w).wake_at is not None


@pytest.mark.parametrize("fails", ["reserve", "line_up"])
def test_a_pace_that_cannot_be_kept_is_a_503_and_nothing_is_sent_or_written(fails: str) -> None:
    w = world()
    w.rate_limiter.full_for = 5.0
    w.rate_limiter.fails = {fails}
    with pytest.raises(LedgerUnavailable):
        place(w)
    assert not w.ledger.records
    assert not w.amazon.sent


# ---- others at the same time --------------------------------------------------------------------


def test_a_cancel_between_answer_and_delivery_withholds_the_code() -> None:
    def cancelled_meanwhile(sent: Sent) -> Succeeded:
        change = accept_cancel(w.ledger.records[sent.call.request_id], w.clock.now())
        w.ledger.apply(change, "cancel")
        return Succeeded(card(sent.call))

    w = world(cancelled_meanwhile)
    response = place(w)
    assert isinstance(response, Accepted)
    assert (only(w).status, only(w).intent) == (Status.REVERSING, Intent.REVERSE)
    assert only(w).card_seen, "its new holder must not conclude that there is no such card"
    assert CODE not in repr(response)


@pytest.mark.parametrize("outcome", [REFUSED, REFUNDED, OTHER_VALUE, THROTTLED, UNKNOWNS["resend"]], ids=repr)
def test_whoever_lost_the_record_writes_nothing_more(outcome: Unknown) -> None:
    def taken_meanwhile(sent: Sent) -> Unknown:
        w.clock.sleep(31)
        w.ledger.apply(take_over(w.ledger.records[sent.call.request_id], w.clock.now()), "other")
        return outcome

    w = world(taken_meanwhile)
    response = place(w, 60)
    assert isinstance(response, Accepted)
    assert (only(w).status, only(w).epoch, only(w).nonce) == (Status.RECOVERING, 1, "other")
    assert len(w.amazon.sent) == 1


def test_reissue_delivers_the_card_of_the_new_generation_and_links_both() -> None:
    first = world(*[UNKNOWNS["timedOut"]] * 50)
    place(first, on_unknown=Intent.REISSUE)
    waiting = only(first)
    first.clock.sleep(60)
    first.amazon.script = [Reversed()]
    run_execution(waiting.request_id, waiting.epoch, first.dependencies)
    ended = find(waiting.request_id, first.ledger)
    old = first.ledger.records[waiting.request_id]
    assert (old.status, old.replaced_by) == (Status.REVERSED, ended.request_id)
    assert (ended.status, ended.replaces, ended.generation) == (Status.SUCCEEDED, old.request_id, 1)
    assert ended.deadline_at is None


def test_a_caller_whose_order_was_reissued_meanwhile_is_not_told_that_nothing_is_charged() -> None:
    # given a response that takes so long that a recovery takes the order, reverses it and issues its successor
    def response(sent: Sent) -> Outcome | ReversalOutcome:
        if len(w.amazon.sent) == 1:
            start_recovery(sent.call.request_id, None, w.dependencies)
            run_execution(*w.recoveries.started[-1], w.dependencies)
        if sent.call.name != "CreateGiftCard":
            return Reversed()
        is_old = sent.call.request_id == w.amazon.sent[0].call.request_id
        return Unknown(UnknownBecause.TIMED_OUT) if is_old else Succeeded(card(sent.call))

    w = world(*[response] * 200)
    # when
    told = issue(order(on_unknown=Intent.REISSUE), w.dependencies, w.budget(300))
    # then
    assert isinstance(told, Accepted)
    old, new = sorted(w.ledger.records.values(), key=lambda record: record.generation)
    assert (old.status, new.status) == (Status.REVERSED, Status.SUCCEEDED)
    assert told.record == new
