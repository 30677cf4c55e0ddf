"""Ways to break the template, for the tests that prove that a rule notices."""

from collections.abc import Callable
from typing import Any

Template = dict[str, Any]
Mutation = Callable[[Template], None]


def resource(template: Template, name: str) -> dict[str, Any]:
    """A resource's properties."""
    properties: dict[str, Any] = template["Resources"][name]["Properties"]
    return properties


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    """The statements of a role's own policy."""
    found: list[dict[str, Any]] = resource(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
    return found


def put(name: str, *path: str | int, value: Any) -> Mutation:
    """Set one property of a resource."""

    def mutate(template: Template) -> None:
        node: Any = resource(template, name)
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return mutate


def drop(name: str, *path: str | int) -> Mutation:
    """Take one property of a resource away."""

    def mutate(template: Template) -> None:
        node: Any = resource(template, name)
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]

    return mutate


def of_resource(name: str, attribute: str, value: str) -> Mutation:
    """Set an attribute of a resource beside its properties, such as its DeletionPolicy."""

    def mutate(template: Template) -> None:
        template["Resources"][name][attribute] = value

    return mutate
