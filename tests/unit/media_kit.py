"""Two engines over loopback with a stream of a codec between them, tracks to send, and a look at threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np

from rtcengine import Certificate, Engine, Receiver, RecvConfig, SendConfig, Sender
from rtcengine.media.limits import Limits
from rtcengine.media.pattern import read_number
from rtcengine.media.receive import RemoteTrack
from rtcengine.media.send import SendPump
from rtcengine.media.track import MediaStreamError, MediaStreamTrack
from tests.unit.engine_pair import HERE, Names
from tests.util import until

NEAR, FAR = Certificate.generate(), Certificate.generate()
CODECS: dict[str, dict[str, Any]] = {
    "VP8": {"pt": 96, "clock_rate": 90000},
    "VP9": {"pt": 98, "clock_rate": 90000},
    "H264": {"pt": 102, "clock_rate": 90000},
    "AV1": {"pt": 45, "clock_rate": 90000},
    "opus": {"pt": 111, "clock_rate": 48000},
    "PCMU": {"pt": 0, "clock_rate": 8000},
    "PCMA": {"pt": 8, "clock_rate": 8000},
    "G722": {"pt": 9, "clock_rate": 8000},
}


class Wire:
    """`pump` sends by `sender`, `remote` reads from `receiver`."""

    sender: Sender
    receiver: Receiver
    pump: SendPump
    remote: RemoteTrack

    def __init__(self, near: Engine, far: Engine) -> None:
        self.near, self.far = near, far

    async def meet(self, codec: str, limits: Limits | None, fmtp: dict[str, Any] | None, port: int) -> None:
        names, video = Names.new(), codec in ("VP8", "VP9", "H264", "AV1")
        what = {"video": video, "codec": codec, "mid": "m", **CODECS[codec]}
        batch = self.near.batch()
        here = batch.transport(names.config(FAR.digest(), client=False))
        self.receiver = batch.receive(here, RecvConfig(**what, pli=video, nack=video))
        await batch.commit()
        batch = self.far.batch()
        there = batch.transport(names.other().config(NEAR.digest(), client=True))
        self.sender = batch.send(there, SendConfig(**what, ssrc=1000))
        batch.path(there, ("127.0.0.1", port))
        await batch.commit()
        self.pump = SendPump(self.sender, codec, CODECS[codec]["clock_rate"], fmtp, limits)
        self.remote = RemoteTrack("video" if video else "audio")
        self.remote.attach(self.receiver)
        await asyncio.wait_for(asyncio.gather(here.wait("connected"), there.wait("connected")), 10)

    async def hang_up(self) -> None:
        """The sending side closes."""
        batch = self.far.batch()
        batch.close(self.sender.transport)
        await batch.commit()


@asynccontextmanager
async def wire(
    codec: str,
    limits: Limits | None = None,
    fmtp: dict[str, Any] | None = None,
    *,
    within: bool = False,
    way: Callable[[int], Awaitable[int]] | None = None,
) -> AsyncIterator[Wire]:
    """`within`: another one is still open when this ends, whose threads go on. `way` makes one to a port, and says its own."""
    async with Engine(NEAR, udp=HERE) as near, Engine(FAR, udp=HERE) as far:
        pair = Wire(near, far)
        await pair.meet(codec, limits, fmtp, near.port if way is None else await way(near.port))
        try:
            yield pair
        finally:
            pair.pump.close()
            pair.remote.stop()
    await until(lambda: within or not codec_threads(), what="the end of the codecs' threads")


def codec_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("rtc-encode", "rtc-decode"))]


async def take(track: MediaStreamTrack, count: int) -> list[Any]:
    async with asyncio.timeout(30):
        return [await track.recv() for _ in range(count)]


async def take_while(track: MediaStreamTrack, going: Any) -> list[Any]:
    """Frames until `going(frame)` is false, that one included."""
    found = []
    async with asyncio.timeout(30):
        while not found or going(found[-1]):
            found.append(await track.recv())
    return found


class Listed(MediaStreamTrack):
    """Gives what is in a list, one each `pace` seconds, then waits, or ends."""

    def __init__(self, kind: str, items: list[Any], *, ends: bool = False, pace: float = 0.02) -> None:
        super().__init__()
        self.kind, self.items, self.ends, self.pace, self.given = kind, items, ends, pace, 0

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(self.pace)
        if self.given == len(self.items):
            if not self.ends:
                await asyncio.Event().wait()
            self.stop()
            raise MediaStreamError
        self.given += 1
        return self.items[self.given - 1]


def gray(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="gray")


def loudest(sound: np.ndarray, rate: int) -> float:
    """Frequency of the strongest tone."""
    return float(np.fft.rfftfreq(len(sound), 1 / rate)[np.abs(np.fft.rfft(sound * np.hanning(len(sound)))).argmax()])


async def numbers(track: Any, count: int) -> list[int]:
    """Of the next pictures, which are the synthetic camera's."""
    found = []
    async with asyncio.timeout(30):
        while len(found) < count:
            frame = await track.recv()
            found.append(read_number(frame.to_ndarray(format="gray")))
    return found
