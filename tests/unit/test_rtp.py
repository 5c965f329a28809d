"""rtcengine.rtp, packets and header extensions: agreement with aiortc in both directions, RFC examples, hostile bytes."""

from __future__ import annotations

import random
import re
import struct
from dataclasses import replace
from pathlib import Path

import aiortc.rtp
import pytest
from aiortc import RTCRtpHeaderExtensionParameters, RTCRtpParameters

from rtcengine.rtp import Extension, ExtensionIds, RtpFormatError, RtpPacket

IDS = ExtensionIds(
    {1: Extension.MID, 3: Extension.ABS_SEND_TIME, 5: Extension.TWCC, 9: Extension.AUDIO_LEVEL, 14: Extension.RID}
)
HEAD = bytes.fromhex("80 60 1234 00000abc deadbeef")


def aiortc_map(ids: ExtensionIds) -> aiortc.rtp.HeaderExtensionsMap:
    found = aiortc.rtp.HeaderExtensionsMap()
    extensions = [RTCRtpHeaderExtensionParameters(id=number, uri=uri) for number, uri in ids.by_id.items()]
    found.configure(RTCRtpParameters(headerExtensions=extensions))
    return found


def with_extension(profile: int, block: bytes, payload: bytes = b"xyz") -> bytes:
    return bytes([0x90]) + HEAD[1:] + struct.pack("!HH", profile, len(block) // 4) + block + payload


def some_packet(rng: random.Random, keyed_by_uri: bool) -> RtpPacket:
    packet = RtpPacket(
        payload_type=rng.randrange(128),
        sequence_number=rng.choice([0, 65535, rng.randrange(65536)]),
        timestamp=rng.choice([0, 2**32 - 1, rng.randrange(2**32)]),
        ssrc=rng.randrange(2**32),
        payload=rng.randbytes(rng.choice([0, 1, rng.randrange(1400)])),
        marker=rng.random() < 0.5,
        csrcs=[rng.randrange(2**32) for _ in range(rng.choice([0, 0, 1, 15]))],
        padding=rng.choice([0, 0, 1, 4, 255]),
    )
    if keyed_by_uri:
        packet.extensions = {
            Extension.MID: rng.choice([b"0", b"video"]),
            Extension.ABS_SEND_TIME: rng.randbytes(3),
            Extension.TWCC: rng.randbytes(2),
            Extension.AUDIO_LEVEL: rng.randbytes(1),
            Extension.RID: rng.choice([b"hi", b"q" * 17]),  # 17 bytes need the two-byte form
        }
        for key in rng.sample(list(packet.extensions), rng.randrange(6)):
            del packet.extensions[key]
    elif rng.random() < 0.7:
        numbers = rng.sample(range(1, rng.choice([15, 256])), rng.randrange(15))
        packet.extensions = {number: rng.randbytes(rng.choice([0, 1, 16, 17, 255])) for number in numbers}
    elif rng.random() < 0.5:
        packet.other_extension = rng.choice([0xABAC, 0, 0xFFFF, 0xBEDF]), rng.randbytes(4 * rng.randrange(20))
    return packet


def test_there_and_back() -> None:
    rng = random.Random(1)
    for n in range(10_000):
        packet = some_packet(rng, keyed_by_uri=n % 2 == 0)
        ids = IDS if n % 2 == 0 else None
        assert RtpPacket.parse(packet.serialize(ids), ids) == packet


def test_what_aiortc_writes_we_read() -> None:
    rng, theirs_ids = random.Random(2), aiortc_map(IDS)
    for _ in range(5000):
        mine = some_packet(rng, keyed_by_uri=True)
        theirs = aiortc.rtp.RtpPacket(mine.payload_type, mine.marker, mine.sequence_number, mine.timestamp, mine.ssrc)
        theirs.payload = mine.payload
        theirs.csrc = mine.csrcs
        theirs.padding_size = mine.padding
        values = mine.extensions
        if Extension.MID in values:
            theirs.extensions.mid = values[Extension.MID].decode()
        if Extension.RID in values:
            theirs.extensions.rtp_stream_id = values[Extension.RID].decode()
        if Extension.ABS_SEND_TIME in values:
            theirs.extensions.abs_send_time = int.from_bytes(values[Extension.ABS_SEND_TIME])
        if Extension.TWCC in values:
            theirs.extensions.transport_sequence_number = int.from_bytes(values[Extension.TWCC])
        if Extension.AUDIO_LEVEL in values:
            level = values[Extension.AUDIO_LEVEL][0]
            theirs.extensions.audio_level = (level > 127, level & 127)
        wire = theirs.serialize(theirs_ids)
        read = RtpPacket.parse(wire, IDS)
        # aiortc fills padding with random bytes; only the last one means something
        assert read == mine
        assert len(mine.serialize(IDS)) == len(wire)


def test_what_we_write_aiortc_reads() -> None:
    rng, theirs_ids = random.Random(3), aiortc_map(IDS)
    for _ in range(5000):
        mine = some_packet(rng, keyed_by_uri=True)
        theirs = aiortc.rtp.RtpPacket.parse(mine.serialize(IDS), theirs_ids)
        assert (theirs.payload_type, theirs.sequence_number, theirs.timestamp, theirs.ssrc) == (
            mine.payload_type,
            mine.sequence_number,
            mine.timestamp,
            mine.ssrc,
        )
        assert (theirs.payload, bool(theirs.marker), theirs.csrc, theirs.padding_size) == (
            mine.payload,
            mine.marker,
            mine.csrcs,
            mine.padding,
        )
        got, sent = theirs.extensions, mine.extensions
        assert (got.mid or "").encode() == sent.get(Extension.MID, b"")
        assert (got.rtp_stream_id or "").encode() == sent.get(Extension.RID, b"")
        assert got.abs_send_time == (int.from_bytes(sent[Extension.ABS_SEND_TIME]) if Extension.ABS_SEND_TIME in sent else None)
        assert got.transport_sequence_number == (int.from_bytes(sent[Extension.TWCC]) if Extension.TWCC in sent else None)


def test_bytes_of_a_packet() -> None:
    packet = RtpPacket(96, 0x1234, 0xABC, 0xDEADBEEF, b"\x01\x02", True, [7], {1: b"0", 3: b"\xaa\xbb\xcc"}, 3)
    want = bytes.fromhex("b1 e0 1234 00000abc deadbeef 00000007 bede 0002 10 30 32 aabbcc 0000 0102 000003")
    assert packet.serialize() == want
    assert RtpPacket.parse(want) == packet


def test_one_byte_form() -> None:
    """RFC 8285 §4.2: padding anywhere, id 15 ends it, the last of equal ids counts, what is cut is not there."""
    for block, want in [
        ("10 aa 00 00 21 bb cc 00", {1: b"\xaa", 2: b"\xbb\xcc"}),
        ("10 aa f0 bb 20 cc 00 00", {1: b"\xaa"}),
        ("10 aa 10 bb", {1: b"\xbb"}),
        ("10 aa 2f bb", {1: b"\xaa"}),
        ("00 00 00 00", {}),
        ("", {}),
        ("1f" + "ee" * 16 + "000000", {1: b"\xee" * 16}),
    ]:
        assert RtpPacket.parse(with_extension(0xBEDE, bytes.fromhex(block))).extensions == want


def test_two_byte_form() -> None:
    """RFC 8285 §4.3, with any of the 16 values of appbits."""
    block = bytes.fromhex("01 00 0f 01 aa 00 ff 02 bb cc 00 00")
    for profile in range(0x1000, 0x1010):
        packet = RtpPacket.parse(with_extension(profile, block))
        assert packet.extensions == {1: b"", 15: b"\xaa", 255: b"\xbb\xcc"}
        assert packet.payload == b"xyz"
    assert RtpPacket.parse(with_extension(0x1000, bytes.fromhex("01 01 aa 02"))).extensions == {1: b"\xaa"}
    assert RtpPacket.parse(with_extension(0x1000, bytes.fromhex("01 ff aa aa"))).extensions == {}


def test_more_than_fifteen_ids_are_read() -> None:
    block = b"".join(bytes([number, 1, number]) for number in range(1, 256)) + bytes(3)
    packet = RtpPacket.parse(with_extension(0x1000, block))
    assert packet.extensions == {number: bytes([number]) for number in range(1, 256)}
    ids = ExtensionIds({number: f"urn:x:{number}" for number in range(1, 256)})
    assert RtpPacket.parse(with_extension(0x1000, block), ids).extensions["urn:x:200"] == b"\xc8"
    with pytest.raises(RtpFormatError, match="more than 15 extensions"):
        packet.serialize()


def test_which_form_is_written() -> None:
    packet = RtpPacket(0, 0, 0, 0)
    for number, value, one_byte in [(14, b"x" * 16, True), (15, b"x", False), (1, b"x" * 17, False), (1, b"", False)]:
        wire = replace(packet, extensions={2: b"y", number: value}).serialize()
        assert wire[12:14] == (b"\xbe\xde" if one_byte else b"\x10\x00")
        only_one = RtpPacket.parse(replace(packet, extensions={2: b"y", number: value}).serialize(two_byte=False))
        assert only_one.extensions == ({2: b"y", number: value} if one_byte else {2: b"y"})


def test_ids() -> None:
    wire = RtpPacket(0, 0, 0, 0, extensions={Extension.MID: b"a", Extension.TOFFSET: b"abc", 7: b"z"}).serialize(IDS)
    assert RtpPacket.parse(wire).extensions == {1: b"a", 7: b"z"}  # toffset was not negotiated
    assert RtpPacket.parse(wire, IDS).extensions == {Extension.MID: b"a"}
    assert RtpPacket.parse(wire, ExtensionIds({})).extensions == {}
    assert IDS.by_uri["urn:ietf:params:rtp-hdrext:sdes:mid"] == 1
    assert repr(ExtensionIds({1: "u"})) == "ExtensionIds({1: 'u'})"
    with pytest.raises(RtpFormatError, match="needs ids"):
        RtpPacket(0, 0, 0, 0, extensions={Extension.MID: b"a"}).serialize()
    for wrong in [{0: "u"}, {256: "u"}, {-1: "u"}, {1: ""}, {1: "u", 2: "u"}]:
        with pytest.raises(ValueError, match="extension"):
            ExtensionIds(wrong)


def test_the_names_are_those_of_the_engine() -> None:
    header = Path(__file__).resolve().parents[2] / "csrc" / "wire" / "rtpext.h"
    assert set(re.findall(r'^  X\(\w+, +"(.+?)"\)', header.read_text(), re.MULTILINE)) == set(Extension)


WRONG = [
    {"payload_type": 128},
    {"payload_type": -1},
    {"sequence_number": 65536},
    {"sequence_number": -1},
    {"timestamp": 2**32},
    {"timestamp": 2**70},
    {"ssrc": -1},
    {"csrcs": [2**32]},
    {"csrcs": [1] * 16},
    {"padding": 256},
    {"padding": -1},
    {"payload": bytes(65535 - 11)},
    {"extensions": {0: b"x"}},
    {"extensions": {256: b"x"}},
    {"extensions": {1: bytes(256)}},
    {"extensions": dict.fromkeys(range(1, 17), b"x")},
    {"other_extension": (0xABAC, b"abc")},
    {"other_extension": (65536, b"abcd")},
    {"other_extension": (1, bytes(4 * 65536))},
    {"other_extension": (0xABAC, b"abcd"), "extensions": {1: b"x"}},
]


@pytest.mark.parametrize("fields", WRONG, ids=lambda f: ",".join(f))
def test_values_that_do_not_fit(fields: dict[str, object]) -> None:
    packet = replace(RtpPacket(96, 1, 2, 3, b"x"), **fields)  # type: ignore[arg-type]
    with pytest.raises(RtpFormatError):
        packet.serialize()


def test_one_id_by_two_names() -> None:
    with pytest.raises(RtpFormatError, match="each once"):
        RtpPacket(0, 0, 0, 0, extensions={Extension.MID: b"a", 1: b"b"}).serialize(IDS)


def test_wrong_types() -> None:
    with pytest.raises(TypeError):
        RtpPacket.parse("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        RtpPacket(96, 1, 2, 3, "text").serialize()  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        RtpPacket.parse(HEAD, {1: "u"})  # type: ignore[arg-type]
    assert RtpPacket.parse(memoryview(bytearray(HEAD + b"p"))).payload == b"p"


def test_longest() -> None:
    longest = RtpPacket(96, 1, 2, 3, bytes(65535 - 12))
    wire = longest.serialize()
    assert len(wire) == 65535
    assert RtpPacket.parse(wire) == longest
    with pytest.raises(RtpFormatError):
        RtpPacket.parse(wire + b"\0")


def test_every_length_with_every_first_byte() -> None:
    rng = random.Random(4)
    accepted = 0
    for first in range(256):
        for length in range(65):
            data = (bytes([first]) + rng.randbytes(64))[:length]
            try:
                packet = RtpPacket.parse(data, rng.choice([None, IDS]))
            except RtpFormatError:
                continue
            accepted += 1
            assert first >> 6 == 2 and length >= 12
            assert len(packet.payload) + packet.padding + 12 + 4 * len(packet.csrcs) <= length
    assert accepted > 300


def test_short_headers() -> None:
    whole = with_extension(0xBEDE, bytes(8), b"")
    for n in range(len(whole)):
        with pytest.raises(RtpFormatError, match=f"{n} bytes"):
            RtpPacket.parse(whole[:n])
    assert RtpPacket.parse(whole).payload == b""


def test_padding_that_lies() -> None:
    for tail in [b"", b"\0", b"\x02", b"abc\x05"]:
        with pytest.raises(RtpFormatError):
            RtpPacket.parse(b"\xa0" + HEAD[1:] + tail)
    assert RtpPacket.parse(b"\xa0" + HEAD[1:] + b"abc\x04") == RtpPacket(96, 0x1234, 0xABC, 0xDEADBEEF, padding=4)
