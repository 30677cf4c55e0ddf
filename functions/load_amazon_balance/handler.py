"""POST /balance-loads: LoadAmazonBalance."""

from __future__ import annotations

from incentives.bootstrap import client, container, in_init
from incentives.api.models.single_requests import LoadAmazonBalanceBody
from incentives.domain.operations import Operation
from incentives.operations import issue_of

handler = issue_of(Operation.LOAD_AMAZON_BALANCE, LoadAmazonBalanceBody)

in_init(lambda: (container.ledger, container.ready_for_amazon(), container.vault, client("kms")))
