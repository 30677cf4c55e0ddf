"""What pages share: one call for all that ask at the same time, and for some seconds after."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from console.figures import Shared
from tests.support.fakes import FakeClock

LIVES = timedelta(seconds=10)


def test_whoever_asks_meanwhile_waits_for_the_same_and_whoever_leaves_stops_nobody() -> None:
    async def play() -> None:
        shared, asked, may_end = Shared(FakeClock().now), [], asyncio.Event()

        async def ask() -> str:
            asked.append("asked")
            await may_end.wait()
            return "told"

        async def page() -> str:
            return await shared.get("figures", LIVES, ask)

        leaves, stays, other = (asyncio.ensure_future(page()) for _ in range(3))
        await asyncio.sleep(0)
        leaves.cancel()
        may_end.set()
        assert await asyncio.gather(stays, other) == ["told", "told"]
        assert asked == ["asked"]

    asyncio.run(play())


def test_what_broke_is_asked_for_again_at_once() -> None:
    async def play() -> None:
        shared, broken = Shared(FakeClock().now), [True]

        async def ask() -> str:
            if broken.pop():
                raise KeyError("FailuresQueue")
            return "told"

        with pytest.raises(KeyError):
            await shared.get("figures", LIVES, ask)
        broken.append(False)
        assert await shared.get("figures", LIVES, ask) == "told"

    asyncio.run(play())


def test_a_clock_that_is_set_back_makes_nothing_live_for_longer() -> None:
    async def play() -> None:
        clock, asked = FakeClock(), []
        shared = Shared(clock.now)

        async def ask() -> str:
            asked.append("asked")
            return "told"

        await shared.get("figures", LIVES, ask)
        clock.time -= timedelta(hours=1)
        await shared.get("figures", LIVES, ask)
        assert len(asked) == 2

    asyncio.run(play())


def test_what_is_old_takes_no_memory() -> None:
    async def play() -> None:
        clock = FakeClock()
        shared = Shared(clock.now)

        async def ask() -> str:
            return "told"

        for number in range(1000):
            await shared.get(number, LIVES, ask)
            clock.time += timedelta(minutes=1)
        assert len(shared) < 20

    asyncio.run(play())
