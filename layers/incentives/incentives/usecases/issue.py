"""Issue an order: one live card per idempotency key, whatever is retried, duplicated, delayed, killed or raced.

    take a slot -> sign -> write key + PENDING + first send -> send -> close

Three calls to DynamoDB and one to Amazon. Nothing is sent that is not written; nothing is handed out that is not
found SUCCEEDED by a write or read made after Amazon's answer.

A repeat sends nothing, but for one that finds that Amazon never looked at the order: it goes the same way again, as the
next generation (`incentives.domain.renewal`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, getcontext
from typing import TYPE_CHECKING, Any

from incentives.agcod.bodies import check_options
from incentives.agcod.marketplaces import check_value, marketplace_of
from incentives.domain.errors import AccountUnusable, InvalidInput, KeyReused, LedgerUnavailable, RefusedByAmazon
from incentives.domain.ledger import Intent, KeyItem, KeyTaken, Lost, Record, Status
from incentives.domain.operations import Operation
from incentives.domain.pacing import Full, Lane, Slot
from incentives.domain.renewal import is_renewable, next_generation, renewal
from incentives.domain.request_ids import derive_request_id, differing_fields, fingerprint, hash_key
from incentives.domain.transitions import first_send, postponed
from incentives.domain.values import frozen
from incentives.usecases.answers import Accepted, Delivered, accepted, raise_ended
from incentives.usecases.calls import operation_call
from incentives.usecases.drive import Driven, drive, is_key_refused, observed, put_back, settle
from incentives.usecases.find import find
from incentives.usecases.pace import keep_time, take_slot
from incentives.usecases.reveal import read_card

if TYPE_CHECKING:
    from incentives.agcod.amazon import SignedCall
    from incentives.domain.accounts import Account
    from incentives.domain.calls import Call
    from incentives.domain.money import Money
    from incentives.usecases.tools import Budget, Tools


@frozen(kw_only=True)
class Order:
    """What a caller asks for, validated.

    Attributes:
        key: the idempotency key as the caller sent it.
        options: optional members of the operation, as Amazon names them.
        members: what must not be readable at rest: a card number, a customer's account.
        subject: what of `members` may be shown.
        caller: who asks, for the record.
    """

    key: str
    operation: Operation
    account: str
    value: Money
    on_unknown: Intent = Intent.RETRY
    options: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict, repr=False)
    subject: str | None = None
    caller: str | None = None

    def fields(self) -> dict[str, str | None]:
        """What makes a repeat the same order, canonical: `"25"` and `"25.00"` are one amount."""
        return {
            "amount": self.value.amount_text,
            "currencyCode": self.value.currency,
            "onUnknown": self.on_unknown.value,
            **{name: canonical(value) for name, value in (*self.options.items(), *self.members.items())},
        }


def issue(
    order: Order,
    tools: Tools,
    budget: Budget,
    *,
    slot: Slot | None = None,
    lane: Lane = Lane.CALLER,
    later: bool = False,
    wants_card: bool = True,
) -> Delivered | Accepted:
    """Issue an order, or tell a repeat of it how it stands.

    Without a slot in time it is recorded, and issued from the backlog without its caller doing more.

    Args:
        order: what is ordered.
        tools: the ports.
        budget: the caller's time.
        slot: taken already.
        lane: of whoever orders.
        later: the caller does not want to wait: record it, issue it from the backlog.
        wants_card: whether a repeat of an issued order shall read its code again.

    Raises:
        InvalidInput, AccountUnusable: nothing was sent, nothing written.
        KeyReused: the key belongs to another order; nothing was sent.
        RefusedByAmazon, StateConflict: how the order ended.
        LedgerUnavailable: it was certainly not written.
    """
    account = tools.accounts.get(order.account)
    now = tools.clock.now()
    key_hash = hash_key(order.key)
    request_id = derive_request_id(account.partner_id, account.name, order.operation, key_hash, 0)
    record = Record(
        request_id=request_id,
        operation=order.operation,
        account=account.name,
        partner_id=account.partner_id,
        value=order.value,
        key_hash=key_hash,
        status=Status.PENDING,
        intent=order.on_unknown,
        options=order.options,
        subject=order.subject,
        caller=order.caller,
        created_at=now,
        updated_at=now,
    )
    key = KeyItem(
        key_hash=key_hash,
        request_id=record.request_id,
        account=account.name,
        operation=order.operation,
        fingerprint=fingerprint(order.key, order.fields()),
    )
    call = operation_call(record, order.members)
    check(call, order.value, account)
    if order.members:
        record = replace(record, sealed=tools.vault.seal(key_hash, order.members))

    reserved = slot
    if reserved is None and not later:
        found = take_slot(account.name, lane, tools)
        reserved = None if isinstance(found, Full) else found
    asked = _Asked(order, account, record, reserved, lane, wants_card)
    if reserved is None:
        return _record_only(asked, key, tools, budget)
    signed = tools.amazon.sign(call, account)
    try:
        opened = tools.ledger.open(first_send(record, signed.sent_at, tools.clock.now()), key, tools.new_nonce())
    except LedgerUnavailable as error:
        return _in_doubt(record, error, tools)
    if isinstance(opened, KeyTaken):
        return repeat(opened.key, asked, tools, budget)
    return _send(opened, signed, asked, tools, budget)


@frozen
class _Asked:
    """An order on its way.

    Attributes:
        record: of its first generation, unsent, as it would be written now.
        slot: taken for it; None: it is only to be recorded.
    """

    order: Order
    account: Account
    record: Record
    slot: Slot | None
    lane: Lane
    wants_card: bool


def _has_code(record: Record) -> bool:
    """Whether success means a claim code, which only Amazon can tell again."""
    return record.operation is Operation.CREATE_GIFT_CARD


def canonical(value: object) -> str:
    """The same text for the same JSON value, however it was written: key order, `1` or `1.0`."""
    match value:
        case Mapping():
            inner = ",".join(f"{json.dumps(str(name))}:{canonical(value[name])}" for name in sorted(value))
            return "{" + inner + "}"
        case list() | tuple():
            return "[" + ",".join(canonical(each) for each in value) + "]"
        case Decimal():
            # However many digits it has: two different numbers have two texts.
            digits = max(len(value.as_tuple().digits), getcontext().prec)
            return str(value.normalize(Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX)))
        case _:
            return json.dumps(value)


def check(call: Call, value: Money, account: Account) -> None:
    """Refuse what the account's marketplace is known to refuse, before anything is written or sent.

    Raises:
        InvalidInput: names the field.
        AccountUnusable: the account's marketplace is none of Amazon's.
    """
    try:
        marketplace_of(account.marketplace)
    except InvalidInput as error:
        raise AccountUnusable(account.name, f"has a secret whose marketplace {error.message}") from error
    check_options(call)
    check_value(account.marketplace, call.name, value)


def _send(opened: Record, signed: SignedCall, asked: _Asked, tools: Tools, budget: Budget) -> Delivered | Accepted:
    """Send what has just been written together with this send, and answer."""
    if asked.slot is not None:
        keep_time(asked.slot, opened.account, tools)
    try:
        return _answer(_send_first(opened, signed, tools, budget, asked.lane), tools)
    except LedgerUnavailable:
        # Written, perhaps sent and answered: the record's wake_at brings it back.
        return accepted(opened, tools.clock.now())


def _send_first(opened: Record, signed: SignedCall, tools: Tools, budget: Budget, lane: Lane) -> Driven:
    if not budget.allows_a_try():
        return drive(opened, tools, budget, lane=lane)
    attempt = observed(tools, opened, signed.call, signed, tools.amazon.attempt)
    refused_key = is_key_refused(attempt)
    here, held = settle(opened, attempt, tools, key_was_fresh=False)
    if not held:
        return here
    return drive(here.record, tools, budget, card=here.card, reread_key=refused_key, lane=lane)


def _record_only(asked: _Asked, key: KeyItem, tools: Tools, budget: Budget) -> Delivered | Accepted:
    record = asked.record
    # A repeat is in line already, and is not counted again.
    is_known = tools.ledger.get(record.request_id) is not None
    record = postponed(record, record.created_at if is_known else tools.pacer.line_up(record.account))
    try:
        opened = tools.ledger.open(record, key, tools.new_nonce())
    except LedgerUnavailable as error:
        return _in_doubt(record, error, tools)
    if isinstance(opened, KeyTaken):
        return repeat(opened.key, asked, tools, budget)
    put_back(opened, tools)
    return accepted(opened, tools.clock.now())


def _in_doubt(record: Record, error: LedgerUnavailable, tools: Tools) -> Accepted:
    if not error.in_doubt:
        raise error
    # It may have been written, and then its wake_at brings it back. Saying "failed" could make the caller order twice.
    tools.telemetry.log("openInDoubt", requestId=record.request_id)
    return accepted(record, tools.clock.now(), due_at=None)


def _answer(driven: Driven, tools: Tools) -> Delivered | Accepted:
    record = driven.record
    if record.replaced_by is not None:
        # A recovery took it over meanwhile, and reissued it: "reversed" would make its caller order again.
        return accepted(find(record.replaced_by, tools.ledger), tools.clock.now())
    if record.status is Status.SUCCEEDED and (driven.card is not None or not _has_code(record)):
        return Delivered(record, driven.card, replayed=False)
    if not record.status.is_open and record.status is not Status.SUCCEEDED:
        raise_ended(record)
    return accepted(record, tools.clock.now())


def repeat(key: KeyItem, asked: _Asked, tools: Tools, budget: Budget) -> Delivered | Accepted:
    """Answer an order whose key is taken: the same order gets how it stands, another one is refused.

    A repeat in any open state sends nothing.
    """
    order = asked.order
    differing = differing_fields(fingerprint(order.key, order.fields()), key.fingerprint)
    if key.operation is not order.operation:
        differing = ["operation"]
    if key.account != order.account:
        differing = ["account", *differing]
    if differing:
        raise KeyReused(differing, request_id=key.request_id)
    record = find(key.request_id, tools.ledger)
    if is_renewable(record):
        return _renew(record, asked, tools, budget)
    return _standing(record, asked, tools, budget)


def _standing(record: Record, asked: _Asked, tools: Tools, budget: Budget) -> Delivered | Accepted:
    """Answer how the newest generation stands."""
    if record.status.is_open:
        return accepted(record, tools.clock.now())
    if record.status is not Status.SUCCEEDED:
        raise_ended(record)
    if not asked.wants_card or not _has_code(record):
        return Delivered(record, None, replayed=True)
    try:
        return read_card(record, tools, budget, slot=asked.slot)
    except RefusedByAmazon:
        # The order did succeed: only its code cannot be read now.
        return accepted(record, tools.clock.now())


def _renew(refused: Record, asked: _Asked, tools: Tools, budget: Budget) -> Delivered | Accepted:
    """Order again what Amazon never looked at. Of many who do so at once, the others get how the one stands."""
    record, signed = next_generation(refused, asked.record), None
    if asked.slot is None:
        record = postponed(record, tools.pacer.line_up(record.account))
    else:
        signed = tools.amazon.sign(operation_call(record, asked.order.members), asked.account)
        record = first_send(record, signed.sent_at, tools.clock.now())
    try:
        opened = tools.ledger.reissue(renewal(refused, record, tools.clock.now()), tools.new_nonce())
    except LedgerUnavailable as error:
        # The refused one is there in any case, and leads to its successor if that is, too.
        return _in_doubt(replace(record, request_id=refused.request_id), error, tools)
    if isinstance(opened, Lost):
        return _standing(find(refused.request_id, tools.ledger), asked, tools, budget)
    tools.telemetry.log("renewed", requestId=opened.request_id, account=opened.account, caller=opened.caller)
    if signed is not None:
        return _send(opened, signed, asked, tools, budget)
    put_back(opened, tools)
    return accepted(opened, tools.clock.now())
