"""Where one local cloud lives and what it is called: folders, ports, names, dummy keys.

Everything is computed from the checkout's own folder and from the environment, so that two checkouts, or two local
clouds of one checkout in two folders, never meet.

Environment (all optional):
    INCENTIVES_LOCAL_DIR: the state folder, ``.local`` by default; another folder is another cloud.
    MINISTACK_PORT, SANDBOX_PORT: ports on the loopback interface; free ones by default.
    INCENTIVES_ENDPOINT: base URL of another Incentives API; then no sandbox is started.
"""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Everything listens here and nowhere else: the emulated cloud hands out its powers to whoever reaches it.
HOST = "127.0.0.1"
REGION = "us-east-1"
STACK_NAME = "incentives-gateway-local"
# The template's default prefix; a deployment anywhere may choose another.
ACCOUNT_SECRET_PREFIX = "incentives-gateway/accounts"  # noqa: S105 - the name of a folder of secrets, not one of them
ACCOUNT_NAME = "default"
ARTIFACTS_BUCKET = "incentives-gateway-local-artifacts"
# Mail goes no further than the emulated cloud; example.com is nobody's.
MAIL_SENDER = "gateway@example.com"
SUPPORT_ADDRESS = "support@example.com"
# What the emulated cloud takes for its owner's keys. Only deploying uses them; callers have users of their own.
OWNER_ACCESS_KEY_ID = "local-owner"
OWNER_SECRET_ACCESS_KEY = "local-owner-dummy"  # noqa: S105 - an obvious dummy
# The sandbox's account. Shapes are the field's, values say what they are.
PARTNER_ID = "Local"
MARKETPLACE = "US"
PARTNER_ACCESS_KEY_ID = "LOCALPARTNERDUMMYKEY"
PARTNER_SECRET_ACCESS_KEY = "local-partner-dummy-secret"  # noqa: S105 - an obvious dummy


class RefusedError(Exception):
    """What was asked for cannot be done; the message says why, and what to do."""


@dataclass(frozen=True)
class Settings:
    """One local cloud. Ports are None where any free one will do.

    Attributes:
        keeps_state: the emulated cloud writes down what it holds when it ends, and a start in the same folder goes on
            from there; but for executions of workflows, which have failed then.
        parameters: of the template, beside those that every local cloud has.
    """

    directory: Path
    ministack_port: int | None = None
    sandbox_port: int | None = None
    incentives_endpoint: str | None = None
    keeps_state: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def outputs_file(self) -> Path:
        """What was deployed where, as JSON."""
        return self.directory / "outputs.json"

    @property
    def logs(self) -> Path:
        """Folder with the output of every step and service."""
        return self.directory / "logs"

    @property
    def temporary(self) -> Path:
        """The services' temporary folder; the emulated functions run in it."""
        return self.directory / "tmp"

    @property
    def build(self) -> Path:
        """Where ``sam build`` puts the built template and code."""
        return self.directory / "build"

    @property
    def runtime(self) -> str:
        """The Lambda runtime that fits the interpreter which runs the emulated functions."""
        return f"python{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def architecture(self) -> str:
        """The Lambda architecture that fits this machine."""
        return "arm64" if os.uname().machine in {"arm64", "aarch64"} else "x86_64"


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        RefusedError: a port is no number.
    """
    return Settings(
        directory=(ROOT / environment.get("INCENTIVES_LOCAL_DIR", ".local")).resolve(),
        ministack_port=_port(environment, "MINISTACK_PORT"),
        sandbox_port=_port(environment, "SANDBOX_PORT"),
        incentives_endpoint=environment.get("INCENTIVES_ENDPOINT", "").rstrip("/") or None,
    )


def python_of(name: str) -> Path:
    """The interpreter of an environment, which `make env` and the targets that need it make."""
    return ROOT / ".venvs" / name / "bin" / "python"


def free_port() -> int:
    """A port on the loopback interface that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _port(environment: Mapping[str, str], name: str) -> int | None:
    value = environment.get(name, "")
    if not value:
        return None
    if not value.isdigit() or not 0 < int(value) < 2**16:
        raise RefusedError(f"{name} must be a port number, not {value!r}.")
    return int(value)
