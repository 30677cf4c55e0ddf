"""Ask Amazon whether a physical card is active."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from incentives.domain.single_requests.request_ids import REQUEST_ID_LENGTH_MAX
from incentives.usecases.ask import ask
from incentives.usecases.dependencies import CALL_SECONDS, Budget, Dependencies

if TYPE_CHECKING:
    from incentives.domain.accounts.account import CardState
    from incentives.domain.secret_text import Secret


def check_activation_status(
    account_name: str, card_number: Secret, request_id: str | None, dependencies: Dependencies, budget: Budget
) -> CardState:
    """Ask for a card's state.

    Args:
        account_name: whose card it is.
        card_number: 19 digits.
        request_id: the activation that is asked about; None for a request id of the query's own.
        dependencies: the ports.
        budget: the caller's time.

    Raises:
        InvalidInput: names `cardNumber`.
        AccountUnusable, AmazonUnavailable, RefusedByAmazon
    """
    partner_id = dependencies.accounts.get(account_name).partner_id
    asked_about = request_id or f"{partner_id}{uuid.uuid4().hex}"[:REQUEST_ID_LENGTH_MAX]
    return ask(
        account_name,
        "activation status",
        lambda account: dependencies.amazon.activation_status(
            account, request_id=asked_about, card_number=card_number, seconds=CALL_SECONDS
        ),
        dependencies,
        budget,
    )
