"""Whatever a document names is there: linked pages and headings, paths, and the names within a module."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from incentives.domain.caller_fields import COLUMNS, FIELDS

ROOT: Final = Path(__file__).parents[2]
#: Paths are told from the root, or from the layer's package.
BASES: Final = (ROOT, ROOT / "layers" / "incentives" / "incentives")
PAGES: Final = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "sandbox" / "README.md"]
#: Decisions and changes of the past name what was there then.
PRESENT: Final = [page for page in PAGES if page.name not in {"DECISIONS.md", "CHANGELOG.md"}]
README_LINES_MAX: Final = 120
PICTURE_BYTES_MAX: Final = 300_000

FOLDERS: Final = "tests|console|layers|functions|local|docs|sandbox|events|domain|agcod|aws|usecases|api|requirements"
PATH: Final = re.compile(rf"`((?:{FOLDERS})/[\w./-]*|[\w/]+\.(?:py|yaml|toml))(?:: ([\w, ]+))?`")


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
        target, _, anchor = link.partition("#")
        if not target.startswith("https://"):
            file = page.parent / target if target else page
            assert file.exists(), link
            assert not anchor or anchor in anchors_of(file), link


@pytest.mark.parametrize("page", PRESENT, ids=ids)
def test_each_path_and_name_is_there(page: Path) -> None:
    for path, names in PATH.findall(without_code(page.read_text("utf-8"))):
        found = [base / path for base in (*BASES, page.parent) if (base / path).exists()]
        assert found, path
        for name in filter(None, re.split(r", *", names)):
            assert re.search(rf"\b(def|class) {name}\b|^{name}\b.*=", found[0].read_text("utf-8"), re.MULTILINE), name


def test_the_readme_is_short_and_begins_with_its_commands() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= README_LINES_MAX
    assert (
        lines.index(
            "make run     # the whole system on this machine: starts it, issues one gift card, stays until Ctrl-C"
        )
        < 15
    )


def test_each_document_is_in_the_list_of_documents() -> None:
    listed = set(re.findall(r"\]\((\w[\w.-]+)\)", (ROOT / "docs" / "README.md").read_text("utf-8")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= listed


def test_each_picture_is_shown_and_small() -> None:
    shown = {
        link for page in PAGES for link in re.findall(r"\]\((?:docs/)?(pictures/[\w.-]+)\)", page.read_text("utf-8"))
    }
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert {f"pictures/{each.name}" for each in pictures} == shown
    assert [each.name for each in pictures if each.stat().st_size > PICTURE_BYTES_MAX] == []


def test_each_field_of_callers_is_in_the_tables_that_show_it() -> None:
    # given the first column of each table
    def named(page: str) -> set[str]:
        cells = re.findall(r"^\| ([^|]*) \|", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
        return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}

    # then columns of files and fields of events are described
    assert set(COLUMNS) <= named("bulk-orders.md")
    assert {each.name for each in FIELDS.values() if each.is_shown} <= named("recovery.md")
