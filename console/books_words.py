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
#: What to do about what blocks a close, by its word.
BLOCKERS: Final[Mapping[str, str]] = {
    "notJudged": "Wait for the watch (a quarter of an hour), or run the day. The day after the month counts too.",
    "noActivityPage": "Upload a statement of the day.",
    "notFinal": "Wait: rows come late, so Amazon is asked for the day's total once more, 24 hours after its end.",
    "incomplete": "Run the day again; if that does not help, upload a statement.",
    "unresolved": "Resolve each difference, or run its day again if it is gone.",
    "unnamedMovement": "Name what the movement was made of. In the first two days of a month wait: a row that comes "
    "late looks like one.",
    "noQuietBalance": "Wait for the next balance without rows near it, or for the end of the day after the month.",
    "opening": "Name the balance with which the first month begins, and where that figure is from.",
    "balance": "In a first month the opening may be wrong; in others look for a movement whose parts are dated in the "
    "wrong month.",
    "previousMonth": "Close the month before first.",
    "zone": "Run these days again: they were judged before the books' zone was changed.",
    "inconsistent": "Run the day again; if it stays, it is a defect.",
    "none": "Close it again.",
}

_DAY: Final = re.compile(r"\b2[0-9]{3}-[0-9]{2}-[0-9]{2}\b(?!T)")


@dataclass(frozen=True)
class Blocker:
    """Why a month cannot be closed.

    Attributes:
        word: for programs.
        sentence: the API's.
        to_do: what to do about it.
        days: that the sentence names.
    """

    word: str
    sentence: str
    to_do: str
    days: Sequence[str]


def blocker_of(text: str) -> Blocker:
    """One of `blockedBy`: a word, and a sentence behind it."""
    word, _, sentence = text.partition(": ")
    days = list(dict.fromkeys(_DAY.findall(sentence)))
    return Blocker(word, sentence or text, BLOCKERS.get(word, ""), days)
