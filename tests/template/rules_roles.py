"""What must hold of the policies for people in the transformed template; rules as in `rules.py`.

`docs/roles.md` says in one table who may call what. It is read here, and by the test that calls the deployed API.
"""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from tests.template.rights import SET_UP
from tests.template.rules import Template, operations
from tests.template.transformed import ROOT, of_type, resolve

DOCUMENT = ROOT / "docs" / "roles.md"
ARN = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/v1/"
# Characters of a managed policy, blanks left out. Source: the IAM guide's quotas.
POLICY_MAX = 6144
CASE_FILES = "GET /requests/{requestId}/case-file"


@cache
def table() -> Mapping[str, frozenset[str]]:
    """The document's table: of each route, as `GET /funds`, the roles that may call it."""
    lines = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("|")]
    (first,) = (number for number, line in enumerate(lines) if line.startswith("| Route |"))
    _, *roles = _cells(lines[first])
    found = {}
    for line in lines[first + 2 :]:
        route, *allowed = _cells(line)
        if not re.fullmatch("`(GET|POST|PUT) /.+`", route):
            break
        assert len(allowed) == len(roles)
        assert {*allowed} <= {"yes", "-"}
        found[route.strip("`")] = frozenset(role for role, word in zip(roles, allowed, strict=True) if word == "yes")
    return found


def roles() -> list[str]:
    """The table's roles."""
    return sorted(frozenset().union(*table().values()))


def patterns(template: Template, role: str) -> list[str]:
    """What a role's policy lets call, as `GET/requests/*/case-file`."""
    policy = template["Resources"].get(f"{role}Policy", {"Properties": {"PolicyDocument": {"Statement": []}}})
    found = []
    for each in policy["Properties"]["PolicyDocument"]["Statement"]:
        for resource in _list(each["Resource"]):
            text = resource["Fn::Sub"] if isinstance(resource, dict) else resource
            found.append(text.removeprefix(ARN))
    return found


def each_role_has_its_routes(template: Template) -> Iterator[str]:
    """Each route of the template is in the table, and each role may call what the table says and no other route."""
    routes = {f"{method.upper()} {path}" for method, path, _ in operations(template)}
    if routes != table().keys():
        yield f"routes without a line in {DOCUMENT.name}, or lines without a route: {sorted(routes ^ table().keys())}"
    if table().get(CASE_FILES) != frozenset({"Operator"}):
        yield "case files are for others than operators"
    for role in roles():
        allowed = patterns(template, role)
        wanted = sorted(_pattern(route) for route, who in table().items() if role in who)
        if sorted(allowed) != wanted:
            yield f"{role}: {sorted({*allowed} ^ {*wanted})}"
        # A star covers slashes: what is meant for one route may cover another.
        for route, who in table().items():
            called = re.sub("{([A-Za-z]+)}", r"\1", route).replace(" ", "")
            if any(fnmatchcase(called, each) for each in allowed) is not (role in who):
                yield f"{role} may, or may not, call {route}"


def roles_allow_no_more_than_calls(template: Template) -> Iterator[str]:
    """The policies only allow calls of this API, fit, are nobody's until they are attached, and can be found."""
    found = of_type(template, "AWS::IAM::ManagedPolicy")
    if found.keys() != {f"{role}Policy" for role in roles()}:
        yield f"policies: {sorted(found)}"
    for name, policy in found.items():
        properties = policy["Properties"]
        # A name of ours would keep a second stack out, in any region.
        if properties.keys() != {"Description", "PolicyDocument"}:
            yield f"{name} has {sorted(properties)}"
        for each in properties["PolicyDocument"]["Statement"]:
            if (each["Effect"], each["Action"], each.keys()) != (
                "Allow", ["execute-api:Invoke"], {"Sid", "Effect", "Action", "Resource"},
            ):  # fmt: skip
                yield f"{name} says more, or less: {each}"
            if not all(isinstance(one, dict) and one["Fn::Sub"].startswith(ARN) for one in _list(each["Resource"])):
                yield f"{name} is about other things than this API's routes"
        text = str(resolve(template, properties["PolicyDocument"], **SET_UP)).replace("${Api}", "a" * 10)
        if len(re.sub(r"\s", "", text)) > POLICY_MAX:
            yield f"{name} is too long"
        if template["Outputs"].get(f"{name}Arn", {}).get("Value") != {"Ref": name}:
            yield f"nobody is told the ARN of {name}"


def _pattern(route: str) -> str:
    return re.sub("{[A-Za-z]+}", "*", route).replace(" ", "")


def _cells(line: str) -> list[str]:
    return [each.strip() for each in line.strip().strip("|").split("|")]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
