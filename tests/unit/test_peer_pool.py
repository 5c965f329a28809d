"""iceCandidatePoolSize: what is gathered before there is a description, what becomes of it, and of what nobody needs."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rtcengine import (
    Certificate,
    Engine,
    NetworkOptions,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    SyntheticMicrophone,
)
from rtcengine.peer.pool import MAX_AHEAD
from tests.util import until

from .peer_kit import exchange
from .test_stun_query import Server

PLACES = (f"127.0.1.{i}" for i in range(1, 255))


def sockets(place: str) -> set[int]:
    """Ports that are bound there for UDP, by /proc."""
    found = set()
    for line in Path("/proc/self/net/udp").read_text().splitlines()[1:]:
        host, port = line.split()[1].split(":")
        if ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(host), "little")) == ipaddress.IPv4Address(place):
            found.add(int(port, 16))
    return found


def told(pc: RTCPeerConnection) -> set[int]:
    assert pc.localDescription is not None
    words = [line.split() for line in pc.localDescription.sdp.splitlines() if line.startswith("a=candidate")]
    return {int(one[5]) for one in words if one[7] == "host"}


@contextlib.asynccontextmanager
async def stun_server() -> AsyncIterator[tuple[Server, RTCIceServer]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    server.mapped = ("192.0.2.7", 4000)
    try:
        yield server, RTCIceServer("stun:{}:{}".format(*server.address))
    finally:
        transport.close()


@contextlib.asynccontextmanager
async def connection(size: int, place: str, **settings: Any) -> AsyncIterator[RTCPeerConnection]:
    configuration = RTCConfiguration(iceCandidatePoolSize=size, **settings)
    pc = RTCPeerConnection(configuration, network=NetworkOptions(addresses=(place,)))
    try:
        yield pc
    finally:
        await pc.close()


async def ready(pc: RTCPeerConnection, size: int) -> None:
    def over() -> bool:
        pool = pc.driver.pool  # type: ignore[attr-defined]
        return len(pool) == size and all(link.gathering is None for link in pool)

    await until(over, what="the pool has gathered")


async def test_candidates_wait_for_the_description() -> None:
    """Also those of a server that is gone by then; until then nothing is told."""
    seen: list[Any] = []
    async with stun_server() as (server, where), connection(1, next(PLACES), iceServers=[where]) as pc:
        pc.on("icecandidate", seen.append)
        pc.on("icegatheringstatechange", lambda: seen.append(pc.iceGatheringState))
        await ready(pc, 1)
        asked = len(server.asked)
        assert asked and seen == [] and pc.iceGatheringState == "new"
        server.lost = 1000
        pc.addTransceiver("audio")
        await pc.setLocalDescription()
        await until(lambda: pc.iceGatheringState == "complete", what="all is told")
        assert len(server.asked) == asked
        assert [one if isinstance(one, str) else one.type if one.ip else "end" for one in seen] == [
            "gathering",
            "host",
            "srflx",
            "end",
            "complete",
        ]
        assert pc.localDescription is not None and "192.0.2.7 4000 typ srflx" in pc.localDescription.sdp


async def test_without_listeners_the_description_has_them() -> None:
    async with connection(1, next(PLACES)) as pc:
        await ready(pc, 1)
        pc.addTransceiver("audio")
        await pc.setLocalDescription()
        assert len(told(pc)) == 1 and pc.iceGatheringState == "complete"
        assert "a=end-of-candidates" in pc.localDescription.sdp  # type: ignore[union-attr]


async def test_one_that_is_still_gathering() -> None:
    """Goes on, and tells the rest when it comes."""
    async with stun_server() as (server, where), connection(1, next(PLACES), iceServers=[where]) as pc:
        server.lost = 1
        pc.on("icecandidate", lambda _: None)
        pc.addTransceiver("audio")
        await pc.setLocalDescription()
        await until(lambda: pc.iceGatheringState == "complete", what="gathering ends")
        assert len({tid for tid, _ in server.asked}) == 1
        assert "192.0.2.7 4000 typ srflx" in pc.localDescription.sdp  # type: ignore[union-attr]


async def test_a_call() -> None:
    """By the sockets of the pool; what is left of it goes with the first round, and a restart gathers as ever."""
    here, there = next(PLACES), next(PLACES)
    async with connection(3, here) as a, connection(2, there) as b:
        await ready(a, 3)
        await ready(b, 2)
        before = {here: sockets(here), there: sockets(there)}
        assert (len(before[here]), len(before[there])) == (3, 2)
        for pc in (a, b):
            pc.addTrack(SyntheticMicrophone())
        await exchange(a, b)
        await until(lambda: a.connectionState == b.connectionState == "connected", what="both connected")
        await until(lambda: sockets(here) == told(a) and sockets(there) == told(b), what="the rest is closed")
        assert told(a) < before[here] and told(b) < before[there]
        a.restartIce()
        await exchange(a, b)
        for pc in (a, b):
            for _ in range(3):
                await asyncio.wait_for(pc.getReceivers()[0].track.recv(), 10)
        assert a.connectionState == b.connectionState == "connected"
    assert sockets(here) == sockets(there) == set()


async def test_a_call_at_a_shared_port() -> None:
    """Links of one name behind one socket: checks of the peer find the one that the offer means, the others are in no way."""
    here = next(PLACES)
    async with Engine(Certificate.generate(), udp=[(here, 0)]) as engine:
        network = NetworkOptions(addresses=(here,), engine=engine, shared_port=True)
        a = RTCPeerConnection(RTCConfiguration(iceCandidatePoolSize=3), network=network)
        async with connection(2, next(PLACES)) as b:
            try:
                await ready(a, 3)
                for pc in (a, b):
                    pc.addTrack(SyntheticMicrophone())
                await exchange(a, b)
                await until(lambda: a.connectionState == b.connectionState == "connected", what="both connected")
                await asyncio.wait_for(b.getReceivers()[0].track.recv(), 10)
                assert told(a) == sockets(here) == {engine.port}
            finally:
                await a.close()


async def test_a_transport_a_section() -> None:
    here = next(PLACES)
    async with connection(2, here, bundlePolicy=RTCBundlePolicy.MAX_COMPAT) as pc:
        await ready(pc, 2)
        pooled = sockets(here)
        for kind in ("audio", "video", "video"):
            pc.addTransceiver(kind)
        await pc.setLocalDescription()
        assert told(pc) == sockets(here) > pooled and len(told(pc)) == 3


async def test_the_size_changes() -> None:
    here = next(PLACES)
    async with connection(0, here) as pc:
        assert sockets(here) == set()
        for size in (2, 3, 1, 0, 1):
            pc.setConfiguration(RTCConfiguration(iceCandidatePoolSize=size))
            await ready(pc, size)
            await until(lambda size=size: len(sockets(here)) == size, what=f"{size} sockets")


async def test_other_servers_are_asked() -> None:
    """Nothing of the old ones is told (RFC 9429 §4.1.18)."""
    async with stun_server() as (old, first), stun_server() as (new, second):
        new.mapped = ("192.0.2.8", 4001)
        async with connection(1, next(PLACES), iceServers=[first]) as pc:
            await ready(pc, 1)
            pc.setConfiguration(RTCConfiguration(iceServers=[second], iceCandidatePoolSize=1))
            await ready(pc, 1)
            assert old.asked and new.asked
            pc.addTransceiver("audio")
            await pc.setLocalDescription()
            sdp = pc.localDescription.sdp  # type: ignore[union-attr]
            assert "192.0.2.8 4001 typ srflx" in sdp and "192.0.2.7" not in sdp


async def test_another_policy() -> None:
    async with connection(1, next(PLACES)) as pc:
        await ready(pc, 1)
        pc.setConfiguration(RTCConfiguration(iceTransportPolicy=RTCIceTransportPolicy.RELAY, iceCandidatePoolSize=1))
        await ready(pc, 1)
        pc.addTransceiver("audio")
        await pc.setLocalDescription()
        assert told(pc) == set()


async def test_after_a_rollback() -> None:
    here = next(PLACES)
    async with connection(1, here) as pc:
        pc.addTransceiver("audio")
        await ready(pc, 1)
        await pc.setLocalDescription()
        await pc.setLocalDescription({"type": "rollback"})
        await pc.createOffer()
        await ready(pc, 1)
        await pc.setLocalDescription()
        await until(lambda: sockets(here) == told(pc), what="its socket alone")


async def test_addresses_that_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a description what was gathered for others is given up."""
    from rtcengine.peer import engine_driver, network

    one, other = next(PLACES), next(PLACES)
    here = [one]
    changed: list[Any] = []
    monkeypatch.setattr(network, "local_addresses", lambda: [ipaddress.ip_address(a) for a in here])
    monkeypatch.setattr(engine_driver, "watch", lambda callback: changed.append(callback) or (lambda: None))
    pc = RTCPeerConnection(RTCConfiguration(iceCandidatePoolSize=1))
    try:
        await ready(pc, 1)
        assert sockets(one) and not sockets(other)
        here[:] = [other]
        changed[0]()
        await ready(pc, 1)
        await until(lambda: not sockets(one) and len(sockets(other)) == 1, what="the other address's socket")
        pc.addTransceiver("audio")
        await pc.setLocalDescription()
        assert told(pc) == sockets(other)
    finally:
        await pc.close()


async def test_closed_before_a_description() -> None:
    here = next(PLACES)
    async with connection(2, here) as pc:
        await ready(pc, 2)
    assert sockets(here) == set()


async def test_made_where_no_loop_runs() -> None:
    """Then the first offer begins it."""
    place = next(PLACES)
    network = NetworkOptions(addresses=(place,))
    pc = await asyncio.to_thread(RTCPeerConnection, RTCConfiguration(iceCandidatePoolSize=1), network=network)
    try:
        assert pc.driver.pool == []  # type: ignore[attr-defined]
        pc.addTransceiver("audio")
        offer = await pc.createOffer()
        await ready(pc, 1)
        pooled = sockets(place)
        await pc.setLocalDescription(offer)
        assert told(pc) == pooled
    finally:
        await pc.close()


async def test_the_largest() -> None:
    here = next(PLACES)
    async with connection(255, here) as pc:
        await ready(pc, MAX_AHEAD)
        assert len(sockets(here)) == MAX_AHEAD
