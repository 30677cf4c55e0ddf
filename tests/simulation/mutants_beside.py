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
        "Slots are given out without looking at it."
    ),
    "3 who waits for a slot may be sent before its guess of a time": (
        "Without it an order waits for the time that was guessed for it although a slot is free: later, and no more."
    ),
    "3 the backlog issues nothing that may have been sent": (
        "Alone it saves a call and a doubt. A refusal that names the attempts that it knows of keeps the money; both "
        "are taken out together here."
    ),
    "6 there is a poll at the fence itself": (
        "The next poll comes within a minute. It is taken out together with that minute here."
    ),
}
