"""Packets of files: H.264 with lengths becomes Annex B, whatever is damaged is told."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from rtcengine.codecs.packet import AvcStream, PacketReader

SPS, PPS = b"\x67\x42\xc0\x1f\x8c", b"\x68\xce\x3c\x80"
START = b"\0\0\0\1"


def avcc(size: int = 4, sets: tuple[bytes, bytes] = (SPS, PPS)) -> bytes:
    """ISO 14496-15 §5.3.3.1."""
    sps, pps = sets
    head = b"\1\x42\xc0\x1f" + bytes([0xFC | size - 1, 0xE1])
    return head + len(sps).to_bytes(2, "big") + sps + b"\1" + len(pps).to_bytes(2, "big") + pps


def lengths(*units: bytes, size: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_lengths_become_start_codes(size: int) -> None:
    stream = AvcStream(avcc(size))
    key, delta, sei = b"\x65\x88\x84", b"\x41\x9a", b"\x06\x05\x01"
    sets = START + SPS + START + PPS
    assert stream.to_annexb(lengths(delta, size=size)) == START + delta
    assert stream.to_annexb(lengths(sei, key, size=size)) == sets + START + sei + START + key
    assert stream.to_annexb(lengths(SPS, PPS, key, size=size)) == sets + START + key  # has its own
    assert stream.to_annexb(lengths(b"", delta, b"", size=size)) == START + delta
    assert stream.to_annexb(b"") == b""


def test_damage_is_told() -> None:
    whole = avcc()
    for cut in range(len(whole)):
        with pytest.raises(ValueError, match=f"AVC configuration of {cut} bytes"):
            AvcStream(whole[:cut])
    with pytest.raises(ValueError, match="AVC configuration"):
        AvcStream(avcc(sets=(b"", PPS)))
    stream, frame = AvcStream(whole), lengths(b"\x65\x88\x84", b"\x41\x9a")
    for cut in range(1, len(frame)):
        if cut != 7:  # the end of a unit
            with pytest.raises(ValueError, match=r"H\.264 unit"):
                stream.to_annexb(frame[:cut])


def test_a_packet_that_says_nothing_of_its_codec() -> None:
    packet = av.Packet(b"data")
    packet.pts, packet.time_base = 0, Fraction(1, 90000)
    reader = PacketReader(packet)
    assert not reader.known and reader.codec is None and bytes(reader.read(packet)) == b"data"
