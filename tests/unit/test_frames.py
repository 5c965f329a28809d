"""Frames of a receiver in Python: what one engine sends comes out of the other, with loss and at the cap."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import pytest

from rtcengine import EncodedFrame, Engine, EngineError, FrameStream, RecvConfig, Transport
from rtcengine.frames import FrameShare
from tests.unit.engine_pair import AUDIO, DELTA_FRAME, KEY_FRAME, OPUS_FRAME, VIDEO, Names, send
from tests.unit.lossy import lossy
from tests.unit.test_engine import CLIENT, HERE, SERVER
from tests.util import until

CAP = 64  # frames that wait


class Side:
    """A publisher of video and sound, and who receives both as frames."""

    def __init__(self, server: Engine, client: Engine) -> None:
        self.server, self.client = server, client
        self.near: Any = None

    async def meet(self, port: int, *, nack: bool = True) -> None:
        names = Names.new()
        batch = self.server.batch()
        self.near: Transport = batch.transport(names.config(CLIENT.digest(), client=False))
        video = RecvConfig(**VIDEO, pli=True, frames=True)
        self.video = batch.receive(self.near, replace(video, nack=nack))
        self.audio = batch.receive(self.near, RecvConfig(**AUDIO, frames=True))
        await batch.commit()
        batch = self.client.batch()
        self.far = batch.transport(names.other().config(SERVER.digest(), client=True))
        self.video_out, self.audio_out = send(batch, self.far, VIDEO, 1000), send(batch, self.far, AUDIO, 2000)
        batch.path(self.far, ("127.0.0.1", port))
        await batch.commit()
        await asyncio.wait_for(asyncio.gather(self.near.wait("connected"), self.far.wait("connected")), 10)
        self.key_wanted = False
        self.video_out.on_keyframe = self._want_key

    def _want_key(self) -> None:
        self.key_wanted = True


async def take(stream: FrameStream, count: int) -> list[EncodedFrame]:
    async with asyncio.timeout(20):
        return [await anext(stream) for _ in range(count)]


def picture(number: int, key: bool) -> bytes:
    """VP8 as far as its frame header goes, and different from all others."""
    return (KEY_FRAME if key else DELTA_FRAME)[:10] + number.to_bytes(4, "big") * (1 + number % 700)


async def test_what_is_sent_comes_back_equal() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        pictures, sounds = side.video.frames(), side.audio.frames()
        start = (1 << 32) - 30 * 3000  # the time wraps on the way
        for number in range(60):
            before = time.monotonic()
            side.video_out.send_frame(picture(number, number == 0), start + 3000 * number, number == 0)
            side.audio_out.send_frame(OPUS_FRAME + bytes([number]), 960 * number, True)
            seen, heard = (await take(pictures, 1))[0], (await take(sounds, 1))[0]
            assert bytes(seen.data) == picture(number, number == 0) and seen.data.readonly
            assert seen.data == picture(number, number == 0)
            assert (seen.timestamp, seen.clock_rate, seen.codec) == (start + 3000 * number, 90000, "VP8")
            assert seen.key == (number == 0) and seen.lost == 0 and before <= seen.arrived <= time.monotonic()
            assert bytes(heard.data) == OPUS_FRAME + bytes([number])
            assert (heard.timestamp, heard.key, heard.lost, heard.clock_rate) == (960 * number, True, 0, 48000)
        stats = (await server.stats()).receivers[side.video.id]
        assert (stats.frames_given, stats.frames_dropped, stats.frames_late, stats.frames_broken) == (60, 0, 0, 0)
        kept = seen.data
    assert kept == picture(59, False)  # what a program has is its own, whatever becomes of the engine


async def test_close_ends_the_iteration() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        pictures, sounds = side.video.frames(), side.audio.frames()
        side.video_out.send_frame(KEY_FRAME, 0, True)
        assert (await take(pictures, 1))[0].key
        waiting = asyncio.create_task(take(pictures, 1))
        pictures.close()
        with pytest.raises(StopAsyncIteration):
            await anext(pictures)
        assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], RuntimeError | StopAsyncIteration)
        again = side.video.frames()
        ended = asyncio.create_task(ends(again)), asyncio.create_task(ends(sounds))
        batch = client.batch()
        batch.close(side.far)
        await batch.commit()
        await asyncio.wait_for(asyncio.gather(*ended), 10)
        assert [f async for f in side.video.frames()] == []
    with pytest.raises(EngineError, match="not told to give frames"):
        batch = server.batch()
        batch.receive(side.near, RecvConfig(**VIDEO)).frames()


async def ends(stream: FrameStream) -> None:
    async for _ in stream:
        pass


async def test_closing_the_engine_ends_it_too() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        ended = asyncio.create_task(ends(side.video.frames()))
        await server.close()
        await asyncio.wait_for(ended, 10)


async def test_a_program_that_sleeps_finds_the_newest() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)

        async def given() -> int:
            stats = (await server.stats()).receivers
            return min(stats[side.video.id].frames_given, stats[side.audio.id].frames_given)

        for number in range(300):
            key = number % 50 == 0 or side.key_wanted
            side.key_wanted = False
            side.video_out.send_frame(picture(number, key), 3000 * number, key)
            side.audio_out.send_frame(OPUS_FRAME, 960 * number, True)
            if number % 30 == 29:
                await until(lambda n=number: reached(given, n + 1), what="the frames")
        stats = (await server.stats()).receivers
        sounds = await take(side.audio.frames(), CAP)
        assert [f.timestamp // 960 for f in sounds] == list(range(300 - CAP, 300))
        assert stats[side.audio.id].frames_dropped == 300 - CAP
        left = 300 - stats[side.video.id].frames_dropped
        pictures = await take(side.video.frames(), left)
        assert 0 < left <= CAP and pictures[0].key
        assert [f.timestamp // 3000 for f in pictures] == list(range(300 - left, 300))


async def reached(count: Callable[[], Any], least: int) -> bool:
    return bool(await count() >= least)


@pytest.mark.slow
async def test_a_key_frame_is_asked_for_at_the_cap() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        number = 0

        async def cap_was_met() -> bool:
            nonlocal number
            side.video_out.send_frame(picture(number, number == 0), 3000 * number, number == 0)
            number += 1
            if number == 1:
                side.key_wanted = False
            return number > CAP and side.key_wanted

        await until(cap_was_met, timeout=20, what="a wish for a key frame")
        stream = side.video.frames()
        side.video_out.send_frame(picture(number, True), 3000 * number, True)
        frame = (await take(stream, 1))[0]
        assert frame.key and frame.timestamp == 3000 * number
        assert (await server.stats()).receivers[side.video.id].frames_dropped == number


@pytest.mark.parametrize("every", [7, 31])
async def test_repair_leaves_nothing_out(every: int) -> None:
    async with (
        Engine(SERVER, udp=HERE) as server,
        Engine(CLIENT, udp=HERE) as client,
        lossy(server.port, lambda n: n > 2 and n % every == 0) as way,
    ):
        side = Side(server, client)
        await side.meet(way.port)
        stream, number, found = side.video.frames(), 0, []
        deadline = asyncio.get_running_loop().time() + 30
        taking = asyncio.create_task(take_until(stream, found, 150))
        while not taking.done() and asyncio.get_running_loop().time() < deadline:
            side.video_out.send_frame(picture(number, number == 0), 3000 * number, number == 0)
            number += 1
            await asyncio.sleep(0.01)
        await taking
        assert way.lost > 2
        assert [f.timestamp // 3000 for f in found] == list(range(150))
        assert all(bytes(f.data) == picture(n, n == 0) for n, f in enumerate(found))


async def take_until(stream: FrameStream, found: list[EncodedFrame], count: int) -> None:
    async for frame in stream:
        found.append(frame)
        if len(found) == count:
            return


async def test_without_repair_what_comes_can_be_decoded() -> None:
    """No frame is there twice, none changed, and after each gap the next one is a key frame."""
    async with (
        Engine(SERVER, udp=HERE) as server,
        Engine(CLIENT, udp=HERE) as client,
        lossy(server.port, lambda n: n % 40 == 0) as way,
    ):
        side = Side(server, client)
        await side.meet(way.port, nack=False)
        stream, number, found = side.video.frames(), 0, []
        keys: set[int] = set()
        taking = asyncio.create_task(take_until(stream, found, 120))
        while not taking.done() and number < 3000:
            key = number == 0 or side.key_wanted
            side.key_wanted = False
            keys |= {number} if key else set()
            side.video_out.send_frame(picture(number, key), 3000 * number, key)
            number += 1
            await asyncio.sleep(0.01)
        await taking
        assert way.lost > 0
        numbers = [f.timestamp // 3000 for f in found]
        assert len(keys) > 1 and numbers == sorted(set(numbers))
        for before, frame in zip([-2, *numbers], found, strict=False):
            now = frame.timestamp // 3000
            assert bytes(frame.data) == picture(now, now in keys)
            assert frame.key == (now in keys)
            assert now == before + 1 or frame.key
            assert (frame.lost > 0) == (now != before + 1 and before >= 0)


async def test_readers_go_at_their_own_pace() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        first = side.video.frames()
        side.video_out.send_frame(picture(0, True), 0, True)
        assert bytes((await take(first, 1))[0].data) == picture(0, True)
        second, third = side.video.frames(), side.video.frames()
        for number in range(1, 10):  # who came later begins at a key frame
            side.video_out.send_frame(picture(number, number == 5), 3000 * number, number == 5)
        assert [f.timestamp // 3000 for f in await take(first, 9)] == list(range(1, 10))
        assert [f.timestamp // 3000 for f in await take(second, 5)] == list(range(5, 10))
        # The third does not read: what waits for it is bounded, and of what is dropped nothing but a key frame is left.
        for number in range(10, 10 + 2 * CAP):
            side.video_out.send_frame(picture(number, number in (20, 100)), 3000 * number, number in (20, 100))
            assert [(await take(stream, 1))[0].timestamp for stream in (first, second)] == [3000 * number] * 2
        assert [f.timestamp // 3000 for f in await take(third, 38)] == list(range(100, 138)) and third.dropped == 4 + 95
        for stream in (first, second):
            stream.close()
        side.video_out.send_frame(picture(200, False), 3000 * 200, False)
        assert (await take(third, 1))[0].timestamp == 3000 * 200


async def test_who_was_too_slow_beside_others_asks_for_a_key_frame() -> None:
    """When it reads again, and not before: nobody else knows that it needs one."""
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        first, slow = side.video.frames(), side.video.frames()
        for number in range(2 * CAP):
            side.video_out.send_frame(picture(number, number == 0), 3000 * number, number == 0)
            assert (await take(first, 1))[0].timestamp == 3000 * number
        assert slow.dropped == 2 * CAP and not side.key_wanted
        waiting = asyncio.ensure_future(take(slow, 1))
        await until(lambda: side.key_wanted, what="a wish for a key frame")
        for number in range(2 * CAP, 2 * CAP + 3):
            side.video_out.send_frame(picture(number, number == 2 * CAP + 1), 3000 * number, number == 2 * CAP + 1)
        (frame,) = await waiting
        assert frame.key and frame.timestamp == 3000 * (2 * CAP + 1)
        assert (await take(slow, 1))[0].timestamp == 3000 * (2 * CAP + 2)


async def test_frames_of_any_buffer() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        stream = side.video.frames()
        kinds = [bytes, bytearray, memoryview, lambda data: array("B", data), av.Packet]
        for number, kind in enumerate(kinds):
            side.video_out.send_frame(kind(picture(number, number == 0)), 3000 * number, number == 0)
        found = [bytes(frame.data) for frame in await take(stream, len(kinds))]
        assert found == [picture(number, number == 0) for number in range(len(kinds))]
        for wrong, why in ((b"", "empty"), (av.Packet(0), "empty"), (memoryview(KEY_FRAME)[::2], "contiguous")):
            with pytest.raises(ValueError, match=why):
                side.video_out.send_frame(wrong, 0, True)
        with pytest.raises(TypeError):
            side.video_out.send_frame("text", 0, True)  # type: ignore[arg-type]


async def test_one_task_at_a_time_takes_frames() -> None:
    waiting: list[Any] = []
    stream = FrameShare(lambda: waiting.pop(0) if waiting else None).open()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await anext(stream)
    waiting.append("frame")
    stream.wake()
    stream.wake()
    assert await asyncio.wait_for(first, 10) == "frame"
    cancelled = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    waiting.append("next")  # nobody waits now, and it is not lost
    stream.wake()
    assert await anext(stream) == "next"
    last = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    stream.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(last, 10)


async def test_frames_are_switched_on_and_off() -> None:
    async with Engine(SERVER, udp=HERE) as server, Engine(CLIENT, udp=HERE) as client:
        side = Side(server, client)
        await side.meet(server.port)
        for _ in range(3):
            stream = side.video.frames()
            ended = asyncio.create_task(ends(stream))
            batch = server.batch()
            batch.frames(side.video, False)
            await batch.commit()
            await asyncio.wait_for(ended, 10)
            with pytest.raises(EngineError, match="not told to give frames"):
                side.video.frames()
            batch = server.batch()
            batch.frames(side.video, True)
            await batch.commit()
            side.video_out.send_frame(KEY_FRAME, 0, True)
            assert (await take(side.video.frames(), 1))[0].data == KEY_FRAME
            side.video._share.close()  # type: ignore[union-attr]
