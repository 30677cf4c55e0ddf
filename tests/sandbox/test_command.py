from __future__ import annotations

import ast
import http.client
import os
import signal
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sandbox
from sandbox.__main__ import arguments, main, make_tls, settings_of
from sandbox.control.api import _HANDLERS
from sandbox.control.faults import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(sandbox.__file__).parent.parent


@contextmanager
def started(*flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own; gives the process and the URL that it prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SANDBOX_PARTNER_ID": "Envir"}
    command = [sys.executable, "-m", "sandbox", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "for partner Envir" in line
            yield process, line.split()[3]
        finally:
            process.terminate()
            process.wait(10)


def get(url: str, context: ssl.SSLContext | None = None) -> bytes:
    scheme, _, address = url.partition("://")
    if scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(address, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/sping")
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    with started("--port", "0") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert get(url) == b"healthy"
        process.send_signal(number)
        assert process.wait(10) == 0


def test_it_serves_https_with_a_certificate_of_its_own_authority(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    with started("--tls", "--ca-file", str(ca_file)) as (_, url):
        context = ssl.create_default_context(cafile=str(ca_file))
        assert url.startswith("https://127.0.0.1:")
        assert get(url, context) == b"healthy"
        with pytest.raises(ssl.SSLCertVerificationError):
            get(url, ssl.create_default_context())


def test_the_tls_context_wants_version_1_2() -> None:
    assert make_tls("127.0.0.1", None).minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_command_line_sets_account_and_options() -> None:
    flags = [
        "--partner-id", "Abcde", "--access-key", "K", "--secret-key", "S", "--currency", "JPY", "--currency", "USD",
    ]  # fmt: skip
    flags += ["--late-activate", "refunded", "--page-index", "offset", "--option", "perSecond=4"]
    flags += ["--option", "strictIds=false", "--option", "seed=abc", "--option", "fundsPerSecond=null"]
    settings = settings_of(arguments(flags))
    account = settings.accounts[0]
    assert (account.partner_id, dict(account.keys), account.home_currency) == ("Abcde", {"K": "S"}, "JPY")
    assert account.region == "us-west-2"
    options = settings.options
    assert (options.late_activate, options.page_index, options.per_second) == ("refunded", "offset", 4)
    assert (options.strict_ids, options.seed, options.funds_per_second) == (False, "abc", None)


@pytest.mark.parametrize("option", ["noSuch=1", "perSecond=0", "perSecond"])
def test_a_bad_option_is_named_and_nothing_starts(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--option", option]) == 2
    assert "error:" in capsys.readouterr().err


def test_the_sandbox_stands_on_its_own() -> None:
    allowed = set(sys.stdlib_module_names) | {"sandbox", "botocore", "pydantic", "trustme"}
    for path in Path(sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in allowed, path.name
            elif isinstance(node, ast.Import):
                assert all(name.name.split(".")[0] in allowed for name in node.names), path.name


def test_the_readme_names_every_fault_control_and_flag() -> None:
    text = Path(sandbox.__file__).with_name("README.md").read_text()
    for kind in KINDS:
        assert f"`{kind}`" in text
    for _, control in _HANDLERS:
        assert f" {control}`" in text
    for flag in ("host", "port", "tls", "ca-file", *vars(arguments([]))):
        assert f"--{flag.replace('_', '-')}" in text
