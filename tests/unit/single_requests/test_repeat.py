"""The same Idempotency-Key again: in every state, and for another order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from incentives.api.problems import status_of
from incentives.domain.errors import GatewayError, KeyReused, LedgerUnavailable, RefusedByAmazon, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError, Outcome, Succeeded
from incentives.domain.single_requests.record import Intent, Record, Status
from incentives.domain.single_requests.transitions import accept_cancel
from incentives.usecases.single_requests.find import find, find_by_key
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.results import Accepted, Delivered
from tests.support.fakes import CODE, Sent, World, account, card, usd, world
from tests.unit.builders import (
    EXPIRED,
    OTHER_VALUE,
    REFUNDED,
    REFUSAL,
    REFUSED,
    THROTTLED,
    TIMED_OUT,
    code_of,
    gc_id_of,
    order,
)
from tests.unit.builders import KEY_REFUSED as KEY_IS_REFUSED

S = Status
NO_FUNDS = AmazonError(code="F300", type="InsufficientFunds")


def issued(**updates: object) -> World:
    """A world in which `order()` has succeeded, changed afterwards to what the test needs."""
    w = world()
    issue(order(), w.dependencies, w.budget())
    (request_id,) = w.ledger.records
    w.ledger.records[request_id] = replace(w.ledger.records[request_id], **updates)  # type: ignore[arg-type]
    w.amazon.sent.clear()
    return w


def again(w: World, **updates: object) -> Delivered | Accepted:
    return issue(order(**updates), w.dependencies, w.budget())


@pytest.mark.parametrize("status", [S.PENDING, S.RECOVERING, S.REVERSING])
def test_a_repeat_in_any_open_state_sends_nothing_and_is_accepted(status: Status) -> None:
    w = issued(status=status)
    before = dict(w.ledger.records)
    response = again(w)
    assert isinstance(response, Accepted)
    assert response.record.status is status
    assert not w.amazon.sent
    assert w.ledger.records == before


def test_a_repeat_of_a_success_delivers_the_same_card_again() -> None:
    w = issued()
    response = again(w)
    assert isinstance(response, Delivered)
    assert response.replayed
    assert code_of(response) == CODE
    assert response.record.gc_id == gc_id_of(response)
    assert w.amazon.names == ["CreateGiftCard"]
    assert len(w.ledger.records) == 1


@pytest.mark.parametrize(
    ("updates", "error", "http_status"),
    [
        ({"status": S.REFUSED, "refusal": REFUSAL}, RefusedByAmazon, 422),
        ({"status": S.REFUSED, "refusal": NO_FUNDS}, RefusedByAmazon, 402),
        ({"status": S.REVERSED}, StateConflict, 409),
        ({"status": S.ESCALATED}, StateConflict, 409),
    ],
    ids=["refused", "no funds", "reversed", "escalated"],
)
def test_a_repeat_of_what_has_ended_gets_the_same_response_each_time_and_sends_nothing(
    updates: dict[str, object], error: type[GatewayError], http_status: int
) -> None:
    w = issued(**updates)
    for _ in range(2):
        with pytest.raises(error) as told:
            again(w)
        assert status_of(told.value) == http_status
        assert not told.value.retryable
    assert not w.amazon.sent


@pytest.mark.parametrize(
    ("updates", "named"),
    [
        ({"value": usd("50.00")}, ("amount",)),
        ({"value": replace(usd("25.00"), currency="CAD")}, ("currencyCode",)),
        ({"on_unknown": Intent.REVERSE}, ("onUnknown",)),
        ({"given": {"externalReference": "po-8"}}, ("externalReference",)),
        ({"value": usd("50.00"), "given": {"externalReference": "x"}}, ("amount", "externalReference")),
        ({"account": "other"}, ("account",)),
        ({"account": "other", "value": usd("50.00")}, ("account", "amount")),
    ],
    ids=lambda case: ",".join(case) if isinstance(case, tuple) else "",
)
@pytest.mark.parametrize("status", [S.PENDING, S.SUCCEEDED, S.REFUSED])
def test_a_key_used_for_another_order_names_what_differs_and_sends_nothing(
    updates: dict[str, object], named: tuple[str, ...], status: Status
) -> None:
    w = issued(status=status)
    w.accounts.accounts["default"] = account()
    w.accounts.accounts["other"] = account("other")
    if "currencyCode" in named:
        w.accounts.accounts["default"] = account(marketplace="CA")
    before = dict(w.ledger.records)
    with pytest.raises(KeyReused) as told:
        again(w, **updates)
    assert told.value.differing == named
    assert status_of(told.value) == 422
    assert [field for field, _ in told.value.fields] == list(named)
    assert all(name in told.value.detail for name in named)
    assert not w.amazon.sent
    assert w.ledger.records == before
    assert len(w.ledger.keys) == 1


def source(*details: object) -> dict[str, object]:
    return {"transactionSource": {"sourceId": "Service", "sourceDetails": {"lines": list(details)}}}


def test_options_that_are_written_otherwise_are_the_same_order() -> None:
    # given an order whose options hold numbers and lists
    w = world()
    first = issue(order(given=source(Decimal(10), Decimal("0.5"), [None, True])), w.dependencies, w.budget())
    # when a library of the caller's writes the same numbers and members otherwise
    same = source(Decimal("1E+1"), Decimal("0.50"), (None, True))
    turned = {"transactionSource": dict(reversed(same["transactionSource"].items()))}  # type: ignore[attr-defined]
    second = again(w, given=turned)
    # then it is a repeat
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert first.record.request_id == second.record.request_id
    assert len(w.ledger.records) == 1


@pytest.mark.parametrize(
    "details",
    [
        (Decimal(10), [None, True], Decimal("0.5")),
        (Decimal(10), Decimal("0.5"), [None, False]),
        (Decimal(10), Decimal("0.51"), [None, True]),
        ("10", Decimal("0.5"), [None, True]),
        (Decimal(10), Decimal("0.5")),
    ],
    ids=["another order of a list", "another word", "another number", "a text for a number", "one less"],
)
def test_options_that_say_something_else_are_another_order(details: tuple[object, ...]) -> None:
    w = world()
    issue(order(given=source(Decimal(10), Decimal("0.5"), [None, True])), w.dependencies, w.budget())
    with pytest.raises(KeyReused) as told:
        again(w, given=source(*details))
    assert told.value.differing == ("transactionSource",)


def test_a_key_used_for_another_operation_names_it() -> None:
    w = issued()
    activation = NewRequest(
        key="order-1", operation=Operation.ACTIVATE_GIFT_CARD, account="default", value=usd("25.00")
    )
    with pytest.raises(KeyReused) as told:
        issue(activation, w.dependencies, w.budget())
    assert told.value.differing == ("operation",)
    assert not w.amazon.sent


def test_an_account_that_became_another_partners_does_not_free_its_keys() -> None:
    w = issued(status=S.PENDING)
    w.accounts.accounts["default"] = account(partner_id="Other")
    response = again(w)
    assert isinstance(response, Accepted)
    assert len(w.ledger.records) == 1
    assert not w.amazon.sent


# ---- reading the card of a success --------------------------------------------------------------


@pytest.mark.parametrize("outcome", [REFUNDED, EXPIRED, OTHER_VALUE], ids=["refunded", "expired", "another value"])
def test_a_card_that_amazon_no_longer_shows_as_live_is_withheld(outcome: Outcome) -> None:
    w = issued()
    w.amazon.script = [outcome]
    with pytest.raises(StateConflict):
        again(w)
    assert next(iter(w.ledger.records.values())).status is S.SUCCEEDED


@pytest.mark.parametrize("outcome", [TIMED_OUT, THROTTLED, REFUSED], ids=["lost", "throttled", "refused"])
def test_a_success_whose_card_cannot_be_read_now_is_accepted_and_changes_nothing(outcome: Outcome) -> None:
    w = issued()
    before = dict(w.ledger.records)
    w.amazon.script = [outcome] * 50
    response = again(w)
    assert isinstance(response, Accepted)
    assert w.ledger.records == before


def test_a_card_that_is_another_than_the_one_issued_is_withheld() -> None:
    w = issued(gc_id="GC-of-old")
    with pytest.raises(StateConflict, match="another card"):
        again(w)


def test_a_cancel_while_the_card_is_read_withholds_the_code() -> None:
    w = issued()
    (request_id,) = w.ledger.records

    def cancelled_meanwhile(sent: Sent) -> Succeeded:
        w.ledger.apply(accept_cancel(w.ledger.records[request_id], w.clock.now()), "cancel")
        return Succeeded(card(sent.call))

    w.amazon.script = [cancelled_meanwhile]
    with pytest.raises(StateConflict) as told:
        again(w)
    assert told.value.request_status == S.REVERSING


def test_a_card_whose_ledger_cannot_be_read_afterwards_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    w = issued()

    def lose_the_ledger(sent: Sent) -> Succeeded:
        def fail(request_id: str) -> Record | None:
            raise LedgerUnavailable("get", in_doubt=False)

        monkeypatch.setattr(w.ledger, "get", fail)
        return Succeeded(card(sent.call))

    w.amazon.script = [lose_the_ledger]
    with pytest.raises(LedgerUnavailable):
        again(w)


def test_a_repeat_whose_key_is_refused_also_when_read_anew_names_the_account() -> None:
    w = issued()
    w.amazon.script = [KEY_IS_REFUSED] * 50
    with pytest.raises(GatewayError) as told:
        again(w)
    assert (status_of(told.value), told.value.code) == (503, "AccountUnusable")
    assert w.accounts.reread == 1
    assert len(w.amazon.sent) == 2


# ---- generations --------------------------------------------------------------------------------


def chain(w: World, *statuses: Status) -> list[str]:
    """Generations in these states, the first being the order's own record."""
    (first,) = w.ledger.records.values()
    ids = [first.request_id, *(f"Test1GEN{number}" for number in range(1, len(statuses)))]
    for number, status in enumerate(statuses):
        w.ledger.records[ids[number]] = replace(
            first,
            request_id=ids[number],
            status=status,
            generation=number,
            replaces=ids[number - 1] if number else None,
            replaced_by=ids[number + 1] if number + 1 < len(ids) else None,
            gc_id=f"GC{ids[number][-8:]}",
        )
    return ids


def test_a_key_whose_request_cannot_be_seen_yet_is_not_called_unused() -> None:
    w = issued()
    assert find_by_key("order-2", w.ledger) is None
    w.ledger.records.clear()
    with pytest.raises(LedgerUnavailable):
        find_by_key(order().key, w.ledger)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_every_id_of_a_chain_and_its_key_resolve_to_the_newest_generation(length: int) -> None:
    w = issued()
    ids = chain(w, *[S.REVERSED] * (length - 1), S.SUCCEEDED)
    assert {find(request_id, w.ledger).request_id for request_id in ids} == {ids[-1]}
    found = find_by_key(order().key, w.ledger)
    assert found is not None
    assert found.request_id == ids[-1]
    response = again(w)
    assert isinstance(response, Delivered)
    assert response.record.request_id == ids[-1]
    assert w.amazon.sent[0].call.request_id == ids[-1]


@pytest.mark.parametrize("newest", [S.PENDING, S.RECOVERING, S.REVERSING])
def test_reversed_is_not_answered_while_a_successor_is_open(newest: Status) -> None:
    w = issued()
    chain(w, S.REVERSED, S.REVERSED, newest)
    response = again(w)
    assert isinstance(response, Accepted)
    assert response.record.status is newest


def test_reversed_is_answered_once_the_newest_generation_is() -> None:
    w = issued()
    ids = chain(w, S.REVERSED, S.REVERSED)
    with pytest.raises(StateConflict) as told:
        again(w)
    assert (told.value.request_status, told.value.request_id) == (S.REVERSED, ids[-1])


def test_a_missing_successor_is_never_taken_for_reversed() -> None:
    w = issued()
    ids = chain(w, S.REVERSED, S.SUCCEEDED)
    del w.ledger.records[ids[1]]
    with pytest.raises(LedgerUnavailable):
        again(w)
