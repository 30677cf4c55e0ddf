"""Threads for calls that block. The process ends without waiting for them, unlike for those of the standard library."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class NoRoomError(Exception):
    """A call was not begun: others take too long."""


class Threads(Executor):
    """Runs each call in a thread of its own, so many at a time; what is over waits, and not for good."""

    def __init__(self, at_a_time: int, *, wait_seconds: float | None = None) -> None:
        """Begin with nothing to do.

        Args:
            at_a_time: calls.
            wait_seconds: how long one waits for room before it comes to nothing, with `NoRoomError`; None: as long as
                it takes.
        """
        self._free = threading.Semaphore(at_a_time)
        self._wait_seconds = wait_seconds

    def submit(self, call: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> "Future[Result]":
        """Run a call once there is room for it."""
        future: Future[Result] = Future()

        def run() -> None:
            if not self._free.acquire(timeout=self._wait_seconds):
                if future.set_running_or_notify_cancel():
                    future.set_exception(NoRoomError("Too many calls wait for a response already."))
                return
            try:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    future.set_result(call(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - told to whoever waits for it
                    future.set_exception(error)
            finally:
                self._free.release()

        threading.Thread(target=run, name="call", daemon=True).start()
        return future
