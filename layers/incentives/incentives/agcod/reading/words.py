"""What the names and the sentences of errors speak of, wherever in a response they stand.

Front doors name the same thing in many ways, and say it in more. The documented names are in `errors`; here is how any
other is read, and what Amazon's own sentences say. Nothing here decides: `verdict` does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from incentives.agcod.errors import TABLE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Names end with these or not, as each service likes.
_ENDING: Final = re.compile(r"(?<=.)(?:exception|error|fault)$")
_NOT_ALPHANUMERIC: Final = re.compile(r"[^a-z0-9]+")

#: Names that nobody documented, without case or punctuation, but which say what they speak of. A throttle that is not
#: the front door's own is some backend's: by then the operation may have begun.
NAMES: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.OVERLOADED: (
            "throttl",
            "throughput",
            "capacity",
            "bandwidth",
            "toomany",
            "rateexceeded",
            "slowdown",
            "quota",
        ),
        Kind.FAULT: (
            "timeout",
            "timedout",
            "connection",
            "socket",
            "network",
            "internal",
            "unavailable",
            "interrupt",
            "abort",
            "deadline",
            "gateway",
            "dependency",
            "downstream",
            "remote",
            "transient",
            "serverbusy",
            "servererror",
            "serverexception",
            "systemerror",
            "retrylater",
            "http5",
        ),
        Kind.CREDENTIALS: (
            "signature",
            "accesskey",
            "credential",
            "securitytoken",
            "authenticat",
            "unauthorized",
            "clockskew",
            "missingsecurity",
            "invalidsecurity",
        ),
    }
)
_NAMES: Final = {kind: re.compile("|".join(each)) for kind, each in NAMES.items()}

#: What Amazon's own sentences say, whatever the name or code beside them: expressions of whole words. All count.
#: Those of UNREADABLE say that something went wrong, and count where no known errorType says what.
MESSAGES: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.THROTTLED: (
            "rate exceeded",
            "too many (?:concurrent )?requests",
            "throttling",
            "requests? (?:was |were |is |has been )?throttled",
            "(?:request|rate|tps) limit (?:was |is |has been )?(?:exceeded|reached)",
            "exceeded (?:the |your )?(?:allowed |maximum )?(?:rate|request limit)",
            "requests? per second",
            "request rate (?:is |was )?too (?:high|large)",
            "reduce your request rate",
            "slow down",
        ),
        Kind.OVERLOADED: ("throughput", "capacity", "overloaded", "quota", "throttled?"),
        Kind.CREDENTIALS: (
            "signature",
            "signedheader",
            "security token",
            "(?:provided )?token (?:has |is )?(?:expired|invalid)",
            "request (?:has )?expired",
            "request time and the current time",
            "missing authentication token",
            "authentication failed",
            "aws authentication",
            "authorization header",
            "credentials?",
            "access ?key(?: id)?",
            "x-amz-date",
            "iso-8601 'basic format'",
            "is not authorized to (?:perform:|access this resource)",
        ),
        Kind.FAULT: (
            "time[ -]?outs?",
            "timed[ -]?out",
            "timeout_?error",
            "deadline",
            "connection",
            "socket",
            "reset by peer",
            "broken pipe",
            "upstream",
            "downstream",
            "dependency",
            r"\(service:",
            "failed to respond",
            "no response",
            "unreachable",
            "interrupted",
            "aborted",
            "unavailable",
            "internal (?:server |service )?(?:error|failure|exception)",
            "unexpected (?:error|exception)",
            "<html",
            "<!doctype",
        ),
        Kind.UNREADABLE: (
            "network",
            "i/o",
            "gateway",
            "handshake",
            "tls",
            "ssl",
            "stream",
            "servers?",
            "busy",
            "system",
            "unknown error",
            "exception",
            "try again",
            "retry",
            "http 5[0-9]{2}",
        ),
    }
)
_MESSAGES: Final = {
    kind: re.compile(rf"(?<![^\W_])(?:{'|'.join(each)})(?![^\W_])", re.IGNORECASE) for kind, each in MESSAGES.items()
}
#: A sentence may also have the name of an error in it.
_NAME_IN_MESSAGE: Final = re.compile(
    r"\b(?:[A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Za-z][A-Za-z0-9.]*(?:Exception|Error|Fault|Failure))\b"
)
_SPACE: Final = re.compile(r"\s+")
_DASHES: Final = re.compile("[\u2010-\u2015]")

#: Of a message that are read: signature errors quote whole canonical requests.
_MESSAGE_LENGTH_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Said:
    """What a response says of errors, wherever it says so. Never shown as text: a message may quote a secret.

    Attributes:
        own_types: in fields called `errorType`, Amazon's own.
        types: names of errors wherever else front doors write them, the header included.
        codes: F-codes.
        messages: with white space and dashes made one.
        statuses: SUCCESS, FAILURE and RESEND.
        odd: whether something stands in such a field that cannot be read as one.
    """

    own_types: frozenset[str]
    types: frozenset[str]
    codes: frozenset[str]
    messages: tuple[str, ...]
    statuses: frozenset[str]
    odd: bool

    def __repr__(self) -> str:
        return f"Said({len(self.messages)} messages)"

    @property
    def names_an_error(self) -> bool:
        """Whether anything in it is an error, so that SUCCESS beside it contradicts itself."""
        kinds = (kinds_of_name(each) for each in self.types)
        return bool(self.own_types or self.codes or any(kinds) or any(map(kinds_of_message, self.messages)))


def kinds_of_message(text: str) -> frozenset[Kind]:
    """What a sentence speaks of: rate, load, credentials, a fault; empty for most."""
    kinds = {kind for kind, pattern in _MESSAGES.items() if pattern.search(text)}
    for name in _NAME_IN_MESSAGE.findall(text):
        kinds |= kinds_of_name(name) or ({Kind.UNREADABLE} if name.lower().endswith("exception") else set())
    return frozenset(kinds)


def kinds_of_name(name: str) -> frozenset[Kind]:
    """What the name of an error means, if the front door writes it; empty for one that says nothing.

    AWS writes `namespace#Type`, `Type:http://...`, `Client.Type`, and a header twice as `Type, Type`.
    """
    kinds: set[Kind] = set()
    for part in name.split(","):
        cut = part.rpartition("#")[2].partition(":")[0]
        stems = {_stem(each) for each in (cut, cut.rpartition(".")[2], cut.partition(".")[0])}
        exact = {_BY_STEM[stem] for stem in stems if stem in _BY_STEM}
        kinds |= exact or {kind for kind, form in _NAMES.items() if form.search(_letters(cut))}
    return frozenset(kinds)


def _letters(name: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", name.lower())


def _stem(name: str) -> str:
    return _ENDING.sub("", _letters(name))


_BY_STEM: Final = {
    _stem(name): error_spec.kind
    for name, error_spec in TABLE.items()
    if error_spec.kind not in {Kind.REFUSED, Kind.BY_CODE}
}


def one_space(text: str) -> str:
    """A text as its reader sees it: however its white space and dashes are encoded."""
    return _SPACE.sub(" ", _DASHES.sub("-", unicodedata.normalize("NFKC", text[:_MESSAGE_LENGTH_MAX]))).strip()


def entries(members: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every name in a response with its value, those in objects and lists included.

    There is no bound but the body's: what is not looked at might be a fault, or a secret.
    """
    waiting: list[tuple[str, Any]] = list(members.items())
    while waiting:
        name, value = waiting.pop()
        yield name.lower(), value
        match value:
            case Mapping():
                waiting.extend(value.items())
            case list():
                waiting.extend((name, each) for each in value)


#: `code` and `type` stand in the error objects of AWS's query protocols.
_TYPE_FIELDS: Final = frozenset({"__type", "code", "errorcode"})
_MESSAGE_FIELDS: Final = frozenset({"message", "errormessage", "msg", "faultstring", "error"})
_STATUSES: Final = frozenset({"SUCCESS", "FAILURE", "RESEND"})
_CODE: Final = re.compile(r"F[0-9]{3}")


def read_said(members: Mapping[str, Any], named: Iterable[str]) -> Said:
    """Gather what a response says of errors.

    Args:
        members: of the whole document.
        named: what its header and its outermost element are called.
    """
    own_types: set[str] = set()
    types, codes, statuses = {name for name in named if name.strip()}, set[str](), set[str]()
    messages: list[str] = []
    odd = False
    for name, value in entries(members):
        if not isinstance(value, str):
            is_text_field = name == "errortype" or (name in _MESSAGE_FIELDS and name != "error")
            odd |= is_text_field and value is not None and not isinstance(value, list)
            continue
        text = value.strip()
        if name == "status" and text in _STATUSES:
            statuses.add(text)
        if not text:
            continue
        if name == "errortype":
            own_types.add(text)
        elif name in _TYPE_FIELDS:
            (codes if _CODE.fullmatch(text) else types).add(text)
        elif name in _MESSAGE_FIELDS:
            messages.append(one_space(value))
            odd |= len(value) > _MESSAGE_LENGTH_MAX
    odd |= any(not each.isascii() for each in (*own_types, *types))
    return Said(frozenset(own_types), frozenset(types), frozenset(codes), tuple(messages), frozenset(statuses), odd)


def as_markdown() -> str:
    """Both tables as Markdown, for the documentation."""
    names = "".join(_row(each, kind) for kind, each in NAMES.items())
    messages = "".join(_row(each, kind) for kind, each in MESSAGES.items())
    return (
        "## Names that nobody documented\n\n"
        "Names may end with `Exception`, `Error` or `Fault`, or not. One that stands in no table is read by what is\n"
        f"in it, without case or punctuation:\n\n| A name with | An attempt is |\n|---|---|\n{names}\n"
        "## Amazon's own sentences\n\n"
        "What a message says counts whatever the name or the code beside it. Of several, a doubt counts more than the\n"
        "others; those that are `unreadable` count where no known errorType says what is wrong. What a caller\n"
        f"wrote, and Amazon may quote, proves nothing.\n\n| A message with | An attempt is |\n|---|---|\n{messages}"
    )


def _row(expressions: Iterable[str], kind: Kind) -> str:
    words = ", ".join(f"`{each}`" for each in expressions).replace("|", "\\|")
    return f"| {words} | {kind} |\n"
