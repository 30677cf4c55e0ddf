"""Which rights of AWS the console's figures take, beside those of the API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from console.page import FOLDER

ROOT: Final = Path(__file__).parents[2]


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
