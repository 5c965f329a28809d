"""Peer connections over a driver that only writes down what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pyee.asyncio import AsyncIOEventEmitter

from rtcengine.peer.configuration import RTCConfiguration
from rtcengine.peer.connection import RTCPeerConnection
from rtcengine.peer.driver import PeerEvents, RTCDataChannelParameters, TransportFacts
from rtcengine.peer.effects import Effect
from rtcengine.peer.report import TransportReport
from rtcengine.types import Fingerprint


class FakeRemoteTrack(AsyncIOEventEmitter):
    def __init__(self, kind: str, id: str) -> None:
        super().__init__()
        self.kind, self.id, self.readyState = kind, id, "live"

    def stop(self) -> None:
        self.readyState = "ended"


class FakeDriver:
    made = 0

    def __init__(self, events: PeerEvents, configuration: RTCConfiguration) -> None:
        FakeDriver.made += 1
        self.events, self.configuration = events, configuration
        self.fingerprints = (Fingerprint("sha-256", FakeDriver.made.to_bytes(32, "big")),)
        self.effects: list[Effect] = []
        self.tracks: list[tuple[str | None, Any]] = []
        self.transforms: list[tuple[str | None, Any]] = []
        self.tones: list[tuple[int, float]] = []
        self.channels: list[RTCDataChannelParameters] = []
        self.may_gather = asyncio.Event()
        self.may_gather.set()
        self.closed = False
        self.sctp = None
        self.ahead = (0, ("", ""))
        self.reports: tuple[TransportReport, ...] = ()

    def apply(self, effects: Sequence[Effect]) -> None:
        self.effects += effects

    def configure(self, configuration: RTCConfiguration) -> None:
        self.configuration = configuration

    def gather_ahead(self, size: int, ice: tuple[str, str]) -> None:
        self.ahead = (size, ice)

    def remote_track(self, kind: str, id: str) -> FakeRemoteTrack:
        return FakeRemoteTrack(kind, id)

    def set_track(self, sender: Any, track: Any) -> None:
        self.tracks.append((sender.mid, track))

    def set_transform(self, sender: Any, transform: Any) -> None:
        self.transforms.append((sender.mid, transform))

    def choose_layer(self, receiver: Any) -> None:
        pass

    def send_tone(self, sender: Any, code: int, ms: float) -> None:
        self.tones.append((code, ms))

    def create_data_channel(self, parameters: RTCDataChannelParameters) -> RTCDataChannelParameters:
        self.channels.append(parameters)
        return parameters

    def facts(self, transport: int) -> TransportFacts | None:
        return None

    def source_of(self, receiver: Any) -> int:
        return 0

    async def gathered(self) -> None:
        await self.may_gather.wait()

    async def report(self) -> tuple[TransportReport, ...]:
        return self.reports

    async def get_stats(self, selector: Any = None) -> Any:
        return {"of": selector}

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed = True


def connection(configuration: RTCConfiguration | None = None) -> RTCPeerConnection:
    return RTCPeerConnection(configuration, driver=FakeDriver)


def record(pc: RTCPeerConnection, *names: str) -> list[str]:
    """Names of events as they come."""
    seen: list[str] = []
    for name in names:
        pc.on(name, lambda *_, name=name: seen.append(name))
    return seen


async def settle() -> None:
    """Lets everything run that waits for nothing but its turn."""
    for _ in range(20):
        await asyncio.sleep(0)


async def exchange(a: RTCPeerConnection, b: RTCPeerConnection) -> None:
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
    await b.setLocalDescription()
    await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
