"""RTCPeerConnection. After WPT's webrtc/RTCPeerConnection-operations, -onnegotiationneeded, -ontrack, -close, -helper,
-connectionState, -iceConnectionState, -iceGatheringState, -createDataChannel, -addIceCandidate, -setRemoteDescription-
tracks, RTCRtpSender-replaceTrack, -setParameters and RTCRtpTransceiver, in our words."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

import aiortc
import pytest

from rtcengine import MediaStream, NetworkOptions, RTCTrackEvent
from rtcengine.peer import configuration, description, parameters
from rtcengine.peer.chain import MAX_OPERATIONS
from rtcengine.peer.connection import MAX_EARLY_CANDIDATES, RTCPeerConnection
from rtcengine.peer.description import RTCIceCandidate, RTCSessionDescription
from rtcengine.peer.effects import AddRemoteCandidate, Effect, OpenTransport
from rtcengine.peer.errors import InvalidAccessError, InvalidModificationError, InvalidStateError, OperationError
from rtcengine.peer.states import connection_state, gathering_state, ice_connection_state
from rtcengine.peer.transceiver import RTCRtpReceiver, RTCRtpSender
from rtcengine.sdp import parse_candidate

from .jsep_kit import FakeTrack
from .peer_kit import FakeDriver, connection, exchange, record, settle

HOST = "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host"


async def test_at_first() -> None:
    pc = connection()
    assert (pc.signalingState, pc.connectionState, pc.iceConnectionState, pc.iceGatheringState) == (
        "stable",
        "new",
        "new",
        "new",
    )
    assert pc.localDescription is pc.remoteDescription is pc.sctp is pc.canTrickleIceCandidates is None
    assert pc.getSenders() == pc.getReceivers() == pc.getTransceivers() == []


async def test_a_round() -> None:
    a, b = connection(), connection()
    a.addTrack(FakeTrack("audio", "t"))
    offer = await a.createOffer()
    await a.setLocalDescription(offer)
    assert a.pendingLocalDescription == offer and a.currentLocalDescription is None
    await b.setRemoteDescription(offer)
    assert b.pendingRemoteDescription == offer
    answer = await b.createAnswer()
    await b.setLocalDescription(answer)
    await a.setRemoteDescription(answer)
    assert a.currentRemoteDescription == answer and a.pendingRemoteDescription is None
    assert a.currentLocalDescription == offer and a.signalingState == b.signalingState == "stable"


async def test_events_of_a_remote_offer_come_in_order_and_before_the_call_returns() -> None:
    a, b = connection(), connection()
    a.addTrack(FakeTrack("audio", "t"), MediaStream(id="s"))
    await a.setLocalDescription()
    seen = record(b, "signalingstatechange", "track", "track_event", "negotiationneeded")
    await b.setRemoteDescription(a.localDescription)
    assert seen == ["signalingstatechange", "track_event", "track"]


async def test_a_listener_that_is_a_coroutine_has_begun() -> None:
    a, b = connection(), connection()
    a.addTrack(FakeTrack("audio", "t"))
    seen = []

    @b.on("track")
    async def on_track(track: object) -> None:
        seen.append(track)

    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)
    assert seen == [b.getReceivers()[0].track]


async def test_the_track_event_knows_all() -> None:
    a, b = connection(), connection()
    events: list[RTCTrackEvent] = []
    b.on("track_event", events.append)
    a.addTrack(FakeTrack("audio", "t"), MediaStream(id="s"))
    a.addTrack(FakeTrack("video", "v"), "s")
    await exchange(a, b)
    first, second = events
    assert first.streams == second.streams and first.streams[0].id == "s"
    assert first.streams[0].getTracks() == [first.track, second.track]
    assert first.transceiver is b.getTransceivers()[0] and first.receiver is first.transceiver.receiver
    assert first.track.id == "t" and first.track.kind == "audio"


def test_closed_where_no_event_loop_runs() -> None:
    """As programs do that have run their loop by hand: loop.run_until_complete(pc.close())."""
    loop = asyncio.new_event_loop()
    pc = RTCPeerConnection(network=NetworkOptions(addresses=("127.0.0.1",)))
    pc.addTransceiver("audio")
    loop.run_until_complete(pc.setLocalDescription())
    for _ in range(2):
        loop.run_until_complete(pc.close())
    assert (pc.signalingState, pc.connectionState) == ("closed", "closed")
    loop.close()


async def test_without_streams_tracks_are_in_one() -> None:
    """aiortc's: its programs' pages play what "track" brings as streams[0]."""
    a, b = connection(), connection()
    events: list[RTCTrackEvent] = []
    b.on("track_event", events.append)
    a.addTrack(FakeTrack("audio", "t"))
    a.addTransceiver(FakeTrack("video", "v"))
    a.addTrack(FakeTrack("video", "w"), "s")
    a.addTrack(FakeTrack("video", "x")).setStreams()
    await exchange(a, b)
    first, second, other, none = [event.streams for event in events]
    assert first == second != other and len(first) == 1 and other[0].id == "s" and list(none) == []


async def test_streams_tell_what_leaves() -> None:
    a, b = connection(), connection()
    sender = a.addTrack(FakeTrack("audio", "t"), "s")
    await exchange(a, b)
    stream, track = b._streams["s"], b.getReceivers()[0].track
    seen: list[object] = []
    stream.on("removetrack", seen.append)
    track.on("mute", lambda: seen.append("mute"))
    a.removeTrack(sender)
    await exchange(a, b)
    assert seen == ["mute", track] and stream.getTracks() == []


async def test_a_failing_listener_harms_nobody() -> None:
    a, b = connection(), connection()
    a.addTrack(FakeTrack("audio", "t"))
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    b.on("signalingstatechange", lambda: 1 / 0)
    seen = record(b, "track")
    await exchange(a, b)
    assert seen == ["track"] and all(isinstance(e, ZeroDivisionError) for e in told) and told


async def test_closing_in_a_listener_ends_the_events() -> None:
    a, b = connection(), connection()
    a.addTrack(FakeTrack("audio", "t"))
    b.on("signalingstatechange", lambda: b.close())
    seen = record(b, "track")
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)
    assert seen == [] and b.signalingState == "closed"


# --- negotiationneeded


async def test_needed_once() -> None:
    pc = connection()
    seen = record(pc, "negotiationneeded")
    pc.addTransceiver("audio")
    pc.addTransceiver("video")
    assert seen == []  # never within the call
    await settle()
    assert seen == ["negotiationneeded"]
    pc.addTransceiver("audio")
    await settle()
    assert len(seen) == 1


async def test_not_needed_after_a_round() -> None:
    a, b = connection(), connection()
    seen, other = record(a, "negotiationneeded"), record(b, "negotiationneeded")
    a.addTransceiver("audio")
    await settle()
    await exchange(a, b)
    await settle()
    assert len(seen) == 1 and other == []


async def test_needed_again_for_what_came_during_a_round() -> None:
    a, b = connection(), connection()
    seen = record(a, "negotiationneeded")
    a.addTransceiver("audio")
    await a.setLocalDescription()
    await settle()
    assert seen == []  # what it was about is being negotiated
    a.addTransceiver("video")
    await settle()
    assert seen == []
    await b.setRemoteDescription(a.localDescription)
    await b.setLocalDescription()
    await a.setRemoteDescription(b.localDescription)
    await settle()
    assert len(seen) == 1


async def test_needed_after_rollback() -> None:
    pc = connection()
    seen = record(pc, "negotiationneeded")
    pc.addTransceiver("audio")
    await pc.setLocalDescription()
    await pc.setLocalDescription(RTCSessionDescription("", "rollback"))
    await settle()
    assert seen == ["negotiationneeded"]


CHANGES = {
    "direction": lambda pc: setattr(pc.getTransceivers()[0], "direction", "inactive"),
    "stop": lambda pc: pc.getTransceivers()[0].stop(),
    "channel": lambda pc: pc.createDataChannel("x"),
    "restart": lambda pc: pc.restartIce(),
    "streams": lambda pc: pc.getSenders()[0].setStreams("other"),
    "removed": lambda pc: pc.removeTrack(pc.getSenders()[0]),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_needs_negotiation(change: str) -> None:
    a, b = connection(), connection()
    a.addTrack(FakeTrack("audio", "t"))
    await exchange(a, b)
    await settle()
    seen = record(a, "negotiationneeded")
    CHANGES[change](a)
    await settle()
    assert seen == ["negotiationneeded"]


async def test_not_needed_when_taken_back_in_time() -> None:
    a, b = connection(), connection()
    a.addTransceiver("audio")
    await exchange(a, b)
    await settle()
    seen = record(a, "negotiationneeded")
    a.getTransceivers()[0].direction = "inactive"
    a.getTransceivers()[0].direction = "sendrecv"
    await settle()
    assert seen == []


async def test_operations_delay_the_event() -> None:
    pc = connection()
    seen = record(pc, "negotiationneeded")
    pc.addTransceiver("audio")
    async with pc._chain.turn():
        await settle()
        assert seen == []
    await settle()
    assert seen == ["negotiationneeded"]


def test_what_is_added_before_there_is_a_loop_is_not_forgotten() -> None:
    pc = connection()
    seen = record(pc, "negotiationneeded")
    pc.addTransceiver("audio")

    async def later() -> None:
        await pc.createOffer()
        await settle()

    asyncio.run(later())
    assert seen == ["negotiationneeded"]


# --- the chain


async def test_operations_wait_for_those_before() -> None:
    pc = connection()
    done: list[str] = []

    async def do(name: str, operation: object) -> None:
        await operation  # type: ignore[misc]
        done.append(name)

    async with pc._chain.turn():
        operations = {"offer": pc.createOffer(), "set": pc.setLocalDescription()}
        tasks = [asyncio.ensure_future(do(name, operation)) for name, operation in operations.items()]
        await settle()
        assert done == []
    await asyncio.gather(*tasks)
    assert done == ["offer", "set"]


async def test_a_failed_operation_does_not_hold_up_the_next() -> None:
    pc = connection()
    results = await asyncio.gather(pc.createAnswer(), pc.createOffer(), return_exceptions=True)
    assert isinstance(results[0], InvalidStateError) and isinstance(results[1], RTCSessionDescription)


async def test_a_cancelled_operation_leaves_the_queue() -> None:
    pc = connection()
    async with pc._chain.turn():
        first, second = asyncio.ensure_future(pc.createOffer()), asyncio.ensure_future(pc.createOffer())
        await settle()
        first.cancel()
    assert isinstance(await second, RTCSessionDescription) and pc._chain.empty


async def test_closing_ends_what_waits() -> None:
    pc = connection()
    async with pc._chain.turn():
        waiting = asyncio.ensure_future(pc.createOffer())
        await settle()
        pc.close()
    with pytest.raises(InvalidStateError):
        await waiting


async def test_too_many_operations() -> None:
    pc = connection()
    async with pc._chain.turn():
        waiting = [asyncio.ensure_future(pc.createOffer()) for _ in range(MAX_OPERATIONS - 1)]
        await settle()
        with pytest.raises(OperationError):
            await pc.createOffer()
        for task in waiting:
            task.cancel()
        await settle()


# --- closing


async def test_close_acts_at_once() -> None:
    pc = connection()
    transceiver = pc.addTransceiver("audio")
    seen = record(pc, "signalingstatechange", "connectionstatechange")
    closing = pc.close()
    assert pc.signalingState == pc.connectionState == pc.iceConnectionState == "closed" and seen == []
    assert transceiver.stopped and transceiver.receiver.track.readyState == "ended"
    await closing
    assert pc.driver.closed and pc.close() is closing  # type: ignore[attr-defined]


async def test_a_closed_connection_refuses() -> None:
    pc = connection()
    transceiver = pc.addTransceiver("audio")
    await pc.close()
    for call in (pc.createOffer, pc.createAnswer, pc.setLocalDescription, pc.addIceCandidate):
        with pytest.raises(InvalidStateError):
            await call()
    for plain in (
        lambda: pc.addTrack(FakeTrack("audio", "t")),
        lambda: pc.addTransceiver("audio"),
        lambda: pc.createDataChannel("x"),
        lambda: pc.removeTrack(transceiver.sender),
        lambda: pc.setConfiguration(),
        lambda: transceiver.sender.replaceTrack(None),
    ):
        with pytest.raises(InvalidStateError):
            plain()
    pc.restartIce()  # says nothing, as in the standard


# --- gathering and candidates


async def test_local_description_waits_for_gathering() -> None:
    pc = connection()
    pc.addTransceiver("audio")
    pc.driver.may_gather.clear()  # type: ignore[attr-defined]
    setting = asyncio.ensure_future(pc.setLocalDescription())
    await settle()
    assert pc.signalingState == "have-local-offer" and not setting.done()
    pc.on_local_candidate(1, RTCIceCandidate.from_sdp(HOST, "0").to_wire(), pc.jsep.plan.transports[1].ice_ufrag)
    pc.driver.may_gather.set()  # type: ignore[attr-defined]
    await setting
    assert HOST in pc.localDescription.sdp  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["plain", "task", "limit"])
async def test_a_description_is_there_before_its_candidates(how: str) -> None:
    """Who signals both as they come must not tell a candidate of credentials that the peer has not heard of."""

    class Quick(FakeDriver):
        def apply(self, effects: Sequence[Effect]) -> None:
            for effect in effects:
                if isinstance(effect, OpenTransport):
                    plan = effect.transport
                    loop = asyncio.get_running_loop()
                    loop.call_soon(self.events.on_gathering_state, plan.id, "gathering")
                    loop.call_soon(self.events.on_local_candidate, plan.id, parse_candidate(HOST), plan.ice_ufrag)
                    loop.call_soon(self.events.on_gathering_state, plan.id, "complete")

    pc = RTCPeerConnection(driver=Quick)
    pc.addTrack(FakeTrack("audio", "t"))
    seen: list[object] = []
    pc.on("icecandidate", lambda candidate: seen.append(candidate.ip))
    pc.on("icegatheringstatechange", lambda: seen.append(pc.iceGatheringState))
    if how == "plain":
        await pc.setLocalDescription()
    elif how == "task":
        await asyncio.ensure_future(pc.setLocalDescription())
    else:
        await asyncio.wait_for(pc.setLocalDescription(), 5)
    seen.append("description")
    assert "192.0.2.1" in pc.localDescription.sdp
    await settle()
    assert seen == ["description", "gathering", "192.0.2.1", "complete"]


async def test_but_not_for_a_program_that_trickles() -> None:
    pc = connection()
    pc.addTransceiver("audio")
    pc.driver.may_gather.clear()  # type: ignore[attr-defined]
    told: list[RTCIceCandidate] = []
    pc.on("icecandidate", told.append)
    await pc.setLocalDescription()
    ufrag = pc.jsep.plan.transports[1].ice_ufrag
    pc.on_local_candidate(1, RTCIceCandidate.from_sdp(HOST, "0").to_wire(), ufrag)
    pc.on_local_candidate(1, None, ufrag)
    await settle()
    assert (told[0].sdpMid, told[0].sdpMLineIndex, told[0].usernameFragment) == ("0", 0, ufrag)
    assert told[0].candidate.startswith(HOST) and told[1].candidate == ""


async def test_early_candidates_are_kept() -> None:
    a, b = connection(), connection()
    a.addTransceiver("audio")
    await b.addIceCandidate(RTCIceCandidate.from_sdp(HOST, "0", 0))
    await b.addIceCandidate(RTCIceCandidate.from_sdp(HOST, "gone", 0))
    await b.addIceCandidate(None)
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)
    await b.setLocalDescription()
    added = [e.candidate for e in b.driver.effects if isinstance(e, AddRemoteCandidate)]  # type: ignore[attr-defined]
    assert len(added) == 2 and added[0].address == "192.0.2.1" and added[1] is None


async def test_too_many_early_candidates() -> None:
    pc = connection()
    for _ in range(MAX_EARLY_CANDIDATES):
        await pc.addIceCandidate(RTCIceCandidate.from_sdp(HOST, "0", 0))
    with pytest.raises(OperationError):
        await pc.addIceCandidate(RTCIceCandidate.from_sdp(HOST, "0", 0))


async def test_a_candidate_without_a_place() -> None:
    with pytest.raises(TypeError):
        await connection().addIceCandidate(RTCIceCandidate.from_sdp(HOST))


@pytest.mark.parametrize("text", ["candidate:", "candidate:1 1 udp", "x", HOST.replace("50000", "70000")])
def test_candidate_text(text: str) -> None:
    if text == "candidate:":
        assert RTCIceCandidate.from_sdp(text, "0").candidate == ""
    else:
        with pytest.raises(ValueError):
            RTCIceCandidate.from_sdp(text, "0")


def test_a_candidate_reads_as_it_is_written() -> None:
    text = "candidate:7 1 udp 1686052607 203.0.113.7 61000 typ srflx raddr 10.0.0.7 rport 50000"
    candidate = RTCIceCandidate.from_sdp(text, "0", 0)
    assert candidate.candidate == text and candidate.address == candidate.ip == "203.0.113.7"
    assert (candidate.relatedAddress, candidate.relatedPort, candidate.type) == ("10.0.0.7", 50000, "srflx")


# --- states


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "new"),
        (["new", "closed"], "new"),
        (["checking", "new"], "checking"),
        (["connected", "new"], "checking"),
        (["connected", "completed"], "connected"),
        (["completed", "closed"], "completed"),
        (["disconnected", "connected"], "disconnected"),
        (["failed", "disconnected"], "failed"),
        (["closed"], "closed"),
    ],
)
def test_ice_connection_state(states: list[str], expected: str) -> None:
    assert ice_connection_state(states) == expected


@pytest.mark.parametrize(
    ("ice", "dtls", "expected"),
    [
        ([], [], "new"),
        (["checking"], ["new"], "connecting"),
        (["connected"], ["connecting"], "connecting"),
        (["connected"], ["connected"], "connected"),
        (["connected"], ["failed"], "failed"),
        (["disconnected"], ["connected"], "disconnected"),
        (["connected", "closed"], ["connected", "closed"], "connected"),
        (["closed"], ["closed"], "closed"),
    ],
)
def test_connection_state(ice: list[str], dtls: list[str], expected: str) -> None:
    assert connection_state(ice, dtls) == expected


def test_gathering_state() -> None:
    assert [gathering_state(s) for s in ([], ["new"], ["complete", "gathering"], ["complete"])] == [
        "new",
        "new",
        "gathering",
        "complete",
    ]


async def test_states_are_told_once_each() -> None:
    a, b = connection(), connection()
    a.addTransceiver("audio")
    await exchange(a, b)
    seen = record(a, "connectionstatechange", "iceconnectionstatechange", "icegatheringstatechange")
    a.on_gathering_state(1, "complete")
    a.on_ice_state(1, "checking")
    a.on_ice_state(1, "connected")
    a.on_dtls_state(1, "connected")
    a.on_dtls_state(1, "connected")
    both = ["iceconnectionstatechange", "connectionstatechange"]
    assert seen == ["icegatheringstatechange", *both, *both]
    assert a.connectionState == a.iceConnectionState == "connected"


# --- data channels


@pytest.mark.parametrize(
    "arguments",
    [
        {"maxPacketLifeTime": 1, "maxRetransmits": 1},
        {"maxRetransmits": 65536},
        {"maxPacketLifeTime": -1},
        {"negotiated": True},
        {"negotiated": True, "id": 65535},
        {"id": 65536},
        {"protocol": "x" * 65536},
    ],
)
async def test_channels_that_cannot_be(arguments: dict[str, object]) -> None:
    pc = connection()
    with pytest.raises(TypeError):
        pc.createDataChannel("x", **arguments)  # type: ignore[arg-type]
    assert not pc.jsep.negotiation_needed and pc.driver.channels == []  # type: ignore[attr-defined]


async def test_a_channel() -> None:
    pc = connection()
    channel = pc.createDataChannel("x", ordered=False, maxRetransmits=3, id=7)
    assert (channel.label, channel.ordered, channel.maxRetransmits, channel.id) == ("x", False, 3, None)
    assert pc.createDataChannel("y", negotiated=True, id=7).id == 7


# --- senders


async def test_one_object_for_one_thing() -> None:
    pc = connection()
    sender = pc.addTrack(FakeTrack("audio", "t"))
    transceiver = pc.getTransceivers()[0]
    assert isinstance(sender, RTCRtpSender) and sender is transceiver.sender is pc.getSenders()[0]
    assert isinstance(transceiver.receiver, RTCRtpReceiver) and transceiver.receiver is pc.getReceivers()[0]


async def test_tracks_that_are_none() -> None:
    pc = connection()
    for track in (None, object(), FakeTrack("text", "t")):
        with pytest.raises(TypeError):
            pc.addTrack(track)
    with pytest.raises(TypeError):
        pc.addTransceiver("audio", direction="stopped")


async def test_a_strangers_sender() -> None:
    a, b = connection(), connection()
    with pytest.raises(InvalidAccessError):
        a.removeTrack(b.addTrack(FakeTrack("audio", "t")))
    with pytest.raises(TypeError):
        a.removeTrack(None)  # type: ignore[arg-type]


async def test_replacing_a_track() -> None:
    pc = connection()
    sender = pc.addTransceiver("audio").sender
    other = FakeTrack("audio", "u")
    await sender.replaceTrack(other)
    assert sender.track is other and pc.driver.tracks[-1] == (None, other)  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        sender.replaceTrack(FakeTrack("video", "v"))
    pc.getTransceivers()[0].stop()
    with pytest.raises(InvalidStateError):
        sender.replaceTrack(other)


async def test_parameters() -> None:
    a, b = connection(), connection()
    sender = a.addTrack(FakeTrack("video", "t"))
    await exchange(a, b)
    given = sender.getParameters()
    assert given.muxId == "0" and given.codecs[0].mimeType == "video/VP8" and given.codecs[1].mimeType == "video/rtx"
    assert given.rtcp.cname and given.rtcp.mux and given.rtcp.reducedSize and given.headerExtensions
    given.encodings[0].maxBitrate = 300_000
    await sender.setParameters(given)
    assert a.jsep.plan.senders["0"].encodings[0].max_bitrate_bps == 300_000
    with pytest.raises(InvalidStateError):
        await sender.setParameters(given)
    received = b.getReceivers()[0].getParameters()
    assert received.encodings[0].ssrc == given.encodings[0].ssrc


async def test_parameters_that_may_not_change() -> None:
    a, b = connection(), connection()
    sender = a.addTrack(FakeTrack("video", "t"))
    await exchange(a, b)
    for spoil in (
        lambda p: setattr(p, "transactionId", "x"),
        lambda p: p.codecs.pop(),
        lambda p: p.encodings.clear(),
        lambda p: setattr(p.encodings[0], "rid", "x"),
    ):
        given = sender.getParameters()
        spoil(given)
        with pytest.raises(InvalidModificationError):
            await sender.setParameters(given)


async def test_a_transceivers_life() -> None:
    a, b = connection(), connection()
    t = a.addTransceiver(FakeTrack("audio", "t"), "sendonly")
    assert (t.mid, t.direction, t.currentDirection, t.stopped) == (None, "sendonly", None, False)
    await exchange(a, b)
    assert (t.mid, t.direction, t.currentDirection) == ("0", "sendonly", "sendonly")
    await t.stop()
    assert (t.direction, t.currentDirection, t.stopped) == ("stopped", "sendonly", False)
    other = b.getTransceivers()[0]
    await exchange(a, b)
    assert (t.mid, t.currentDirection, t.stopped) == (None, "stopped", True)
    assert other.stopped and other.receiver.track.readyState == "ended"
    assert a.getTransceivers() == b.getTransceivers() == []


# --- names as aiortc has them


@pytest.mark.parametrize("module", [configuration, description, parameters])
def test_dataclasses_begin_with_aiortcs_fields(module: object) -> None:
    compared = 0
    for name, ours in vars(module).items():
        theirs = getattr(aiortc, name, None) or getattr(aiortc.rtcrtpparameters, name, None)
        if theirs is None or not dataclasses.is_dataclass(theirs) or not dataclasses.is_dataclass(ours):
            continue
        wanted = [f.name for f in dataclasses.fields(theirs)]
        assert [f.name for f in dataclasses.fields(ours) if f.name in wanted] == wanted, name
        compared += 1
    assert compared


def test_methods_of_aiortc() -> None:
    from rtcengine.peer.connection import RTCPeerConnection

    public = {name for name in vars(aiortc.RTCPeerConnection) if not name.startswith("_")}
    assert public <= set(dir(RTCPeerConnection))


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_capabilities(kind: str) -> None:
    ours = RTCRtpSender.getCapabilities(kind)
    assert ours == RTCRtpReceiver.getCapabilities(kind)
    names = {c.mimeType.lower() for c in ours.codecs}
    assert {c.mimeType.lower() for c in aiortc.RTCRtpSender.getCapabilities(kind).codecs} <= names
    with pytest.raises(ValueError):
        RTCRtpSender.getCapabilities("text")


def test_description_types() -> None:
    for type in ("offer", "pranswer", "answer", "rollback"):
        assert RTCSessionDescription("", type).type == type
    with pytest.raises(ValueError):
        RTCSessionDescription("", "bogus")
