"""POST /gift-cards: CreateGiftCard."""

from __future__ import annotations

from incentives.bootstrap import container, in_init
from incentives.api.models.single_requests import CreateGiftCardBody
from incentives.domain.operations import Operation
from incentives.operations import issue_of

handler = issue_of(Operation.CREATE_GIFT_CARD, CreateGiftCardBody)

in_init(lambda: (container.ledger, container.ready_for_amazon()))
