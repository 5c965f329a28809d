"""The relays that bench/relay.py compares. Each has a program of viewers of its own and says what it has used so far."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kit.allocations
from rtcengine.certificate import Certificate
from rtcengine.engine import Engine, IceConfig, RecvConfig, SendConfig, TransportConfig

RELAY_CORE, LOAD_CORE = 0, 1
PROFILES = {0: "none", 1: "AES_CM_128_HMAC_SHA1_80", 7: "AEAD_AES_128_GCM", 8: "AEAD_AES_256_GCM"}
SSRC = 0x5EED0001  # the publisher's, in c/viewers.c
PT, RTX_PT = 96, 97
EXTENSIONS = {
    1: "urn:ietf:params:rtp-hdrext:sdes:mid",
    2: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    3: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
}
GSO_RUNS = (2, 4, 8)


@dataclass(frozen=True)
class Used:
    """Totals of a relay: CPU nanoseconds of the thread that forwards, datagrams sent, messages that the kernel got for
    them, system calls (0: not known), heap allocations (-1: not known)."""

    cpu_ns: int
    sent: int
    messages: int
    calls: int
    allocations: int = -1

    def since(self, before: Used) -> Used:
        return Used(
            self.cpu_ns - before.cpu_ns,
            self.sent - before.sent,
            self.messages - before.messages,
            self.calls - before.calls,
            self.allocations - before.allocations,
        )


class Lines:
    """A program that is told lines and answers lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, core: int | None, *command: str | Path) -> Lines:
        """None: on whatever core is free."""
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
        return cls(process)

    def tell(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    async def answer(self, within: float = 90) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), within)
        if not line:
            raise RuntimeError(f"a program of the benchmark ended ({await self.process.wait()})")
        return dict(json.loads(line))

    async def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 5)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class Side(ABC):
    """One relay with its viewers."""

    name = ""
    secure = "-"
    start_rate = 50000  # packets a second to all viewers: where the search begins

    def __init__(self, viewers_program: Path, viewers: int, payload: int) -> None:
        self.program = viewers_program
        self.viewers = viewers
        self.payload = payload
        self.profile = "none"
        self.setup_s = 0.0
        self.load: Lines
        self.folder = tempfile.TemporaryDirectory()

    async def start_load(self, digest: bytes | None) -> dict[str, Any]:
        more: list[str] = []
        if digest is not None:
            more = [*self.write_certificate(), digest.hex()]
        self.load = await Lines.start(LOAD_CORE, self.program, str(self.viewers), str(self.payload), self.secure, *more)
        return await self.load.answer()

    def write_certificate(self) -> list[str]:
        own = self.load_certificate
        cert, key = Path(self.folder.name, "cert.pem"), Path(self.folder.name, "key.pem")
        cert.write_bytes(own.cert_pem)
        key.write_bytes(own.key_pem)
        return [str(cert), str(key)]

    async def connect(self, ports: list[int]) -> None:
        for who, port in enumerate(ports):
            self.load.tell(f"peer {who} {port}\n")
        self.load.tell("connect\n")
        done = await self.load.answer()
        if done["connected"] != done["wanted"]:
            raise RuntimeError(f"{self.name}: {done['connected']} of {done['wanted']} connected")
        self.profile = PROFILES[done["profile"]]
        self.setup_s = done["seconds"]

    async def run(self, rate: float, seconds: float, burst: int = 1) -> dict[str, Any]:
        """One second or so of the stream, `burst` packets together. The answer of c/viewers.c with `cpu_ns` and `calls` a
        packet, and `run`: packets a message to the kernel."""
        before = await self.used()
        self.load.tell(f"run {rate} {seconds} {burst}\n")
        result = await self.load.answer()
        used = (await self.used()).since(before)
        result["cpu_ns"] = used.cpu_ns / max(used.sent, 1)
        result["calls"] = used.calls / max(used.sent, 1)
        result["run"] = used.sent / max(used.messages, 1)
        result["allocations"] = used.allocations / max(used.sent, 1) if before.allocations >= 0 else -1
        result["lost"] = 1 - result["received"] / max(result["expected"], 1)
        return result

    @abstractmethod
    async def used(self) -> Used:
        """What the relay has used until now."""

    @abstractmethod
    async def start(self) -> None:
        """Brings the relay up, with its viewers connected."""

    async def close(self) -> None:
        await self.load.close()
        self.folder.cleanup()


def sender(who: int) -> SendConfig:
    """A viewer's stream, as c/viewers.c expects it."""
    return SendConfig(
        video=True,
        codec="VP8",
        pt=PT,
        rtx_pt=RTX_PT,
        clock_rate=90000,
        ssrc=2 * who,
        rtx_ssrc=2 * who + 1,
        mid="0",
        extensions=frozenset(EXTENSIONS.values()),
        nack=True,
    )


class EngineSide(Side):
    """This engine, as a program that uses it from Python has it; `openssl`: without batched ciphers."""

    secure = "pv"

    def __init__(self, viewers_program: Path, viewers: int, payload: int, *, openssl: bool = False) -> None:
        super().__init__(viewers_program, viewers, payload)
        self.name = "engine, OpenSSL" if openssl else "engine"
        self.engine = Engine(Certificate.generate(), udp=(("127.0.0.1", 0),), openssl=openssl)

    async def start(self) -> None:
        await self.engine.start()
        self.load_certificate = Certificate.generate()
        await self.start_load(self.engine.certificate.digest())
        batch = self.engine.batch()
        receiver = batch.receive(
            batch.transport(self.config(0)),
            RecvConfig(video=True, codec="VP8", pt=PT, clock_rate=90000, ssrc=SSRC, nack=True, pli=True),
        )
        for who in range(1, self.viewers + 1):
            batch.link(batch.send(batch.transport(self.config(who)), sender(who)), receiver)
        await batch.commit()
        await self.connect([self.engine.port] * (self.viewers + 1))

    def config(self, who: int) -> TransportConfig:
        ice = IceConfig(f"engine{who}", "password-of-the-engine-side", f"load{who}", "password-of-the-load-side")
        prints = (("sha-256", self.load_certificate.digest()),)
        return TransportConfig(ice=ice, fingerprints=prints, extensions=EXTENSIONS, reduced_rtcp=True)

    async def used(self) -> Used:
        stats = await self.engine.stats()
        loop = stats.loop
        # Each step is a wait.
        calls = loop.recv_calls + loop.send_calls + loop.steps
        sent = stats.hub["rtp_out"]
        messages = sent - loop.gso_datagrams + loop.gso_runs
        return Used(int(loop.cpu_seconds * 1e9), sent, messages, calls, kit.allocations.total())

    async def close(self) -> None:
        await super().close()
        await self.engine.close()


class BareSide(Side):
    """c/bare.c: ready bytes to the same addresses, `length` of them a message; `wire`: bytes of a datagram, as the engine
    sends them."""

    def __init__(self, viewers_program: Path, viewers: int, payload: int, bare: Path, length: int, wire: int) -> None:
        super().__init__(viewers_program, viewers, payload)
        self.name = f"bare GSO {length}" if length > 1 else "bare sendmmsg"
        self.bare, self.length, self.wire = bare, length, wire

    async def start(self) -> None:
        at = await self.start_load(None)
        arguments = map(str, (self.length, self.viewers, at["port"], self.wire))
        self.relay = await Lines.start(RELAY_CORE, self.bare, *arguments)
        port = (await self.relay.answer())["port"]
        await self.connect([port] * (self.viewers + 1))

    async def used(self) -> Used:
        self.relay.tell("stat\n")
        now = await self.relay.answer()
        return Used(now["cpu_ns"], now["sent"], now["sent"] // self.length, now["calls"])

    async def close(self) -> None:
        await super().close()
        await self.relay.close()


class AiortcSide(Side):
    """aiortc's best case: its MediaRelay over packets that are encoded already (kit/aiortc_relay.py)."""

    name = "aiortc"
    secure = "v"
    start_rate = 4000

    async def start(self) -> None:
        self.load_certificate = Certificate.generate()
        program = Path(__file__).with_name("aiortc_relay.py")
        self.relay = await Lines.start(
            RELAY_CORE, sys.executable, program, str(self.viewers), self.load_certificate.fingerprint()
        )
        told = await self.relay.answer()
        await self.start_load(bytes.fromhex(told["fingerprint"].replace(":", "")))
        await self.connect([told["publisher"], *told["ports"]])

    async def used(self) -> Used:
        self.relay.tell("stat\n")
        now = await self.relay.answer()
        return Used(now["cpu_ns"], now["sent"], now["sent"], 0)

    async def close(self) -> None:
        await super().close()
        await self.relay.close()
