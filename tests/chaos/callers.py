"""Callers: a handful of threads that ask for what the plan says when it says so, and remember what they were told."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final

from tests.chaos.plan import COLLECTIONS, RACERS, REVERSALS, Order, Plan, Visit, What, calls_of
from tests.stack.cloud import Cloud

#: A caller who was told of a server's error asks again after so many seconds, this often at most; one whom nobody
#: answered waits longer.
AGAIN_AFTER_SECONDS: Final = 2.0
AGAIN_MAX: Final = 3
AWAY_SECONDS: Final = 5.0

#: What asks for a card, with the order's key.
ORDERING: Final = frozenset({What.ORDER, What.REPEAT, What.RACE})

#: Calls that are refused as malformed or not found, and so start processes and nothing else.
WARMING: Final = (
    ("POST", "/gift-cards"),
    ("POST", "/gift-cards/none/cancel"),
    ("POST", "/gift-cards/none/claim-code"),
    ("GET", "/gift-cards/none"),
    ("POST", "/activations"),
    ("POST", "/balance-loads"),
)
WARM: Final = 3

_FUNCTIONS: Final = {
    "/gift-cards": ("CreateGiftCard", "CancelGiftCard", "GetGiftCard"),
    "/activations": ("ActivateGiftCard", "DeactivateGiftCard", "GetActivation"),
    "/balance-loads": ("LoadAmazonBalance", "VoidAmazonBalanceLoad", "GetBalanceLoad"),
}


@dataclass(frozen=True)
class Told:
    """One call and its response.

    Attributes:
        function: that answers the route, as the deployment calls it.
        status: HTTP's; None if there was no response at all.
        body: read as JSON; holds claim codes, and so is never written anywhere.
    """

    what: What | str
    order: int | None
    function: str
    asked_at: datetime
    answered_at: datetime
    status: int | None
    body: Any = field(repr=False)
    retry_after: str | None = None

    @property
    def failed(self) -> bool:
        return self.status is None or self.status >= 500

    @property
    def kind(self) -> str:
        """What kind of a server's error it is, as far as it says."""
        said = self.body if isinstance(self.body, dict) else {}
        if (message := said.get("message")) and message.startswith("{"):
            # The emulator's own words for a function that did not answer.
            message = json.loads(message).get("errorMessage")
        return f"{self.status or 'no answer'} {said.get('errorType') or str(message or '')[:70]}".strip(" .:")

    @property
    def is_contract(self) -> bool:
        """Whether it is a 503 as the API's description has it: what it is, that it may be repeated, and when."""
        return (
            self.status == 503
            and isinstance(self.body, dict)
            and self.body.get("retryable") is True
            and bool(self.body.get("errorType"))
            and (self.retry_after or "").isdigit()
        )


class Crowd:
    """The callers of one run: so many of them wait at the same time."""

    def __init__(self, cloud: Cloud, plan: Plan, callers: int) -> None:
        self.told: list[Told] = []
        self.planned = sum(map(calls_of, plan.visits))
        self.late = 0.0
        self._cloud = cloud
        self._plan = plan
        self._callers = callers
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._due: list[tuple[float, int, Visit, int]] = []
        for visit in plan.visits:
            self._push(visit, 0)

    def warm_up(self) -> None:
        """Have processes started, as a system that has been in use for a while has them; nothing of it is ordered."""
        with ThreadPoolExecutor(self._callers) as pool:
            for method, route in WARMING:
                for _ in range(WARM):
                    pool.submit(self._cloud.call, method, route, {})

    def run(self, seconds: float, stop: threading.Event) -> None:
        """Carry out the plan for so long; what has not begun by then is not asked for any more."""
        begun = time.monotonic()

        def work() -> None:
            while not stop.is_set() and (entry := self._next(begun, seconds, stop)):
                visit, tries = entry
                self._visit(visit, tries, time.monotonic() - begun)

        with ThreadPoolExecutor(self._callers) as pool:
            for future in [pool.submit(work) for _ in range(self._callers)]:
                future.result()

    def ask_again(self, orders: Iterable[Order]) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda order: self.call(What.REPEAT, order), orders))

    def call(self, what: What, order: Order | None) -> Told:
        return self.tell(what, order, *self._request(what, order))

    def tell(
        self,
        what: What | str,
        order: Order | None,
        function: str,
        method: str,
        route: str,
        body: object,
        key: str | None,
    ) -> Told:
        asked_at = datetime.now(UTC)
        status, answered, retry_after = None, None, None
        try:
            response = self._cloud.call(method, route, body, key=key)
        except (OSError, HTTPException):
            # Nobody answered: the emulator is being restarted.
            answered_at = datetime.now(UTC)
            time.sleep(AWAY_SECONDS)
        else:
            answered_at = datetime.now(UTC)
            status, retry_after = response.status, response.headers.get("retry-after")
            try:
                answered = response.body
            except ValueError:
                answered = None
        told = Told(
            what,
            order.number if order else None,
            self._cloud.outputs.functionNames[function],
            asked_at,
            answered_at,
            status,
            answered,
            retry_after,
        )
        with self._lock:
            self.told.append(told)
        return told

    def _visit(self, visit: Visit, tries: int, at: float) -> None:
        self.late = max(self.late, at - visit.at)
        order = None if visit.order is None else self._plan.orders[visit.order]
        if visit.what is What.RACE:
            with ThreadPoolExecutor(RACERS) as pool:
                results = list(pool.map(lambda _: self.call(What.RACE, order), range(RACERS)))
            failed = all(told.failed for told in results)
        else:
            failed = self.call(visit.what, order).failed
        if failed and tries < AGAIN_MAX and visit.what in ORDERING | {What.CANCEL}:
            again = What.REPEAT if visit.what in ORDERING else What.CANCEL
            self._push(Visit(at + AGAIN_AFTER_SECONDS, again, visit.order), tries + 1)

    def _push(self, visit: Visit, tries: int) -> None:
        with self._lock:
            heapq.heappush(self._due, (visit.at, next(self._order), visit, tries))

    def _next(self, begun: float, seconds: float, stop: threading.Event) -> tuple[Visit, int] | None:
        """The next visit, at its time; None when the time is over."""
        while (now := time.monotonic() - begun) < seconds and not stop.is_set():
            with self._lock:
                if self._due and self._due[0][0] <= now:
                    _, _, visit, tries = heapq.heappop(self._due)
                    return visit, tries
            stop.wait(0.05)
        return None

    def _request(self, what: What, order: Order | None) -> tuple[str, str, str, object, str | None]:
        """Function, method, route, body and key of a call."""
        if order is None:
            today = datetime.now(UTC).date()
            search = ("SearchRequests", "GET", f"/requests?from={today}&to={today}", None, None)
            return ("GetAvailableFunds", "GET", "/funds", None, None) if what is What.FUNDS else search
        collection = COLLECTIONS[order.operation]
        issue, reverse, read = _FUNCTIONS[collection]
        route = f"{collection}/{order.request_id(self._cloud.outputs)}"
        match what:
            case What.CANCEL:
                return reverse, "POST", f"{route}/{REVERSALS[order.operation]}", None, None
            case What.REVEAL if collection == "/gift-cards":
                return "RevealClaimCode", "POST", f"{route}/claim-code", None, None
            case What.STATUS if collection == "/activations":
                body = {"cardNumber": order.subject}
                return "CheckActivationStatus", "POST", "/activations/status-check", body, None
            case What.ORDER | What.REPEAT | What.RACE:
                return issue, "POST", collection, order.body, order.key
            case _:
                return read, "GET", route, None, None


def final(told: Told) -> bool:
    """Whether a response to an order leaves nothing to ask."""
    return told.status is not None and told.status < 500 and told.status != 202


def unsettled(plan: Plan, told: Iterable[Told]) -> list[Order]:
    """Orders whose callers were never told how they ended."""
    asked = {each.order for each in told if each.what in ORDERING}
    settled = {each.order for each in told if each.what in ORDERING and final(each)}
    return [order for order in plan.orders if order.number in asked - settled]
