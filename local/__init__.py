"""One machine's cloud, and the command line: `python -m local`, which the Makefile's targets call."""

import sys
from pathlib import Path

# The commands go by the functions' own rules, wherever they are started.
sys.path.append(str(Path(__file__).parents[1] / "layers" / "incentives"))
