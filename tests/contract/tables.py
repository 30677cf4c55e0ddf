"""The tables as the template declares them, so that no test runs against a table of its own imagination."""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

#: What CreateTable takes of a table's properties; the rest are settings of running it.
_CREATE = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, of which none matters here."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            return {suffix: loader.construct_scalar(node)}
        case yaml.SequenceNode():
            return {suffix: loader.construct_sequence(node, deep=True)}
        case _:
            raise TypeError(f"!{suffix} of a {type(node).__name__}")


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def table_properties(logical_id: str) -> dict[str, Any]:
    """A table's properties in template.yaml."""
    template = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader, extended
    properties: dict[str, Any] = template["Resources"][logical_id]["Properties"]
    return properties


def create_table(client: Any, logical_id: str) -> str:
    """Make a table as the template declares it; returns its name, which no other has."""
    name = f"{logical_id}-{uuid.uuid4().hex[:8]}"
    properties = table_properties(logical_id)
    client.create_table(TableName=name, **{key: properties[key] for key in _CREATE if key in properties})
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return name
