"""H.265 (RFC 7798): packets made here of what libx265 encodes are forwarded by an engine, joined and decoded."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from rtcengine import Certificate, EncodedFrame, Engine, RecvConfig, SendConfig
from rtcengine.codecs.decode import make_decoder
from rtcengine.media.pattern import Pattern, read_number
from rtcengine.payload import look
from tests.unit.engine_pair import HERE, Names

RELAY, FAR = Certificate.generate(), Certificate.generate()
H265: dict[str, Any] = {"video": True, "codec": "H265", "pt": 96, "clock_rate": 90000, "mid": "v"}
PICTURES, GROUP = 12, 6


@dataclass
class Coded:
    units: list[bytes]
    key: bool

    @property
    def annexb(self) -> bytes:
        return b"".join(b"\0\0\0\1" + unit for unit in self.units)


def coded() -> list[Coded]:
    context: Any = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
    context.time_base, context.framerate, context.bit_rate = Fraction(1, 30), Fraction(30), 2_000_000
    params = f"repeat-headers=1:keyint={GROUP}:min-keyint={GROUP}:log-level=none:pools=1"
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "x265-params": params}
    found, pattern = [], Pattern(320, 240)
    for n in range(PICTURES + 1):
        frame = pattern.video_frame(n, 3000 * n) if n < PICTURES else None
        if frame is not None:
            frame.pts, frame.time_base = n, Fraction(1, 30)
        for packet in context.encode(frame):
            units = [unit.rstrip(b"\0") for unit in bytes(packet).split(b"\0\0\1")][1:]
            found.append(Coded(units, packet.is_keyframe))
    return found


def packetized(units: list[bytes], most: int = 1000) -> list[bytes]:
    """Small units together (RFC 7798 §4.4.2), large ones in parts (§4.4.3), others alone."""
    found: list[bytes] = []
    small: list[bytes] = []

    def put_small() -> None:
        if len(small) == 1:
            found.append(small[0])
        elif small:
            found.append(bytes([48 << 1, 1]) + b"".join(len(u).to_bytes(2, "big") + u for u in small))
        small.clear()

    for unit in units:
        if len(unit) <= most // 8:
            small.append(unit)
            continue
        put_small()
        if len(unit) <= most:
            found.append(unit)
            continue
        parts = [unit[at : at + most] for at in range(2, len(unit), most)]
        for n, part in enumerate(parts):
            bits = (n == 0) << 7 | (n == len(parts) - 1) << 6
            found.append(bytes([unit[0] & 0x81 | 49 << 1, unit[1], bits | unit[0] >> 1 & 0x3F]) + part)
    put_small()
    return found


def test_what_a_payload_begins() -> None:
    pictures = coded()
    assert len(pictures) == PICTURES and [p.key for p in pictures] == [n % GROUP == 0 for n in range(PICTURES)]
    kinds = set()
    for picture in pictures:
        payloads = packetized(picture.units)
        kinds |= {p[0] >> 1 & 0x3F for p in payloads}
        assert look("H265", payloads[0]) == (True, picture.key)
        assert any(look("H265", p).key for p in payloads) == picture.key
    assert {48, 49} <= kinds


async def test_forwarded_and_joined() -> None:
    """Each packet is sent as sound would be, which is not divided: by a stream whose frames are the packets."""
    pictures = coded()
    async with Engine(RELAY, udp=HERE) as relay, Engine(FAR, udp=HERE) as far, Engine(FAR, udp=HERE) as watching:
        publisher, viewer = Names.new(), Names.new()
        batch = relay.batch()
        inward = batch.transport(publisher.config(FAR.digest(), client=False))
        outward = batch.transport(viewer.config(FAR.digest(), client=False))
        received = batch.receive(inward, RecvConfig(**H265, frames=True))
        batch.link(batch.send(outward, SendConfig(**H265, ssrc=7)), received)
        await batch.commit()
        batch = far.batch()
        here = batch.transport(publisher.other().config(RELAY.digest(), client=True))
        packets = batch.send(here, SendConfig(**{**H265, "video": False, "codec": "opus"}, ssrc=5))
        batch.path(here, ("127.0.0.1", relay.port))
        await batch.commit()
        batch = watching.batch()
        there = batch.transport(viewer.other().config(RELAY.digest(), client=True))
        shown = batch.receive(there, RecvConfig(**H265, frames=True))
        batch.path(there, ("127.0.0.1", relay.port))
        await batch.commit()
        await asyncio.wait_for(asyncio.gather(*(t.wait("connected") for t in (inward, outward, here, there))), 10)

        async def publish() -> None:
            for n in range(100_000):
                for payload in packetized(pictures[n % PICTURES].units):
                    packets.send_frame(payload, 3000 * n, True)
                await asyncio.sleep(0.02)

        publishing = asyncio.create_task(publish())
        try:
            for receiver in (received, shown):
                decoder, stream = make_decoder("H265"), receiver.frames()
                frames: list[EncodedFrame] = []
                async with asyncio.timeout(20):
                    while len(frames) < 2 * PICTURES:
                        frames.append(await anext(stream))
                stream.close()
                first = next(n for n in (0, GROUP) if bytes(frames[0].data) == pictures[n].annexb)
                for n, frame in enumerate(frames, first):
                    assert bytes(frame.data) == pictures[n % PICTURES].annexb and frame.codec == "H265"
                    assert frame.key == pictures[n % PICTURES].key and frame.lost == 0
                    (picture,) = decoder.decode(frame)
                    assert read_number(picture.to_ndarray(format="gray")) == n % PICTURES
        finally:
            publishing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await publishing
