"""coturn by the engine's own TCP and TLS: two engines that meet by relayed addresses, and a server that goes away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rtcengine import Engine, Socket, TlsConfig, TurnError
from tests.interop.coturn import HERE, Coturn, coturn
from tests.interop.test_turn import FAR, NEAR, Pair, allocate
from tests.util import until


def where(server: Coturn, tls: bool) -> Coturn:
    return replace(server, port=server.tls_port) if tls else server


def connect(engine: Engine, server: Coturn, tls: bool) -> Socket:
    secret = TlsConfig(server_name=HERE, insecure=True) if tls else None
    return engine.connect_turn(where(server, tls).address, tls=secret)


@pytest.mark.parametrize("tls", [False, True])
async def test_by_our_own_streams(tmp_path: Path, tls: bool) -> None:
    async with coturn(tmp_path, "--no-udp") as server, Engine(NEAR, udp=()) as near, Engine(FAR, udp=()) as far:
        sockets = [connect(engine, server, tls) for engine in (near, far)]
        # The first request waits for the connection.
        sides = zip((near, far), sockets, strict=True)
        allocations = [await allocate(engine, where(server, tls), base=socket) for engine, socket in sides]
        assert [socket.state for socket in sockets] == ["connected"] * 2
        assert [allocation.mapped for allocation in allocations] == [socket.address for socket in sockets]
        both = Pair((near, far), allocations)
        await both.meet()
        await asyncio.gather(*(asyncio.wait_for(t.wait("connected"), 20) for t in both.transports))
        await both.exchange(100)
        for engine in (near, far):
            hub = (await engine.stats()).hub
            assert not [name for name in ("turn_form", "turn_peer", "stream", "too_big") if hub["drops"][name]]
        assert "CHANNEL_BIND processed, success" in "\n".join(server.said)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_that_goes_away(tmp_path: Path, tls: bool) -> None:
    async with Engine(NEAR, udp=()) as engine:
        async with coturn(tmp_path, "--no-udp") as server:
            socket = connect(engine, server, tls)
            allocation = await allocate(engine, where(server, tls), base=socket)
        await until(lambda: socket.closed)
        await until(lambda: allocation.state == "failed")  # at once, not when it would have been refreshed
        with pytest.raises(TurnError):
            await allocation.wait()
