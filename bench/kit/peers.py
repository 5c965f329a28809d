"""Peer connections of this engine and of aiortc, by the one API that both have. A process of bench/peer.py.

    python peers.py KIND media                 one connection, told by stdin's lines of JSON, answered by lines of JSON; told to
                                               do "source", it reads its pictures and has no connection
    python peers.py KIND calls N               N calls between two peers of this process, one after the other
    python peers.py KIND crowd CALLS AT_ONCE   calls that stay, their memory

KIND: engine or aiortc. Only 127.0.0.1 is gathered. Media is encoded already: a track gives av.Packets, and what comes is taken
as encoded frames; of aiortc, which has no such way out, the decoder is replaced by one that does nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

CONNECT_S = 60
KEY_EVERY = 60
VP8_KEY = bytes([0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01])  # RFC 6386 §9.1: a frame of 640 x 480
VP8_DELTA = bytes([0x11, 0, 0])


class Kind:
    """One implementation. `live`: it decodes what comes, as programs have it."""

    def __init__(self, name: str, *, live: bool = False) -> None:
        self.frames = self.packets = 0
        self._classes: dict[tuple[str, type[Any]], type[Any]] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.take: Callable[[Any], None] = lambda pc: None
        if name == "engine":
            self._engine()
        else:
            self._aiortc(live)

    def _engine(self) -> None:
        import rtcengine

        network = rtcengine.NetworkOptions(addresses=("127.0.0.1",))
        self.Track: type[Any] = rtcengine.MediaStreamTrack
        self.Description: type[Any] = rtcengine.RTCSessionDescription
        self.peer: Callable[[], Any] = lambda: rtcengine.RTCPeerConnection(network=network)
        self.take = lambda pc: self.tasks.append(asyncio.ensure_future(self._tap(pc)))

    async def _tap(self, pc: Any) -> None:
        from rtcengine.media.tap import tap

        (incoming,) = pc.driver.incoming.values()
        async with tap(incoming.receiver) as stream:
            async for _ in stream:
                self.frames += 1

    def _aiortc(self, live: bool) -> None:
        import aioice.ice
        import aiortc
        import aiortc.rtcrtpreceiver

        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
        self.Track, self.Description = aiortc.MediaStreamTrack, aiortc.RTCSessionDescription
        self.peer = aiortc.RTCPeerConnection
        if live:
            return
        kind = self

        class Nothing:
            def decode(self, frame: Any) -> list[Any]:
                kind.frames += 1
                return []

        aiortc.rtcrtpreceiver.get_decoder = lambda codec: Nothing()
        on_packet = aiortc.RTCRtpReceiver._handle_rtp_packet

        async def counted(receiver: Any, packet: Any, arrival_time_ms: int) -> None:
            kind.packets += 1  # its statistics show one of two streams once anything was repeated
            await on_packet(receiver, packet, arrival_time_ms)

        aiortc.RTCRtpReceiver._handle_rtp_packet = counted

    def make(self, kind: str, base: type[Any]) -> Any:
        """A track; its class is made once."""
        if (kind, base) not in self._classes:
            self._classes[kind, base] = type(base.__name__, (base, self.Track), {"kind": kind})
        return self._classes[kind, base]()


class Silent:
    """A track that is negotiated and never gives anything."""

    async def recv(self) -> Any:
        await asyncio.get_running_loop().create_future()


class Paced:
    """Frames of one size, evenly, none before `pace`. What it costs is in the figures of both, so it makes its two packets
    once: either implementation has taken the bytes of one before it asks for the next."""

    TIME_BASE = Fraction(1, 90000)

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()
        self.count = 0

    def pace(self, bps: float, fps: float) -> None:
        if not bps:
            self.started.clear()
            return
        fill = os.urandom(int(bps / 8 / fps) - len(VP8_KEY))
        self.packets: tuple[av.Packet[Any], ...] = (av.Packet(VP8_KEY + fill), av.Packet(VP8_DELTA + fill))
        for packet, key in zip(self.packets, (True, False), strict=True):
            packet.is_keyframe, packet.time_base = key, self.TIME_BASE
        self.period, self.due = 1 / fps, time.monotonic()
        self.started.set()

    async def recv(self) -> av.Packet[Any]:
        await self.started.wait()
        self.due = max(self.due + self.period, time.monotonic() - 0.1)
        await asyncio.sleep(self.due - time.monotonic())
        packet = self.packets[self.count % KEY_EVERY > 0]
        packet.pts = int(time.monotonic() * 90000)
        self.count += 1
        return packet


async def connected(pc: Any) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def look() -> None:
        if pc.connectionState == "connected" and not done.done():
            done.set_result(None)
        elif pc.connectionState in ("failed", "closed") and not done.done():
            done.set_exception(ConnectionError(pc.connectionState))

    pc.on("connectionstatechange", look)
    look()
    await asyncio.wait_for(done, CONNECT_S)


async def negotiate(a: Any, b: Any) -> None:
    """From createOffer to both connected, in the calls that programs write."""
    ready = [asyncio.ensure_future(connected(pc)) for pc in (a, b)]
    await a.setLocalDescription(await a.createOffer())
    await b.setRemoteDescription(a.localDescription)
    await b.setLocalDescription(await b.createAnswer())
    await a.setRemoteDescription(b.localDescription)
    await asyncio.gather(*ready)


def pair(kind: Kind) -> tuple[Any, Any]:
    """Sound and a picture both ways, none of which comes."""
    both = kind.peer(), kind.peer()
    for pc in both:
        pc.addTrack(kind.make("audio", Silent))
        pc.addTrack(kind.make("video", Silent))
    return both


def rss() -> int:
    """Bytes of this process in memory, after free ones have been given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def read(stream: Paced) -> None:
    while True:
        await stream.recv()


def answer(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def orders() -> AsyncIterator[dict[str, Any]]:
    """What this process is told on standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def media(kind: Kind) -> None:
    pc = kind.peer()
    stream = kind.make("video", Paced)
    async for told in orders():
        match told["do"]:
            case "offer":
                pc.addTrack(stream)
                await pc.setLocalDescription(await pc.createOffer())
                answer(sdp=pc.localDescription.sdp)
            case "answer":
                await pc.setRemoteDescription(kind.Description(told["sdp"], "offer"))
                await pc.setLocalDescription(await pc.createAnswer())
                answer(sdp=pc.localDescription.sdp)
                await connected(pc)
                kind.take(pc)
            case "accept":
                await pc.setRemoteDescription(kind.Description(told["sdp"], "answer"))
                await connected(pc)
                answer(connected=True)
            case "source":
                kind.tasks.append(asyncio.ensure_future(read(stream)))
            case "pace":
                stream.pace(told["bps"], told["fps"])
            case "used":
                rows = list((await pc.getStats()).values())
                sent = sum(row.packetsSent for row in rows if row.type == "outbound-rtp")
                received = kind.packets or sum(row.packetsReceived for row in rows if row.type == "inbound-rtp")
                answer(cpu_ns=time.process_time_ns(), sent=sent, received=received, frames=kind.frames, pictures=stream.count)
    await pc.close()


async def calls(kind: Kind, count: int) -> None:
    """One call stays all the while, as in a program that has others. The first that are timed are left out."""
    kept = pair(kind)
    await negotiate(*kept)
    wall, cpu = [], []
    for number in range(count + 5):
        a, b = pair(kind)
        await asyncio.sleep(0)
        at, used = time.perf_counter(), time.process_time()
        await negotiate(a, b)
        if number >= 5:
            wall.append((time.perf_counter() - at) * 1e3)
            cpu.append((time.process_time() - used) * 1e3)
        await asyncio.gather(a.close(), b.close())
    await asyncio.gather(*(pc.close() for pc in kept))
    answer(wall_ms=wall, cpu_ms=cpu)


async def crowd(kind: Kind, count: int, at_once: int) -> None:
    """Calls that stay, after one that has gone again."""
    warm = pair(kind)
    await negotiate(*warm)
    before = rss()
    places = asyncio.Semaphore(at_once)
    there: list[tuple[Any, Any]] = []

    async def one() -> None:
        async with places:
            both = pair(kind)
            there.append(both)
            await negotiate(*both)

    started = time.perf_counter()
    done = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
    seconds = time.perf_counter() - started
    await asyncio.sleep(4)  # what the handshakes needed has been freed
    settled = rss()
    alive = sum(pc.connectionState == "connected" for both in there for pc in both)
    why = next((repr(e) for e in done if e is not None), "")
    busy = time.process_time()
    await asyncio.sleep(2)
    idle = (time.process_time() - busy) / 2
    await asyncio.gather(*(pc.close() for both in there for pc in both))
    there.clear()
    del done
    await asyncio.sleep(1)
    left = rss()
    await asyncio.gather(*(pc.close() for pc in warm))
    each = (settled - before) / (2 * count)
    answer(connected=alive, seconds=seconds, each=each, left=(left - before) / (2 * count), rss=settled, idle=idle, error=why)


def main() -> None:
    kind = Kind(sys.argv[1])
    numbers = [int(text) for text in sys.argv[3:]]
    asyncio.run({"media": media, "calls": calls, "crowd": crowd}[sys.argv[2]](kind, *numbers))  # type: ignore[operator]


if __name__ == "__main__":
    main()
