"""Chromium publishes its camera and microphone, a program in the relay's process sees and hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.relay import Pages, Served, frames, join
from tests.figures import note
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = 5.0
AUDIBLE = 0.01  # RMS; the fake microphone beeps far above this


async def collect(source: AsyncIterator[Any], found: list[Any]) -> None:
    async for frame in source:
        found.append(frame)


@pytest.mark.parametrize("codec", ["VP8", "H264", "VP9", "AV1"])
async def test_the_camera_of_chromium(codec: media.Codec, served: Served, chrome: ChromiumPage, pages: Pages) -> None:
    publisher, viewer = await pages.open(chrome), await pages.open(chrome)
    room = f"tap-{codec}"
    await join(publisher, served.page(room), viewer, codec=codec)
    video, audio = served.relay.rooms[room].video, served.relay.rooms[room].audio
    assert video is not None and audio is not None and (video.codec, audio.codec) == (codec, "opus")
    pictures: list[Any] = []
    sounds: list[Any] = []
    tasks = [asyncio.create_task(collect(video.frames(), pictures)), asyncio.create_task(collect(audio.frames(), sounds))]
    await until(lambda: pictures and sounds, timeout=20, what="a picture and sound")
    before, seen, heard = await media.stats(publisher), len(pictures), len(sounds)

    async def time_is_up() -> bool:
        return bool((await media.stats(publisher))["now"] >= before["now"] + SECONDS * 1000)

    await until(time_is_up, timeout=SECONDS + 20, interval=0.25, what="5 s of the publisher's clock")
    after = await media.stats(publisher)
    sent = frames(after) - frames(before)
    await until(lambda: len(pictures) - seen >= 0.9 * sent, timeout=5, what=f"90 % of {sent} pictures")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    note("tap", codec=codec, sent=sent, decoded=len(pictures) - seen)
    assert sent >= 10 * SECONDS
    assert {(p.width, p.height) for p in pictures} == {(640, 360)}
    assert [p.pts for p in pictures] == sorted({p.pts for p in pictures})
    assert np.abs(pictures[-1].to_ndarray(format="gray").astype(int) - pictures[seen].to_ndarray(format="gray")).max() > 20
    assert (len(sounds) - heard) * 0.02 >= 0.9 * SECONDS
    wave = np.concatenate([s.to_ndarray().reshape(-1) for s in sounds]).astype(float) / 32768
    assert float(np.sqrt((wave**2).mean())) > AUDIBLE
    await media.wait_frames(viewer, 30)
