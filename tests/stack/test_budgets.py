"""Budgets on the local cloud: fifty at once for the last cards' worth, what comes back, and bulk orders."""

import json
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from local.signing import Response
from tests.stack.bulk import Bulk
from tests.stack.cloud import Cloud
from tests.stack.orders import ORDER, OwnAccount, Placed, wait_until

pytestmark = pytest.mark.stack

CALLERS = 50
#: Of those who were refused: so many have their card once the limit is raised.
MORE = 10
CARD = Decimal(ORDER["amount"])


@dataclass(frozen=True)
class Budget:
    """A budget of its own."""

    cloud: Cloud
    name: str = field(default_factory=lambda: f"budget-{uuid.uuid4().hex}")

    def set(self, limit: Decimal) -> None:
        """Make it, or give it another limit."""
        body = {"limit": {"amount": str(limit), "currencyCode": "USD"}, "period": "total", "active": True}
        response = self.cloud.call("PUT", f"/budgets/{self.name}", body)
        assert response.status == 200, response.text

    def figures(self) -> dict[str, Decimal]:
        response = self.cloud.call("GET", f"/budgets/{self.name}")
        assert (response.status, response.body["currencyCode"]) == (200, "USD"), response.text
        return {name: Decimal(response.body[name]) for name in ("limit", "held", "spent", "remaining")}

    def settles_at(self, *, spent: Decimal, limit: Decimal) -> None:
        """Wait until all that was held is spent or given back."""
        wanted = {"limit": limit, "held": Decimal(), "spent": spent, "remaining": limit - spent}
        wait_until(lambda: self.figures() == wanted, f"{spent} are spent and the rest of {limit} remains")


@pytest.fixture
def budget(cloud: Cloud) -> Budget:
    return Budget(cloud)


# ---- fifty at once -------------------------------------------------------------------------------


@dataclass
class Crowd:
    """Callers who want what the budget has for one of them."""

    cloud: Cloud
    budget: Budget
    own: OwnAccount
    keys: list[str]
    responses: dict[str, Response] = field(default_factory=dict)

    def place(self, key: str) -> Response:
        order = {**ORDER, "account": self.own.account, "budget": self.budget.name}
        return self.cloud.call("POST", "/gift-cards", order, key=key)

    def all_at_once(self, keys: list[str]) -> dict[str, Response]:
        with ThreadPoolExecutor(len(keys)) as pool:
            return dict(zip(keys, pool.map(self.place, keys), strict=True))

    @property
    def winner(self) -> str:
        (key,) = (key for key, response in self.responses.items() if response.status < 300)
        return key

    @property
    def losers(self) -> list[str]:
        return [key for key in self.keys if key != self.winner]

    def ledger(self) -> list[dict[str, Any]]:
        """All of its account: records and keys."""
        return [each for each in self.cloud.items(self.cloud.ledger) if each.get("account") == self.own.account]

    def calls(self) -> list[dict[str, Any]]:
        return [each for each in self.cloud.sandbox.report()["calls"] if each["account"] == self.own.partner]

    def cards(self) -> list[dict[str, Any]]:
        return [each for each in self.cloud.sandbox.report()["cards"] if each["requestId"].startswith(self.own.partner)]


@pytest.fixture(scope="module")
def crowd(cloud: Cloud) -> Iterator[Crowd]:
    own, budget = OwnAccount(cloud), Budget(cloud)
    key = own.key("budgets")
    with own.at_amazon(key):
        own.put(key)
        # given a budget that has enough for one card
        budget.set(CARD)
        found = Crowd(cloud, budget, own, [f"crowd-{uuid.uuid4().hex}" for _ in range(CALLERS)])
        # when fifty want it at once
        found.responses |= found.all_at_once(found.keys)
        yield found


def is_told(response: Response) -> bool:
    """That the budget does not allow it, and that the same key will do once it does."""
    assert response.status == 402, response.text
    assert (response.body["errorType"], response.body["retryable"]) == ("BudgetExceeded", True)
    assert response.body["requestId"] is None
    return True


def permits_taken(cloud: Cloud) -> int:
    """By the function that issues cards, as its metrics tell."""
    told = [json.loads(line) for line in cloud.logs(cloud.outputs.functionNames["CreateGiftCard"]) if "_aws" in line]
    waits = [each["PermitWait"] for each in told if "PermitWait" in each]
    return sum(len(each) if isinstance(each, list) else 1 for each in waits)


def test_one_of_fifty_has_the_last_of_a_budget(crowd: Crowd) -> None:
    # one has the card, or is told that it is on its way; all others that the budget does not allow it
    assert all(is_told(crowd.responses[key]) for key in crowd.losers)
    assert crowd.responses[crowd.winner].status in {201, 202}
    wait_until(lambda: len(crowd.cards()) == 1, "the card is there")
    # and nothing is written of theirs, and Amazon has not heard of them
    record, key = sorted(crowd.ledger(), key=lambda item: "status" not in item)
    assert (record["status"] in {"PENDING", "SUCCEEDED"}, key["requestId"]) == (True, record["id"])
    assert {each["requestId"] for each in crowd.calls()} == {record["id"]}
    assert crowd.budget.figures()["remaining"] == 0


def test_who_is_refused_again_and_again_takes_no_permits(cloud: Cloud, crowd: Crowd) -> None:
    before = permits_taken(cloud)
    # when all come again
    assert all(is_told(each) for each in crowd.all_at_once(crowd.losers).values())
    # then a process that has just heard of it looks at the budget before it takes a permit
    assert permits_taken(cloud) - before <= len(cloud.lambda_processes(cloud.outputs.functionNames["CreateGiftCard"]))


def test_a_repeat_has_its_card_while_the_budget_is_empty(crowd: Crowd) -> None:
    wait_until(lambda: crowd.place(crowd.winner).status == 200, "the card is issued")
    repeat = crowd.place(crowd.winner)
    assert repeat.headers["idempotent-replayed"] == "true"
    assert repeat.body["gcClaimCode"] == crowd.cards()[0]["claimCode"]


def test_a_refused_key_works_once_the_limit_is_raised(crowd: Crowd) -> None:
    # when the limit is raised by some cards
    limit = CARD * (1 + MORE)
    crowd.budget.set(limit)
    # then all who were refused may try again, and so many have their card, not one more
    again = crowd.all_at_once(crowd.losers)
    issued = [key for key, response in again.items() if response.status < 300]
    assert all(is_told(again[key]) for key in crowd.losers if key not in issued)
    assert len(issued) == MORE
    wait_until(lambda: len(crowd.cards()) == 1 + MORE, "all of them have their card")
    crowd.budget.settles_at(spent=limit, limit=limit)


# ---- what comes back -----------------------------------------------------------------------------


def test_refused_and_cancelled_requests_give_back(cloud: Cloud, budget: Budget) -> None:
    limit = CARD * 4
    budget.set(limit)
    kept, cancelled, refused = Placed(cloud), Placed(cloud), Placed(cloud)
    refused.fault("refuse", errorCode="F200", errorType="InvalidAmountValue")
    # given a card that stays: it is taken from what remains at once
    assert kept.place(budget=budget.name).status == 201
    assert budget.figures()["remaining"] == limit - CARD
    # when one is refused by Amazon, and one issued and cancelled
    assert refused.place(budget=budget.name).status == 422
    assert cancelled.place(budget=budget.name).status == 201
    assert cancelled.undo().status == 200
    # then the budget has what they took again
    budget.settles_at(spent=CARD, limit=limit)
    # and another card may be taken from it
    assert Placed(cloud).place(budget=budget.name).status == 201
    budget.settles_at(spent=CARD * 2, limit=limit)


# ---- bulk orders ---------------------------------------------------------------------------------


@pytest.fixture
def in_a_hurry(cloud: Cloud) -> Iterator[None]:
    """Waits of workflows take a tenth of their time."""
    cloud.set_wait_scale(0.1)
    yield
    cloud.set_wait_scale(1)


def _sum(amounts: Iterable[str]) -> Decimal:
    return sum(map(Decimal, amounts), Decimal())


@pytest.mark.usefixtures("in_a_hurry")
def test_a_bulk_order_holds_its_sum_and_gives_back_what_it_did_not_issue(cloud: Cloud, budget: Budget) -> None:
    bulk = Bulk(cloud, 30)
    total = _sum(bulk.amount(row) for row in range(bulk.rows))
    refused, limit = Decimal(bulk.amount(0)), total + 5
    budget.set(limit)
    # given an order whose first row Amazon refuses
    bulk.fault(0, calls={"every": True}, kind="refuse", errorCode="F200", errorType="InvalidAmountValue")
    bulk.start(budget=budget.name)
    bulk.wait_for(lambda order: order["status"] == "ISSUING" and len(bulk.cards()) >= 3, "it is being issued")
    # then all of it is held, but for what that row gives back
    assert budget.figures()["remaining"] in {Decimal(5), 5 + refused}
    # and a card that needs more than remains is refused
    other = Placed(cloud)
    assert other.place(budget=budget.name, amount=str(6 + refused)).body["errorType"] == "BudgetExceeded"
    # when it is stopped
    assert bulk.do("stop").status == 202
    order = bulk.wait_for_the_end()
    # then what its cards cost is spent, and all else is there again
    assert 0 < order["counts"]["issued"] < bulk.rows - 1
    budget.settles_at(spent=_sum(card["amount"] for card in bulk.cards()), limit=limit)
    assert {row["budget"] for row in bulk.result()} == {budget.name}


@pytest.mark.usefixtures("in_a_hurry")
def test_a_bulk_order_that_its_budget_does_not_allow_may_be_started_again(cloud: Cloud, budget: Budget) -> None:
    bulk = Bulk(cloud, 3)
    total = _sum(bulk.amount(row) for row in range(bulk.rows))
    budget.set(total - Decimal("0.01"))
    # when it is started, then it is valid, and says why it did not begin
    bulk.start(budget=budget.name)
    order = bulk.wait_for(lambda order: order["status"] == "VALIDATED", "it is sent back")
    assert budget.name in order["whyNotStarted"]
    assert budget.figures()["held"] == 0
    # and once the limit is raised it begins
    budget.set(total)
    assert bulk.do("start").status == 202
    order = bulk.wait_for_the_end()
    assert (order["counts"]["issued"], order["whyNotStarted"]) == (bulk.rows, None)
    budget.settles_at(spent=total, limit=total)
