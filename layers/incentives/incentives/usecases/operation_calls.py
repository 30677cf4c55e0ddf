"""A record's operation and its reversal as calls to Amazon: each time the same, whoever sends it and whenever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.accounts.account import Account, Secret
from incentives.domain.calls import Call
from incentives.domain.errors import AccountUnusable
from incentives.domain.operations import Operation

if TYPE_CHECKING:
    from incentives.domain.single_requests.record import Record
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.ports import Vault

#: Members of a request that are encrypted in the ledger: whoever holds them can spend.
CARD_NUMBER: Final = "cardNumber"
CUSTOMER_ACCOUNT: Final = "account"

_SHOWN: Final = 4


def masked(text: str) -> str:
    """A card number or customer id of which the last four characters show at most, and four at least do not."""
    hidden = max(len(text) - _SHOWN, min(len(text), _SHOWN))
    return "*" * hidden + text[hidden:]


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
    """The members of a record that are not readable at rest; none for most.

    Raises:
        VaultUnavailable: they cannot be read now.
    """
    return vault.decrypt(record.key_hash, record.encrypted) if record.encrypted else {}


def operation_call(record: Record, members: Mapping[str, Any]) -> Call:
    """The operation."""
    options = dict(record.options)
    if CUSTOMER_ACCOUNT in members:
        options[CUSTOMER_ACCOUNT] = members[CUSTOMER_ACCOUNT]
    return Call(
        name=record.operation.value,
        request_id=record.request_id,
        value=record.value,
        card_number=_card_number(members),
        options=options,
    )


def reversal_call(record: Record, members: Mapping[str, Any]) -> Call:
    """The reversal, with the request id of what it reverses. A void names what it voids: Amazon refuses another one."""
    match record.operation:
        case Operation.CREATE_GIFT_CARD | Operation.ACTIVATE_GIFT_CARD:
            return Call(name=record.operation.reversal, request_id=record.request_id, card_number=_card_number(members))
        case Operation.LOAD_AMAZON_BALANCE:
            source = record.options.get("transactionSource")
            options = {CUSTOMER_ACCOUNT: members[CUSTOMER_ACCOUNT]} if CUSTOMER_ACCOUNT in members else {}
            return Call(
                name=record.operation.reversal,
                request_id=record.request_id,
                value=record.value,
                options=options | ({"transactionSource": source} if source is not None else {}),
            )


def _card_number(members: Mapping[str, Any]) -> Secret | None:
    return Secret(members[CARD_NUMBER]) if CARD_NUMBER in members else None
