"""`python -m tests.simulation`: histories of the whole system, each from one seed."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "incentives")]

if __name__ == "__main__":
    from tests.simulation.run import main

    sys.exit(main())
