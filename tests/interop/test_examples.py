"""Examples with a server, called by a peer of ours in place of a browser, which can say what is said and shown."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import pytest

from rtcengine import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCPeerConnection,
    RTCSessionDescription,
    SyntheticCamera,
    SyntheticMicrophone,
)
from rtcengine.codecs.loudness import dbov, mean_square
from rtcengine.media.arrays import sound_of
from tests.interop.test_aiortc_examples import complete, count, running
from tests.unit.media_kit import gray
from tests.unit.sound_kit import RATE, speech
from tests.unit.test_call import HERE, connected
from tests.util import served, until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@contextlib.asynccontextmanager
async def call(name: str, port: int, sends: list[MediaStreamTrack], *args: str, **more: str) -> AsyncIterator[dict[str, Any]]:
    """What the program sends back, by kind, while it runs, and the "pc" that it comes to. `more` goes with the offer."""
    url = f"http://127.0.0.1:{port}"
    async with running(EXAMPLES / name, "--port", str(port), *args), aiohttp.ClientSession() as http:
        await served(f"{url}/")
        pc = RTCPeerConnection(network=HERE)
        came: dict[str, Any] = {"pc": pc}
        pc.on("track", lambda track: came.update({track.kind: track}))
        try:
            for track in sends:
                pc.addTrack(track)
            await pc.setLocalDescription()
            offer = pc.localDescription
            told = {"json": {"sdp": offer.sdp, "type": offer.type, **more}} if more else {"data": offer.sdp}
            async with http.post(f"{url}/offer", **told) as reply:
                assert reply.status == 200, await reply.text()
                sdp = (await reply.json())["sdp"] if more else await reply.text()
            await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
            await connected(pc)
            yield came
        finally:
            await pc.close()


class Speaker(AudioStreamTrack):
    """Says one phrase, at a usual loudness, when it may, and then nothing more."""

    def __init__(self) -> None:
        super().__init__()
        sound, speaks = speech(6, seed=3)
        begins = int(np.argmax(speaks))
        ends = begins + int(np.argmin(speaks[begins:]))
        self.phrase = (np.clip(sound[begins:ends] * 0.08, -1, 1) * 32767).astype(np.int16)
        self.said, self.position, self.start, self.may = 0, 0, time.monotonic(), False

    @property
    def silent(self) -> bool:
        return self.said >= len(self.phrase)

    async def recv(self) -> Any:
        await asyncio.sleep(self.start + self.position / RATE - time.monotonic())
        part = self.phrase[self.said : self.said + 960] if self.may else self.phrase[:0]
        self.said += len(part)
        frame = sound_of(RATE, np.pad(part, (0, 960 - len(part))), pts=self.position)
        self.position += 960
        return frame


async def test_voice_bot(unused_tcp_port: int) -> None:
    """It is silent up to the pause, and then says the phrase at twice its speed."""
    speaker = Speaker()
    async with call("voice_bot.py", unused_tcp_port, [speaker]) as came:
        seconds = 0.0

        async def hears() -> float:
            """Up to the end of the answer: how long it is."""
            nonlocal seconds
            frame = await came["audio"].recv()
            if dbov(mean_square(frame.to_ndarray())) > -45:
                assert speaker.silent, "the speaker was interrupted"
                seconds += frame.samples / frame.sample_rate
            return seconds

        async with asyncio.timeout(60):
            for _ in range(60):
                assert not await hears()
            speaker.may = True
            while not await hears():
                pass
            for _ in range(round(len(speaker.phrase) / RATE * 50)):
                await hears()
        spoken = len(speaker.phrase) / RATE
        assert spoken > 0.5 and 0.3 * spoken < seconds < 0.7 * spoken


@pytest.mark.parametrize("transform", ["negative", pytest.param("edges", marks=pytest.mark.long)])
async def test_aiortc_server(transform: str, tmp_path: Path, unused_tcp_port: int) -> None:
    file = tmp_path / "call.mp4"
    sends: list[MediaStreamTrack] = [SyntheticCamera(320, 240, 30), SyntheticMicrophone()]
    args = ("--record-to", str(file))
    async with call("aiortc_server.py", unused_tcp_port, sends, *args, video_transform=transform) as came:
        async with asyncio.timeout(60):
            pictures = [await came["video"].recv() for _ in range(40)]
            sound = [await came["audio"].recv() for _ in range(60)]
        # Colour bars, the brightest at the left: the other way round, or dark between their edges.
        left, middle = (float(np.median(gray(pictures[-1])[8:30, at])) for at in (20, 140))
        assert {"negative": left < middle - 20, "edges": left < 30 and middle < 30}[transform]
        assert max(dbov(mean_square(frame.to_ndarray())) for frame in sound) > -40
        await came["pc"].close()
        await until(lambda: complete(file), timeout=20, what="the recording is complete")
    assert count(file, "video") >= 20 and count(file, "audio") >= 30
    with av.open(str(file)) as opened:
        picture = gray(next(opened.decode(video=0)))
    assert float(np.median(picture[8:30, 20])) > float(np.median(picture[8:30, 140]))  # as it came
