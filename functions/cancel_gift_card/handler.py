"""POST /gift-cards/{requestId}/cancel: CancelGiftCard."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.domain.operations import Operation
from incentives.operations import reversal_of

handler = reversal_of(Operation.CREATE_GIFT_CARD)

in_init(lambda: (container.ledger, container.ready_for_amazon()))
