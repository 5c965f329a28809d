"""Forms of 2013 and dicts in place of objects: what they are mapped to, and that they say they are deprecated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtcengine import (
    InvalidStateError,
    MediaStream,
    RTCConfiguration,
    RTCIceCandidate,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
    RTCTrackEvent,
)
from rtcengine.media.handlers import Event, MessageEvent
from rtcengine.media.track import AudioStreamTrack, VideoStreamTrack
from rtcengine.peer.legacy import as_candidate, as_configuration, as_description, channel_options
from tests.unit.test_call import negotiate, two
from tests.util import until


@pytest.mark.parametrize(
    ("given", "server"),
    [
        ({"urls": "stun:a.example"}, RTCIceServer("stun:a.example")),
        ({"urls": ["turn:a.example"], "username": "u", "credential": "c"}, RTCIceServer(["turn:a.example"], "u", "c")),
    ],
)
def test_servers_as_json_has_them(given: Any, server: RTCIceServer) -> None:
    assert as_configuration({"iceServers": [given], "iceTransportPolicy": "relay"}) == RTCConfiguration(
        iceServers=[server],
        iceTransportPolicy="relay",  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("given", "server"),
    [
        ({"url": "stun:a.example"}, RTCIceServer("stun:a.example")),
        ({"url": "turn:u@a.example:3478", "credential": "c"}, RTCIceServer("turn:a.example:3478", "u", "c")),
        ({"url": "turn:a.example", "username": "u", "credential": "c"}, RTCIceServer("turn:a.example", "u", "c")),
    ],
)
def test_servers_as_they_were_once(given: Any, server: RTCIceServer) -> None:
    with pytest.warns(DeprecationWarning, match="urls"):
        assert as_configuration({"iceServers": [given]}) == RTCConfiguration(iceServers=[server])


@pytest.mark.parametrize(
    ("given", "what"),
    [({"iceServer": []}, "iceServer"), ({"iceServers": [{"urls": "stun:a", "port": 1}]}, "port"), ({"iceServers": {}}, "list")],
)
def test_what_is_no_configuration(given: Any, what: str) -> None:
    with pytest.raises(TypeError, match=what):
        RTCPeerConnection(given)


def test_descriptions_and_candidates_as_json_has_them() -> None:
    assert as_description({"type": "offer", "sdp": "v=0"}) == RTCSessionDescription("v=0", "offer")
    assert as_description({"type": "rollback"}) == RTCSessionDescription("", "rollback")
    line = "candidate:1 1 udp 2130706431 192.0.2.1 1234 typ host"
    found = as_candidate({"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": None})
    assert found == RTCIceCandidate.from_sdp(line, "0", 0)
    assert as_candidate({"candidate": "", "sdpMid": "0"}) == RTCIceCandidate.end_of_candidates("0")
    assert as_candidate(None) is None and as_description(None) is None
    with pytest.raises(ValueError):
        as_description({"type": "dance", "sdp": ""})
    with pytest.raises(ValueError):
        as_candidate({"candidate": "candidate:1 1 udp"})


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"reliable": False}, {"ordered": False, "maxRetransmits": 0}),
        ({"reliable": True}, {}),
        ({"reliable": False, "ordered": True}, {"ordered": True, "maxRetransmits": 0}),
        ({"reliable": False, "maxRetransmitTime": 50}, {"ordered": False, "maxPacketLifeTime": 50}),
    ],
)
def test_channels_as_they_were_once(given: Any, options: Any) -> None:
    with pytest.warns(DeprecationWarning):
        assert channel_options(given) == options


async def test_channels_of_a_dict() -> None:
    pc = RTCPeerConnection()
    channel = pc.createDataChannel("c", {"ordered": False, "protocol": "p", "negotiated": True, "id": 7})
    assert (channel.ordered, channel.protocol, channel.negotiated, channel.id) == (False, "p", True, 7)
    with pytest.raises(TypeError):
        pc.createDataChannel("c", {"maxRetransmit": 7})
    await pc.close()


async def test_calls_with_callbacks() -> None:
    async with two() as (a, b):
        told: list[Any] = []
        a.addTrack(AudioStreamTrack())
        with pytest.warns(DeprecationWarning, match="await createOffer"):
            assert a.createOffer(told.append, told.append) is None  # type: ignore[call-arg, arg-type, misc, func-returns-value]
        await until(lambda: told, what="the offer")
        offer = told.pop()
        assert isinstance(offer, RTCSessionDescription) and offer.type == "offer"
        with pytest.warns(DeprecationWarning):
            a.setLocalDescription(offer, lambda: told.append("set"), told.append)  # type: ignore[call-arg]
        await until(lambda: told == ["set"], what="the description")
        with pytest.warns(DeprecationWarning):
            b.createAnswer(told.append, told.append)  # type: ignore[call-arg, arg-type, misc]
        await until(lambda: len(told) == 2, what="the error")
        assert isinstance(told[1], InvalidStateError)


async def test_handlers_are_attributes() -> None:
    async with two() as (a, b):
        told: list[Any] = []
        b.ontrack = told.append
        a.onsignalingstatechange = lambda event: told.append(event.target.signalingState)
        a.onnegotiationneeded = lambda: told.append("needed")
        assert b.ontrack == told.append and a.onconnectionstatechange is None
        a.addTrack(AudioStreamTrack(), "s")
        await until(lambda: told == ["needed"], what="the need")
        await negotiate(a, b)
        events = [one for one in told if isinstance(one, RTCTrackEvent)]
        assert [e.streams[0].id for e in events] == ["s"]
        assert [one for one in told if isinstance(one, str)] == ["needed", "have-local-offer", "stable"]
        a.onsignalingstatechange = None
        assert a.onsignalingstatechange is None and not a.listeners("signalingstatechange")
        with pytest.raises(TypeError):
            a.ontrack = "text"
        assert a.ontrack is None


async def test_candidates_end_with_none() -> None:
    async with two() as (a, _):
        told: list[Any] = []
        a.onicecandidate = lambda event: told.append("old")
        a.onicecandidate = told.append
        a.addTrack(AudioStreamTrack())
        await a.setLocalDescription()
        await until(lambda: told and told[-1].candidate is None, what="the end of candidates")
        assert "old" not in told and told[0].candidate.ip and all(event.target is a for event in told)
        assert [event.candidate for event in told].count(None) == 1


async def test_streams_in_place_of_tracks() -> None:
    async with two() as (a, b):
        told: list[Any] = []
        b.onaddstream = lambda event: told.append(("add", event.stream.id))
        b.onremovestream = lambda event: told.append(("remove", event.stream.id))
        stream = MediaStream([AudioStreamTrack(), VideoStreamTrack()])
        with pytest.warns(DeprecationWarning, match="addTrack"):
            a.addStream(stream)
        with pytest.warns(DeprecationWarning):
            a.addStream(stream)
        assert len(a.getSenders()) == 2
        await negotiate(a, b)
        assert told == [("add", stream.id)]
        with pytest.warns(DeprecationWarning):
            assert [one.id for one in b.getRemoteStreams()] == [stream.id]
        with pytest.warns(DeprecationWarning):
            a.removeStream(stream)
        await negotiate(a, b)
        assert told == [("add", stream.id), ("remove", stream.id)]


async def test_handlers_of_tracks_and_channels() -> None:
    track, told = VideoStreamTrack(), []

    async def ended(event: Event) -> None:
        told.append(event.target)

    track.onended = ended
    track.stop()
    await until(lambda: told == [track], what="the end")
    track.onended = None  # all listeners are gone already
    pc = RTCPeerConnection()
    channel = pc.createDataChannel("c")
    channel.onmessage = told.append
    channel.emit("message", "hello")
    assert told[1] == MessageEvent("hello", channel)
    closed = asyncio.Event()
    channel.onclose = closed.set
    channel.close()
    assert closed.is_set()
    await pc.close()
