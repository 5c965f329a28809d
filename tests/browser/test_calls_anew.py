"""Calls are negotiated ten times anew while sound flows both ways: it goes on all the while."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticCamera, SyntheticMicrophone
from rtcengine.media.tap import tap
from tests.browser import media
from tests.browser.between import Between, Side, between, is_media
from tests.browser.call import Call, call
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.browser.talk import HERE, take
from tests.figures import note
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_S = 0.2
PLANTED_S = 0.25
CLOCK = 48000
CYCLES = 3


class Sound:
    """When each packet of one source came, and its RTP time, both in seconds."""

    def __init__(self) -> None:
        self.came: list[tuple[float, float]] = []

    def add(self, at: float, timestamp: int) -> None:
        """RTP times wrap."""
        before = round(self.came[-1][1] * CLOCK) if self.came else timestamp
        ahead = (timestamp - before + (1 << 31)) % (1 << 32) - (1 << 31)
        self.came.append((at, (before + ahead) / CLOCK))

    def missing(self) -> float:
        """The longest time of the source's own that nothing came of: lost, never sent, or not let in."""
        return max(b - a for (_, a), (_, b) in pairwise(self.came))

    def held(self, since: int = 0) -> float:
        """From the packet of this number on: by how much one came later after the one before than it had been taken."""
        return max(((b[0] - a[0]) - (b[1] - a[1]) for a, b in pairwise(self.came[since:])), default=0.0)


class Ears:
    """Both ends: what our engine's thread noted, and what a worker of the page did."""

    def __init__(self, made: Call) -> None:
        self.ours, self.theirs = Sound(), Sound()
        self._made = made

    async def listen(self, receiver: Any) -> None:
        async with tap(receiver) as stream:
            async for frame in stream:
                self.ours.add(frame.arrived, frame.timestamp)

    async def ask(self) -> None:
        for at_ms, timestamp in await self._made("heard"):
            self.theirs.add(at_ms / 1000, timestamp)

    def at(self) -> tuple[int, int]:
        return len(self.ours.came), len(self.theirs.came)

    async def hear_on(self, n: int) -> None:
        """So many packets more at both ends."""
        ours, theirs = self.at()

        async def enough() -> bool:
            await self.ask()
            return len(self.ours.came) >= ours + n and len(self.theirs.came) >= theirs + n

        await until(enough, interval=0.1, what=f"{n} more packets of sound both ways")


@contextlib.asynccontextmanager
async def both_ears(made: Call) -> AsyncIterator[Ears]:
    ears = Ears(made)
    incoming: Iterable[Any] = made.ours.driver.incoming.values()  # type: ignore[attr-defined]
    listening = asyncio.create_task(ears.listen(next(one.receiver for one in incoming)))
    try:
        yield ears
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def anew(made: Call, turn: int) -> None:
    """Tracks come and go, directions change, ICE restarts; each of us offers every second time."""
    pictures = [t for t in made.ours.getTransceivers() if t.kind == "video"]
    match turn % 5:
        case 0 if turn == 0:
            made.ours.addTrack(SyntheticCamera(320, 240, 30))
        case 0:
            pictures[0].direction = "sendrecv"
        case 1 if turn == 1:
            await made("add", {"video": media.CAMERA})
        case 1:
            await made.page.evaluate("call.direct('video', 'sendrecv')")
        case 2:
            await made.page.evaluate("call.direct('video', 'recvonly')")
        case 4:
            pictures[0].direction = "recvonly"
    await made.negotiate(turn % 2 == 0, restart=turn % 5 == 3)
    if turn % 5 == 1:
        await take(made.track("video"), 5)
    if turn % 5 == 0:
        await media.wait_frames(made.page, 5)


@dataclass(frozen=True)
class Gaps:
    """Seconds. `missing`: at our end and at the page's; `held`: the longest, by negotiation; `limit`: of what is held."""

    missing: tuple[float, float]
    held: dict[int, float]
    limit: float

    def found(self) -> list[str]:
        """What would be heard."""
        gaps = [
            f"{s:.3f} s missing at {end}" for s, end in zip(self.missing, ("our end", "the page"), strict=True) if s >= MOST_S
        ]
        return gaps + [f"{s:.3f} s held in negotiation {n}" for n, s in self.held.items() if s >= self.limit]


Plant = Callable[[Between], AbstractContextManager[None]]
"""Spoils the way while a negotiation goes on."""


async def renegotiated(page: Page, turns: int, plant: Plant | None = None) -> Gaps:
    """No gap of 200 ms in the sound of either side, which is the one that flows all the time.

    Two measures, neither of which a Python that reads late can spoil: our end notes packets when the engine's thread gets
    them, the page's in a worker. *Missing* is by RTP times alone: what of the source's own time was lost, not sent or not let
    in, over the whole call. No scheduler has a part in it. *Held* is by the clock: how much later than the one before a packet
    came than it was taken, from before a negotiation until half a second after it. There the sender's machine has a part, so
    the limit is twice what the same call's steady second had where that is more, and a negotiation that is over it is made
    again, twice at most: what it causes comes again each time.
    """
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    async with call(page, ours, watched=True) as made, contextlib.AsyncExitStack() as ends:
        ours.addTrack(SyntheticMicrophone())
        await made("add", {"audio": True})
        if plant is not None:
            await ours.setLocalDescription()
            await until(lambda: ours.iceGatheringState == "complete", what="gathering ends")
            made.way = ends.enter_context(between(ours))
        await made.negotiate(True)
        await made.connected()
        async with both_ears(made) as ears:
            await ears.hear_on(10)
            begin = ears.at()
            await ears.hear_on(50)
            steady = max(ears.ours.held(begin[0]), ears.theirs.held(begin[1]))
            limit = max(MOST_S, 2 * steady)
            held: dict[int, float] = {}
            done = 0
            while done < turns or (done < turns * CYCLES and max(held.values()) >= limit):
                before = ears.at()
                await anew(made, done)
                if plant is not None and made.way is not None:
                    with plant(made.way):
                        await asyncio.sleep(PLANTED_S + limit - MOST_S)
                await ears.hear_on(25)
                worst = max(ears.ours.held(before[0] - 1), ears.theirs.held(before[1] - 1))
                held[done % turns] = min(held.get(done % turns, worst), worst)
                done += 1
            missing = ears.ours.missing(), ears.theirs.missing()
        note(
            "renegotiated" if plant is None else "a planted gap",
            browser=type(page).__name__,
            turns=done,
            steady=round(steady, 3),
            held=round(max(held.values()), 3),
            missing=round(missing[0], 3),
            missing_at_page=round(missing[1], 3),
        )
        assert ours.connectionState == "connected"
    return Gaps(missing, held, limit)


@contextlib.contextmanager
def losing(way: Between, side: Side) -> Iterator[None]:
    way.lost_if = lambda to, data: to == side and is_media(data)
    try:
        yield
    finally:
        way.lost_if = None


def withheld(way: Between) -> AbstractContextManager[None]:
    return way.holding()


async def test_chromium(chrome: ChromiumPage, pages: Pages) -> None:
    assert not (await renegotiated(await pages.open(chrome), 10)).found()


async def test_firefox(fox: FirefoxPage, pages: Pages) -> None:
    assert not (await renegotiated(await pages.open(fox), 10)).found()


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        pytest.param(partial(losing, side="us"), ["missing at our end"], id="lost to us"),
        pytest.param(partial(losing, side="page"), ["missing at the page"], id="lost to the page", marks=pytest.mark.long),
        pytest.param(withheld, ["held in negotiation 0"], id="held", marks=pytest.mark.long),
    ],
)
async def test_a_planted_gap_is_found(plant: Plant, expected: list[str], chrome: ChromiumPage, pages: Pages) -> None:
    """A quarter of a second of sound that does not come, or comes late, is what these tests would fail of."""
    found = (await renegotiated(await pages.open(chrome), 1, plant)).found()
    assert [gap.partition(" s ")[2] for gap in found if "missing" in gap or "held" in expected[0]] == expected, found
