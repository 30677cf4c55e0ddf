"""What every response has in common: status, error, fields; and the cleaning of texts that leave this package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from incentives.agcod.reading.parsing import GARBLED, Document
from incentives.agcod.reading.words import Said, entries, kinds_of_name, read_said
from incentives.domain.outcomes import AmazonError

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

#: Secrets of one response that its message is cleaned of.
_SECRETS_MAX: Final = 50
#: Shorter secrets are not looked for word by word: blotting out every "A" would help nobody.
_SECRET_LENGTH_MIN: Final = 4

_ERROR_CODE: Final = re.compile(r"[A-Z][0-9]{3,4}")
#: Words in camel case. Neither a code nor a card number can pass for one.
_ERROR_TYPE: Final = re.compile(r"(?=.{3,80}$)(?:[A-Z]{1,5}[a-z]{1,30})+")
#: Names of fields whose values are secret, in lower case.
_SECRET_NAME: Final = re.compile("claim|cardnumber|token|secret|password")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A response, opened but not yet judged. Never shown as text.

    Attributes:
        status: `SUCCESS`, `FAILURE`, `RESEND`, or whatever stands there; None where nothing does.
        error: cleaned. Its type is Amazon's own, or else the front door's.
        own_type: the errorType in Amazon's own field, if it is the name of one.
        said: what it says of errors, wherever it says so.
        not_read: whether this is how Amazon says that it could not read our JSON.
        has_error: whether the response names any error, readable or not.
        garbled: whether status, errorCode or errorType is there but none, or contradicts another.
        members: with those of `agcodResponse` on the same level; a contradiction between the two is `GARBLED`.
        secrets: texts of the response that must not appear anywhere else.
    """

    status: str | None
    error: AmazonError
    own_type: str | None
    said: Said
    not_read: bool
    has_error: bool
    garbled: bool
    members: Mapping[str, Any]
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Envelope(status={'...' if self.status else None}, error={self.error!r})"


def open_envelope(
    document: Document, headers: Mapping[str, str], known_secrets: Iterable[str] = (), *, http_status: int = 0
) -> Envelope:
    """Find status, error and fields wherever this response keeps them."""
    members = _flatten(document.members)
    secrets = tuple(sorted({*_secrets(document.members), *known_secrets}, key=len, reverse=True))
    status, code, kind = (_nothing_if_blank(members.get(name)) for name in ("status", "errorCode", "errorType"))
    if status == http_status:
        # Problem documents repeat the HTTP status.
        status = None
    garbled = any(each is not None and not isinstance(each, str) for each in (status, code, kind))
    root = document.root if document.root is not None and _is_error_name(document.root) else ""
    said = read_said(document.members, (headers.get("x-amzn-errortype", ""), root))
    own_type = error_type(kind, secrets)
    nested = _nested_error(members)
    error = AmazonError(
        code=_error_code(code, secrets) or _error_code(nested.get("code"), ()),
        type=own_type or next(filter(None, (error_type(each, secrets) for each in sorted(said.types))), None),
        message=clean_text(members.get("message") or nested.get("message"), secrets),
    )
    return Envelope(
        status=status if isinstance(status, str) else None,
        error=error,
        own_type=own_type,
        said=said,
        not_read=document.not_read,
        has_error=code is not None or kind is not None or bool(nested) or said.names_an_error,
        garbled=garbled or (isinstance(code, str) and error.code is None) or len(said.statuses) > 1,
        members=members,
        secrets=secrets,
    )


def _nothing_if_blank(value: object) -> object:
    return value.strip() or None if isinstance(value, str) else value


def _is_error_name(root: str) -> bool:
    return root.endswith(("Exception", "Error", "Fault")) or (
        bool(kinds_of_name(root)) and not root.endswith(("Response", "Failure"))
    )


def clean_text(text: object, secrets: Iterable[str] = ()) -> str | None:
    """At most 500 characters of a text, with everything that could be a code, token or card number removed."""
    if not isinstance(text, str):
        return None
    cleaned = _CONTROL.sub(" ", text[:_MESSAGE_READ_MAX])
    searched = [each for each in secrets if _SECRET_LENGTH_MIN <= len(each) <= len(cleaned)]
    if len(searched) > _SECRETS_MAX:
        # Looking for thousands takes seconds, and no message is worth that.
        return None
    for secret in searched:
        if secret.lower() in cleaned.lower():
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
            # The name of the response's class, not of an error.
            continue
        before = merged.get(name)
        merged[name] = value if before is None else before if value is None or value == before else GARBLED
    return merged


def _secrets(members: Mapping[str, Any]) -> Iterator[str]:
    for name, value in entries(members):
        if isinstance(value, str) and value.strip() and _SECRET_NAME.search(name):
            yield value.strip()


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
