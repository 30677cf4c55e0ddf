"""What the console can ask of the API at all: a list held against the API's own; and which rights of AWS that takes."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from console.gateway import CALLS, Gateway
from console.page import FOLDER
from incentives.api.routes import ROUTES
from tests.local.gateway import Gateway as Deployment
from tests.support.fakes import START

ROOT: Final = Path(__file__).parents[2]
#: What the API has and the console has not: single cards and their codes, and Amazon's own rows, which the books show.
NOT_HERE: Final = {
    ("POST", "/gift-cards"),
    ("POST", "/gift-cards/{requestId}/claim-code"),
    ("POST", "/activations"),
    ("POST", "/activations/status-check"),
    ("POST", "/balance-loads"),
    ("GET", "/activity"),
}


def test_it_calls_all_of_the_api_but_what_issues_a_card_or_reads_a_code() -> None:
    there = {(each.method.upper(), each.path) for each in ROUTES}
    assert there - CALLS == NOT_HERE
    assert CALLS - there == set()


@pytest.mark.parametrize("call", sorted(NOT_HERE), ids=" ".join)
def test_whatever_a_page_asks_for_nothing_else_is_called(call: tuple[str, str]) -> None:
    method, template = call
    with ThreadPoolExecutor(1) as executor:
        call_it = Gateway(Deployment().target(), executor, lambda: START).send(method, template, {}, requestId="Test1A")
        with pytest.raises(ValueError, match="does not call"):
            asyncio.run(call_it)


def test_each_right_of_aws_that_its_figures_take_is_in_the_document_of_roles() -> None:
    # given the actions that pages name where they are missing
    code = "".join(path.read_text("utf-8") for path in FOLDER.rglob("*.py"))
    asked = set(re.findall(r'"((?:cloudwatch|states|sqs|cloudformation|s3|logs):\w+)"', code))
    # then
    document = (ROOT / "docs" / "roles.md").read_text("utf-8")
    (policy,) = re.findall(r"```json\n(\{\n  \"Version\".*?)```", document, re.DOTALL)
    actions = {
        action
        for each in json.loads(policy)["Statement"]
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }
    assert asked
    assert asked <= actions
