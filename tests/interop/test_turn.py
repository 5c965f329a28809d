"""Allocations on coturn: credentials, refusals, and two engines that reach each other by relayed addresses alone."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rtcengine import Allocation, Certificate, Engine, EngineError, IceCandidate, Receiver, Sender, Transport, TurnError
from tests.interop.coturn import HERE, PASSWORD, USER, Coturn, coturn
from tests.unit.engine_pair import DELTA_FRAME, KEY_FRAME, VIDEO, Names, receive, send
from tests.util import until

NEAR, FAR = Certificate.generate(), Certificate.generate()


def engine(certificate: Certificate = NEAR) -> Engine:
    return Engine(certificate, udp=[(HERE, 0)])


async def allocate(engine: Engine, server: Coturn, *, user: str = USER, password: str = PASSWORD, **more: Any) -> Allocation:
    batch = engine.batch()
    allocation = batch.turn(server.address, user, password, **more)
    await batch.commit()
    await asyncio.wait_for(allocation.wait(), 20)
    return allocation


async def give_back(engine: Engine, allocation: Allocation) -> None:
    batch = engine.batch()
    batch.close_turn(allocation)
    await batch.commit()
    await until(lambda: allocation.state == "closed", interval=0.01)


async def test_an_allocation(tmp_path: Path) -> None:
    async with coturn(tmp_path) as server, engine() as ours:
        heard: list[str] = []
        allocation = await allocate(ours, server, on_event=lambda a: heard.append(a.state))
        assert allocation.relayed is not None
        assert allocation.relayed[0] == HERE
        assert allocation.mapped == ours.addresses[0]
        batch = ours.batch()
        batch.turn(server.address, USER, PASSWORD)
        with pytest.raises(EngineError, match="allocation 2 on 127.0.0.1: not possible in this state"):
            await batch.commit()  # a socket has one with a server
        await give_back(ours, allocation)
        assert heard == ["ready", "closed"]
        again = await allocate(ours, server)  # which the server has forgotten
        assert again.state == "ready"


async def test_refused(tmp_path: Path) -> None:
    async with coturn(tmp_path, "--user-quota=1") as server, engine() as ours, engine() as another, engine() as third:
        with pytest.raises(TurnError, match="401 Unauthorized") as caught:
            await allocate(ours, server, password="another")
        assert (caught.value.code, caught.value.reason) == (401, "Unauthorized")
        with pytest.raises(TurnError, match="401"):
            await allocate(another, server, user="mallory")
        with pytest.raises(TurnError, match="440"):
            await allocate(ours, server, ipv6=True)
        await allocate(ours, server)
        with pytest.raises(TurnError, match="486 Allocation Quota Reached"):
            await allocate(third, server)


async def test_another_server_is_named(tmp_path: Path) -> None:
    async with coturn(tmp_path, "--alternate-server=127.0.0.1:9999") as server, engine() as ours:
        with pytest.raises(TurnError) as caught:
            await allocate(ours, server)
        assert caught.value.code == 300
        assert caught.value.alternate == (HERE, 9999)


@pytest.mark.long
async def test_nobody_there() -> None:
    """After fifteen seconds, which tests/c/turn_test.c has on a clock of its own."""
    async with engine() as ours:
        batch = ours.batch()
        allocation = batch.turn((HERE, 9), USER, PASSWORD)
        await batch.commit()
        waiting = asyncio.ensure_future(allocation.wait())
        with pytest.raises(TurnError, match="701 no answer"):
            await asyncio.wait_for(waiting, 30)


class Pair:
    """Two engines with an allocation each that know nothing of each other but the relayed addresses."""

    def __init__(self, engines: tuple[Engine, Engine], allocations: list[Allocation]) -> None:
        self.engines = engines
        self.allocations = allocations
        self.transports: list[Transport] = []
        self.senders: list[Sender] = []
        self.receivers: list[Receiver] = []

    async def meet(self) -> None:
        names = Names.new()
        for n, ours in enumerate(self.engines):
            fingerprint = (FAR, NEAR)[n].digest()
            config = (names, names.other())[n].config(fingerprint, client=n == 1)
            near, far = self.allocations[n].relayed, self.allocations[1 - n].relayed
            assert near is not None
            assert far is not None
            batch = ours.batch()
            transport = batch.transport(replace(config, ice_role=("controlled", "controlling")[n], ice_survives=True))
            self.receivers.append(receive(batch, transport, VIDEO))
            self.senders.append(send(batch, transport, VIDEO, 1000))
            ours_is = IceCandidate(address=near, type="relay", priority=1000, foundation="1")
            batch.local_candidate(transport, ours_is, base=self.allocations[n] if n else None)  # named, or found by its address
            batch.remote_candidate(transport, IceCandidate(address=far, type="relay", priority=1000, foundation="2"))
            batch.end_of_candidates(transport, local=True, remote=True)
            await batch.commit()
            self.transports.append(transport)

    async def frames(self) -> list[int]:
        """Whole frames that came to each side."""
        return [(await e.stats()).receivers[r.id].frames for e, r in zip(self.engines, self.receivers, strict=True)]

    async def exchange(self, count: int) -> None:
        before = await self.frames()
        for n in range(count):
            for sender in self.senders:
                sender.send_frame(DELTA_FRAME if n else KEY_FRAME, int(time.monotonic() * 90000), key=not n)
            await asyncio.sleep(0.01)

        async def came() -> bool:
            return all(now - was >= count for now, was in zip(await self.frames(), before, strict=True))

        await until(came, what=f"{count} frames each way")


@contextlib.asynccontextmanager
async def pair(server: Coturn, **more: Any) -> AsyncIterator[Pair]:
    async with engine(NEAR) as near, engine(FAR) as far:
        made = Pair((near, far), [await allocate(e, server, **more) for e in (near, far)])
        await made.meet()
        await asyncio.gather(*(asyncio.wait_for(t.wait("connected"), 20) for t in made.transports))
        yield made


async def test_relayed_alone(tmp_path: Path) -> None:
    async with coturn(tmp_path) as server, pair(server) as both:
        await until(lambda: {t.ice_state for t in both.transports} == {"completed"}, interval=0.01)
        assert {(t.local_type, t.remote_type) for t in both.transports} == {("relay", "relay")}
        assert both.transports[0].remote == both.allocations[1].relayed
        await both.exchange(100)
        for ours in both.engines:
            hub = (await ours.stats()).hub
            assert hub["turn_in"] > 100
            assert hub["turn_out"] > 100
            assert not [name for name in ("turn_form", "turn_peer", "turn_gone") if hub["drops"][name]]
        for ours, transport in zip(both.engines, both.transports, strict=True):
            batch = ours.batch()
            batch.close(transport)
            await batch.commit()
        for ours, allocation in zip(both.engines, both.allocations, strict=True):
            await give_back(ours, allocation)


async def test_peers_that_the_server_refuses(tmp_path: Path) -> None:
    async with coturn(tmp_path, loopback_peers=False) as server, engine(NEAR) as near, engine(FAR) as far:
        both = Pair((near, far), [await allocate(e, server) for e in (near, far)])
        await both.meet()

        async def counted() -> bool:
            return all([(await e.stats()).hub["drops"]["turn_peer"] > 0 for e in both.engines])

        await until(counted, what="checks that have nowhere to go are counted")
        assert {t.state for t in both.transports} == {"new"}


@pytest.mark.timeout(180)
async def test_python_blocked(tmp_path: Path) -> None:
    """Allocations that say they last six seconds, nonces of two, and Python holds the GIL for nine: both are refreshed
    meanwhile, or they would have ended."""
    lifetimes = ("--max-allocate-lifetime=6", "--permission-lifetime=300", "--stale-nonce=2")
    async with coturn(tmp_path, *lifetimes) as server, pair(server) as both:
        await both.exchange(10)
        ctypes.PyDLL(None).sleep(9)
        assert {a.state for a in both.allocations} == {"ready"}
        await both.exchange(50)
        assert {t.ice_state for t in both.transports} == {"completed"}
        said = "\n".join(server.said)
        assert said.count(": refreshed, ") >= 2
        assert said.count("error 438: Stale nonce") >= 2
