"""Removes what no function reads at run time from a folder of installed packages: ``python trim.py FOLDER``.

Tests, command-line scripts, type stubs and C sources go. Of the record of a package only METADATA and entry points
stay: that is what ``importlib.metadata`` reads, and the other notes hold times and paths that would change the layer on
each build.
"""

import shutil
import sys
from pathlib import Path

FOLDERS = {"__pycache__", "tests", "test", "bin"}
SUFFIXES = {".pyi", ".c", ".h", ".pyx", ".pxd", ".pyc"}
KEPT_OF_DIST_INFO = {"METADATA", "entry_points.txt"}


def trim(site: Path) -> None:
    """Trim the packages in ``site``, in place."""
    for folder in [path for path in site.rglob("*") if path.is_dir() and path.name in FOLDERS]:
        shutil.rmtree(folder, ignore_errors=True)
    for file in [path for path in site.rglob("*") if path.is_file()]:
        in_dist_info = any(part.endswith(".dist-info") for part in file.relative_to(site).parts[:-1])
        if file.suffix in SUFFIXES or (in_dist_info and file.name not in KEPT_OF_DIST_INFO):
            file.unlink()
    for folder in sorted((path for path in site.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
