"""A download like one from Amazon's portal: the rows of the activity page in another form.

Amazon documents no such form. This one is made up so that whoever maps a download has to map everything: names of
columns, types and results, local times in American order, refunds with a minus sign, and claim codes that must not
leave the file.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from sandbox.model.activity import page_row
from sandbox.model.log import REVERSALS, Activity
from sandbox.model.values import Json

if TYPE_CHECKING:
    from sandbox.model.world import World

COLUMNS = (
    "Transaction Date",
    "Transaction",
    "Result",
    "Client Reference",
    "Card Serial",
    "Claim Code",
    "Amount",
    "Currency",
)
_NAMES = {
    "CreateGiftCard": "Gift card order",
    "CancelGiftCard": "Gift card order cancelled",
    "ActivateGiftCard": "Card activation",
    "DeactivateGiftCard": "Card activation reversed",
    "LoadAmazonBalance": "Balance top-up",
    "VoidAmazonBalanceLoad": "Balance top-up reversed",
}
_RESULTS = {"Success": "Completed", "Failed": "Declined"}


def statement(world: World, partner_id: str, start: datetime, end: datetime, *, now: datetime, zone: tzinfo) -> str:
    """CSV with a line for each real row from `start` up to, not including, `end` that is visible now.

    Times are of `zone`, without saying so: in autumn one hour comes twice, and nothing tells which one is meant.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    rows = world.activity.within(partner_id, start, end, now)
    writer.writerows(_line(world, row, zone) for row in rows if row.real and row.at < end)
    return text.getvalue()


def _line(world: World, row: Activity, zone: tzinfo) -> list[Json]:
    local = row.at.astimezone(zone).strftime("%m/%d/%Y %I:%M:%S %p")
    paid: Json = None if row.value is None else row.value.fields
    own: dict[str, Json] = {"activityTime": local, "activityType": _NAMES[row.operation], "cardValue": paid}
    fields = {**page_row(row, world.options), **own, **(row.shown or {})}
    value, status = fields["cardValue"], fields["activityStatus"]
    amount, currency = (value.get("amount"), value.get("currencyCode")) if isinstance(value, dict) else (value, None)
    card, code = world.cards.get((row.account, row.request_id or "")), None
    if row.operation == "CreateGiftCard" and row.request_id is not None:
        code = card.claim_code if card is not None else world.claim_code(row.account, row.request_id)
    return [
        fields["activityTime"],
        fields["activityType"],
        _RESULTS.get(str(status), status),
        fields["requestId"],
        fields["gcId"],
        code,
        f"-{amount}" if amount is not None and row.operation in REVERSALS else amount,
        currency,
    ]
