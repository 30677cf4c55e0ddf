"""Starts the whole system on one machine: environments, emulated cloud, sandbox, deployment, first card."""

import sys
from pathlib import Path

# The commands go by the functions' own rules, wherever they are started.
sys.path.append(str(Path(__file__).parents[1] / "layers" / "incentives"))
