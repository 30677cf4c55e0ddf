"""What the stack tests of orders share: keys, request ids known beforehand, faults for one request, what came of it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from incentives.domain.operations import Operation
from incentives.domain.request_ids import derive_request_id, hash_key
from local.signing import Answer
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
        return f"/gift-cards/{self.request_id}"

    def fault(self, kind: str, *, operation: str = "CreateGiftCard", **members: object) -> None:
        rule = {"operation": operation, "requestId": self.request_id, "kind": kind, **members}
        self.cloud.sandbox.post("faults", rule)

    def place(self, **members: object) -> Answer:
        return self.cloud.call("POST", "/gift-cards", {**ORDER, **members}, key=self.key)

    def read(self) -> dict[str, Any]:
        item = self.cloud.ledger.get_item(Key={"id": self.request_id}, ConsistentRead=True).get("Item")
        assert item is not None
        return item

    def cards(self) -> list[dict[str, Any]]:
        return [card for card in self.cloud.sandbox.report()["cards"] if card["requestId"] == self.request_id]

    def live_cards(self) -> list[dict[str, Any]]:
        return [card for card in self.cards() if card["status"] == "Fulfilled"]

    def calls(self, operation: str = "CreateGiftCard") -> int:
        report = self.cloud.sandbox.report()["calls"]
        return sum(call["requestId"] == self.request_id and call["operation"] == operation for call in report)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.05)
