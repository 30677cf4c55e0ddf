"""What the stack tests of orders share: keys, request ids known beforehand, faults for one request, what came of it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from incentives.domain.operations import Operation
from incentives.domain.single_requests.request_ids import derive_request_id, hash_key
from local.signing import Response
from tests.stack.cloud import Cloud

ORDER = {"amount": "25.00", "currencyCode": "USD"}

# A condition that has not come true by then never will.
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Placed:
    """One order under a key of its own, with the request id that it will have."""

    cloud: Cloud
    key: str = field(default_factory=lambda: f"order-{uuid.uuid4().hex}")

    @property
    def request_id(self) -> str:
        """Derived as the gateway derives it, so that faults can be scripted before the order is placed."""
        outputs = self.cloud.outputs
        return derive_request_id(
            outputs.partnerId, outputs.accountName, Operation.CREATE_GIFT_CARD, hash_key(self.key), 0
        )

    @property
    def route(self) -> str:
        """Where it can be read."""
        return f"/gift-cards/{self.request_id}"

    def fault(self, kind: str, *, operation: str = "CreateGiftCard", **members: object) -> None:
        """Script a fault for this request alone."""
        rule = {"operation": operation, "requestId": self.request_id, "kind": kind, **members}
        self.cloud.sandbox.post("faults", rule)

    def place(self, **members: object) -> Response:
        """Send it, or send it again."""
        return self.cloud.call("POST", "/gift-cards", {**ORDER, **members}, key=self.key)

    def read(self) -> dict[str, Any]:
        """The ledger's record."""
        item = self.cloud.ledger.get_item(Key={"id": self.request_id}, ConsistentRead=True).get("Item")
        assert item is not None
        return item

    def cards(self) -> list[dict[str, Any]]:
        """What the sandbox has made of it."""
        return [card for card in self.cloud.sandbox.report()["cards"] if card["requestId"] == self.request_id]

    def live_cards(self) -> list[dict[str, Any]]:
        """Its cards that are charged."""
        return [card for card in self.cards() if card["status"] == "Fulfilled"]

    def calls(self, operation: str = "CreateGiftCard") -> int:
        """How often the sandbox was asked for it."""
        report = self.cloud.sandbox.report()["calls"]
        return sum(call["requestId"] == self.request_id and call["operation"] == operation for call in report)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return once a condition holds.

    What takes long to see is looked at less often: looking is work for the cloud whose work is waited for.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        begun = time.monotonic()
        if condition():
            return
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(max(0.05, 2 * (time.monotonic() - begun)))
