"""Answers to publishers and viewers, on the offers that clients really write and on those that must be refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rtcengine.relay.negotiate import recv_config, send_config
from rtcengine.sdp import (
    Answer,
    Codec,
    LocalStream,
    LocalTransport,
    NegotiationError,
    PublishedTrack,
    answer_publisher,
    answer_viewer,
    extensions,
    parse,
    parse_candidate,
    write,
)
from rtcengine.sdp.answer import MAX_LAYERS, MAX_RID, DeclaredStream
from rtcengine.sdp.description import Connection, Setup, SimulcastRid
from rtcengine.types import Direction, DtlsRole, Fingerprint

VECTORS = Path(__file__).parents[1] / "vectors" / "sdp"
LOCAL = LocalTransport(
    session_id=4611686018427387904,
    ice_ufrag="Wq3K8d0Z",
    ice_pwd="h9sJ2mXvB7tLpQeR4yUcN1oA",
    fingerprints=(Fingerprint("sha-256", bytes(range(32))),),
    candidates=(
        parse_candidate("candidate:1 1 udp 2130706431 198.51.100.1 8189 typ host"),
        parse_candidate("candidate:2 1 udp 2130706175 2001:db8::1 8189 typ host"),
    ),
)
STREAMS = {
    "audio": LocalStream(1001, None, "relay", "room", "audio"),
    "video": LocalStream(2001, 2002, "relay", "room", "video"),
}
VP8 = Codec(120, "VP8", 90000)
OPUS = Codec(109, "opus", 48000, 2, "useinbandfec=1")
H264 = Codec(106, "H264", 90000, None, "packetization-mode=1;profile-level-id=42e01f")
PUBLISHED = {
    "audio": PublishedTrack(OPUS, (extensions.AUDIO_LEVEL, extensions.MID)),
    "video": PublishedTrack(VP8, (extensions.VIDEO_ORIENTATION, extensions.PLAYOUT_DELAY)),
}


def offer_text(name: str) -> str:
    return (VECTORS / f"{name}_offer.sdp").read_bytes().decode()


def publish(text: str, **options: bool) -> Answer:
    return checked(text, answer_publisher(parse(text), LOCAL, **options))


def watch(text: str, published=None) -> Answer:
    return checked(text, answer_viewer(parse(text), LOCAL, PUBLISHED if published is None else published, STREAMS))


def checked(text: str, answer: Answer) -> Answer:
    """What holds for every answer, whoever asked."""
    offer, desc = parse(text), answer.description
    assert parse(write(desc)) == desc
    assert desc.ice_lite and "goog-remb" not in write(desc)
    assert [m.kind for m in desc.media] == [m.kind for m in offer.media]
    assert [m.mid for m in desc.media] == [m.mid for m in offer.media]
    assert [m.protocol for m in desc.media] == [m.protocol for m in offer.media]
    live = [m for m in desc.media if m.port]
    assert [m.mid for m in live] == [s.mid for s in answer.sections] and live
    assert [desc.media[s.index].mid for s in answer.sections] == [s.mid for s in answer.sections]
    if any(g.semantics == "BUNDLE" for g in offer.groups):
        assert [g.semantics for g in desc.groups] == ["BUNDLE"]
        assert sorted(desc.groups[0].mids) == sorted(str(m.mid) for m in live)
    for section in live:
        assert section.rtcp_mux and section.ice_ufrag == LOCAL.ice_ufrag and section.ice_pwd == LOCAL.ice_pwd
        assert section.fingerprints == list(LOCAL.fingerprints) and section.setup in (Setup.PASSIVE, Setup.ACTIVE)
        assert section.port == 8189 and section.connection == Connection("198.51.100.1")
        asked = next(m for m in offer.media if m.mid == section.mid)
        assert set(section.formats) <= set(asked.formats)
        assert {(e.id, e.uri) for e in section.extmaps} <= {(e.id, e.uri) for e in offer.extmaps_of(asked)}
        assert section.rtcp_rsize == asked.rtcp_rsize
    assert live[0].candidates == list(LOCAL.candidates) and live[0].end_of_candidates
    assert all(not m.candidates for m in live[1:])
    for section in desc.media:
        if not section.port:
            assert section.ice_ufrag is None and not section.bundle_only
    return answer


PUBLISHERS = [  # offer, audio pt, video pt and name, rtx, our DTLS role, feedback of video
    ("chromium", 111, 96, "VP8", 97, DtlsRole.SERVER, ("transport-cc", "ccm fir", "nack", "nack pli")),
    ("chromium_simulcast", 111, 96, "VP8", 97, DtlsRole.SERVER, ("transport-cc", "ccm fir", "nack", "nack pli")),
    ("firefox", 109, 120, "VP8", 124, DtlsRole.SERVER, ("nack", "nack pli", "ccm fir", "transport-cc")),
    ("firefox_simulcast", 109, 120, "VP8", 124, DtlsRole.SERVER, ("nack", "nack pli", "ccm fir", "transport-cc")),
    ("gst", 111, 96, "VP8", 97, DtlsRole.SERVER, ("nack", "nack pli", "ccm fir")),
    ("obs", 111, 96, "H264", None, DtlsRole.SERVER, ("nack", "nack pli")),
    ("ffmpeg_whip", 111, 106, "H264", 105, DtlsRole.CLIENT, ("nack",)),
]


@pytest.mark.parametrize(("name", "audio_pt", "video_pt", "video_name", "rtx", "role", "feedback"), PUBLISHERS)
def test_publishers(name, audio_pt, video_pt, video_name, rtx, role, feedback) -> None:
    answer = publish(offer_text(name))
    audio, video = answer.sections
    assert (audio.kind, audio.codec.payload_type, audio.rtx_payload_type) == ("audio", audio_pt, None)
    assert audio.codec.name.lower() == "opus"
    assert (video.kind, video.codec.payload_type, video.codec.name) == ("video", video_pt, video_name)
    assert video.rtx_payload_type == rtx and video.feedback == feedback
    assert video.direction is audio.direction is Direction.RECVONLY and answer.remote.dtls_role is role
    sections = [m for m in answer.description.media if m.port]
    assert sections[0].formats == (str(audio_pt),)
    assert sections[1].formats == (str(video_pt), *([str(rtx)] if rtx else []))
    assert all(m.direction is Direction.RECVONLY for m in sections)
    assert all(m.setup is (Setup.ACTIVE if role is DtlsRole.CLIENT else Setup.PASSIVE) for m in sections)
    if rtx:
        assert sections[1].codecs[1].fmtp == f"apt={video_pt}" and not sections[1].codecs[1].feedback
    assert all(m.port == 0 for m in answer.description.media if m.kind == "application")


def test_chromium_publisher_in_detail() -> None:
    answer = publish(offer_text("chromium"))
    audio, video = answer.sections
    assert audio.extensions == {
        extensions.AUDIO_LEVEL: 1,
        extensions.ABS_SEND_TIME: 2,
        extensions.TRANSPORT_CC: 3,
        extensions.MID: 4,
    }
    assert video.extensions == {
        extensions.ABS_SEND_TIME: 2,
        extensions.VIDEO_ORIENTATION: 13,
        extensions.TRANSPORT_CC: 3,
        extensions.PLAYOUT_DELAY: 5,
        extensions.CONTENT_TYPE: 6,
        extensions.VIDEO_TIMING: 7,
        extensions.COLOR_SPACE: 8,
        extensions.MID: 4,
        extensions.RID: 10,
        extensions.REPAIRED_RID: 11,
    }
    assert audio.feedback == ("transport-cc",)
    assert video.streams == (DeclaredStream(1138341171, 2458581880, "rzlwFUeBWyEDXGMp"),)
    assert audio.streams == (DeclaredStream(1199695029, None, "rzlwFUeBWyEDXGMp"),)
    assert answer.remote.ice_ufrag == "HIBQ" and answer.remote.ice_options == ("trickle",)
    assert len(answer.remote.candidates) == 6 and not answer.remote.end_of_candidates
    assert answer.remote.fingerprints[0].digest[:2] == b"\xe2\x6b"
    assert answer.description.extmap_allow_mixed
    assert answer.description.media[2].formats == ("webrtc-datachannel",)
    assert "a=fmtp:111 minptime=10;useinbandfec=1\r\n" in write(answer.description)


def test_firefox_extension_directions() -> None:
    answer = publish(offer_text("firefox_simulcast"))
    audio, video = answer.sections
    # csrc-audio-level is not ours, playout-delay is /recvonly for Firefox: it would never send it.
    assert extensions.PLAYOUT_DELAY not in video.extensions and set(audio.extensions.values()) == {1, 3, 7}
    written = write(answer.description)
    assert f"a=extmap:8/recvonly {extensions.DEPENDENCY_DESCRIPTOR}\r\n" in written
    assert f"a=extmap:9/recvonly {extensions.RID}\r\n" in written
    assert all(c.component == 1 for c in answer.remote.candidates) and answer.remote.end_of_candidates
    assert video.streams[1] == DeclaredStream(1583648860, 907722585, "{94c3c430-81b1-4b7e-9203-af307f32c855}")


def test_gstreamer_gets_no_transport_cc_without_its_extension() -> None:
    answer = publish(offer_text("gst"))
    assert answer.sections[0].feedback == () and answer.sections[0].extensions == {}
    assert "transport-cc" not in write(answer.description)
    assert answer.description.media[0].codecs[0].name == "OPUS"


@pytest.mark.parametrize("name", ["chromium_simulcast", "firefox_simulcast"])
def test_simulcast(name: str) -> None:
    answer = publish(offer_text(name))
    video = answer.description.media[1]
    assert answer.sections[1].rids == ("l", "m", "h") and answer.sections[0].rids == ()
    assert [(r.id, r.direction) for r in video.rids] == [("l", "recv"), ("m", "recv"), ("h", "recv")]
    assert video.simulcast is not None and not video.simulcast.send
    assert video.simulcast.recv == ((SimulcastRid("l"),), (SimulcastRid("m"),), (SimulcastRid("h"),))
    single = publish(offer_text(name), simulcast=False)
    assert single.sections[1].rids == () and single.description.media[1].simulcast is None


def test_rids_bound_to_other_payload_types_are_left_out() -> None:
    text = offer_text("chromium_simulcast").replace("a=rid:m send", "a=rid:m send pt=98")
    text = text.replace("a=rid:h send", "a=rid:h send pt=96,98;max-width=1280")
    answer = publish(text.replace("send l;m;h", "send l;m;h,m"))
    assert answer.sections[1].rids == ("l", "h")
    assert "a=rid:h recv pt=96;max-width=1280\r\n" in write(answer.description)
    assert "a=simulcast:recv l;h\r\n" in write(answer.description)


def test_simulcast_has_a_cap() -> None:
    names = [*"lmhqz", "r" * (MAX_RID + 1)]
    text = offer_text("chromium_simulcast").replace("send l;m;h", f"send {names[-1]};" + ";".join(names[:-1]))
    text = text.replace("a=rid:l send", "".join(f"a=rid:{name} send\r\n" for name in names[3:]) + "a=rid:l send")
    assert publish(text).sections[1].rids == ("l", "m", "h", "q") and MAX_LAYERS == 4
    # Without names in header extensions nobody could tell them apart.
    assert publish(text.replace(extensions.RID, "urn:x:other")).sections[1].rids == ()


def test_codec_is_the_first_of_the_offer_that_can_be_relayed() -> None:
    text = offer_text("chromium")
    formats = "96 97 102 103 104 107 108 109 114 115 116 117 39 40 45 46 98 99 100 101 118 119 120"
    for order, pt, rtx in (
        ("118 119 98 99 96 97", 98, 99),
        ("45 46 96", 45, 46),
        ("100 96", 100, None),
        ("102 103 108 109", 108, 109),  # Constrained Baseline instead of Baseline
        ("116 117 108", 116, 117),
        ("120 118 39 40", 39, 40),
    ):
        video = publish(text.replace(formats, order)).sections[1]
        assert video.codec is not None and (video.codec.payload_type, video.rtx_payload_type) == (pt, rtx)


def test_audio_alone_and_switched_off_sections() -> None:
    text = offer_text("obs")
    audio_only = text[: text.index("m=video")].replace("a=group:BUNDLE 0 1\r\n", "").replace("a=mid:0\r\n", "")
    answer = publish(audio_only)
    assert [s.mid for s in answer.sections] == [None] and not answer.description.groups
    answer = publish(text.replace("m=video 9", "m=video 0"))
    assert [s.kind for s in answer.sections] == ["audio"] and answer.description.groups[0].mids == ("0",)
    assert answer.description.media[1].port == 0


def test_our_tag_follows_the_offers_group() -> None:
    answer = publish(offer_text("chromium").replace("BUNDLE 0 1 2", "BUNDLE 2 1 0"))
    assert answer.description.groups[0].mids == ("1", "0")


def test_transport_comes_from_the_tagged_section() -> None:
    text = offer_text("chromium").replace("BUNDLE 0 1 2", "BUNDLE 1 0 2")
    video = text.index("m=video")
    text = text[:video] + text[video:].replace("a=ice-ufrag:HIBQ", "a=ice-ufrag:OTHR", 1)
    assert publish(text).remote.ice_ufrag == "OTHR"


@pytest.mark.parametrize(
    ("setup", "preferred", "role"),
    [
        ("actpass", DtlsRole.SERVER, DtlsRole.SERVER),
        ("actpass", DtlsRole.CLIENT, DtlsRole.CLIENT),
        ("active", DtlsRole.CLIENT, DtlsRole.SERVER),
        ("passive", DtlsRole.SERVER, DtlsRole.CLIENT),
    ],
)
def test_dtls_roles(setup: str, preferred: DtlsRole, role: DtlsRole) -> None:
    offer = parse(offer_text("chromium").replace("setup:actpass", f"setup:{setup}"))
    assert answer_publisher(offer, replace(LOCAL, dtls_role=preferred)).remote.dtls_role is role


def test_offer_without_setup_is_actpass() -> None:
    assert publish(offer_text("chromium").replace("a=setup:actpass\r\n", "")).remote.dtls_role is DtlsRole.SERVER


def test_tls_id_only_when_offered() -> None:
    local = replace(LOCAL, tls_id="ours56789012345678901")
    text = offer_text("obs")
    assert "tls-id" not in write(answer_publisher(parse(text), local).description)
    offered = text.replace("a=setup:actpass", "a=tls-id:theirs789012345678901\r\na=setup:actpass")
    answer = answer_publisher(parse(offered), local)
    assert answer.remote.tls_id == "theirs789012345678901"
    assert "a=tls-id:ours56789012345678901\r\n" in write(answer.description)


def test_without_a_literal_candidate_the_address_is_nowhere() -> None:
    named = parse_candidate("candidate:1 1 udp 2130706431 media.example.com 8189 typ host")
    answer = answer_publisher(parse(offer_text("obs")), replace(LOCAL, candidates=(named,)))
    assert answer.description.media[0].port == 9
    assert answer.description.media[0].connection == Connection("0.0.0.0")
    six = replace(LOCAL, candidates=LOCAL.candidates[1:])
    assert "c=IN IP6 2001:db8::1\r\n" in write(answer_publisher(parse(offer_text("obs")), six).description)


VIEWERS = [  # offer, audio pt, video pt, rtx
    ("chromium_whep", 111, 96, 97),
    ("firefox_whep", 109, 120, 124),
    ("gst_whep", 111, 96, 97),
]


@pytest.mark.parametrize(("name", "audio_pt", "video_pt", "rtx"), VIEWERS)
def test_viewers(name: str, audio_pt: int, video_pt: int, rtx: int) -> None:
    answer = watch(offer_text(name))
    audio, video = answer.sections
    assert (audio.codec.payload_type, video.codec.payload_type, video.rtx_payload_type) == (audio_pt, video_pt, rtx)
    assert audio.direction is video.direction is Direction.SENDONLY
    assert video.stream == STREAMS["video"] and "nack pli" in video.feedback
    written = write(answer.description)
    assert "a=ssrc-group:FID 2001 2002\r\n" in written and "a=ssrc:2002 cname:relay\r\n" in written
    assert "a=msid:room video\r\n" in written and "a=ssrc:1001 cname:relay\r\n" in written
    assert extensions.RID not in written and extensions.COLOR_SPACE not in written


def test_viewer_extensions_are_what_we_write_and_what_is_published() -> None:
    audio, video = watch(offer_text("chromium_whep")).sections
    assert video.extensions == {
        extensions.ABS_SEND_TIME: 2,
        extensions.VIDEO_ORIENTATION: 13,
        extensions.TRANSPORT_CC: 3,
        extensions.PLAYOUT_DELAY: 5,
        extensions.MID: 4,
    }
    assert audio.extensions[extensions.AUDIO_LEVEL] == 1
    answer = watch(offer_text("firefox_whep"))
    assert f"a=extmap:6/sendonly {extensions.PLAYOUT_DELAY}\r\n" in write(answer.description)


def test_viewer_profiles() -> None:
    def chosen(stream: Codec) -> int:
        codec = watch(offer_text("chromium_whep"), {"video": PublishedTrack(stream)}).sections[1].codec
        assert codec is not None
        return codec.payload_type

    assert chosen(Codec(1, "VP9", 90000, None, "profile-id=2")) == 100
    assert chosen(Codec(1, "vp9", 90000)) == 98
    assert chosen(Codec(1, "AV1", 90000, None, "profile=1")) == 47
    assert chosen(H264) == 108
    assert chosen(replace(H264, fmtp="packetization-mode=0;profile-level-id=4d001f")) == 39
    assert chosen(replace(H264, fmtp="packetization-mode=1;profile-level-id=42000d")) == 102


def test_ffmpeg_baseline_reaches_gstreamer_which_offers_constrained_baseline_only() -> None:
    ffmpeg = publish(offer_text("ffmpeg_whip")).sections[1]
    assert ffmpeg.codec is not None
    track = PublishedTrack(ffmpeg.codec, ffmpeg.extensions)
    video = watch(offer_text("gst_whep"), {"video": track}).sections[1]
    assert video.codec is not None and video.codec.payload_type == 102 and video.rtx_payload_type is None


def test_without_rtx_only_one_source_is_announced() -> None:
    answer = watch(offer_text("gst_whep"), {"video": PublishedTrack(H264)})
    assert [s.ssrc for s in answer.description.media[1].ssrcs] == [2001]
    assert not answer.description.media[1].ssrc_groups


def test_redundancy_is_taken_from_who_prefers_it_and_forwarded_to_who_takes_it() -> None:
    text = offer_text("chromium")
    assert publish(text).sections[0].red_payload_type is None  # it stands behind Opus
    preferred = text.replace("SAVPF 111 63 9", "SAVPF 63 111 9")
    answer = publish(preferred)
    audio = answer.sections[0]
    assert audio.codec is not None and (audio.codec.payload_type, audio.red_payload_type) == (111, 63)
    assert audio.feedback == ("transport-cc",)
    assert answer.description.media[0].formats == ("63", "111") and "a=fmtp:63 111/111\r\n" in write(answer.description)
    assert recv_config(audio).red_pt == 63

    for red, fits in ((True, True), (False, False)):
        answer = watch(offer_text("chromium_whep"), {"audio": PublishedTrack(audio.codec, red=red)})
        viewed = answer.sections[0]
        assert viewed.red_payload_type == (63 if fits else None)
        assert answer.description.media[0].formats == (("111", "63") if fits else ("111",))
        assert send_config(viewed).red_pt == viewed.red_payload_type
    viewed = watch(offer_text("firefox_whep"), {"audio": PublishedTrack(audio.codec, red=True)}).sections[0]
    assert viewed.codec is not None and (viewed.codec.payload_type, viewed.red_payload_type) == (109, None)


def test_stereo_of_the_publisher_is_told_to_viewers() -> None:
    opus = publish(offer_text("obs")).sections[0].codec
    assert opus is not None
    answer = watch(offer_text("chromium_whep"), {"audio": PublishedTrack(opus)})
    assert "a=fmtp:111 minptime=10;useinbandfec=1;sprop-stereo=1\r\n" in write(answer.description)


def test_kinds_nobody_publishes_are_inactive() -> None:
    answer = watch(offer_text("chromium_whep"), {"video": PUBLISHED["video"]})
    audio, video = answer.sections
    assert audio.direction is Direction.INACTIVE and audio.codec is None and audio.stream is None
    section = answer.description.media[0]
    assert section.formats == ("111",) and section.direction is Direction.INACTIVE and not section.ssrcs
    assert answer.description.groups[0].mids == ("0", "1") and video.direction is Direction.SENDONLY
    inactive = watch(offer_text("chromium_whep").replace("a=recvonly", "a=inactive"))
    assert all(s.direction is Direction.INACTIVE for s in inactive.sections)


def test_sendrecv_viewers_are_served() -> None:
    answer = watch(offer_text("firefox_whep").replace("a=recvonly\r\n", ""))
    assert all(s.direction is Direction.SENDONLY for s in answer.sections)
    answer = publish(offer_text("gst").replace("a=sendonly\r\n", "a=sendrecv\r\n"))
    assert all(s.direction is Direction.RECVONLY for s in answer.sections)


def test_viewer_without_the_codec_gets_406_that_names_it() -> None:
    with pytest.raises(NegotiationError) as e:
        watch(offer_text("firefox_whep"), {"audio": PUBLISHED["audio"], "video": PublishedTrack(H264)})
    assert e.value.status == 406 and e.value.mid == "1"
    assert e.value.codecs == ("opus", "H264 (profile-level-id=42e01f, packetization-mode=1)")
    assert "publisher sends H264" in str(e.value) and "VP8, VP9, AV1" in str(e.value)
    high = replace(H264, fmtp="packetization-mode=1;profile-level-id=64001f")
    with pytest.raises(NegotiationError) as e:
        watch(offer_text("gst_whep"), {"video": PublishedTrack(high)})
    assert e.value.status == 406


def drop(text: str, pattern: str) -> str:
    found = re.sub(rf"a={pattern}[^\r]*\r\n", "", text)
    assert found != text
    return found


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def again(text: str, start: str, mid: str) -> str:
    """The offer with one section doubled under another mid."""
    section = text[text.index(start) :]
    section = section[: section.index("m=", 2)] if "m=" in section[2:] else section
    text = re.sub(r"a=group:BUNDLE ([^\r]*)", rf"a=group:BUNDLE \1 {mid}", text)
    return text + re.sub(r"a=mid:[^\r]*", f"a=mid:{mid}", section)


# Plain RTP, SDES and missing fingerprints: tests/attack/test_downgrades.py.
REFUSED_BY_BOTH = {
    "holdconn": (lambda t: swap(t, "setup:actpass", "setup:holdconn"), "holdconn"),
    "no rtcp-mux": (lambda t: drop(t, "rtcp-mux"), "rtcp-mux"),
    "no ufrag": (lambda t: drop(t, "ice-ufrag"), "ice-ufrag"),
    "no pwd": (lambda t: drop(t, "ice-pwd"), "ice-pwd"),
    "lite": (lambda t: swap(t, "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"), "ICE-lite"),
    "no bundle": (lambda t: drop(t, "group:BUNDLE"), "BUNDLE"),
    "half a bundle": (lambda t: re.sub(r"BUNDLE (\w+)[^\r]*", r"BUNDLE \1", t), "BUNDLE"),
    "no mids": (lambda t: drop(t, "mid:"), "mid"),
    "two audio sections": (lambda t: again(t, "m=audio", "x"), "more than one audio"),
    "two video sections": (lambda t: again(t, "m=video", "x"), "more than one video"),
    "a text section": (lambda t: t + "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:t\r\n", "m=text"),
    "nothing": (lambda t: t[: t.index("m=audio")], "no audio or video"),
    "only data": (
        lambda t: t[: t.index("m=audio")] + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        "no audio or video",
    ),
    "all off": (lambda t: drop(re.sub(r"m=(\w+) \d+", r"m=\1 0", t) + "a=bundle-only\r\n", "bundle-only"), "no audio"),
}


@pytest.mark.parametrize("case", REFUSED_BY_BOTH)
@pytest.mark.parametrize("name", ["chromium", "firefox", "gst", "chromium_whep", "firefox_whep", "gst_whep"])
def test_refused_by_both(name: str, case: str) -> None:
    change, reason = REFUSED_BY_BOTH[case]
    text = change(offer_text(name))
    with pytest.raises(NegotiationError) as e:
        (watch if "whep" in name else publish)(text)
    assert e.value.status == 422 and reason in f"{e.value} "


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_publishers_must_send(direction: str) -> None:
    text = offer_text("chromium")
    with pytest.raises(NegotiationError, match="sendonly or sendrecv") as e:
        publish(text.replace("a=sendonly", f"a={direction}"))
    assert e.value.status == 422 and e.value.mid == "0"
    with pytest.raises(NegotiationError):
        publish(offer_text("chromium_whep"))


def test_viewers_must_receive() -> None:
    with pytest.raises(NegotiationError, match="recvonly or sendrecv") as e:
        watch(offer_text("firefox"))
    assert e.value.status == 422


def test_publisher_without_a_codec_we_carry() -> None:
    text = offer_text("obs").replace("opus/48000/2", "PCMU/8000")
    with pytest.raises(NegotiationError, match="PCMU") as e:
        publish(text)
    assert e.value.status == 422 and e.value.mid == "0"


def test_one_payload_type_in_two_sections() -> None:
    with pytest.raises(NegotiationError, match="payload type 111") as e:
        publish(offer_text("obs").replace(":96 ", ":111 ").replace("SAVPF 96", "SAVPF 111"))
    assert e.value.status == 422


def test_one_extension_id_for_two_things() -> None:
    text = offer_text("chromium").replace("extmap:13 urn:3gpp:video-orientation", "extmap:1 urn:3gpp:video-orientation")
    with pytest.raises(NegotiationError, match="extension id 1 ") as e:
        publish(text)
    assert e.value.status == 422


def test_payload_types_that_look_like_rtcp_are_not_chosen() -> None:
    text = offer_text("obs").replace(":96 ", ":72 ").replace("SAVPF 96", "SAVPF 72")
    with pytest.raises(NegotiationError):
        publish(text)


@pytest.mark.parametrize("name", [row[0] for row in PUBLISHERS])
def test_published_tracks_serve_chromium(name: str) -> None:
    tracks = {s.kind: PublishedTrack(s.codec, s.extensions) for s in publish(offer_text(name)).sections if s.codec}
    assert [s.direction for s in watch(offer_text("chromium_whep"), tracks).sections] == [Direction.SENDONLY] * 2
