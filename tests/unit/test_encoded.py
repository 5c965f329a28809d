"""`track.encoded()`: what waits is bounded, what goes beyond that a policy says, and what is left can always be decoded."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from rtcengine.codecs.decode import make_decoder
from rtcengine.frames import EncodedFrame, FrameQueue
from rtcengine.media.receive import RemoteTrack
from rtcengine.media.synthetic import SyntheticCamera, SyntheticMicrophone
from rtcengine.relay.track import Track
from tests.unit.media_kit import wire
from tests.util import until


def frame(number: int, key: bool = False, size: int = 1) -> EncodedFrame:
    return EncodedFrame(
        data=memoryview(bytes(size)), timestamp=number, clock_rate=90000, codec="VP8", key=key, lost=0, arrived=0.0
    )


class Queue(FrameQueue):
    """Counts wishes for key frames."""

    def __init__(self, most: int, drop: str) -> None:
        super().__init__(most, drop)
        self.asked = 0
        self.ask_key = self._count

    def _count(self) -> None:
        self.asked += 1

    def all(self) -> list[int]:
        return [f.timestamp for f in iter(self.pop, None)]


def put(queue: FrameQueue, numbers: range, *keys: int, size: int = 1) -> None:
    for number in numbers:
        queue.put(frame(number, number in keys, size))


def test_until_keyframe() -> None:
    queue = Queue(4, "until_keyframe")
    put(queue, range(6), 0, 3)  # at the fifth 0 to 2 go: 3 is a key frame
    assert (queue.all(), queue.dropped, queue.asked) == ([3, 4, 5], 3, 0)
    put(queue, range(6, 20))  # none is: all go, and those after them, and one is asked for once
    assert (queue.all(), queue.dropped, queue.asked) == ([], 17, 1)
    put(queue, range(20, 24), 21)
    assert (queue.all(), queue.dropped, queue.asked) == ([21, 22, 23], 18, 1)
    put(queue, range(30, 40))
    assert (queue.all(), queue.dropped, queue.asked) == ([], 28, 2)


def test_fifo() -> None:
    queue = Queue(4, "fifo")
    put(queue, range(10), 0, 8)  # the key frame finds no room
    assert queue.asked == 0
    assert queue.pop().timestamp == 0  # type: ignore[union-attr]
    assert (queue.asked, queue.dropped) == (1, 6)
    put(queue, range(10, 14), 12)
    assert (queue.all(), queue.dropped, queue.asked) == ([1, 2, 3, 12], 6 + 2 + 1, 2)  # 13 found none
    put(queue, range(14, 30), 15, 29)
    assert (queue.all(), queue.dropped, queue.asked) == ([15, 16, 17, 18], 9 + 1 + 11, 3)


@pytest.mark.parametrize(("drop", "kept"), [("latest", [6, 7, 8, 9]), ("until_keyframe", [6, 7, 8, 9]), ("fifo", [0, 1, 2, 3])])
def test_sound_goes_one_by_one(drop: str, kept: list[int]) -> None:
    queue = FrameQueue.of("audio", 4, drop)
    put(queue, range(10), *range(10))
    assert [f.timestamp for f in iter(queue.pop, None)] == kept and queue.dropped == 6
    queue.put(frame(10, True))
    assert queue.pop() is not None and queue.pop() is None


@pytest.mark.parametrize("drop", ["until_keyframe", "fifo"])
def test_bytes_are_bounded_as_well(drop: str) -> None:
    queue = Queue(64, drop)
    put(queue, range(10), *range(10), size=1 << 20)
    assert queue.all() == ([6, 7, 8, 9] if drop == "until_keyframe" else [0, 1, 2, 3])
    put(queue, range(3), *range(3), size=5 << 20)  # one there is
    assert queue.all() == ([2] if drop == "until_keyframe" else [0])


def test_what_cannot_be() -> None:
    video, audio = RemoteTrack("video"), RemoteTrack("audio")
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="not 1 or more"):
            video.encoded(maxsize=wrong)
    with pytest.raises(ValueError, match='"until_keyframe", "latest" or "fifo", not \'newest\''):
        audio.encoded(drop="newest")
    with pytest.raises(ValueError, match='"until_keyframe" or "fifo" for video'):
        video.encoded(drop="latest")
    audio.encoded(drop="latest")
    with pytest.raises(ValueError, match='"until_keyframe" is for frames that are encoded'):
        audio.frames(drop="until_keyframe")


async def take(frames: Any, count: int) -> list[EncodedFrame]:
    async with asyncio.timeout(30):
        return [await anext(frames) for _ in range(count)]


@pytest.mark.parametrize("drop", ["until_keyframe", "fifo"])
@pytest.mark.parametrize("by", ["track", "relay"])
async def test_who_is_slow_can_go_on_decoding(drop: str, by: str) -> None:
    """A frame is the next one of the stream, or a key frame; none of those comes but by being asked for."""
    async with wire("VP8") as pair:
        pair.pump.set_track(SyntheticCamera(320, 240, 60))
        await until(lambda: pair.receiver.ssrc, what="packets")
        track: Any = pair.remote if by == "track" else Track(pair.receiver)
        everything: list[int] = []

        async def collect(frames: Any) -> None:
            async for one in frames:
                everything.append(one.timestamp)

        fast = track.encoded()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(collect(fast))
            await until(lambda: everything, what="frames")
            async with track.encoded(maxsize=5, drop=drop) as slow:
                found = await take(slow, 2)
                for _ in range(3):
                    dropped = slow.dropped
                    await until(lambda dropped=dropped: slow.dropped > dropped, what="the cap")
                    found += await take(slow, 12)
            task.cancel()
        assert fast.dropped == 0
        following = dict(itertools.pairwise(everything))
        assert found[0].key and sum(f.key for f in found) >= 4
        assert all(b.key or following[a.timestamp] == b.timestamp for a, b in itertools.pairwise(found))
        assert found == sorted(found, key=lambda f: f.timestamp)
        decoder = make_decoder("VP8")
        assert sum(len(decoder.decode(one)) for one in found) == len(found)


async def test_sound_for_who_is_slow() -> None:
    async with wire("opus") as pair:
        pair.pump.set_track(SyntheticMicrophone())
        async with pair.remote.encoded(3, "latest") as newest, pair.remote.encoded(3, "fifo") as oldest:
            (last,), (first,) = await take(newest, 1), await take(oldest, 1)
            await until(lambda: newest.dropped >= 20 and oldest.dropped >= 20, what="sound that is left out")
            late, early = await take(newest, 3), await take(oldest, 3)
            assert [f.timestamp - first.timestamp for f in early] == [960, 1920, 2880]
            assert late[0].timestamp - last.timestamp >= 20 * 960
            assert late[2].timestamp - late[0].timestamp == 1920
        assert [f async for f in newest] == []
