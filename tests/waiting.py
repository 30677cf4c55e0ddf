"""Tests that wait for something that this machine may not have."""

import os
import shutil
from typing import Final

#: Names of Chromium, of which the first on the path is taken unless CHROMIUM names one.
NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge")
#: Why tests are skipped.
NO_BROWSER: Final = "there is no Chromium: name one in CHROMIUM"


def chromium_program() -> str | None:
    """The program, if this machine has one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
