"""RTCPeerConnection and GStreamer's webrtcbin call each other: sound and pictures both ways, candidates one by one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtcengine import (
    RTCIceCandidate,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    SyntheticCamera,
    SyntheticMicrophone,
)
from tests.figures import note
from tests.interop import peers
from tests.util import until

PROGRAM = [peers.SYSTEM_PYTHON, str(peers.HERE / "gst_call_peer.py")]
ENOUGH = 30


class Call:
    """`ours` is in this process; what the two signal is carried between them."""

    def __init__(self, theirs: peers.PeerProgram) -> None:
        self.ours = RTCPeerConnection()
        self.theirs = theirs
        self.tracks: list[Any] = []
        self.ours.on("track", self.tracks.append)
        self.ours.on("icecandidate", self._tell_candidate)

    def _tell_candidate(self, found: RTCIceCandidate) -> None:
        if found.ip:
            self._tell(candidate=found.candidate, sdpMLineIndex=found.sdpMLineIndex)

    def _tell(self, **value: Any) -> None:
        self.theirs.tell(do="signal", value=value)

    async def describe(self) -> None:
        await self.ours.setLocalDescription()
        described = self.ours.localDescription
        assert described is not None
        self._tell(type=described.type, sdp=described.sdp)

    async def carry(self) -> None:
        done = 0
        while True:
            signals = [event["value"] for event in self.theirs.events if event["event"] == "signal"]
            for value in signals[done:]:
                if "candidate" in value:
                    candidate = RTCIceCandidate.from_sdp(value["candidate"], None, value["sdpMLineIndex"])
                    await self.ours.addIceCandidate(candidate)
                    continue
                await self.ours.setRemoteDescription(RTCSessionDescription(**value))
                if value["type"] == "offer":
                    await self.describe()
            done = len(signals)
            await self.theirs.news()

    async def take(self, kind: str, count: int) -> list[Any]:
        def found() -> Any:
            return next((track for track in self.tracks if track.kind == kind), None)

        track = await until(found, timeout=20, what=f"a track of {kind}")
        return [await asyncio.wait_for(track.recv(), 20) for _ in range(count)]


CASES = [
    ("VP8", True, False),
    ("VP8", False, False),
    ("H264", True, True),
    ("H264", False, False),
    ("VP9", True, True),
    ("VP9", False, True),
]


@pytest.mark.parametrize(
    ("codec", "we_offer"),
    [pytest.param(codec, offers, marks=[pytest.mark.long] if long else []) for codec, offers, long in CASES],
)
async def test_gstreamer(codec: str, we_offer: bool) -> None:
    async with peers.program([*PROGRAM, "--codec", codec], commands=True) as theirs:
        call = Call(theirs)
        call.ours.addTrack(SyntheticMicrophone())
        call.ours.addTrack(SyntheticCamera(320, 240, 30))
        if we_offer:
            wanted = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.name in (codec, "rtx")]
            call.ours.getTransceivers()[1].setCodecPreferences(wanted)
        theirs.tell(do="start", offerer=not we_offer)
        if we_offer:
            await call.describe()
        carrying = asyncio.ensure_future(call.carry())
        try:
            sound, pictures = await asyncio.gather(call.take("audio", ENOUGH), call.take("video", ENOUGH))
            assert {(f.width, f.height) for f in pictures} == {(320, 240)} and {f.sample_rate for f in sound} == {48000}
            assert max(abs(f.to_ndarray()).max() for f in sound) > 1000
            await theirs.wait_frames(video=ENOUGH, audio=ENOUGH)
            size = await theirs.wait("size")
            assert (size["width"], size["height"]) == (320, 240)
            report = await call.ours.getStats()
            used = {r["mimeType"].lower() for r in report.values() if r["type"] == "codec"}
            assert used == {f"video/{codec}".lower(), "audio/opus"}
            sent = {r["kind"]: r for r in report.values() if r["type"] == "outbound-rtp"}
            assert set(sent) == {"audio", "video"} and call.ours.connectionState == "connected"
            assert not carrying.done()
            note("call with GStreamer", codec=codec, we_offer=we_offer, pictures=theirs.counts["video"])
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
            await call.ours.close()
        assert await theirs.stop() == 0
