"""What the columns of a download from Amazon's portal may be mapped to. What may hold codes is offered for nothing.

Nothing but a column's name, and of types and results the words, is ever shown of a download before it is mapped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from incentives.domain.money import CURRENCY_DECIMALS
from incentives.domain.reconciliation.rows import SUCCESS
from incentives.domain.reconciliation.statement_files import COLUMNS, GC_ID, REQUIRED
from incentives.domain.reconciliation.words import looks_like_code, looks_like_grouped_code
from local.settings import RefusedError
from local.statement import header_of, may_hold_codes, read_columns

#: Different words of a column that says what a row is, or how it ended.
WORDS_MAX: Final = 30
WORD_LENGTH_MAX: Final = 60
COLUMNS_MAX: Final = 100
#: Cells by which a column of request ids is told from one of codes without their hyphens, which look like short ids.
SAMPLE: Final = 1_000
#: Such as 20261122T101507Z: as long as a code.
_COMPACT_TIME: Final = re.compile(r"\b[0-9]{8}T[0-9]{6}(?:Z|[+-][0-9]{4})?(?![A-Za-z0-9])")
#: Ours that are one of a few words.
_WORDED: Final = frozenset({"type", "status", "currencyCode"})
#: What one value may stand for in all rows, if the download has no column for it.
CONSTANTS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "currencyCode": [(f"={code}", f"every row is in {code}") for code in CURRENCY_DECIMALS],
    "status": [(f"={SUCCESS}", "every row succeeded")],
}


@dataclass(frozen=True)
class Column:
    """A column of a download.

    Attributes:
        name: the download's.
        fits: what it may be mapped to, by our names; nothing of one that may hold codes.
        words: its words, each once, if they are few.
        example: a cell that is not empty.
    """

    name: str
    fits: frozenset[str] = frozenset()
    words: Sequence[str] = ()
    example: str = ""


def columns_of(content: bytes) -> list[Column]:
    """The columns of a download, in its order.

    Raises:
        RefusedError: it cannot be read, or its first line names no columns; nothing of it is quoted.
    """
    names = header_of(content)
    if len(names) > COLUMNS_MAX:
        raise RefusedError(f"The download has {len(names):,} columns: more than {COLUMNS_MAX} are too many.")
    if any(looks_like_code(name) or len(name) > WORD_LENGTH_MAX or name.startswith("=") for name in names):
        raise RefusedError("The first line must name the columns: a name of it may be a code, or is too long for one.")
    return [_column(name, cells) for name, cells in zip(names, read_columns(content), strict=True)]


def _column(name: str, cells: Sequence[str]) -> Column:
    # Each once: most columns have few words.
    filled = [cell for cell in dict.fromkeys(cells) if cell]
    text = "\n".join(filled)
    if not name or may_hold_codes(name) or looks_like_grouped_code(text):
        return Column(name)
    fits = set(_ids(filled))
    if looks_like_code(_COMPACT_TIME.sub("", text)):
        return Column(name, frozenset(fits))
    words = sorted(set(cells)) if len(filled) < WORDS_MAX else []
    fits |= {"activityTime", "amount"}
    if words and max(map(len, words)) <= WORD_LENGTH_MAX:
        fits |= _WORDED
    return Column(name, frozenset(fits), words, next((cell[:WORD_LENGTH_MAX] for cell in filled), ""))


def _ids(filled: Sequence[str]) -> Iterator[str]:
    """What a column may be whose cells look like codes and need not be: a request id is made of the same letters."""
    sample = filled[:SAMPLE]
    if sum(map(looks_like_code, sample)) * 2 <= len(sample):
        yield "requestId"
    if filled and all(map(GC_ID.fullmatch, filled)):
        yield "gcId"


def choices_of(columns: Sequence[Column], ours: str) -> list[tuple[str, str]]:
    """What one of our columns may be, as a select has it."""
    fitting = [(each.name, each.name) for each in columns if ours in each.fits]
    return [("", "-" if ours in REQUIRED else "none"), *fitting, *CONSTANTS.get(ours, ())]


def refuse_misfits(columns: Sequence[Column], mapped: Mapping[str, str]) -> None:
    """Refuse a mapping that takes what is not offered. Raises `RefusedError`."""
    for ours, theirs in mapped.items():
        if ours not in COLUMNS or theirs not in {value for value, _ in choices_of(columns, ours)}:
            raise RefusedError(
                f"{ours} cannot be taken from there: there is no such column, or it may hold codes or other things."
            )
