"""``python -m sandbox``: serve the sandbox until interrupted."""

from __future__ import annotations

import argparse
import json
import os
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sandbox.control.models import told
from sandbox.control.options import Options, changed
from sandbox.http.gateway import Settings, make_account
from sandbox.http.server import running
from sandbox.model.values import CURRENCIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

# Dummies, recognisable as such: the sandbox keeps no real keys.
DEFAULT_PARTNER_ID = "Sandb"
DEFAULT_ACCESS_KEY = "SANDBOX-ACCESS-KEY"
DEFAULT_SECRET_KEY = "sandbox-secret-key-of-no-worth"  # noqa: S105  (a dummy)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; account settings may come from the environment instead."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A local Incentives API with scripted faults."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--tls", action="store_true", help="serve HTTPS with a certificate of an own CA")
    parser.add_argument("--ca-file", type=Path, help="where to write the CA's certificate (PEM)")
    parser.add_argument("--partner-id", default=os.environ.get("SANDBOX_PARTNER_ID", DEFAULT_PARTNER_ID))
    parser.add_argument("--access-key", default=os.environ.get("SANDBOX_ACCESS_KEY", DEFAULT_ACCESS_KEY))
    parser.add_argument(
        "--secret-key",
        default=os.environ.get("SANDBOX_SECRET_KEY", DEFAULT_SECRET_KEY),
        help="better set as SANDBOX_SECRET_KEY: command lines are visible to every user of the machine",
    )
    parser.add_argument(
        "--currency",
        action="append",
        choices=sorted(CURRENCIES),
        help="a currency of the account; the first one is its home currency (default: USD; may be repeated)",
    )
    parser.add_argument("--late-activate", choices=("revives", "refunded"), help="an Activate after its Deactivate")
    parser.add_argument("--late-load", choices=("revives", "refunded"), help="a load after its Void")
    parser.add_argument("--page-index", choices=("page", "offset"), help="what pageIndex of the activity page counts")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any option of the control API, e.g. strictIds=false, perSecond=4, throttleStatus=429",
    )
    return parser.parse_args(argv)


def settings_of(given: argparse.Namespace) -> Settings:
    """The settings that the command line asks for. Raises ValueError, pydantic's for an option."""
    wanted = dict(_named(each) for each in given.option)
    named = {"lateActivate": given.late_activate, "lateLoad": given.late_load, "pageIndex": given.page_index}
    wanted.update({name: value for name, value in named.items() if value is not None})
    currencies = dict.fromkeys(given.currency or ["USD"])
    account = make_account(given.partner_id, given.access_key, given.secret_key, currencies)
    return Settings((account,), changed(Options(), wanted))


def _named(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"--option takes NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def make_tls(host: str, ca_file: Path | None) -> ssl.SSLContext:
    """A server context with a fresh certificate for `host` and localhost; writes its CA's certificate to `ca_file`."""
    import trustme  # noqa: PLC0415  (a package that only --tls needs)

    authority = trustme.CA()
    certificate = authority.issue_cert(*dict.fromkeys([host, "localhost", "127.0.0.1"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Amazon's endpoints accept TLS 1.2 or newer only.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate.configure_cert(context)
    if ca_file is not None:
        authority.cert_pem.write_to_path(str(ca_file))
    return context


def main(argv: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; the exit code is 2 for a bad command line."""
    given = arguments(argv)
    try:
        settings = settings_of(given)
    except ValueError as problem:
        print(f"error: {told(problem) if isinstance(problem, ValidationError) else problem}", file=sys.stderr)
        return 2
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    tls = make_tls(given.host, given.ca_file) if given.tls else None
    with running(settings, given.host, given.port, tls) as server:
        print(f"sandbox listens on {server.url} for partner {given.partner_id}", flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
