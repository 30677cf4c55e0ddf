"""POST /activations: ActivateGiftCard."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api.models.single_requests import ActivateGiftCardBody
from incentives.domain.operations import Operation
from incentives.operations import issue_of

handler = issue_of(Operation.ACTIVATE_GIFT_CARD, ActivateGiftCardBody)

in_init(lambda: (container.ledger, container.ready_for_amazon(), container.vault, client("kms")))
