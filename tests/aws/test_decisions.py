"""Each route that decides tells one decision, whoever dies in between: real use cases, tables and streams.

A process dies right after each of its writes in turn; then the same person asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Any, Final, cast

import pytest

from incentives.aws.accounts.freezes import DynamoDbFreezes
from incentives.aws.budgets.definitions import DynamoDbBudgetDefinitions
from incentives.aws.bulk_orders.orders import DynamoDbOrders
from incentives.aws.reconciliation.books import DynamoDbBooks
from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.record_items import encode_record
from incentives.domain.budgets.budget import PeriodKind
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.money import Money
from incentives.domain.reconciliation.days import read_zone
from incentives.domain.reconciliation.findings import Kind, Reason
from incentives.domain.single_requests.record import Status
from incentives.usecases.accounts.dependencies import AccountDependencies
from incentives.usecases.accounts.freeze import freeze, unfreeze
from incentives.usecases.budgets.dependencies import BudgetDependencies
from incentives.usecases.budgets.set_budget import Wanted, set_budget
from incentives.usecases.bulk_orders.control_order import Action
from incentives.usecases.reconciliation.get_books import get_movements
from incentives.usecases.reconciliation.name_movement import name_movement
from incentives.usecases.reconciliation.resolve import Said, resolve_all, resolve_one
from incentives.usecases.reconciliation.sign_off import sign_off
from incentives.usecases.recovery.start_recovery import start_recovery
from tests.contract import motos
from tests.support.account_states import FakeAccountStates
from tests.support.books_world import DAY, Kept, finding, kept, level
from tests.support.bulk import APPROVER, Bulk, bulk, rows_of
from tests.support.fakes import world
from tests.support.holds import beside, holds_of
from tests.support.streams import Died, Streamed
from tests.unit.builders import record
from tests.unit.reconciliation.months import ACCOUNT, ANNA, BERT, MONTH, OPENING, Shop, november
from tests.unit.reconciliation.test_name_movement import at, part

WHO: Final = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Gateway_1/anna"
NOTE: Final = "Ordered in the portal by the events team"


@dataclass(frozen=True)
class Desk:
    """Somebody who is about to decide.

    Attributes:
        stream: of the table that holds the decision.
        decide: asks for it.
        kind, subject, caller: what is to be told.
        by_twos: a repeat is a decision of its own.
        earlier: decisions of the kind that the table holds already.
    """

    stream: Streamed
    decide: Callable[[], object]
    kind: str
    subject: str
    caller: str | None = WHO
    by_twos: bool = False
    earlier: int = 0


def _sleep(_: float) -> None:
    """Nobody waits here."""


# ---- who decides what -----------------------------------------------------------------------------


def recovers() -> Desk:
    stream, w = Streamed("LedgerTable"), world()
    escalated = record(Status.ESCALATED, epoch=1, version=6, wake_at=None)
    stream.client.put_item(TableName=stream.table, Item=encode_record(escalated))
    dependencies = replace(
        cast("Any", w.dependencies),
        ledger=DynamoDbLedger(stream.client, stream.table, beside=beside(stream.client), sleep=_sleep),
    )
    return Desk(
        stream,
        lambda: start_recovery(escalated.request_id, WHO, dependencies),
        "recover",
        escalated.request_id,
        by_twos=True,
    )


def _accounts() -> tuple[Streamed, AccountDependencies]:
    stream, w = Streamed("AccountTable"), world()
    here = AccountDependencies(
        dependencies=w.dependencies,
        freezes=DynamoDbFreezes(stream.client, stream.table),
        states=FakeAccountStates(),
        default="default",
    )
    return stream, here


def freezes() -> Desk:
    stream, here = _accounts()
    return Desk(stream, lambda: freeze("default", "a key leaked", WHO, here), "freeze", "default")


def unfreezes() -> Desk:
    stream, here = _accounts()
    freeze("default", "a key leaked", "arn:bert", here)
    return Desk(stream, lambda: unfreeze("default", WHO, here), "unfreeze", "default")


def _awaiting() -> tuple[Streamed, Bulk, str]:
    """An order of three rows that awaits its approval."""
    stream, here = Streamed("OrdersTable"), bulk(approvals={"": Decimal("20.00")})
    orders: Any = DynamoDbOrders(stream.client, stream.table, holds=lambda: holds_of(stream.client), sleep=_sleep)
    here = replace(here, orders=orders, dependencies=replace(here.dependencies, orders=orders))
    order_id = here.place(rows_of(3))
    here.run(order_id)
    assert here.order(order_id).status is OrderStatus.AWAITING_APPROVAL
    return stream, here, order_id


def approves() -> Desk:
    stream, here, order_id = _awaiting()
    return Desk(stream, lambda: here.approve(order_id), "approve", order_id, APPROVER.user_arn)


def rejects() -> Desk:
    stream, here, order_id = _awaiting()
    return Desk(stream, lambda: here.reject(order_id), "reject", order_id, APPROVER.user_arn)


def approves_after_a_rejection() -> Desk:
    stream, here, order_id = _awaiting()
    here.reject(order_id)
    here.ask(order_id, Action.START)
    here.run(order_id)
    return Desk(stream, lambda: here.approve(order_id), "approve", order_id, APPROVER.user_arn)


def sets_a_budget() -> Desk:
    stream, wanted = _budgets("1000.00")
    return Desk(stream, wanted, "setBudget", "spring")


def changes_a_budget() -> Desk:
    stream, set_first = _budgets("500.00", by="arn:bert")
    set_first()
    _, wanted = _budgets("1000.00", stream)
    return Desk(stream, wanted, "setBudget", "spring", earlier=1)


def _budgets(limit: str, stream: Streamed | None = None, by: str = WHO) -> tuple[Streamed, Callable[[], object]]:
    stream, w = stream or Streamed("BudgetsTable"), world()
    nonces = (f"{by}-{number}" for number in count())
    definitions = DynamoDbBudgetDefinitions(
        stream.client, stream.table, sleep=_sleep, random=lambda: 0.5, new_nonce=lambda: next(nonces)
    )
    here = BudgetDependencies(dependencies=w.dependencies, definitions=definitions, zone=read_zone("UTC"))
    wanted = Wanted(name="spring", limit=Money(Decimal(limit), "USD"), kind=PeriodKind.MONTH, active=True, caller=by)
    return stream, lambda: set_budget(wanted, here)


def _books() -> tuple[Streamed, Any]:
    stream = Streamed("BooksTable")
    nonces = iter(range(1_000_000))
    return stream, DynamoDbBooks(
        stream.client, stream.table, sleep=_sleep, new_nonce=lambda: f"{stream.table}-{next(nonces)}"
    )


def _kept() -> tuple[Streamed, Kept]:
    stream, books = _books()
    here = kept()
    return stream, replace(here, books=books, here=replace(here.here, books=books))


def resolves() -> Desk:
    stream, here = _kept()
    one = finding()
    here.judged(one, finding(request_id="Test1B"))
    said = Said(Reason.OTHER_SYSTEM, NOTE, WHO)
    return Desk(
        stream, lambda: resolve_one("default", DAY, one.difference_id, said, here.here), "resolve", one.difference_id
    )


def resolves_all_of_a_kind() -> Desk:
    stream, here = _kept()
    one = finding()
    here.judged(one, finding(Kind.MISSING_AT_AMAZON, "Test1B"))
    said = Said(Reason.OTHER_SYSTEM, NOTE, WHO)
    return Desk(
        stream,
        lambda: resolve_all("default", DAY, one.kind, said, here.here, budget=here.world.budget()),
        "resolve",
        one.difference_id,
    )


def names_a_movement() -> Desk:
    stream, here = _kept()
    before, after = at(DAY, 9), at(DAY, 10)
    here.judged(levels=[level(before, 100_000), level(after, 150_000)])
    ((found),) = get_movements("default", f"{DAY:%Y-%m}", here.here)
    movement_id = found.movement.movement_id
    return Desk(
        stream,
        lambda: name_movement("default", movement_id, [part("500.00", DAY)], WHO, here.here),
        "nameMovement",
        movement_id,
    )


def _month() -> tuple[Streamed, Shop]:
    stream, books = _books()
    return stream, november(Shop(books=books))


def closes() -> Desk:
    stream, shop = _month()
    return Desk(stream, lambda: shop.close(opening=OPENING), "close", MONTH, ANNA.caller)


def signs_off() -> Desk:
    stream, shop = _month()
    manifest = shop.close(opening=OPENING)[0].close.manifest
    assert manifest is not None
    return Desk(
        stream, lambda: sign_off(ACCOUNT, MONTH, manifest.sha256, BERT, shop.here), "signOff", MONTH, BERT.caller
    )


DESKS: Final = (
    *(recovers, freezes, unfreezes),
    *(approves, rejects, approves_after_a_rejection, sets_a_budget, changes_a_budget),
    *(resolves, resolves_all_of_a_kind, names_a_movement, closes, signs_off),
)


@pytest.fixture(scope="module", autouse=True)
def _aws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        yield


def told(desk: Desk) -> list[tuple[str, str | None]]:
    """The decisions of a kind, each with its line of the log."""
    events, lines = desk.stream.told()
    assert [line["eventId"] for line in lines] == [event.event_id for event in events]
    its = [event.detail for event in events if event.detail["decision"] == desk.kind]
    return [(each["subject"], each["caller"]) for each in its][desk.earlier :]


@pytest.mark.parametrize("sit", DESKS)
def test_whoever_decides_is_told_once_and_a_repeat_tells_nothing_more(sit: Callable[[], Desk]) -> None:
    desk = sit()
    assert told(desk) == []
    desk.decide()
    assert told(desk) == [(desk.subject, desk.caller)]
    if not desk.by_twos:
        desk.decide()
        assert told(desk) == [(desk.subject, desk.caller)]


@pytest.mark.parametrize("sit", DESKS)
def test_a_process_that_dies_after_the_write_loses_nobodys_name(sit: Callable[[], Desk]) -> None:
    number, died_with_the_decision = 0, 0
    while True:
        number += 1
        desk = sit()
        # when the process dies after its nth write
        desk.stream.dies_at = desk.stream.writes + number
        try:
            desk.decide()
        except Died:
            pass
        else:
            break
        # then what was decided by then has been told, with who did it
        at_death = told(desk)
        assert at_death in ([], [(desk.subject, desk.caller)])
        died_with_the_decision += len(at_death)
        # and the same person who asks again finds it done, or does what is left
        if not desk.by_twos:
            desk.decide()
            assert told(desk) == [(desk.subject, desk.caller)]
    assert died_with_the_decision > 0


def test_an_order_that_waits_is_told_each_time_that_it_begins_to() -> None:
    stream, here, order_id = _awaiting()
    here.reject(order_id, "twice as many as agreed")
    here.ask(order_id, Action.START)
    here.run(order_id)
    events, _ = stream.told("OrderAwaitingApproval")
    order = here.order(order_id)
    assert [event.event_id for event in events] == [f"{order_id}#1", f"{order_id}#2"]
    assert events[1].detail["approvalDigest"] == order.approval_digest
    assert (events[1].detail["totals"], events[1].detail["startedBy"]) == ({"USD": "30.00"}, order.started_by)
    # and whoever made it reads why it was not approved
    ((rejected,), _) = stream.told()
    assert rejected.detail["reason"] == "twice as many as agreed"
