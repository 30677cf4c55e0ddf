"""Why DynamoDB did not carry out a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from incentives.aws.clients import error_code, response_of

CONDITION_FAILED: Final = "ConditionalCheckFailed"
CONFLICT: Final = "TransactionConflict"

#: Reasons that time heals.
_PASSING_REASONS: Final = frozenset({CONFLICT, "ThrottlingError", "ProvisionedThroughputExceeded"})

#: The same as errors of a whole call. The transaction in progress is our own, sent by the SDK a try earlier.
PASSING_ERRORS: Final = frozenset({"TransactionConflictException", "TransactionInProgressException"})


class Cancelled:
    """A transaction of which nothing was written or read.

    Args:
        error: that its call ended with.
        actions: how many it has.

    Attributes:
        codes: reasons, without those of actions that nothing stood against.
        items: per action, the item whose condition did not hold, as it stands, where it was asked for.
        passing: another write was in the way, or DynamoDB was busy: the conditions say nothing.
    """

    def __init__(self, error: BaseException, actions: int) -> None:
        told: list[Mapping[str, Any]] = response_of(error).get("CancellationReasons") or []
        # Where the whole call was refused there is no reason for any action.
        reasons = [*told, *[{}] * (actions - len(told))]
        self._codes = [str(reason.get("Code")) for reason in reasons]
        self.codes = frozenset(self._codes) - {"None"}
        self.items = [reason.get("Item") or None for reason in reasons]
        self.passing = bool(self.codes & _PASSING_REASONS) or error_code(error) in PASSING_ERRORS

    def failed(self, action: int) -> bool:
        """Whether the condition of an action did not hold."""
        return self._codes[action] == CONDITION_FAILED
