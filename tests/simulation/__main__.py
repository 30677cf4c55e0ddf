"""`python -m tests.simulation`: histories of the whole system, each from one seed."""

import sys

from tests.simulation.run import main

if __name__ == "__main__":
    sys.exit(main())
