"""The template as CloudFormation gets it: after SAM's transform, with parameters filled in."""

import copy
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.template import read

ROOT = Path(__file__).resolve().parent.parent.parent
REMOVED = object()
_PSEUDO = {
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
    "AWS::StackId": "stack-id",
    "AWS::NoValue": REMOVED,
}


@cache
def _source() -> dict[str, Any]:
    return read(ROOT / "template.yaml")


def source() -> dict[str, Any]:
    """The template as it is written; a copy to do with as one likes."""
    return copy.deepcopy(_source())


def transform(template: dict[str, Any]) -> dict[str, Any]:
    """Apply SAM's transform, as `sam deploy` has CloudFormation do it after uploading the code."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    from samtranslator.parser.parser import Parser  # noqa: PLC0415 - slow to import, and only needed here
    from samtranslator.translator.translator import Translator  # noqa: PLC0415 - likewise

    template = copy.deepcopy(template)
    uri = "s3://artifacts/code"
    template["Globals"]["Function"]["CodeUri"] = uri
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if not str(resource["Properties"].get(name, uri)).startswith("s3://"):
                resource["Properties"][name] = uri
    parameters = {name: given.get("Default") for name, given in template["Parameters"].items()}
    transformed: dict[str, Any] = Translator({}, Parser()).translate(template, parameters)
    return transformed


def resolve(template: Mapping[str, Any], value: Any, **parameters: str) -> Any:  # noqa: C901 - one case a form
    """`value` with parameters, pseudo parameters and conditions put in; references to resources stay as they are."""
    given = {name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()} | parameters

    def holds(condition: Any) -> bool:
        match condition:
            case str():
                return holds(template["Conditions"][condition])
            case {"Condition": name}:
                return holds(name)
            case {"Fn::Equals": [left, right]}:
                return bool(walk(left) == walk(right))
            case {"Fn::Not": [inner]}:
                return not holds(inner)
            case _:
                raise AssertionError(f"unknown condition: {condition}")

    def walk(node: Any) -> Any:  # noqa: PLR0911 - one return a form
        match node:
            case {"Fn::If": [condition, yes, no]}:
                return walk(yes if holds(condition) else no)
            case {"Ref": str(name)} if name in given:
                return given[name]
            case {"Ref": str(name)} if name in _PSEUDO:
                return _PSEUDO[name]
            case {"Fn::Sub": str(text)}:
                for name, known in {**given, **_PSEUDO}.items():
                    text = text.replace(f"${{{name}}}", str(known))
                return {"Fn::Sub": text} if "${" in text else text
            case dict():
                walked = {name: walk(inner) for name, inner in node.items()}
                return {name: inner for name, inner in walked.items() if inner is not REMOVED}
            case list():
                return [inner for inner in (walk(item) for item in node) if inner is not REMOVED]
            case _:
                return node

    return walk(value)


def of_type(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Resources of a type, by logical id."""
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}
