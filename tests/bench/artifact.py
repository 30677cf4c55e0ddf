"""What Lambda would run, unzipped: the layers and functions as the build makes them, and a runtime's packages.

For the template's default runtime where this machine has that interpreter, else for the one that runs this. All of it
is compiled beforehand, as the layers are when they are built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import boto3

from local.settings import ROOT, from_environment
from local.template import read

#: What the Lambda runtime brings along, and no layer may hold.
_RUNTIME_PACKAGES: Final = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")


@dataclass(frozen=True)
class Artifact:
    """Folders of one unzipped deployment.

    Attributes:
        python: the interpreter.
        layers: of our layers, as `/opt/python` has them: what is third-party, what is ours.
        brought: boto3 and what it needs.
        functions: a folder for each.
    """

    python: Path
    layers: tuple[Path, Path]
    brought: Path
    functions: Path

    def ours(self, function: str) -> list[str]:
        """The path that a function of ours starts with."""
        return [str(self.functions / function), *map(str, self.layers), str(self.brought)]

    @property
    def usual(self) -> list[str]:
        """The path of a function that has the same packages, and nothing of ours."""
        return [str(self.layers[0]), str(self.brought)]


def make(folder: Path) -> Artifact:
    """Build everything in an empty folder."""
    runtime, python = interpreter()
    makefile = ROOT / "layers" / "targets" / f"{runtime}-{from_environment({}).architecture}" / "Makefile"
    for name in ("dependencies", "incentives"):
        _make(makefile, f"build-{name.title()}Layer", ROOT / "layers" / name, folder / name, python)
    for name in function_names():
        goal = f"build-{logical_id(name)}"
        _make(ROOT / "functions" / "Makefile", goal, ROOT / "functions", folder / "functions" / name, python)
    brought, site = folder / "runtime", Path(boto3.__file__).parents[1]
    for name in _RUNTIME_PACKAGES:
        copy = shutil.copy2 if name.endswith(".py") else shutil.copytree
        brought.mkdir(exist_ok=True)
        copy(site / name, brought / name)
    version = runtime.removeprefix("python")
    subprocess.run([str(python), str(ROOT / "layers" / "compile.py"), str(brought), version], check=True)
    layers = folder / "dependencies" / "python", folder / "incentives" / "python"
    return Artifact(python, layers, brought, folder / "functions")


@cache
def interpreter() -> tuple[str, Path]:
    """The runtime that is measured, as Lambda calls it, and its interpreter."""
    wanted: str = template()["Parameters"]["FunctionRuntime"]["Default"]
    # On the path, or where the one that runs this was installed among others.
    found: Iterable[Path | str | None] = (
        shutil.which(wanted),
        *sorted(Path(sys.base_prefix).parent.glob(f"*/bin/{wanted}")),
    )
    for each in filter(None, found):
        if subprocess.run([str(each), "-c", ""], capture_output=True, check=False).returncode == 0:
            return wanted, Path(each)
    return from_environment({}).runtime, Path(sys.executable)


def function_names() -> list[str]:
    """Every function, by its folder."""
    return sorted(file.parent.name for file in (ROOT / "functions").glob("*/handler.py"))


@cache
def template() -> dict[str, Any]:
    """The template."""
    whole: dict[str, Any] = read(ROOT / "template.yaml")
    return whole


def function_properties(name: str) -> dict[str, Any]:
    """A function's properties in the template, with those that all functions share."""
    merged: dict[str, Any] = template()["Globals"]["Function"] | template()["Resources"][logical_id(name)]["Properties"]
    return merged


def bytes_of(folder: Path) -> int:
    """Of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def logical_id(function: str) -> str:
    return function.title().replace("_", "") + "Function"


def _make(makefile: Path, goal: str, folder: Path, artifacts: Path, python: Path) -> None:
    """Build as `sam build` does; the folder of the interpreter goes first on the path, for who compiles."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["make", "--makefile", str(makefile), goal],
        cwd=folder,
        env=inherited | {"ARTIFACTS_DIR": str(artifacts), "PYTHON": sys.executable, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{goal} failed:\n{done.stdout}{done.stderr}")
