"""What the stack tests of orders share: keys, request ids known beforehand, faults for one request, what came of it."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from incentives.aws.items import format_time
from incentives.domain.operations import Operation
from incentives.domain.single_requests.request_ids import derive_request_id, hash_key
from local import keys
from local.signing import Response
from tests.stack.cloud import Cloud

ORDER = {"amount": "25.00", "currencyCode": "USD"}

#: An account whose bulk orders wait for a second person if their sum is above this.
NEEDS_APPROVAL, APPROVAL_ABOVE = "own-approval", "20"

# A condition that has not come true by then never will.
PATIENCE_SECONDS = 90.0


CREATE, ACTIVATE, LOAD = Operation.CREATE_GIFT_CARD, Operation.ACTIVATE_GIFT_CARD, Operation.LOAD_AMAZON_BALANCE
COLLECTIONS = {CREATE: "/gift-cards", ACTIVATE: "/activations", LOAD: "/balance-loads"}
REVERSALS = {CREATE: "cancel", ACTIVATE: "deactivate", LOAD: "void"}
_REPORTED = {CREATE: "cards", ACTIVATE: "activations", LOAD: "loads"}


@dataclass(frozen=True)
class OwnAccount:
    """An account of its own, so that no other test meets its keys."""

    cloud: Cloud
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def account(self) -> str:
        return f"own-{self.mark[:8]}"

    @property
    def partner(self) -> str:
        return f"R{self.mark[:4]}"

    @property
    def secret_id(self) -> str:
        return f"{self.cloud.outputs.accountSecretId.removesuffix(f'/{self.cloud.outputs.accountName}')}/{self.account}"

    @property
    def secrets(self) -> Any:
        return self.cloud.client("secretsmanager")

    def key(self, name: str) -> keys.AccountKeys:
        return keys.AccountKeys(self.partner, "US", f"{self.mark[:8]}{name}", f"dummy-{name}-{self.mark}")

    def put(self, key: keys.AccountKeys) -> None:
        keys.put(self.secrets, self.secret_id, key, datetime.now(UTC))

    @contextmanager
    def at_amazon(self, key: keys.AccountKeys) -> Iterator[None]:
        """With this key, and with the sandbox's way to tell of a wrong one put back in the end."""
        before = self.cloud.sandbox.get("options")["wrongSignature"]
        pair = {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key}
        self.cloud.sandbox.post("accounts", {"partnerId": self.partner, "currencies": ["USD"], **pair})
        yield
        self.cloud.sandbox.post("options", {"wrongSignature": before})


@dataclass(frozen=True)
class Placed:
    """One order under a key, and of a card or customer, of its own, with the request id that it will have.

    Attributes:
        own: the account, if it is not the default one.
    """

    cloud: Cloud
    operation: Operation = CREATE
    own: OwnAccount | None = None
    key: str = field(default_factory=lambda: f"order-{uuid.uuid4().hex}")
    number: int = field(default_factory=lambda: uuid.uuid4().int % 10**15)

    @property
    def request_id(self) -> str:
        return self.id_of(generation=0)

    def id_of(self, *, generation: int) -> str:
        """Derived as the gateway derives it, so that faults can be scripted before the order is placed."""
        outputs = self.cloud.outputs
        partner, account = (
            (self.own.partner, self.own.account) if self.own else (outputs.partnerId, outputs.accountName)
        )
        return derive_request_id(partner, account, self.operation, hash_key(self.key), generation)

    @property
    def route(self) -> str:
        return f"{COLLECTIONS[self.operation]}/{self.request_id}"

    @property
    def secret(self) -> str:
        """The card's number, or the customer's id."""
        return f"6006{self.number:015d}" if self.operation is ACTIVATE else f"amzn1.account.{self.number:015d}"

    def fault(self, kind: str, *, operation: str | None = None, **members: object) -> None:
        """Script a fault for this request alone."""
        rule = {"operation": operation or self.operation.value, "requestId": self.request_id, "kind": kind, **members}
        self.cloud.sandbox.post("faults", rule)

    def place(self, *, later: bool = False, **members: object) -> Response:
        """Send it, or send it again; later: its caller does not wait, it is to be issued from the backlog."""
        own: dict[Operation, dict[str, object]] = {
            CREATE: {}, ACTIVATE: {"cardNumber": self.secret},
            LOAD: {"customerAccount": {"id": self.secret, "type": "2"}},
        }  # fmt: skip
        account = {"account": self.own.account} if self.own else {}
        body = {**ORDER, **account, **own[self.operation], **members}
        headers = {"Prefer": "respond-async"} if later else {}
        return self.cloud.call("POST", COLLECTIONS[self.operation], body, key=self.key, headers=headers)

    def undo(self) -> Response:
        return self.cloud.call("POST", f"{self.route}/{REVERSALS[self.operation]}")

    def read(self) -> dict[str, Any]:
        """The ledger's record."""
        item = self.cloud.ledger.get_item(Key={"id": self.request_id}, ConsistentRead=True).get("Item")
        assert item is not None
        return item

    def cards(self) -> list[dict[str, Any]]:
        """What the sandbox has made of it."""
        made = self.cloud.sandbox.report()[_REPORTED[self.operation]]
        return [each for each in made if each["requestId"] == self.request_id]

    def live_cards(self) -> list[dict[str, Any]]:
        return [card for card in self.cards() if card["status"] == "Fulfilled"]

    def calls(self, operation: str | None = None) -> int:
        """How often the sandbox was asked for it."""
        asked = (self.request_id, operation or self.operation.value)
        return [(call["requestId"], call["operation"]) for call in self.cloud.sandbox.report()["calls"]].count(asked)


def take_up(cloud: Cloud, request_ids: Iterable[str]) -> None:
    """Let requests that wait, or whose process died, be taken up now, and not when their time has come."""
    ledger, now = cloud.ledger, datetime.now(UTC)
    items = [ledger.get_item(Key={"id": each}, ConsistentRead=True).get("Item", {}) for each in request_ids]
    for item in items:
        if item.get("status") != "PENDING":
            continue
        with suppress(ledger.meta.client.exceptions.ConditionalCheckFailedException):
            ledger.update_item(
                Key={"id": item["id"]},
                UpdateExpression="SET wakeAt = :now, dueAt = :now",
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":now": format_time(now), ":version": item["version"]},
            )
    cloud.invoke("SweepRequests", {})


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
