"""What must be true of every life at its end, whoever died in it."""

from __future__ import annotations

from incentives.domain.errors import RefusedByAmazon, StateConflict
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Intent, Status, TooLateStage
from incentives.domain.single_requests.renewal import is_renewable
from incentives.usecases.single_requests.results import Accepted, Delivered, Standing
from tests.unit.builders import code_of, gc_id_of
from tests.unit.lives import CARD_NUMBER, CUSTOMER, Life


def check(life: Life) -> None:
    """The ledger's end is what Amazon charges for, and a repeat says exactly that."""
    told = [response for response in life.responses if isinstance(response, Delivered)]
    assert life.amazon.live_max <= 1, "charged twice for one order"
    if life.first_id is None:
        assert not life.amazon.cards, "sent before it was recorded"
        assert not told
    else:
        _check_end(life)
    _check_nothing_leaked(life)
    _check_repeat(life)


def _check_end(life: Life) -> None:
    newest, charged = life.newest, life.amazon.live
    match newest.status:
        case Status.SUCCEEDED:
            assert list(charged) == [newest.request_id]
            assert not charged[newest.request_id].other_value, "another card than ordered"
            assert (
                newest.operation is not Operation.CREATE_GIFT_CARD or charged[newest.request_id].gc_id == newest.gc_id
            )
        case Status.REVERSED | Status.REFUSED:
            assert not charged, f"{newest.status}, and yet charged"
        case Status.ESCALATED:
            _check_case(life)
        case _:
            raise AssertionError(f"ended {newest.status}")
    for request_id in life.amazon.cards:
        assert request_id in life.world.ledger.records, "a charge nobody knows of"
    if _is_cancelled(life):
        assert newest.intent is Intent.REVERSE
        assert newest.status is not Status.SUCCEEDED or newest.too_late is TooLateStage.ALIVE, "a cancel was undone"


def _check_case(life: Life) -> None:
    newest = life.newest
    assert newest.conflict is not None or newest.too_late is TooLateStage.FINAL, "given up without a reason"
    assert newest.case_file is not None, "no case is stored"
    # An execution that goes between escalating and mailing is told by its own alarm.
    assert life.abandoned or (
        newest.mailed_at is not None and life.world.notifier.mails and life.world.notifier.notices
    )


def _is_cancelled(life: Life) -> bool:
    accepted = any(event == "cancelAccepted" for event, _ in life.world.telemetry.lines)
    return accepted and any(isinstance(response, Accepted | Standing) for response in life.responses)


def _check_nothing_leaked(life: Life) -> None:
    w = life.world
    kept = [*w.ledger.records.values(), *w.ledger.keys.values()]
    written = repr([*kept, *w.telemetry.lines, *w.notifier.mails, *w.notifier.notices])
    for secret in ("CANARY", CARD_NUMBER, CUSTOMER):
        assert secret not in written


def _check_repeat(life: Life) -> None:
    life.amazon.faults.clear()
    before, calls = life.amazon.live, life.amazon.calls
    known = life.first_id is not None
    unlooked_at = known and is_renewable(life.newest)
    repeat = life.issue()
    again = life.issue()
    if known and life.newest.status is not Status.SUCCEEDED:
        assert life.amazon.calls == calls, "a repeat of what has ended sends nothing"
        expected = RefusedByAmazon if life.newest.status is Status.REFUSED else StateConflict
        assert isinstance(repeat, expected)
        assert isinstance(again, expected)
        return
    assert isinstance(repeat, Delivered)
    assert isinstance(again, Delivered)
    (card,) = life.amazon.live.values()
    assert (repeat.replayed, again.replayed) == (known and not unlooked_at, True)
    assert not known or before == ({} if unlooked_at else life.amazon.live)
    if life.story.operation is Operation.CREATE_GIFT_CARD:
        assert gc_id_of(repeat) == gc_id_of(again) == card.gc_id
        assert code_of(repeat) == code_of(again) == card.code
