"""What commands print: alive on a terminal, plain and whole where a program reads."""

import os
import pty
import subprocess
import sys

import pytest

from local import settings
from local.__main__ import main
from local.terminal import bar, console, table

WAITS = "import time; from local.terminal import bar\nwith bar('Waiting', 2) as show: show(advance=1); time.sleep(0.3)"


def run(*command: str, terminal: bool) -> str:
    """What a program writes, to a terminal or to a pipe."""
    if not terminal:
        return subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True, check=True).stdout
    ours, its = pty.openpty()
    with subprocess.Popen(command, cwd=settings.ROOT, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm"}):
        os.close(its)
        said = b""
        try:
            while piece := os.read(ours, 4096):
                said += piece
        except OSError:
            # How Linux tells the end of a terminal.
            pass
        os.close(ours)
        return said.decode()


def test_what_takes_time_has_a_bar_on_a_terminal_and_a_plain_line_without() -> None:
    assert "\x1b[" in run(sys.executable, "-c", WAITS, terminal=True)
    assert run(sys.executable, "-c", WAITS, terminal=False) == "Waiting ...\n"


def test_nothing_is_coloured_or_wrapped_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a machine that would have colours in any case
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "GITHUB_ACTIONS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("COLUMNS", "20")
    wide = table("name", "figure")
    wide.add_row("[bold]" + "x" * 300, "1")
    # then a table is text at its full width, as it was given
    console().print(wide)
    assert capsys.readouterr().out.split() == ["name", "figure", "[bold]" + "x" * 300, "1"]
    # and so are errors and help
    assert main(["order", "--do", "sing"]) == 2
    assert main(["order", "--help"]) == 0
    assert "\x1b" not in "".join(capsys.readouterr())


def test_nothing_but_json_is_printed_where_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("Waiting", silent=True) as show:
        show(advance=1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("given", [["nonsense"], ["call", "--nonsense"], ["watch"]])
def test_what_is_wrong_is_one_line(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INCENTIVES_LOCAL_DIR", ".local-nowhere")
    assert main(given) == 2
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)


def test_the_secret_key_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["put-keys", "--help"]) == 0
    assert "secret-access-key" not in capsys.readouterr().out
