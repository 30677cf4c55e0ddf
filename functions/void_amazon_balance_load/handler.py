"""POST /balance-loads/{requestId}/void: VoidAmazonBalanceLoad."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.domain.operations import Operation
from incentives.operations import reversal_of

handler = reversal_of(Operation.LOAD_AMAZON_BALANCE)

in_init(lambda: (container.ledger, container.ready_for_amazon(), container.vault, client("kms")))
