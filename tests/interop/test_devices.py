"""True devices of a system as far as a machine without any has them: an X11 screen (Xvfb), and ALSA reading from a file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtcengine import MediaStreamError, NotFoundError, NotReadableError, mediaDevices
from tests.interop.xvfb import Xvfb, display
from tests.unit.devices_kit import capture_threads
from tests.unit.media_kit import loudest, take
from tests.util import until


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Xvfb]:
    with display(tmp_path, monkeypatch, 800, 600) as server:
        yield server


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Any:
    picture = np.zeros((600, 800, 3), np.uint8)
    picture[:, :400], picture[:, 400:] = left, right
    return picture


RED, BLUE, WHITE = (250, 0, 0), (0, 0, 250), (255, 255, 255)


def near(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < 24)


async def shown(track: Any, left: tuple[int, int, int], right: tuple[int, int, int]) -> Any:
    """The first picture with these halves."""
    async with asyncio.timeout(20):
        while True:
            picture = (await track.recv()).to_ndarray(format="rgb24")
            middle = picture.shape[0] // 2
            if near(picture[middle, 8], left) and near(picture[middle, -8], right):
                return picture


async def test_the_screen_is_captured_as_it_is(screen: Xvfb) -> None:
    screen.show(halves(RED, BLUE))
    stream = await mediaDevices.getDisplayMedia()
    (track,) = stream.getTracks()
    settings = track.getSettings()
    assert (settings["width"], settings["height"], settings["displaySurface"]) == (800, 600, "monitor")
    assert (track.label, track.getCapabilities()["width"]["max"]) == (f"Screen {screen.name}", 800)
    picture = await shown(track, RED, BLUE)
    assert picture.shape == (600, 800, 3)
    screen.show(halves(WHITE, RED))
    await shown(track, WHITE, RED)
    frames = await take(track, 3)
    assert frames[0].pts < frames[1].pts < frames[2].pts
    track.stop()
    await until(lambda: not capture_threads(), what="the capture's end")


async def test_it_is_cut_scaled_and_slowed_as_wanted(screen: Xvfb) -> None:
    screen.show(halves(RED, BLUE))
    stream = await mediaDevices.getDisplayMedia({"video": {"width": 200, "height": 200, "frameRate": 10}})
    (track,) = stream.getTracks()
    picture = await shown(track, RED, BLUE)
    assert picture.shape == (200, 200, 3) and near(picture[100, 90], RED) and near(picture[100, 110], BLUE)
    frames = await take(track, 4)
    rate = 3 / float((frames[-1].pts - frames[0].pts) * frames[0].time_base)
    assert rate < 12  # fewer when the machine is busy
    clone = track.clone()
    await clone.applyConstraints({"width": {"max": 400}})
    assert (await shown(clone, RED, BLUE)).shape == (300, 400, 3)
    assert (await shown(track, RED, BLUE)).shape == (200, 200, 3)
    clone.stop()
    track.stop()


async def test_a_screen_that_goes_away_ends_the_track(screen: Xvfb) -> None:
    (track,) = (await mediaDevices.getDisplayMedia()).getTracks()
    ended = asyncio.Event()
    track.on("ended", ended.set)
    await track.recv()
    screen.end()
    with pytest.raises(MediaStreamError, match=f"{screen.name} is gone"):
        async with asyncio.timeout(20):
            while True:
                await track.recv()
    assert ended.is_set() and isinstance(track.error, NotReadableError)
    with pytest.raises(NotReadableError, match=f"{screen.name} cannot be opened"):
        await mediaDevices.getDisplayMedia()


async def test_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(NotFoundError):
        await mediaDevices.getDisplayMedia()


@pytest.fixture
def tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PCM of ALSA that plays a tone of 1000 Hz from a file, as fast as it is read."""
    at = np.arange(48000 * 20)
    tone = (8000 * np.sin(2 * np.pi * 1000 * at / 48000)).astype("<i2")
    (tmp_path / "tone.raw").write_bytes(np.repeat(tone, 2).tobytes())
    config = f"""
pcm.tape {{
  type file
  slave.pcm {{ type null }}
  file /dev/null
  infile "{tmp_path}/tone.raw"
  format raw
}}
"""
    (tmp_path / "asound.conf").write_text(config)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    return "alsa:tape"


async def test_sound_of_alsa(tape: str) -> None:
    wanted = {"deviceId": {"exact": tape}, "sampleRate": 16000, "channelCount": 1}
    (track,) = (await mediaDevices.getUserMedia(audio=wanted)).getTracks()
    assert track.getSettings() | {"sampleRate": 16000, "channelCount": 1, "deviceId": tape} == track.getSettings()
    frames = await take(track, 10)
    assert all((f.sample_rate, f.layout.name, f.samples) == (16000, "mono", 320) for f in frames)
    # Frames that nobody read in time are missing between two, so one by one.
    for frame in frames[2:]:
        assert loudest(frame.to_ndarray().reshape(-1).astype(float), 16000) == pytest.approx(1000, abs=60)
    track.stop()
    await until(lambda: not capture_threads(), what="the capture's end")


async def test_sound_of_nothing(tape: str) -> None:
    with pytest.raises(NotReadableError, match="nosuch"):
        await mediaDevices.getUserMedia(audio={"deviceId": {"exact": "alsa:nosuch"}})
