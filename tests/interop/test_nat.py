"""Calls between hosts behind NATs: every kind is what it says, and pairs of kinds connect as far as they can."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from itertools import combinations_with_replacement
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop import nat_probe, peers
from tests.interop.nat import KINDS, Network, network
from tests.interop.nat_call import call, engine_peer, kinds
from tests.interop.nat_probe import Behaviour, stun_server
from tests.interop.netns import run
from tests.interop.pipe_peer import longest_gap
from tests.util import until

BEHAVIOURS = {
    "full-cone": Behaviour("independent", "independent"),
    "address": Behaviour("independent", "address"),
    "port": Behaviour("independent", "address-and-port"),
    "symmetric": Behaviour("address-and-port", "address-and-port"),
}


@pytest_asyncio.fixture
async def net() -> AsyncIterator[Network]:
    async with network() as net, stun_server(net.public):
        yield net


# The two that are in every run are what its calls are made of, beside port, whose rules are in both.
@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[pytest.mark.long] if k in ("full-cone", "port") else []) for k in KINDS]
)
async def test_kind(net: Network, kind: str) -> None:
    nat = await net.nat(kind)
    assert await nat_probe.classify(nat.host) == BEHAVIOURS[kind]
    # A router whose memory was wiped, whose address or whose host's address changed, is of the same kind.
    for change in (nat.flush, nat.renumber, nat.move_host):
        await change()
        assert await nat_probe.classify(nat.host) == BEHAVIOURS[kind], change
    [sock] = nat.host.bind_udp([("0.0.0.0", 0)])
    with sock:
        assert (await nat_probe.mapped(sock, (nat_probe.STUN[0], nat_probe.PORTS[0])))[0] == nat.address


async def test_without_nat(net: Network) -> None:
    host = await net.open_host()
    [sock] = host.bind_udp([(host.address, 0)])
    with sock:
        assert await nat_probe.mapped(sock, (nat_probe.STUN[0], nat_probe.PORTS[0])) == sock.getsockname()
    assert await nat_probe.classify(host) == BEHAVIOURS["full-cone"]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_nothing_is_left() -> None:
    async with network() as net:
        await net.nat("port")
        names = [n for n in (await run("ip", "netns", "list")).split() if n.startswith(f"rtcnat-{os.getpid()}-")]
        assert len(names) == 3
    assert f"rtcnat-{os.getpid()}-" not in await run("ip", "netns", "list")
    # What a run has left that was killed, with a program inside, goes when the next one begins.
    async with peers.program([sys.executable, "-m", "tests.interop.nat"]) as killed:
        made = await killed.wait("made")
        os.kill(made["pid"], signal.SIGKILL)
        await killed.ended()
    assert made["name"] in await run("ip", "netns", "list")
    async with network():
        assert made["name"] not in await run("ip", "netns", "list")
    await until(lambda: not runs(made["inside"]))


# Neither side can tell the other where its packets will come from, and the one that could learn it lets nobody else in.
BARRED = {("port", "symmetric"), ("symmetric", "symmetric")}
DIRECT = [pair for pair in combinations_with_replacement(KINDS, 2) if pair not in BARRED]
# In every run: what asks most of the agent.
TELLING = {("symmetric", "address"), ("port", "port")}


@pytest.mark.parametrize(("one", "other"), kinds(DIRECT, TELLING))
async def test_engine_direct(net: Network, one: str, other: str) -> None:
    nats = (await net.nat(one), await net.nat(other))
    async with call(engine_peer(), *nats) as both:
        # What a symmetric NAT shows to the peer is not what it has shown to the server.
        seen = ["prflx" if kind == "symmetric" else "srflx" for kind in (one, other)]
        for peer, far in zip(both, reversed(nats), strict=True):
            pair = await peer.wait("pair")
            assert (pair["local"], pair["remote"]) == tuple(seen)
            assert pair["address"][0] == far.address
            seen.reverse()


# Who is changed, who it talks to, what changes, and whether it is in every run. The far end has to let in one that it has
# not heard of: a change of address behind anything tighter than a full cone takes signalling.
_MOVES = [
    ("symmetric", "full-cone", "flush", True),
    ("symmetric", "address", "flush", False),
    ("port", "port", "flush", False),
    ("port", "full-cone", "renumber", False),
    ("symmetric", "full-cone", "renumber", False),
    ("port", "full-cone", "move_host", False),
    ("port", "address", "move_host", False),
    ("symmetric", "full-cone", "move_host", False),
]
MOVES = [
    pytest.param(*row[:3], offers, marks=[] if row[3] and not offers else [pytest.mark.long])
    for row in _MOVES
    for offers in (True, False)
]
MOST_S = 1.5


@pytest.mark.parametrize(("one", "other", "change", "offers"), MOVES)
async def test_engine_moves(net: Network, one: str, other: str, change: str, offers: bool) -> None:
    moved, far = await net.nat(one), await net.nat(other)
    async with call(engine_peer(), *((moved, far) if offers else (far, moved))) as both:
        begin = time.monotonic()
        await getattr(moved, change)()
        end = time.monotonic()
        for peer in both:
            await peer.wait("counts", lambda e: bool(e["at"] > end + MOST_S))
        assert max(longest_gap(peer, begin) for peer in both) <= MOST_S
