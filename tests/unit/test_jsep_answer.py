"""Answers and remote descriptions. After WPT's webrtc/RTCPeerConnection-createAnswer, -setLocalDescription-answer,
-setLocalDescription-pranswer, -setRemoteDescription, -setRemoteDescription-offer, -answer, -pranswer and
protocol/video-codecs2, protocol/sdes-dont-dont-dont, in our words."""

from __future__ import annotations

import pytest

from rtcengine.peer.errors import InvalidAccessError, InvalidModificationError, InvalidStateError, RTCError
from rtcengine.peer.jsep import Jsep
from rtcengine.peer.jsep_check import MAX_BYTES, MAX_LINES, MAX_SECTIONS
from rtcengine.sdp import h264, parse
from rtcengine.sdp.description import Setup, fmtp_parameters
from rtcengine.types import Direction

from .jsep_kit import FakeTrack, answer, frozen, negotiate, offer, pair, side


def refused(jsep: Jsep, type: str, text: str, error: type[Exception]) -> Exception:
    before = frozen(jsep)
    with pytest.raises(error) as caught:
        jsep.set_remote(type, text)
    assert frozen(jsep) == before
    return caught.value


def full_offer(a: Jsep) -> str:
    a.add_track(FakeTrack("audio", "ta"), ["s"])
    a.add_track(FakeTrack("video", "tv"), ["s"])
    a.want_data()
    text = a.create_offer()
    a.set_local("offer", text)
    return text


def test_no_answer_without_an_offer() -> None:
    a = side()
    with pytest.raises(InvalidStateError):
        a.create_answer()


def test_no_answer_to_ones_own_offer() -> None:
    a = side()
    a.set_local()
    with pytest.raises(InvalidStateError):
        a.create_answer()


def test_an_answer_has_the_offers_sections() -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    answered = parse(b.create_answer())
    assert [(s.kind, s.mid) for s in answered.media] == [("audio", "0"), ("video", "1"), ("application", "2")]
    assert answered.groups[0].mids == ("0", "1", "2")
    assert all(s.setup is Setup.ACTIVE for s in answered.media)


def test_creating_an_answer_changes_no_state() -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    b.create_answer()
    assert b.signaling_state == "have-remote-offer" and b.plan.transports == {}


def test_setting_an_answer_ends_the_round() -> None:
    a, b = pair()
    text = full_offer(a)
    b.set_remote("offer", text)
    assert b.state.pending_remote is not None and b.state.current_remote is None
    out, other = answer(a, b)
    for jsep, outcome in ((a, other), (b, out)):
        assert outcome.signaling_changed and jsep.signaling_state == "stable"
        assert jsep.state.pending_local is jsep.state.pending_remote is None
        assert jsep.state.current_local is not None and jsep.state.current_remote is not None
    assert b.state.current_remote.written == text  # type: ignore[union-attr]


def test_only_the_last_created_answer_may_be_set() -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    text = b.create_answer()
    with pytest.raises(InvalidModificationError):
        b.set_local("answer", text + "a=x\r\n")
    assert b.signaling_state == "have-remote-offer"
    b.set_local("answer", "")
    assert b.signaling_state == "stable"


def test_an_offer_is_no_local_description_while_one_is_to_be_answered() -> None:
    a, b = pair()
    offer(a, b)
    with pytest.raises(InvalidStateError):
        b.set_local("offer", "")


@pytest.mark.parametrize("ours", list(Direction))
@pytest.mark.parametrize("theirs", list(Direction))
def test_directions_meet(ours: Direction, theirs: Direction) -> None:
    a, b = pair()
    a.add_transceiver("audio", direction=theirs)
    offer(a, b)
    b.set_direction(b.transceivers[0], ours)
    answer(a, b)
    one, other = a.transceivers[0].current, b.transceivers[0].current
    assert one is not None and other is not None and one is other.reversed
    assert other.sends is (ours.sends and theirs.receives) and other.receives is (ours.receives and theirs.sends)
    assert ("0" in b.plan.senders) is other.sends and ("0" in a.plan.receivers) is other.sends


def test_a_provisional_answer_keeps_the_round_open() -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    answer(a, b, "pranswer")
    assert (b.signaling_state, a.signaling_state) == ("have-local-pranswer", "have-remote-pranswer")
    assert b.state.pending_local is not None and b.state.current_local is None
    assert b.transceivers[0].current is Direction.RECVONLY  # it takes effect at once
    assert a.plan.senders and b.plan.receivers
    answer(a, b, "pranswer")
    answer(a, b)
    assert b.signaling_state == a.signaling_state == "stable"


@pytest.mark.parametrize("type", ["offer", "rollback"])
def test_a_provisional_answer_is_not_taken_back(type: str) -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    answer(a, b, "pranswer")
    for jsep in (a, b):
        for call in (jsep.set_local, jsep.set_remote):
            with pytest.raises(InvalidStateError):
                call(type, "")


def test_an_answer_in_stable_is_refused() -> None:
    refused(side(), "answer", side(2).create_offer(), InvalidStateError)


def test_a_second_offer_replaces_the_first() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    offer(a, b)
    a.add_transceiver("video")
    out = offer(a, b)[1]
    assert not out.signaling_changed and [t.mid for t in b.transceivers] == ["0", "1"]


@pytest.mark.parametrize("text", ["", "v=0", "Invalid SDP", "v=0\r\no=x\r\n", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nq=1\r\n"])
def test_what_cannot_be_read(text: str) -> None:
    error = refused(side(), "offer", text, RTCError)
    assert isinstance(error, RTCError) and error.errorDetail == "sdp-syntax-error"
    assert isinstance(error, ValueError)  # as programs written for aiortc catch it


def test_the_line_is_told() -> None:
    a = side(2)
    a.add_transceiver("audio")
    error = refused(side(), "offer", a.create_offer().replace("a=mid:0", "a=mid:"), RTCError)
    assert isinstance(error, RTCError) and error.sdpLineNumber == 11


MISSING = ["ice-ufrag", "ice-pwd", "fingerprint", "setup:holdconn", "crypto"]


@pytest.mark.parametrize("what", MISSING)
def test_an_offer_that_cannot_be_secured(what: str) -> None:
    a = side(2)
    a.add_transceiver("audio")
    text = a.create_offer()
    if what == "setup:holdconn":
        text = text.replace("setup:actpass", what)
    elif what == "crypto":
        text += "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
    else:
        text = "\r\n".join(line for line in text.split("\r\n") if not line.startswith(f"a={what}"))
    refused(side(), "offer", text, InvalidAccessError)


def test_a_bundle_of_what_is_not_there() -> None:
    a = side(2)
    a.add_transceiver("audio")
    refused(side(), "offer", a.create_offer().replace("BUNDLE 0", "BUNDLE 0 7"), InvalidAccessError)
    refused(side(), "offer", a.create_offer().replace("BUNDLE 0", "BUNDLE 0 0"), InvalidAccessError)


EDITS = {
    "fewer sections": lambda text: text[: text.index("m=application")].replace("BUNDLE 0 1 2", "BUNDLE 0 1"),
    "another kind": lambda text: text.replace("m=audio", "m=video"),
    "another mid": lambda text: text.replace("a=mid:0", "a=mid:9").replace("BUNDLE 0", "BUNDLE 9"),
    "no codec of ours": lambda text: text.replace("opus", "supo").replace("G722", "x1").replace("PCM", "y"),
    "no multiplexing": lambda text: text.replace("a=rtcp-mux\r\n", ""),
    "undecided role": lambda text: text.replace("setup:active", "setup:actpass"),
    "no credentials": lambda text: text.replace("a=ice-pwd", "a=x-pwd"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_answer_that_does_not_fit(edit: str) -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    text = EDITS[edit](b.create_answer())
    refused(a, "answer", text, InvalidAccessError)
    assert a.signaling_state == "have-local-offer"


def test_a_later_offer_without_a_section() -> None:
    a, b = pair()
    full_offer(a)
    b.set_remote("offer", a.local_text(a.state.local) or "")
    answer(a, b)
    text = a.create_offer()
    refused(b, "offer", text[: text.index("m=application")].replace("BUNDLE 0 1 2", "BUNDLE 0 1"), InvalidAccessError)
    refused(b, "offer", text.replace("m=audio", "m=video"), InvalidAccessError)


def test_no_codec_in_common_rejects_the_section_alone() -> None:
    a, b = pair()
    text = full_offer(a).replace("opus", "supo").replace("G722", "x1")
    text = text.replace("m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8", "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9")
    text = "\r\n".join(x for x in text.split("\r\n") if not x.startswith(("a=rtpmap:0 ", "a=rtpmap:8 ")))
    b.set_remote("offer", text)
    answered = parse(b.create_answer())
    assert [s.port for s in answered.media] == [0, 9, 9] and answered.groups[0].mids == ("1", "2")
    b.set_local()
    assert [t.kind for t in b.transceivers] == ["video"]
    a.set_remote("answer", b.local_text(b.state.local) or "")
    assert [t.kind for t in a.transceivers] == ["video"] and not a.negotiation_needed


def test_answered_numbers_are_the_offers() -> None:
    a, b = pair()
    a.add_transceiver("video")
    text = a.create_offer().replace(":96 ", ":120 ").replace("SAVPF 96 ", "SAVPF 120 ").replace("apt=96", "apt=120")
    b.set_remote("offer", text)
    (section,) = parse(b.create_answer()).media
    assert section.formats[:2] == ("120", "97") and section.codecs[0].name == "VP8"
    b.set_local()
    assert parse(b.create_offer()).media[0].formats[:2] == ("120", "97")


def test_feedback_and_extensions_of_both() -> None:
    a, b = pair()
    a.add_transceiver("video")
    text = a.create_offer().replace("a=rtcp-fb:96 goog-remb\r\n", "").replace("a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:96 x\r\n")
    text = "\r\n".join(line for line in text.split("\r\n") if "abs-send-time" not in line)
    b.set_remote("offer", text)
    (section,) = parse(b.create_answer()).media
    assert section.codecs[0].feedback == ("transport-cc", "ccm fir", "nack pli")
    assert not any("abs-send-time" in entry.uri for entry in section.extmaps)


def h264_of(text: str) -> list[tuple[str, str, str | None]]:
    """Mode, profile and level, and whether levels may differ, of each H.264 of the first section."""
    found = [codec.parameters for codec in parse(text).media[0].codecs if codec.name == "H264"]
    return [(c["packetization-mode"], c["profile-level-id"], c.get("level-asymmetry-allowed")) for c in found]


@pytest.mark.parametrize(
    ("offered", "asymmetric", "answered", "sent"),
    [
        ("1f", True, "34", "1f"),  # each direction has its receiver's
        ("1f", False, "1f", "1f"),  # the lower one
        ("34", False, "34", "34"),
        ("3c", False, "34", "34"),  # 6.0
        ("3c", True, "34", "3c"),
    ],
)
def test_levels_of_h264(offered: str, asymmetric: bool, answered: str, sent: str) -> None:
    """RFC 6184 §8.2.2. What is sent is bounded by what the plan says of the peer."""
    a, b = pair()
    a.add_transceiver("video")
    b.add_track(FakeTrack("video", "t"))
    text = a.create_offer().replace("profile-level-id=42e034", f"profile-level-id=42e0{offered}")
    text = text.replace("profile-level-id=420034", f"profile-level-id=4200{offered}")
    if not asymmetric:
        text = text.replace("level-asymmetry-allowed=1;", "")
    b.set_remote("offer", text)
    allowed = "1" if asymmetric else None
    assert h264_of(b.create_answer()) == [
        ("1", f"42e0{answered}", allowed),
        ("1", f"4200{answered}", allowed),
        ("0", f"42e0{answered}", allowed),
        ("0", f"4200{answered}", allowed),
    ]
    b.set_local()
    plans = {"sent": b.plan.senders["0"], "received": b.plan.receivers["0"]}
    found = {way: {h264.level(fmtp_parameters(c.fmtp)) for c in plan.codecs if c.name == "H264"} for way, plan in plans.items()}
    names = {way: {level and f"{level.number:02x}" for level in levels} for way, levels in found.items()}
    assert names == {"sent": {sent}, "received": {"34" if asymmetric else answered}}


@pytest.mark.parametrize(("answered", "asymmetric", "sent"), [("1f", True, "1f"), ("1f", False, "1f"), ("3c", False, "34")])
def test_level_of_an_answer(answered: str, asymmetric: bool, sent: str) -> None:
    a, b = pair()
    a.add_track(FakeTrack("video", "t"))
    offer(a, b)
    text = b.create_answer().replace("profile-level-id=42e034", f"profile-level-id=42e0{answered}")
    if not asymmetric:
        text = text.replace(";level-asymmetry-allowed=1", "")
    a.set_remote("answer", text)
    codec = next(c for c in a.plan.senders["0"].codecs if c.name == "H264")
    assert codec.fmtp is not None and f"profile-level-id=42e0{sent}" in codec.fmtp


def test_a_peer_without_mids() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    text = a.create_offer()
    bare = text.replace("a=group:BUNDLE 0\r\n", "").replace("a=mid:0\r\n", "")
    b.set_remote("offer", bare)
    answered = b.create_answer()
    assert "a=mid" not in answered and "BUNDLE" not in answered and b.transceivers[0].mid is not None
    b.set_local()
    assert b.plan.receivers
    b.set_remote("offer", bare)  # its place is its name
    assert len(b.transceivers) == 1


def test_a_section_of_another_world_is_rejected() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    text = a.create_offer() + "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:t\r\na=rtpmap:98 t140/1000\r\na=ice-ufrag:abcd\r\n"
    text += "a=ice-pwd:0123456789012345678901\r\n" + next(x for x in text.split("\r\n") if "a=fingerprint" in x) + "\r\n"
    b.set_remote("offer", text)
    assert [s.port for s in parse(b.create_answer()).media] == [9, 0]


def test_data_as_it_was_once_is_rejected() -> None:
    """Before RFC 8841, which has another protocol of this section: DTLS/SCTP with a=sctpmap."""
    a, b = pair()
    a.add_transceiver("audio")
    a.want_data()
    text = a.create_offer().replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000")
    b.set_remote("offer", text.replace("a=sctp-port:5000", "a=sctpmap:5000 webrtc-datachannel 256"))
    assert [s.port for s in parse(b.create_answer()).media] == [9, 0]


def test_an_offer_without_rtcp_mux_is_rejected_by_section() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    b.set_remote("offer", a.create_offer().replace("a=rtcp-mux\r\n", ""))
    assert parse(b.create_answer()).media[0].port == 0


def test_rtcp_mux_only_is_offered_and_not_answered() -> None:
    """RFC 8858: what insists on it is the offer; the answer says that it is so."""
    a, b = pair()
    text = full_offer(a)
    assert [s.rtcp_mux_only for s in parse(text).media] == [s.is_rtp for s in parse(text).media]
    b.set_remote("offer", text)
    given = b.create_answer()
    assert [(s.rtcp_mux, s.rtcp_mux_only) for s in parse(given).media] == [(s.is_rtp, False) for s in parse(given).media]
    b.set_local("answer", given)
    a.set_remote("answer", given)
    assert all(s.rtcp_mux_only for s in parse(a.create_offer()).media if s.is_rtp)


def test_preferences_order_the_answer() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    offer(a, b)
    codecs = b.config.capabilities.of("audio").codecs
    b.set_codec_preferences(b.transceivers[0], [codecs[3], codecs[0]])
    assert [c.name for c in parse(b.create_answer()).media[0].codecs] == ["PCMU", "opus"]


@pytest.mark.parametrize(("lines", "expected"), [("b=AS:500", 500_000), ("b=TIAS:64000", 64_000), ("b=AS:9\r\nb=TIAS:8", 8)])
def test_the_peers_bandwidth_is_read(lines: str, expected: int) -> None:
    a, b = pair()
    a.add_track(FakeTrack("video", "t"))
    offer(a, b)
    text = b.create_answer()
    b.set_local("answer", text)
    a.set_remote("answer", text.replace("c=IN IP4 0.0.0.0\r\n", f"c=IN IP4 0.0.0.0\r\n{lines}\r\n"))
    assert a.plan.senders["0"].bandwidth_bps == expected


def test_a_failing_answer_may_be_followed_by_a_good_one() -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    text = b.create_answer()
    b.set_local("answer", text)
    refused(a, "answer", text.replace("m=audio", "m=video"), InvalidAccessError)
    a.set_remote("answer", text)
    assert a.signaling_state == "stable"


def test_port_zero_rejects_whatever_else_an_answer_says() -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    text = b.create_answer().replace("m=video 9", "m=video 0").replace("BUNDLE 0 1 2", "BUNDLE 0 2")
    out = a.set_remote("answer", text.replace("a=mid:1", "a=mid:1\r\na=bundle-only"))
    assert [t.kind for t in a.transceivers] == ["audio"] and len(out.stopped) == 1


def test_an_answer_may_not_bundle_what_it_rejects() -> None:
    a, b = pair()
    b.set_remote("offer", full_offer(a))
    refused(a, "answer", b.create_answer().replace("m=video 9", "m=video 0"), InvalidAccessError)


@pytest.mark.slow
def test_a_conference_of_many() -> None:
    a, b = pair()
    for _ in range(MAX_SECTIONS // 2 - 1):
        a.add_transceiver("audio")
        a.add_transceiver("video")
    a.want_data()
    negotiate(a, b)
    assert len(a.plan.senders) == len(b.plan.receivers) == MAX_SECTIONS - 2 and len(b.plan.transports) == 1


def test_limits_of_a_description() -> None:
    b = side()
    head = side(2).create_offer()
    section = "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n"
    b.set_remote("offer", head + section * MAX_SECTIONS)
    lines = "a=x\r\n" * (MAX_LINES - head.count("\n"))
    b.set_remote("offer", head + lines)
    padding = "a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"
    for text in (head + section * (MAX_SECTIONS + 1), head + lines + "a=x\r\n", head + padding * (MAX_BYTES // len(padding))):
        refused(b, "offer", text, RTCError)


def test_renegotiation_by_either_side() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    b.add_track(FakeTrack("video", "t"))
    negotiate(b, a)
    a.want_data()
    negotiate(a, b)
    assert [s.kind for s in a.state.current_local.sdp.media] == ["audio", "video", "application"]  # type: ignore[union-attr]
    assert not a.negotiation_needed and not b.negotiation_needed
    assert len(a.plan.transports) == len(b.plan.transports) == 1
