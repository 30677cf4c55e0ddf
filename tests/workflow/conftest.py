from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.workflow.definition import Definition
from tests.workflow.engine import FUNCTION_ARN, Engine, running
from tests.workflow.histories import check_history
from tests.workflow.scene import Scene

_DEFINITION = Path(__file__).parents[2] / "functions" / "recover_request" / "recovery.asl.json"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def definition() -> Definition:
    """The workflow as it is deployed, the function's ARN filled in."""
    text = _DEFINITION.read_text(encoding="utf-8").replace("${RecoverRequestFunctionArn}", FUNCTION_ARN)
    return Definition(text)


@pytest.fixture(scope="module")
def engine(definition: Definition) -> Iterator[Engine]:
    with running(definition.text) as engine:
        yield engine


@pytest.fixture
def make_scene(engine: Engine, definition: Definition) -> Iterator[Callable[[], Scene]]:
    """Makes scenes, for a test that needs several; the last one made is live."""
    with _scenes(engine, definition) as make:
        yield make


@pytest.fixture
def scene(make_scene: Callable[[], Scene]) -> Scene:
    return make_scene()


@pytest.fixture(scope="module")
def shared_scene(engine: Engine, definition: Definition) -> Iterator[Scene]:
    """One scene for tests that only look at what has happened in it."""
    with _scenes(engine, definition) as make:
        yield make()


@contextmanager
def _scenes(engine: Engine, definition: Definition) -> Iterator[Callable[[], Scene]]:
    """What holds for every execution is asserted when the test is over."""
    scenes: list[Scene] = []
    with pytest.MonkeyPatch.context() as patch:

        def make() -> Scene:
            scene = Scene(engine, f"order-{next(_numbers)}")
            scene.plug_in(patch)
            scenes.append(scene)
            return scene

        yield make
    for scene in scenes:
        assert scene.stage.is_empty, "an execution was left asleep"
        for execution in scene.executions:
            check_history(execution, scene.secrets)
            assert execution.lasted < definition.timeout
