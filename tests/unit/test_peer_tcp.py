"""Peer connections by ICE over TCP: what is offered, who connects, and that it carries all that UDP does."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtcengine import (
    Certificate,
    Engine,
    NetworkOptions,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
    SyntheticMicrophone,
)
from tests.util import until

from .peer_kit import exchange

HERE = ("127.0.0.1",)
TCP_ALONE = NetworkOptions(addresses=HERE, tcp=True, udp=False)


@contextlib.asynccontextmanager
async def two(a: NetworkOptions = TCP_ALONE, b: NetworkOptions = TCP_ALONE) -> AsyncIterator[tuple[RTCPeerConnection, Any]]:
    one, other = RTCPeerConnection(network=a), RTCPeerConnection(network=b)
    for pc in (one, other):
        pc.addTrack(SyntheticMicrophone())
    try:
        yield one, other
    finally:
        await one.close()
        await other.close()


async def gather(pc: RTCPeerConnection) -> list[list[str]]:
    """The candidates of its description, in words."""
    await pc.setLocalDescription()
    await until(lambda: pc.iceGatheringState == "complete", what="gathering ends")
    assert pc.localDescription is not None
    lines = [line for line in pc.localDescription.sdp.splitlines() if line.startswith("a=candidate")]
    return [line.split()[2:] for line in lines]


def without(sdp: str, tcp_type: str) -> str:
    """As a peer would tell it that has no candidates of this type."""
    kept = [line for line in sdp.splitlines() if not (line.startswith("a=candidate") and f"tcptype {tcp_type}" in line)]
    return "\r\n".join(kept) + "\r\n"


async def connected(*peers: RTCPeerConnection) -> None:
    await until(lambda: all(pc.connectionState == "connected" for pc in peers), what="both connected")


async def pair(pc: RTCPeerConnection) -> tuple[Any, Any]:
    """The candidates in use, as statistics tell them."""
    stats = await pc.getStats()
    transport = next(s for s in stats.values() if s["type"] == "transport")
    found = stats[transport["selectedCandidatePairId"]]
    return stats[found["localCandidateId"]], stats[found["remoteCandidateId"]]


async def packets(pc: RTCPeerConnection) -> int:
    stats = await pc.getStats()
    return sum(s["packetsReceived"] for s in stats.values() if s["type"] == "inbound-rtp")


async def more_packets(pc: RTCPeerConnection, n: int = 20) -> None:
    before = await packets(pc)

    async def enough() -> bool:
        return await packets(pc) >= before + n

    await until(enough, what=f"{n} more packets")


async def test_what_is_offered() -> None:
    for udp in (True, False):
        pc = RTCPeerConnection(network=NetworkOptions(addresses=HERE, tcp=True, udp=udp))
        try:
            pc.addTransceiver("audio")
            found = await gather(pc)
            kinds = [(c[0], c[-1] if c[0] == "tcp" else "") for c in found]
            assert kinds == [("udp", "")] * udp + [("tcp", "passive"), ("tcp", "active")]
            passive, active = found[-2:]
            assert int(passive[3]) > 0 and active[3] == "9"
            # RFC 6544 §4.2: TCP below UDP, who connects above who listens.
            priorities = [int(c[1]) for c in found]
            assert priorities[-2] < priorities[-1] and (not udp or priorities[-1] < priorities[0])
        finally:
            await pc.close()


async def test_nothing_of_it_unasked() -> None:
    pc = RTCPeerConnection(network=NetworkOptions(addresses=HERE))
    try:
        pc.addTransceiver("audio")
        assert {c[0] for c in await gather(pc)} == {"udp"}
    finally:
        await pc.close()


@pytest.mark.parametrize("listens", ["offerer", "answerer", "both"])
async def test_tcp_alone(listens: str) -> None:
    async with two() as (a, b):
        for one, other, mine in ((a, b, "offerer"), (b, a, "answerer")):
            await one.setLocalDescription()
            assert one.localDescription is not None
            told = one.localDescription
            sdp = told.sdp if listens in (mine, "both") else without(told.sdp, "passive")
            await other.setRemoteDescription(RTCSessionDescription(sdp, told.type))
        await connected(a, b)
        await asyncio.gather(more_packets(a), more_packets(b))
        pairs = {"offerer": await pair(a), "answerer": await pair(b)}
        assert {c["protocol"] for two in pairs.values() for c in two} == {"tcp"}
        if listens != "both":
            (passive, learnt), (active, told_by_it) = pairs.pop(listens), pairs.popitem()[1]
            assert (passive["tcpType"], active["tcpType"], told_by_it["tcpType"]) == ("passive", "active", "passive")
            assert (learnt["candidateType"], active["port"], told_by_it["port"]) == ("prflx", 9, passive["port"])


async def test_udp_is_preferred() -> None:
    network = NetworkOptions(addresses=HERE, tcp=True)
    async with two(network, network) as (a, b):
        await a.setLocalDescription()
        assert a.localDescription is not None
        await b.setRemoteDescription(RTCSessionDescription(without(a.localDescription.sdp, "passive"), "offer"))
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)
        await connected(a, b)

        async def by_udp() -> bool:
            return {c["protocol"] for c in (*await pair(a), *await pair(b))} == {"udp"}

        await until(by_udp, what="UDP is chosen")


async def test_restarts_over_and_over() -> None:
    """More often than the agent has places for candidates: connections of before are forgotten."""
    async with two() as (a, b):
        await exchange(a, b)
        await connected(a, b)
        for turn in range(60):
            (a if turn % 2 else b).restartIce()
            await exchange(a, b)
        await connected(a, b)
        await asyncio.gather(more_packets(a), more_packets(b))


async def test_at_the_port_of_a_shared_engine() -> None:
    """Several connections meet at one listener, which stays the program's own."""
    async with Engine(Certificate.generate(), udp=()) as engine:
        listener = engine.listen_tcp(("0.0.0.0", 0))
        shared = NetworkOptions(addresses=HERE, engine=engine, shared_port=True, tcp=True, udp=False)
        async with two(shared) as (a, b), two(shared) as (c, d):
            for one, other in ((a, b), (c, d)):
                assert [int(found[3]) for found in await gather(one)] == [listener.address[1], 9]
                assert one.localDescription is not None
                await other.setRemoteDescription(one.localDescription)
                await other.setLocalDescription()
                answer = other.localDescription
                await one.setRemoteDescription(RTCSessionDescription(without(answer.sdp, "passive"), "answer"))
            await connected(a, b, c, d)
        assert not listener.closed and engine.listeners == [listener]


async def test_ports_to_choose_from() -> None:
    ports = range(42100, 42140)
    network = NetworkOptions(addresses=HERE, tcp=True, udp=False, ports=ports)
    async with two(network, network) as (a, b):
        await exchange(a, b)
        await connected(a, b)
        assert {(await pair(pc))[0]["port"] for pc in (a, b)} <= {*ports, 9}


async def test_by_relays_alone_nobody_connects() -> None:
    """The policy hides our addresses: nothing listens, and what the peer listens on is left alone."""
    asked: list[object] = []
    server = await asyncio.start_server(lambda reader, writer: asked.append(writer), *HERE, 0)
    port = server.sockets[0].getsockname()[1]
    configuration = RTCConfiguration(
        iceTransportPolicy=RTCIceTransportPolicy.RELAY, iceServers=[RTCIceServer(f"turn:127.0.0.1:{port}", "name", "password")]
    )
    hidden = RTCPeerConnection(configuration, network=TCP_ALONE)
    other = RTCPeerConnection(network=TCP_ALONE)
    try:
        hidden.addTransceiver("audio")
        assert await gather(hidden) == []
        await other.setRemoteDescription(hidden.localDescription)  # type: ignore[arg-type]
        await other.setLocalDescription()
        assert other.localDescription is not None
        told = [line for line in other.localDescription.sdp.splitlines() if "tcptype passive" in line]
        there = f"a=candidate:1 1 tcp 1000 127.0.0.1 {port} typ host tcptype passive"
        answer = other.localDescription.sdp.replace(told[0], there)
        await hidden.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        # A connection that does come shows that the other would have come before.
        _, writer = await asyncio.open_connection(*HERE, port)
        await until(lambda: asked, what="our own connection")
        writer.close()
        assert len(asked) == 1
    finally:
        server.close()
        await hidden.close()
        await other.close()


async def test_a_peer_may_not_have_us_connect_where_it_likes() -> None:
    """As for UDP, addresses may be refused."""
    refused: list[str] = []

    def deny(ip: str) -> str:
        refused.append(ip)
        return "ours" if ipaddress.ip_address(ip).is_loopback else ""

    async with two(b=NetworkOptions(addresses=HERE, tcp=True, udp=False, deny=deny)) as (a, b):
        await exchange(a, b)
        await connected(a, b)  # by the connection that comes
        assert refused == ["127.0.0.1"]
        assert (await pair(b))[0]["tcpType"] == "passive"


async def test_connections_have_a_cap() -> None:
    """A peer that tells many addresses: not one of them more than the cap is connected to, and the real one before is."""
    accepted: list[object] = []
    servers = [await asyncio.start_server(lambda r, w: accepted.append(w), *HERE, 0) for _ in range(20)]
    async with two() as (a, b):
        await a.setLocalDescription()
        assert a.localDescription is not None
        more = [
            f"a=candidate:{i} 1 tcp 1000 127.0.0.1 {s.sockets[0].getsockname()[1]} typ host tcptype passive"
            for i, s in enumerate(servers)
        ]
        offer = a.localDescription.sdp.replace("a=end-of-candidates", "\r\n".join([*more, "a=end-of-candidates"]))
        assert offer.count("tcptype passive") == 21
        await b.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await b.setLocalDescription()
        assert b.localDescription is not None
        await a.setRemoteDescription(b.localDescription)
        await connected(a, b)
        await until(lambda: len(accepted) >= 15, what="as many as may be")
        await more_packets(a)
        assert len(accepted) == 15
    for server in servers:
        server.close()


async def test_a_change_of_addresses_brings_no_udp() -> None:
    async with two() as (pc, _):
        told = await gather(pc)
        (link,) = pc.driver.links.values()
        link.follow(["127.0.0.1", "127.0.0.2"])
        assert not link._sockets and len(link.local) == len(told)
