"""How the sandbox's portal writes a download. What a test's own download has besides is added with `with_said`."""

from __future__ import annotations

from typing import Final

from local.statement import Reading

PORTAL_READING: Final = Reading(
    columns={
        "requestId": "Client Reference",
        "activityTime": "Transaction Date",
        "type": "Transaction",
        "status": "Result",
        "amount": "Amount",
        "currencyCode": "Currency",
    },
    zone="America/Los_Angeles",
    time_format="%m/%d/%Y %I:%M:%S %p",
    signs="negative-refunds",
    types={"Gift card order": "GCCreation", "Gift card order cancelled": "GCCancellation"},
    statuses={"Completed": "Success"},
)
