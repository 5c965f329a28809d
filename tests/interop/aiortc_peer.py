"""aiortc as WHIP publisher and WHEP viewer: importable, or a program that reports in JSON lines as gst_peer.py does.

python -m tests.interop.aiortc_peer publish|watch URL [--token T] [--codec VP8|H264] [--no-audio] [--seconds N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin

import aiohttp
import av
import numpy as np
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError


class PeerError(Exception):
    """The server did not answer 201; ``status`` and ``body`` are what it said."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"status {status}: {body[:500]}")
        self.status = status
        self.body = body


class Pattern(VideoStreamTrack):
    """A synthetic camera, 30 frames a second: a bright square that moves over a gradient."""

    def __init__(self, width: int = 640, height: int = 360) -> None:
        super().__init__()
        self.sent = 0
        self._width = width
        self._height = height
        self._background = np.zeros((height * 3 // 2, width), np.uint8)
        self._background[:height] = np.linspace(40, 160, width, dtype=np.uint8)
        self._background[height:] = 128

    async def recv(self) -> av.VideoFrame:
        """The next frame, when its time has come."""
        pts, time_base = await self.next_timestamp()
        picture = self._background.copy()
        x = 8 * self.sent % (self._width - 64)
        y = 4 * self.sent % (self._height - 64)
        picture[y : y + 64, x : x + 64] = 235
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = pts, time_base
        self.sent += 1
        return frame


class Tone(AudioStreamTrack):
    """A synthetic microphone: a tone of 440 Hz."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self._samples = 0

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms of sound, when their time has come."""
        frame = await super().recv()
        assert isinstance(frame, av.AudioFrame)
        step = 2 * math.pi * 440 / frame.sample_rate
        wave = (int(8000 * math.sin(step * (self._samples + i))) for i in range(frame.samples))
        frame.planes[0].update(struct.pack(f"<{frame.samples}h", *wave))
        self._samples += frame.samples
        self.sent += 1
        return frame


@dataclass
class Session:
    """A running session. ``frames`` counts by kind: given to the encoder when publishing, decoded when watching."""

    pc: RTCPeerConnection
    offer: str
    answer: str
    location: str | None
    etag: str | None
    tracks: dict[str, Pattern | Tone] = field(default_factory=dict)
    decoded: dict[str, int] = field(default_factory=lambda: {"video": 0, "audio": 0})
    sizes: set[tuple[int, int]] = field(default_factory=set)  # of decoded pictures

    @property
    def frames(self) -> dict[str, int]:
        """Frames until now, by kind."""
        return {kind: track.sent for kind, track in self.tracks.items()} if self.tracks else dict(self.decoded)


@asynccontextmanager
async def publish(
    url: str,
    token: str | None = None,
    *,
    video: bool = True,
    audio: bool = True,
    codec: str = "VP8",
    size: tuple[int, int] = (640, 360),
) -> AsyncIterator[Session]:
    """Publish a moving pattern and a tone by WHIP; PeerError unless 201. Leaving the context DELETEs the session."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tracks: dict[str, Pattern | Tone] = {}
    if audio:
        tracks["audio"] = Tone()
    if video:
        tracks["video"] = Pattern(*size)
    for kind, track in tracks.items():
        transceiver = pc.addTransceiver(track, direction="sendonly")
        if kind == "video":
            _prefer(transceiver, RTCRtpSender, codec)
    async with _session(pc, url, token) as session:
        session.tracks = tracks
        yield session


@asynccontextmanager
async def watch(
    url: str, token: str | None = None, *, video: bool = True, audio: bool = True, codec: str | None = None
) -> AsyncIterator[Session]:
    """Watch by WHEP, decoding and counting all frames; PeerError unless 201. Leaving the context DELETEs it."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    arrived: list[MediaStreamTrack] = []
    pc.on("track", arrived.append)
    if audio:
        pc.addTransceiver("audio", direction="recvonly")
    if video:
        transceiver = pc.addTransceiver("video", direction="recvonly")
        if codec is not None:
            _prefer(transceiver, RTCRtpReceiver, codec)
    async with _session(pc, url, token) as session:
        tasks = [asyncio.create_task(_count(track, session)) for track in arrived]
        try:
            yield session
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _prefer(transceiver: RTCRtpTransceiver, side: type[RTCRtpSender] | type[RTCRtpReceiver], codec: str) -> None:
    capabilities = side.getCapabilities("video")
    assert capabilities is not None
    known = capabilities.codecs
    wanted = [c for c in known if c.mimeType.lower() == f"video/{codec}".lower()]
    if not wanted:
        raise ValueError(f"aiortc has no {codec}")
    transceiver.setCodecPreferences(wanted + [c for c in known if c.mimeType.lower() == "video/rtx"])


async def _count(track: MediaStreamTrack, session: Session) -> None:
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        session.decoded[track.kind] += 1
        if isinstance(frame, av.VideoFrame):
            session.sizes.add((frame.width, frame.height))


@asynccontextmanager
async def _session(pc: RTCPeerConnection, url: str, token: str | None) -> AsyncIterator[Session]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    location: str | None = None
    async with aiohttp.ClientSession(headers=headers) as http:
        try:
            await pc.setLocalDescription(await pc.createOffer())  # gathers all candidates
            offer = pc.localDescription.sdp
            async with http.post(url, data=offer, headers={"Content-Type": "application/sdp"}) as reply:
                body = await reply.text()
                if reply.status != 201:
                    raise PeerError(reply.status, body)
                if "Location" in reply.headers:
                    location = urljoin(url, reply.headers["Location"])
                etag = reply.headers.get("ETag")
            await pc.setRemoteDescription(RTCSessionDescription(body, "answer"))
            yield Session(pc, offer, body, location, etag)
        finally:
            await pc.close()
            if location is not None:
                async with http.delete(location):
                    pass


async def _main(options: argparse.Namespace) -> int:
    def report(event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    start = publish if options.mode == "publish" else watch
    try:
        async with (
            asyncio.timeout(options.seconds) as limit,
            start(options.url, options.token, audio=options.audio, codec=options.codec) as session,
        ):
            report("offer", sdp=session.offer)
            report("answer", status=201, location=session.location, sdp=session.answer)
            state = ""
            frames: dict[str, int] = {}
            while not stop.is_set():
                if session.pc.connectionState != state:
                    state = session.pc.connectionState
                    report("state", value=state)
                if session.frames != frames:
                    frames = session.frames
                    report("counts", **frames)
                if state == "failed":
                    report("error", message="the connection failed")
                    return 1
                try:
                    async with asyncio.timeout(0.2):
                        await stop.wait()
                except TimeoutError:
                    if limit.expired():
                        raise
    except TimeoutError:
        pass
    except PeerError as e:
        report("answer", status=e.status, location=None, sdp=e.body)
        report("error", message=str(e))
        return 1
    except (aiohttp.ClientError, OSError) as e:
        report("error", message=f"the POST failed: {e}")
        return 1
    return 0


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description="aiortc as WHIP publisher or WHEP viewer")
    parser.add_argument("mode", choices=("publish", "watch"))
    parser.add_argument("url")
    parser.add_argument("--token")
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8")
    parser.add_argument("--no-audio", dest="audio", action="store_false")
    parser.add_argument("--seconds", type=float, default=120.0)
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
