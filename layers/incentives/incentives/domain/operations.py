"""The operations of the Incentives API that move money, and what undoes each."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """An operation that moves money. The value is Amazon's own name, as in the URL and `x-amz-target`."""

    CREATE_GIFT_CARD = "CreateGiftCard"
    ACTIVATE_GIFT_CARD = "ActivateGiftCard"
    LOAD_AMAZON_BALANCE = "LoadAmazonBalance"

    @property
    def reversal(self) -> str:
        """Amazon's name of the operation that undoes this one, always sent with the same request id."""
        return _REVERSALS[self]


_REVERSALS = {
    Operation.CREATE_GIFT_CARD: "CancelGiftCard",
    Operation.ACTIVATE_GIFT_CARD: "DeactivateGiftCard",
    Operation.LOAD_AMAZON_BALANCE: "VoidAmazonBalanceLoad",
}
