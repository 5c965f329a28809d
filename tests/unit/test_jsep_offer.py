"""Offers. After WPT's webrtc/RTCPeerConnection-createOffer, -setLocalDescription-offer, -setLocalDescription and
protocol/jsep-initial-offer, in our words."""

from __future__ import annotations

import pytest

from rtcengine.peer.errors import InvalidModificationError, InvalidStateError
from rtcengine.peer.jsep import Jsep
from rtcengine.sdp import parse
from rtcengine.sdp.description import MediaSection, Setup
from rtcengine.types import Direction

from .jsep_kit import FakeTrack, answer, frozen, negotiate, offer, pair, side


def sections(jsep: Jsep) -> list[MediaSection]:
    return parse(jsep.create_offer()).media


def test_an_offer_of_nothing_has_no_sections() -> None:
    description = parse(side().create_offer())
    assert description.media == [] and description.groups == []


def test_session_lines_are_jseps() -> None:
    text = side().create_offer()
    assert text.startswith("v=0\r\no=- ") and "\r\ns=-\r\nt=0 0\r\n" in text
    origin = parse(text).origin
    assert 0 <= int(origin.session_id) < 2**63 and origin.username == "-"


def test_creating_changes_no_state() -> None:
    a = side()
    a.add_transceiver("audio")
    a.create_offer()
    assert a.signaling_state == "stable" and a.transceivers[0].mid is None and a.plan.transports == {}


def test_the_version_grows_and_the_id_stays() -> None:
    a = side()
    first, second = parse(a.create_offer()).origin, parse(a.create_offer()).origin
    assert first.session_id == second.session_id and int(second.version) == int(first.version) + 1


def test_offer_in_have_local_offer() -> None:
    a = side()
    a.add_transceiver("audio")
    a.set_local("offer", a.create_offer())
    assert len(sections(a)) == 1


def test_no_offer_in_have_remote_offer() -> None:
    a, b = pair()
    offer(a, b)
    with pytest.raises(InvalidStateError):
        b.create_offer()


def test_closed() -> None:
    a = side()
    a.close()
    for call in (a.create_offer, a.create_answer, a.set_local, lambda: a.set_remote("offer", "")):
        with pytest.raises(InvalidStateError):
            call()


def test_a_section_has_what_jsep_wants() -> None:
    a = side()
    a.add_track(FakeTrack("video", "t"), ["s"])
    (section,) = sections(a)
    assert section.protocol == "UDP/TLS/RTP/SAVPF" and section.port == 9 and section.mid == "0"
    assert section.setup is Setup.ACTPASS and section.rtcp_mux and section.rtcp_mux_only and section.rtcp_rsize
    assert section.ice_ufrag and len(section.ice_pwd or "") >= 22 and section.fingerprints
    assert section.direction is Direction.SENDRECV
    assert (section.msids[0].stream, section.msids[0].track) == ("s", "t")


def test_all_sections_are_bundled() -> None:
    a = side()
    a.add_transceiver("audio")
    a.add_transceiver("video")
    a.want_data()
    description = parse(a.create_offer())
    assert description.groups[0].mids == ("0", "1", "2")
    assert "trickle" in description.ice_options


def test_each_codec_is_followed_by_its_retransmissions() -> None:
    a = side()
    a.add_transceiver("video")
    (section,) = sections(a)
    for codec, rtx in zip(section.codecs[::2], section.codecs[1::2], strict=True):
        assert rtx.name == "rtx" and rtx.parameters == {"apt": str(codec.payload_type)}


def test_no_number_means_two_things() -> None:
    a = side()
    for kind in ("audio", "video", "audio"):
        a.add_transceiver(kind)
    meaning: dict[int, str] = {}
    for section in sections(a):
        for codec in section.codecs:
            assert meaning.setdefault(codec.payload_type, codec.name + (codec.fmtp or "")) == codec.name + (codec.fmtp or "")
            assert codec.payload_type not in range(64, 96)


@pytest.mark.parametrize("direction", list(Direction))
def test_direction_is_written(direction: Direction) -> None:
    a = side()
    a.add_transceiver("audio", direction=direction)
    (section,) = sections(a)
    assert section.direction is direction
    assert bool(section.msids) is direction.sends and bool(section.ssrcs) is direction.sends


def test_a_sender_without_streams_says_so() -> None:
    a = side()
    a.add_track(FakeTrack("audio", "t"))
    assert sections(a)[0].msids[0].stream == "-"


def test_several_streams_are_several_msids() -> None:
    a = side()
    a.add_track(FakeTrack("audio", "t"), ["x", "y", "x"])
    assert [m.stream for m in sections(a)[0].msids] == ["x", "y"]


def test_data_is_offered_once_wanted() -> None:
    a = side()
    a.want_data()
    a.want_data()
    (section,) = sections(a)
    assert (section.kind, section.protocol, section.formats) == (
        "application",
        "UDP/DTLS/SCTP",
        ("webrtc-datachannel",),
    )
    assert section.sctp_port == 5000 and section.max_message_size == 262144 and section.direction is None


def test_always_negotiate_data_channels() -> None:
    """Before media, which data channels that are wanted otherwise come after."""
    a, b = side(always_data=True), side()
    for one in (a, b):
        one.add_transceiver("audio")
    b.want_data()
    assert [section.kind for section in sections(a)] == ["application", "audio"]
    assert [section.kind for section in sections(b)] == ["audio", "application"]
    assert sections(side(always_data=True))[0].kind == "application"


def test_setting_the_created_offer() -> None:
    a = side()
    a.add_transceiver("audio")
    text = a.create_offer()
    out = a.set_local("offer", text)
    assert out.signaling_changed and a.signaling_state == "have-local-offer"
    assert a.local_text(a.state.pending_local) == text and a.state.current_local is None
    assert a.transceivers[0].mid == "0" and a.transceivers[0].current is None


def test_only_the_last_created_offer_may_be_set() -> None:
    a = side()
    first = a.create_offer()
    a.create_offer()
    before = frozen(a)
    with pytest.raises(InvalidModificationError):
        a.set_local("offer", first)
    assert frozen(a) == before


def test_an_edited_offer_is_refused() -> None:
    a = side()
    a.add_transceiver("audio")
    with pytest.raises(InvalidModificationError):
        a.set_local("offer", a.create_offer().replace("sendrecv", "inactive"))
    assert a.signaling_state == "stable"


def test_an_empty_text_means_the_last_offer() -> None:
    a = side()
    a.add_transceiver("audio")
    text = a.create_offer()
    a.set_local("offer", "")
    assert a.local_text(a.state.pending_local) == text


def test_without_description_what_is_new_is_offered() -> None:
    a = side()
    a.add_transceiver("audio")
    a.create_offer()
    a.add_transceiver("video")
    a.set_local()
    assert [t.mid for t in a.transceivers] == ["0", "1"]


def test_what_came_after_the_offer_is_not_in_it() -> None:
    a = side()
    a.add_transceiver("audio")
    text = a.create_offer()
    a.add_transceiver("video")
    a.set_local("offer", text)
    assert [t.mid for t in a.transceivers] == ["0", None]


def test_offers_may_be_set_one_after_another() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    assert a.set_local().signaling_changed
    a.add_transceiver("video")
    assert not a.set_local().signaling_changed
    b.set_remote("offer", a.local_text(a.state.local) or "")
    answer(a, b)
    assert [t.mid for t in b.transceivers] == ["0", "1"]


def test_an_old_offer_is_useless_after_a_round() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    text = a.create_offer()
    a.set_local("offer", text)
    b.set_remote("offer", text)
    answer(a, b)
    with pytest.raises(InvalidModificationError):
        a.set_local("offer", text)


@pytest.mark.parametrize("type", ["answer", "pranswer", "rollback"])
def test_types_that_have_no_place_in_stable(type: str) -> None:
    a = side()
    before = frozen(a)
    with pytest.raises(InvalidStateError):
        a.set_local(type, "v=0\r\n")
    with pytest.raises(InvalidStateError):
        a.set_remote(type, "v=0\r\n")
    assert frozen(a) == before


def test_unknown_type() -> None:
    with pytest.raises(TypeError):
        side().set_local("offfer", "")


def test_later_offers_keep_places_mids_and_numbers() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    a.add_transceiver("video")
    negotiate(a, b)
    before = parse(a.local_text(a.state.current_local) or "").media
    b.add_transceiver("video")
    negotiate(b, a)
    after = parse(b.local_text(b.state.current_local) or "").media
    assert [s.mid for s in after] == ["0", "1", "2"]
    for old, new in zip(before, after, strict=False):
        assert old.formats == new.formats
        assert {e.uri: e.id for e in old.extmaps} == {e.uri: e.id for e in new.extmaps}
    assert after[2].formats == after[1].formats


def test_an_audio_section_after_a_video_keeps_extension_ids() -> None:
    a, b = pair()
    a.add_transceiver("video")
    negotiate(a, b)
    a.add_transceiver("audio")
    negotiate(a, b)
    ids: dict[int, str] = {}
    for section in parse(a.local_text(a.state.current_local) or "").media:
        for entry in section.extmaps:
            assert ids.setdefault(entry.id, entry.uri) == entry.uri


def test_the_place_of_a_stopped_section_is_used_again() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    video = a.add_transceiver("video")
    negotiate(a, b)
    a.stop(video)
    negotiate(a, b)
    assert len(a.transceivers) == len(b.transceivers) == 1
    assert [s.port for s in sections(a)] == [9, 0]
    a.add_transceiver("audio")
    third = sections(a)
    assert len(third) == 2 and third[1].kind == "audio" and third[1].mid not in ("0", "1")
    negotiate(a, b)
    assert [t.kind for t in b.transceivers] == ["audio", "audio"]


def test_no_name_is_given_twice() -> None:
    """Not even when others have had the place since."""
    a, b = pair()
    a.add_transceiver("audio")
    names = []
    for jsep, other in ((a, b), (b, a), (a, b), (a, b)):
        jsep.add_transceiver("video")
        negotiate(jsep, other)
        names.append(jsep.transceivers[-1].mid)
        jsep.stop(jsep.transceivers[-1])
        negotiate(jsep, other)
    assert names == ["1", "2", "3", "4"] and len(sections(a)) == 2


def test_a_place_that_is_only_about_to_be_free_is_not_used() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    a.stop(a.transceivers[0])
    a.add_transceiver("video")
    assert [(s.kind, s.port) for s in sections(a)] == [("audio", 0), ("video", 9)]


def test_unknown_payload_types_of_the_peer_are_not_taken() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    text = a.create_offer().replace("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio 9 UDP/TLS/RTP/SAVPF 96 111")
    text = text.replace("a=rtpmap:111", "a=rtpmap:96 exotic/48000\r\na=rtpmap:111")
    b.set_remote("offer", text)
    b.set_local()
    a.set_local()
    a.set_remote("answer", b.local_text(b.state.local) or "")
    b.add_transceiver("video")
    # 96 is given up by the answer, which does not have it; whatever VP8 gets is one number in all of the bundle.
    video = sections(b)[1]
    assert video.codecs[0].name == "VP8"


def test_ids_beyond_the_one_byte_form_skip_fifteen() -> None:
    from rtcengine.peer.numbers import ExtensionIds

    ids = ExtensionIds([])
    given = [ids.give(f"urn:{i}") for i in range(20)]
    assert given == [*range(1, 15), *range(16, 22)]
