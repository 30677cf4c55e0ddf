"""Chromium on this machine, and tabs that note whatever should not have happened in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final
from urllib.parse import urljoin

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route

from tests.console.served import Place

FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
WIDE: Final = {"width": 1280, "height": 900}
NARROW: Final = {"width": 390, "height": 844}
AXE: Final = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
#: What axe finds that keeps somebody from using a page: rule and element each.
SERIOUS: Final = """async (rules) => {
  const run = rules ? { runOnly: { type: "rule", values: rules } } : {};
  const { violations } = await axe.run(document, { ...run, resultTypes: ["violations"] });
  return violations.filter((each) => ["serious", "critical"].includes(each.impact))
    .flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""
#: What nobody sees is not renewed; where that does not matter, it would only take time.
UNSEEN: Final = "Object.defineProperty(document, 'hidden', { get: () => true })"
#: Elements that stick out of the page: the widest first.
SPILLS: Final = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *:not(.scroll *)")]
    .filter((each) => each.getBoundingClientRect().right > width + 1)
    .map((each) => `${each.tagName}.${each.className} ${each.textContent.trim().slice(0, 60)}`);
}"""


@dataclass
class Window:
    """A browser's window: its tabs share cookies with each other, and with no other window's.

    Attributes:
        problems: what happened in its tabs and should not have: a request to somebody else, an error in the console.
        expected: patterns of what may.
    """

    context: BrowserContext
    place: Place
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.place.address.partition("/?")[0]

    def tab(self, path: str | None = None) -> Page:
        """A new tab, which shows a path of the console's."""
        made = self.context.new_page()
        if path is not None:
            self.show(made, path)
        return made

    def show(self, tab: Page, path: str, *statuses: int) -> None:
        """Open a path in a tab."""
        response = tab.goto(urljoin(self.origin, path))
        assert response is not None
        assert response.status in (statuses or (200,)), f"{path}: {response.status}: {response.text()[:500]}"

    def settle(self) -> None:
        """Close its tabs; nothing may have happened in them that should not."""
        for each in self.context.pages:
            each.close()
        self.settle_problems()

    def settle_problems(self) -> None:
        """Nothing may have happened in its tabs that should not."""
        problems = [each for each in self.problems if not any(re.search(one, each) for one in self.expected)]
        self.problems.clear()
        self.expected.clear()
        assert problems == []


@contextmanager
def window(chromium: Browser, place: Place, **options: Any) -> Iterator[Window]:
    """One that has shown the token."""
    context = chromium.new_context(viewport=WIDE, reduced_motion="reduce", **options)  # type: ignore[arg-type]
    # Only what never comes is waited for as long, however busy the machine is.
    context.set_default_timeout(60_000)
    made = Window(context, place)

    def requested(request: Request) -> None:
        if not request.url.startswith(f"{made.origin}/"):
            made.problems.append(f"asked somebody else: {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            made.problems.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    context.on("request", requested)
    context.on("console", said)
    context.on("weberror", lambda error: made.problems.append(f"script: {error.error}"))
    # What the first page shows is a test's of its own.
    made.tab().goto(place.address)
    made.problems.clear()
    yield made
    context.close()


def serious(tab: Page, rules: Sequence[str] | None = None) -> list[str]:
    """What axe finds to be serious or critical, by these rules or by all."""
    if not tab.evaluate("() => 'axe' in window"):
        tab.evaluate(AXE)
    found_by_axe: list[str] = tab.evaluate(SERIOUS, rules)
    return found_by_axe


def spills(tab: Page) -> list[str]:
    """What makes the page wider than its window."""
    sticking_out: list[str] = tab.evaluate(SPILLS)
    return sticking_out


def hold(tab: Page, pattern: str) -> list[Route]:
    """Keep requests from leaving; each can be let go."""
    held: list[Route] = []
    tab.route(re.compile(pattern), held.append)
    return held
