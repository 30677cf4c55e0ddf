"""A record's operation and its reversal as calls to Amazon: each time the same, whoever sends it and whenever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from incentives.domain.caller_fields import CARD_NUMBER, sent_with
from incentives.domain.calls import Call
from incentives.domain.errors import AccountUnusable
from incentives.domain.operations import Operation
from incentives.domain.secret_text import Secret

if TYPE_CHECKING:
    from incentives.domain.accounts.account import Account
    from incentives.domain.money import Money
    from incentives.domain.single_requests.record import Record
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.ports import Vault


def account_of(record: Record, dependencies: Dependencies, *, fresh: bool = False) -> Account:
    """The keys for a record.

    Raises:
        AccountUnusable: there are none, or they are another partner's: its request ids would not be ours.
    """
    account = dependencies.accounts.get(record.account, fresh=fresh)
    if account.partner_id != record.partner_id:
        raise AccountUnusable(record.account, "now has another partnerId than when this request was made")
    return account


def decrypted(record: Record, vault: Vault) -> Mapping[str, Any]:
    """The fields of a record that are not readable at rest; none for most.

    Raises:
        VaultUnavailable: they cannot be read now.
    """
    return vault.decrypt(record.key_hash, record.encrypted) if record.encrypted else {}


def operation_call(record: Record, secrets: Mapping[str, Any]) -> Call:
    """The operation."""
    return _call(record, record.operation.value, record.value, secrets)


def reversal_call(record: Record, secrets: Mapping[str, Any]) -> Call:
    """The reversal, with the request id of what it reverses. A void names what it voids: Amazon refuses another one."""
    names_value = record.operation is Operation.LOAD_AMAZON_BALANCE
    return _call(record, record.operation.reversal, record.value if names_value else None, secrets)


def _call(record: Record, name: str, value: Money | None, secrets: Mapping[str, Any]) -> Call:
    options = sent_with(name, {**record.details, **secrets})
    card_number = options.pop(CARD_NUMBER, None)
    return Call(
        name=name,
        request_id=record.request_id,
        value=value,
        card_number=Secret(card_number) if card_number is not None else None,
        options=options,
    )
