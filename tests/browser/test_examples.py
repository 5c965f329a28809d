"""The examples with a page, as somebody runs them, with Chromium's own camera and microphone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.relay import Pages
from tests.interop.xvfb import Xvfb
from tests.util import served, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LONG = pytest.mark.long

# The mean colour of what the page shows.
_COLOUR = """
const canvas = new OffscreenCanvas(32, 18), context = canvas.getContext("2d");
context.drawImage(rtc.video, 0, 0, 32, 18);
const data = context.getImageData(0, 0, 32, 18).data, sum = [0, 0, 0];
for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += data[i + c] / 576;
return sum;
"""


@asynccontextmanager
async def example(pages: Pages, browser: Page, name: str, port: int, **env: str) -> AsyncIterator[Page]:
    """The program runs, and its page has a call; at the end it is ended by Ctrl-C."""
    command = [sys.executable, str(EXAMPLES / name), "--port", str(port)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | env, stdout=pipe, stderr=pipe)
    try:
        await served(f"http://127.0.0.1:{port}/")
        page = await pages.open(browser, f"http://127.0.0.1:{port}/")
        await media.inject(page)
        await page.evaluate("rtc.pc = pc; rtc.video = video; video.muted = true; document.getElementById('start').click();")
        await until(
            lambda: page.evaluate("return document.getElementById('state').textContent === 'connected'"),
            timeout=20,
            what="the page is connected",
        )
        yield page
        await page.evaluate("pc.close()")
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0 and b"Traceback" not in err, (process.returncode, out.decode(), err.decode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def colour(page: Page) -> tuple[float, float, float]:
    red, green, blue = await page.evaluate(_COLOUR)
    return red, green, blue


def make_file(path: Path) -> None:
    """Three seconds of blue and a tone."""
    with av.open(str(path), "w") as file:
        shown = file.add_stream("libx264", rate=30, width=320, height=240, pix_fmt="yuv420p", options={"bf": "0"})
        heard = file.add_stream("aac", rate=48000, layout="stereo")
        blue = np.zeros((240, 320, 3), np.uint8)
        blue[..., 2] = 230
        for number in range(90):
            blue[number % 240] = 255  # something moves
            file.mux(shown.encode(av.VideoFrame.from_ndarray(blue, format="rgb24")))
            blue[number % 240] = (0, 0, 230)
        wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(3 * 48000) / 48000)).astype(np.int16).repeat(2)[None, :]
        sound = av.AudioFrame.from_ndarray(wave, format="s16", layout="stereo")
        sound.sample_rate, sound.pts = 48000, 0
        file.mux(heard.encode(sound))
        for stream in (shown, heard):
            file.mux(stream.encode(None))


@LONG
async def test_webcam_to_browser(pages: Pages, chrome: ChromiumPage, unused_tcp_port: int) -> None:
    async with example(pages, chrome, "webcam_to_browser.py", unused_tcp_port, RTC_SYNTHETIC="1") as page:
        await media.wait_frames(page, 15)
        assert len(await media.wait_moving(page)) >= 3
        assert await media.audio_level(page) > 0.01


async def test_invert(pages: Pages, chrome: ChromiumPage, unused_tcp_port: int) -> None:
    async with example(pages, chrome, "invert.py", unused_tcp_port) as page:
        await media.wait_frames(page, 15)
        red, green, blue = await colour(page)
        assert green < min(red, blue) - 40, "Chromium's camera is green"
        assert await media.audio_level(page, seconds=1.5) > 0.001


@LONG
@pytest.mark.parametrize("name", ["echo_server.py", "blur_processor.py"])
async def test_what_comes_back(pages: Pages, chrome: ChromiumPage, unused_tcp_port: int, name: str) -> None:
    async with example(pages, chrome, name, unused_tcp_port) as page:
        await media.wait_frames(page, 15)
        red, green, blue = await colour(page)
        assert green > max(red, blue) + 40, "Chromium's camera is green"


@LONG
async def test_aiortc_server(pages: Pages, chrome: ChromiumPage, unused_tcp_port: int) -> None:
    async with example(pages, chrome, "aiortc_server.py", unused_tcp_port) as page:
        await media.wait_frames(page, 15)
        assert max(await colour(page)) < 60, "edges are thin lines on black"


@LONG
async def test_play_file(pages: Pages, chrome: ChromiumPage, unused_tcp_port: int, tmp_path: Path) -> None:
    make_file(tmp_path / "talk.mp4")
    async with example(pages, chrome, "play_file.py", unused_tcp_port, FILE=str(tmp_path / "talk.mp4")) as page:
        await media.wait_frames(page, 120, timeout=30)  # it has begun again
        red, green, blue = await colour(page)
        assert blue > max(red, green) + 100
        assert await media.audio_level(page) > 0.01


async def test_record_call(pages: Pages, chrome: ChromiumPage, unused_tcp_port: int, tmp_path: Path) -> None:
    async with example(pages, chrome, "record_call.py", unused_tcp_port, FOLDER=str(tmp_path)) as page:

        async def sent() -> bool:
            rows = (await media.stats(page))["outbound"]
            return len(rows) == 2 and rows["video"]["framesEncoded"] > 60 and rows["audio"]["packetsSent"] > 100

        await until(sent, timeout=30, what="two seconds are sent")
    with av.open(str(tmp_path / "call1.mkv")) as file:
        assert {s.type for s in file.streams} == {"audio", "video"}
        assert sum(1 for _ in file.decode(video=0)) > 30
    with av.open(str(tmp_path / "call1.mkv")) as file:
        assert sum(f.samples for f in file.decode(audio=0)) > 48000


@LONG
async def test_share_screen(pages: Pages, chrome: ChromiumPage, unused_tcp_port: int, tmp_path: Path) -> None:
    screen = Xvfb(tmp_path, 640, 480)
    try:
        screen.show(np.full((480, 640, 3), (240, 20, 20), np.uint8))
        async with example(pages, chrome, "share_screen.py", unused_tcp_port, DISPLAY=screen.name) as page:
            await media.wait_frames(page, 5)
            red, green, blue = await colour(page)
            assert red > max(green, blue) + 150
    finally:
        screen.end()
