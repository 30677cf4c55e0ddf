"""The house's rooms, read off the imports: who may know whom, and who may touch the environment, a logger, AWS."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LAYER: Final = ROOT / "layers" / "incentives" / "incentives"
FUNCTIONS: Final = ROOT / "functions"

#: Which rooms of ours a room may import. A port's types are the adapter's own, so the use cases see `agcod`.
MAY_IMPORT: Final = {
    "domain": {"domain"},
    "agcod": {"agcod", "domain"},
    "aws": {"aws", "domain"},
    "api": {"api", "domain"},
    "usecases": {"usecases", "domain", "agcod"},
}
#: Third-party packages, each in the one room that needs it. boto3 would cost each cold start more than it is good for.
PACKAGES: Final = {
    "aws_lambda_powertools": {"aws", "invocation"},
    "boto3": set[str](),
    "botocore": {"aws"},
    "requests": {"agcod"},
    "requests_aws4auth": {"agcod"},
    "urllib3": {"agcod"},
    "pydantic": {"agcod", "api", "domain", "settings"},
}
#: Documents the API; no function loads them, and the layer lacks them.
DOCUMENTATION: Final = {LAYER / "api" / f"{name}.py" for name in ("openapi", "routes", "models/case_files")}
LEVELS: Final = ("debug", "info", "warning", "error", "exception", "critical", "log")
#: Touches the HTTP library's own logger only to silence it.
SILENCES: Final = LAYER / "agcod" / "transport.py"
#: Names the class of Lambda's context, for type checkers.
TYPES_ONLY: Final = LAYER / "invocation.py"
#: The one way out for what is said of a request.
SAYS: Final = LAYER / "aws" / "telemetry.py"
HANDLER_LINES_MAX: Final = 60
FILE_LINES_MAX: Final = 500

MODULES: Final = sorted(LAYER.rglob("*.py"))
HANDLERS: Final = sorted(FUNCTIONS.glob("*/*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(LAYER).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree_of(path)))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions and under TYPE_CHECKING, as a dotted name."""
    for node in nodes_of(path):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.ImportFrom(level=level) if level:
                raise AssertionError(f"{path}: relative import")


def our_rooms(path: Path) -> set[str]:
    rooms = {name.split(".")[1] for name in imports_of(path) if name.startswith("incentives.")}
    return rooms - {"__version__"}


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) in MAY_IMPORT], ids=ids)
def test_a_room_knows_only_the_rooms_below_it(path: Path) -> None:
    assert our_rooms(path) <= MAY_IMPORT[room_of(path)]


def test_every_module_is_in_a_room() -> None:
    assert {room_of(path) for path in MODULES} == {
        *MAY_IMPORT,
        "bootstrap",
        "invocation",
        "operations",
        "settings",
        "__init__",
    }


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_third_party_packages_stay_in_their_rooms(path: Path) -> None:
    for name in imports_of(path):
        package = name.split(".")[0]
        assert room_of(path) in PACKAGES.get(package, {room_of(path)}), f"{package} in {path}"


@pytest.mark.parametrize("path", [p for p in [*MODULES, *HANDLERS] if p not in DOCUMENTATION], ids=ids)
def test_no_function_needs_what_the_layer_lacks(path: Path) -> None:
    lacking = {".".join(module.relative_to(LAYER.parent).with_suffix("").parts) for module in DOCUMENTATION}
    assert not [name for name in imports_of(path) for missing in lacking if f"{name}.".startswith(f"{missing}.")]


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) == "domain"], ids=ids)
def test_the_domain_has_no_clock_no_randomness_and_no_way_out(path: Path) -> None:
    outside = {
        "os",
        "time",
        "random",
        "secrets",
        "uuid",
        "socket",
        "http",
        "urllib",
        "subprocess",
        "logging",
        "threading",
    }

    assert not {name.split(".")[0] for name in imports_of(path)} & outside
    assert not {"now", "utcnow", "today"} & _called_methods(path)


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) in {"domain", "usecases", "api"}], ids=ids)
def test_use_cases_take_the_time_from_their_clock(path: Path) -> None:
    assert "datetime.now" not in _called_names(path)
    assert "time.sleep" not in _called_names(path)


@pytest.mark.parametrize("path", [*MODULES, *HANDLERS], ids=ids)
def test_nothing_but_bootstrap_reads_the_environment(path: Path) -> None:
    reads = {"os.environ", "os.getenv", "os.environb"} & {*_attributes(path), *imports_of(path)}

    assert not reads or path == LAYER / "bootstrap.py"


@pytest.mark.parametrize("path", [*MODULES, *HANDLERS], ids=ids)
def test_nothing_but_telemetry_touches_a_logger(path: Path) -> None:
    loggers = {"logging", "aws_lambda_powertools"} & {name.split(".")[0] for name in imports_of(path)}
    writes = {"print", "warnings.warn", *(f"logging.{level}" for level in LEVELS)} & _called_names(path)
    streams = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"} & {*_attributes(path)}

    assert not writes
    assert not loggers or path in {SAYS, SILENCES, TYPES_ONLY}
    assert not streams or path == SAYS or path in DOCUMENTATION
    assert path != SILENCES or not set(LEVELS) & _called_methods(path)


@pytest.mark.parametrize("path", HANDLERS, ids=ids)
def test_a_handler_is_short_and_opens_nothing_itself(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= HANDLER_LINES_MAX
    assert our_rooms(path) <= {"bootstrap", "invocation", "operations", "api", "domain", "usecases"}
    assert not {name.split(".")[0] for name in imports_of(path)} & PACKAGES.keys()


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_file_is_one_file(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", [*MODULES, *HANDLERS], ids=ids)
def test_a_claim_code_is_revealed_only_where_the_response_to_the_caller_is_built(path: Path) -> None:
    shown = [node for node in nodes_of(path) if _reveals_a_code(node)]

    assert not shown or path.parent == LAYER / "api"


def test_the_checks_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import os\nfrom incentives.aws import ledger\n\ndef f() -> None:\n    from incentives.api import funds\n"
        "    print(os.environ['X'], card.claim_code.reveal())\n"
    )

    assert our_rooms(bad) == {"aws", "api"}
    assert "os.environ" in set(_attributes(bad))
    assert "print" in _called_names(bad)
    assert any(_reveals_a_code(node) for node in nodes_of(bad))


def _reveals_a_code(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "reveal" and "claim_code" in ast.unparse(node.value)


def _attributes(path: Path) -> Iterator[str]:
    return (ast.unparse(node) for node in nodes_of(path) if isinstance(node, ast.Attribute))


@cache
def _called_names(path: Path) -> set[str]:
    return {ast.unparse(node.func) for node in nodes_of(path) if isinstance(node, ast.Call)}


def _called_methods(path: Path) -> set[str]:
    return {name.rpartition(".")[2] for name in _called_names(path) if "." in name}
