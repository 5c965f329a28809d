"""Transceivers and tracks. After WPT's webrtc/RTCPeerConnection-addTrack, -addTransceiver, -removeTrack,
-setRemoteDescription-tracks, -setRemoteDescription-nomsid, -setDescription-transceiver, -ontrack,
-onnegotiationneeded, RTCRtpTransceiver and protocol/simulcast-answer, -simulcast-negotiate, in our words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rtcengine.peer.effects import StopReceiving, StopSending
from rtcengine.peer.errors import InvalidAccessError, InvalidModificationError, InvalidStateError, RangeError
from rtcengine.peer.parameters import RTCRtpCodecCapability
from rtcengine.peer.parameters import RTCRtpEncodingParameters as Encoding
from rtcengine.sdp import parse
from rtcengine.types import Direction

from .jsep_kit import FakeTrack, answer, negotiate, offer, pair, side


def test_a_new_transceiver() -> None:
    a = side()
    t = a.add_transceiver("audio")
    assert (t.direction, t.current, t.mid, t.stopped, t.track) == (Direction.SENDRECV, None, None, False, None)


def test_an_unknown_kind() -> None:
    with pytest.raises(TypeError):
        side().add_transceiver("text")


def test_add_transceiver_never_takes_another() -> None:
    a = side()
    a.add_transceiver("audio")
    a.add_transceiver("audio", track=FakeTrack("audio", "t"))
    assert len(a.transceivers) == 2


def test_a_track_takes_a_sender_that_never_sent() -> None:
    a = side()
    t = a.add_transceiver("audio", direction=Direction.RECVONLY)
    assert a.add_track(FakeTrack("audio", "t")) is t and t.direction is Direction.SENDRECV
    inactive = a.add_transceiver("video", direction=Direction.INACTIVE)
    assert a.add_track(FakeTrack("video", "v")) is inactive and inactive.direction is Direction.SENDONLY


def test_a_track_of_another_kind_makes_its_own() -> None:
    a = side()
    a.add_transceiver("audio")
    assert a.add_track(FakeTrack("video", "t")).kind == "video" and len(a.transceivers) == 2


def test_a_track_is_sent_once() -> None:
    a = side()
    track = FakeTrack("audio", "t")
    a.add_track(track)
    with pytest.raises(InvalidAccessError):
        a.add_track(track)


def test_a_sender_that_sent_is_not_taken() -> None:
    a, b = pair()
    t = a.add_track(FakeTrack("audio", "t"))
    negotiate(a, b)
    a.remove_track(t)
    negotiate(a, b)
    assert a.add_track(FakeTrack("audio", "u")) is not t


def test_a_removed_tracks_sender_is_taken_while_it_never_sent() -> None:
    a = side()
    t = a.add_track(FakeTrack("audio", "t"))
    a.remove_track(t)
    assert t.direction is Direction.RECVONLY and a.add_track(FakeTrack("audio", "u")) is t


@pytest.mark.parametrize(
    ("before", "after"),
    [("sendrecv", "recvonly"), ("sendonly", "inactive"), ("recvonly", "recvonly"), ("inactive", "inactive")],
)
def test_removing_a_track_changes_what_is_wanted(before: str, after: str) -> None:
    a = side()
    t = a.add_transceiver("audio", track=FakeTrack("audio", "t"), direction=Direction(before))
    assert a.remove_track(t) and t.direction.value == after and t.track is None
    assert not a.remove_track(t)


def test_removing_has_no_effect_before_negotiation() -> None:
    a, b = pair()
    t = a.add_track(FakeTrack("audio", "t"))
    negotiate(a, b)
    a.remove_track(t)
    assert t.current is Direction.SENDONLY
    negotiate(a, b)
    assert t.current is Direction.INACTIVE and a.plan.senders == {} and b.plan.receivers == {}


def test_a_closed_side_takes_nothing() -> None:
    a = side()
    t = a.add_transceiver("audio")
    a.close()
    for call in (
        lambda: a.add_transceiver("audio"),
        lambda: a.add_track(FakeTrack("audio", "t")),
        lambda: a.remove_track(t),
        lambda: a.stop(t),
        a.want_data,
    ):
        with pytest.raises(InvalidStateError):
            call()
    assert t.stopped and a.plan.transports == {}


# --- which transceiver a remote section gets


def test_a_track_added_waits_for_the_offer() -> None:
    a, b = pair()
    ours = b.add_track(FakeTrack("audio", "b"))
    a.add_transceiver("audio")
    offer(a, b)
    assert b.transceivers == (ours,) and ours.mid == "0" and ours.direction is Direction.SENDRECV


def test_a_transceiver_added_does_not() -> None:
    a, b = pair()
    ours = b.add_transceiver("audio")
    a.add_transceiver("audio")
    offer(a, b)
    assert ours.mid is None and [t.direction.value for t in b.transceivers] == ["sendrecv", "recvonly"]
    answer(a, b)
    assert b.negotiation_needed


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_an_offer_that_takes_nothing_gets_no_track(direction: str) -> None:
    a, b = pair()
    ours = b.add_track(FakeTrack("audio", "b"))
    a.add_transceiver("audio", direction=Direction(direction))
    offer(a, b)
    assert ours.mid is None and len(b.transceivers) == 2


def test_tracks_are_taken_in_their_order() -> None:
    a, b = pair()
    first, second = b.add_track(FakeTrack("audio", "1")), b.add_track(FakeTrack("audio", "2"))
    a.add_transceiver("audio")
    a.add_transceiver("audio")
    offer(a, b)
    assert (first.mid, second.mid) == ("0", "1")


def test_a_stopped_transceiver_is_not_taken() -> None:
    a, b = pair()
    b.stop(b.add_track(FakeTrack("audio", "b")))
    a.add_transceiver("audio")
    offer(a, b)
    assert len(b.transceivers) == 2


def test_a_rejected_section_makes_no_transceiver() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    a.add_transceiver("video")
    text = a.create_offer().replace("m=audio 9", "m=audio 0").replace("BUNDLE 0 1", "BUNDLE 1")
    b.set_remote("offer", text)
    assert [t.kind for t in b.transceivers] == ["video"]


# --- tracks that come


def test_a_track_comes_with_its_streams() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"), ["x", "y"])
    out = offer(a, b)[1]
    t = b.transceivers[0]
    assert out.tracks == [(t, ("x", "y"))] and out.added == [("x", t), ("y", t)] and t.remote_track == "t"


def test_it_comes_once() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"), ["s"])
    assert len(offer(a, b)[1].tracks) == 1
    assert offer(a, b)[1].tracks == []
    answer(a, b)
    assert offer(a, b)[1].tracks == []


def test_it_comes_with_an_answer_too() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    offer(a, b)
    b.add_track(FakeTrack("audio", "t"), ["s"])
    out = answer(a, b)[1]
    assert out.tracks == [(a.transceivers[0], ("s",))]


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_no_track_where_none_is_sent(direction: str) -> None:
    a, b = pair()
    a.add_transceiver("audio", direction=Direction(direction))
    out = offer(a, b)[1]
    assert out.tracks == [] and out.added == []


def test_a_track_that_ends_is_muted_and_leaves_its_streams() -> None:
    a, b = pair()
    t = a.add_track(FakeTrack("audio", "t"), ["s"])
    negotiate(a, b)
    a.remove_track(t)
    out = offer(a, b)[1]
    assert out.muted == [b.transceivers[0]] and out.removed == [("s", b.transceivers[0])]
    answer(a, b)
    a.set_direction(t, Direction.SENDRECV)
    assert len(offer(a, b)[1].tracks) == 1


def test_a_track_in_another_stream_comes_again() -> None:
    a, b = pair()
    t = a.add_track(FakeTrack("audio", "t"), ["one"])
    negotiate(a, b)
    a.set_streams(t, ["one", "two"])
    assert a.negotiation_needed
    out = offer(a, b)[1]
    assert out.tracks == [(b.transceivers[0], ("one", "two"))] and out.added == [("two", b.transceivers[0])]


def test_without_msid_there_is_one_default_stream() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"), ["s"])
    a.add_track(FakeTrack("video", "v"), ["s"])
    text = "\r\n".join(line for line in a.create_offer().split("\r\n") if not line.startswith("a=msid"))
    out = b.set_remote("offer", text)
    streams = [ids for _, ids in out.tracks]
    assert len(streams) == 2 and len(streams[0]) == 1 and streams[0] == streams[1]


def test_a_track_of_no_stream() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"))
    assert offer(a, b)[1].tracks == [(b.transceivers[0], ())]


# --- stopping


def test_stopping_acts_at_once() -> None:
    a, b = pair()
    t = a.add_track(FakeTrack("audio", "t"))
    b.add_track(FakeTrack("audio", "u"))
    negotiate(a, b)
    assert set(a.stop(t)) == {StopSending("0"), StopReceiving("0")}
    assert t.stopping and not t.stopped and t.mid == "0" and a.stop(t) == ()


def test_stopping_is_negotiated() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"))
    negotiate(a, b)
    mine, theirs = a.transceivers[0], b.transceivers[0]
    a.stop(mine)
    assert a.negotiation_needed
    out = offer(a, b)[1]
    assert theirs.stopped and out.stopped == [theirs]
    answer(a, b)
    assert mine.stopped and mine.mid is None and a.transceivers == b.transceivers == ()
    assert not a.negotiation_needed and not b.negotiation_needed and a.plan.transports == {}


def test_the_answerer_may_stop() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"))
    a.add_track(FakeTrack("video", "v"))
    offer(a, b)
    b.stop(b.transceivers[0])
    out = answer(a, b)[1]
    assert [t.kind for t in a.transceivers] == [t.kind for t in b.transceivers] == ["video"]
    assert len(out.stopped) == 1


def test_never_negotiated_and_stopped() -> None:
    a, b = pair()
    a.stop(a.add_transceiver("audio"))
    negotiate(a, b)
    assert a.transceivers == () and b.transceivers == ()


def test_a_stopped_transceiver_takes_no_direction() -> None:
    a = side()
    t = a.add_transceiver("audio")
    a.stop(t)
    with pytest.raises(InvalidStateError):
        a.set_direction(t, Direction.SENDONLY)


# --- is negotiation needed


def test_not_at_first() -> None:
    assert not side().negotiation_needed


def test_a_direction_that_differs() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    assert not a.negotiation_needed
    a.set_direction(a.transceivers[0], Direction.RECVONLY)
    assert a.negotiation_needed
    a.set_direction(a.transceivers[0], Direction.SENDRECV)
    assert not a.negotiation_needed


def test_the_answerer_needs_none_for_what_was_not_offered() -> None:
    a, b = pair()
    a.add_transceiver("audio", direction=Direction.SENDONLY)
    offer(a, b)
    b.set_direction(b.transceivers[0], Direction.RECVONLY)
    answer(a, b)
    assert not b.negotiation_needed
    b.set_direction(b.transceivers[0], Direction.INACTIVE)
    assert b.negotiation_needed


def test_a_track_for_the_answerer() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    b.add_track(FakeTrack("audio", "t"))
    assert b.negotiation_needed
    negotiate(b, a)
    assert not b.negotiation_needed and a.plan.receivers


def test_data_needs_one_negotiation() -> None:
    a, b = pair()
    a.want_data()
    assert a.negotiation_needed
    negotiate(a, b)
    a.want_data()
    b.want_data()
    assert not a.negotiation_needed and not b.negotiation_needed


def test_closed_needs_none() -> None:
    a = side()
    a.add_transceiver("audio")
    a.close()
    assert not a.negotiation_needed


# --- codecs


def avc(**parameters: int | str) -> RTCRtpCodecCapability:
    return RTCRtpCodecCapability("video/H264", 90000, None, {name.replace("_", "-"): v for name, v in parameters.items()})


def test_codec_preferences() -> None:
    a, b = pair()
    t = a.add_transceiver("video")
    codecs = {c.name: c for c in a.config.capabilities.of("video").codecs}
    a.set_codec_preferences(t, [codecs["VP9"], codecs["VP8"], codecs["VP9"]])
    offer(a, b)
    assert [c.name for c in b.state.pending_remote.sdp.media[0].codecs] == ["VP9", "VP8"]  # type: ignore[union-attr]
    a.set_codec_preferences(t, [])
    assert len(parse(a.create_offer()).media[0].codecs) == 14


def test_retransmission_is_preferred_like_a_codec() -> None:
    a = side()
    t = a.add_transceiver("video")
    codecs = {c.name: c for c in a.config.capabilities.of("video").codecs}
    a.set_codec_preferences(t, [codecs["rtx"], codecs["VP8"]])
    assert [c.name for c in parse(a.create_offer()).media[0].codecs] == ["VP8", "rtx"]


@pytest.mark.parametrize(
    "codec",
    [
        RTCRtpCodecCapability("video/rtx", 90000),
        RTCRtpCodecCapability("video/H266", 90000),
        RTCRtpCodecCapability("audio/opus", 48000, 2),
        RTCRtpCodecCapability("video/VP8", 90001),
        RTCRtpCodecCapability("video/VP8", 90000, parameters={"max-fs": 1}),
        avc(profile_level_id="42e03c", packetization_mode=1),
        avc(profile_level_id="f4001f", packetization_mode=1),
        avc(profile_level_id="42e01f", packetization_mode=2),
        avc(profile_level_id="42e0", packetization_mode=1),
        avc(profile_level_id="42e01f", packetization_mode=1, sprop_max_don_diff=1),
        avc(profile_level_id="42e01f", packetization_mode=1, max_fs="many"),
    ],
)
def test_preferences_outside_of_the_capabilities(codec: RTCRtpCodecCapability) -> None:
    a = side()
    with pytest.raises(InvalidModificationError):
        a.set_codec_preferences(a.add_transceiver("video"), [codec])


def test_h264_with_parameters_of_ones_own() -> None:
    """Of a profile and mode that there are, in whichever level; each once."""
    a, b = pair()
    t = a.add_transceiver("video")
    low = avc(profile_level_id="42e01f", packetization_mode=1, level_asymmetry_allowed=1)
    known = [c for c in a.config.capabilities.of("video").codecs if c.name in ("H264", "VP8")]
    a.set_codec_preferences(t, [low, *known, low])
    offer(a, b)
    section = parse(a.create_offer()).media[0]
    found = [c.parameters.get("profile-level-id") for c in section.codecs]
    assert found == ["42e01f", None, "420034", "42e034", "420034"] and len(set(section.formats)) == 5
    answer(a, b)
    codec = next(c for c in b.plan.receivers["0"].codecs)
    assert codec.fmtp is not None and "profile-level-id=42e034" in codec.fmtp
    more = avc(profile_level_id="42C01e", packetization_mode="0", max_fs=3600, max_mbps=108000)
    a.set_codec_preferences(t, [more])
    assert "profile-level-id=42C01e;packetization-mode=0;max-fs=3600;max-mbps=108000" in a.create_offer()


# --- encodings


def test_simulcast_is_offered_by_rids() -> None:
    a = side()
    a.add_transceiver("video", encodings=[Encoding(rid="q"), Encoding(rid="h"), Encoding(rid="f", active=False)])
    (section,) = parse(a.create_offer()).media
    assert [r.id for r in section.rids] == ["q", "h", "f"] and section.ssrcs == []
    assert section.simulcast is not None and [s[0].paused for s in section.simulcast.send] == [False, False, True]
    assert [e.scale_down_by for e in a.transceivers[0].encodings] == [4.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("encodings", "error"),
    [
        ([Encoding(rid="a"), Encoding(rid="a")], TypeError),
        ([Encoding(rid="a"), Encoding()], TypeError),
        ([Encoding(rid="")], TypeError),
        ([Encoding(rid="a-b")], TypeError),
        ([Encoding(scaleResolutionDownBy=0.5)], RangeError),
        ([Encoding(maxFramerate=-1)], RangeError),
    ],
)
def test_encodings_that_cannot_be(encodings: list[Encoding], error: type[Exception]) -> None:
    a = side()
    with pytest.raises(error):
        a.add_transceiver("video", encodings=encodings)
    assert a.transceivers == ()


def test_audio_has_one_stream_without_a_picture() -> None:
    a = side()
    t = a.add_transceiver("audio", encodings=[Encoding(rid="a", scaleResolutionDownBy=2.0), Encoding(rid="b")])
    assert len(t.encodings) == 1 and t.encodings[0].scale_down_by is None


def test_an_answer_without_simulcast_leaves_one_stream() -> None:
    a, b = pair()
    a.add_transceiver("video", encodings=[Encoding(rid="q"), Encoding(rid="f")])
    negotiate(a, b)
    assert len(a.transceivers[0].encodings) == 1
    assert len(a.plan.senders["0"].encodings) == 1 and a.plan.senders["0"].encodings[0].rid is None


def test_an_answer_takes_all_layers() -> None:
    a, b = side(1), side(2, receive_simulcast=True)
    a.add_transceiver("video", encodings=[Encoding(rid="q"), Encoding(rid="f")])
    negotiate(a, b)
    assert [e.rid for e in a.plan.senders["0"].encodings] == ["q", "f"] and b.plan.receivers["0"].rids == ("q", "f")
    negotiate(a, b)
    assert [e.rid for e in a.plan.senders["0"].encodings] == ["q", "f"]


def test_an_answer_takes_some_layers() -> None:
    a, b = side(1), side(2, receive_simulcast=True)
    a.add_transceiver("video", encodings=[Encoding(rid="q"), Encoding(rid="h"), Encoding(rid="f")])
    offer(a, b)
    b.set_local()
    text = (b.local_text(b.state.local) or "").replace("a=rid:h recv\r\n", "").replace("recv q;h;f", "recv q;~f")
    a.set_remote("answer", text)
    assert [(e.rid, e.active) for e in a.plan.senders["0"].encodings] == [("q", True), ("f", False)]


def test_too_many_layers_and_long_names_are_not_asked_for() -> None:
    a, b = side(1), side(2, receive_simulcast=True)
    a.add_transceiver("video", encodings=[Encoding(rid=rid) for rid in ("a", "b" * 17, "c", "d", "e", "f")])
    negotiate(a, b)
    assert b.plan.receivers["0"].rids == ("a", "c", "d", "e")
    assert [e.rid for e in a.plan.senders["0"].encodings] == ["a", "c", "d", "e"]


def test_layers_stay_when_who_takes_them_offers() -> None:
    a, b = side(1), side(2, receive_simulcast=True)
    a.add_transceiver("video", encodings=[Encoding(rid="q"), Encoding(rid="f")])
    negotiate(a, b)
    b.add_transceiver("audio")
    offer(b, a)
    assert b.plan.receivers["0"].rids == ("q", "f")  # and meanwhile
    answer(b, a)
    assert [e.rid for e in a.plan.senders["0"].encodings] == ["q", "f"] and b.plan.receivers["0"].rids == ("q", "f")


def test_layers_are_offered_to_be_taken() -> None:
    a, b = pair()
    a.add_transceiver("video", direction=Direction.RECVONLY, receive_layers=["lo", "hi"])
    b.add_track(FakeTrack("video", "v"))
    negotiate(a, b)
    assert [(e.rid, e.scale_down_by) for e in b.plan.senders["0"].encodings] == [("lo", 2.0), ("hi", 1.0)]
    assert a.plan.receivers["0"].rids == ("lo", "hi")
    a, b = pair()  # a peer that knows nothing of it
    a.add_transceiver("video", direction=Direction.RECVONLY, receive_layers=["lo", "hi"])
    b.add_track(FakeTrack("video", "v"))
    offer(a, b)
    b.set_local()
    a.set_remote("answer", re.sub("a=(rid|simulcast):.*\r\n", "", b.local_text(b.state.local) or ""))
    assert a.plan.receivers["0"].rids == ()


@pytest.mark.parametrize("wrong", ["hm", ["a-b"], ["h", "h"], [1]])
def test_layers_need_names(wrong: Any) -> None:
    with pytest.raises(TypeError):
        side(1).add_transceiver("video", receive_layers=wrong)
    with pytest.raises(TypeError, match="of video"):
        side(1).add_transceiver("audio", receive_layers=["h"])
    with pytest.raises(RangeError, match="4 layers"):
        side(1).add_transceiver("video", receive_layers=["a", "b", "c", "d", "e"])


def test_an_offer_to_take_simulcast() -> None:
    a, b = pair()
    a.add_transceiver("video")
    text = a.create_offer()
    a.set_local("offer", text)
    rids = "a=rid:lo recv\r\na=rid:hi recv\r\na=simulcast:recv lo;hi\r\n"
    b.add_track(FakeTrack("video", "v"))
    b.set_remote("offer", text + rids)
    assert [(e.rid, e.scale_down_by) for e in b.transceivers[0].encodings] == [("lo", 2.0), ("hi", 1.0)]
    (section,) = parse(b.create_answer()).media
    assert section.simulcast is not None and len(section.simulcast.send) == 2
    b.set_local()
    assert [e.rid for e in b.plan.senders["0"].encodings] == ["lo", "hi"]
    with pytest.raises(InvalidModificationError):
        b.set_encodings(b.transceivers[0], [Encoding(rid="lo")])
    effects = b.set_encodings(b.transceivers[0], [Encoding(rid="lo", active=False), Encoding(rid="hi", maxBitrate=9)])
    assert len(effects) == 1 and b.plan.senders["0"].encodings[1].max_bitrate_bps == 9


def test_limits_are_told_at_once() -> None:
    a, b = pair()
    t = a.add_track(FakeTrack("video", "v"))
    negotiate(a, b)
    assert a.set_encodings(t, [Encoding(maxBitrate=500_000)])
    assert a.plan.senders["0"].encodings[0].max_bitrate_bps == 500_000


def test_too_many_transceivers() -> None:
    from rtcengine.peer.errors import OperationError
    from rtcengine.peer.jsep import MAX_TRANSCEIVERS

    a = side()
    for _ in range(MAX_TRANSCEIVERS):
        a.add_transceiver("audio")
    with pytest.raises(OperationError):
        a.add_transceiver("audio")
