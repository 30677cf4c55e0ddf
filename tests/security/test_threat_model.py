"""The threat model claims nothing that has neither a test nor a line of the template."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from tests.template.transformed import ROOT

DOCUMENT: Final = (ROOT / "docs" / "security.md").read_text("utf-8")
#: Rows of these tables say in this column what shows them.
PROVEN: Final = {"## Who might try, and what stops them": 4, "## Limits of a request": 4}


@cache
def code() -> str:
    files = [*(ROOT / "tests").rglob("*.py"), ROOT / "template.yaml"]
    return "\n".join(file.read_text("utf-8") for file in files)


def named() -> set[str]:
    return set(re.findall(r"`([^`]+)`", DOCUMENT))


def test_every_test_rule_and_file_that_is_named_is_there() -> None:
    functions = set(re.findall(r"^ *def ([a-z_0-9]+)", code(), re.MULTILINE))
    tests = {name for name in named() if re.fullmatch(r"test_\w+", name)}
    rules = {name.partition(".")[2] for name in named() if re.fullmatch(r"rules\w*\.[a-z_]+", name)}
    files = {name for name in named() if re.fullmatch(r"(tests|layers|local|docs)/[\w/.-]+", name)}
    assert len(tests) > 10
    assert tests - functions == set()
    assert rules - functions == set()
    assert {name for name in files if not (ROOT / name).exists()} == set()


def test_every_name_of_the_template_is_in_it() -> None:
    template = (ROOT / "template.yaml").read_text("utf-8")
    words = {name for name in named() if re.fullmatch(r"[A-Z][a-z]+[A-Z]\w+", name)}
    elsewhere = {"BodyTooLarge", "ListStreams", "DecisionMade", "ReversalStarted"}
    assert words > {"ApiCallerAccounts", "CardVaultKey", "SqsManagedSseEnabled"}
    assert {word for word in words - elsewhere if word not in template} == set()


def test_nothing_is_claimed_without_a_proof() -> None:
    for title, column in PROVEN.items():
        table = DOCUMENT.partition(title)[2].partition("\n## ")[0]
        rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")][2:]
        assert len(rows) > 5
        for row in rows:
            what_stops, shown_by = row[column - 2].strip(), row[column - 1].strip()
            assert "`" in shown_by or what_stops.startswith("nothing here"), row[0]
