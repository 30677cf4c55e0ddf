"""Threads for calls that block. The process ends without waiting for them, as the standard library's would have it."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Threads(Executor):
    """Runs each call in a thread of its own, so many at a time; what is over waits."""

    def __init__(self, at_a_time: int) -> None:
        self._free = threading.Semaphore(at_a_time)

    def submit(self, call: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> "Future[Result]":
        """Run a call once there is room for it."""
        future: Future[Result] = Future()

        def run() -> None:
            with self._free:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    future.set_result(call(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - told to whoever waits for it
                    future.set_exception(error)

        threading.Thread(target=run, name="call", daemon=True).start()
        return future
