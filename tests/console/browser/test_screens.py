"""Every screen, with much, nothing and nothing but failures to show: all can read it, and it fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from playwright.sync_api import Browser, Page
from starlette.routing import Route

from console import app
from tests.console.browser.chromium import NARROW, UNSEEN, WIDE, Window, serious, spills, window
from tests.console.browser.conftest import Clock
from tests.console.browser.scenes import EXAMPLES, FILES, OTHERS, SCENES, SOME_STEPS, Scene
from tests.console.served import place

ROUTES: Final = [each for each in app.ROUTES if isinstance(each, Route)]
SCREENS: Final = [each.path for each in ROUTES]
STEPS: Final = {each.path for each in ROUTES if "POST" in (each.methods or ())}


def test_each_screen_has_an_example() -> None:
    assert {*EXAMPLES, *FILES} == set(SCREENS)


class Stage:
    """A scene, in a tab that shows one screen after another."""

    def __init__(self, name: str, browser: Window, scene: Scene) -> None:
        self.name, self.browser, self.scene = name, browser, scene
        self.tab = browser.tab()
        self.tab.add_init_script(UNSEEN)


class Stages:
    """One stage at a time; another scene's takes its place."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium, self._open = chromium, ExitStack()
        self._stage: Stage | None = None

    def of(self, name: str) -> Stage:
        if self._stage is None or self._stage.name != name:
            self.close()
            here = self._open.enter_context(place(Clock().now))
            browser = self._open.enter_context(window(self._chromium, here))
            self._stage = Stage(name, browser, SCENES[name](here))
        return self._stage

    def close(self) -> None:
        self._open.close()


@pytest.fixture(scope="module")
def stages(chromium: Browser) -> Iterator[Stages]:
    made = Stages(chromium)
    yield made
    made.close()


def markup(tab: Page) -> list[str]:
    """What somebody's words became, beside text."""
    found: list[str] = tab.evaluate(
        "[...document.querySelectorAll('main :is(script, img, b)')].map((e) => e.outerHTML)"
    )
    return found


def check(tab: Page, *, is_dark_too: bool) -> dict[str, list[str]]:
    """What is wrong with the page in the tab, by how it is looked at."""
    wrong = {"wide": spills(tab), "by axe": serious(tab), "markup of others": markup(tab)}
    if is_dark_too:
        tab.emulate_media(color_scheme="dark")
        wrong["by axe, dark"] = serious(tab, ["color-contrast"])
        tab.emulate_media(color_scheme="light")
    tab.set_viewport_size(NARROW)  # type: ignore[arg-type]
    wrong["narrow"] = spills(tab)
    tab.set_viewport_size(WIDE)  # type: ignore[arg-type]
    return {how: what for how, what in wrong.items() if what}


@pytest.mark.parametrize(
    ("scene", "address"),
    [
        pytest.param(scene, address, id=f"{scene} {address[:60]}")
        for scene in SCENES
        for route, addresses in EXAMPLES.items()
        for address in (addresses if scene == "full" else addresses[:1])
        if scene == "full" or route not in STEPS or route in SOME_STEPS
    ],
)
def test_a_screen_is_read_by_all_and_fits(stages: Stages, scene: str, address: str) -> None:
    stage = stages.of(scene)
    statuses = (200,) if stage.name == "full" else (200, 404)
    stage.browser.expected += [f"status of {each} " for each in statuses[1:]]
    stage.browser.show(stage.tab, address.format(**stage.scene), *statuses)
    assert check(stage.tab, is_dark_too=stage.name == "full") == {}
    stage.browser.settle_problems()


def test_pages_that_say_what_there_is_not_are_read_by_all_and_fit(stages: Stages) -> None:
    stage = stages.of("failing")
    stage.browser.expected.append("status of 40")
    for address, status in OTHERS.items():
        stage.browser.show(stage.tab, address, status)
        assert check(stage.tab, is_dark_too=True) == {}, address
    stage.browser.settle_problems()
