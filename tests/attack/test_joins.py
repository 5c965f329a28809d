"""Viewers that come and go by the thousand, by WHEP with ICE and DTLS: nothing of them stays, here or in the engine."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtcengine import Certificate, Engine, IceConfig, Transport, TransportConfig
from rtcengine.relay import Relay
from rtcengine.relay.session import new_credentials
from rtcengine.sdp import parse
from rtcengine.types import Fingerprint
from tests.figures import note
from tests.unit.whip_kit import PUBLISHER, VIEWER, ask, changed, location, publish, watch
from tests.util import until

AT_ONCE = 8  # each from an engine of its own: to the relay an address is one peer
RECEIVING = 64  # slots that a loop holds to receive into, fewer just after it has received
WARM = 200
MEMORY = 5 << 20
CLIENT = Certificate.generate()


@dataclass
class Viewer:
    resource: str
    transport: Transport


@dataclass(frozen=True)
class Kept:
    """What a process holds, and what the engine does."""

    fds: int
    rss: int
    transports: int
    senders: int
    slots: int
    sessions: int
    objects: int


async def join(relay: Relay, client: Engine, publishes: bool = False) -> Viewer:
    """By WHEP or WHIP, up to a connected transport on both sides."""
    ufrag, pwd = new_credentials()
    offer = changed(
        PUBLISHER if publishes else VIEWER,
        ice_ufrag=ufrag,
        ice_pwd=pwd,
        fingerprints=[Fingerprint("sha-256", CLIENT.digest())],
        candidates=[],
    )
    response = await (publish if publishes else watch)(relay, body=offer)
    answer = parse(response.body)
    section = answer.media[0]
    ice = answer.ice_of(section)
    assert ice is not None
    batch = client.batch()
    transport = batch.transport(
        TransportConfig(
            ice=IceConfig(ufrag, pwd, *ice),
            ice_role="controlling",
            dtls_client=True,
            fingerprints=tuple((f.algorithm, f.digest) for f in answer.fingerprints_of(section)),
        )
    )
    batch.path(transport, ("127.0.0.1", relay.engine.port))
    await batch.commit()
    await asyncio.wait_for(transport.wait("connected"), 20)
    return Viewer(location(response), transport)


async def leave(relay: Relay, viewer: Viewer, by_whep: bool) -> None:
    """Half of them say so by DELETE, the others close their association."""
    if by_whep:
        assert (await ask(relay, "DELETE", viewer.resource)).status == 200
    else:
        batch = viewer.transport._engine.batch()
        batch.close(viewer.transport)
        await batch.commit()
    await asyncio.wait_for(viewer.transport.wait("closed"), 20)


async def cycles(relay: Relay, clients: list[Engine], count: int) -> None:
    async def one(client: Engine) -> None:
        for number in range(count // len(clients)):
            await leave(relay, await join(relay, client), number % 2 == 0)

    await asyncio.gather(*map(one, clients))


def rss() -> int:
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def kept(relay: Relay, clients: list[Engine]) -> Kept:
    """After the engines have told all that there is to tell."""
    await until(lambda: len(relay.sessions) == 1, what="sessions that have ended are forgotten")
    engines = [relay.engine, *clients]
    gc.collect()
    stats = [await engine.stats() for engine in engines]
    return Kept(
        fds=len(os.listdir("/proc/self/fd")),
        rss=rss(),
        transports=sum(len(s.transports) for s in stats),
        senders=sum(len(s.senders) for s in stats),
        slots=sum(s.hub["pool_used"] for s in stats),
        sessions=len(relay.sessions),
        objects=sum(len(e._transports) for e in engines) + sum(isinstance(o, Transport) for o in gc.get_objects()),
    )


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_nothing_stays_of_those_who_left(count: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(udp_port=0, requests_per_second=0))
        clients = [await stack.enter_async_context(Engine(CLIENT, udp=[("127.0.0.1", 0)])) for _ in range(AT_ONCE)]
        publisher = await stack.enter_async_context(Engine(CLIENT, udp=[("127.0.0.1", 0)]))
        await join(relay, publisher, publishes=True)  # else the relay would wait for it no longer than 30 s
        await cycles(relay, clients, WARM)
        before = await kept(relay, clients)
        start = time.monotonic()
        await cycles(relay, clients, count)
        seconds = time.monotonic() - start
        after = await kept(relay, clients)
        grown = after.rss - before.rss
        note("joins and leaves", cycles=count, seconds=round(seconds, 1), fds=after.fds - before.fds, rss=grown)
        assert after.fds == before.fds
        assert (after.transports, after.senders, after.sessions) == (before.transports, before.senders, before.sessions)
        assert after.slots <= RECEIVING * (AT_ONCE + 1)
        assert after.objects == before.objects
        assert abs(grown) <= MEMORY, f"{grown} bytes more than {count} viewers before"
