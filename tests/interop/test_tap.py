"""A program looks at what others publish, while viewers get it as before: the tracks of a relay's rooms, decoded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import av
import numpy as np
import pytest

from rtcengine.media.pattern import read_number
from rtcengine.relay import Track
from tests.browser.relay import Served, serve
from tests.interop import aiortc_peer
from tests.publisher import synthetic
from tests.util import until


async def take(frames: AsyncIterator[Any], count: int) -> list[Any]:
    """The next `count` frames; the iteration is over then."""
    found: list[Any] = []
    async with asyncio.timeout(30), aclosing(frames):  # type: ignore[type-var]
        async for frame in frames:
            found.append(frame)
            if len(found) == count:
                break
    return found


def tracks(served: Served, room: str) -> tuple[Track, Track]:
    found = served.relay.rooms[room]
    assert found.video is not None and found.audio is not None
    return found.video, found.audio


def check_times(frames: list[Any], least: float, most: float) -> None:
    """They go on by their own clock, by so many seconds each."""
    times = [float(f.pts * f.time_base) for f in frames]
    steps = np.diff(times)
    assert (steps > 0).all()
    assert least <= float(np.median(steps)) <= most, steps


@pytest.mark.parametrize("codec", ["H264", pytest.param("VP8", marks=pytest.mark.long)])
async def test_aiortc_publishes(codec: str) -> None:
    async with (
        serve() as served,
        aiortc_peer.publish(served.whip("tap"), codec=codec),
        aiortc_peer.watch(served.whep("tap"), codec=codec) as viewer,
    ):
        await until(lambda: viewer.decoded["video"] > 0, timeout=20, what="a picture at the viewer")
        video, audio = tracks(served, "tap")
        assert (video.kind, video.codec, audio.kind, audio.codec) == ("video", codec, "audio", "opus")
        pictures, sounds = await asyncio.gather(take(video.frames(), 60), take(audio.frames(), 100))
        assert all(isinstance(p, av.VideoFrame) and (p.width, p.height) == (640, 360) for p in pictures)
        check_times(pictures, 0.02, 0.06)
        bright = [np.argwhere(p.to_ndarray(format="gray") > 220).mean(axis=0) for p in pictures]
        assert np.abs(np.diff(bright, axis=0)).max(axis=1).min() > 1  # the square moves from each picture to the next
        assert all(isinstance(s, av.AudioFrame) and s.sample_rate == 48000 for s in sounds)
        check_times(sounds, 0.0199, 0.0201)
        wave = np.concatenate([s.to_ndarray().reshape(-1, 2)[:, 0] for s in sounds[20:]]).astype(float)
        peak = np.argmax(np.abs(np.fft.rfft(wave * np.hanning(len(wave))))) * 48000 / len(wave)
        assert peak == pytest.approx(440, abs=5)
        before = viewer.decoded["video"]
        await until(lambda: viewer.decoded["video"] > before + 30, timeout=20, what="pictures at the viewer afterwards")
        stats = await served.relay.stats()
        assert all(r.frames_broken == 0 for r in stats.receivers.values())


async def test_a_track_is_taken_by_several_and_again() -> None:
    async with serve() as served, synthetic(served.whip("tap"), width=320, height=180) as publisher:
        video, audio = tracks(served, "tap")
        first = video.frames()
        assert (await anext(first)).width == 320
        assert (await anext(video.encoded())).key
        await first.aclose()  # type: ignore[attr-defined]
        for _ in range(2):  # again: it begins at a key frame, which is asked for
            frames = await take(video.encoded(), 10)
            assert frames[0].key and all(f.codec == "VP8" for f in frames)
        numbers = [read_number(p.to_ndarray(format="gray")) for p in await take(video.frames(), 20)]
        assert numbers == sorted(set(numbers))
        video.ask_key_frame()
        assert any(f.key for f in (await take(video.encoded(), 5)))
        sounds = asyncio.create_task(ends(audio.frames()))
        pictures = asyncio.create_task(ends(video.frames()))
        await until(lambda: video._receiver.wants_frames and audio._receiver.wants_frames, what="both taps")
        await publisher.close()
        await asyncio.wait_for(asyncio.gather(sounds, pictures), 10)
        assert (await served.relay.stats()).hub["pool_used"] <= 64
    video.ask_key_frame()  # of what is gone: nothing


async def ends(frames: AsyncIterator[Any]) -> None:
    async for _ in frames:
        pass


async def test_a_program_that_is_slow_costs_the_viewers_nothing() -> None:
    async with serve() as served, synthetic(served.whip("tap"), width=320, height=180):
        video, _ = tracks(served, "tap")
        async with aiortc_peer.watch(served.whep("tap"), codec="VP8") as viewer:
            frames = video.encoded()
            await anext(frames)  # and no more: the queue fills up to its cap
            await until(lambda: frames.dropped > 0, timeout=30, what="the cap")
            before = viewer.decoded["video"]
            await until(lambda: viewer.decoded["video"] > before + 30, timeout=20, what="pictures at the viewer")
            async with asyncio.timeout(20):
                frame = await anext(frames)
            assert frame.key and frame.timestamp > 0
