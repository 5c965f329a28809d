"""What a peer allows by b= of its description is what an encoder is given."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from av import VideoFrame

from rtcengine import NetworkOptions, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))
FRAMES = 60


class Restless(VideoStreamTrack):
    """A picture that takes whatever rate there is."""

    def __init__(self) -> None:
        super().__init__()
        noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        self._noise = np.kron(noise, np.ones((4, 4, 1), dtype=np.uint8))

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame.from_ndarray(np.roll(self._noise, pts // 1000, axis=1), format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


async def rate(line: str) -> float:
    """Bits a second of the media's time, of the frames after the first second."""
    a, b = RTCPeerConnection(network=HERE), RTCPeerConnection(network=HERE)
    try:
        a.addTrack(Restless())
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        answer = b.localDescription
        assert answer is not None
        head, media, rest = answer.sdp.partition("m=video")
        first, _, more = rest.partition("\r\n")
        connection, _, others = more.partition("\r\n")
        assert connection.startswith("c=")
        sdp = f"{head}{media}{first}\r\n{connection}\r\n{line}{others}"
        await a.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        seen: list[tuple[int, int]] = []

        async def enough(count: int) -> bool:
            [row] = [s for s in (await a.getStats()).values() if s["type"] == "outbound-rtp"]
            if row["framesSent"] < count:
                return False
            seen.append((row["framesSent"], row["bytesSent"]))
            return True

        for count in (30, 30 + FRAMES):
            await until(lambda count=count: enough(count), timeout=30, what=f"{count} frames")
        (frames, sent), (frames_after, sent_after) = seen
        return (sent_after - sent) * 8 * 30 / (frames_after - frames)
    finally:
        await asyncio.gather(a.close(), b.close())


@pytest.mark.slow
async def test_an_encoder_keeps_to_what_the_peer_allows() -> None:
    free, tias, kilobits = await asyncio.gather(rate(""), rate("b=TIAS:200000\r\n"), rate("b=AS:200\r\n"))
    assert tias < 300_000 and kilobits < 300_000
    assert free > 1.5 * tias
