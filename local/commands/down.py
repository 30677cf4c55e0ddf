"""End what `make up` or a crashed start left running."""

from local import cloud, settings
from local.terminal import bar


def main() -> int:
    """End what `make up` or a crashed start left running.

    What the local cloud held is gone then.
    """
    with bar("Stopping"):
        ended = cloud.down(settings.from_environment())
    print("Stopped." if ended else "Nothing was running.")
    return 0
