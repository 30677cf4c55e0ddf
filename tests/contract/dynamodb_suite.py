"""What the DynamoDB ledger promises beyond every ledger's: how it is written, and that nothing else is."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.retries.standard import ExponentialBackoff

from incentives.aws.accounts.account_states import DynamoDbAccountStates
from incentives.aws.single_requests.beside import Beside
from incentives.aws.single_requests.ledger import DynamoDbLedger
from incentives.aws.single_requests.record_items import WAKE_PARTITIONS, key_item_id, wake_partition
from incentives.domain.money import Money, parse_money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import ClaimCode, Outcome, Refused, Unknown, UnknownBecause
from incentives.domain.single_requests.record import Intent, Lost, Record, Status, change
from incentives.domain.single_requests.request_ids import hash_key
from incentives.usecases.single_requests.cancel import cancel
from incentives.usecases.single_requests.issue import NewRequest, issue
from incentives.usecases.single_requests.results import Delivered
from tests.contract.dynamodb_desk import DynamoDbDesk
from tests.contract.ledger_suite import LedgerContract
from tests.contract.records import START, in_state, key_of, new_nonce, new_record, reissue_of
from tests.contract.subject import Subject, opened, own_time, touched
from tests.contract.tables import create_table
from tests.support.fakes import CODE, world
from tests.support.holds import holds_of, states_of

#: The operations of DynamoDB that write.
WRITES = tuple(f"DynamoDB_20120810.{name}" for name in ("TransactWriteItems", "UpdateItem", "PutItem"))


@dataclass(frozen=True)
class Shop:
    """A DynamoDB to write to.

    Attributes:
        client: whose calls are answered.
        losing: another client of the same, which loses the first response of each write.
        table: made as the template's LedgerTable.
        budgets, accounts, orders: likewise the tables that its transactions look at.
    """

    client: Any
    losing: Any
    table: str
    budgets: str = ""
    accounts: str = ""
    orders: str = ""

    def ledger(self, client: Any) -> DynamoDbLedger:
        """The ledger as one of the clients has it."""
        holds = holds_of(client, self.budgets, sleep=_pause, random=random.random)
        others = Beside(holds, self.accounts, self.orders)
        return DynamoDbLedger(client, self.table, beside=others, sleep=_pause)

    def states(self, client: Any) -> DynamoDbAccountStates:
        """Whoever counts spend, likewise."""
        return states_of(client, self.accounts, self.table, self.budgets, sleep=_pause, random=random.random)


def open_shop(client: Any, losing: Any) -> Shop:
    """Tables that nobody else has."""
    names = ("LedgerTable", "BudgetsTable", "AccountTable", "OrdersTable")
    return Shop(client, losing, *(create_table(client, name) for name in names))


def subject_of(shop: Shop) -> Subject:
    """What the suites test, on a shop's tables."""
    return Subject(
        shop.ledger(shop.client),
        shop.ledger(shop.losing),
        shop.states(shop.client),
        shop.states(shop.losing),
        DynamoDbDesk(shop.client, shop.budgets, shop.orders),
    )


def lose_first_responses(client: Any, *, in_process: bool) -> Any:
    """Let every write's first try take effect and end in a read time-out, which the SDK answers with a second try.

    Args:
        client: a boto3 client.
        in_process: moto has carried out the call by the time that this is asked; otherwise it must be sent first.
    """
    tries = threading.local()
    session = URLLib3Session()

    def lose(request: Any, **_: object) -> None:
        target = request.headers["X-Amz-Target"]
        name = target.decode() if isinstance(target, bytes) else target
        if name not in WRITES:
            return
        tries.count = getattr(tries, "count", 0) + 1
        if tries.count % 2 == 0:
            return
        if not in_process:
            session.send(request)
        raise ReadTimeoutError(endpoint_url=request.url)

    # After moto's own handler, which is one of the same general event.
    client.meta.events.register_last("before-send", lose)
    return client


class DynamoDbLedgerContract(LedgerContract):
    """A class of tests inherits this and supplies the fixture `shop`."""

    @pytest.fixture(autouse=True)
    def _hurried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The SDK repeats at once."""
        monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)

    @pytest.fixture
    def subject(self, shop: Shop) -> Subject:
        return subject_of(shop)

    # ---- items ----------------------------------------------------------------------------------

    def test_the_sparse_indexes_attribute_is_there_exactly_while_a_record_is_open(
        self, subject: Subject, shop: Shop
    ) -> None:
        def holds(record: Record) -> None:
            item = _item(shop, record.request_id)
            assert ("wakePartition" in item, "wakeAt" in item) == (record.status.is_open,) * 2, record.status

        # given a record on its longest way
        record = opened(subject.ledger, new_record())
        holds(record)
        for status in (
            Status.PENDING,
            Status.RECOVERING,
            Status.SUCCEEDED,
            Status.REVERSING,
            Status.ESCALATED,
            Status.REVERSING,
            Status.REVERSED,
        ):
            wake_at = START + timedelta(seconds=5) if status.is_open else None
            # when
            moved = subject.ledger.apply(change(record, status=status, wake_at=wake_at), new_nonce())
            # then
            assert isinstance(moved, Record)
            holds(moved)
            record = moved
        reissuable = opened(subject.ledger, in_state(Status.REVERSING, intent=Intent.REISSUE))
        plan = reissue_of(reissuable)
        subject.ledger.reissue(plan, new_nonce())
        holds(plan.close.after)
        holds(plan.successor)

    def test_a_record_of_before_the_index_had_partitions_is_found_and_leaves_it_with_its_next_write(
        self, subject: Subject, shop: Shop
    ) -> None:
        # given an open record that an older version wrote
        now = own_time()
        record = opened(subject.ledger, new_record(wake_at=now))
        shop.client.update_item(
            TableName=shop.table,
            Key={"id": {"S": record.request_id}},
            UpdateExpression="SET wakePartition = :old",
            ExpressionAttributeValues={":old": {"S": "open"}},
        )
        # then it is found
        assert record.request_id in subject.ledger.due(now, 1000).request_ids
        # and when somebody writes it, it is found where it now belongs
        subject.ledger.apply(touched(record, attempts=1), new_nonce())
        assert _item(shop, record.request_id)["wakePartition"] == {"S": wake_partition(record.request_id)}
        assert record.request_id in subject.ledger.due(now, 1000).request_ids

    def test_a_key_item_is_in_no_index_and_does_not_expire(self, subject: Subject, shop: Shop) -> None:
        record = opened(subject.ledger, new_record())
        item = _item(shop, f"KEY#{record.key_hash}")
        assert set(item) == {"id", "requestId", "account", "operation", "fingerprint", "nonce"}

    def test_the_index_of_days_is_written_once(self, subject: Subject, shop: Shop) -> None:
        record = opened(subject.ledger, new_record(account="uk", created_at=START + timedelta(hours=11, minutes=59)))
        subject.ledger.apply(touched(record, attempts=1), new_nonce())
        item = _item(shop, record.request_id)
        assert item["accountDay"] == {"S": "uk#2026-03-01"}
        assert item["createdKey"] == {"S": f"2026-03-01T23:59:00.000Z#{record.request_id}"}

    def test_an_item_of_a_time_before_a_field_existed_can_be_written(self, subject: Subject, shop: Shop) -> None:
        # given an item without an attribute that has a default
        record = opened(subject.ledger, new_record())
        shop.client.update_item(
            TableName=shop.table,
            Key={"id": {"S": record.request_id}},
            UpdateExpression="REMOVE cardSeen, reversalAttempts, epoch",
        )
        assert subject.ledger.get(record.request_id) == record
        # when a change requires it as it was read
        step = replace(
            touched(record, card_seen=True, reversal_attempts=1), requires=("card_seen", "reversal_attempts")
        )
        # then
        assert isinstance(subject.ledger.apply(step, new_nonce()), Record)
        # and once it is there, it counts
        assert isinstance(subject.ledger.apply(step, new_nonce()), Lost)

    def test_what_a_later_version_wrote_beside_is_ignored(self, subject: Subject, shop: Shop) -> None:
        record = opened(subject.ledger, new_record())
        shop.client.update_item(
            TableName=shop.table,
            Key={"id": {"S": record.request_id}},
            UpdateExpression="SET somethingNew = :text, evidence = :evidence, refusal = :refusal",
            ExpressionAttributeValues={
                ":text": {"S": "new"},
                ":evidence": {"S": '{"url":"u","amz_date":"d","string_to_sign":"s","later":1}'},
                ":refusal": {"S": '{"code":"F200","later":1}'},
            },
        )
        kept = subject.ledger.get(record.request_id)
        assert kept is not None
        assert kept.evidence is not None
        assert kept.evidence.url == "u"
        assert kept.refusal is not None
        assert kept.refusal.code == "F200"

    # ---- calls ----------------------------------------------------------------------------------

    def test_reads_are_consistent_and_nothing_is_scanned(self, subject: Subject, shop: Shop) -> None:
        # given
        calls: list[tuple[str, dict[str, Any]]] = []

        def note(params: dict[str, Any], model: Any, **_: object) -> None:
            calls.append((model.name, params))

        shop.client.meta.events.register("provide-client-params.dynamodb", note)
        try:
            # when
            record = opened(subject.ledger, new_record())
            subject.ledger.get(record.request_id)
            subject.ledger.due(START, 10)
        finally:
            shop.client.meta.events.unregister("provide-client-params.dynamodb", note)
        # then
        assert [name for name, _ in calls] == ["TransactWriteItems", "GetItem", *["Query"] * len(WAKE_PARTITIONS)]
        assert calls[1][1]["ConsistentRead"] is True

    # ---- secrets --------------------------------------------------------------------------------

    def test_no_attribute_ever_holds_a_claim_code(self, subject: Subject, shop: Shop) -> None:
        # given orders of which Amazon shows the code in every way it can
        outcomes: list[list[Outcome]] = [
            [],
            [Unknown(UnknownBecause.TIMED_OUT)],
            [Unknown(UnknownBecause.UNREADABLE)],
            [Refused(error=Unknown(UnknownBecause.RESEND).error)],
        ]
        seen: list[object] = []
        ids: set[str] = set()
        for script in outcomes:
            w = world(*script)
            dependencies = replace(w.dependencies, ledger=subject.ledger, new_nonce=new_nonce)
            order = NewRequest(
                key=new_record().key_hash, operation=Operation.CREATE_GIFT_CARD, account="default", value=_usd("25.00")
            )
            # when they are issued, repeated and cancelled
            for _ in range(2):
                try:
                    seen.append(issue(order, dependencies, w.budget()))
                except Exception as error:  # noqa: BLE001 - a refusal is one of the ways
                    seen.append(error)
            called = {sent.call.request_id for sent in w.amazon.sent}
            ids |= called | {key_item_id(hash_key(order.key))}
            for request_id in called:
                try:
                    seen.append(cancel(request_id, Operation.CREATE_GIFT_CARD, None, dependencies, w.budget()))
                except Exception as error:  # noqa: BLE001 - the same
                    seen.append(error)
        # then it has been shown, and is in no item
        codes = [each.card.claim_code for each in seen if isinstance(each, Delivered) and each.card is not None]
        assert any(code is not None and code.reveal() == CODE for code in codes)
        items = [_item(shop, each) for each in ids]
        assert len(items) >= 2 * len(outcomes)
        assert CODE not in repr(items)
        assert "claim" not in repr(items).lower()

    def test_an_option_that_hides_a_secret_cannot_be_written(self, subject: Subject, shop: Shop) -> None:
        record = new_record(details={"externalReference": ClaimCode(CODE)})
        with pytest.raises(TypeError, match="ClaimCode"):
            subject.ledger.open(record, key_of(record), new_nonce())
        assert subject.ledger.get(record.request_id) is None


def _item(shop: Shop, item_id: str) -> dict[str, Any]:
    item: dict[str, Any] = shop.client.get_item(TableName=shop.table, Key={"id": {"S": item_id}}, ConsistentRead=True)[
        "Item"
    ]
    return item


def _usd(amount: str) -> Money:
    return parse_money(amount, "USD")


def _pause(seconds: float) -> None:
    # Real, since threads must get out of each other's way, and a tenth of what production waits.
    threading.Event().wait(seconds / 10)
