"""`python -m local --help` explains itself: every command stands in it whole, and each command explains its options."""

from __future__ import annotations

import inspect

import pytest
import typer

from local.__main__ import ENDS, GROUPS, MOVE_MONEY, app, main

COMMANDS = {
    module.__name__.rpartition(".")[2].replace("_", "-"): module for modules in GROUPS.values() for module in modules
}


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["--help"]) == 0
    return capsys.readouterr().out


def test_each_command_stands_under_one_heading_with_what_it_does_uncut(said: str) -> None:
    for group, modules in GROUPS.items():
        part = words(said.partition(f"\n{group}:\n")[2].partition("\n\n")[0])
        for module in modules:
            about = words(inspect.cleandoc(module.main.__doc__).partition("\n\n")[0])
            assert about in part, module.__name__
    assert words(ENDS) in words(said)
    assert "..." not in said.partition("Options:")[2]


def test_what_can_move_money_is_marked(said: str) -> None:
    marked = {line.split()[0] for line in said.splitlines() if line.split()[1:2] == ["*"]}
    assert {COMMANDS[name] for name in marked} == MOVE_MONEY
    assert "* can have Amazon charge something or give it back" in words(said)


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "The books:" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_does_and_what_each_option_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined] # it is a group
    assert [each.name for each in command.params if not getattr(each, "help", None)] == []
    assert main([name, "--help"]) == 0
    assert words(inspect.cleandoc(COMMANDS[name].main.__doc__)) in words(capsys.readouterr().out)
