"""Calls between two hosts behind NATs, for the tests of the engine alone and of peer connections."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.interop import nat_probe, nat_turn, peers
from tests.interop.nat import Nat, Network, Node
from tests.interop.pipe_peer import connect

ENOUGH = 25  # frames


async def place(net: Network, kind: str) -> Node:
    """Behind a NAT of that kind, or "none"."""
    return await net.open_host() if kind == "none" else await net.nat(kind)


def host_of(node: Node) -> Node:
    return node.host if isinstance(node, Nat) else node


def engine_peer() -> list[str]:
    host, port = nat_probe.STUN[0], nat_probe.PORTS[0]
    return [sys.executable, "-m", "tests.interop.nat_engine_peer", "--stun", f"{host}:{port}"]


@asynccontextmanager
async def call(
    argv: list[str] | list[list[str]], one: Node, other: Node, timeout: float = 20.0
) -> AsyncIterator[tuple[peers.PeerProgram, peers.PeerProgram]]:
    """The first offers; frames have come both ways. `argv`: of both, or of each."""
    first, second = (argv[0], argv[-1]) if isinstance(argv[0], list) else (argv, argv)
    async with peers.program(first, host_of(one), commands=True) as offerer:
        async with peers.program(second, host_of(other), commands=True) as answerer, connect(offerer, answerer):
            for peer in (offerer, answerer):
                await peer.wait("counts", lambda e: bool(e["video"] >= ENOUGH), timeout=timeout)
            yield offerer, answerer


def kinds(pairs: list[tuple[str, str]], telling: set[tuple[str, str]]) -> list[object]:
    """For parametrize: in both orders, as who offers controls; those not telling in `make long`."""
    both = [p for pair in pairs for p in dict.fromkeys((pair, pair[::-1]))]
    return [pytest.param(*p, marks=[] if p in telling else [pytest.mark.long]) for p in both]


def connection_peer(library: str, *options: str, servers: bool = True) -> list[str]:
    """`servers`: it knows those outside."""
    argv = [sys.executable, "-m", "tests.interop.nat_peer", "--library", library, *options]
    if servers:
        argv += ["--stun", f"stun:{nat_probe.STUN[0]}:{nat_probe.PORTS[0]}"]
        argv += ["--turn", nat_turn.URL, "--user", nat_turn.USER, "--password", nat_turn.PASSWORD]
    return argv
