"""Compiles a folder of packages to bytecode, if this very Python is the target: ``python compile.py FOLDER 3.13``.

Bytecode halves the time that a cold start spends on imports. It fits one version of Python only, so that any other
leaves the folder as it is, and says so. The files are of the kind that is never checked against its source: the
deployment zip resets the times of files, by which a checked one would be found stale on every start.
"""

import compileall
import sys
from pathlib import Path
from py_compile import PycInvalidationMode


def compile_for(site: Path, version: str) -> bool:
    """Compile the packages in ``site`` if ``version`` (such as ``3.13``) is this interpreter's; tell whether it was."""
    if version != f"{sys.version_info.major}.{sys.version_info.minor}":
        return False
    # Paths in tracebacks are those of the runtime, and the result is the same wherever it is built.
    compileall.compile_dir(
        site,
        quiet=1,
        force=True,
        workers=0,
        stripdir=str(site),
        prependdir="/opt/python",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    return True


if __name__ == "__main__":
    if not compile_for(Path(sys.argv[1]), sys.argv[2]):
        sys.stderr.write(
            f"There is no python{sys.argv[2]} here: the layer gets no bytecode, and functions take longer to start.\n"
        )
