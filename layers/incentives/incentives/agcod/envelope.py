"""What every answer has in common: status, error, members; and the cleaning of texts that leave this room."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from incentives.agcod.errors import taxon_of_name
from incentives.agcod.parsing import GARBLED, Document
from incentives.domain.outcomes import AmazonError
from incentives.domain.values import frozen

#: Characters of a message that are kept.
MESSAGE_LENGTH_MAX: Final = 500
#: Of a message that are looked at: Amazon quotes whole canonical requests in signature errors.
_MESSAGE_READ_MAX: Final = 2_000

#: Claim codes have 14 letters and digits (4-6-4; a mock one 12), tokens 30, card numbers 19. An own word of Amazon's
#: that is as long (an errorType, say) is lost with them: that costs nothing.
_LONG_RUN: Final = re.compile(r"[^\W_]{14,}")
_GROUPS: Final = re.compile(r"(?:[^\W_]{2,8}[-\u2010-\u2015]){2,}[^\W_]{2,8}")
_SPLIT_CODE: Final = re.compile(r"[^\W_]{4}[^\w\s][^\W_]{6}[^\w\s][^\W_]{4}")
_SPACED_CODE: Final = re.compile(r"[A-Z0-9]{4}[\W_]{1,3}[A-Z0-9]{4,6}[\W_]{1,3}[A-Z0-9]{4}")
_DIGITS: Final = re.compile(r"(?:[0-9][\s_-]{0,2}){11,}[0-9]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_REMOVED: Final = "[removed]"

#: Shorter secrets are not looked for word by word: blotting out every "A" would help nobody.
_SECRET_LENGTH_MIN: Final = 4

_ERROR_CODE: Final = re.compile(r"[A-Z][0-9]{3,4}")
#: Words in camel case. Neither a code nor a card number can pass for one.
_ERROR_TYPE: Final = re.compile(r"(?=.{3,80}$)(?:[A-Z]{1,5}[a-z]{1,30})+")
#: Names of members whose values are secret, in lower case.
_SECRET_NAME: Final = re.compile("claim|cardnumber|token|secret|password")


@frozen
class Envelope:
    """An answer, opened but not yet judged. Never shown as text.

    Attributes:
        status: `SUCCESS`, `FAILURE`, `RESEND`, or whatever stands there; None where nothing does.
        error: cleaned. Its type is Amazon's own, or else the front door's.
        own_type: the errorType in Amazon's own field.
        front_door_types: names of errors wherever AWS's front doors write them.
        said: the message as it came; may quote a secret.
        not_read: whether this is how Amazon says that it could not read our JSON.
        has_error: whether the answer names any error, readable or not.
        garbled: whether status, errorCode or errorType is there but no text.
        members: with those of `agcodResponse` on the same level; a contradiction between the two is `GARBLED`.
        secrets: texts of the answer that must not appear anywhere else.
    """

    status: str | None
    error: AmazonError
    own_type: str | None
    front_door_types: tuple[str, ...]
    said: str
    not_read: bool
    has_error: bool
    garbled: bool
    members: Mapping[str, Any]
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Envelope(status={'...' if self.status else None}, error={self.error!r})"


def open_envelope(document: Document, headers: Mapping[str, str], known_secrets: Iterable[str] = ()) -> Envelope:
    """Find status, error and members wherever this answer keeps them."""
    members = _flatten(document.members)
    secrets = tuple(sorted({*_secrets(document.members), *known_secrets}, key=len, reverse=True))
    status, code, kind = members.get("status"), members.get("errorCode"), members.get("errorType")
    garbled = any(each is not None and not isinstance(each, str) for each in (status, code, kind))
    nested = _nested_error(members)
    own_type, front_door_types = error_type(kind, secrets), _front_door_types(document, members, nested, headers)
    message = members.get("message") or nested.get("message")
    error = AmazonError(
        code=_error_code(code, secrets) or _error_code(nested.get("code"), ()),
        type=own_type or next(iter(front_door_types), None),
        message=clean_text(message, secrets),
    )
    return Envelope(
        status=status.strip() or None if isinstance(status, str) else None,
        error=error,
        own_type=own_type,
        front_door_types=front_door_types,
        said=message[:_MESSAGE_READ_MAX] if isinstance(message, str) else "",
        not_read=document.not_read,
        has_error=code is not None or kind is not None or bool(front_door_types),
        garbled=garbled or (isinstance(code, str) and error.code is None),
        members=members,
        secrets=secrets,
    )


def clean_text(text: object, secrets: Iterable[str] = ()) -> str | None:
    """At most 500 characters of a text, with everything that could be a code, token or card number removed."""
    if not isinstance(text, str):
        return None
    cleaned = _CONTROL.sub(" ", text[:_MESSAGE_READ_MAX])
    for secret in secrets:
        if len(secret) >= _SECRET_LENGTH_MIN:
            cleaned = re.sub(re.escape(secret), _REMOVED, cleaned, flags=re.IGNORECASE)
    for pattern in (_DIGITS, _LONG_RUN, _SPLIT_CODE, _SPACED_CODE, _GROUPS):
        cleaned = pattern.sub(_REMOVED, cleaned)
    return cleaned.strip()[:MESSAGE_LENGTH_MAX] or None


def _flatten(members: Mapping[str, Any]) -> dict[str, Any]:
    inner = members.get("agcodResponse")
    if not isinstance(inner, Mapping):
        return dict(members)
    merged = {name: value for name, value in members.items() if name != "agcodResponse"}
    for name, value in inner.items():
        if name == "__type":
            # The name of the answer's class, not of an error.
            continue
        before = merged.get(name)
        merged[name] = value if before is None else before if value is None or value == before else GARBLED
    return merged


def _secrets(value: object, name: str = "") -> Iterator[str]:
    match value:
        case Mapping():
            for each_name, each in value.items():
                yield from _secrets(each, str(each_name))
        case list():
            for each in value:
                yield from _secrets(each, name)
        case str() if _SECRET_NAME.search(name.lower()) and value.strip():
            yield value.strip()
        case _:
            pass


def _error_code(value: object, secrets: tuple[str, ...]) -> str | None:
    if not isinstance(value, str) or value in secrets:
        return None
    return value.strip() if _ERROR_CODE.fullmatch(value.strip()) else None


def error_type(value: object, secrets: tuple[str, ...] = ()) -> str | None:
    """The name of an error, None if it is none; AWS writes `namespace#Type` and `Type:http://...`."""
    if not isinstance(value, str):
        return None
    name = value.strip().rpartition("#")[2].partition(":")[0].strip()
    if not _ERROR_TYPE.fullmatch(name) or any(
        secret.lower() in name.lower() for secret in secrets if len(secret) >= _SECRET_LENGTH_MIN
    ):
        return None
    return name


def _nested_error(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """`{"error": {...}}`, or XML's `<Errors><Error>`."""
    outer = members.get("errors")
    nested = members.get("error") or (outer.get("error") if isinstance(outer, Mapping) else None)
    return nested if isinstance(nested, Mapping) else {}


def _front_door_types(
    document: Document, members: Mapping[str, Any], nested: Mapping[str, Any], headers: Mapping[str, str]
) -> tuple[str, ...]:
    """Errors that are named outside `errorType`, Amazon's own field."""
    places = (
        nested.get("code"),
        nested.get("type"),
        members.get("__type"),
        members.get("code"),
        headers.get("x-amzn-errortype"),
        document.root,
    )
    names = filter(None, map(error_type, places))
    return tuple(
        dict.fromkeys(n for n in names if n.endswith("Exception") or taxon_of_name(n, front_door=True) is not None)
    )
