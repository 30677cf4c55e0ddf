"""What the words of the books mean, as pages say it; docs/month-end.md has the same at length."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: How a day stands.
STATUSES: Final[Mapping[str, str]] = {
    "PENDING": "not read, or not judged, yet",
    "OPEN": "judged; rows may still come until 24 hours after its end",
    "BALANCED": "every request is as it should be, or somebody said why it is not",
    "DIFFERENCES": "some are not resolved",
    "INCOMPLETE": "some of its rows cannot be read: run it again, or upload a statement",
    "NO_ACTIVITY_PAGE": "Amazon shows no activity of this account: upload a statement",
}
#: What a difference, or an open item, is.
KINDS: Final[Mapping[str, str]] = {
    "inTransit": "A request that has not ended, or whose rows may still come.",
    "escalated": "After 24 hours nobody knows whether it was charged.",
    "unknownToLedger": "Amazon charged or refunded what this gateway never asked for.",
    "missingAtAmazon": "The ledger has a live card, and Amazon has no charge.",
    "refundedUnexpectedly": "Amazon gave money back for what is live here.",
    "chargedUnexpectedly": "Amazon charged what is refused or reversed here.",
    "chargedTwice": "More charges than one.",
    "amountDiffers": "One charge, of another amount or currency than was asked for.",
    "unreadableRow": "A row without an id, a time, an amount or a status that is known, or of an unknown type.",
}
#: Kinds whose end is still to come: they are open items, and block nothing.
OPEN_KINDS: Final = frozenset({"inTransit", "escalated"})
#: Why a difference needs nobody's attention any more.
REASONS: Final[Mapping[str, str]] = {
    "explainedByAmazon": "Amazon said what it is",
    "otherSystem": "another system, or a person in the portal, did it on purpose",
    "supportCase": "Amazon's support has the case; the note names it",
    "writtenOff": "nobody will get that money back",
}
#: How an escalated request ended.
SETTLING: Final[Mapping[str, str]] = {
    "settledCharged": "it was charged, and stays so",
    "settledRefunded": "nothing is charged",
}
#: What a part of a movement is.
PART_TYPES: Final[Mapping[str, str]] = {
    "deposit": "money paid in",
    "fee": "taken off for a service",
    "tax": "taken off as a tax",
    "rebate": "given by Amazon",
    "correction": "of something that was wrong",
    "refundByHand": "given back by Amazon without a row",
    "creditLimit": "the account's limit was changed",
}
#: How the close of a month stands.
CLOSES: Final[Mapping[str, str]] = {
    "CLOSING": "Its files are being written. If that does not end, whoever closed it was interrupted: close it again, "
    "and it goes on with the same version.",
    "BLOCKED": "It cannot be closed yet. Nothing was written.",
    "CLOSED": "Final, to the cent. Nothing of what it was made of has changed since.",
    "STALE": "Something that it was made of has changed. It stays valid until it is closed again, which makes the next "
    "version.",
}
#: What to do about what blocks a close, by its word, beyond what the API's sentence says.
BLOCKERS: Final[Mapping[str, str]] = {
    "notJudged": "Each day can be run from its page.",
    "noActivityPage": "Its columns are mapped on this machine.",
    "notFinal": "Wait: a month can be closed on the second day of the next one at the earliest.",
    "incomplete": "Run the day first: a statement is for what that does not mend.",
    "unresolved": "Each has a page that resolves it, and each kind one that resolves all.",
    "unnamedMovement": "In the first two days of a month wait: a row that comes late looks like one.",
    "noQuietBalance": "Days around it are looked at as well: if the day after the month is not over, wait for it.",
    "opening": "Both are asked for where the month is closed.",
    "balance": "In a first month the opening may be wrong; in others look for a movement whose parts are dated in the "
    "wrong month.",
    "previousMonth": "Months are closed oldest first.",
    "zone": "The zone that the books are kept in was changed since.",
    "inconsistent": "If it stays, it is a defect.",
}

_DAY: Final = re.compile(r"\b2[0-9]{3}-[0-9]{2}-[0-9]{2}\b(?!T)")
_MOVEMENT: Final = re.compile(r"Name movement ([0-9a-f]{24})")


@dataclass(frozen=True)
class Blocker:
    """Why a month cannot be closed.

    Attributes:
        word: for programs.
        sentence: the API's.
        to_do: what to do about it.
        days: that the sentence names.
        movement_id: likewise.
    """

    word: str
    sentence: str
    to_do: str
    days: Sequence[str]
    movement_id: str


def blocker_of(text: str) -> Blocker:
    """One of `blockedBy`: a word, and a sentence behind it."""
    word, _, sentence = text.partition(": ")
    days = list(dict.fromkeys(_DAY.findall(sentence)))
    movement = _MOVEMENT.search(sentence)
    return Blocker(word, sentence or text, BLOCKERS.get(word, ""), days, movement[1] if movement else "")
