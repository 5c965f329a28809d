"""Perfect negotiation (W3C webrtc §10.7): both sides change what they like when they like, nobody fails. After WPT's
webrtc/RTCPeerConnection-perfect-negotiation, in our words."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from rtcengine.peer.connection import RTCPeerConnection
from rtcengine.peer.description import RTCSessionDescription

from .jsep_kit import FakeTrack
from .peer_kit import connection, settle


class Side:
    """The standard's example, to the letter."""

    def __init__(self, polite: bool, seed: int) -> None:
        self.pc = connection()
        self.polite, self.rng = polite, random.Random(seed)
        self.making_offer = self.ignored = False
        self.collisions = 0
        self.failures: list[BaseException] = []
        self.inbox: asyncio.Queue[RTCSessionDescription] = asyncio.Queue()
        self.other: Side | None = None
        self.pc.on("icecandidate", lambda candidate: None)  # descriptions are told at once
        self.pc.on("negotiationneeded", self.negotiate)
        self.reading = asyncio.ensure_future(self.read())

    async def negotiate(self) -> None:
        try:
            self.making_offer = True
            await self.pc.setLocalDescription()
            await self.send()
        except Exception as e:
            self.failures.append(e)
        finally:
            self.making_offer = False

    async def send(self) -> None:
        assert self.other is not None and self.pc.localDescription is not None
        self.other.inbox.put_nowait(self.pc.localDescription)

    async def read(self) -> None:
        while True:
            description = await self.inbox.get()
            for _ in range(self.rng.randrange(6)):
                await asyncio.sleep(0)
            try:
                collision = description.type == "offer" and (self.making_offer or self.pc.signalingState != "stable")
                self.collisions += collision
                self.ignored = not self.polite and collision
                if self.ignored:
                    continue
                await self.pc.setRemoteDescription(description)
                if description.type == "offer":
                    await self.pc.setLocalDescription()
                    await self.send()
            except Exception as e:
                self.failures.append(e)


def sides(seed: int) -> tuple[Side, Side]:
    a, b = Side(True, seed), Side(False, seed + 1)
    a.other, b.other = b, a
    return a, b


async def quiet(*both: Side) -> None:
    for _ in range(60):
        await settle()
        if all(s.inbox.empty() and s.pc.signalingState == "stable" and not s.pc.jsep.negotiation_needed for s in both):
            await settle()


def directions(pc: RTCPeerConnection) -> dict[str | None, Any]:
    return {t.mid: t.currentDirection for t in pc.getTransceivers()}


def check(a: Side, b: Side) -> None:
    assert a.failures == [] and b.failures == []
    assert a.pc.signalingState == b.pc.signalingState == "stable"
    assert not a.pc.jsep.negotiation_needed and not b.pc.jsep.negotiation_needed
    mine, theirs = directions(a.pc), directions(b.pc)
    turned = {"sendonly": "recvonly", "recvonly": "sendonly"}
    assert None not in mine and mine == {mid: turned.get(d, d) for mid, d in theirs.items()}


def change(side: Side) -> None:
    pc, rng = side.pc, side.rng
    live = [t for t in pc.getTransceivers() if t.direction != "stopped"]
    match rng.randrange(6):
        case 0 if len(live) < 8:
            pc.addTrack(FakeTrack(rng.choice(["audio", "video"]), f"t{rng.random()}"), f"s{rng.randrange(3)}")
        case 1 if len(live) < 8:
            pc.addTransceiver(rng.choice(["audio", "video"]))
        case 2 if live:
            rng.choice(live).direction = rng.choice(["sendrecv", "sendonly", "recvonly", "inactive"])
        case 3 if live:
            rng.choice(live).stop()
        case 4:
            pc.restartIce()
        case 5:
            pc.createDataChannel("x")


async def test_one_side() -> None:
    a, b = sides(1)
    a.pc.addTrack(FakeTrack("audio", "t"))
    await quiet(a, b)
    check(a, b)
    assert directions(a.pc) == {"0": "sendonly"}


async def test_glare() -> None:
    a, b = sides(2)
    a.pc.addTrack(FakeTrack("audio", "a"))
    b.pc.addTrack(FakeTrack("audio", "b"))
    await quiet(a, b)
    check(a, b)
    assert a.collisions + b.collisions > 0
    assert directions(a.pc) == directions(b.pc) == {"0": "sendrecv"}


async def test_glare_of_different_kinds() -> None:
    a, b = sides(3)
    a.pc.addTrack(FakeTrack("audio", "a"))
    b.pc.addTrack(FakeTrack("video", "b"))
    b.pc.createDataChannel("x")
    await quiet(a, b)
    check(a, b)
    assert sorted(directions(a.pc).values()) == ["recvonly", "sendonly"]


@pytest.mark.parametrize("seed", range(20))
async def test_changes_at_any_moment(seed: int) -> None:
    a, b = sides(seed * 2)
    for _ in range(30):
        change(a.rng.choice([a, b]))
        for _ in range(a.rng.randrange(8)):
            await asyncio.sleep(0)
    await quiet(a, b)
    check(a, b)
