"""Starts the services of the local cloud: MiniStack, which emulates AWS, and the sandbox, Amazon's stand-in."""

import os
import socket
import urllib.request
from collections.abc import Callable

from local.cloud import processes
from local.settings import (
    HOST,
    OWNER_ACCESS_KEY_ID,
    OWNER_SECRET_ACCESS_KEY,
    PARTNER_ACCESS_KEY_ID,
    PARTNER_ID,
    PARTNER_SECRET_ACCESS_KEY,
    REGION,
    ROOT,
    Settings,
    free_port,
    python_of,
)

Attempt = Callable[[int], tuple[processes.Service, str]]

# Both are ready within two seconds; a machine under load may take many times that.
START_SECONDS_MAX = 60.0
# How often a port that was free a moment ago may turn out to be taken.
PORT_TRIES = 3
# Settings of this machine that a function needs to reach an https address outside, and nothing else of its environment.
_PASSED_ON = ("LANG", "LC_ALL", "PATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")


def start_ministack(settings: Settings) -> tuple[processes.Service, str]:
    """Start the emulated cloud, IAM enforced; return it and its URL.

    Raises:
        processes.ServiceFailedError: it did not start.
    """

    def attempt(port: int) -> tuple[processes.Service, str]:
        url = f"http://{HOST}:{port}"
        settings.temporary.mkdir(parents=True, exist_ok=True)
        environment = _environment() | {
            "AUTH": "true",
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": REGION,
            "AWS_ACCESS_KEY_ID": OWNER_ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": OWNER_SECRET_ACCESS_KEY,
            "HOME": str(settings.directory),
            "TMPDIR": str(settings.temporary),
            "S3_DATA_DIR": str(settings.directory / "s3"),
            "STATE_DIR": str(settings.directory / "state"),
            # No function's process is ended for idleness while the cloud is up: tests count on warm ones.
            "LAMBDA_WARM_TTL_SECONDS": "86400",
        }
        if settings.keeps_state:
            environment |= {"PERSIST_STATE": "1", "S3_PERSIST": "1"}
        command = [str(python_of("ministack")), str(ROOT / "local" / "emulator")]
        service = processes.start("ministack", command, settings.directory, environment, settings.directory)
        processes.wait_until(service, lambda: _responses(f"{url}/_ministack/health"), START_SECONDS_MAX)
        return service, url

    return _on_a_port("ministack", settings, settings.ministack_port, attempt)


def start_sandbox(settings: Settings) -> tuple[processes.Service, str]:
    """Start the sandbox with the local account in it; return it and its URL.

    Raises:
        processes.ServiceFailedError: it did not start.
    """

    def attempt(port: int) -> tuple[processes.Service, str]:
        url = f"http://{HOST}:{port}"
        environment = _environment() | {
            "SANDBOX_PARTNER_ID": PARTNER_ID,
            "SANDBOX_ACCESS_KEY": PARTNER_ACCESS_KEY_ID,
            "SANDBOX_SECRET_KEY": PARTNER_SECRET_ACCESS_KEY,
            "PYTHONUNBUFFERED": "1",
        }
        command = [str(python_of("project")), "-m", "sandbox", "--host", HOST, "--port", str(port)]
        service = processes.start("sandbox", command, settings.directory, environment, ROOT)
        processes.wait_until(service, lambda: _responses(f"{url}/_sandbox/report"), START_SECONDS_MAX)
        return service, url

    return _on_a_port("sandbox", settings, settings.sandbox_port, attempt)


def _on_a_port(name: str, settings: Settings, wanted: int | None, attempt: Attempt) -> tuple[processes.Service, str]:
    if wanted and _is_taken(wanted):
        # Found out beforehand: whoever listens there might answer as if it were ours.
        raise processes.ServiceFailedError(f"{name} cannot start: port {wanted} is taken.")
    for remaining in reversed(range(1 if wanted else PORT_TRIES)):
        try:
            return attempt(wanted or free_port())
        except processes.ServiceFailedError:
            processes.stop(name, settings.directory)
            if not remaining:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"PYTHONDONTWRITEBYTECODE": "1"}


def _responses(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            status: int = response.status
            return status == 200  # noqa: PLR2004 - HTTP's OK
    except OSError:
        return False
