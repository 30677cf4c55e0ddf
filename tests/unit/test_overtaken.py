"""A caller whose order somebody else has settled before the caller's own response came."""

from __future__ import annotations

from incentives.domain.outcomes import Outcome, ReversalOutcome, Reversed, Succeeded, Unknown, UnknownBecause
from incentives.domain.single_requests.record import Intent, Status
from incentives.usecases.recovery.start_recovery import start_recovery
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.results import Accepted
from tests.support.fakes import Sent, card, world
from tests.support.workflow import run_execution
from tests.unit.builders import order


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
