"""The template as CloudFormation gets it: after SAM's transform, with parameters filled in."""

import copy
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.template import read

ROOT = Path(__file__).resolve().parent.parent.parent
REMOVED = object()
_PSEUDO = {
    "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012", "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com", "AWS::StackName": "stack", "AWS::StackId": "stack-id", "AWS::NoValue": REMOVED,
}  # fmt: skip


@cache
def _source() -> dict[str, Any]:
    return read(ROOT / "template.yaml")


def source() -> dict[str, Any]:
    """The template as it is written; a copy to do with as one likes."""
    return copy.deepcopy(_source())


def transform(template: dict[str, Any]) -> dict[str, Any]:
    """Apply SAM's transform, as `sam deploy` has CloudFormation do it after uploading code and definitions."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    from samtranslator.parser.parser import Parser  # noqa: PLC0415 - slow to import, and only needed here
    from samtranslator.translator.translator import Translator  # noqa: PLC0415 - likewise

    template = copy.deepcopy(template)
    uri = "s3://artifacts/code"
    template["Globals"]["Function"]["CodeUri"] = uri
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri", "DefinitionUri"):
            if not str(resource["Properties"].get(name, uri)).startswith("s3://"):
                resource["Properties"][name] = uri
    parameters = {name: given.get("Default") for name, given in template["Parameters"].items()}
    transformed: dict[str, Any] = Translator({}, Parser()).translate(template, parameters)
    return transformed


@cache
def _transformed() -> dict[str, Any]:
    return transform(source())


def transform_variant(variant: dict[str, Any]) -> dict[str, Any]:
    """The same for a variant of the template; at once where only resources differ that SAM leaves as they are."""
    ours = _source()
    names = variant["Resources"].keys() | ours["Resources"].keys()
    found = {name: (ours["Resources"].get(name), variant["Resources"].get(name)) for name in names}
    different = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    texts = [json.dumps(each) for pair in different.values() for each in pair if each]
    # SAM expands its own types, and what other resources say of them.
    left_alone = not any("AWS::Serverless::" in text for text in texts)
    if not left_alone or {**variant, "Resources": 0} != {**ours, "Resources": 0}:
        return transform(variant)
    result = copy.deepcopy(_transformed())
    for name, (_, changed) in different.items():
        result["Resources"].pop(name, None)
        if changed is not None:
            result["Resources"][name] = changed
    return result


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

    def substitute(text: str, named: Mapping[str, Any]) -> Any:
        for name, known in {**given, **_PSEUDO, **named}.items():
            text = text.replace(f"${{{name}}}", str(known))
        return {"Fn::Sub": text} if "${" in text else text

    def walk(node: Any) -> Any:  # noqa: PLR0911 - one return a form
        match node:
            case {"Fn::If": [condition, yes, no]}:
                return walk(yes if holds(condition) else no)
            case {"Ref": str(name)} if name in given:
                return given[name]
            case {"Ref": str(name)} if name in _PSEUDO:
                return _PSEUDO[name]
            case {"Fn::Sub": str(text)}:
                return substitute(text, {})
            case {"Fn::Sub": [str(text), dict(named)]}:
                return substitute(text, walk(named))
            case {"Fn::Select": [int(index), {"Fn::Split": [str(separator), value]}]}:
                return walk(value).split(separator)[index]
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
