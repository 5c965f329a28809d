"""When payload types mean the same codec, and which of them a relay takes."""

from __future__ import annotations

import pytest

from rtcengine.sdp import Codec, codecs, extensions, h264, parse
from rtcengine.sdp.codecs import Match, red_of
from rtcengine.sdp.description import Codecs, ExtMap
from rtcengine.sdp.h264 import Profile


def codec(name: str, fmtp: str | None = None, pt: int = 96, rate: int = 90000, channels: int | None = None) -> Codec:
    return Codec(pt, name, rate, channels, fmtp)


def avc(profile: str | None, mode: int | None = 1) -> Codec:
    parts = [f"profile-level-id={profile}"] if profile else []
    parts += [f"packetization-mode={mode}"] if mode is not None else []
    return codec("H264", ";".join(["level-asymmetry-allowed=1", *parts]))


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        # RFC 6184 table 5, each pattern with its free bits both ways
        ("42e01f", Profile.CONSTRAINED_BASELINE),
        ("42c00d", Profile.CONSTRAINED_BASELINE),
        ("42401f", Profile.CONSTRAINED_BASELINE),
        ("42F01F", Profile.CONSTRAINED_BASELINE),
        ("4d801f", Profile.CONSTRAINED_BASELINE),
        ("4de01f", Profile.CONSTRAINED_BASELINE),
        ("58c01f", Profile.CONSTRAINED_BASELINE),
        ("58f01f", Profile.CONSTRAINED_BASELINE),
        ("42001f", Profile.BASELINE),
        ("42b01f", Profile.BASELINE),
        ("42000d", Profile.BASELINE),
        ("58801f", Profile.BASELINE),
        ("4d001f", Profile.MAIN),
        ("4D401F", Profile.MAIN),
        ("58001f", Profile.EXTENDED),
        ("64001f", Profile.HIGH),
        ("640c1f", Profile.CONSTRAINED_HIGH),
        ("6e001f", Profile.HIGH_10),
        ("7a001f", Profile.HIGH_42),
        ("f4001f", Profile.HIGH_44),
        ("6e101f", Profile.HIGH_10_INTRA),
        ("7a101f", Profile.HIGH_42_INTRA),
        ("f4101f", Profile.HIGH_44_INTRA),
        ("2c101f", Profile.CAVLC_44_INTRA),
        ("42e11f", None),
        ("64401f", None),
        ("99001f", None),
        ("42e01", None),
        ("42e01fa", None),
        ("zze01f", None),
    ],
)
def test_h264_profiles(text: str, profile: Profile | None) -> None:
    assert h264.profile(avc(text)) is profile


def test_h264_defaults() -> None:
    assert h264.profile(codec("H264")) is Profile.BASELINE
    assert h264.packetization_mode(codec("H264")) == 0
    assert h264.packetization_mode(codec("H264", "Packetization-Mode=1")) == 1
    assert h264.packetization_mode(codec("H264", "packetization-mode=3")) is None


OPUS = codec("opus", "useinbandfec=1", 111, 48000, 2)

SAME = [
    (OPUS, codec("OPUS", None, 96, 48000, 2), True),
    (OPUS, codec("opus", None, 111, 48000, 1), False),
    (OPUS, codec("opus", None, 111, 48000, None), False),
    (codec("G722", rate=8000), codec("G722", rate=8000, channels=1), True),
    (codec("VP8"), codec("vp8", "max-fs=12288"), True),
    (codec("VP8"), codec("VP8", rate=48000), False),
    (codec("VP8"), codec("VP9"), False),
    (codec("VP9"), codec("VP9", "profile-id=0"), True),
    (codec("VP9", "profile-id=2"), codec("VP9", "profile-id=02"), True),
    (codec("VP9", "profile-id=2"), codec("VP9"), False),
    (codec("VP9", "profile-id=x"), codec("VP9", "profile-id=x"), False),
    (codec("AV1"), codec("AV1", "level-idx=5;profile=0;tier=0"), True),
    (codec("AV1", "profile=1"), codec("AV1"), False),
    (codec("H265"), codec("H265", "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"), True),
    (codec("H265"), codec("H265", "profile-id=2"), False),
    (avc("42e01f"), avc("42c034"), True),
    (avc("42e01f"), avc("4de01f"), True),
    (avc("42e01f"), avc("42001f"), False),
    (avc("42e01f", 1), avc("42e01f", 0), False),
    (avc("42e01f", 0), avc("42e01f", None), True),
    (avc(None, 0), avc("42000a", None), True),
    (avc("bad"), avc("bad"), False),
    (codec("rtx", "apt=96"), codec("RTX", "apt=96"), True),
    (codec("rtx", "apt=96"), codec("rtx", "apt=97"), False),
    (codec("rtx"), codec("rtx"), False),
]


@pytest.mark.parametrize(("a", "b", "same"), SAME, ids=range(len(SAME)))
def test_same_codec(a: Codec, b: Codec, same: bool) -> None:
    assert codecs.same_codec(a, b) is same and codecs.same_codec(b, a) is same


MATCHES = [  # offered, stream, how well
    (avc("42e01f"), avc("42e034"), Match.SAME),
    (avc("42001f"), avc("42e01f"), Match.SUPERSET),
    (avc("4d001f"), avc("42e01f"), Match.SUPERSET),
    (avc("640c1f"), avc("42e01f"), Match.SUPERSET),
    (avc("64001f"), avc("4d001f"), Match.SUPERSET),
    (avc("64001f"), avc("640c1f"), Match.SUPERSET),
    (avc("42e01f", 1), avc("42e01f", 0), Match.SUPERSET),
    (avc("42e01f", 0), avc("42e01f", 1), None),
    (avc("42e01f", 2), avc("42e01f", 1), None),
    (avc("42e01f", 2), avc("42e01f", 0), None),
    (avc("42e01f"), avc("42000d"), Match.LIKELY),
    (avc("64001f"), avc("42000d"), Match.LIKELY),
    (avc("58001f"), avc("42000d"), Match.SUPERSET),
    (avc("42e01f"), avc("4d001f"), None),
    (avc("42e01f"), avc("64001f"), None),
    (avc("4d001f"), avc("64001f"), None),
    (avc("640c1f"), avc("64001f"), None),
    (avc("bad"), avc("42e01f"), None),
    (codec("VP9"), codec("VP9", "profile-id=2"), None),
    (codec("VP8"), avc("42e01f"), None),
]


@pytest.mark.parametrize(("offered", "stream", "how"), MATCHES, ids=range(len(MATCHES)))
def test_match(offered: Codec, stream: Codec, how: Match | None) -> None:
    assert codecs.match(offered, stream) is how


RELAYABLE = [
    ("audio", OPUS, True),
    ("audio", codec("opus", rate=48000), False),
    ("audio", codec("PCMU", pt=0, rate=8000), False),
    ("video", OPUS, False),
    ("video", codec("vp8"), True),
    ("video", codec("VP8", pt=72), False),
    ("video", codec("VP8", rate=48000), False),
    ("video", codec("VP9", "profile-id=2"), True),
    ("video", codec("VP9", "profile-id=1"), False),
    ("video", codec("VP9", "profile-id=x"), False),
    ("video", avc("42e01f", 0), True),
    ("video", avc("42e01f", 2), False),
    ("video", avc("bad", 1), False),
    ("video", codec("AV1", "profile=1"), True),
    ("video", codec("AV1", "profile=3"), False),
    ("video", codec("H265"), True),
    ("video", codec("H265", "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"), True),
    ("video", codec("H265", "tx-mode=MRST"), False),
    ("video", codec("H265", "sprop-max-don-diff=2"), False),
    ("video", codec("H265", "profile-id=x"), False),
    ("video", codec("H266"), False),
    ("video", codec("rtx", "apt=97"), False),
    ("text", codec("VP8"), False),
]


@pytest.mark.parametrize(("kind", "one", "taken"), RELAYABLE, ids=range(len(RELAYABLE)))
def test_relayable(kind: str, one: Codec, taken: bool) -> None:
    assert codecs.relayable(kind, one) is taken


def video(*lines: str, formats: str = "96 97 98 99 100"):
    head = f"v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=video 9 UDP/TLS/RTP/SAVPF {formats}\n"
    return parse(head + "".join(f"a={line}\n" for line in lines)).media[0]


def test_find_rtx() -> None:
    section = video(
        "rtpmap:96 VP8/90000",
        "rtpmap:97 rtx/90000",
        "fmtp:97 apt=98",
        "rtpmap:98 VP9/90000",
        "rtpmap:99 RTX/90000",
        "fmtp:99 rtx-time=3000; apt=96",
        "rtpmap:100 rtx/90000",
    )
    for pt, rtx in ((96, 99), (98, 97)):
        found = codecs.find_rtx(section, pt)
        assert found is not None and found.payload_type == rtx
    assert codecs.find_rtx(section, 97) is None and codecs.find_rtx(section, 50) is None
    assert codecs.find_rtx(video("rtpmap:96 VP8/90000", "rtpmap:97 rtx/8000", "fmtp:97 apt=96"), 96) is None


def test_h265_is_the_last_choice() -> None:
    lines = ["rtpmap:96 H265/90000", "rtpmap:97 H264/90000", "fmtp:97 packetization-mode=1;profile-level-id=42e01f"]
    for found, number in ((video(*lines), 97), (video(lines[0]), 96)):
        chosen = codecs.choose_for_relay(found)
        assert chosen is not None and chosen.payload_type == number


def test_best_match_wins_over_order() -> None:
    section = video(
        "rtpmap:96 H264/90000",
        "fmtp:96 packetization-mode=1;profile-level-id=64001f",
        "rtpmap:97 H264/90000",
        "fmtp:97 packetization-mode=1;profile-level-id=42e01f",
        "rtpmap:98 H264/90000",
        "fmtp:98 packetization-mode=1;profile-level-id=42c01f",
    )
    for stream, pt in (("42e01f", 97), ("42001f", 96), ("4d001f", 96)):
        found = codecs.find_match(section, avc(stream))
        assert found is not None and found.payload_type == pt
    assert codecs.find_match(section, codec("VP8")) is None


def test_constrained_baseline_is_preferred_to_baseline() -> None:
    lines = [
        "rtpmap:96 H264/90000",
        "fmtp:96 packetization-mode=1;profile-level-id=42001f",
        "rtpmap:97 H264/90000",
        "fmtp:97 packetization-mode=0;profile-level-id=42e01f",
    ]
    chosen = codecs.choose_for_relay(video(*lines))
    assert chosen is not None and chosen.payload_type == 96
    more = ["rtpmap:98 H264/90000", "fmtp:98 packetization-mode=1;profile-level-id=42e01f"]
    chosen = codecs.choose_for_relay(video(*lines, *more))
    assert chosen is not None and chosen.payload_type == 98
    chosen = codecs.choose_for_relay(video("rtpmap:100 VP8/90000", *lines, *more, formats="100 96 97 98"))
    assert chosen is not None and chosen.payload_type == 100


def test_answer_fmtp() -> None:
    offered = codec("opus", "minptime=10;stereo=1;sprop-stereo=1;useinbandfec=1;cbr", 111, 48000, 2)
    assert codecs.answer_fmtp(offered) == "minptime=10;stereo=1;useinbandfec=1;cbr"
    stream = codec("opus", "sprop-stereo=1;sprop-evil=x y;sprop-maxcapturerate=evil", 96, 48000, 2)
    assert codecs.answer_fmtp(codec("opus", "minptime=10", 111, 48000, 2), stream) == "minptime=10;sprop-stereo=1"
    assert codecs.answer_fmtp(codec("VP8", "max-fs=12288;max-fr=60")) is None
    assert codecs.answer_fmtp(codec("VP9", "max-fs=12288;profile-id=2")) == "profile-id=2"
    assert codecs.answer_fmtp(avc("42e01f")) == "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1"


def test_describe_lets_no_foreign_text_through() -> None:
    assert codecs.describe(avc("42e01f")) == "H264 (profile-level-id=42e01f, packetization-mode=1)"
    assert codecs.describe(codec("VP9", "profile-id=2")) == "VP9 (profile-id=2)"
    assert codecs.describe(codec("VP9", "profile-id=\x1b[31m")) == "VP9"
    assert codecs.describe(codec("VP8")) == "VP8"


def test_feedback_of_merges_the_wildcard() -> None:
    section = video("rtpmap:96 VP8/90000", "rtcp-fb:96 nack", "rtcp-fb:* nack", "rtcp-fb:* ccm fir")
    assert codecs.feedback_of(section.codecs[0], section.wildcard_feedback) == ("nack", "ccm fir")


def offer_with(*extmaps: str, mixed: bool = False):
    lines = ["extmap-allow-mixed"] if mixed else []
    lines += [f"extmap:{entry}" for entry in extmaps]
    text = "v=0\no=- 1 2 IN IP4 0.0.0.0\ns=-\nt=0 0\n" + "m=video 9 UDP/TLS/RTP/SAVPF 96\n"
    return parse(text + "".join(f"a={line}\n" for line in lines))


EXTENSION_CASES = [  # offered, we send, answered
    (f"3 {extensions.MID}", False, "3 None"),
    (f"3/sendonly {extensions.MID}", False, "3 recvonly"),
    (f"3/recvonly {extensions.MID}", False, ""),
    (f"3/recvonly {extensions.MID}", True, "3 sendonly"),
    (f"3/sendonly {extensions.MID}", True, ""),
    (f"3/sendrecv {extensions.MID}", True, "3 None"),
    (f"3/inactive {extensions.MID}", True, ""),
    (f"15 {extensions.MID}", True, ""),
    (f"4096 {extensions.MID}", True, ""),
    ("3 urn:ietf:params:rtp-hdrext:toffset", True, ""),
]


@pytest.mark.parametrize(("offered", "sending", "answered"), EXTENSION_CASES)
def test_answer_extensions(offered: str, sending: bool, answered: str) -> None:
    offer = offer_with(offered)
    found = extensions.answer_extensions(offer, offer.media[0], extensions.FROM_PUBLISHER, sending=sending)
    assert [f"{e.id} {e.direction}" for e in found] == ([answered] if answered else [])


def test_two_byte_ids_only_when_mixing_is_allowed() -> None:
    offer = offer_with(f"20 {extensions.MID}", f"21 {extensions.MID}", f"2 {extensions.RID}", mixed=True)
    found = extensions.answer_extensions(offer, offer.media[0], extensions.FROM_PUBLISHER, sending=False)
    assert found == (ExtMap(20, extensions.MID), ExtMap(2, extensions.RID))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("42e01f", "3.1"),
        ("420034", "5.2"),
        ("640c28", "4"),
        ("42100b", "1b"),
        ("64000b", "1.1"),
        ("64100b", "1.1"),  # of High the flag is none of a level
        ("640009", "1b"),
        ("42e00a", "1"),
        ("42e020", "3.2"),
        ("42e021", "3.2"),  # between two
        ("42e000", "1"),
        ("42e0ff", "6.2"),
        ("42e0", None),
        ("nonsense", None),
    ],
)
def test_h264_levels(text: str, name: str | None) -> None:
    found = h264.level({"profile-level-id": text})
    assert (found.name if found is not None else None) == name


def test_h264_levels_in_order() -> None:
    """Table A-1, each row with more than the one before."""
    assert [level.name for level in h264.LEVELS][:4] == ["1", "1b", "1.1", "1.2"]
    assert list(h264.LEVELS) == sorted(h264.LEVELS)
    assert h264.level({}) is h264.USUAL_LEVEL and h264.USUAL_LEVEL.name == "3.1"
    assert h264.USUAL_LEVEL == (108_000, 3_600, 14_000_000, 14_000_000, 31)
    more = h264.receivable({"profile-level-id": "42e01f", "max-fs": "8192", "max-br": "20000", "max-mbps": "1", "max-cpb": "x"})
    assert more == (108_000, 8_192, 20_000_000, 14_000_000, 31)
    assert h264.receivable({"profile-level-id": "?"}) is None


@pytest.mark.parametrize(
    ("mine", "other", "both", "level"),
    [
        ("42e034", "42e01f", True, "42e034"),
        ("42e034", "42e01f", False, "42e01f"),
        ("42e01f", "42e034", False, "42e01f"),
        ("42e034", "42f00b", False, "42f00b"),  # 1b
        ("42f00b", "42e00b", False, "42f00b"),
        ("42f00b", "42e00a", False, "42f00a"),
        ("4d0034", "4d000b", False, "4d000b"),
        ("640034", "640009", False, "640009"),
        ("42E034", "42e034", False, "42E034"),
        ("42e034", "other", False, "42e034"),
    ],
)
def test_the_level_that_holds(mine: str, other: str, both: bool, level: str) -> None:
    """RFC 6184 §8.2.2."""
    how = "level-asymmetry-allowed=1;" if both else ""
    a, b = (codec("H264", f"{how}profile-level-id={text};packetization-mode=1") for text in (mine, other))
    assert h264.agreed(a, b) == f"{how}profile-level-id={level};packetization-mode=1"
    assert h264.agreed(codec("H264"), b) is None


RED = [  # RED's number, rate, channels, fmtp; place; whether it is Opus's
    (63, 48000, 2, "111/111", 1, True),
    (63, 48000, 2, "111/111", 0, True),
    (63, 48000, 2, "111", 1, True),
    (63, 48000, 2, "111/111/111", 1, True),
    (63, 48000, 2, "111/9", 1, False),
    (63, 48000, 2, "63/63", 1, False),
    (63, 48000, 2, "112/112", 1, False),
    (63, 48000, 2, None, 1, False),
    (63, 8000, 1, "111/111", 1, False),
    (63, 48000, None, "111/111", 1, False),
    (72, 48000, 2, "111/111", 1, False),  # looks like RTCP
]


@pytest.mark.parametrize(("pt", "rate", "channels", "fmtp", "place", "fits"), RED)
def test_red_of_opus(pt: int, rate: int, channels: int | None, fmtp: str | None, place: int, fits: bool) -> None:
    listed = [codec("opus", None, 111, 48000, 2), codec("G722", None, 9, 8000), codec("telephone-event", None, 110, 48000)]
    listed.insert(place, red := codec("red", fmtp, pt, rate, channels))
    assert red_of(Codecs(listed)) == ({111: (red, place == 0)} if fits else {})


def test_red_of_a_picture_is_none_of_sound() -> None:
    assert red_of(Codecs([codec("VP8"), codec("red", None, 118), codec("rtx", "apt=118", 119)])) == {}
