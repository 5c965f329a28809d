"""Descriptions of others: real offers of browsers, GStreamer, OBS and FFmpeg answered, ours read by aiortc, and aiortc's
offers and answers taken. Several of WPT's webrtc/protocol tests (video-codecs2, simulcast-answer) with real peers."""

from __future__ import annotations

import random
from pathlib import Path

import aiortc
import aiortc.sdp
import pytest

from rtcengine.peer.configuration import RTCBundlePolicy
from rtcengine.peer.errors import InvalidAccessError, RTCError
from rtcengine.peer.jsep import Jsep
from rtcengine.sdp import extensions, parse
from rtcengine.types import Direction

from .jsep_kit import FakeTrack, answer, frozen, negotiate, side

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "sdp"
OFFERS = sorted(path.name for path in FOLDER.glob("*.sdp"))


def answered(name: str, **config: object) -> Jsep:
    jsep = side(1, **config)
    jsep.set_remote("offer", (FOLDER / name).read_bytes().decode())
    jsep.set_local()
    return jsep


@pytest.mark.parametrize("policy", list(RTCBundlePolicy))
@pytest.mark.parametrize("name", OFFERS)
def test_real_offers_are_answered_whole(name: str, policy: RTCBundlePolicy) -> None:
    jsep = answered(name, bundle_policy=policy)
    offer = parse((FOLDER / name).read_bytes())
    text = jsep.local_text(jsep.state.current_local) or ""
    answer = parse(text)
    assert [s.mid for s in answer.media] == [s.mid for s in offer.media]
    assert all(s.port != 0 for s in answer.media), "every section has something that we can do"
    for ours, theirs in zip(answer.media, offer.media, strict=True):
        assert set(ours.formats) <= set(theirs.formats)
        assert {(e.id, e.uri) for e in ours.extmaps} <= {(e.id, e.uri) for e in offer.extmaps_of(theirs)}
    assert len(jsep.plan.transports) == 1
    assert not jsep.negotiation_needed
    assert set(jsep.plan.receivers) == {s.mid for s in offer.media if s.is_rtp and offer.direction_of(s).sends} or not all(
        s.mid for s in offer.media
    )
    assert aiortc.sdp.SessionDescription.parse(text)


@pytest.mark.parametrize("name", OFFERS)
def test_we_can_offer_afterwards(name: str) -> None:
    jsep = answered(name)
    before = jsep.state.current_remote
    assert before is not None
    jsep.add_transceiver("video")
    media = parse(jsep.create_offer()).media
    assert len(media) == len(before.sdp.media) + 1
    meaning: dict[int, str] = {}
    for section in media:
        for codec in section.codecs:
            assert meaning.setdefault(codec.payload_type, codec.name.lower()) == codec.name.lower()
    for ours, theirs in zip(media, before.sdp.media, strict=False):
        known = {c.payload_type: c.name.lower() for c in theirs.codecs}
        for codec in ours.codecs:
            assert known.get(codec.payload_type, codec.name.lower()) == codec.name.lower()


@pytest.mark.parametrize("name", ["chromium_simulcast_offer.sdp", "firefox_simulcast_offer.sdp"])
def test_browsers_layers_are_taken_if_wanted(name: str) -> None:
    layers = [jsep.plan.receivers for jsep in (answered(name), answered(name, receive_simulcast=True))]
    plain, layered = (next(m.rids for m in plans.values() if m.kind == "video") for plans in layers)
    assert plain == () and len(layered) == 3
    ours = answered(name, receive_simulcast=True).state.current_local
    assert ours is not None
    video = next(s for s in ours.sdp.media if s.kind == "video")
    assert any(entry.uri == extensions.RID for entry in video.extmaps)


def test_gstreamers_streams_come_by_ssrc_lines() -> None:
    jsep = side()
    out = jsep.set_remote("offer", (FOLDER / "gst_offer.sdp").read_bytes().decode())
    assert {ids for _, ids in out.tracks} == {("user1828869151@host-514cb3d",)}
    assert [t.remote_track for t in jsep.transceivers] == ["webrtctransceiver0", "webrtctransceiver1"]


def test_a_viewers_offer_is_sent_to() -> None:
    jsep = side()
    jsep.add_track(FakeTrack("audio", "a"), ["s"])
    jsep.add_track(FakeTrack("video", "v"), ["s"])
    jsep.set_remote("offer", (FOLDER / "chromium_whep_offer.sdp").read_bytes().decode())
    jsep.set_local()
    assert [t.current for t in jsep.transceivers] == [Direction.SENDONLY] * 2
    assert len(jsep.plan.senders) == 2 and not jsep.plan.receivers


@pytest.mark.parametrize("policy", list(RTCBundlePolicy))
def test_aiortc_reads_our_offer_as_we_mean_it(policy: RTCBundlePolicy) -> None:
    jsep = side(1, bundle_policy=policy)
    jsep.add_track(FakeTrack("audio", "a"), ["s"])
    jsep.add_track(FakeTrack("video", "v"), ["s"])
    jsep.add_transceiver("video", direction=Direction.RECVONLY)
    jsep.want_data()
    text = jsep.create_offer()
    theirs = aiortc.sdp.SessionDescription.parse(text)
    for read, ours in zip(theirs.media, parse(text).media, strict=True):
        assert (read.kind, read.port, read.profile, read.direction or None, read.rtp.muxId) == (
            ours.kind,
            ours.port,
            ours.protocol,
            str(ours.direction) if ours.direction else None,
            ours.mid,
        )
        assert [(c.payloadType, c.mimeType.split("/")[1], c.clockRate) for c in read.rtp.codecs] == [
            (c.payload_type, c.name, c.clock_rate) for c in ours.codecs
        ]
        assert [(e.id, e.uri) for e in read.rtp.headerExtensions] == [(e.id, e.uri) for e in ours.extmaps]
        assert (read.ice.usernameFragment, read.ice.password) == (ours.ice_ufrag, ours.ice_pwd)
        assert [f.value for f in read.dtls.fingerprints] == [f.value for f in ours.fingerprints]
        assert [s.ssrc for s in read.ssrc] == [s.ssrc for s in ours.ssrcs]
    assert theirs.group[0].items == ["0", "1", "2", "3"]
    assert theirs.webrtc_track_id(theirs.media[0]) == "a"


@pytest.fixture
async def peer() -> object:
    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    yield connection
    await connection.close()


async def test_aiortc_answers_us(peer: aiortc.RTCPeerConnection) -> None:
    jsep = side(1, bundle_policy=RTCBundlePolicy.MAX_BUNDLE)
    jsep.add_track(FakeTrack("audio", "a"), ["s"])
    jsep.add_track(FakeTrack("video", "v"), ["s"])
    jsep.want_data()
    text = jsep.create_offer()
    jsep.set_local("offer", text)
    await peer.setRemoteDescription(aiortc.RTCSessionDescription(text, "offer"))
    description = await peer.createAnswer()
    jsep.set_remote("answer", description.sdp)
    assert [t.current for t in jsep.transceivers] == [Direction.SENDONLY] * 2
    assert jsep.plan.data is not None and len(jsep.plan.transports) == 1 and not jsep.negotiation_needed
    assert [c.name for c in jsep.plan.senders["1"].codecs][:1] == ["VP8"]


async def test_we_answer_aiortc(peer: aiortc.RTCPeerConnection) -> None:
    peer.addTrack(aiortc.AudioStreamTrack())
    peer.addTransceiver("video", direction="recvonly")
    peer.createDataChannel("x")
    await peer.setLocalDescription(await peer.createOffer())
    jsep = side()
    jsep.add_track(FakeTrack("video", "v"), ["s"])
    jsep.set_remote("offer", peer.localDescription.sdp)
    jsep.set_local()
    await peer.setRemoteDescription(aiortc.RTCSessionDescription(jsep.local_text(jsep.state.local) or "", "answer"))
    directions = {t.kind: t.currentDirection for t in peer.getTransceivers()}
    assert directions == {"audio": "sendonly", "video": "recvonly"}
    assert set(jsep.plan.senders) | set(jsep.plan.receivers) == {t.mid for t in jsep.transceivers}


def test_both_sides_take_each_others_answers_to_real_sections() -> None:
    """An offer in a browser's numbers, answered, and turned round: the numbers stay the browser's."""
    jsep = answered("chromium_offer.sdp")
    other = side(2)
    jsep.add_transceiver("audio")
    before = jsep.create_offer()
    other.set_remote("offer", before)
    jsep.set_local("offer", before)
    answer(jsep, other)
    negotiate(other, jsep)
    ours = other.state.current_local
    assert ours is not None
    assert [s.formats[0] for s in ours.sdp.media if s.is_rtp] == [s.formats[0] for s in parse(before).media if s.is_rtp]


def mutated(rng: random.Random, lines: list[str]) -> str:
    lines = list(lines)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                lines[at] = rng.choice(lines)
            case 3:
                words = lines[at].split(" ")
                words[rng.randrange(len(words))] = rng.choice(["0", "1", "111", "x", "4294967296", "-", "sendonly"])
                lines[at] = " ".join(words)
            case 4:
                other = rng.choice(lines).partition(":")[2]
                lines[at] = lines[at].partition(":")[0] + ":" + other
        if len(lines) < 2:
            break
    return "\r\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFERS)
def test_damaged_offers_fail_by_the_standards_errors_or_are_answered(name: str) -> None:
    rng = random.Random(name)
    lines = (FOLDER / name).read_bytes().decode().split("\r\n")
    taken = 0
    for _ in range(50):
        jsep = side()
        jsep.add_track(FakeTrack("video", "v"), ["s"])
        before = frozen(jsep)
        try:
            jsep.set_remote("offer", mutated(rng, lines))
        except (RTCError, InvalidAccessError):
            assert frozen(jsep) == before
            continue
        jsep.set_local()
        taken += 1
        jsep.create_offer()
        assert jsep.signaling_state == "stable"
    assert 0 < taken < 50
