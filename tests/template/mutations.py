"""Ways to break the template, for the tests that prove that a rule notices."""

from collections.abc import Callable
from typing import Any

Template = dict[str, Any]
Mutation = Callable[[Template], None]


def _at(template: Template, path: str) -> tuple[Any, Any]:
    """Where a path ends: `Resource.Property.0.Name`, `Resource@Attribute` or `Globals.Property`, and the last step.

    A step into a list is a number, or the Sid of a statement.
    """
    name, _, rest = path.partition(".")
    name, _, attribute = name.partition("@")
    if attribute:
        return template["Resources"][name], attribute
    node: Any = template["Globals"]["Function"] if name == "Globals" else template["Resources"][name]["Properties"]
    *steps, last = rest.split(".")
    for step in steps:
        node = node[_step(node, step)]
        if step == "Mail":
            node = node["Fn::If"][1]
    return node, _step(node, last)


def _step(node: Any, step: str) -> str | int:
    if not isinstance(node, list):
        return step
    if step.isdigit():
        return int(step)
    (found,) = [number for number, each in enumerate(node) if each.get("Fn::If", [0, each])[1].get("Sid") == step]
    return found


def _named(mutation: Mutation, name: str) -> Mutation:
    mutation.__name__ = name
    return mutation


def put(path: str, value: object) -> Mutation:
    """Set what is at a path."""

    def mutate(template: Template) -> None:
        node, last = _at(template, path)
        node[last] = value

    return _named(mutate, f"{path} is {value}")


def drop(path: str) -> Mutation:
    """Take away what is at a path."""

    def mutate(template: Template) -> None:
        node, last = _at(template, path)
        del node[last]

    return _named(mutate, f"no {path}")


def add(path: str, value: object) -> Mutation:
    """Append to the list at a path."""

    def mutate(template: Template) -> None:
        node, last = _at(template, path)
        node[last].append(value)

    return _named(mutate, f"{value} in {path}")


def swap(path: str, old: str, new: str) -> Mutation:
    """Replace a part of the text at a path."""

    def mutate(template: Template) -> None:
        node, last = _at(template, path)
        assert old in node[last]
        node[last] = node[last].replace(old, new)

    return _named(mutate, f"{new} for {old} in {path}")


def copy_of(name: str, new: str, **properties: object) -> Mutation:
    """Another resource like one that is there, with other properties."""

    def mutate(template: Template) -> None:
        like = template["Resources"][name]
        template["Resources"][new] = {**like, "Properties": {**like["Properties"], **properties}}

    return _named(mutate, f"{new}, another {name}")


def without(name: str) -> Mutation:
    """A resource less."""
    return _named(lambda template: template["Resources"].pop(name), f"no {name}")


def may(role: str, sid: str) -> str:
    """The path of a statement of a role."""
    return f"{role}.Policies.0.PolicyDocument.Statement.{sid}"
