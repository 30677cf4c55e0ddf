"""`make rotate-keys` calls the function once, tells what it said, and ends with 0 only if there is a key to rely on."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from local.__main__ import main
from local.signing import Caller
from local.target import Target


class Functions:
    """Lambda with one function."""

    def __init__(self) -> None:
        self.report: dict[str, Any] = {"outcome": "kept", "detail": "The key ...WXYZ is in use."}
        self.members: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.fails: Exception | None = None
        self.outputs = {"RotateKeysFunctionName": "gateway-RotateKeysFunction-1A2B3C"}

    def invoke(self, **members: Any) -> dict[str, Any]:
        self.asked.append(members | {"Payload": json.loads(members["Payload"])})
        if self.fails is not None:
            raise self.fails
        return {"Payload": io.BytesIO(json.dumps(self.report).encode()), **self.members}


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def command(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command for a deployed stack."""

    def find(stack: str) -> Target:
        def client(service: str, config: Config) -> Functions:
            assert config.retries == {"total_max_attempts": 1}
            return functions

        return Target(
            stack, "", "", lambda: Caller("AKIDEXAMPLE", "dummy"), client, functions.outputs, dict, {}, is_local=False
        )

    monkeypatch.setattr("local.commands.rotate_keys.find", find)
    for name in ("ACCOUNT", "WATCH_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STACK", "gateway")

    def run(**environment: str) -> int:
        for name, given in environment.items():
            monkeypatch.setenv(name, given)
        return main(["rotate-keys"])

    return run


def test_it_invokes_the_stacks_function_and_says_what_it_said(
    command: Callable[..., int], functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(ACCOUNT="emea") == 0
    assert functions.asked == [{"FunctionName": "gateway-RotateKeysFunction-1A2B3C", "Payload": {"account": "emea"}}]
    assert "kept: The key ...WXYZ is in use." in capsys.readouterr().out


def test_the_watch_can_be_shortened(command: Callable[..., int], functions: Functions) -> None:
    assert command(WATCH_SECONDS="30") == 0
    assert functions.asked[0]["Payload"] == {"account": "default", "watchSeconds": 30.0}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("kept", 0), ("nothingToDo", 0), ("refused", 1), ("unproven", 1), ("rolledBack", 1), ("failed", 1)],
)
def test_the_exit_code_says_whether_all_is_well(
    command: Callable[..., int], functions: Functions, outcome: str, code: int
) -> None:
    functions.report["outcome"] = outcome
    assert command() == code


def test_a_lost_connection_is_no_second_invocation(
    command: Callable[..., int], functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.fails = ReadTimeoutError(endpoint_url="https://lambda.test")
    assert command() == 1
    assert len(functions.asked) == 1
    assert "Run this again: it goes on." in capsys.readouterr().err


def test_a_function_that_died_is_told(
    command: Callable[..., int], functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.members["FunctionError"] = "Unhandled"
    functions.report = {"errorMessage": "Task timed out"}
    assert command() == 1
    assert "its log says why" in capsys.readouterr().err


def test_a_stack_without_the_function_is_told(
    command: Callable[..., int], functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.outputs.clear()
    assert command() == 2
    assert "is it an Incentives Gateway" in capsys.readouterr().err
    assert functions.asked == []


@pytest.mark.parametrize("environment", [{"ACCOUNT": "Not/Allowed"}, {"WATCH_SECONDS": "soon"}])
def test_what_is_wrong_is_told_and_nothing_is_called(
    command: Callable[..., int], functions: Functions, environment: dict[str, str]
) -> None:
    assert command(**environment) == 2
    assert functions.asked == []
