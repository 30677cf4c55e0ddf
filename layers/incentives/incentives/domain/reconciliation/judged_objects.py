"""A judged day as it is kept: canonical JSON, so that the same judgement is the same bytes and has the same name."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from incentives.domain.reconciliation.findings import Judged

if TYPE_CHECKING:
    from pydantic import TypeAdapter

#: Of the form at rest; raised when a field changes its meaning or goes away.
_VERSION: Final = 1


def encode_judged(judged: Judged) -> bytes:
    """Write a judged day down."""
    document = {"version": _VERSION, **_adapter().dump_python(judged, mode="json")}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def decode_judged(content: bytes) -> Judged:
    """The inverse of `encode_judged`.

    Raises:
        ValueError: it is none, or of a version that is not known here.
    """
    document: dict[str, Any] = json.loads(content)
    version = document.pop("version", None)
    if version != _VERSION:
        raise ValueError(f"a judged day of version {version!r}")
    found: Judged = _adapter().validate_python(document, strict=False)
    return found


def folder_of(account: str, partner_id: str, day: date, round_number: int) -> str:
    """Where a round keeps its objects."""
    return f"{account}/{partner_id}/{day.isoformat()}/r{round_number}"


def named(folder: str, what: str, content: bytes, suffix: str) -> str:
    """The name of an object that says what is in it: whoever writes the same again changes nothing."""
    return f"{folder}/{what}-{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"


@cache
def _adapter() -> TypeAdapter[Judged]:
    # Made when first needed: most functions judge nothing.
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(Judged)
