"""`python -m tests.simulation.mutants`: the gateway less one guard at a time, and whether a history notices."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "incentives")]

if __name__ == "__main__":
    from tests.simulation.mutants_run import main

    sys.exit(main())
