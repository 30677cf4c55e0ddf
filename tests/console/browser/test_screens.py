"""Every screen, with much, nothing and nothing but failures to show: all can read it, and it fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page
from starlette.routing import Route

from console import app
from tests.console.browser.chromium import NARROW, WIDE, Window, serious, spills, window
from tests.console.browser.conftest import Clock
from tests.console.browser.scenes import EXAMPLES, OTHERS, SCENES, Scene
from tests.console.served import place

SCREENS: Final = [each.path for each in app.ROUTES if isinstance(each, Route)]


def test_each_screen_has_an_example() -> None:
    assert set(EXAMPLES) == set(SCREENS)


class Stage:
    """A scene, in a tab that shows one screen after another."""

    def __init__(self, name: str, browser: Window, scene: Scene) -> None:
        self.name, self.browser, self.scene = name, browser, scene
        self.tab = browser.tab()


@pytest.fixture(scope="module", params=SCENES)
def stage(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Stage]:
    with place(Clock().now) as here, window(chromium, here) as browser:
        yield Stage(request.param, browser, SCENES[request.param](here))
        browser.settle()


def check(tab: Page, *, is_dark_too: bool) -> dict[str, list[str]]:
    """What is wrong with the page in the tab, by how it is looked at."""
    wrong = {"wide": spills(tab), "by axe": serious(tab)}
    if is_dark_too:
        tab.emulate_media(color_scheme="dark")
        wrong["by axe, dark"] = serious(tab, ["color-contrast"])
        tab.emulate_media(color_scheme="light")
    tab.set_viewport_size(NARROW)  # type: ignore[arg-type]
    wrong["narrow"] = spills(tab)
    tab.set_viewport_size(WIDE)  # type: ignore[arg-type]
    return {how: what for how, what in wrong.items() if what}


@pytest.mark.parametrize("route", EXAMPLES)
def test_a_screen_is_read_by_all_and_fits(stage: Stage, route: str) -> None:
    for address in EXAMPLES[route]:
        stage.browser.show(stage.tab, address.format(**stage.scene))
        assert check(stage.tab, is_dark_too=stage.name == "full") == {}, address
        assert stage.browser.problems == []


def test_pages_that_say_what_there_is_not_are_read_by_all_and_fit(stage: Stage) -> None:
    stage.browser.expected.append("Failed to load resource.* 40")
    for address, status in OTHERS.items():
        stage.browser.show(stage.tab, address, status)
        assert check(stage.tab, is_dark_too=True) == {}, address
