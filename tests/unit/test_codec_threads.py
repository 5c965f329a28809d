"""Encoders and decoders hold neither the GIL nor the event loop: a thread of Python counts on, the loop goes on."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest

from rtcengine.codecs import register
from rtcengine.codecs.decode import OpusDecoder, VideoDecoder, make_decoder
from rtcengine.codecs.encode import Encoded, make_encoder
from rtcengine.codecs.opus import OpusEncoder
from rtcengine.codecs.vpx import Vp8Encoder
from rtcengine.frames import EncodedFrame
from rtcengine.media.pattern import Pattern, Tone
from rtcengine.media.synthetic import SyntheticCamera
from tests.unit.media_kit import take, wire
from tests.util import until

LEAST = 0.1
"""How fast the thread has to count, of how fast it does while this one sleeps: on a busy machine it shares a core."""
LEAST_OF_SHORT = 0.02
"""Where it is woken for each of thousands of calls that take a fraction of a millisecond."""
ROUNDS, IDLE_S, BUSY_S = 6, 0.05, 0.1
SIZE = 960, 540


class Counter:
    """Counts on a thread, and gives the GIL away after each one."""

    def __init__(self) -> None:
        self.count = 0
        self.ends = False
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self.ends:
            self.count += 1
            time.sleep(0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Meanwhile nobody is made to give the GIL away: who has it keeps it until it waits, or lets go of it."""
        usual = sys.getswitchinterval()
        sys.setswitchinterval(1000)
        self._thread.start()
        try:
            yield
        finally:
            self.ends = True
            sys.setswitchinterval(usual)
            self._thread.join()


def share(work: Callable[[], object]) -> float:
    """How fast a thread counts while `work` is done again and again, of how fast it does while nothing is."""
    counter, counts, spent = Counter(), [0, 0], [0.0, 0.0]

    def measure(kind: int, what: Callable[[], object], seconds: float) -> None:
        began, before = time.perf_counter(), counter.count
        while time.perf_counter() - began < seconds:
            what()
        counts[kind] += counter.count - before
        spent[kind] += time.perf_counter() - began

    with counter.running():
        for _ in range(ROUNDS):
            measure(0, lambda: time.sleep(IDLE_S), IDLE_S)
            measure(1, work, BUSY_S)
    return counts[1] / spent[1] / (counts[0] / spent[0])


def lets_go(work: Callable[[], object], least: float) -> bool:
    """In one of five tries: of a machine that is busy a thread gets little."""
    return any(share(work) > least for _ in range(5))


def test_who_keeps_the_gil_is_found() -> None:
    """What the others are measured by: one call in C that does not let go of it."""
    assert share(lambda: sum(range(300_000))) < LEAST_OF_SHORT / 10


@cache
def pictures() -> list[Any]:
    pattern = Pattern(*SIZE)
    return [pattern.video_frame(number, 3000 * number) for number in range(30)]


def frame_of(codec: str, one: Encoded, clock_rate: int) -> EncodedFrame:
    data = memoryview(one.data)
    return EncodedFrame(
        data=data, timestamp=one.timestamp, clock_rate=clock_rate, codec=codec, key=one.key, lost=0, arrived=0.0
    )


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["VP8", "VP9", "H264", "AV1"])
def test_pictures(codec: str) -> None:
    encoder, number = make_encoder(codec), 0

    def encode() -> list[Encoded]:
        nonlocal number
        number += 1
        return encoder.encode(pictures()[number % 30], at=3000 * number)

    encoded = [frame_of(codec, one, 90_000) for _ in range(30) for one in encode()]
    decoder, place = make_decoder(codec), 0

    def decode() -> None:
        nonlocal place
        decoder.decode(encoded[place % len(encoded)])
        place += 1

    assert lets_go(encode, LEAST)
    assert lets_go(decode, LEAST)


@pytest.mark.slow
def test_opus() -> None:
    """One packet takes less than a millisecond, too little for a thread to be given a turn by the clock."""
    encoder, tone = OpusEncoder(complexity=10), Tone()
    rng = np.random.default_rng(1)
    sound = [tone.samples(2880) + rng.integers(-500, 500, (2880, 2)).astype(np.int16) for _ in range(10)]
    place = 0

    def encode() -> bytes:
        nonlocal place
        place += 1
        return encoder.encode(sound[place % 10])

    packets = [frame_of("opus", Encoded(encode(), 2880 * n, True), 48_000) for n in range(50)]
    decoder = OpusDecoder()

    def decode() -> bytes:
        nonlocal place
        place += 1
        return decoder._decode(bytes(packets[place % 50].data), 5760)  # without what NumPy and PyAV do afterwards

    assert lets_go(encode, LEAST_OF_SHORT)
    assert lets_go(decode, LEAST_OF_SHORT)


class Waits:
    """Encodes or decodes only once the loop has said so, which it can while this waits."""

    def __init__(self) -> None:
        self.entered, self.may_go = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.entered.set()
        assert self.may_go.wait(30), "the loop did not go on meanwhile"


async def test_the_loop_goes_on() -> None:
    """On both sides of a stream: a codec that waits for the loop gets its turn."""
    sends, reads = Waits(), Waits()

    class Encoder(Vp8Encoder):
        def encode(self, *args: Any, **more: Any) -> list[Encoded]:
            sends.wait()
            return super().encode(*args, **more)

    class Decoder:
        def __init__(self, channels: int) -> None:
            self._decoder = VideoDecoder("VP8")

        def decode(self, frame: EncodedFrame) -> list[Any]:
            reads.wait()
            return self._decoder.decode(frame)

    take_back = register("VP8", encoder=Encoder, decoder=Decoder)
    try:
        async with wire("VP8") as pair:
            pair.pump.set_track(SyntheticCamera(320, 240))
            reading = asyncio.ensure_future(take(pair.remote, 3))
            for each in (sends, reads):
                await until(each.entered.is_set, timeout=20, what="a codec that waits")
                each.may_go.set()
            assert len(await reading) == 3
    finally:
        take_back()
