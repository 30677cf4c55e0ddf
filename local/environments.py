"""Makes the virtual environments, one per tool, because their pins of boto3 and botocore exclude each other.

``project`` holds the code, its tests and the dependencies in ``local/``; ``sam`` the AWS SAM command line; ``ministack`` the
emulated cloud. Each lives in ``.venvs/<name>`` and is filled from ``requirements/<name>.txt``. A stamp of the pins and
of the interpreter says whether it is up to date, so that a second start costs nothing.

Run with the machine's own Python, before anything is installed: standard library only.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS_DIR = ROOT / ".venvs"
NAMES = ("project", "sam", "ministack")
# Older interpreters lack syntax that the code uses; every release of AWS Lambda from here on has a managed runtime.
PYTHON_MINIMUM = (3, 11)
_PINS = {
    "project": (ROOT / "requirements" / "project.txt", ROOT / "layers" / "dependencies" / "requirements.txt"),
    "sam": (ROOT / "requirements" / "sam.txt",),
    "ministack": (ROOT / "requirements" / "ministack.txt",),
    "uv": (ROOT / "requirements" / "uv.txt",),
    # Made by `make audit` only.
    "audit": (ROOT / "requirements" / "audit.txt",),
}


class EnvironmentFailedError(Exception):
    """An environment could not be made; the message says which and why."""


def python_of(name: str) -> Path:
    """The interpreter of an environment, whether or not it exists yet."""
    return ENVIRONMENTS_DIR / name / "bin" / "python"


def stamp_of(name: str) -> str:
    """What an environment depends on, as one hash: its pins, the interpreter and where it stands."""
    digest = hashlib.sha256(f"{sys.version}\0{sys.base_prefix}\0{ENVIRONMENTS_DIR}".encode())
    for pins in _PINS[name]:
        digest.update(pins.read_bytes())
    return digest.hexdigest()


def is_current(name: str) -> bool:
    """Whether an environment exists and fits its pins."""
    stamp = ENVIRONMENTS_DIR / name / "stamp"
    return python_of(name).exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == stamp_of(name)


def ensure(name: str) -> None:
    """Make or update one environment; safe to call from several processes at once.

    Raises:
        EnvironmentFailedError: the interpreter is too old, has no venv module or is the environment's own, or a package
            could not be installed.
    """
    if sys.version_info[:2] < PYTHON_MINIMUM:
        wanted = ".".join(map(str, PYTHON_MINIMUM))
        found = f"{sys.executable} is {sys.version.split()[0]}"
        raise EnvironmentFailedError(f"Python {wanted} or newer is needed; {found}.")
    if is_current(name):
        return
    folder = ENVIRONMENTS_DIR / name
    if Path(sys.prefix).resolve() == folder.resolve():
        # Making it anew starts with removing it: from within, that would saw off the branch we sit on.
        raise EnvironmentFailedError(
            f"The {name} environment is not of the current pins; bring it up to date: make env"
        )
    with _lock(name):
        if is_current(name):
            return
        shutil.rmtree(folder, ignore_errors=True)
        make = [sys.executable, "-m", "venv", str(folder)]
        _run(make, f"the {name} environment (is Python's venv module installed?)")
        _install(name)
        (folder / "stamp").write_text(stamp_of(name), encoding="utf-8")


def ensure_all(names: Sequence[str] = NAMES) -> None:
    """Make or update several environments, side by side."""
    missing = [name for name in names if not is_current(name)]
    if not missing:
        return
    _ensure_installer()
    with ThreadPoolExecutor(max_workers=len(missing)) as pool:
        list(pool.map(ensure, missing))


def _ensure_installer() -> None:
    # Without uv everything still works, only slower: its absence is no error.
    try:
        ensure("uv")
    except EnvironmentFailedError as error:
        if sys.version_info[:2] < PYTHON_MINIMUM:
            raise
        print(f"  uv is not to be had, using pip ({str(error).splitlines()[0]})", file=sys.stderr)


def _install(name: str) -> None:
    pins = str(_PINS[name][0])
    pip = [str(python_of(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", pins]
    uv = ENVIRONMENTS_DIR / "uv" / "bin" / "uv"
    if name != "uv" and uv.exists():
        command = [str(uv), "pip", "install", "--quiet", "--python", str(python_of(name)), "-r", pins]
        if name == "ministack":
            # Every process of a function imports boto3 from here; pip compiles by itself, uv does not.
            command.append("--compile-bytecode")
        # uv does not read pip's configuration: where only pip knows the way to the packages, pip does the work.
        if subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0:
            return
    _run(pip, f"the packages of the {name} environment")


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise EnvironmentFailedError(f"Could not make {what}:\n{tail}")


@contextmanager
def _lock(name: str) -> Iterator[None]:
    ENVIRONMENTS_DIR.mkdir(exist_ok=True)
    with (ENVIRONMENTS_DIR / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> int:
    """Make the named environments (all without a name), with one progress line if there was anything to do."""
    names = tuple(arguments) or NAMES
    if all(is_current(name) for name in names):
        return 0
    started = time.monotonic()
    print(f"environments ({', '.join(names)}) ...", flush=True)
    try:
        ensure_all(names)
    except EnvironmentFailedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"environments ready ({time.monotonic() - started:.1f} s)", flush=True)
    return 0


if __name__ == "__main__":
    os.environ.pop("VIRTUAL_ENV", None)
    sys.exit(main(sys.argv[1:]))
