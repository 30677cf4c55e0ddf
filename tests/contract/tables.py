"""The tables as the template declares them, so that no test runs against a table of its own imagination."""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from typing import Any

from local.template import read

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

#: What CreateTable takes of a table's properties; the rest are settings of running it.
_CREATE = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = read(TEMPLATE)["Resources"]
    return resources


def table_properties(logical_id: str) -> dict[str, Any]:
    """A table's properties in template.yaml."""
    properties: dict[str, Any] = _resources()[logical_id]["Properties"]
    return properties


def create_table(client: Any, logical_id: str) -> str:
    """Make a table as the template declares it; returns its name, which no other has."""
    name = f"{logical_id}-{uuid.uuid4().hex[:8]}"
    properties = table_properties(logical_id)
    client.create_table(TableName=name, **{key: properties[key] for key in _CREATE if key in properties})
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return name
