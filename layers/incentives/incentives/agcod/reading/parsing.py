"""A response's bytes as plain data: JSON or XML, whichever it is, whatever was asked for.

Nothing here knows what a response means. Numbers are decimals made from their digits; names are compared with their
first letter in lower case (`Message` and `message` are one); a field that is given twice with two values is
`GARBLED`, which no model accepts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of nesting. The deepest documented response has four levels.
_DEPTH_MAX: Final = 32
#: Digits of a number worth reading, and the largest exponent. Money has at most a dozen; comparing is then cheap.
_NUMBER_LENGTH_MAX: Final = 40
_EXPONENT_MAX: Final = 30
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


class _Garbled:
    """A value that cannot be trusted to be one."""

    def __repr__(self) -> str:
        return "GARBLED"


GARBLED: Final = _Garbled()


@dataclass(frozen=True, slots=True)
class Document:
    """What a response's bytes say. Never shown as text: it may hold a claim code.

    Attributes:
        root: the XML root element's local name, or the name of a JSON wrapper; None where there is none.
        members: by name, first letter in lower case.
        not_read: whether it is Amazon's own form of "I could not read your JSON", and nothing else.
    """

    root: str | None
    members: dict[str, Any]
    not_read: bool = False

    def __repr__(self) -> str:
        return f"Document({len(self.members)} members)"


class _UnreadableError(Exception):
    """No document. Holds no text of the response."""


#: Recorded for an amount of null and for one given as a text. The capital letter is Amazon's.
_NOT_READ: Final = re.compile(
    rb'\s*\{\s*"Message"\s*:\s*(?:null|"class [\w.$]{1,200} is not an expected Json type")\s*\}\s*'
)
#: Front doors also throttle with a bare sentence.
_SENTENCE: Final = re.compile(r"(?i)(?:rate exceeded|too many requests)[ .,()a-z-]{0,100}")
#: Elements of a page of a front end, however well it is formed: no document of Amazon's.
_PAGE: Final = frozenset({"html", "head", "body"})
#: `{"Output": {...}, "Version": "1.0"}`
_CORAL_WRAPPER: Final = frozenset({"output", "version"})


def parse(body: bytes) -> Document | None:
    """The document in a response's body; None if it is none. Raises nothing, whatever the bytes."""
    try:
        text = body.lstrip()
        if text.startswith((b"<", b"\xef\xbb\xbf<", b"\xff\xfe", b"\xfe\xff")):
            root, content = _parse_xml(text)
        else:
            root, content = None, _parse_json(text)
    except (_UnreadableError, ValueError, RecursionError):
        # ValueError is also what JSON and Unicode decoding raise.
        return _sentence(body)
    for _ in range(3):
        # <Answer><CreateGiftCardResponse>...: a wrapper around the only thing inside; or Coral's, which has a version.
        if not isinstance(content, dict) or not (len(content) == 1 or set(content) == _CORAL_WRAPPER):
            break
        name = "output" if "output" in content else next(iter(content))
        if not isinstance(content[name], dict) or name in ("agcodResponse", "error", "errors"):
            break
        root, content = name, content[name]
    if root is not None and isinstance(content, str):
        # <ThrottlingException>Rate exceeded</ThrottlingException>
        content = {"message": content}
    if root is not None and content is None:
        content = {}
    if not isinstance(content, dict) or not _PAGE.isdisjoint({str(root).lower(), *map(str.lower, content)}):
        return None
    return Document(root, content, bool(_NOT_READ.fullmatch(body)))


def _sentence(body: bytes) -> Document | None:
    try:
        text = body.decode("ascii").strip()
    except ValueError:
        return None
    return Document(None, {"message": text}) if _SENTENCE.fullmatch(text) else None


def parse_number(value: object) -> Decimal | None:
    """The decimal in a JSON number or in XML's text; None if it is none that money could be."""
    if isinstance(value, Decimal):
        return value
    return _decimal(value.strip()) if isinstance(value, str) else None


def _decimal(text: str) -> Decimal | None:
    if len(text) > _NUMBER_LENGTH_MAX or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if abs(number.adjusted()) <= _EXPONENT_MAX else None


def _name(name: str) -> str:
    return name[:1].lower() + name[1:]


def _parse_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(
        body.decode("utf-8-sig"),
        parse_float=_json_number,
        parse_int=_json_number,
        parse_constant=lambda _text: GARBLED,
        object_pairs_hook=_json_object,
    )


def _json_number(text: str) -> Decimal | _Garbled:
    number = _decimal(text)
    return GARBLED if number is None else number


def _json_object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for raw_name, value in pairs:
        name = _name(raw_name)
        before = members.get(name)
        members[name] = value if before is None else before if value is None or before == value else GARBLED
    return members


def _parse_xml(body: bytes) -> tuple[str, Any]:
    # Imported here: Amazon is asked for JSON, and most processes never see XML.
    from xml.parsers import expat  # noqa: PLC0415

    builder = _XmlBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    # Entities can only be declared inside a DOCTYPE, and no response of Amazon's has one.
    parser.StartDoctypeDeclHandler = builder.refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat takes no keyword
    except (expat.ExpatError, LookupError):
        raise _UnreadableError from None
    return builder.result()


class _XmlBuilder:
    """Elements as dicts by local name, leaves as stripped text, empty ones as None, repeated ones as lists."""

    def __init__(self) -> None:
        # Name, children and texts of each; outermost the document, whose only child is the root.
        self._open: list[tuple[str, list[tuple[str, Any]], list[str]]] = [("", [], [])]

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self._open) > _DEPTH_MAX:
            raise _UnreadableError
        self._open.append((name.rpartition(" ")[2], [], []))

    def text(self, data: str) -> None:
        self._open[-1][2].append(data)

    def end(self, _name: str) -> None:
        name, children, texts = self._open.pop()
        value: Any = _xml_members(children) if children else "".join(texts).strip() or None
        self._open[-1][1].append((name, value))

    def refuse(self, *_declaration: object) -> None:
        raise _UnreadableError

    def result(self) -> tuple[str, Any]:
        (root,) = self._open[0][1]
        return root


def _xml_members(children: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for name, value in children:
        found.setdefault(_name(name), []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
