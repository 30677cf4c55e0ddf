"""What each role of the transformed template may do, as one text: `rights.txt` is what was looked at and agreed to.

`python -m tests.template.rights` writes it anew; the difference is what a reviewer reads. A line is a right: actions,
the resource, the conditions. The lines under it are the roles that have it. `taken by` is who may take a role.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.template.transformed import of_type, resolve, source, transform

FILE = Path(__file__).with_name("rights.txt")
# The sender that mail is looked at with.
SENDER = "gateway@example.com"
#: With what everything is set up that depends on a parameter.
SET_UP = {"MailSender": SENDER, "Tracing": "on", "BooksLockYears": "7"}
#: A role's actions by resource.
Grants = dict[str, set[str]]


def statements(template: Mapping[str, Any], role: Mapping[str, Any], **parameters: str) -> Iterator[dict[str, Any]]:
    """The statements of all policies of a role."""
    for policy in resolve(template, role["Properties"].get("Policies", []), **parameters):
        yield from policy["PolicyDocument"]["Statement"]


def rights(template: Mapping[str, Any]) -> dict[str, set[str]]:
    """Roles by right, those included that depend on a parameter."""
    found: dict[str, set[str]] = {}

    def add(role: str, right: str, condition: object) -> None:
        text = right + (f" if {json.dumps(condition, sort_keys=True)}" if condition else "")
        found.setdefault(text, set()).add(role)

    for name, role in of_type(template, "AWS::IAM::Role").items():
        for trust in resolve(template, role["Properties"]["AssumeRolePolicyDocument"])["Statement"]:
            (who,) = trust["Principal"].values()
            add(name, f"{trust['Action']}: taken by {who}", trust.get("Condition"))
        by_resource: dict[tuple[str, str], set[str]] = {}
        always = {json.dumps(each) for each in statements(template, role)}
        for each in statements(template, role, **SET_UP):
            when = "" if json.dumps(each) in always else " where set up"
            key = json.dumps(each.get("Condition"))
            for resource in each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]]:
                assert (each["Effect"], type(each["Action"])) == ("Allow", list)
                by_resource.setdefault((_named(resource) + when, key), set()).update(each["Action"])
        for (resource, condition), actions in by_resource.items():
            add(name, f"{' '.join(sorted(actions))}: {resource}", json.loads(condition))
    return found


def _named(resource: Any) -> str:
    match resource:
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::Sub": text}:
            return str(text)
        case _:
            return str(resource)


def text_of(template: Mapping[str, Any]) -> str:
    """The file."""
    lines = []
    for right, roles in sorted(rights(template).items()):
        indented = textwrap.fill(" ".join(sorted(roles)), 120, initial_indent="    ", subsequent_indent="    ")
        lines.append(f"{right}\n{indented}\n")
    return "".join(lines)


def agreed() -> dict[str, Grants]:
    """The file: of each role its actions by resource, as `${LedgerTable.Arn}` or an ARN."""
    found: dict[str, Grants] = {}
    resource, actions = "", set[str]()
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            for role in line.split():
                found.setdefault(role, {}).setdefault(resource, set()).update(actions)
        else:
            words, _, rest = line.partition(": ")
            resource, actions = rest.partition(" if ")[0].removesuffix(" where set up"), {*words.split()}
    return found


if __name__ == "__main__":
    FILE.write_text(text_of(transform(source())), encoding="utf-8")
