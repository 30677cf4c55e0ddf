"""Forms that have something done: each is sent once, whatever is clicked, reloaded or gone back to.

A form's id stands in the address of its page, so that going back leads to the same form, which knows that it was sent.
What was sent is kept in memory for as long as a form of it may be sent again; a form of an earlier process is refused,
and so is one as old as what has been forgotten, whatever the clock says.
"""

import asyncio
import hmac
import secrets
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from console.gateway import Reply

#: After it the page has to be opened anew. What was sent meanwhile is kept a little longer than that.
FORM_LIVES: Final = timedelta(hours=12)
#: What was sent and is kept, at most: more than a person sends in a day.
KEPT_MAX: Final = 1_000


@dataclass(frozen=True)
class Sent:
    """A form that was sent, and what came of it.

    Attributes:
        title: of the page that asked.
        reply: the API's; None: nothing has been sent to it yet, and `next_url` asks for more.
        next_url: what to look at then.
        again_url: the same form anew, filled in.
        note: what else there is to know.
        outcome: what it came to, where the API's response is no simple yes.
    """

    title: str
    reply: Reply | None
    next_url: str
    again_url: str
    at: datetime
    note: str = ""
    outcome: str = ""


@dataclass
class Forms:
    """The forms of this process."""

    now: Callable[[], datetime]
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _sent: "dict[str, asyncio.Task[Sent]]" = field(default_factory=dict, repr=False)
    _forgotten_until: int = -1

    def new_id(self, path: str) -> str:
        """The id of a form that is sent to this path."""
        start = f"{int(self.now().timestamp())}-{secrets.token_urlsafe(12)}"
        return f"{start}.{self._signature(start, path)}"

    def is_ours(self, form_id: str, path: str) -> bool:
        """Whether this process made the form, for this path, and lately enough."""
        start, _, signature = form_id.rpartition(".")
        if not form_id.isascii() or not hmac.compare_digest(signature.encode(), self._signature(start, path).encode()):
            return False
        made = _made(form_id)
        lives = self.now() - datetime.fromtimestamp(made, tz=self.now().tzinfo) < FORM_LIVES
        return lives and made > self._forgotten_until

    def sent(self, form_id: str) -> "asyncio.Task[Sent] | None":
        """What came, or will come, of a form; None if it was not sent."""
        return self._sent.get(form_id)

    async def once(self, form_id: str, send: Callable[[], Awaitable[Sent]]) -> Sent:
        """Send a form, or wait for what came of it. It goes on when the browser does not wait."""
        if form_id not in self._sent:
            self._forget()
            self._sent[form_id] = asyncio.ensure_future(_awaited(send))
        return await asyncio.shield(self._sent[form_id])

    @property
    def unanswered(self) -> int:
        """How many were sent whose response is not there, and never will be once the process ends."""
        return sum(not each.done() or each.cancelled() for each in self._sent.values())

    def _signature(self, start: str, path: str) -> str:
        return hmac.new(self._secret, f"{start} {path}".encode(), sha256).hexdigest()[:32]

    def _forget(self) -> None:
        """Make room: drop what no form can ask for any more, and the older half of what is too much."""
        oldest = int((self.now() - 2 * FORM_LIVES).timestamp())
        if len(self._sent) >= KEPT_MAX:
            oldest = max(oldest, sorted(map(_made, self._sent))[KEPT_MAX // 2])
        for form_id in [each for each, sent in self._sent.items() if _made(each) < oldest and sent.done()]:
            self._forgotten_until = max(self._forgotten_until, _made(form_id))
            del self._sent[form_id]


def _made(form_id: str) -> int:
    """When one of ours was made, in seconds since 1970."""
    return int(form_id.partition("-")[0])


async def _awaited(send: Callable[[], Awaitable[Sent]]) -> Sent:
    try:
        return await send()
    except Exception as error:
        # What broke is kept for as long as the form, and what it worked with is not: a download may hold codes.
        traceback.clear_frames(error.__traceback__)
        raise
