"""Calls between hosts behind NATs: every kind is what it says, and pairs of kinds connect as far as they can."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop import nat_probe, peers
from tests.interop.nat import KINDS, Network, network
from tests.interop.nat_probe import Behaviour, stun_server
from tests.interop.netns import run
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


@pytest.mark.parametrize("kind", KINDS)
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
