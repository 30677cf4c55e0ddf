"""Transactions that get into each other's way, which no emulator knows."""

from __future__ import annotations

import json
from random import Random
from types import SimpleNamespace
from typing import Any


def put_in_the_way(client: Any, share: float, random: Random | None = None) -> list[int]:
    """Let a share of a client's transactions meet another one, each at another item; the numbers of those items."""
    met: list[int] = []
    chance = random or Random(1)

    def meet(params: dict[str, Any], **_: object) -> Any:
        if chance.random() >= share:
            return None
        count = len(json.loads(params["body"])["TransactItems"])
        hit = chance.randrange(count)
        met.append(hit)
        reasons = [{"Code": "TransactionConflict" if number == hit else "None"} for number in range(count)]
        error = {"Code": "TransactionCanceledException", "Message": "conflict"}
        return SimpleNamespace(status_code=400), {
            "Error": error,
            "CancellationReasons": reasons,
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }

    client.meta.events.register("before-call.dynamodb.TransactWriteItems", meet)
    return met
