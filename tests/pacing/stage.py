"""Virtual time for many workers: threads that take turns, and a clock that moves only when all of them sleep."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

#: Real seconds after which a run is taken for stuck.
STUCK_AFTER_SECONDS: Final = 300.0


@dataclass(order=True)
class _Sleeper:
    """Somebody who goes on, or begins, at a moment; those of one moment in the order in which they went to sleep."""

    due: datetime
    number: int
    action: Callable[[], None] | None = field(compare=False, default=None)
    turn: threading.Lock = field(compare=False, default_factory=threading.Lock)


class Stage:
    """Where workers take turns.

    Attributes:
        time: the true time.
        started: when it began.
        ends_by: a run that is not over by then has failed.
    """

    def __init__(self, start: datetime, ends_by: datetime) -> None:
        self.time = self.started = start
        self.ends_by = ends_by
        self._asleep: list[_Sleeper] = []
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._failure: BaseException | None = None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return (self.time - self.started).total_seconds()

    def now(self) -> datetime:
        return self.time

    def spawn(self, action: Callable[[], None], *, after_seconds: float = 0.0) -> None:
        """Have somebody begin later on."""
        due = self.time + timedelta(seconds=after_seconds)
        heapq.heappush(self._asleep, _Sleeper(due, next(self._numbers), action))

    def sleep(self, seconds: float) -> None:
        """Called by a worker: go on after this long; others have their turns meanwhile."""
        me = _Sleeper(self.time + timedelta(seconds=max(seconds, 0.0)), next(self._numbers))
        me.turn.acquire()
        heapq.heappush(self._asleep, me)
        if self._next_turn() is not me:
            me.turn.acquire()

    def run(self) -> None:
        """Let all workers live to their ends."""
        self._next_turn()
        assert self._over.wait(STUCK_AFTER_SECONDS), "a worker neither sleeps nor ends"
        if self._failure is not None:
            raise self._failure

    def _next_turn(self) -> _Sleeper | None:
        """Give the turn to whoever is due next; says who that is."""
        if not self._asleep or self._failure is not None:
            self._over.set()
            return None
        due = heapq.heappop(self._asleep)
        self.time = due.due
        if self.time > self.ends_by:
            self._failure = AssertionError(f"not over after {self.seconds:.0f} s")
            self._over.set()
            return None
        if due.action is not None:
            threading.Thread(target=self._live, args=(due.action,), name="worker", daemon=True).start()
        else:
            due.turn.release()
        return due

    def _live(self, action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - `run` raises it
            self._failure = error
        self._next_turn()
