"""Sound that is sent twice (RED, RFC 2198) by way of the relay: as it is to viewers that take it so, unwrapped to others."""

from __future__ import annotations

from typing import Any

from rtcengine import NetworkOptions, RTCPeerConnection, RTCRtpSender, SyntheticMicrophone
from rtcengine.whip import WhepClient, WhipClient
from tests.browser.relay import serve
from tests.unit.media_kit import take

HERE = NetworkOptions(addresses=("127.0.0.1",))


class Plain(WhepClient):
    """A viewer that offers Opus alone."""

    def _prepare(self, pc: RTCPeerConnection) -> None:
        opus = next(c for c in RTCRtpSender.getCapabilities("audio").codecs if c.name == "opus")
        pc.addTransceiver("audio", "recvonly").setCodecPreferences([opus])


async def inbound(client: WhepClient) -> Any:
    assert client.pc is not None
    return next(s for s in (await client.pc.getStats()).values() if s["type"] == "inbound-rtp")


async def test_viewers_get_what_they_take() -> None:
    async with (
        serve() as served,
        WhipClient(served.whip("live"), network=HERE) as out,
        WhepClient(served.whep("live"), network=HERE) as doubled,
        Plain(served.whep("live"), network=HERE) as plain,
    ):
        await out.publish(SyntheticMicrophone(), codecs=["red", "opus"])
        for viewer, takes in ((doubled, True), (plain, False)):
            (track,) = (await viewer.watch(video=False)).getAudioTracks()
            frames = await take(track, 50)
            assert [f.pts for f in frames] == [sum(f.samples for f in frames[:n]) for n in range(50)]
            stats = await inbound(viewer)
            assert stats.packetsLost == stats.concealedSamples == 0
            assert (stats.get("fecPacketsReceived", 0) > 0.9 * stats.packetsReceived - 2) == takes
            assert ("red" in viewer.pc.remoteDescription.sdp) == takes  # type: ignore[union-attr]
        (receiver,) = (await served.relay.stats()).receivers.values()
        assert receiver.red_blocks > 90 and receiver.packets > 90


async def test_who_does_not_prefer_it_sends_none() -> None:
    async with (
        serve() as served,
        WhipClient(served.whip("live"), network=HERE) as out,
        WhepClient(served.whep("live"), network=HERE) as viewer,
    ):
        await out.publish(SyntheticMicrophone())
        (track,) = (await viewer.watch(video=False)).getAudioTracks()
        await take(track, 20)
        assert all("red" not in one.pc.remoteDescription.sdp for one in (out, viewer))  # type: ignore[union-attr]
        (receiver,) = (await served.relay.stats()).receivers.values()
        assert receiver.red_blocks == 0 and receiver.packets > 10
