"""What Lambda would run, unzipped: the layers and functions as the build makes them, and a runtime's packages.

All of it is compiled as the layers are, beforehand, and so is what it is compared with: no process of a measurement
ever compiles anything but the one small file of its function, as a cold start does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.settings import ROOT, from_environment, python_of
from local.template import read

#: What the Lambda runtime brings along, and no layer may hold.
RUNTIME_PACKAGES: Final = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")

#: Of the environment that the comparisons live in: what no function would be deployed with.
_NOT_DEPLOYED: Final = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "__pycache__", "agcod")

_LAYERS: Final = (("DependenciesLayer", "dependencies"), ("IncentivesLayer", "incentives"))


@dataclass(frozen=True)
class Artifact:
    """Folders of one unzipped deployment.

    Attributes:
        layers: of our layers, as `/opt/python` has them: what is third-party, what is ours.
        runtime: boto3 and what it needs.
        usual: what a function of the usual way has instead of our layers.
        public_client: with the public client alone.
        functions: a folder for each.
    """

    layers: tuple[Path, Path]
    runtime: Path
    usual: Path
    public_client: Path
    functions: Path

    def ours(self, function: str) -> list[str]:
        """The path that a function of ours starts with."""
        return [str(self.functions / function), *map(str, self.layers), str(self.runtime)]

    @property
    def floor(self) -> list[str]:
        """The path of a function that has boto3, requests and requests-aws4auth, and imports nothing else."""
        return self.usual_way

    @property
    def usual_way(self) -> list[str]:
        """The path of a function of the usual way."""
        return [str(self.usual), str(self.runtime)]


def make(folder: Path) -> Artifact:
    """Build everything in an empty folder."""
    here = from_environment({})
    target = f"{here.runtime}-{here.architecture}"
    dependencies, incentives = (build_layer(name, source, target, folder / source) for name, source in _LAYERS)
    made = Artifact(
        layers=(dependencies, incentives),
        runtime=folder / "runtime",
        usual=folder / "usual",
        public_client=folder / "public-client",
        functions=folder / "functions",
    )
    for name in function_names():
        make_function(name, made.functions / name)
    site = _site_packages(sys.prefix)
    _copy([site / name for name in RUNTIME_PACKAGES], made.runtime)
    compared = _site_packages(python_of("bench").parent.parent)
    _copy([each for each in compared.iterdir() if not _is_left_out(each)], made.usual)
    _copy([compared / "agcod"], made.public_client)
    for each in (made.runtime, made.usual, made.public_client):
        _compile(each)
    return made


def build_layer(name: str, source: str, target: str, artifacts: Path) -> Path:
    """Build a layer as `sam build` does: the target's Makefile, run in the layer's folder."""
    _make(ROOT / "layers" / "targets" / target / "Makefile", f"build-{name}", ROOT / "layers" / source, artifacts)
    return artifacts / "python"


def make_function(name: str, artifacts: Path) -> None:
    """Build a function likewise."""
    logical_id = "".join(part.title() for part in name.split("_")) + "Function"
    _make(ROOT / "functions" / "Makefile", f"build-{logical_id}", ROOT / "functions", artifacts)


def function_names() -> list[str]:
    """Every function, by its folder."""
    return sorted(file.parent.name for file in (ROOT / "functions").glob("*/handler.py"))


def function_properties(name: str) -> dict[str, Any]:
    """A function's properties in the template, with those that all functions share."""
    logical_id = "".join(part.title() for part in name.split("_")) + "Function"
    whole = read(ROOT / "template.yaml")
    merged: dict[str, Any] = whole["Globals"]["Function"] | whole["Resources"][logical_id]["Properties"]
    return merged


def bytes_of(folder: Path) -> int:
    """Of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _make(makefile: Path, goal: str, folder: Path, artifacts: Path) -> None:
    ours = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"}
    environment = {variable: value for variable, value in os.environ.items() if variable not in ours}
    done = subprocess.run(
        ["make", "--makefile", str(makefile), goal],
        cwd=folder,
        env=environment | {"ARTIFACTS_DIR": str(artifacts), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{goal} failed:\n{done.stdout}{done.stderr}")


def _site_packages(prefix: str | Path) -> Path:
    return Path(prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _is_left_out(entry: Path) -> bool:
    name = entry.name.split("-")[0]
    return entry.name in {*RUNTIME_PACKAGES, *_NOT_DEPLOYED} or name in {*RUNTIME_PACKAGES, "pip", "setuptools"}


def _copy(sources: Sequence[Path], folder: Path) -> None:
    folder.mkdir()
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder)


def _compile(folder: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([sys.executable, str(ROOT / "layers" / "compile.py"), str(folder), version], check=True)
