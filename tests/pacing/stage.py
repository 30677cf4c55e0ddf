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


@dataclass(eq=False)
class _Seat:
    """A thread's place on the stage; it waits here for its turn.

    Attributes:
        action: what it lives through next; None: it goes on with what it is in.
    """

    turn: threading.Lock = field(default_factory=threading.Lock)
    action: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.turn.acquire()


#: Somebody who goes on, or begins, at a moment; those of one moment in the order in which they went to sleep.
_Sleeper = tuple[datetime, int, _Seat | Callable[[], None]]


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
        self._seats = threading.local()
        #: Of threads whose action has ended: a new thread costs more than a new action.
        self._free: list[_Seat] = []
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
        heapq.heappush(self._asleep, (due, next(self._numbers), action))

    def sleep(self, seconds: float) -> None:
        """Called by a worker: go on after this long; others have their turns meanwhile."""
        due = self.time + timedelta(seconds=max(seconds, 0.0))
        if (not self._asleep or due < self._asleep[0][0]) and due <= self.ends_by and self._failure is None:
            # Nobody is due before.
            self.time = due
            return
        me: _Seat = self._seats.mine
        heapq.heappush(self._asleep, (due, next(self._numbers), me))
        then = self._next()
        if then is me:
            return
        self._give_turn(then)
        me.turn.acquire()

    def run(self) -> None:
        """Let all workers live to their ends."""
        self._give_turn(self._next())
        over = self._over.wait(STUCK_AFTER_SECONDS)
        for seat in self._free:
            # Without an action it leaves.
            seat.turn.release()
        assert over, "a worker neither sleeps nor ends"
        if self._failure is not None:
            raise self._failure

    def _next(self) -> _Seat | Callable[[], None] | None:
        """Who is due next; then it is that time."""
        if not self._asleep or self._failure is not None:
            self._over.set()
            return None
        self.time, _, due = heapq.heappop(self._asleep)
        if self.time > self.ends_by:
            self._failure = AssertionError(f"not over after {self.seconds:.0f} s")
            self._over.set()
            return None
        return due

    def _give_turn(self, due: _Seat | Callable[[], None] | None) -> None:
        if isinstance(due, _Seat):
            due.turn.release()
        elif due is not None and self._free:
            seat = self._free.pop()
            seat.action = due
            seat.turn.release()
        elif due is not None:
            threading.Thread(target=self._live, args=(due,), name="worker", daemon=True).start()

    def _live(self, action: Callable[[], None] | None) -> None:
        me = self._seats.mine = _Seat()
        while action is not None:
            try:
                action()
            except BaseException as error:  # noqa: BLE001 - `run` raises it
                self._failure = error
            then = self._next()
            if then is None:
                return
            if not isinstance(then, _Seat):
                action = then
                continue
            me.action = None
            self._free.append(me)
            self._give_turn(then)
            me.turn.acquire()
            action = me.action
