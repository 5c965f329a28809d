"""rtcengine.rtp, RTCP: agreement with aiortc in both directions, the message formats' own examples, hostile bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import aiortc.rtp as theirs
import pytest

from rtcengine.rtp import (
    FullIntraRequest,
    Goodbye,
    Nack,
    OtherPacket,
    PictureLossIndication,
    ReceiverEstimatedMaximumBitrate,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    RtpFormatError,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    parse_compound,
    serialize_compound,
)


def word(rng: random.Random) -> int:
    return rng.choice([0, 2**32 - 1, rng.randrange(2**32)])


def blocks(rng: random.Random) -> list[ReportBlock]:
    return [
        ReportBlock(word(rng), rng.randrange(256), rng.randrange(-(2**23), 2**23), *(word(rng) for _ in range(4)))
        for _ in range(rng.choice([0, 1, 31]))
    ]


def sequence_numbers(rng: random.Random) -> list[int]:
    """Ascending, over the wrap and with gaps of all sizes."""
    at, found = rng.randrange(65536), []
    for _ in range(rng.randrange(1, 60)):
        found.append(at & 0xFFFF)
        at += rng.choice([1, 1, 2, 15, 16, 17, 18, 400])
    return found


def arrivals(rng: random.Random) -> list[int | None]:
    """In the wire's units, so that they come back as they are."""
    at = 64_000 * rng.choice([0, rng.randrange(2**22)]) + 250 * rng.randrange(256)
    found: list[int | None] = []
    for _ in range(rng.randrange(1, 100)):
        if rng.random() < 0.3:
            found.append(None)
            continue
        found.append(at)
        at = max(at + 250 * rng.choice([0, 1, 255, 256, -1, -300, 30_000]), 0)
    return found


def some_packet(rng: random.Random) -> RtcpPacket:
    kinds: list[Callable[[], RtcpPacket]] = [
        lambda: SenderReport(word(rng), rng.randrange(2**64), word(rng), word(rng), word(rng), blocks(rng)),
        lambda: ReceiverReport(word(rng), blocks(rng)),
        lambda: SourceDescription(word(rng), "ü" * rng.randrange(128)),
        lambda: Goodbye([word(rng) for _ in range(rng.choice([0, 1, 31]))]),
        lambda: Nack(word(rng), word(rng), sequence_numbers(rng)),
        lambda: PictureLossIndication(word(rng), word(rng)),
        lambda: FullIntraRequest(word(rng), [(word(rng), rng.randrange(256)) for _ in range(rng.randrange(1, 5))]),
        lambda: ReceiverEstimatedMaximumBitrate(
            word(rng), rng.randrange(2**18) << rng.randrange(46), [word(rng) for _ in range(rng.choice([0, 1, 255]))]
        ),
        lambda: TransportFeedback(word(rng), word(rng), rng.randrange(65536), arrivals(rng), rng.randrange(256)),
        lambda: OtherPacket(204, rng.randrange(32), rng.randbytes(8 + 4 * rng.randrange(20))),
        lambda: OtherPacket(206, 15, rng.randbytes(8) + b"BMER" + rng.randbytes(4)),
        lambda: OtherPacket(202, 0, b""),
    ]
    return rng.choice(kinds)()


def test_there_and_back() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        packets = [some_packet(rng) for _ in range(rng.randrange(1, 6))]
        data = serialize_compound(packets)
        assert len(data) % 4 == 0
        assert parse_compound(data) == packets


def as_theirs(packet: RtcpPacket) -> Any:
    """aiortc's object with the same values, None where it has no such class."""
    if isinstance(packet, SenderReport):
        info = theirs.RtcpSenderInfo(packet.ntp_timestamp, packet.rtp_timestamp, packet.packet_count, packet.octet_count)
        return theirs.RtcpSrPacket(packet.ssrc, info, [their_block(b) for b in packet.reports])
    if isinstance(packet, ReceiverReport):
        return theirs.RtcpRrPacket(packet.ssrc, [their_block(b) for b in packet.reports])
    if isinstance(packet, SourceDescription):
        return theirs.RtcpSdesPacket([theirs.RtcpSourceInfo(packet.ssrc, [(1, packet.cname.encode())])])
    if isinstance(packet, Goodbye):
        return theirs.RtcpByePacket(packet.ssrcs)
    if isinstance(packet, Nack):
        return theirs.RtcpRtpfbPacket(1, packet.ssrc, packet.media_ssrc, packet.sequence_numbers)
    if isinstance(packet, PictureLossIndication):
        return theirs.RtcpPsfbPacket(1, packet.ssrc, packet.media_ssrc)
    if isinstance(packet, FullIntraRequest):
        fci = b"".join(struct.pack("!IB3x", *request) for request in packet.requests)
        return theirs.RtcpPsfbPacket(4, packet.ssrc, 0, fci)
    if isinstance(packet, ReceiverEstimatedMaximumBitrate):
        return theirs.RtcpPsfbPacket(15, packet.ssrc, 0, theirs.pack_remb_fci(packet.bitrate, packet.ssrcs))
    return None


def their_block(b: ReportBlock) -> theirs.RtcpReceiverInfo:
    return theirs.RtcpReceiverInfo(b.ssrc, b.fraction_lost, b.packets_lost, b.highest_sequence, b.jitter, b.lsr, b.dlsr)


def test_agrees_with_aiortc() -> None:
    """Each reads what the other writes. Bytes are equal but for SDES, where aiortc writes up to 4 zeros more."""
    rng, checked = random.Random(2), 0
    for _ in range(6000):
        packet = some_packet(rng)
        twin = as_theirs(packet)
        if twin is None:
            continue
        # aiortc cannot count over the wrap in one NACK
        if isinstance(packet, Nack) and packet.sequence_numbers != sorted(packet.sequence_numbers):
            continue
        checked += 1
        ours, other = serialize_compound([packet]), bytes(twin)
        if not isinstance(packet, SourceDescription):
            assert ours == other
        assert parse_compound(other) == [packet]
        assert theirs.RtcpPacket.parse(ours) == [twin]
    assert checked > 2500


def test_compound_with_aiortc() -> None:
    rng = random.Random(3)
    for _ in range(500):
        packets = [p for p in (some_packet(rng) for _ in range(6)) if as_theirs(p) and not isinstance(p, Nack)]
        if packets:
            assert theirs.RtcpPacket.parse(serialize_compound(packets)) == [as_theirs(p) for p in packets]
            assert parse_compound(b"".join(bytes(as_theirs(p)) for p in packets)) == packets


def test_bytes_of_messages() -> None:
    messages: list[tuple[RtcpPacket, str]] = [
        (PictureLossIndication(1, 2), "81ce0002 00000001 00000002"),
        (FullIntraRequest(1, [(2, 3)]), "84ce0004 00000001 00000000 00000002 03000000"),
        (Nack(1, 2, [65535, 0, 1, 15]), "81cd0003 00000001 00000002 ffff8003"),
        (Nack(1, 2, [10, 27]), "81cd0004 00000001 00000002 000a0000 001b0000"),
        (ReceiverEstimatedMaximumBitrate(1, 1_000_000, [7]), "8fce0005 00000001 00000000 52454d42 010bd090 00000007"),
        (Goodbye([5, 6]), "82cb0002 00000005 00000006"),
        (SourceDescription(9, "ab"), "81ca0003 00000009 01026162 00000000"),
        (ReceiverReport(1), "80c90001 00000001"),
        # base 5, received at 0 and 250 µs, one lost, one after 64 ms; a vector of 14 would not hold the large delta
        (
            TransportFeedback(1, 2, 5, [0, 250, None, 64_250], 9),
            "8fcd0006 00000001 00000002 00050004 00000009 d4800001 01000000",
        ),
    ]
    for packet, want in messages:
        assert serialize_compound([packet]).hex() == want.replace(" ", "")
        assert parse_compound(bytes.fromhex(want)) == [packet]


def test_libwebrtcs_padded_feedback() -> None:
    """Padding that is no multiple of four, as libwebrtc puts behind transport feedback."""
    data = bytes.fromhex("afcd0005 00000001 00000002 00050001 00000009 20010401")
    assert parse_compound(data) == [TransportFeedback(1, 2, 5, [1000], 9)]


def test_feedback_is_rounded_not_summed() -> None:
    """RTT and delay come from differences: each arrival is within half a unit, however many there are."""
    times: list[int | None] = [1_000_000 + 333 * n for n in range(1000)]
    (read,) = parse_compound(serialize_compound([TransportFeedback(1, 2, 65000, times, 0)]))
    assert isinstance(read, TransportFeedback)
    assert len(read.arrivals) == 1000
    assert all(abs(a - b) <= 125 for a, b in zip(read.arrivals, times, strict=True) if a is not None and b is not None)
    negative = TransportFeedback(1, 2, 3, [-64_000, None, -63_750], 0)
    assert parse_compound(serialize_compound([negative])) == [negative]


def test_feedback_that_does_not_fit() -> None:
    with pytest.raises(RtpFormatError, match="2 of 3 arrivals fit"):
        serialize_compound([TransportFeedback(1, 2, 3, [0, 250, 9_000_000], 0)])
    for times in [[], [0] * 2049, [2**62], [-(2**62)], [2**63]]:
        with pytest.raises(RtpFormatError):
            serialize_compound([TransportFeedback(1, 2, 3, times, 0)])  # type: ignore[arg-type]


def test_limits_that_are_the_formats() -> None:
    block = ReportBlock(1, 2, 2**30, 3, 4, 5, 6)
    (read,) = parse_compound(serialize_compound([ReceiverReport(1, [block])]))
    assert isinstance(read, ReceiverReport)
    assert read.reports[0].packets_lost == 2**23 - 1
    (remb,) = parse_compound(serialize_compound([ReceiverEstimatedMaximumBitrate(1, 2**64 - 1, [])]))
    assert isinstance(remb, ReceiverEstimatedMaximumBitrate)
    assert 0.99999 * 2**64 < remb.bitrate < 2**64


BLOCK = ReportBlock(1, 2, 3, 4, 5, 6, 7)
WRONG: list[RtcpPacket] = [
    SenderReport(2**32, 0, 0, 0, 0),
    SenderReport(0, 2**64, 0, 0, 0),
    SenderReport(0, 0, 0, -1, 0),
    ReceiverReport(0, [BLOCK] * 32),
    ReceiverReport(0, [ReportBlock(1, 256, 0, 0, 0, 0, 0)]),
    ReceiverReport(0, [ReportBlock(1, 0, 2**31, 0, 0, 0, 0)]),
    SourceDescription(0, "x" * 256),
    SourceDescription(0, "ü" * 128),
    SourceDescription(0, "a\0b"),
    Goodbye([0] * 32),
    Goodbye([-1]),
    Nack(0, 0, []),
    Nack(0, 0, [65536]),
    Nack(0, 0, [0] * 65537),
    Nack(0, 0, list(range(0, 65536, 2)) + list(range(0, 65536, 2))),
    FullIntraRequest(0, []),
    FullIntraRequest(0, [(0, 256)]),
    FullIntraRequest(0, [(0, 0)] * 9000),
    ReceiverEstimatedMaximumBitrate(0, 2**64, []),
    ReceiverEstimatedMaximumBitrate(0, -1, []),
    ReceiverEstimatedMaximumBitrate(0, 0, [0] * 256),
    OtherPacket(204, 32, bytes(8)),
    OtherPacket(204, 0, bytes(7)),
    OtherPacket(96, 0, bytes(8)),
    OtherPacket(204, 0, bytes(65536)),
]


@pytest.mark.parametrize("packet", WRONG, ids=lambda p: type(p).__name__)
def test_values_that_do_not_fit(packet: RtcpPacket) -> None:
    if isinstance(packet, Nack) and len(packet.sequence_numbers) == 65536:
        assert len(serialize_compound([packet])) < 65536  # 16 even numbers and one take 4 bytes
        packet = Nack(0, 0, list(range(0, 65536, 18)) * 5)
    with pytest.raises(RtpFormatError):
        serialize_compound([packet])


def test_no_room() -> None:
    pli = PictureLossIndication(1, 2)
    assert len(serialize_compound([pli] * 5461)) == 65532
    with pytest.raises(RtpFormatError, match="no room"):
        serialize_compound([pli] * 5462)


def test_wrong_types() -> None:
    with pytest.raises(TypeError, match="no RTCP packet"):
        serialize_compound([BLOCK])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        parse_compound("text")  # type: ignore[arg-type]
    assert serialize_compound([]) == b""


def test_malformed() -> None:
    good = serialize_compound([PictureLossIndication(1, 2)])
    for text in [
        "",
        "80",
        "80c90001",  # length beyond the end
        "81c90001 00000001",  # a report block that is not there
        "80c80001 00000001",  # a sender report without sender information
        "82cb0001 00000005",  # a BYE of two
        "81cb0002 00000005 09616263",  # whose reason is longer than the packet
        "81cd0002 00000001 00000002",  # a NACK of nothing
        "84ce0003 00000001 00000000 00000002",  # half a FIR
        "8fcd0004 00000001 00000002 00050000 00000009",  # feedback on no packet
        "8fcd0004 00000001 00000002 0005ffff 00000009",  # on 65535 packets, without a chunk
        "8fcd0005 00000001 00000002 00050001 00000009 60010000",  # the reserved symbol
        "a0c90001 00000000",  # padding of no byte
        "a0c90001 00000009",  # of more than there is
        "40c90001 00000001",  # version 1
    ]:
        for before in (b"", good):
            if text or not before:
                with pytest.raises(RtpFormatError):
                    parse_compound(before + bytes.fromhex(text))
    with pytest.raises(RtpFormatError, match="no RTCP after 1 packets"):
        parse_compound(good + b"\x80")
    with pytest.raises(RtpFormatError):
        parse_compound(good * 5462)  # longer than a datagram


def test_what_has_no_class() -> None:
    app = bytes.fromhex("85cc0003 00000001 6e616d65 01020304")
    assert parse_compound(app) == [OtherPacket(204, 5, bytes.fromhex("000000016e616d6501020304"))]
    assert serialize_compound(parse_compound(app)) == app
    note = bytes.fromhex("81ca0003 00000009 07026162 00000000")  # SDES with a NOTE only
    assert parse_compound(note) == [OtherPacket(202, 1, note[4:])]
    unknown = bytes.fromhex("80c00001 00000001")  # type 192
    assert parse_compound(unknown + app) == parse_compound(app)
    assert parse_compound(bytes.fromhex("81ca0003 00000009 0102ff62 00000000")) == [SourceDescription(9, "\ufffdb")]


def test_every_length_with_every_type() -> None:
    rng = random.Random(4)
    accepted: dict[type, int] = {}
    for packet_type in range(256):
        for length in range(65):
            words = rng.choice([max(length // 4 - 1, 0), rng.randrange(20)])
            first = rng.choice([0x80, 0x81, 0x84, 0x8F, 0xA1, rng.randrange(256)])
            head = bytes([first, packet_type]) + struct.pack("!H", words)
            try:
                packets = parse_compound((head + rng.randbytes(60))[:length])
            except RtpFormatError:
                continue
            for packet in packets:
                accepted[type(packet)] = accepted.get(type(packet), 0) + 1
    assert len(accepted) >= 5


def test_damaged_messages() -> None:
    """Valid messages with a few bytes changed or cut: parsed or refused, and what is parsed can be written or refused."""
    rng = random.Random(5)
    read = 0
    for _ in range(10_000):
        data = bytearray(serialize_compound([some_packet(rng)]))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            packets = parse_compound(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
            serialize_compound(packets)
        except RtpFormatError:
            continue
        read += 1
    assert read > 3000
