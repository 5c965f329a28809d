"""Captures of a connection, read by a pcapng reader that is not ours, and packets by aiortc's parsers."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import stat
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket
from pcapng import FileScanner, blocks

from rtcengine import Certificate, Engine, NetworkOptions, RTCPeerConnection, SyntheticCamera, SyntheticMicrophone
from rtcengine.peer.errors import InvalidStateError
from tests.util import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pcapng")

HERE = "127.0.0.1"
COMMENT = re.compile(r"(sent|received), transport \d+: (\w+)( before SRTP| out of SRTP| before SRTCP| out of SRTCP|)")


@dataclass(frozen=True)
class Seen:
    at_ns: int
    sent: bool
    kind: str
    source: tuple[str, int]
    goal: tuple[str, int]
    data: bytes


def total(data: bytes) -> int:
    """The ones' complement sum (RFC 1071)."""
    words = struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    s = sum(words)
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return s


def seen(block: Any) -> Seen:
    packet = block.packet_data
    assert packet[0] == 0x45 and packet[9] == 17 and total(packet[:20]) == 0xFFFF
    assert int.from_bytes(packet[2:4], "big") == len(packet) == block.packet_len
    datagram = packet[20:]
    source_port, goal_port, length, _ = struct.unpack(">HHHH", datagram[:8])
    assert length == len(datagram) and total(packet[12:20] + struct.pack(">HH", 17, length) + datagram) == 0xFFFF
    source, goal = (str(ipaddress.ip_address(packet[at : at + 4])) for at in (12, 16))
    match = COMMENT.fullmatch(block.options["opt_comment"])
    assert match is not None
    sent = match[1] == "sent"
    flags = block.options["epb_flags"]
    assert flags.inout == ("outbound" if sent else "inbound")
    at_ns = block.timestamp_high << 32 | block.timestamp_low
    return Seen(at_ns, sent, match[2], (source, source_port), (goal, goal_port), datagram[8:])


def read(path: Path) -> tuple[list[Seen], dict[str, Any]]:
    """Its packets and the interface's counters at the end."""
    found, counts = [], {}
    with path.open("rb") as file:
        for block in FileScanner(file):
            if isinstance(block, blocks.InterfaceDescription):
                assert (block.link_type, block.timestamp_resolution) == (101, 1e-9)
            elif isinstance(block, blocks.EnhancedPacket):
                found.append(seen(block))
            elif isinstance(block, blocks.InterfaceStatistics):
                counts = dict(block.options)
    return found, counts


async def call(a: RTCPeerConnection, b: RTCPeerConnection) -> None:
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
    await b.setLocalDescription()
    await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]


def pair() -> tuple[RTCPeerConnection, RTCPeerConnection]:
    network = NetworkOptions(addresses=(HERE,))
    return RTCPeerConnection(network=network), RTCPeerConnection(network=network)


async def sent_packets(pc: RTCPeerConnection) -> int:
    stats = await pc.getStats()
    return sum(s["packetsSent"] for s in stats.values() if s["type"] == "outbound-rtp")


async def test_a_whole_call(tmp_path: Path) -> None:
    """From before the offer to after the goodbye, at both ends; what one has sent the other has received."""
    a, b = pair()
    files = [tmp_path / "a.pcapng", tmp_path / "b.pcapng"]
    started = time.time_ns()
    for pc, file in zip((a, b), files, strict=True):
        await pc.capture(file, wire=True)
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    a.addTrack(SyntheticMicrophone())
    a.addTrack(SyntheticCamera(320, 240, 30))
    b.addTransceiver("audio")
    await call(a, b)

    async def enough() -> bool:
        return await sent_packets(a) > 100

    await until(enough, what="a hundred packets")
    await a.close()
    await b.close()
    (ours, counts), (theirs, _) = (read(file) for file in files)
    assert counts["isb_ifdrop"] == 0 and counts["isb_ifrecv"] == len(ours)
    assert {one.kind for one in ours} == {"STUN", "DTLS", "RTP", "RTCP"}
    times = [one.at_ns for one in ours]
    assert started - 1e9 < min(times) and max(times) < time.time_ns() + 1e9
    ends = {one.source if one.sent else one.goal for one in ours}
    assert ends == {one.goal if one.sent else one.source for one in theirs} and len(ends) == 1  # one socket of ours
    for kind in ("STUN", "DTLS", "RTP", "RTCP"):
        sent = [one.data for one in ours if one.kind == kind and one.sent]
        received = {one.data for one in theirs if one.kind == kind and not one.sent}
        lost = [data for data in sent if data not in received]
        assert len(lost) <= len(sent) // 10, kind  # what came last found nobody, or came after its capture's end
    media = [RtpPacket.parse(one.data) for one in ours if one.kind == "RTP" and one.sent]
    assert len({packet.ssrc for packet in media}) == 2 and len(media) > 100
    for ssrc in {packet.ssrc for packet in media}:
        numbers = [packet.sequence_number for packet in media if packet.ssrc == ssrc]
        assert [(n - numbers[0]) % 65536 for n in numbers] == list(range(len(numbers)))
    reports = [block for one in ours if one.kind == "RTCP" and one.sent for block in RtcpPacket.parse(one.data)]
    assert any(isinstance(block, RtcpSrPacket) for block in reports)
    assert all(one.data[:2] in (b"\x00\x01", b"\x01\x01", b"\x01\x11") for one in ours if one.kind == "STUN")
    assert all(20 <= one.data[0] <= 63 for one in ours if one.kind == "DTLS")


async def test_some_of_a_call(tmp_path: Path) -> None:
    """Begun and ended while it goes on; media alone; once more into another file."""
    a, b = pair()
    a.addTrack(SyntheticMicrophone())
    try:
        await call(a, b)
        await until(lambda: a.connectionState == "connected")
        for name in ("one", "two"):
            file = tmp_path / name
            async with await a.capture(file) as capture:
                with pytest.raises(InvalidStateError, match="goes on"):
                    await a.capture(tmp_path / "other")
                before = await sent_packets(a)

                async def some(before: int = before) -> bool:
                    return await sent_packets(a) > before + 10

                await until(some, what="ten packets")
            packets, _ = read(file)
            assert {one.kind for one in packets} <= {"RTP", "RTCP"}
            assert len(packets) >= 10 and capture.counts.packets == len(packets)
            assert capture.counts.bytes == file.stat().st_size and not capture.counts.error
            assert await capture.stop() == capture.counts
        assert a.connectionState == "connected"
    finally:
        await asyncio.gather(a.close(), b.close())


async def test_packets_while_python_is_blocked(tmp_path: Path) -> None:
    a, b = pair()
    a.addTrack(SyntheticMicrophone())
    file = tmp_path / "blocked"
    try:
        await a.capture(file, wire=True)
        await call(a, b)
        await until(lambda: b.connectionState == "connected")
        wait_blocked(file, time.time_ns(), tmp_path)
    finally:
        await asyncio.gather(a.close(), b.close())


def wait_blocked(file: Path, after: int, folder: Path) -> None:
    """Until a packet of ours after this moment is in the file; asyncio's loop does not run meanwhile."""
    for _ in range(400):
        time.sleep(0.05)
        if any(one.sent and one.at_ns > after for one in read_so_far(file, file.stat().st_size, folder)[0]):
            return
    raise AssertionError("nothing was written while Python was blocked")


def read_so_far(file: Path, size: int, folder: Path) -> tuple[list[Seen], dict[str, Any]]:
    """Whole blocks alone: the writer may be in the middle of one."""
    data, at = file.read_bytes()[:size], 0
    while at + 8 <= len(data) and at + int.from_bytes(data[at + 4 : at + 8], "big") <= len(data):
        at += int.from_bytes(data[at + 4 : at + 8], "big")
    copy = folder / "copy"
    copy.write_bytes(data[:at])
    return read(copy)


async def test_the_limit_and_the_disk(tmp_path: Path) -> None:
    a, b = pair()
    a.addTrack(SyntheticMicrophone())
    try:
        small = await a.capture(tmp_path / "small", wire=True, limit=3000)
        full = await b.capture("/dev/full", wire=True)
        await call(a, b)
        await until(lambda: small.counts.dropped > 10 and full.counts.error != "", what="both are at their end")
        assert a.connectionState == b.connectionState == "connected"
        assert (await small.stop()).bytes <= 3000 and read(tmp_path / "small")[0]
        assert (await full.stop()).packets == 0
    finally:
        await asyncio.gather(a.close(), b.close())


async def test_what_cannot_be_captured(tmp_path: Path) -> None:
    pc, _ = pair()
    with pytest.raises(FileNotFoundError):
        await pc.capture(tmp_path / "none" / "file")
    with pytest.raises(ValueError, match="limit"):
        await pc.capture(tmp_path / "file", limit=-1)
    await pc.capture(tmp_path / "file")  # neither is in its way
    await pc.close()
    with pytest.raises(InvalidStateError):
        await pc.capture(tmp_path / "file")


async def test_an_engine_that_closes_first(tmp_path: Path) -> None:
    async with Engine(Certificate.generate(), udp=[(HERE, 0)]) as engine:
        capture = engine.open_capture(tmp_path / "file")
    await capture.stop()
    assert read(tmp_path / "file") == ([], {"isb_ifrecv": 0, "isb_ifdrop": 0})
