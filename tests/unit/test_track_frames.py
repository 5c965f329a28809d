"""`track.frames()`: beside other readers, bounded, by a policy; nobody pays for who does not read."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import pytest

from rtcengine.media import tee
from rtcengine.media.track import MediaStreamError, MediaStreamTrack
from tests.util import until


class Pushed(MediaStreamTrack):
    """Gives what it is told to."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.asked = 0

    async def recv(self) -> Any:
        self.asked += 1
        frame = await self.queue.get()
        if frame is None:
            self.stop()
            raise MediaStreamError
        return frame

    def push(self, *numbers: int) -> None:
        for number in numbers:
            frame = av.VideoFrame(16, 16)
            frame.pts = number
            self.queue.put_nowait(frame)


async def idle(track: Pushed) -> None:
    """All that was pushed has been taken out, and given on."""
    await until(lambda: track.queue.empty() and track.asked > 0, what="it was read")
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("drop", "kept"), [("latest", [7, 8, 9]), ("fifo", [1, 2, 3])])
async def test_who_is_slow_gets_what_the_policy_says(drop: str, kept: list[int]) -> None:
    track = Pushed()
    async with track.frames(maxsize=3, drop=drop) as frames:
        first = asyncio.ensure_future(anext(frames))
        await until(lambda: track.asked == 1, what="it is read")
        track.push(0)
        assert (await first).pts == 0
        track.push(*range(1, 10))
        await idle(track)
        assert [(await anext(frames)).pts for _ in range(3)] == kept and frames.dropped == 6
        track.push(10)
        assert (await anext(frames)).pts == 10
        track.queue.put_nowait(None)
        assert [f async for f in frames] == []
    assert track.readyState == "ended"


async def test_all_readers_get_every_frame() -> None:
    track = Pushed()
    one, two = track.frames(maxsize=20), track.frames(maxsize=20)
    firsts = [asyncio.ensure_future(anext(reader)) for reader in (one, two)]
    await until(lambda: track.asked == 1, what="it is read")
    own = asyncio.ensure_future(track.recv())  # as a peer connection does
    await asyncio.sleep(0)
    track.push(*range(5))
    assert [(await first).pts for first in firsts] == [0, 0] and (await own).pts == 4  # the newest
    for reader in (one, two):
        assert [(await anext(reader)).pts for _ in range(4)] == [1, 2, 3, 4]
    one.close()
    one.close()
    assert [f async for f in one] == []
    track.push(5)
    assert (await anext(two)).pts == 5
    two.close()


async def test_a_track_that_nobody_reads_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee, "IDLE_S", 0.0)
    track = Pushed()
    frames = track.frames()
    await asyncio.sleep(0)
    assert track.asked == 0  # before the first iteration
    first = asyncio.ensure_future(anext(frames))
    await until(lambda: track.asked == 1, what="it is read")
    own = asyncio.ensure_future(track.recv())
    await asyncio.sleep(0)
    track.push(0)
    await asyncio.gather(first, own)
    frames.close()
    track.push(1, 2)  # one for who was waited for, and he who read by recv does not any more
    await asyncio.sleep(0.05)
    asked = track.asked
    track.push(3)
    await asyncio.sleep(0.05)
    assert track.asked == asked <= 4


async def test_what_cannot_be() -> None:
    track = Pushed()
    with pytest.raises(ValueError, match="not 1 or more"):
        track.frames(maxsize=0)
    with pytest.raises(ValueError, match='"latest" or "fifo", not \'newest\''):
        track.frames(drop="newest")
    track.stop()
    assert [f async for f in track.frames()] == []
