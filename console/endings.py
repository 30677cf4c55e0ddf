"""How requests ended that a page showed as unknown: a row that merely vanishes would say nothing to whoever watches."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

#: For how long it is told.
TOLD_FOR: Final = timedelta(minutes=15)
#: Requests that are read for one page; the others are read for the next.
READ_MAX: Final = 5

Read = Callable[[str], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True)
class Ended:
    """A request that has ended, when that was seen, and how it stands."""

    at: datetime
    request: Mapping[str, Any]


@dataclass
class Endings:
    """What pages have shown, by account. It is kept in memory, and for the time that something is told."""

    now: Callable[[], datetime]
    _shown: dict[str, set[str]] = field(default_factory=dict)
    _ended: dict[str, dict[str, Ended]] = field(default_factory=dict)

    async def of(
        self, account: str, open_ids: Iterable[str], read: Read, is_open: Callable[[str], bool]
    ) -> list[Ended]:
        """Those that ended lately, newest first.

        Args:
            account: whose.
            open_ids: of all its requests that are to be shown as open now.
            read: tells how a request stands; None if it cannot.
            is_open: whether a request of this status will be shown again.
        """
        here = set(open_ids)
        gone = sorted(self._shown.get(account, set()) - here)
        to_read, later = gone[:READ_MAX], gone[READ_MAX:]
        found = dict(zip(to_read, await asyncio.gather(*map(read, to_read)), strict=True))
        ended, now = self._ended.setdefault(account, {}), self.now()
        for request_id, request in found.items():
            # What was issued again is followed as the request that it is now.
            if request is None or request["requestId"] != request_id:
                continue
            if is_open(request["status"]):
                # The list lags behind by a moment.
                later.append(request_id)
            else:
                ended.setdefault(request_id, Ended(now, request))
        for request_id in [each for each, told in ended.items() if each in here or now - told.at >= TOLD_FOR]:
            del ended[request_id]
        self._shown[account] = here | set(later)
        return sorted(ended.values(), key=lambda each: each.at, reverse=True)
