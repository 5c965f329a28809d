"""Every codec that we and a browser have, by what is in the pictures: their numbers, their colours, and the pitch of sound."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticCamera, SyntheticMicrophone
from rtcengine.media.pattern import _BARS
from tests.browser import media
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.figures import note
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERE = NetworkOptions(addresses=("127.0.0.1",))
_LIBRARY = Path(__file__).with_name("pictures.js").read_text(encoding="utf-8")
PICTURES = 60
LATE = 15  # pictures, at most, that are on their way
LEVELS = 3
TONES = (220, 330, 880)  # of the synthetic microphone

KINDS = [
    ("chromium", "VP8", 1280, 720, None),
    pytest.param("chromium", "VP9", 640, 360, None, marks=pytest.mark.long),
    pytest.param("chromium", "H264", 640, 360, None, marks=pytest.mark.long),
    pytest.param("chromium", "AV1", 640, 360, None, marks=pytest.mark.long),
    pytest.param("chromium", "AV1", 640, 360, "L1T3", marks=pytest.mark.long),
    pytest.param("firefox", "VP8", 1280, 720, None, marks=pytest.mark.long),
    pytest.param("firefox", "VP9", 640, 360, None, marks=pytest.mark.long),
    pytest.param("firefox", "AV1", 640, 360, None, marks=pytest.mark.long),
]


async def seen(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate("pictures.seen()")
    assert found["error"] is None, found["error"]
    return found


@pytest.mark.parametrize(("browser", "codec", "width", "height", "mode"), KINDS, ids=lambda v: str(v))
async def test_our_pictures_in_a_browser(
    browser: str,
    codec: media.Codec,
    width: int,
    height: int,
    mode: str | None,
    chrome: ChromiumPage,
    fox: FirefoxPage,
    pages: Pages,
) -> None:
    """Their order is kept, none is torn, their colours are right, and none waits: who is too slow gets fewer."""
    page = await pages.open(chrome if browser == "chromium" else fox)
    ours, camera = RTCPeerConnection(network=HERE), SyntheticCamera(width, height, 30)
    async with call(page, ours) as made:
        ours.addTrack(SyntheticMicrophone())
        video = ours.addTrack(camera)
        parameters = video.getParameters()
        parameters.degradationPreference = "maintain-framerate-and-resolution"  # on a busy machine too
        await video.setParameters(parameters)
        await page.evaluate(
            f"call.pc.addTransceiver('audio'); call.pc.addTransceiver('video'); call.prefer('video', {codec!r})"
        )
        await made.negotiate(False)
        await made.connected()
        if mode is not None:
            parameters = video.getParameters()
            parameters.encodings[0].scalabilityMode = mode
            await video.setParameters(parameters)
        await media.wait_frames(page, 5)
        await page.evaluate(f"{_LIBRARY}\nwindow.pictures = pictures; pictures.begin(rtc.video, false)")

        async def enough() -> dict[str, Any] | None:
            found = await seen(page)
            return found if found["count"] >= PICTURES else None

        found = await until(enough, timeout=40, what=f"{PICTURES} pictures")
        numbers = found["numbers"]
        late = camera.number - (await seen(page))["numbers"][-1]
        inbound = (await media.stats(page))["inbound"]["video"]
        assert inbound["mimeType"] == f"video/{codec}" and found["size"] == [width, height]
        off = np.abs(np.array(found["colours"]) - np.array(_BARS)).max()
        share = len(numbers) / (numbers[-1] - numbers[0] + 1)
        note(
            "pictures",
            browser=browser,
            codec=codec,
            format=found["format"],
            late=late,
            off=round(float(off), 2),
            share=round(share, 2),
        )
        assert not found["torn"] and all(number < after for number, after in itertools.pairwise(numbers)), found
        assert 0 <= late <= LATE
        assert off <= LEVELS, found["colours"]
        if browser == "chromium":  # Firefox runs no AudioContext where there is no device: test_call_sounds.py records
            pitches = await page.evaluate("await pictures.pitches(rtc.video.srcObject)")
            for frequency, above in pitches[:2]:
                assert above > 40 and any(abs(frequency - tone) < 4 for tone in TONES), pitches


@pytest.mark.parametrize("codec", ["VP8", *(pytest.param(name, marks=pytest.mark.long) for name in ("VP9", "H264", "AV1"))])
async def test_a_browsers_pictures_here(codec: media.Codec, chrome: ChromiumPage, pages: Pages) -> None:
    """What we decode is what the page sees of its own camera: as large, as bright, as coloured; in order."""
    page, ours = await pages.open(chrome), RTCPeerConnection(network=HERE)
    async with call(page, ours) as made:
        await made("add", {"video": media.CAMERA, "audio": True})
        await page.evaluate(f"call.prefer('video', {codec!r})")
        await made.negotiate(False)
        await made.connected()
        await page.evaluate(f"{_LIBRARY}\nwindow.pictures = pictures; rtc.show(rtc.stream); pictures.begin(rtc.video, true)")
        track = made.track("video")
        while (frame := await track.recv()).width != 640:  # it begins smaller,
            pass
        for _ in range(10):  # and its first picture of this size is coarse now and then
            frame = await track.recv()
        times, means = [frame.pts], []
        for _ in range(PICTURES):
            frame = await track.recv()
            times.append(frame.pts)
            planes = frame.to_ndarray(format="yuv420p")
            chroma = planes[frame.height :].reshape(2, -1)
            means.append([planes[: frame.height].mean(), chroma[0].mean(), chroma[1].mean()])
        assert times == sorted(set(times)) and (frame.width, frame.height) == (640, 360)
        # Its picture moves: each of ours is as one of the page's.
        own = np.array((await seen(page))["wholes"])
        off = np.abs(np.array(means)[:, None] - own[None]).max(axis=2).min(axis=1).max()
        note("pictures of a page", codec=codec, off=round(float(off), 2))
        assert off <= LEVELS, (means[-1], own[-1])


@pytest.mark.long
@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1"])
async def test_firefoxs_pictures_here(codec: media.Codec, fox: FirefoxPage, pages: Pages) -> None:
    """All in order and of the size that its camera has; none is broken."""
    page, ours = await pages.open(fox), RTCPeerConnection(network=HERE)
    async with call(page, ours) as made:
        await made("add", {"video": {"width": 640, "height": 480}, "audio": True})
        await page.evaluate(f"call.prefer('video', {codec!r})")
        await made.negotiate(False)
        await made.connected()
        track = made.track("video")
        while (frame := await track.recv()).width != 640:  # it may begin smaller
            pass
        times = [frame.pts]
        for _ in range(PICTURES):
            frame = await track.recv()
            times.append(frame.pts)
        assert times == sorted(set(times)) and (frame.width, frame.height) == (640, 480) and track.broken == 0
        used = {row["mimeType"] for row in (await ours.getStats()).values() if row["type"] == "codec"}
        assert f"video/{codec}" in used
