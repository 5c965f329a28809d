"""Sound in every codec that we and a browser have, both ways, by its pitch."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticMicrophone
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.figures import note
from tests.unit.media_kit import loudest
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERE = NetworkOptions(addresses=("127.0.0.1",))
_LIBRARY = Path(__file__).with_name("sounds.js").read_text(encoding="utf-8")
TONES = (220, 330, 880)  # of the synthetic microphone
OTHERS = 1000  # of the page's oscillator, and of Firefox's fake microphone
RECORDED_MS = 1500
PLAIN = {"audio": {"autoGainControl": False, "noiseSuppression": False, "echoCancellation": False}}

KINDS = [
    ("chromium", "PCMU"),
    *(pytest.param("chromium", codec, marks=pytest.mark.long) for codec in ("opus", "PCMA", "G722")),
    *(pytest.param("firefox", codec, marks=pytest.mark.long) for codec in ("opus", "PCMU", "PCMA", "G722")),
]


def pitch_of(recorded: str) -> float:
    """Of the loudest in a recording."""
    with av.open(io.BytesIO(base64.b64decode(recorded))) as file:
        frames = list(file.decode(audio=0))
    rate = frames[0].sample_rate
    sound = np.concatenate([f.to_ndarray().reshape(len(f.layout.channels) if f.format.is_planar else 1, -1)[0] for f in frames])
    if not frames[0].format.is_planar:
        sound = sound[:: len(frames[0].layout.channels)]
    assert len(sound) > rate / 2
    return loudest(sound.astype(float), rate)


@pytest.mark.parametrize(("browser", "codec"), KINDS)
async def test_tones_both_ways(browser: str, codec: str, chrome: ChromiumPage, fox: FirefoxPage, pages: Pages) -> None:
    page = await pages.open(chrome if browser == "chromium" else fox)
    ours = RTCPeerConnection(network=HERE)
    async with call(page, ours) as made:
        ours.addTrack(SyntheticMicrophone())
        await page.evaluate(_LIBRARY)
        if browser == "chromium":
            await page.evaluate("await sounds.tone(call.pc)")
        else:
            await made("add", PLAIN)
        await page.evaluate(f"call.prefer('audio', {codec!r})")
        await made.negotiate(False)
        await made.connected()
        track: Any = made.track("audio")

        async def here() -> list[Any]:
            async with asyncio.timeout(20):
                return [await track.recv() for _ in range(75)]

        async def there() -> float | None:
            found = pitch_of(await page.evaluate(f"await sounds.record(call.remote, {RECORDED_MS})"))
            return found if any(abs(found - tone) < 4 for tone in TONES) else None

        frames, heard = await asyncio.gather(here(), until(there, timeout=20, what="a tone of ours in the page"))
        rate, channels = frames[0].sample_rate, frames[0].layout.nb_channels
        sound = np.concatenate([f.to_ndarray().reshape(-1, channels)[:, 0] for f in frames[25:]]).astype(float)
        found = loudest(sound, rate)
        note("tones", browser=browser, codec=codec, heard=round(heard, 1), here=round(found, 1))
        assert found == pytest.approx(OTHERS, abs=4)
        used = {row["mimeType"].lower() for row in (await ours.getStats()).values() if row["type"] == "codec"}
        assert used == {f"audio/{codec.lower()}"}
