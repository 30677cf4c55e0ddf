"""What the stack tests of bulk orders share: an order, its rows and their request ids, what became of them."""

import csv
import io
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from incentives.domain.bulk_orders.bulk_order import derive_order_id, row_idempotency_key
from incentives.domain.operations import Operation
from incentives.domain.single_requests.request_ids import derive_request_id, hash_key
from local.signing import Response, send
from tests.stack.cloud import Cloud
from tests.stack.orders import PATIENCE_SECONDS, OwnAccount, take_up

#: Beside the patience for anything: the emulator issues about two rows a second, and has been seen to do one.
SECONDS_PER_ROW = 1.5


@dataclass(frozen=True)
class Bulk:
    """One bulk order with a key of its own, and the request ids that its rows will have.

    Attributes:
        own: the account, if it is not the default one.
    """

    cloud: Cloud
    rows: int
    own: OwnAccount | None = None
    key: str = field(default_factory=lambda: f"bulk-{uuid.uuid4().hex}")

    @property
    def account(self) -> str:
        return self.own.account if self.own else self.cloud.outputs.accountName

    @property
    def id(self) -> str:
        return derive_order_id(self.account, self.key)

    @property
    def route(self) -> str:
        return f"/orders/{self.id}"

    def row(self, number: int) -> str:
        """Its key, which no other order has: the same rows are issued once."""
        return f"{self.key}-{number}"

    def amount(self, number: int) -> str:
        return f"{1 + number % 9}.50"

    @property
    def csv(self) -> str:
        lines = [f"{self.row(n)},{self.amount(n)},USD,bulk {n}" for n in range(self.rows)]
        return "\n".join(["key,amount,currency,reference", *lines, ""])

    @cached_property
    def request_ids(self) -> list[str]:
        partner = self.own.partner if self.own else self.cloud.outputs.partnerId
        return [
            derive_request_id(
                partner,
                self.account,
                Operation.CREATE_GIFT_CARD,
                hash_key(row_idempotency_key(self.id, self.row(n))),
                0,
            )
            for n in range(self.rows)
        ]

    def fault(self, number: int, **rule: object) -> None:
        self.cloud.sandbox.post(
            "faults", {"operation": "CreateGiftCard", "requestId": self.request_ids[number], **rule}
        )

    def make(self, **members: object) -> Response:
        return self.cloud.call("POST", "/orders", {"format": "csv", "account": self.account, **members}, key=self.key)

    def put(self, made: Response, content: str) -> Response:
        upload = made.body["upload"]
        return send(
            upload["method"], upload["url"], caller=None, region="", body=content.encode(), headers=upload["headers"]
        )

    def do(self, action: str, body: object = None) -> Response:
        return self.cloud.call("POST", f"{self.route}/{action}", body)

    def read(self) -> dict[str, Any]:
        response = self.cloud.call("GET", self.route)
        assert response.status == 200, response.text
        found: dict[str, Any] = response.body
        return found

    def start(self, **members: object) -> None:
        made = self.make(**members)
        assert made.status == 201, made.text
        assert self.put(made, self.csv).status == 200
        assert self.do("start").status == 202

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Read it until a condition holds; return it as it then was."""
        end = time.monotonic() + PATIENCE_SECONDS + SECONDS_PER_ROW * self.rows
        while not condition(order := self.read()):
            assert time.monotonic() < end, f"waited in vain until {what}: {order}"
            time.sleep(0.5)
        return order

    def wait_for_the_end(self) -> dict[str, Any]:
        """What is still open is taken up now, not when the schedule's minute is over; return it as it then was."""

        def is_finished(order: dict[str, Any]) -> bool:
            if order["status"] != "FINISHED":
                take_up(self.cloud, self.request_ids)
            return bool(order["status"] == "FINISHED")

        return self.wait_for(is_finished, "it is finished")

    def result(self) -> list[dict[str, str]]:
        url = self.read()["result"]["url"]
        response = send("GET", url, caller=None, region="")
        assert response.status == 200, response.text
        return list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))

    def cards(self) -> list[dict[str, Any]]:
        """What the sandbox has made of its rows and charged."""
        ids = {*self.request_ids}
        report = self.cloud.sandbox.report()
        return [card for card in report["cards"] if card["requestId"] in ids and card["status"] == "Fulfilled"]
