"""What people write into the books: notes and references, which are kept for years and handed to auditors."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from incentives.domain.errors import InvalidInput
from incentives.domain.texts import why_no_text

NOTE_LENGTH_MAX: Final = 500

#: Between the groups of a code, as people and word processors write them.
_JOIN: Final = r"[-\u2010-\u2015\u2212_.]"

#: A claim code as Amazon writes it: 4-6-4 or 4-6-5.
_GROUPED: Final = re.compile(
    rf"(?<![A-Za-z0-9])[A-Za-z0-9]{{4}}{_JOIN}[A-Za-z0-9]{{6}}{_JOIN}[A-Za-z0-9]{{4,5}}(?![A-Za-z0-9])"
)

#: The same with blanks: only as capitals, since words of four, six and four letters are plain English.
_SPACED: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z0-9]{4} [A-Z0-9]{6} [A-Z0-9]{4,5}(?![A-Za-z0-9])")

#: The same in one piece. A request id is longer.
_IN_A_ROW: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{14,16}(?![A-Za-z0-9])")

#: A card's number, whole or in groups of three digits and more; days and times are in groups of two.
_CARD: Final = re.compile(rf"(?<![A-Za-z0-9])[0-9]{{3,}}(?:(?:{_JOIN}| )?[0-9]{{3,}})*(?![A-Za-z0-9])")
_CARD_DIGITS: Final = range(16, 20)

#: They join or part letters, and nobody sees them.
_UNSEEN: Final = str.maketrans("", "", "\u00ad\u200b\u200c\u200d\u2060\ufeff")


def looks_like_grouped_code(text: str) -> bool:
    """Whether a text holds what may be a claim code, as Amazon writes it."""
    # Words that happen to have as many letters have neither a digit nor capitals only.
    return any(
        any(map(str.isdigit, found)) or found.upper() == found
        for pattern in (_GROUPED, _SPACED)
        for found in pattern.findall(_folded(text))
    )


def looks_like_code(text: str) -> bool:
    """Whether a text holds what may be a claim code, in whatever form, or a card's number.

    A gift card's id looks the same. In doubt it is a code: a request id says as well what is meant.
    """
    folded = _folded(text)
    return (
        looks_like_grouped_code(folded)
        or any(any(map(str.isdigit, each)) and any(map(str.isalpha, each)) for each in _IN_A_ROW.findall(folded))
        or any(sum(map(str.isdigit, each)) in _CARD_DIGITS for each in _CARD.findall(folded))
    )


def check_words(field: str, text: str, length_max: int) -> None:
    """Check a text that comes to rest in the books.

    Raises:
        InvalidInput: names the field and quotes nothing of it.
    """
    why = why_no_text(text) if text else "must not be empty"
    if why is None and len(text) > length_max:
        why = f"is too long: at most {length_max} characters"
    if why is None and looks_like_code(text):
        why = "must hold nothing that looks like a claim code or a card's number: name the card by its request id"
    if why is not None:
        raise InvalidInput(field, why)


def _folded(text: str) -> str:
    # Full-width letters and the like are read by people as plain ones.
    return unicodedata.normalize("NFKC", text).translate(_UNSEEN)
