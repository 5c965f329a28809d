"""Captured RTP as text files (tests/vectors/payload/README.md), and readers of payload formats that share nothing with ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import VpxPayloadDescriptor

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "payload"
START = b"\0\0\0\1"


@dataclass(frozen=True)
class Packet:
    number: int
    time: int
    marker: bool
    payload: bytes


@dataclass(frozen=True)
class Frame:
    """What the packets of one time are together. `size` of its pictures and temporal `layer`: "-" where they do not say."""

    time: int
    packets: int
    bytes: int
    sha256: str
    key: bool
    size: str
    layer: str


@dataclass(frozen=True)
class Vector:
    """`about`: of what it is a capture."""

    about: str
    codec: str
    packets: list[Packet]
    frames: list[Frame]

    def by_frame(self) -> Iterator[tuple[Frame, list[Packet]]]:
        at = 0
        for frame in self.frames:
            yield frame, self.packets[at : at + frame.packets]
            at += frame.packets
        assert at == len(self.packets)


def read(path: Path) -> Vector:
    about, codec, packets, frames = "", "", [], []
    for line in path.read_text().splitlines():
        what, *rest = line.split()
        if what == "#":
            about = line[2:]
        elif what == "codec":
            (codec,) = rest
        elif what == "packet":
            packets.append(Packet(int(rest[0]), int(rest[1]), rest[2] == "1", bytes.fromhex(rest[3])))
        else:
            assert what == "frame"
            time, count, size, digest, key, pictures, layer = rest
            frames.append(Frame(int(time), int(count), int(size), digest, key == "key", pictures, layer))
    return Vector(about, codec, packets, frames)


def write(path: Path, vector: Vector) -> None:
    lines = [f"# {vector.about}", f"codec {vector.codec}"]
    lines += [f"packet {p.number} {p.time} {int(p.marker)} {p.payload.hex()}" for p in vector.packets]
    for f in vector.frames:
        key = "key" if f.key else "delta"
        lines.append(f"frame {f.time} {f.packets} {f.bytes} {f.sha256} {key} {f.size} {f.layer}")
    path.write_text("\n".join(lines) + "\n")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Payloads of a frame to the frame, as rtcengine.payload.join gives it.


def vp8(payloads: list[bytes]) -> bytes:
    return b"".join(VpxPayloadDescriptor.parse(payload)[1] for payload in payloads)


def vp9(payloads: list[bytes]) -> bytes:
    return b"".join(payload[vp9_descriptor(payload) :] for payload in payloads)


def vp9_descriptor(payload: bytes) -> int:
    """Its length (RFC 9628 §4.2)."""
    i, p, layers, flexible, _, _, v, _ = (bool(payload[0] & 0x80 >> bit) for bit in range(8))
    at = 1
    if i:
        at += 2 if payload[at] & 0x80 else 1
    if layers:
        at += 1 if flexible else 2
    if flexible and p:
        while payload[at] & 1:
            at += 1
        at += 1
    if v:
        structure = payload[at]
        at += 1
        if structure & 0x10:
            at += 4 * ((structure >> 5) + 1)
        if structure & 0x08:
            pictures, at = payload[at], at + 1
            for _ in range(pictures):
                at += 1 + (payload[at] >> 2 & 3)
    return at


def h264(payloads: list[bytes]) -> bytes:
    return b"".join(map(h264_depayload, payloads))


def h265(payloads: list[bytes]) -> bytes:
    """RFC 7798 §4.4."""
    units: list[bytes] = []
    for payload in payloads:
        kind = payload[0] >> 1 & 0x3F
        if kind == 48:
            at = 2
            while at < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                units.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
        elif kind == 49:
            if payload[2] & 0x80:
                units.append(bytes([payload[0] & 0x81 | (payload[2] & 0x3F) << 1, payload[1]]))
            units[-1] += payload[3:]
        else:
            units.append(payload)
    return b"".join(START + unit for unit in units)


def leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number and the place after it."""
    value = 0
    for n in range(8):
        value |= (data[at + n] & 0x7F) << 7 * n
        if not data[at + n] & 0x80:
            return value, at + n + 1
    raise AssertionError("a length that does not end")


def leb128_of(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def av1_elements(payloads: list[bytes]) -> list[bytes]:
    """The OBUs in payloads, as AV1's payload format §4.4 has them read."""
    found: list[bytes] = []
    goes_on = False
    for payload in payloads:
        head, at, parts = payload[0], 1, []
        assert bool(head & 0x80) == goes_on and not head & 0x07
        while at < len(payload):
            size = len(payload) - at
            if len(parts) + 1 != head >> 4 & 3:
                size, at = leb128(payload, at)
            parts.append(payload[at : at + size])
            assert size and len(parts[-1]) == size
            at += size
        assert head >> 4 & 3 in (0, len(parts)) and parts
        if goes_on:
            found[-1] += parts.pop(0)
        found += parts
        goes_on = bool(head & 0x40)
    assert not goes_on
    return found


def av1(payloads: list[bytes]) -> bytes:
    """With sizes, and without temporal delimiters."""
    whole = b""
    for obu in av1_elements(payloads):
        head = 2 if obu[0] & 4 else 1
        body = obu[leb128(obu, head)[1] :] if obu[0] & 2 else obu[head:]
        if obu[0] >> 3 & 15 != 2:
            whole += bytes([obu[0] | 2]) + obu[1:head] + leb128_of(len(body)) + body
    return whole


def sound(payloads: list[bytes]) -> bytes:
    (payload,) = payloads
    return payload


READERS: dict[str, Callable[[list[bytes]], bytes]] = {
    "VP8": vp8,
    "VP9": vp9,
    "H264": h264,
    "H265": h265,
    "AV1": av1,
    "opus": sound,
    "PCMU": sound,
    "PCMA": sound,
    "G722": sound,
}
