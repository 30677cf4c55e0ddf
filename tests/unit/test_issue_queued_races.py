"""The backlog's worker, and others at the same time: another worker, the sweep, a cancel, a repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Status
from incentives.usecases.recovery.start_recovery import sweep
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import issue
from incentives.usecases.single_requests.results import Accepted, Delivered
from tests.support.fakes import START, World
from tests.support.workflow import run_execution
from tests.unit.builders import HOUR, order
from tests.unit.queued import only, take_up, waiting

S = Status
CREATE: Final = Operation.CREATE_GIFT_CARD

#: Where one worker is when something else happens.
POINTS: Final = (
    ("ledger", "get"),
    ("rate_limiter", "reserve"),
    ("accounts", "get"),
    ("amazon", "sign"),
    ("ledger", "apply"),
    ("amazon", "attempt"),
)


def in_between(w: World, at: tuple[str, str], happens: Callable[[], object]) -> None:
    """Something happens once, when a port's method is called: after it was carried out, but before a send is."""
    port, method = getattr(w, at[0]), at[1]
    real = getattr(port, method)

    def interrupted(*args: Any, **options: Any) -> Any:
        setattr(port, method, real)
        if method in {"apply", "attempt"}:
            happens()
            return real(*args, **options)
        result = real(*args, **options)
        happens()
        return result

    setattr(port, method, interrupted)


@pytest.mark.parametrize("at", POINTS, ids=".".join)
def test_two_workers_at_once_issue_once(at: tuple[str, str]) -> None:
    w = waiting()
    in_between(w, at, lambda: take_up(w))

    take_up(w)

    assert (only(w).status, only(w).attempts) == (S.SUCCEEDED, 1)
    assert w.amazon.names == ["CreateGiftCard"]
    assert w.backlog.puts == []


@pytest.mark.parametrize("at", POINTS, ids=".".join)
def test_a_sweep_at_the_same_time_puts_it_again_and_disturbs_nobody(at: tuple[str, str]) -> None:
    w = waiting()
    w.clock.time = START + HOUR
    in_between(w, at, lambda: sweep(w.dependencies))

    take_up(w)
    take_up(w)

    assert (only(w).status, only(w).attempts, only(w).epoch) == (S.SUCCEEDED, 1, 0)
    assert w.amazon.names == ["CreateGiftCard"]
    assert w.recoveries.started == []


@pytest.mark.parametrize("at", POINTS, ids=".".join)
def test_a_cancel_at_the_same_time_is_not_undone(at: tuple[str, str]) -> None:
    w = waiting()
    in_between(w, at, lambda: cancel(only(w).request_id, CREATE, None, w.dependencies, w.budget()))

    take_up(w)
    assert only(w).status is S.REVERSING
    assert only(w).card_seen == (at == ("amazon", "attempt")), "what its worker has seen of it is known"
    run_execution(*w.recoveries.started[-1], w.dependencies)

    assert only(w).status is S.REVERSED
    assert w.amazon.names == (["CreateGiftCard", "CancelGiftCard"] if at == ("amazon", "attempt") else [])
    assert w.backlog.puts == []


@pytest.mark.parametrize("at", POINTS, ids=".".join)
def test_a_repeat_at_the_same_time_sends_nothing(at: tuple[str, str]) -> None:
    w = waiting()
    responses: list[Delivered | Accepted] = []
    in_between(w, at, lambda: responses.append(issue(order(), w.dependencies, w.budget())))

    take_up(w)

    assert [type(response) for response in responses] == [Accepted]
    assert only(w).status is S.SUCCEEDED
    assert w.amazon.names == ["CreateGiftCard"]
