"""The full ICE agent against aioice: both roles, candidates given at once and one by one, and a conflict of roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aioice
import pytest
import pytest_asyncio

from rtcengine import Certificate, Engine
from rtcengine.config import IceCandidate, IceConfig, TransportConfig
from tests.util import until

HERE = "127.0.0.1"


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(Certificate.generate(), udp=[(HERE, 0)]) as engine:
        yield engine


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> aioice.Connection:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: [HERE])
    return aioice.Connection(ice_controlling=False, use_ipv6=False)


@pytest.mark.parametrize("peer_controls", [False, True])
@pytest.mark.parametrize("conflict", [False, True])
@pytest.mark.parametrize("trickle", [False, True])
async def test_aioice(engine: Engine, peer: Any, peer_controls: bool, conflict: bool, trickle: bool) -> None:
    peer.ice_controlling = peer_controls
    await peer.gather_candidates()
    ours = "controlling" if peer_controls == conflict else "controlled"
    config = TransportConfig(
        ice=IceConfig("rtcengine", "p" * 24, peer.local_username, peer.local_password),
        ice_role=ours,
        fingerprints=(("sha-256", bytes(32)),),
    )
    batch = engine.batch()
    transport = batch.transport(config)
    near = IceCandidate(address=engine.addresses[0], type="host", priority=126 << 24, foundation="1")
    batch.local_candidate(transport, near)
    batch.end_of_candidates(transport, local=True)
    await batch.commit()

    async def tell_us() -> None:
        for c in peer.local_candidates:
            later = engine.batch()
            far = IceCandidate(address=(c.host, c.port), type=c.type, priority=c.priority, foundation=c.foundation)
            later.remote_candidate(transport, far)
            await later.commit()
        later = engine.batch()
        later.end_of_candidates(transport, remote=True)
        await later.commit()

    peer.remote_username, peer.remote_password = "rtcengine", "p" * 24
    host, port = engine.addresses[0]
    told = aioice.Candidate("1", 1, "udp", 126 << 24, host, port, "host")
    if not trickle:
        await peer.add_remote_candidate(told)
        await peer.add_remote_candidate(None)
        await tell_us()
        await peer.connect()
    else:  # the peer begins with nothing, and learns of us late
        connecting = asyncio.ensure_future(peer.connect())
        await tell_us()
        await peer.add_remote_candidate(told)
        await peer.add_remote_candidate(None)
        await connecting
    await transport.wait("checked")
    await until(lambda: transport.ice_state == "completed", interval=0.01)
    assert transport.controlling != peer.ice_controlling
    assert (transport.local_type, transport.remote_type) == ("host", "host")
    row = (await engine.stats()).transports[transport.id]
    assert row.nominated
    assert row.ice_state == "completed"
    ice = await engine.ice_stats(transport)
    pair = ice.selected
    assert pair is not None and pair in ice.pairs
    assert (pair.state, pair.nominated) == ("succeeded", True)
    assert pair.local.address == engine.addresses[0]
    assert pair.remote.address == row.remote
    assert (pair.local.type, pair.remote.type) == ("host", "host")
    assert pair.requests_sent >= pair.responses_received >= 1
    assert pair.requests_received == pair.responses_sent >= 1
    assert pair.current_round_trip_time is not None
    assert 0 < pair.total_round_trip_time < 10
    assert pair.packets_received == pair.bytes_received == 0  # STUN is not counted
    await peer.close()
