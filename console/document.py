"""The API's own document, against which its responses are held: what a page names is there, and is what it says.

So a response of another version of the API, or of something else, costs one part of a page, and not the page.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema_rs import Draft202012Validator

FILE: Final = Path(__file__).parents[1] / "docs" / "openapi.json"


def misfit(call: str, status: int, body: Mapping[str, Any]) -> str:
    """Where the body of a success is not as documented, quoting nothing of it; empty: it is.

    Args:
        call: method and path, as the document has them.
        status: HTTP's.
        body: JSON.
    """
    validator = _validator(call, status)
    if validator is None:
        return f"there is no {status} of it"
    wrong = next(validator.iter_errors(body), None)
    return ".".join(["body", *map(str, wrong.instance_path)]) if wrong else ""


@cache
def _validator(call: str, status: int) -> Draft202012Validator | None:
    method, template = call.split()
    document = _document()
    response = document["paths"][template][method.lower()]["responses"].get(str(status))
    if response is None:
        return None
    schema = {**response["content"]["application/json"]["schema"], "components": document["components"]}
    # Times that are none, or that no zone can show, match the pattern that they are written by.
    formats = {"date-time": _is_time, "date": _is_time}
    return Draft202012Validator(schema, formats=formats, validate_formats=True)


@cache
def _document() -> dict[str, Any]:
    # A newer deployment may have words that are not listed yet: pages show them as they are.
    found: dict[str, Any] = json.loads(FILE.read_bytes(), object_hook=_without_lists_of_words)
    return found


def _without_lists_of_words(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: its for name, its in schema.items() if name != "enum"}


def _is_time(text: str) -> bool:
    """Of times and of days, which are the times that they begin at."""
    try:
        return date.min < datetime.fromisoformat(text).date() < date.max
    except ValueError:
        return False
