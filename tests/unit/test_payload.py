"""rtcengine.payload: splitting against aiortc's depayloaders, frame starts of all codecs, hostile bytes."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import pytest
from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import VpxPayloadDescriptor

from rtcengine import EncodedFrame
from rtcengine.codecs.av1 import Av1Encoder
from rtcengine.codecs.decode import make_decoder
from rtcengine.codecs.encode import make_encoder
from rtcengine.codecs.h264 import H264Encoder
from rtcengine.media.pattern import Pattern, read_number
from rtcengine.payload import (
    PayloadInfo,
    RedundantBlock,
    RtpFormatError,
    Vp8Descriptor,
    join,
    join_redundant,
    look,
    picture_size,
    split,
    split_redundant,
)
from tests.unit.payload_kit import av1_elements, leb128, leb128_of

NOTHING = PayloadInfo(False, False)
START = PayloadInfo(True, False)
KEY = PayloadInfo(True, True)


def test_vp8_split_as_aiortc_joins() -> None:
    rng = random.Random(1)
    for n in range(2000):
        frame = rng.randbytes(rng.choice([1, 60, 61, rng.randrange(1, 20_000)]))
        most = rng.choice([64, 65, 1200, rng.randrange(64, 1500)])
        payloads = split("VP8", frame, most, n * 17)
        assert all(len(p) <= most for p in payloads)
        assert max(map(len, payloads)) - min(map(len, payloads)) <= 1
        joined = b""
        for at, payload in enumerate(payloads):
            descriptor, rest = VpxPayloadDescriptor.parse(payload)
            assert (descriptor.partition_start, descriptor.partition_id) == (at == 0, 0)
            assert descriptor.picture_id == n * 17 & 0x7FFF
            joined += rest
        assert joined == frame


@pytest.mark.parametrize("most", [64, 500, 1200])
def test_h264_split_as_aiortc_joins(most: int) -> None:
    encoder, picture, keys = H264Encoder(bitrate=2_000_000), Pattern(320, 240), 0
    for n in range(12):
        for frame, _, key, _ in encoder.encode(picture.video_frame(n, n * 3000, n / 30), n == 6):
            payloads = split("H264", frame, most)
            assert all(len(p) <= most for p in payloads)
            assert look("H264", payloads[0]) == PayloadInfo(True, key) and any(look("H264", p).key for p in payloads) == key
            # What lies between start codes of three and of four bytes is the same.
            joined = b"".join(h264_depayload(p) for p in payloads)
            assert units(joined) == units(frame)
            keys += key
    assert keys == 2


@pytest.mark.parametrize(("size", "bitrate"), [((320, 240), 300_000), ((1280, 720), 6_000_000)])
def test_h264_in_units_alone(size: tuple[int, int], bitrate: int) -> None:
    """RFC 6184 §6.2: single units, whose slices the encoder keeps small."""
    encoder, picture, decoder = make_encoder("H264", {"packetization-mode": "0"}), Pattern(*size), make_decoder("H264")
    encoder.set_bitrate(bitrate)
    for n in range(8):
        for frame, time, key, _ in encoder.encode(picture.video_frame(n, n * 3000, n / 30), n == 4):
            payloads = split("H264", frame, 1148, single_units=True)
            assert all(1 <= p[0] & 0x1F <= 23 and not p[0] & 0x80 for p in payloads)
            assert payloads == units(frame)
            assert look("H264", payloads[0]) == PayloadInfo(True, key)
            joined = b"".join(b"\0\0\0\1" + p for p in payloads)
            (shown,) = decoder.decode(of("H264", joined, time, key))
            assert read_number(shown.to_ndarray(format="gray")) == n
    with pytest.raises(ValueError):
        split("H264", b"\0\0\1\x65" + bytes([0xFF]) * 1148, 1148, single_units=True)
    with pytest.raises(ValueError):
        split("VP8", b"x", single_units=True)


SIZES = [(320, 180), (1280, 720), (1920, 1080), (426, 240), (16, 16), (2560, 1440)]


def coded(name: str, width: int, height: int, **options: str) -> bytes:
    """The first picture by an encoder of FFmpeg's."""
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.time_base = width, height, "yuv420p", Fraction(1, 30)
    context.options = options
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_pictures(size: tuple[int, int]) -> None:
    for codec, name, options in [
        ("VP8", "libvpx", {}),
        ("VP9", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
        ("H264", "libx264", {"preset": "ultrafast", "profile": "baseline"}),
        ("H264", "libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
        ("H264", "libx264", {"preset": "fast", "profile": "high", "x264-params": "cqm=jvt"}),
    ]:
        payloads = split(codec, coded(name, *size, **options))
        said = [picture_size(codec, payload) for payload in payloads]
        assert [s for s in said if s is not None] == [size], (codec, options)
        first = next(payload for payload, s in zip(payloads, said, strict=True) if s)
        for n in range(len(first)):
            assert picture_size(codec, first[:n]) in (None, size)
    assert picture_size("opus", b"\xfc\xff\xfe") is None
    with pytest.raises(ValueError, match="theora"):
        picture_size("theora", b"")


def obus(stream: bytes) -> list[bytes]:
    """Those of a stream of AV1 that has their sizes."""
    found, at = [], 0
    while at < len(stream):
        head = 2 if stream[at] & 4 else 1
        size = shift = 0
        end = at + head
        while True:
            byte = stream[end]
            size |= (byte & 0x7F) << shift
            shift, end = shift + 7, end + 1
            if not byte & 0x80:
                break
        found.append(stream[at : end + size])
        at = end + size
    return found


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (426, 240)])
def test_sizes_of_pictures_of_av1(size: tuple[int, int]) -> None:
    """With the aggregation headers that may stand before a sequence header (AV1's payload format §4.4)."""
    (encoded,) = Av1Encoder().encode(Pattern(*size).video_frame(0, 0))
    first = obus(encoded.data)
    sequence = next(obu for obu in first if obu[0] >> 3 & 15 == 1)
    frame = next(obu for obu in first if obu[0] >> 3 & 15 in (3, 6))[:100]
    assert picture_size("AV1", bytes([0x18]) + sequence) == size  # W = 1, N
    assert picture_size("AV1", bytes([0x28, len(sequence)]) + sequence + frame) == size
    assert picture_size("AV1", bytes([0x08, len(sequence)]) + sequence + bytes([len(frame)]) + frame) == size
    bare = bytes([sequence[0] & ~2]) + sequence[2:]  # without its size, as it mostly goes
    assert picture_size("AV1", bytes([0x18]) + bare) == size
    assert picture_size("AV1", bytes([0x98]) + bare) is None  # Z: the middle of something
    assert picture_size("AV1", bytes([0x18]) + frame) is None


@pytest.mark.parametrize("codec", ["VP8", "VP9", "H264", "opus"])
def test_join_undoes_split(codec: str) -> None:
    rng = random.Random(3)
    for n in range(300):
        unit = bytes(rng.randrange(1, 256) for _ in range(rng.randrange(2, 3000)))
        frame = b"\0\0\0\1\x65" + unit if codec == "H264" else unit[:900] if codec == "opus" else unit
        payloads = split(codec, frame, 1000, n)
        assert join(codec, payloads) == frame
        assert join(codec, map(memoryview, payloads)) == frame
        for missing in (0, len(payloads) - 1) if len(payloads) > 1 and codec != "VP8" else (0,):
            with pytest.raises(RtpFormatError, match="that are no frame of"):
                join(codec, payloads[:missing] + payloads[missing + 1 :])


def test_join_refuses() -> None:
    for payloads in ([], [b""], [b"\x90"], [b"\x10\x00ab", b""], [b"\x10\x00" * 4] * 2049):
        with pytest.raises(RtpFormatError, match="no frame of VP8"):
            join("VP8", payloads)
    with pytest.raises(ValueError, match="theora"):
        join("theora", [b"x"])
    with pytest.raises(TypeError):
        join("VP8", ["text"])  # type: ignore[list-item]


@pytest.mark.parametrize("most", [64, 500, 1200])
@pytest.mark.parametrize("size", [(320, 180), (1280, 720)])
def test_av1_split(size: tuple[int, int], most: int) -> None:
    encoder, picture, keys, decoder = Av1Encoder(bitrate=1_500_000), Pattern(*size), 0, make_decoder("AV1")
    for n in range(12):
        for frame, _, key, _ in encoder.encode(picture.video_frame(n, n * 3000, n / 30), n == 6):
            payloads = split("AV1", frame, most)
            assert all(len(p) <= most for p in payloads)
            assert look("AV1", payloads[0]) == PayloadInfo(True, key)  # N of the first alone
            assert not any(p[0] & 0x08 for p in payloads[1:])
            if key:
                assert picture_size("AV1", payloads[0]) == size
            whole = av1_elements(payloads)
            assert all(not obu[0] & 0x82 and obu[0] >> 3 & 15 != 2 for obu in whole)
            sent = [obu for obu in obus(frame) if obu[0] >> 3 & 15 != 2]
            assert whole == [bytes([obu[0] & ~2]) + obu[1 + len(size_of(obu)) :] for obu in sent]
            again = b"".join(bytes([o[0] | 2]) + leb128_of(len(o) - 1) + o[1:] for o in whole)
            (shown,) = decoder.decode(of("AV1", again, n * 3000, key))
            assert (shown.width, shown.height) == size
            keys += key
    assert keys == 2


def of(codec: str, data: bytes, time: int, key: bool) -> EncodedFrame:
    return EncodedFrame(data=memoryview(data), timestamp=time, clock_rate=90_000, codec=codec, key=key, lost=0, arrived=0.0)


def size_of(obu: bytes) -> bytes:
    return obu[1 : leb128(obu, 1)[1]]


def units(annexb: bytes) -> list[bytes]:
    return [unit.rstrip(b"\0") for unit in annexb.split(b"\0\0\1")][1:]


def test_vp8_descriptor_as_aiortc_has_it() -> None:
    rng, good = random.Random(2), 0
    for _ in range(20_000):
        data = bytes([rng.randrange(256) & 0xF7]) + rng.randbytes(rng.randrange(7))  # aiortc takes a reserved bit into PID
        try:
            theirs, rest = VpxPayloadDescriptor.parse(data)
        except ValueError:
            with pytest.raises(RtpFormatError):
                Vp8Descriptor.parse(data)
            continue
        good += 1
        ours = Vp8Descriptor.parse(data)
        assert (ours.start, ours.partition) == (bool(theirs.partition_start), theirs.partition_id)
        assert (ours.picture_id, ours.tl0_picture_index) == (theirs.picture_id, theirs.tl0picidx)
        assert (ours.temporal_id, ours.key_index) == (theirs.tid[0] if theirs.tid else None, theirs.keyidx)
        assert data[ours.length :] == rest
    assert good > 5000


def test_vp8_descriptor() -> None:
    assert Vp8Descriptor.parse(bytes.fromhex("b3 f0 92 34 56 e7 00")) == Vp8Descriptor(
        start=True,
        partition=3,
        non_reference=True,
        picture_id=0x1234,
        long_picture_id=True,
        tl0_picture_index=0x56,
        temporal_id=3,
        layer_sync=True,
        key_index=7,
        length=6,
    )
    assert Vp8Descriptor.parse(b"\x00") == Vp8Descriptor(False, 0, False, None, False, None, None, False, None, 1)
    for text in ["", "80", "8080", "808080", "8040", "8020"]:
        with pytest.raises(RtpFormatError, match="VP8"):
            Vp8Descriptor.parse(bytes.fromhex(text))


def test_opus() -> None:
    assert split("opus", b"frame") == [b"frame"]
    assert split("OPUS", bytearray(1200), 1200) == [bytes(1200)]
    assert look("opus", b"") == KEY
    with pytest.raises(ValueError, match="sound into one"):
        split("opus", bytes(1201))


@pytest.mark.parametrize("codec", ["PCMU", "pcma", "G722"])
def test_telephone_codecs(codec: str) -> None:
    assert split(codec, bytes(160)) == [bytes(160)]
    assert look(codec, bytes(160)) == KEY


def test_what_cannot_be_split() -> None:
    for codec in ("H264", "AV1"):  # no start code, no OBU
        with pytest.raises(ValueError, match=f"a {codec} frame of 5 bytes"):
            split(codec, b"frame")
    for frame, most in [(b"", 1200), (b"x", 63), (b"x", 0), (b"x", -1), (bytes(65536 * 60), 64)]:
        with pytest.raises(ValueError):
            split("VP8", frame, most)
    assert len(split("VP8", bytes(65535 * 60), 64)) == 65535
    for call in (lambda: split("VP7", b"x"), lambda: look("", b"x")):
        with pytest.raises(ValueError, match="opus, VP8, VP9, H264, H265, AV1, PCMU, PCMA and G722 are known"):
            call()
    with pytest.raises(TypeError):
        split("VP8", "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        look("VP8", "text")  # type: ignore[arg-type]


LOOKS = [
    ("VP8", "10 00", KEY),
    ("VP8", "10 01", START),
    ("VP8", "11 00", NOTHING),  # a later partition
    ("VP8", "00 00", NOTHING),
    ("VP8", "10", NOTHING),
    ("VP8", "90 80 81 00 00", KEY),
    ("VP9", "08 00", KEY),  # B
    ("VP9", "48 00", START),  # P: refers to another picture
    ("VP9", "00 00", NOTHING),
    ("VP9", "28 02 00 00", NOTHING),  # spatial layer 1
    ("VP9", "08", NOTHING),
    ("H264", "65 88", KEY),  # IDR slice, first macroblock 0
    ("H264", "65 08", NOTHING),  # a later slice
    ("H264", "67 42", KEY),  # SPS
    ("H264", "41 9a", START),
    ("H264", "7c 85 88", KEY),  # FU-A, S
    ("H264", "7c 05 88", NOTHING),
    ("H264", "78 00 02 67 42 00 02 68 ce", KEY),  # STAP-A of SPS, PPS
    ("H264", "78 00 09 67 42", NOTHING),
    ("H264", "e5 88", NOTHING),  # F
    ("AV1", "18 0a 0b", KEY),  # N, one sequence header
    ("AV1", "10 32 00", START),
    ("AV1", "90 32 00", NOTHING),  # Z
    ("AV1", "00 05 32", NOTHING),
]


@pytest.mark.parametrize(("codec", "data", "want"), LOOKS)
def test_look(codec: str, data: str, want: PayloadInfo) -> None:
    assert look(codec, bytes.fromhex(data)) == want
    assert look(codec.lower(), memoryview(bytes.fromhex(data))) == want


def test_split_is_seen_by_look() -> None:
    for first, want in [(0x10, KEY), (0x11, START)]:
        payloads = split("VP8", bytes([first]) + bytes(3000), 1000)
        assert [look("VP8", p) for p in payloads] == [want, NOTHING, NOTHING, NOTHING]


def test_every_length_with_every_first_byte() -> None:
    rng = random.Random(3)
    starts = dict.fromkeys(("opus", "VP8", "VP9", "H264", "AV1"), 0)
    for first in range(256):
        for length in range(65):
            data = (bytes([first]) + rng.randbytes(64))[:length]
            for codec in starts:
                info = look(codec, data)
                starts[codec] += info.start
                assert info.start or not info.key
            try:
                assert Vp8Descriptor.parse(data).length <= length
            except RtpFormatError:
                assert length < 6
    assert min(starts.values()) > 100


def test_frames_with_redundancy() -> None:
    """RFC 2198 §7, and what is written read again."""
    payload = bytes.fromhex("87 02 80 0e 05") + bytes(range(98))
    assert split_redundant(payload) == [(7, 160, bytes(range(14))), (5, 0, bytes(range(14, 98)))]
    rng = random.Random(1)
    for _ in range(500):
        blocks = [
            RedundantBlock(rng.randrange(128), rng.randrange(16384), rng.randbytes(rng.choice([0, 1, 80, 1023])))
            for _ in range(rng.choice([0, 1, 2, 31]))
        ]
        blocks.append(RedundantBlock(rng.randrange(128), 0, rng.randbytes(rng.choice([0, 1, 80, 2000]))))
        payload = join_redundant(blocks)
        assert split_redundant(payload) == blocks == split_redundant(memoryview(payload))
        cut = rng.randrange(len(payload))
        if cut < len(payload) - len(blocks[-1].data):
            with pytest.raises(RtpFormatError, match=f"{cut} bytes"):
                split_redundant(payload[:cut])


OWN = RedundantBlock(111, 0, b"own")


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [OWN] * 33,
        [RedundantBlock(128, 960, b""), OWN],
        [RedundantBlock(-1, 960, b""), OWN],
        [RedundantBlock(111, 16384, b""), OWN],
        [RedundantBlock(111, -1, b""), OWN],
        [RedundantBlock(111, 960, bytes(1024)), OWN],
        [OWN, RedundantBlock(111, 960, b"")],
        [RedundantBlock(128, 0, b"own")],
    ],
)
def test_what_redundancy_cannot_say(blocks: list[RedundantBlock]) -> None:
    with pytest.raises(ValueError, match="no frames of one packet"):
        join_redundant(blocks)
