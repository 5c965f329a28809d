"""One side of a call by the engine alone, for hosts behind NATs: full ICE, DTLS and a stream of frames each way.

python -m tests.interop.nat_engine_peer --stun IP:PORT; lines and events as pipe_peer.py tells them.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import socket
import time
from typing import Any

from rtcengine import Certificate, Engine, IceConfig, RecvConfig, SendConfig, Transport, TransportConfig
from rtcengine.config import IceCandidate
from rtcengine.engine import TransportEvent
from rtcengine.ice.addresses import local_addresses
from rtcengine.ice.priority import foundation, priority
from tests.interop.nat_probe import mapped
from tests.interop.pipe_peer import PipePeer, run_peer
from tests.unit.engine_pair import DELTA_FRAME, EXTENSIONS, KEY_FRAME, MID, VIDEO

FRAMES_A_SECOND = 50


class EnginePeer(PipePeer):
    """What there is on one side."""

    def __init__(self, stun: tuple[str, int]) -> None:
        super().__init__()
        self._stun = stun
        self._certificate = Certificate.generate()
        self._name, self._password = secrets.token_hex(4), secrets.token_hex(16)
        self._controlling = False
        self._engine: Engine | None = None
        self._transport: Transport | None = None
        self._theirs: dict[str, Any] | None = None

    async def start(self, offerer: bool) -> None:
        self._controlling = offerer
        # The engine takes the port over after a plain socket has asked how it looks from outside. A NAT whose mapping
        # depends on the target shows another one later, as it would in any case.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("0.0.0.0", 0))
            port = sock.getsockname()[1]
            outside = await mapped(sock, self._stun)
        self._engine = Engine(self._certificate, udp=[("0.0.0.0", port)])
        await self._engine.start()
        base = (str(local_addresses()[0]), port)
        self._candidates = [
            IceCandidate(address=base, type="host", priority=priority("host", 65535), foundation=foundation("host", base[0]))
        ]
        if outside != base:
            self._candidates.append(
                IceCandidate(
                    address=outside,
                    type="srflx",
                    priority=priority("srflx", 65535),
                    foundation=foundation("srflx", base[0], self._stun[0]),
                    base=base,
                )
            )
        self.signal(
            ufrag=self._name,
            pwd=self._password,
            fingerprint=self._certificate.digest().hex(),
            candidates=[(c.address, c.type, c.priority, c.foundation) for c in self._candidates],
        )
        if self._theirs is not None:
            await self._connect(self._theirs)

    async def on_signal(self, value: dict[str, Any]) -> None:
        self._theirs = value
        if self._engine is not None:
            await self._connect(value)

    async def _connect(self, theirs: dict[str, Any]) -> None:
        assert self._engine is not None
        config = TransportConfig(
            ice=IceConfig(self._name, self._password, theirs["ufrag"], theirs["pwd"]),
            ice_role="controlling" if self._controlling else "controlled",
            ice_survives=True,
            dtls_client=self._controlling,
            fingerprints=(("sha-256", bytes.fromhex(theirs["fingerprint"])),),
            extensions=EXTENSIONS,
            cname="nat",
        )
        batch = self._engine.batch()
        self._transport = transport = batch.transport(config, self._on_event)
        sender = batch.send(transport, SendConfig(**VIDEO, ssrc=1000, rtx_ssrc=1001, extensions=frozenset({MID})))
        receiver = batch.receive(transport, RecvConfig(**VIDEO, pli=True, twcc=True, frames=True))
        for candidate in self._candidates:
            batch.local_candidate(transport, candidate)
        for address, kind, number, name in theirs["candidates"]:
            far = IceCandidate(address=(address[0], address[1]), type=kind, priority=number, foundation=name)
            batch.remote_candidate(transport, far)
        batch.end_of_candidates(transport, local=True, remote=True)
        await batch.commit()
        self.spawn(self._send(sender))
        self.spawn(self._receive(receiver))

    def _on_event(self, event: TransportEvent) -> None:
        transport = event.transport
        self.report("state", value=transport.state, ice=event.ice_state, reason=event.reason, error=event.error)
        if transport.state == "connected":
            self.report("pair", local=transport.local_type, remote=transport.remote_type, address=transport.remote)

    async def _send(self, sender: Any) -> None:
        wanted = [True]
        sender.on_keyframe = lambda: wanted.append(True)
        await sender.transport.wait("connected")
        start, number = time.monotonic(), 0
        while True:
            sender.send_frame(KEY_FRAME if wanted else DELTA_FRAME, number * 90000 // FRAMES_A_SECOND, bool(wanted))
            wanted.clear()
            number += 1
            await asyncio.sleep(start + number / FRAMES_A_SECOND - time.monotonic())

    async def _receive(self, receiver: Any) -> None:
        async for frame in receiver.frames():
            self.frame(frame.arrived)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stun", required=True)
    host, _, port = parser.parse_args().stun.partition(":")
    run_peer(lambda: EnginePeer((host, int(port))))
