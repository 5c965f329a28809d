"""aiortc's own examples, their imports changed and nothing else: with Chromium, and with the same example on aiortc."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.browser import media
from tests.browser.chromium import chromium
from tests.browser.drivers import Page
from tests.interop.aiortc_source import example, source
from tests.unit.test_contrib_media import make
from tests.util import served, until

LIMIT = 1 << 20


@contextlib.asynccontextmanager
async def running(program: Path, *args: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ended by Ctrl-C, unless it has ended, and without an error."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, str(program), *args]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LIMIT)
    assert process.stderr is not None
    said = asyncio.ensure_future(process.stderr.read())
    try:
        yield process
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        print((await said).decode())
        raise
    assert b"Traceback" not in await said, (await said).decode()


# --- with a browser


@contextlib.asynccontextmanager
async def visit(page: Page, program: Path, port: int, *args: str) -> AsyncIterator[Page]:
    """The program's page, with what the tests ask of a page."""
    async with running(program, "--host", "127.0.0.1", "--port", str(port), *args):
        await served(f"http://127.0.0.1:{port}/")
        await page.goto(f"http://127.0.0.1:{port}/")
        yield page


async def start(page: Page) -> None:
    await media.inject(page)
    await page.evaluate("start(); rtc.pc = pc; rtc.video = document.getElementById('video');")


async def stop(page: Page) -> None:
    await page.evaluate("stop()")

    async def stopped() -> bool:
        return bool(await page.evaluate("pc.connectionState === 'closed'"))

    await until(stopped, what="the page has hung up")


async def test_server(tmp_path: Path, unused_tcp_port: int) -> None:
    """It plays a file's sound, sends the page's pictures back, their edges alone, and records both; the page asks for a data
    channel too, whose section is accepted."""
    record = tmp_path / "record.mp4"
    async with (
        chromium() as browser,
        visit(browser, example("server", tmp_path), unused_tcp_port, "--record-to", str(record)) as page,
    ):
        await page.evaluate(
            "document.getElementById('use-video').checked = true;"
            "document.getElementById('video-transform').value = 'edges';"
            "document.getElementById('video-resolution').value = '320x240';"
        )
        await start(page)
        await media.wait_frames(page, 30)
        await media.wait_moving(page)
        shown = await media.sample_pixels(page)
        assert shown is not None and shown.luma < 60  # edges are thin lines on black
        assert (await media.audio_snapshot(page)).samples > 0
        answer = await page.evaluate("pc.remoteDescription.sdp")
        assert "m=application 9 UDP/DTLS/SCTP webrtc-datachannel" in answer
        await stop(page)
        await until(lambda: complete(record), timeout=20, what="the recording is complete")
    kinds = {kind: count(record, kind) for kind in ("audio", "video")}
    assert kinds["video"] >= 30 and kinds["audio"] >= 30


def complete(file: Path) -> bool:
    """An MP4's index is written last."""
    try:
        with av.open(str(file)) as opened:
            return len(opened.streams) == 2
    except av.FFmpegError:
        return False


def count(file: Path, kind: str) -> int:
    with av.open(str(file)) as opened:
        return sum(1 for _ in opened.decode(**{kind: 0}))


@pytest.mark.parametrize("decoding", [True, pytest.param(False, marks=[pytest.mark.long])], ids=["decoded", "as it is"])
async def test_webcam(decoding: bool, tmp_path: Path, unused_tcp_port: int) -> None:
    """It plays a file with pictures and sound; and one with H.264 alone, whose packets go out as they are."""
    if decoding:
        clip, options = make(tmp_path / "clip.mp4", pictures=600, seconds=20), ["--video-codec", "video/H264"]
    else:
        clip = make(tmp_path / "clip.ts", pictures=600, seconds=0)
        options = ["--play-without-decoding", "--video-codec", "video/H264"]
    program = example("webcam", tmp_path)
    async with chromium() as browser, visit(browser, program, unused_tcp_port, "--play-from", clip, *options) as page:
        await start(page)
        now = await media.wait_frames(page, 30)
        assert now["inbound"]["video"]["mimeType"] == "video/H264" and now["inbound"]["video"]["frameWidth"] == 320
        await media.wait_moving(page)
        if decoding:
            assert await media.audio_level(page) > 0.05
        await stop(page)


# --- with aiortc


async def next_message(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The next line of JSON that signaling by hand would carry over."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while line := await process.stdout.readline():
            with contextlib.suppress(ValueError):
                return json.loads(line)  # type: ignore[no-any-return]
    raise AssertionError("it has ended")


def hear(process: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")


def is_flag(file: Path) -> bool:
    """Blue, white and red from left to right, as the example draws it."""
    with av.open(str(file)) as opened:
        picture = next(opened.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    height, width = picture.shape[:2]
    blue, white, red = (picture[height // 2, round(width * at)] for at in (0.35, 0.5, 0.65))
    wanted = np.array([[0, 0, 255], [255, 255, 255], [255, 0, 0]])
    return bool((width, height) == (640, 480) and np.abs(np.array([blue, white, red]) - wanted).max() < 90)


@pytest.mark.parametrize("we_offer", [True, pytest.param(False, marks=[pytest.mark.long])], ids=["we offer", "it offers"])
async def test_videostream_cli(we_offer: bool, tmp_path: Path) -> None:
    """Each side sends an animated flag and records the other's."""
    ours, theirs = example("videostream-cli", tmp_path), source() / "examples" / "videostream-cli" / "cli.py"
    offerer, answerer = (ours, theirs) if we_offer else (theirs, ours)
    folders = [tmp_path / "offerer", tmp_path / "answerer"]
    for folder in folders:
        folder.mkdir()
    async with (
        running(offerer, "offer", "--record-to", str(folders[0] / "%3d.png")) as a,
        running(answerer, "answer", "--record-to", str(folders[1] / "%3d.png")) as b,
    ):
        hear(b, await next_message(a))
        hear(a, await next_message(b))
        for folder in folders:
            await until(lambda folder=folder: len(list(folder.glob("*.png"))) > 15, timeout=30, what="pictures of the peer")
        for program in (a, b):
            hear(program, {"type": "bye"})
            assert await next_message(program) == {"type": "bye"}
            assert await asyncio.wait_for(program.wait(), 20) == 0
    for folder in folders:
        assert is_flag(folder / "015.png")
