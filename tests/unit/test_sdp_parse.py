"""Reading and writing descriptions: nothing lost, what clients do wrong let pass, what is broken named by its line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rtcengine.sdp import SdpError, SessionDescription, parse, write
from rtcengine.sdp.description import Bandwidth, Connection, ExtMap, Identity, Msid, Setup, SimulcastRid, Timing
from rtcengine.types import Direction, Fingerprint

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "sdp").glob("*.sdp"))
BY_NAME = {path.stem: path.read_bytes().decode() for path in VECTORS}

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"


def sections(text: str) -> list[Counter[str]]:
    """The lines of the session level and of each section, without their order."""
    found: list[Counter[str]] = [Counter()]
    for line in text.replace("\r\n", "\n").rstrip("\n").split("\n"):
        if line.startswith("m="):
            found.append(Counter())
        found[-1][line] += 1
    return found


def media(*lines: str, first: str = VIDEO) -> str:
    return HEAD + first + "".join(f"{line}\r\n" for line in lines)


def only(*lines: str, first: str = VIDEO):
    return parse(media(*lines, first=first)).media[0]


def test_there_are_vectors() -> None:
    assert len(VECTORS) == 10


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.stem)
def test_every_line_survives(path: Path) -> None:
    text = path.read_bytes().decode()
    written = write(parse(text))
    static = {"a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:9 G722/8000", "a=rtpmap:13 CN/8000"}
    for before, after in zip(sections(text), sections(written), strict=True):
        assert before - after == Counter()
        assert set(after - before) <= static
    assert written.endswith("\r\n") and written.count("\n") == written.count("\r\n")


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.stem)
def test_reading_what_was_written_is_the_same(path: Path) -> None:
    once = parse(path.read_bytes())
    assert parse(write(once)) == once
    assert write(parse(write(once))) == write(once)


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.stem)
def test_bare_line_feeds_and_trailing_empty_lines(path: Path) -> None:
    text = path.read_bytes().decode()
    assert parse(text.replace("\r\n", "\n")) == parse(text)
    assert parse(text + "\r\n\n") == parse(text)
    assert parse(text.rstrip("\r\n")) == parse(text)


def test_chromium_in_detail() -> None:
    desc = parse(BY_NAME["chromium_offer"])
    assert desc.origin.session_id == "3168837546663670522" and desc.msid_semantic == " WMS"
    assert desc.extmap_allow_mixed and desc.groups[0].mids == ("0", "1", "2")
    audio, video, data = desc.media
    assert audio.port == 34372 and audio.connection == Connection("127.0.0.1")
    assert [c.protocol for c in audio.candidates] == ["udp"] * 3 + ["tcp"] * 3
    assert audio.candidates[0].extension("network-cost") == "50"
    assert audio.direction is Direction.SENDONLY and audio.rtcp_mux and audio.rtcp_rsize
    assert audio.msids == [Msid("-", "829a20dd-1537-4c69-ba59-885934b77b4c")]
    opus = audio.codec(111)
    assert opus is not None and (opus.name, opus.clock_rate, opus.channels) == ("opus", 48000, 2)
    assert opus.parameters == {"minptime": "10", "useinbandfec": "1"} and opus.feedback == ("transport-cc",)
    assert len(video.formats) == len(video.codecs) == 23
    vp8 = video.codec(96)
    assert vp8 is not None and vp8.feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert ExtMap(13, "urn:3gpp:video-orientation") in video.extmaps
    assert video.ssrc_groups[0].ssrcs == (1138341171, 2458581880)
    assert [s.cname for s in video.ssrcs] == ["rzlwFUeBWyEDXGMp"] * 2
    assert video.attribute("rtcp-xr") is not None
    assert data.is_sctp and data.sctp_port == 5000 and data.max_message_size == 262144
    assert desc.setup_of(video) is Setup.ACTPASS
    assert [f.algorithm for f in desc.fingerprints_of(video)] == ["sha-256"]


def test_firefox_in_detail() -> None:
    desc = parse(BY_NAME["firefox_simulcast_offer"])
    audio, video, data = desc.media
    assert desc.direction is Direction.SENDRECV and desc.direction_of(audio) is Direction.SENDONLY
    assert {c.component for c in audio.candidates} == {1, 2} and audio.end_of_candidates
    assert audio.rtcp is not None and audio.rtcp.port == 48168
    assert video.bundle_only and not video.is_rejected and not data.is_rejected
    assert video.extmaps[3].direction is Direction.RECVONLY
    assert [rid.id for rid in video.rids] == ["l", "m", "h"]
    assert video.simulcast is not None
    assert video.simulcast.send == ((SimulcastRid("l"),), (SimulcastRid("m"),), (SimulcastRid("h"),))
    assert [g.ssrcs[1] for g in video.ssrc_groups] == [3315198942, 907722585, 1374156082]
    assert desc.fingerprints_of(video) == desc.fingerprints and not video.fingerprints


def test_obs_transport_is_at_session_level() -> None:
    desc = parse(BY_NAME["obs_offer"])
    for section in desc.media:
        assert section.ice_ufrag is None and section.setup is None and not section.candidates
        assert desc.ice_of(section) == ("k3Vd", "8rWmT0cQf5yLz1HsJb2NxE")
        assert desc.setup_of(section) is Setup.ACTPASS and len(desc.fingerprints_of(section)) == 1
        assert desc.ice_options_of(section) == ["ice2", "trickle"]
    assert [g.semantics for g in desc.groups] == ["BUNDLE", "LS"]


def test_bundle_only_sections_take_the_tagged_transport() -> None:
    desc = parse(
        HEAD + "a=group:BUNDLE a v\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
        "a=setup:active\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\na=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n"
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=bundle-only\r\na=rtpmap:96 VP8/90000\r\n"
    )
    video = desc.media[1]
    assert desc.ice_of(video) == ("abcd", "0123456789012345678901")
    assert desc.fingerprints_of(video) == [Fingerprint("sha-256", b"\xab" * 32)]
    assert desc.setup_of(video) is Setup.ACTIVE and desc.rtcp_mux_of(video)
    assert len(desc.candidates_of(video)[0]) == 1


def test_half_credentials_are_not_mixed_between_levels() -> None:
    desc = parse(HEAD + "a=ice-ufrag:sess\r\na=ice-pwd:0123456789012345678901\r\n" + VIDEO + "a=ice-ufrag:medi\r\n")
    assert desc.ice_of(desc.media[0]) == ("sess", "0123456789012345678901")


def test_missing_name_and_time() -> None:
    desc = parse("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n")
    assert desc.name == "-" and desc.times == [Timing(0, 0)]
    assert write(desc) == HEAD


def test_all_line_types_of_rfc_8866() -> None:
    text = (
        "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call\r\ni=Info\r\nu=https://example.com/\r\n"
        "e=jane@example.com\r\np=+1 617 555\r\nc=IN IP6 2001:db8::1\r\nb=AS:500\r\nb=X-YZ:128\r\n"
        "t=3724394400 3724398000\r\nr=7d 1h 0 25h\r\nt=0 0\r\nz=2882844526 -1h\r\nk=prompt\r\na=recvonly\r\n"
        "m=audio 49170/2 RTP/AVP 0 8\r\ni=Mic\r\nc=IN IP4 224.2.1.1/127\r\nb=TIAS:64000\r\nk=clear:x\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=maxptime:2.5\r\na=framerate:30\r\n"
    )
    desc = parse(text)
    assert sections(write(desc)) == sections(text)
    assert desc.times == [Timing(3724394400, 3724398000, ("7d 1h 0 25h",)), Timing(0, 0)]
    assert desc.media[0].port_count == 2 and desc.media[0].bandwidth == [Bandwidth("TIAS", 64000)]
    assert desc.media[0].ptime == 20 and desc.media[0].maxptime == 2.5
    assert parse(write(desc)) == desc
    assert desc.media[0].is_rtp and not desc.media[0].is_secure_rtp


def test_static_payload_types_need_no_rtpmap() -> None:
    section = only(first="m=audio 9 UDP/TLS/RTP/SAVPF 0 8 96\r\n")
    assert [(c.payload_type, c.name) for c in section.codecs] == [(0, "PCMU"), (8, "PCMA")]
    assert section.formats == ("0", "8", "96")


def test_lines_for_absent_payload_types_are_kept_in_order() -> None:
    section = only("a=x-before:1", "a=rtcp-fb:50 nack", "a=x-between", "a=rtpmap:51 VP8/90000", "a=fmtp:52 a=b", "a=x-after:")
    assert [(a.name, a.value) for a in section.attributes] == [
        ("x-before", "1"),
        ("rtcp-fb", "50 nack"),
        ("x-between", None),
        ("rtpmap", "51 VP8/90000"),
        ("fmtp", "52 a=b"),
        ("x-after", ""),
    ]


def test_fmtp_may_come_first_and_twice() -> None:
    section = only("a=fmtp:96 x-a=1", "a=rtcp-fb:96 nack", "a=rtpmap:96 VP9/90000", "a=fmtp:96 profile-id=2")
    codec = section.codecs[0]
    assert codec.parameters == {"x-a": "1", "profile-id": "2"} and codec.feedback == ("nack",)
    assert only("a=rtpmap:96 VP8/90000", "a=fmtp:96 ").codecs[0].parameters == {}


def test_wildcard_feedback() -> None:
    section = only("a=rtpmap:96 VP8/90000", "a=rtcp-fb:* nack", "a=rtcp-fb:* ccm fir")
    assert section.wildcard_feedback == ("nack", "ccm fir")
    assert "a=rtcp-fb:* ccm fir\r\n" in write(parse(media("a=rtcp-fb:* ccm fir")))


def test_unknown_hashes_are_kept_but_not_trusted() -> None:
    section = only("a=fingerprint:md5 00:11:22", f"a=fingerprint:SHA-1 {':'.join(['0a'] * 20)}")
    assert section.fingerprints == [Fingerprint("sha-1", b"\x0a" * 20)]
    assert section.attribute("fingerprint") is not None
    assert "a=fingerprint:md5 00:11:22\r\n" in write(parse(media("a=fingerprint:md5 00:11:22")))


def test_rid_and_simulcast_in_full() -> None:
    lines = ("a=rid:1 send pt=96,97;max-width=1280;max-fps=30", "a=rid:2 recv", "a=simulcast:send 1,~4;3 recv 2")
    section = only(*lines)
    assert section.rids[0].payload_types == (96, 97)
    assert section.rids[0].restrictions == (("max-width", "1280"), ("max-fps", "30"))
    assert section.simulcast is not None
    assert section.simulcast.send == ((SimulcastRid("1"), SimulcastRid("4", True)), (SimulcastRid("3"),))
    assert section.simulcast.recv == ((SimulcastRid("2"),),)
    assert sections(write(parse(media(*lines)))) == sections(media(*lines))


def test_extmap_with_direction_and_attributes() -> None:
    line = "a=extmap:4/sendonly urn:ietf:params:rtp-hdrext:encrypt urn:x y"
    assert only(line).extmaps == (ExtMap(4, "urn:ietf:params:rtp-hdrext:encrypt", Direction.SENDONLY, "urn:x y"),)
    assert f"{line}\r\n" in write(parse(media(line)))
    assert len(only("a=extmap:4096 urn:a", "a=extmap:4096 urn:b").extmaps) == 2


def test_saying_the_same_twice_is_let_pass() -> None:
    assert only("a=mid:v", "a=mid:v", "a=sendonly", "a=sendonly").mid == "v"


def test_flags_for_negotiation() -> None:
    assert only("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc").has_crypto
    plain = only(first="m=video 9 RTP/SAVP 96\r\n")
    assert plain.is_rtp and not plain.is_secure_rtp and not plain.is_sctp
    assert only(first="m=application 9 DTLS/SCTP 5000\r\n").formats == ("5000",)


def test_writing_refuses_forged_lines() -> None:
    for bad in ("x\r\na=ice-lite", "x\n", "\0"):
        desc = parse(media("a=mid:0"))
        desc.name = bad
        with pytest.raises(SdpError, match="line 3 "):
            write(desc)


def test_identity() -> None:
    said = "a=identity:QUJDRA== foo;bar=baz"
    text = HEAD + said + "\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=identity:QUJD\r\n"
    desc = parse(text)
    assert desc.identity == Identity("QUJDRA==", "foo;bar=baz") and said + "\r\n" in write(desc)
    assert parse(write(desc)) == desc
    assert desc.media[0].attribute("identity") is not None  # of the session or of nobody
    desc.identity = Identity("QUJD")
    assert "\r\na=identity:QUJD\r\n" in write(desc)
    assert parse(HEAD + "a=identity:QUJD\r\na=identity:QUJD\r\n").identity == desc.identity
    for bad in ("", "!", "QUJ", "QUJDR===", "QUJD ", "QU-_", "QUJD\ta", "a=b"):
        with pytest.raises(SdpError, match="line 5 .*identity"):
            parse(HEAD + f"a=identity:{bad}\r\n")
    with pytest.raises(SdpError, match="line 6 .*contradicts"):
        parse(HEAD + "a=identity:QUJD\r\na=identity:QUJE\r\n")


# Every row: the line at fault (it is the sixth, after the four of HEAD and the m-line), what the message says.
BAD_MEDIA_LINES = [
    ("a=rtpmap:128 VP8/90000", "payload type 128"),
    ("a=rtpmap:4294967296 VP8/90000", "payload type 4294967296"),
    ("a=rtpmap:-1 VP8/90000", "payload type"),
    ("a=rtpmap:٩٦ VP8/90000", "payload type"),
    ("a=rtpmap:96 VP8", "rtpmap"),
    ("a=rtpmap:96 VP8/0", "clock rate"),
    ("a=rtpmap:96 VP8/90000/1/1", "rtpmap"),
    ("a=rtpmap:96", "rtpmap"),
    ("a=rtpmap", "value"),
    ("a=fmtp:300 a=b", "payload type"),
    ("a=rtcp-fb:96", "rtcp-fb"),
    ("a=rtcp-fb:x nack", "payload type"),
    ("a=mid:", "mid"),
    ("a=mid:a b", "mid"),
    ("a=ice-ufrag:abc", "ice-ufrag"),
    ("a=ice-ufrag:ab:cd", "ice-ufrag"),
    ("a=ice-pwd:short", "ice-pwd"),
    ("a=ice-pwd:" + "a" * 257, "ice-pwd"),
    ("a=setup:maybe", "setup"),
    ("a=fingerprint:sha-256 AB:CD", "sha-256"),
    ("a=fingerprint:sha-256", "fingerprint"),
    ("a=fingerprint:sha-256 " + "ABCD" * 16, "hex"),
    ("a=tls-id:short", "tls-id"),
    ("a=extmap:0 urn:x", "extension id 0"),
    ("a=extmap:256 urn:x", "extension id 256"),
    ("a=extmap:1/up urn:x", "direction"),
    ("a=extmap:1", "extmap"),
    ("a=candidate:1 1 udp 1 192.0.2.1 70000 typ host", "port 70000"),
    ("a=candidate:1 1 udp 1 192.0.2.1 1 host", "candidate"),
    ("a=ssrc:4294967296 cname:x", "ssrc 4294967296"),
    ("a=ssrc:1", "ssrc attribute"),
    ("a=ssrc-group:FID 1 x", "ssrc"),
    ("a=rid:1 up", "rid"),
    ("a=rid:a/b send", "rid"),
    ("a=rid:1 send pt=200", "payload type 200"),
    ("a=simulcast:send", "simulcast"),
    ("a=simulcast:up 1", "simulcast"),
    ("a=simulcast:send 1 send 2", "simulcast"),
    ("a=sctp-port:65536", "sctp-port"),
    ("a=max-message-size:-1", "max-message-size"),
    ("a=ptime:0", "ptime"),
    ("a=ptime:1e9", "ptime"),
    ("a=rtcp:x", "port"),
    ("a=rtcp-mux:yes", "no value"),
    ("a=sendonly:yes", "no value"),
    ("a=", "attribute name"),
    ("a= mid:0", "attribute name"),
    ("c=IN IP4", "connection"),
    ("b=500", "bandwidth"),
    ("b=AS:many", "bandwidth"),
    ("o=- 1 1 IN IP4 0.0.0.0", "no place"),
    ("x=1", "no place"),
    ("nonsense", "<letter>"),
    ("", "<letter>"),
    ("A=mid:0", "<letter>"),
    ("a=x:a\rb", "carriage return"),
    ("a=x:a\0b", "NUL"),
    ("a=x:" + "y" * 8192, "longer"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_MEDIA_LINES, ids=[repr(row[0][:40]) for row in BAD_MEDIA_LINES])
def test_errors_name_their_line(line: str, reason: str) -> None:
    with pytest.raises(SdpError) as e:
        parse(media(line, "a=x-after"))
    assert e.value.line == 6 and e.value.text == line
    assert "line 6 " in str(e.value) and reason in str(e.value)
    assert len(str(e.value)) < 300 and str(e.value).isprintable()


BAD_DOCUMENTS = [
    ("", 1, "empty"),
    ("\r\n\r\n", 1, "empty"),
    ("o=- 1 2 IN IP4 0.0.0.0\r\n", 1, "v=0"),
    ("v=1\r\n", 1, "v=0"),
    ("v=0\r\ns=-\r\n", 2, "no o= line"),
    ("v=0\r\no=- 1 IN IP4 0.0.0.0\r\n", 2, "origin"),
    ("v=0\r\no=- x 1 IN IP4 0.0.0.0\r\n", 2, "session id"),
    (HEAD.replace("t=0 0", "t=0"), 4, "time"),
    (HEAD + "r=1 2 3\r\n", 0, ""),
    (HEAD.replace("t=0 0\r\n", "r=7d 1h 0\r\n"), 4, "r= before"),
    (HEAD + "s=again\r\n", 5, "contradicts"),
    (HEAD + "v=0\r\n", 5, "no place"),
    (HEAD + "m=video 9 UDP/TLS/RTP/SAVPF\r\n", 5, "media line"),
    (HEAD + "m=video 9 UDP/TLS/RTP/SAVPF 128\r\n", 5, "payload type 128"),
    (HEAD + "m=video 65536 UDP/TLS/RTP/SAVPF 96\r\n", 5, "port 65536"),
    (HEAD + "m=video 9/0 UDP/TLS/RTP/SAVPF 96\r\n", 5, "number of ports"),
    (HEAD + "m=video 9 UDP//X 96\r\n", 5, "protocol"),
    (HEAD + VIDEO + "a=mid:0\r\n" + VIDEO + "i=mid:\r\na=mid:0\r\n", 9, "mid"),
    (media("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP9/90000"), 7, "another codec"),
    (media("a=extmap:1 urn:a", "a=extmap:1 urn:b"), 7, "extension id 1"),
    (media("a=sendonly", "a=recvonly"), 7, "contradicts"),
    (media("a=mid:a", "a=mid:b"), 7, "contradicts"),
    (media("a=rid:1 send", "a=rid:1 send"), 7, "twice"),
    (HEAD + VIDEO * 65, 69, "64 media sections"),
    (HEAD + "a=x\r\n" * 1997, 2001, "2000 lines"),
    (HEAD + ("a=x:" + "y" * 8000 + "\r\n") * 9, 13, "65536 bytes"),
    (HEAD + ("a=x:" + "é" * 4000 + "\r\n") * 9, 13, "65536 bytes"),
    (HEAD + "a=x:\ud800\r\n", 5, "UTF-8"),
]


@pytest.mark.parametrize(("text", "line", "reason"), BAD_DOCUMENTS, ids=range(len(BAD_DOCUMENTS)))
def test_broken_documents(text: str, line: int, reason: str) -> None:
    if not line:
        parse(text)
        return
    with pytest.raises(SdpError) as e:
        parse(text)
    assert e.value.line == line and reason in str(e.value) and f"line {line} " in str(e.value)
    assert isinstance(e.value, ValueError)


def test_bytes_that_are_not_utf8() -> None:
    with pytest.raises(SdpError, match=r"line 5 .*UTF-8"):
        parse(HEAD.encode() + b"i=\xff\xfe\r\n")
    assert parse((HEAD + "i=é\r\n").encode()).information == "é"


def test_limits_are_inclusive() -> None:
    assert len(parse(HEAD + VIDEO * 64).media) == 64
    assert len(parse(HEAD + "a=x\r\n" * 1996).attributes) == 1996
    room = 65536 - len(HEAD)
    rows = ["a=x:" + "y" * 8000] * (room // 8006)
    text = HEAD + "".join(f"{row}\r\n" for row in rows)
    text += "a=x:" + "z" * (65536 - len(text) - 6) + "\r\n"
    assert len(text) == 65536
    assert isinstance(parse(text), SessionDescription)
    with pytest.raises(SdpError, match="65536 bytes"):
        parse(text + "\n")
