"""Two engines over loopback: a server that answers checks and a client that checks. Shared by tests, and run as a program it
is the far end of a relay: it publishes, watches, and tells when each packet came."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from rtcengine import Batch, Certificate, Engine, IceConfig, RecvConfig, SendConfig, Transport, TransportConfig
from rtcengine.engine import Receiver, Sender

VIDEO: dict[str, Any] = {"video": True, "codec": "VP8", "pt": 96, "rtx_pt": 97, "clock_rate": 90000, "mid": "v", "nack": True}
AUDIO: dict[str, Any] = {"video": False, "codec": "opus", "pt": 111, "clock_rate": 48000, "mid": "a"}
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXTENSIONS = {4: MID}
KEY_FRAME = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xb4\x00" + bytes(2000)
DELTA_FRAME = b"\x11" + bytes(800)
OPUS_FRAME = bytes(80)
HERE = [("127.0.0.1", 0)]
names = itertools.count(1)


@dataclass(frozen=True)
class Names:
    """ICE credentials of a pair; `other()` is the same seen from the far end."""

    ufrag: str
    pwd: str
    far_ufrag: str
    far_pwd: str

    @classmethod
    def new(cls) -> Names:
        number = next(names)
        return cls(f"near{number}", secrets.token_hex(16), f"far{number}", secrets.token_hex(16))

    def other(self) -> Names:
        return Names(self.far_ufrag, self.far_pwd, self.ufrag, self.pwd)

    def config(self, fingerprint: bytes, client: bool, **more: Any) -> TransportConfig:
        """`client`: checks, and starts DTLS."""
        return TransportConfig(
            ice=IceConfig(self.ufrag, self.pwd, self.far_ufrag, self.far_pwd),
            ice_role="controlling" if client else "lite",
            dtls_client=client,
            fingerprints=(("sha-256", fingerprint),),
            extensions=EXTENSIONS,
            cname="pair",
            **more,
        )


@asynccontextmanager
async def relayed(
    kind: dict[str, Any], extensions: dict[int, str], agreed: frozenset[str]
) -> AsyncIterator[tuple[Sender, Receiver, Receiver]]:
    """Connected: who sends a stream of this kind, the relay that receives it and forwards it, who receives it from there. All
    have these `extensions`; both senders have `agreed` to write some."""
    certificates = Certificate.generate(), Certificate.generate()
    async with (
        Engine(certificates[0], udp=HERE) as server,
        Engine(certificates[1], udp=HERE) as client,
        Engine(certificates[1], udp=HERE) as viewer,
    ):
        ends = []
        for far in (client, viewer):
            ids, batch = Names.new(), server.batch()
            near = batch.transport(replace(ids.config(certificates[1].digest(), client=False), extensions=extensions))
            if far is client:
                came = batch.receive(near, RecvConfig(**kind, frames=True))
            else:
                out = batch.send(near, SendConfig(**kind, ssrc=7, extensions=agreed))
                batch.link(out, came)
            await batch.commit()
            batch = far.batch()
            there = batch.transport(replace(ids.other().config(certificates[0].digest(), client=True), extensions=extensions))
            if far is client:
                source = batch.send(there, SendConfig(**kind, ssrc=5, extensions=agreed))
            else:
                seen = batch.receive(there, RecvConfig(**kind, frames=True))
            batch.path(there, ("127.0.0.1", server.port))
            await batch.commit()
            ends += [near, there]
        await asyncio.wait_for(asyncio.gather(*(end.wait("connected") for end in ends)), 10)
        yield source, came, seen


def receive(batch: Batch, transport: Transport, kind: dict[str, Any]) -> Any:
    video = kind["video"]
    return batch.receive(transport, RecvConfig(**kind, pli=video, twcc=video))


def send(batch: Batch, transport: Transport, kind: dict[str, Any], ssrc: int) -> Any:
    rtx = ssrc + 1 if kind["video"] else 0
    return batch.send(transport, SendConfig(**kind, ssrc=ssrc, rtx_ssrc=rtx, extensions=frozenset({MID})))


async def far_end(told: dict[str, Any]) -> list[tuple[float, int]]:
    """Publishes a frame each 10 ms for some seconds and watches it come back: samples of (time.monotonic(), frames)."""
    certificate = Certificate(told["cert"].encode(), told["key"].encode())
    samples: list[tuple[float, int]] = []
    # An engine each: what comes from one address to one socket is one peer's.
    async with Engine(certificate, udp=HERE) as publisher, Engine(certificate, udp=HERE) as viewer:
        sides = []
        for engine, one in zip((publisher, viewer), told["names"], strict=True):
            batch = engine.batch()
            transport = batch.transport(Names(*one).config(bytes.fromhex(told["fingerprint"]), client=True))
            batch.path(transport, ("127.0.0.1", told["port"]))
            stream = send(batch, transport, VIDEO, 1000) if engine is publisher else receive(batch, transport, VIDEO)
            await batch.commit()
            await transport.wait("connected")
            sides.append(stream)
        source, sink = sides
        wanted = [True]
        source.on_keyframe = lambda: wanted.append(True)
        start = time.monotonic()
        for n in itertools.count():
            await asyncio.sleep(max(0.0, start + n / 100 - time.monotonic()))
            source.send_frame(KEY_FRAME if wanted else DELTA_FRAME, n * 900, bool(wanted))
            wanted.clear()
            stats = await viewer.stats()
            samples.append((time.monotonic(), stats.receivers[sink.id].frames))
            if n == 50:
                print("ready", flush=True)
            if time.monotonic() - start > told["seconds"]:
                return samples


if __name__ == "__main__":
    result = asyncio.run(far_end(json.loads(sys.stdin.readline())))
    print(json.dumps(result), flush=True)
