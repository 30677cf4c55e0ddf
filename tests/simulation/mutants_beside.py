"""Rules whose loss no history can notice, because neither money, a secret nor an end depends on them.

Each stands here with its reason, and with what does notice it: its own history in `tests.unit.test_protocol_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: By what the rule says: why it is here.
BESIDE: Final[Mapping[str, str]] = {
    "2 a write that finds its own nonce had succeeded": (
        "Its row takes it out of the DynamoDB adapter, which the simulation's ledger stands for; taken out of that "
        "ledger it is a mutant here, together with the sweep."
    ),
    "3 a repeat is not lined up again": (
        "It keeps the line's length, by which callers are told when to ask again, from growing with their repeats. "
        "Permits are given out without looking at it."
    ),
    "3 who waits for a slot may be sent before its guess of a time": (
        "Without it an order waits for the time that was guessed for it although a permit is free: later, and no more."
    ),
    "3 the backlog issues nothing that may have been sent": (
        "Alone it saves a call and a doubt. A refusal that names the attempts that it knows of keeps the money; both "
        "are taken out together here."
    ),
    "7 one page of the book serves all requests that it can speak for": (
        "Without it each request asks for a page of its own. A history has a few dozen requests, and a day pages for "
        "all of them; thousands would wait for theirs until notifier must decide."
    ),
    "7 a page that was kept speaks only for its own partner's requests": (
        "An account whose keys have become another partner's sends nothing more for the old one's requests. Only a "
        "process that has not read its new keys yet, within minutes, could believe the other's page."
    ),
    "7 a page that was kept has a date that Amazon has answered with since": (
        "The simulation's Amazon has one clock, and dates each response by it: no page is ever ahead of the next response."
    ),
    "7 a page that is too long does not stand in for a much shorter one": (
        "A page is too long with a thousand rows. No history has a tenth of that: all pages are whole there."
    ),
    "7 a page with a row that may be of any request agrees with nothing": (
        "The simulation's Amazon writes each row of its activity whole, with the request that it is of: there is none that "
        "could be anybody's."
    ),
    "6 there is a poll at the fence itself": (
        "The next poll comes within a minute. It is taken out together with that minute here."
    ),
}
