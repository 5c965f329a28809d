"""Where a peer connection may be reached: calls over IPv6, and by what NetworkOptions binds, leaves out and announces."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, RTCSessionDescription
from rtcengine.ice.addresses import by_preference
from rtcengine.peer.transports import RTCIceCandidatePair
from tests.unit.test_peer_tcp import two
from tests.util import until

FOUR, SIX = "127.0.0.1", "::1"


def told(pc: RTCPeerConnection) -> list[list[str]]:
    """The candidates of its description, in words."""
    assert pc.localDescription is not None
    return [line.split() for line in pc.localDescription.sdp.splitlines() if line.startswith("a=candidate")]


def hosts(pc: RTCPeerConnection) -> set[str]:
    return {words[4] for words in told(pc)}


def without_candidates(description: RTCSessionDescription | None) -> RTCSessionDescription:
    assert description is not None
    lines = [line for line in description.sdp.splitlines() if not line.startswith(("a=candidate", "a=end-of-candidates"))]
    return RTCSessionDescription("\r\n".join(lines) + "\r\n", description.type)


async def negotiate(a: RTCPeerConnection, b: RTCPeerConnection) -> None:
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
    await b.setLocalDescription()
    await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]


def pair(pc: RTCPeerConnection) -> RTCIceCandidatePair | None:
    transport = pc.getTransceivers()[0].sender.transport
    return transport.iceTransport.getSelectedCandidatePair() if transport is not None else None


async def ways(*peers: RTCPeerConnection) -> list[tuple[str | None, str | None]]:
    """The addresses that each sends from and to, once sound has come both ways."""
    await until(lambda: all(pc.connectionState == "connected" for pc in peers), what="both connected")
    for pc in peers:
        for _ in range(3):
            await asyncio.wait_for(pc.getReceivers()[0].track.recv(), 10)
    pairs = [pair(pc) for pc in peers]
    return [(one.local.ip, one.remote.ip) for one in pairs if one is not None]


# IPv6

SIX_ALONE = {
    "udp": NetworkOptions(addresses=(SIX,)),
    "tcp": NetworkOptions(addresses=(SIX,), tcp=True, udp=False),
    "both": NetworkOptions(addresses=(SIX,), tcp=True),
}


@pytest.mark.parametrize("network", SIX_ALONE.values(), ids=SIX_ALONE)
async def test_ipv6_alone(network: NetworkOptions) -> None:
    async with two(network, network) as (a, b):
        await negotiate(a, b)
        assert hosts(a) == hosts(b) == {SIX}
        assert await ways(a, b) == [(SIX, SIX), (SIX, SIX)]
        sdp = a.localDescription.sdp  # type: ignore[union-attr]
        assert ("c=IN IP6 ::1\r\n" in sdp) == network.udp


def has(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """The machine's interfaces have these, in this order."""
    found = by_preference([ipaddress.ip_address(a) for a in addresses])
    monkeypatch.setattr("rtcengine.peer.network.local_addresses", lambda: found)


async def test_ipv6_first_where_both_work(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, FOUR, SIX)
    async with two(NetworkOptions(), NetworkOptions()) as (a, b):
        await negotiate(a, b)
        for pc in (a, b):
            best, other = sorted(told(pc), key=lambda words: -int(words[3]))
            assert (best[4], other[4]) == (SIX, FOUR)
        await ways(a, b)

        def by_six() -> bool:  # until a pair is nominated either may be in use
            pairs = [one for pc in (a, b) if (one := pair(pc)) is not None]
            return [(p.local.ip, p.remote.ip) for p in pairs] == [(SIX, SIX), (SIX, SIX)]

        await until(by_six, what="IPv6 both ways")


@pytest.mark.parametrize("alone", [FOUR, SIX])
async def test_the_family_that_both_have(alone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, FOUR, SIX)
    async with two(NetworkOptions(), NetworkOptions(addresses=(alone,))) as (a, b):
        await negotiate(a, b)
        assert hosts(a) == {FOUR, SIX}
        assert await ways(a, b) == [(alone, alone), (alone, alone)]


# What is bound


def bound(pc: RTCPeerConnection, table: str = "udp") -> set[str]:
    """Where the kernel has its candidates' ports, by /proc."""
    ports = {int(words[5]) for words in told(pc) if words[2] == table}
    found = set()
    for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
        host, port = line.split()[1].split(":")
        if int(port, 16) in ports:
            found.add(str(ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(host), "little"))))
    return found


async def test_addresses_to_bind() -> None:
    async with two(NetworkOptions(addresses=("127.0.0.3",)), NetworkOptions(addresses=("127.0.0.4",))) as (a, b):
        await negotiate(a, b)
        assert (hosts(a), hosts(b)) == ({"127.0.0.3"}, {"127.0.0.4"})
        assert (bound(a), bound(b)) == ({"127.0.0.3"}, {"127.0.0.4"})
        assert await ways(a, b) == [("127.0.0.3", "127.0.0.4"), ("127.0.0.4", "127.0.0.3")]


async def test_use_leaves_interfaces_out(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "127.0.0.3", SIX, "127.0.0.4")
    asked: list[Any] = []

    def use(address: Any) -> bool:
        asked.append(address)
        return address == ipaddress.ip_address("127.0.0.4")

    async with two(NetworkOptions(use=use), NetworkOptions(use=lambda a: a.version == 4)) as (a, b):
        await negotiate(a, b)
        assert {str(one) for one in asked} == {"127.0.0.3", "127.0.0.4", SIX}
        assert hosts(a) == bound(a) == {"127.0.0.4"}
        assert hosts(b) == bound(b) == {"127.0.0.3", "127.0.0.4"}
        [(ours, theirs), _] = await ways(a, b)
        assert ours == "127.0.0.4" and theirs in ("127.0.0.3", "127.0.0.4")


def free_range(address: str, n: int) -> range:
    """Ports in a row that nobody has there, by UDP and TCP."""
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, OverflowError):
            first = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            first.bind((address, 0))
            port = first.getsockname()[1]
            for i in range(n):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    if i or kind is socket.SOCK_STREAM:
                        held.enter_context(socket.socket(socket.AF_INET, kind)).bind((address, port + i))
            return range(port, port + n)


async def test_ports() -> None:
    """From the range alone; who finds none left has no candidate there, and says so."""
    there = "127.0.0.5"
    ports = free_range(there, 2)
    network = NetworkOptions(addresses=(there,), ports=ports)
    async with two(network, network) as (a, b):
        await negotiate(a, b)
        assert {int(words[5]) for pc in (a, b) for words in told(pc)} == set(ports)
        assert await ways(a, b) == [(there, there), (there, there)]
        async with two(network, network) as (late, _):
            await late.setLocalDescription()
            assert told(late) == []
            assert any(f"no candidate for {there}" in moment.what for moment in late.timeline)
    async with two(network, network) as (a, b):  # those of before are free again
        await negotiate(a, b)
        await ways(a, b)


async def test_ports_of_tcp() -> None:
    there = "127.0.0.6"
    ports = free_range(there, 2)
    network = NetworkOptions(addresses=(there,), ports=ports, tcp=True, udp=False)
    async with two(network, network) as (a, b):
        await negotiate(a, b)
        assert {int(words[5]) for pc in (a, b) for words in told(pc) if "passive" in words} == set(ports)
        assert await ways(a, b) == [(there, there), (there, there)]


# NAT 1:1


class OneToOne(asyncio.DatagramProtocol):
    """What a NAT does for one port: what comes to the public address goes to the one behind it, and back, each peer by a port
    of its own."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self.behind = behind
        self.inner: dict[Any, asyncio.DatagramTransport] = {}
        self.opening: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self.outer = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr in self.inner:
            self.inner[addr].sendto(data, self.behind)
        else:  # what comes meanwhile is lost, as on any network
            task = asyncio.ensure_future(self.open(addr))
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    async def open(self, peer: Any) -> None:
        outer = self.outer

        class Inner(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                outer.sendto(data, peer)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Inner, local_addr=("127.0.0.7", 0))
        if peer in self.inner:
            transport.close()
        else:
            self.inner[peer] = transport

    def close(self) -> None:
        for transport in (self.outer, *self.inner.values()):
            transport.close()


async def test_an_announced_address() -> None:
    """The peer hears the public address alone, and connects by it; of the peer nothing is told, so nothing else can."""
    behind, public, far = "127.0.0.1", "127.0.0.8", "127.0.0.9"
    network = NetworkOptions(addresses=(behind,), announce={behind: public})
    async with two(network, NetworkOptions(addresses=(far,))) as (a, b):
        await a.setLocalDescription()
        assert hosts(a) == {public} and bound(a) == {behind}
        assert behind not in a.localDescription.sdp.replace("o=- ", "")  # type: ignore[union-attr]
        port = int(told(a)[0][5])
        loop = asyncio.get_running_loop()
        _, nat = await loop.create_datagram_endpoint(lambda: OneToOne((behind, port)), local_addr=(public, port))
        try:
            await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
            await b.setLocalDescription()
            await a.setRemoteDescription(without_candidates(b.localDescription))
            _, (ours, theirs) = await ways(a, b)
            assert (ours, theirs) == (far, public)
            chosen = pair(b)
            assert chosen is not None and (chosen.remote.port, chosen.remote.type) == (port, "host")
            assert pair(a).local.ip == public  # type: ignore[union-attr]
        finally:
            nat.close()
