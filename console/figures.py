"""CloudWatch's figures, and whatever else all open pages share for some seconds: more pages do not mean more calls."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar, cast

from console.gateway import Gateway, Reply
from local.commands.watch import RECOVERIES_MAX

T = TypeVar("T")

#: They are up to a minute old anyway, and each thousand of them costs a cent.
FIGURES_LIVE: Final = timedelta(seconds=10)
#: Longer than anything is shared.
FORGOTTEN_AFTER: Final = timedelta(minutes=10)


class Source(Protocol):
    """Where figures come from, each with rights of its own: `local.commands.watch.Screen`."""

    def metrics(self) -> Mapping[str, Any]:
        """CloudWatch's metrics; null is what nobody has counted."""

    def recoveries(self) -> int:
        """How many are under way."""

    def backlog(self) -> Mapping[str, int]:
        """How many messages there are in the queues."""

    def alarms(self) -> Sequence[Mapping[str, Any]]:
        """The stack's alarms that ring."""


@dataclass
class Shared:
    """What was asked for lately, of all pages together."""

    now: Callable[[], datetime]
    _kept: "dict[Hashable, tuple[datetime, asyncio.Future[Any]]]" = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """How many things are kept."""
        return len(self._kept)

    async def get(self, name: Hashable, lives: timedelta, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` said at most that long ago, or says now; whoever comes meanwhile waits for the same."""
        now = self.now()
        at, found = self._kept.get(name, (now, None))
        # A clock that was set back must not make it live for longer.
        if found is None or (found.done() and (abs(now - at) >= lives or found.cancelled() or found.exception())):
            for each, (then, there) in [*self._kept.items()]:
                if there.done() and abs(now - then) >= FORGOTTEN_AFTER:
                    del self._kept[each]
            found = asyncio.ensure_future(ask())
            self._kept[name] = now, found
        return cast("T", await asyncio.shield(found))

    def forget(self, name: Hashable) -> None:
        """Ask anew the next time: a failure is not worth sharing."""
        self._kept.pop(name, None)


@dataclass(frozen=True)
class Figures:
    """Asks for figures, each part by itself: a right that is missing takes away what it is for."""

    gateway: Gateway
    source: Source
    shared: Shared

    async def metrics(self) -> Reply:
        """CloudWatch's, as `make watch` has them."""
        return await self._of("cloudwatch:GetMetricData", self.source.metrics)

    async def recoveries(self) -> Reply:
        """`recoveries`: how many are under way, `orMore` where they are only counted so far."""

        def ask() -> Mapping[str, Any]:
            number = self.source.recoveries()
            return {"recoveries": number, "orMore": number >= RECOVERIES_MAX}

        return await self._of("states:ListExecutions", ask)

    async def backlog(self) -> Reply:
        """How many messages there are, by queue."""
        return await self._of("sqs:GetQueueAttributes", self.source.backlog)

    async def alarms(self) -> Reply:
        """`alarms`: those that ring."""
        return await self._of("cloudwatch:DescribeAlarms", lambda: {"alarms": self.source.alarms()})

    async def _of(self, action: str, ask: Callable[[], Mapping[str, Any]]) -> Reply:
        return await self.shared.get(action, FIGURES_LIVE, lambda: self.gateway.aws(action, ask))
