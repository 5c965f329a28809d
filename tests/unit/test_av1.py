"""The AV1 encoder: the priority of threads, what a change costs, pictures of its own size at least."""

from __future__ import annotations

import os
import random
import threading

import av
import numpy as np
import pytest

from rtcengine.codecs.av1 import LEAST_SIDE, Av1Encoder
from rtcengine.codecs.decode import make_decoder
from rtcengine.frames import EncodedFrame
from rtcengine.media.pattern import Pattern, read_number


def policies() -> set[int]:
    """Of all threads of the process; one that ends meanwhile has none."""
    found = set()
    for name in os.listdir("/proc/self/task"):
        try:
            found.add(os.sched_getscheduler(int(name)))
        except ProcessLookupError:
            continue
    return found


def test_no_thread_keeps_a_real_time_priority() -> None:
    """SVT-AV1, run by root, takes the highest for itself and for who opens it."""
    mine, all_before = os.sched_getscheduler(0), policies()
    encoder, pattern = Av1Encoder(), Pattern(320, 180)
    inherited: list[int] = []
    for n in range(3):
        assert len(encoder.encode(pattern.video_frame(n, 3000 * n))) == 1
        thread = threading.Thread(target=lambda: inherited.append(os.sched_getscheduler(0)))
        thread.start()
        thread.join()
        assert os.sched_getscheduler(0) == mine
        assert policies() <= all_before
    assert inherited == [mine] * 3
    assert len(os.listdir("/proc/self/task")) > threading.active_count()  # its own were among them


def test_what_is_opened_again() -> None:
    """For another bitrate or frame rate by more than a little, and not for less."""
    encoder, time, keys = Av1Encoder(bitrate=500_000), 0, []
    for n in range(50):
        if n in (10, 20):
            encoder.set_bitrate(540_000 if n == 10 else 800_000)
        time += 3000 if n < 30 else 9000 if n < 40 else 8000
        keys += [n for e in encoder.encode(Pattern(320, 240).video_frame(n, time)) if e.key]
    assert keys[:2] == [0, 20] and len(keys) == 3 and 30 <= keys[2] <= 33


def test_small_pictures_are_enlarged() -> None:
    encoder = Av1Encoder()
    for shown, size in {(32, 32): (64, 64), (32, 16): (128, 64), (48, 200): (64, 266), (64, 66): (64, 66)}.items():
        assert encoder.size(av.VideoFrame(*shown, "yuv420p")) == size
        assert min(size) >= LEAST_SIDE


@pytest.mark.parametrize(("size", "seed"), [((640, 360), 1), ((320, 180), 3)])
def test_no_block_is_of_a_picture_before(size: tuple[int, int], seed: int) -> None:
    """Pictures that jump, as those of a camera do of which some are missed."""
    rng, pattern, encoder, decoder = random.Random(seed), Pattern(*size), Av1Encoder(), make_decoder("AV1")
    number, wrong = 12345, []
    for place in range(150):
        shown = pattern.video_frame(number, 3000 * number)
        [coded] = encoder.encode(shown)
        encoded = EncodedFrame(
            data=memoryview(coded.data),
            timestamp=coded.timestamp,
            clock_rate=90000,
            codec="AV1",
            key=coded.key,
            lost=0,
            arrived=0.0,
        )
        [seen] = decoder.decode(encoded)
        luma = seen.to_ndarray(format="gray")
        off = np.abs(luma.astype(int) - shown.to_ndarray(format="gray")) > 80
        if off.sum() > 50 or read_number(luma) != number:
            wrong.append((place, int(off.sum())))
        number += rng.randint(1, 3)
    assert wrong == []
