from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.rotating import Aws, Scene, aws_and_amazon


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_and_amazon() as made:
        yield made


@pytest.fixture
def scene(aws: Aws) -> Scene:
    return Scene(aws)
