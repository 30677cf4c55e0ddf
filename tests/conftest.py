"""How the tests are shared out between two processes."""

from pathlib import Path

import pytest

STACK = Path(__file__).parent / "stack"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the local cloud share one process and begin first; the rest goes by file."""
    items.sort(key=lambda item: not item.path.is_relative_to(STACK))
    for item in items:
        group = "stack" if item.path.is_relative_to(STACK) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
