"""Three programs as pages wrote them in 2013: getUserMedia with callbacks, a call that is answered, a channel.

Line by line, with names as there; what a page has besides (its elements, its signaling) is made up here. `await` stands where
JavaScript let a promise go.
"""

from __future__ import annotations

import asyncio
import ipaddress
import struct
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from rtcengine import MediaStream, NetworkOptions, OverconstrainedError, RTCPeerConnection, RTCSessionDescription
from tests.unit.devices_kit import Machine, capture_threads
from tests.unit.test_call import take
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))


@pytest.fixture(autouse=True)
def of_its_time() -> Iterator[None]:
    """All of it is deprecated, which test_legacy.py asks for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.fixture
async def navigator() -> AsyncIterator[Any]:
    """A browser's, on a machine with a camera and a microphone; with the streams it has given."""
    machine = Machine()
    yield machine.devices
    for capture in list(machine.devices._captures.values()):
        for track in capture._tracks:
            track.stop()
    await until(lambda: not capture_threads(), what="the devices' end")


class Stun(asyncio.DatagramProtocol):
    """A STUN server: says where a request came from."""

    asked = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, source: Any) -> None:
        self.asked += 1
        cookie = 0x2112A442
        ip = int(ipaddress.IPv4Address(source[0]))
        address = struct.pack("!xBHI", 1, source[1] ^ cookie >> 16, ip ^ cookie)
        attribute = struct.pack("!HH", 0x0020, len(address)) + address
        header = struct.pack("!HHI", 0x0101, len(attribute), cookie) + data[8:20]
        self.transport.sendto(header + attribute, source)


@asynccontextmanager
async def stun() -> AsyncIterator[tuple[Stun, str]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(Stun, local_addr=("127.0.0.1", 0))
    try:
        yield server, f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


async def test_audio_and_video_of_the_user(navigator: Any) -> None:
    constraints = {
        "audio": True,
        "video": {
            "mandatory": {
                "width": {"min": 320},
                "height": {"min": 180},
            },
            "optional": [
                {"frameRate": 15},
            ],
        },
    }
    video, log = SimpleNamespace(src=None), []

    def successCallback(stream: MediaStream) -> None:
        video.src = stream

    def errorCallback(error: Exception) -> None:
        log.append(error)

    navigator.getUserMedia(constraints, successCallback, errorCallback)
    await until(lambda: video.src is not None, what="the stream")
    assert [track.kind for track in video.src.getTracks()] == ["audio", "video"]
    settings = video.src.getVideoTracks()[0].getSettings()
    assert (settings["width"], settings["height"], settings["frameRate"]) == (640, 480, 15)
    assert (await video.src.getVideoTracks()[0].recv()).width == 640

    constraints["video"]["mandatory"]["width"]["min"] = 9999  # type: ignore[index]
    navigator.getUserMedia(constraints, successCallback, errorCallback)
    await until(lambda: log, what="the error")
    assert isinstance(log[0], OverconstrainedError) and log[0].constraint == "width"


async def test_a_call_that_is_answered(navigator: Any) -> None:
    async with stun() as (server, url):
        to_peer: asyncio.Queue[Any] = asyncio.Queue()
        signalingChannel = SimpleNamespace(send=to_peer.put_nowait, onmessage=None)
        pc: RTCPeerConnection | None = None
        ice = {
            "iceServers": [
                {"url": url},
            ]
        }
        local_video, remote_video = SimpleNamespace(src=None), SimpleNamespace(src=None)
        errors: list[Exception] = []

        async def onmessage(msg: Any) -> None:
            nonlocal pc
            if "offer" in msg:  # listen and process remote offers
                pc = RTCPeerConnection(ice, network=HERE)
                pc.onicecandidate = onicecandidate
                pc.onaddstream = onaddstream
                await pc.setRemoteDescription(msg["offer"])
                navigator.getUserMedia({"audio": True, "video": True}, gotStream, logError)
            elif "candidate" in msg:  # register remote ICE candidates
                assert pc is not None
                await pc.addIceCandidate(msg["candidate"])

        def gotStream(stream: MediaStream) -> None:
            assert pc is not None
            pc.addStream(stream)
            local_video.src = stream

            async def answered(answer: RTCSessionDescription) -> None:  # the SDP answer that describes our end
                assert pc is not None
                await pc.setLocalDescription(answer)
                signalingChannel.send(answer.sdp)

            pc.createAnswer(answered, logError)

        def onicecandidate(evt: Any) -> None:
            if evt.candidate:
                signalingChannel.send(evt.candidate)

        def onaddstream(evt: Any) -> None:
            remote_video.src = evt.stream

        def logError(error: Exception) -> None:
            errors.append(error)

        signalingChannel.onmessage = onmessage

        # The other end is of today.
        caller = RTCPeerConnection(network=HERE)
        mine = await Machine().devices.getUserMedia({"audio": True, "video": {"width": 320}})
        for track in mine.getTracks():
            caller.addTrack(track, mine)
        arrived: list[Any] = []
        caller.on("track_event", arrived.append)
        await caller.setLocalDescription()
        offer = caller.localDescription
        assert offer is not None
        await signalingChannel.onmessage({"offer": {"type": "offer", "sdp": offer.sdp}})
        while (message := await asyncio.wait_for(to_peer.get(), 20)) and not isinstance(message, str):
            await caller.addIceCandidate(message)
        await caller.setRemoteDescription(RTCSessionDescription(message, "answer"))
        await until(lambda: caller.connectionState == "connected" or to_peer.qsize(), what="connected")
        while to_peer.qsize():
            await caller.addIceCandidate(to_peer.get_nowait())
        assert pc is not None
        await until(lambda: pc.connectionState == caller.connectionState == "connected", what="both connected")
        assert errors == [] and server.asked > 0
        there = remote_video.src
        assert isinstance(there, MediaStream) and there.id == mine.id and len(there.getTracks()) == 2
        assert (await take(there.getVideoTracks()[0], 2))[0].width == 320
        assert arrived[0].streams[0].id == local_video.src.id
        assert (await take(arrived[0].streams[0].getVideoTracks()[0], 2))[0].width == 640
        with warnings.catch_warnings():
            assert pc.getRemoteStreams() == [there]
        await pc.close()
        await caller.close()
        for track in mine.getTracks():
            track.stop()


async def test_a_channel_and_an_offer_when_all_is_gathered(navigator: Any) -> None:
    async with stun() as (server, url):
        ice = {
            "iceServers": [
                {"url": url},
            ]
        }
        sent: list[str] = []
        signalingChannel = SimpleNamespace(send=sent.append)
        pc = RTCPeerConnection(ice, network=HERE)
        told: list[str] = []
        errors: list[Exception] = []

        def logError(error: Exception) -> None:
            errors.append(error)

        def gotStream(stream: MediaStream) -> None:
            pc.addStream(stream)

            async def offered(offer: RTCSessionDescription) -> None:
                await pc.setLocalDescription(offer)

            pc.createOffer(offered, logError)

        def onicecandidate(evt: Any) -> None:
            if evt.target.iceGatheringState == "complete" and evt.candidate is None:

                def offered(offer: RTCSessionDescription) -> None:
                    signalingChannel.send(offer.sdp)

                pc.createOffer(offered, logError)

        def handleChannel(chan: Any) -> None:
            def onerror(err: Any) -> None:
                told.append("error")

            def onclose() -> None:
                told.append("close")

            def onopen(evt: Any) -> None:
                chan.send("DataChannel connection established.")

            def onmessage(msg: Any) -> None:
                told.append(msg.data)

            chan.onerror, chan.onclose, chan.onopen, chan.onmessage = onerror, onclose, onopen, onmessage

        pc.onicecandidate = onicecandidate
        # Initialize the new DataChannel with appropriate delivery semantics
        dc = pc.createDataChannel("namedChannel", {"reliable": False})
        handleChannel(dc)
        pc.onDataChannel = handleChannel
        navigator.getUserMedia({"audio": True}, gotStream, logError)

        await until(lambda: sent, what="the offer")
        assert errors == [] and server.asked > 0
        assert (dc.label, dc.ordered, dc.maxRetransmits, dc.maxPacketLifeTime) == ("namedChannel", False, 0, None)
        assert "m=application" in sent[0] and "m=audio" in sent[0] and sent[0].count("a=candidate:") > 0

        other = RTCPeerConnection(network=HERE)
        await other.setRemoteDescription(RTCSessionDescription(sent[0], "offer"))
        await other.setLocalDescription()
        assert other.localDescription is not None
        await pc.setRemoteDescription({"type": "answer", "sdp": other.localDescription.sdp})
        await until(lambda: pc.connectionState == other.connectionState == "connected", what="connected")
        await take(other.getReceivers()[0].track, 3)
        await pc.close()
        await other.close()
        assert told[-1] == "close"
