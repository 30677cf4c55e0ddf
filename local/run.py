"""``make run``: start everything, issue a gift card, stay until Ctrl-C; with ``--background``, return (``make up``)."""

import json
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from local import cloud, demo, settings
from local.environments import EnvironmentFailedError
from local.outputs import Outputs
from local.processes import ServiceFailedError

# Between two looks at whether the services are still there.
LOOK_SECONDS = 0.5
# A shell expects 130 of a program that Ctrl-C ended; but that is how this one is meant to end.
ENDED_AS_ASKED = 0


class _AskedToEnd(BaseException):
    """SIGINT or SIGTERM came."""


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code."""
    background = "--background" in arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        chosen = settings.from_environment()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    deployed: Outputs | None = None
    try:
        started = time.monotonic()
        deployed = cloud.up(chosen)
        _show(deployed, time.monotonic() - started)
        if background:
            print("\nRunning in the background; `make down` ends it.")
            return 0
        print("\nRunning; Ctrl-C ends it.", flush=True)
        while cloud.is_up(chosen, deployed):
            time.sleep(LOOK_SECONDS)
        print("A service has ended; so does this.", file=sys.stderr)
    except _AskedToEnd:
        _ignore_signals()
        print("\nStopping ...", flush=True)
        _take_down(chosen, deployed)
        return ENDED_AS_ASKED
    except (EnvironmentFailedError, ServiceFailedError, demo.FirstCardFailedError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
    _ignore_signals()
    _take_down(chosen, deployed)
    return 1


def _show(deployed: Outputs, seconds: float) -> None:
    key = demo.new_key()
    response = None
    # Against somebody else's Incentives API no card is issued that nobody asked for.
    if deployed.sandboxUrl:
        response, took = demo.issue_first_card(deployed, key)
        print(f"  {'first gift card':<16} {took:5.1f} s   ({seconds + took:.0f} s in all)")
        print(f"\nHTTP {response.status}\n{json.dumps(response.body, indent=2)}")
    print(f"\nThe API is at {deployed.apiUrl} and wants signed requests. To try next, in another terminal:\n")
    print(demo.what_to_try(deployed, key, response))


def _take_down(chosen: settings.Settings, deployed: Outputs | None) -> None:
    # A later start in the same folder has ended ours already; then what runs there now is not ours to end.
    if deployed is None or cloud.is_current(chosen, deployed):
        cloud.down(chosen)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _AskedToEnd


def _ignore_signals() -> None:
    # A second Ctrl-C must not cut the tidying short.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
