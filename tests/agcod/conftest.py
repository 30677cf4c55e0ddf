"""Hypothesis keeps no example database in the checkout."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("agcod", database=None)
settings.load_profile("agcod")
