"""The built layers hold all that functions import, and can be built for a Python and a processor that are not here."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.settings import from_environment
from tests.support.deployed import DEPLOYED
from tests.template.transformed import ROOT

LAYERS = ROOT / "layers"
# What the Lambda runtime brings along: boto3 and what it needs.
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
# Unpacked, with bytecode; a quarter more than they have. Both are fetched and unpacked before a cold start can begin.
DEPENDENCIES_BYTES_MAX = 25_000_000
INCENTIVES_BYTES_MAX = 4_200_000


def build_layer(name: str, folder: str, target: str, artifacts: Path) -> Path:
    """Build as `sam build` does: the target's Makefile, run in the layer's folder."""
    ours = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"}
    environment = {variable: value for variable, value in os.environ.items() if variable not in ours}
    done = subprocess.run(
        ["make", "--makefile", str(LAYERS / "targets" / target / "Makefile"), f"build-{name}"],
        cwd=LAYERS / folder,
        env=environment | {"ARTIFACTS_DIR": str(artifacts), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return artifacts / "python"


@pytest.fixture(scope="module")
def host_layers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both layers, built for this interpreter."""
    here = from_environment({})
    target = f"{here.runtime}-{here.architecture}"
    folder = tmp_path_factory.mktemp("layers")
    return [
        build_layer("DependenciesLayer", "dependencies", target, folder / "dependencies"),
        build_layer("IncentivesLayer", "incentives", target, folder / "incentives"),
    ]


@pytest.fixture(scope="module")
def runtime_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the Lambda runtime brings along."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


# Imports the handler of each folder that it is given, one after the other, builds all that there is to build, and says
# where that could not be done.
IMPORT_EACH = """
import functools, importlib, sys, traceback
failed = []
for folder in {folders!r}:
    sys.path.insert(0, folder)
    try:
        importlib.import_module("handler")
        from incentives.bootstrap import Container, client, container
        for name, each in vars(Container).items():
            if isinstance(each, functools.cached_property):
                getattr(container, name)
        for service in ("events", "kms", "s3", "secretsmanager", "sesv2", "sns", "sqs", "stepfunctions"):
            client(service)
    except Exception:
        failed.append(folder + chr(10) + traceback.format_exc())
    sys.modules.pop("handler", None)
    sys.path.remove(folder)
sys.exit(chr(10).join(failed) or None)
"""


def run_in_lambda(script: str, layers: list[Path], runtime: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with the path that functions have: their layers, the runtime; no site-packages."""
    path = [str(each) for each in (*layers, runtime)]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **DEPLOYED}
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {path!r}\n{script}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def import_handlers(folders: list[Path], layers: list[Path], runtime: Path) -> subprocess.CompletedProcess[str]:
    """Import the handlers of functions, and build what they work with."""
    return run_in_lambda(IMPORT_EACH.format(folders=[str(folder) for folder in folders]), layers, runtime)


def functions() -> list[Path]:
    return sorted(file.parent for file in (ROOT / "functions").glob("*/handler.py"))


def test_layers_hold_what_functions_import(host_layers: list[Path], runtime_packages: Path) -> None:
    done = import_handlers(functions(), host_layers, runtime_packages)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", [0, 1])
def test_neither_layer_can_be_done_without(missing: int, host_layers: list[Path], runtime_packages: Path) -> None:
    layers = [layer for number, layer in enumerate(host_layers) if number != missing]
    done = import_handlers(functions(), layers, runtime_packages)
    assert done.stderr.count("ModuleNotFoundError") == len(functions())


def modules_of(package: Path) -> list[str]:
    return [
        ".".join(file.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        for file in sorted((package / "incentives").rglob("*.py"))
    ]


def test_the_layer_lacks_nothing_but_the_documentation(host_layers: list[Path]) -> None:
    left_out = {*modules_of(LAYERS / "incentives")} - {*modules_of(host_layers[1])}
    assert left_out == {f"incentives.api.{name}" for name in ("models.case_files", "openapi", "routes")}


@pytest.mark.parametrize(("layer", "bytes_max"), [(0, DEPENDENCIES_BYTES_MAX), (1, INCENTIVES_BYTES_MAX)])
def test_a_layer_stays_small(layer: int, bytes_max: int, host_layers: list[Path]) -> None:
    assert sum(file.stat().st_size for file in host_layers[layer].rglob("*") if file.is_file()) <= bytes_max


def test_every_module_of_the_layer_can_be_imported(host_layers: list[Path], runtime_packages: Path) -> None:
    built = host_layers[1]
    modules = modules_of(built)
    done = run_in_lambda(f"import {', '.join(modules)}", host_layers, runtime_packages)
    assert done.returncode == 0, done.stderr


def test_dependencies_layer_holds_no_boto3_and_no_ballast(host_layers: list[Path]) -> None:
    dependencies = host_layers[0]
    names = {entry.name for entry in dependencies.iterdir()}
    packages = {name for name in names if not name.endswith((".dist-info", "__pycache__"))}
    # What is added here is paid for at every cold start.
    assert packages == {
        "annotated_types", "aws_lambda_powertools", "certifi", "charset_normalizer", "idna", "jmespath", "pydantic",
        "pydantic_core", "requests", "requests_aws4auth", "typing_extensions.py", "typing_inspection", "tzdata",
        "urllib3",
    }  # fmt: skip
    ballast = {"RECORD", "INSTALLER", "direct_url.json"}
    assert not [file for file in dependencies.rglob("*") if file.name in ballast or file.suffix == ".pyi"]


def test_bytecode_is_never_checked_against_its_source(host_layers: list[Path]) -> None:
    for layer in host_layers:
        compiled = sorted(layer.rglob("*.pyc"))
        assert compiled
        for file in compiled:
            # Flags of PEP 552: hash-based (1), and not to be checked (2 is missing).
            assert int.from_bytes(file.read_bytes()[4:8], "little") == 1


def test_layer_is_built_for_a_python_and_a_processor_that_are_not_here(tmp_path: Path) -> None:
    # given another target than this machine
    target = "python3.13-arm64" if from_environment({}).runtime != "python3.13" else "python3.12-arm64"
    version = target.removeprefix("python").removesuffix("-arm64").replace(".", "")
    # when the layer is built for it
    site = build_layer("DependenciesLayer", "dependencies", target, tmp_path)
    # then its compiled parts are all of that Python and processor, and there is no bytecode of another
    libraries = [file.name for file in site.rglob("*.so")]
    assert libraries
    assert all(f"cpython-{version}-aarch64" in name or "abi3" in name for name in libraries)
    assert all(f".cpython-{version}." in file.name for file in site.rglob("*.pyc"))
