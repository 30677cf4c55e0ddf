"""What the content policy asks of templates, script and style, and what keeps text of others from being markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from bs4 import BeautifulSoup
from jinja2 import Environment, StrictUndefined, nodes

from console import page
from tests.console.served import Place

TEMPLATES: Final = sorted((page.FOLDER / "templates").iterdir())
STATIC: Final = sorted((page.FOLDER / "static").iterdir())
CODE: Final = sorted(page.FOLDER.rglob("*.py"))
#: What a template makes no markup of would be one of them.
UNESCAPED_FILTERS: Final = {"safe", "forceescape", "xmlattr", "urlize", "tojson"}
#: The only address of somebody else: it names what an SVG is, and nothing is fetched from it.
SVG: Final = "http://www.w3.org/2000/svg"


def name_of(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_marks_nothing_as_safe_and_never_turns_escaping_off(path: Path) -> None:
    tree = Environment(extensions=["jinja2.ext.do"], autoescape=True).parse(path.read_text())
    assert {each.name for each in tree.find_all(nodes.Filter)} & UNESCAPED_FILTERS == set()
    assert list(tree.find_all((nodes.EvalContextModifier, nodes.ScopedEvalContextModifier, nodes.MarkSafe))) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_has_nothing_inline_and_nothing_of_others(path: Path) -> None:
    source = re.sub(r"{#.*?#}", "", path.read_text(), flags=re.DOTALL)
    assert (
        re.findall(
            r"<style|\sstyle\s*=|\son\w+\s*=|javascript:|srcdoc|<base\b|<iframe|<object|<embed", source, re.IGNORECASE
        )
        == []
    )
    scripts = BeautifulSoup(source, "html.parser").find_all("script")
    assert all(each["src"] == "/static/console.js" and not each.get_text() for each in scripts)
    assert set(re.findall(r"(?:https?:)?//[^\s\"'<]*", source, re.IGNORECASE)) <= {SVG}


@pytest.mark.parametrize("path", STATIC, ids=name_of)
def test_script_and_style_name_nobody_else_and_evaluate_nothing(path: Path) -> None:
    source = re.sub(r"^\s*// .*$", "", path.read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"(?:https?:)?//[^\s\"'<]*", source, re.IGNORECASE)) <= {SVG}
    assert (
        re.findall(r"@import|url\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", source)
        == []
    )
    assert re.findall(r"localStorage|sessionStorage|indexedDB|\bcaches\b|document\.cookie|WebSocket", source) == []


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_code_makes_no_markup(path: Path) -> None:
    assert re.findall(r"Markup\b|markupsafe|from_string|autoescape=False", path.read_text()) == []


def test_all_text_is_escaped_and_a_value_that_is_not_there_fails(here: Place) -> None:
    made = page.environment(here.api.functions.world.clock.now, None)
    assert made.autoescape is True
    assert made.undefined is StrictUndefined
    assert set(made.list_templates()) == {path.name for path in TEMPLATES}
