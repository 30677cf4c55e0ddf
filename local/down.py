"""``make down``: end what ``make up`` or a crashed start left running."""

import sys

from local import cloud, settings


def main() -> int:
    """Run; return the exit code."""
    print("Stopped." if cloud.down(settings.from_environment()) else "Nothing was running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
