"""Tests that wait for something that this machine does not have."""

from typing import Final

#: Why they are skipped.
NO_BROWSER: Final = "there is no Chromium: name one in CHROMIUM"
