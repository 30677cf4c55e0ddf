"""What neither the contracts on imports nor the linter can say; see pyproject.toml for those."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LAYER: Final = ROOT / "layers" / "incentives" / "incentives"
MODULES: Final = sorted(LAYER.rglob("*.py"))
HANDLERS: Final = sorted((ROOT / "functions").glob("*/*.py"))


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def reveals_a_code(source: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == "reveal" and "claim_code" in ast.unparse(node.value)
        for node in ast.walk(ast.parse(source))
    )


@pytest.mark.parametrize("path", [path for path in [*MODULES, *HANDLERS] if "api" not in path.parts], ids=ids)
def test_a_claim_code_is_revealed_only_where_the_response_to_the_caller_is_built(path: Path) -> None:
    assert not reveals_a_code(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("paths", "lines_max"), [(HANDLERS, 60), (MODULES, 500)], ids=["functions", "modules"])
def test_a_file_is_one_file(paths: list[Path], lines_max: int) -> None:
    lengths = {ids(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: length for name, length in lengths.items() if length > lines_max} == {}
    assert len(lengths) > 20


def test_what_reveals_a_code_is_found() -> None:
    assert reveals_a_code("def f(card):\n    return {'code': card.claim_code.reveal()}\n")
