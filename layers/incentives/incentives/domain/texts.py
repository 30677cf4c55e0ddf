"""The one rule for callers' texts, whichever way they come in, over HTTP or in a file; and how a message shows them."""

from __future__ import annotations

import re
from typing import Final

#: What nobody sees: control characters, line and paragraph separators, zero-width and other invisible characters, and
#: those that turn the direction of writing. U+200C and U+200D are not among them: Persian and Hindi spell with them.
_UNSEEN: Final = r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"

#: Halves of characters, which JSON can name and UTF-8 cannot hold; controls of music; tags, which carry hidden text.
_UNSEEN_BEYOND: Final = r"\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e007f"

#: The rule in the words of JSON schema, whose patterns cannot name what lies beyond the first 65,536 characters.
TEXT_PATTERN: Final = rf"^(?!\s)(?!.*\s$)[^{_UNSEEN}]+$"

_ANY_UNSEEN: Final = re.compile(f"[{_UNSEEN}{_UNSEEN_BEYOND}]")

#: What is dropped around a cell of a file. Line breaks are not among them: a quotation mark that was never closed makes
#: the next rows part of its cell.
BLANKS: Final = " \t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"

#: A caller's own text in a message is cut to this: a hundred messages have to fit into one item.
SHOWN_LENGTH_MAX: Final = 50


def why_no_text(text: str) -> str | None:
    """Why a text cannot be taken as it is; None if it can. What is said of it quotes nothing of it."""
    unseen = _ANY_UNSEEN.search(text)
    if unseen is not None:
        return f"must hold no line break and no invisible character, as is U+{ord(unseen[0]):04X}"
    if text != text.strip():
        return "must not begin or end with a blank"
    return None


def shown(text: str) -> str:
    """A caller's text in quotes, short, so that a blank at its ends or a character that has no shape can be seen."""
    if len(text) > SHOWN_LENGTH_MAX:
        kept = SHOWN_LENGTH_MAX // 2
        text = f"{text[:kept]}\N{HORIZONTAL ELLIPSIS}{text[1 - kept :]}"
    return '"' + "".join(each if each.isprintable() else f"<U+{ord(each):04X}>" for each in text) + '"'


def plain(text: str | None) -> str | None:
    """A text for a cell: the people who open the file in a spreadsheet must not run a formula that it holds."""
    return f"'{text}" if text and text[0] in _BEGIN_A_FORMULA else text


#: For the spreadsheets that finance departments use; an apostrophe before it makes a text of the cell.
_BEGIN_A_FORMULA: Final = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
