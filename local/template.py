"""Reads template.yaml as data: CloudFormation's short forms become their long ones, and an alias becomes a copy."""

import json
from pathlib import Path
from typing import Any, cast

import yaml

# Short forms whose long form is not `Fn::<name>`.
_PLAIN = {"Ref", "Condition"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # ten times as fast, where it is
    """YAML with CloudFormation's tags."""


def _construct(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in _PLAIN else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _construct)


def read(file: Path) -> dict[str, Any]:
    """The template, intrinsic functions in their long form. No two parts of it are the same object."""
    # The loader is SafeLoader with constructors that make plain data only.
    shared = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    return cast("dict[str, Any]", json.loads(json.dumps(shared)))


def gateway_responses(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The API's own error responses by type, as API Gateway's calls take them: statusCode, responseParameters ..."""
    wanted = template["Resources"]["Api"]["Properties"]["GatewayResponses"]
    return {
        name: {
            "statusCode": str(response["StatusCode"]),
            "responseParameters": {
                f"gatewayresponse.header.{header}": value
                for header, value in response["ResponseParameters"]["Headers"].items()
            },
            "responseTemplates": response["ResponseTemplates"],
        }
        for name, response in wanted.items()
    }
