"""Each rid of a simulcast has its own size, frame rate and switch, from the start and while it is sent: the receiver counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtcengine import RTCPeerConnection, RTCRtpEncodingParameters, RTCSessionDescription, SyntheticCamera
from rtcengine.relay import Relay
from tests.unit.test_call import HERE, connected
from tests.unit.whip_kit import publish
from tests.util import until

SEEN = 12


class Seen:
    """The pictures of all layers in the order in which they come: rid, width, RTP time."""

    def __init__(self, layers: dict[str, Any]) -> None:
        self.pictures: list[tuple[str, int, int]] = []
        self._tasks = [asyncio.ensure_future(self._read(rid, track)) for rid, track in layers.items()]

    async def _read(self, rid: str, track: Any) -> None:
        async for frame in track.frames():
            self.pictures.append((rid, frame.width, frame.pts))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def last(self, rid: str) -> list[tuple[int, int]]:
        return [(width, pts) for one, width, pts in self.pictures if one == rid][-SEEN:]

    def shows(self, rid: str, width: int, least: float, most: float) -> bool:
        """Whether the last pictures of a layer have this width and come so often."""
        found = self.last(rid)
        if len(found) < SEEN or {one for one, _ in found} != {width}:
            return False
        return least < 90_000 * (SEEN - 1) / (found[-1][1] - found[0][1]) < most

    def silent(self, rid: str, beside: str) -> bool:
        """Whether none of the layer has come while many of another one did."""
        last = max((n for n, (one, _, _) in enumerate(self.pictures) if one == rid), default=-1)
        return sum(one == beside for one, _, _ in self.pictures[last + 1 :]) >= 2 * SEEN


@pytest.mark.slow
async def test_size_rate_and_switch_of_each() -> None:
    pc = RTCPeerConnection(network=HERE)
    async with Relay(port=0, udp_port=0) as relay:
        wanted = [
            RTCRtpEncodingParameters(rid="l", scaleResolutionDownBy=4.0, maxFramerate=10, maxBitrate=10_000),
            RTCRtpEncodingParameters(rid="m", scaleResolutionDownBy=2.0, active=False),
            RTCRtpEncodingParameters(rid="h", scaleResolutionDownBy=1.0, maxFramerate=15),
        ]
        sender = pc.addTransceiver(SyntheticCamera(640, 360, 30), "sendonly", sendEncodings=wanted).sender
        await pc.setLocalDescription()
        assert pc.localDescription is not None
        response = await publish(relay, "r", pc.localDescription.sdp.encode())
        await pc.setRemoteDescription(RTCSessionDescription(response.body.decode(), "answer"))
        await connected(pc)
        layers = relay.rooms["r"].layers
        assert list(layers) == ["l", "m", "h"]
        seen = Seen(layers)
        try:
            await until(lambda: seen.shows("l", 160, 8, 11), what="the small one, 10 a second")
            await until(lambda: seen.shows("h", 640, 12, 16), what="the large one, 15 a second")
            assert not seen.last("m")

            parameters = sender.getParameters()
            small, middle, large = parameters.encodings
            assert [e.rid for e in parameters.encodings] == ["l", "m", "h"]
            assert [e.active for e in parameters.encodings] == [True, False, True]
            assert [e.maxFramerate for e in parameters.encodings] == [10, None, 15]
            small.active, middle.active = False, True
            large.scaleResolutionDownBy, large.maxFramerate = 1.6, 5
            await sender.setParameters(parameters)
            await until(lambda: seen.shows("m", 320, 25, 31), what="the middle one, 30 a second")
            await until(lambda: seen.shows("h", 400, 4, 6), what="the large one smaller, 5 a second")
            await until(lambda: seen.silent("l", "m"), what="no small one")
            rows = {s["rid"]: s for s in (await pc.getStats()).values() if s["type"] == "outbound-rtp"}
            assert [rows[rid]["active"] for rid in ("l", "m", "h")] == [False, True, True]
            assert [rows[rid]["frameWidth"] for rid in ("m", "h")] == [320, 400]

            parameters = sender.getParameters()
            small, middle, large = parameters.encodings
            small.active, middle.maxFramerate, large.maxFramerate, large.active = True, 10, None, False
            small.maxFramerate = small.maxBitrate = None
            await sender.setParameters(parameters)
            await until(lambda: seen.shows("l", 160, 25, 31), what="the small one again, 30 a second")
            await until(lambda: seen.shows("m", 320, 8, 11), what="the middle one, 10 a second")
            await until(lambda: seen.silent("h", "l"), what="no large one")
        finally:
            await seen.stop()
            await pc.close()
