"""A bulk order that is placed and watched through everything, as its owner and an operator would."""

from __future__ import annotations

import csv
import io
import threading
import time
from decimal import Decimal
from http.client import HTTPException
from typing import Any, Final

from local.signing import send
from tests.chaos.callers import Crowd, Told
from tests.stack.cloud import Cloud

LOOK_SECONDS: Final = 3.0

#: An order that has got no further for so long is started again: its execution may have died.
STUCK_SECONDS: Final = 20.0


class BulkOrder:
    def __init__(self, cloud: Cloud, crowd: Crowd, key: str, rows: int) -> None:
        self.order: dict[str, Any] = {}
        self.restarted = 0
        self._cloud = cloud
        self._crowd = crowd
        self._key = key
        self._lines = [f"{key}-{n},{1 + n % 9}.25,USD,chaos {n}" for n in range(rows)]
        self._started = False
        self._moved_at = time.monotonic()

    @property
    def finished(self) -> bool:
        return bool(self.order.get("status") == "FINISHED")

    def watch(self, stop: threading.Event) -> None:
        """Place it, then look at it until it is finished or nobody wants to look any more."""
        while not stop.is_set() and not self.finished:
            self.look()
            stop.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Do what is to be done next; whatever fails is done again at the next look."""
        if not self._started:
            self._start()
            return
        read = self._tell("GetOrder", "GET", f"/orders/{self.order['orderId']}")
        if read.status != 200:
            return
        if read.body["counts"] != self.order.get("counts") or read.body["status"] != self.order.get("status"):
            self._moved_at = time.monotonic()
        self.order = read.body
        if not self.finished and time.monotonic() - self._moved_at > STUCK_SECONDS:
            action = "resume" if self.order["status"] == "PAUSED" else "start"
            response = self._tell("ControlOrder", "POST", f"/orders/{self.order['orderId']}/{action}")
            self.restarted += response.status == 202
            self._moved_at = time.monotonic()

    def result(self) -> dict[str, tuple[str, Decimal]]:
        """Card and amount of each row that was issued, by its request id."""
        response = send("GET", self.order["result"]["url"], caller=None, region="")
        rows = csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff")))
        return {row["requestId"]: (row["gcId"], Decimal(row["amount"])) for row in rows if row["outcome"] == "issued"}

    def _start(self) -> None:
        made = self._tell("CreateOrder", "POST", "/orders", {"format": "csv"}, key=self._key)
        if made.status not in {200, 201}:
            return
        self.order = made.body
        if (upload := made.body["upload"]) is not None:
            content = "\n".join(["key,amount,currency,reference", *self._lines, ""]).encode()
            try:
                put = send(
                    upload["method"], upload["url"], caller=None, region="", body=content, headers=upload["headers"]
                )
            except (OSError, HTTPException):
                return
            if put.status != 200:
                return
        started = self._tell("ControlOrder", "POST", f"/orders/{made.body['orderId']}/start")
        # 409: an earlier start, whose response was lost, has taken effect.
        self._started = started.status in {202, 409}

    def _tell(self, function: str, method: str, route: str, body: object = None, key: str | None = None) -> Told:
        return self._crowd.tell("bulk", None, function, method, route, body, key)
