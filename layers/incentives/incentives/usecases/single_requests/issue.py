"""Issue a request: one live card per idempotency key, whatever is retried, duplicated, delayed, killed or raced.

    take a permit -> sign -> write key + PENDING + first send -> send -> close

Three calls to DynamoDB and one to Amazon. Nothing is sent that is not written; nothing is handed out that is not
found SUCCEEDED by a write or read made after Amazon's response.

A repeat sends nothing, but for one that finds that Amazon never looked at the request: it goes the same way again, as
the next generation (`incentives.domain.single_requests.renewal`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, getcontext
from typing import TYPE_CHECKING, Any

from incentives.agcod.bodies import check_options
from incentives.agcod.marketplaces import check_value, marketplace_of
from incentives.domain.caller_fields import check_given, fingerprinted, readable, secret, subject
from incentives.domain.errors import (
    AccountFrozen,
    AccountUnusable,
    BudgetUnusable,
    InvalidInput,
    KeyReused,
    LedgerUnavailable,
    RefusedByAmazon,
)
from incentives.domain.operations import Operation
from incentives.domain.rate_limit import Frozen, Full, Permit, Priority
from incentives.domain.recovery.keeping_back import keep_back_for_now
from incentives.domain.single_requests.record import Intent, KeyItem, KeyTaken, Lost, OrderRow, Record, Status
from incentives.domain.single_requests.renewal import is_renewable, next_generation, renewal
from incentives.domain.single_requests.request_ids import derive_request_id, differing_fields, fingerprint, hash_key
from incentives.domain.single_requests.transitions import first_send, queued_until
from incentives.usecases.operation_calls import operation_call
from incentives.usecases.permits import reacquire_if_late, take_permit
from incentives.usecases.single_requests.drive import (
    Progress,
    drive,
    is_key_refused,
    observed,
    requeue,
    settle,
    write,
    write_kept_back,
)
from incentives.usecases.single_requests.find import find
from incentives.usecases.single_requests.results import Accepted, Delivered, accepted, raise_ended
from incentives.usecases.single_requests.reveal import read_card

if TYPE_CHECKING:
    from incentives.agcod.amazon import SignedCall
    from incentives.domain.accounts.account import Account
    from incentives.domain.calls import Call
    from incentives.domain.money import Money
    from incentives.usecases.dependencies import Budget, Dependencies


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What a caller asks for, validated.

    Attributes:
        key: the idempotency key as the caller sent it.
        given: the caller's fields, as `domain.caller_fields` declares them.
        budget: that the amount is taken from; None: from none.
        caller: who asks, for the record.
    """

    key: str
    operation: Operation
    account: str
    value: Money
    on_unknown: Intent = Intent.RETRY
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    budget: str | None = None
    caller: str | None = None

    def fields(self) -> dict[str, str | None]:
        """What makes a repeat the same request, canonical: `"25"` and `"25.00"` are one amount."""
        return {
            "amount": self.value.amount_text,
            "currencyCode": self.value.currency,
            "onUnknown": self.on_unknown.value,
            "budget": self.budget,
            **{name: canonical(value) for name, value in fingerprinted(self.given).items()},
        }


def issue(
    request: NewRequest,
    dependencies: Dependencies,
    budget: Budget,
    *,
    permit: Permit | None = None,
    priority: Priority = Priority.CALLER,
    later: bool = False,
    wants_card: bool = True,
    row: OrderRow | None = None,
) -> Delivered | Accepted:
    """Issue a request, or tell a repeat of it how it stands.

    Without a permit in time it is recorded, and issued from the backlog without its caller doing more.

    Args:
        request: what is asked for.
        dependencies: the ports.
        budget: the caller's time.
        permit: taken already.
        priority: of whoever asks.
        later: the caller does not want to wait: record it, issue it from the backlog.
        wants_card: whether a repeat of an issued request shall read its code again.
        row: it is one of a bulk order, which holds its amount.

    Raises:
        BudgetExceeded, BudgetUnusable, BudgetBusy: nothing was sent, nothing written.
        OrderClosed: likewise; the row's batch takes no more rows.
        AccountFrozen: likewise; a repeat gets how its request stands all the same.
        InvalidInput, AccountUnusable: nothing was sent, nothing written.
        KeyReused: the key belongs to another request; nothing was sent.
        RefusedByAmazon, StateConflict: how the request ended.
        LedgerUnavailable: it was certainly not written.
    """
    check_given(request.given, request.operation)
    account = dependencies.accounts.get(request.account)
    now = dependencies.clock.now()
    key_hash = hash_key(request.key)
    request_id = derive_request_id(account.partner_id, account.name, request.operation, key_hash, 0)
    record = Record(
        request_id=request_id,
        operation=request.operation,
        account=account.name,
        partner_id=account.partner_id,
        value=request.value,
        key_hash=key_hash,
        status=Status.PENDING,
        intent=request.on_unknown,
        details=readable(request.given),
        subject=subject(request.given),
        caller=request.caller,
        budget=request.budget,
        budget_period=row.budget_period if row else None,
        order_id=row.order_id if row else None,
        created_at=now,
        updated_at=now,
    )
    key = KeyItem(
        key_hash=key_hash,
        request_id=record.request_id,
        account=account.name,
        operation=request.operation,
        fingerprint=fingerprint(request.key, request.fields()),
    )
    secrets = secret(request.given)
    call = operation_call(record, secrets)
    check(call, request.value, account)
    if secrets:
        record = replace(record, encrypted=dependencies.vault.encrypt(key_hash, secrets))

    if row is None:
        _look_at_budget(request, key_hash, dependencies)
    found: Permit | Full | Frozen | None = permit
    if permit is None and not later:
        found = take_permit(account.name, priority, dependencies, never_sent=True)
    reserved = found if isinstance(found, Permit) else None
    asked = _Asked(request, account, record, reserved, priority, wants_card, row)
    if isinstance(found, Frozen):
        return _while_frozen(asked, dependencies, budget)
    if reserved is None:
        return _record_only(asked, key, dependencies, budget)
    signed = dependencies.amazon.sign(call, account)
    try:
        opened = dependencies.ledger.open(
            first_send(record, signed.sent_at, dependencies.clock.now()), key, dependencies.new_nonce(), row=row
        )
    except LedgerUnavailable as error:
        return _in_doubt(record, error, dependencies)
    if isinstance(opened, KeyTaken):
        return repeat(opened.key, asked, dependencies, budget)
    return _send(opened, signed, asked, dependencies, budget)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request on its way.

    Attributes:
        record: of its first generation, unsent, as it would be written now.
        permit: taken for it; None: it is only to be recorded.
        row: it is one of a bulk order.
    """

    request: NewRequest
    account: Account
    record: Record
    permit: Permit | None
    priority: Priority
    wants_card: bool
    row: OrderRow | None


def _look_at_budget(request: NewRequest, key_hash: str, dependencies: Dependencies) -> None:
    """Before it takes a permit: refuse what its budget, or the lack of one, is sure to refuse.

    Whoever goes on asking an empty budget would use up the account's rate. A repeat needs no budget: it goes on.

    Raises:
        BudgetUnusable, BudgetExceeded: nothing was sent, nothing written.
    """
    budgets, name = dependencies.budgets, request.budget
    if name is None and not budgets.required:
        return
    if name is not None and not budgets.was_refused(name):
        return
    if dependencies.ledger.key(key_hash) is not None:
        return
    if name is None:
        raise BudgetUnusable("is required: name the budget that the amount is taken from")
    budgets.check(name, request.value)


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


def _send(
    opened: Record, signed: SignedCall, asked: _Asked, dependencies: Dependencies, budget: Budget
) -> Delivered | Accepted:
    """Send what has just been written together with this send, and respond."""
    kept_back_by = None
    if asked.permit is not None:
        kept_back_by = reacquire_if_late(asked.permit, opened.account, dependencies, never_sent=True)
    try:
        if kept_back_by is not None:
            here, held = write_kept_back(Progress(opened), kept_back_by, dependencies)
            here = drive(here.record, dependencies, budget, priority=asked.priority) if held else here
            return _response(here, dependencies)
        return _response(_send_first(opened, signed, dependencies, budget, asked.priority), dependencies)
    except LedgerUnavailable:
        # Written, perhaps sent and answered: the record's wake_at brings it back.
        return accepted(opened, dependencies.clock.now())


def _send_first(
    opened: Record, signed: SignedCall, dependencies: Dependencies, budget: Budget, priority: Priority
) -> Progress:
    if not budget.allows_a_try():
        # It has not left: a recovery would repeat it as one that may have, even of an account that is frozen by then.
        here, held = write(Progress(opened), keep_back_for_now(opened, dependencies.clock.now()), dependencies)
        return drive(here.record, dependencies, budget, priority=priority) if held else here
    attempt = observed(dependencies, opened, signed.call, signed, dependencies.amazon.attempt)
    refused_key = is_key_refused(attempt)
    here, held = settle(opened, attempt, dependencies, key_was_fresh=False)
    if not held:
        return here
    return drive(here.record, dependencies, budget, card=here.card, reread_key=refused_key, priority=priority)


def _record_only(asked: _Asked, key: KeyItem, dependencies: Dependencies, budget: Budget) -> Delivered | Accepted:
    record = asked.record
    # A repeat is in line already, and is not counted again.
    is_known = dependencies.ledger.get(record.request_id) is not None
    due_at = record.created_at if is_known else dependencies.rate_limiter.line_up(record.account)
    if isinstance(due_at, Frozen):
        return _while_frozen(asked, dependencies, budget)
    record = queued_until(record, due_at)
    try:
        opened = dependencies.ledger.open(record, key, dependencies.new_nonce(), row=asked.row)
    except LedgerUnavailable as error:
        return _in_doubt(record, error, dependencies)
    if isinstance(opened, KeyTaken):
        return repeat(opened.key, asked, dependencies, budget)
    requeue(opened, dependencies)
    return accepted(opened, dependencies.clock.now())


def _while_frozen(asked: _Asked, dependencies: Dependencies, budget: Budget) -> Delivered | Accepted:
    """A repeat gets how its request stands; what is new is not recorded."""
    taken = dependencies.ledger.key(asked.record.key_hash)
    if taken is None:
        raise AccountFrozen(asked.account.name)
    return repeat(taken, asked, dependencies, budget)


def _in_doubt(record: Record, error: LedgerUnavailable, dependencies: Dependencies) -> Accepted:
    if not error.in_doubt:
        raise error
    # It may have been written, and then its wake_at brings it back. Saying "failed" could make the caller ask for two.
    dependencies.telemetry.log("openInDoubt", requestId=record.request_id)
    return accepted(record, dependencies.clock.now(), due_at=None)


def _response(progress: Progress, dependencies: Dependencies) -> Delivered | Accepted:
    record = progress.record
    if record.replaced_by is not None:
        # A recovery took it over meanwhile, and reissued it: "reversed" would make its caller ask for another.
        return accepted(find(record.replaced_by, dependencies.ledger), dependencies.clock.now())
    if record.status is Status.SUCCEEDED and (progress.card is not None or not _has_code(record)):
        return Delivered(record, progress.card, replayed=False)
    if not record.status.is_open and record.status is not Status.SUCCEEDED:
        raise_ended(record)
    return accepted(record, dependencies.clock.now())


def repeat(key: KeyItem, asked: _Asked, dependencies: Dependencies, budget: Budget) -> Delivered | Accepted:
    """Respond to a request whose key is taken: the same request gets how it stands, another one is refused.

    A repeat in any open state sends nothing.
    """
    request = asked.request
    differing = differing_fields(fingerprint(request.key, request.fields()), key.fingerprint)
    if key.operation is not request.operation:
        differing = ["operation"]
    if key.account != request.account:
        differing = ["account", *differing]
    if differing:
        raise KeyReused(differing, request_id=key.request_id)
    record = find(key.request_id, dependencies.ledger)
    if is_renewable(record):
        return _renew(record, asked, dependencies, budget)
    return _standing(record, asked, dependencies, budget)


def _standing(record: Record, asked: _Asked, dependencies: Dependencies, budget: Budget) -> Delivered | Accepted:
    """Tell how the newest generation stands."""
    if record.status.is_open:
        return accepted(record, dependencies.clock.now())
    if record.status is not Status.SUCCEEDED:
        raise_ended(record)
    if not asked.wants_card or not _has_code(record):
        return Delivered(record, None, replayed=True)
    try:
        return read_card(record, dependencies, budget, permit=asked.permit)
    except (RefusedByAmazon, AccountFrozen):
        # The request did succeed: only its code cannot be read now.
        return accepted(record, dependencies.clock.now())


def _renew(refused: Record, asked: _Asked, dependencies: Dependencies, budget: Budget) -> Delivered | Accepted:
    """Request again what Amazon never looked at. Of many who do so at once, the others get how the one stands."""
    record, signed = next_generation(refused, asked.record), None
    if asked.permit is None:
        due_at = dependencies.rate_limiter.line_up(record.account)
        if isinstance(due_at, Frozen):
            raise AccountFrozen(record.account)
        record = queued_until(record, due_at)
    else:
        signed = dependencies.amazon.sign(operation_call(record, secret(asked.request.given)), asked.account)
        record = first_send(record, signed.sent_at, dependencies.clock.now())
    try:
        opened = dependencies.ledger.reissue(
            renewal(refused, record, dependencies.clock.now()), dependencies.new_nonce(), row=asked.row
        )
    except LedgerUnavailable as error:
        # The refused one is there in any case, and leads to its successor if that is, too.
        return _in_doubt(replace(record, request_id=refused.request_id), error, dependencies)
    if isinstance(opened, Lost):
        return _standing(find(refused.request_id, dependencies.ledger), asked, dependencies, budget)
    dependencies.telemetry.log("renewed", requestId=opened.request_id, account=opened.account, caller=opened.caller)
    if signed is not None:
        return _send(opened, signed, asked, dependencies, budget)
    requeue(opened, dependencies)
    return accepted(opened, dependencies.clock.now())
