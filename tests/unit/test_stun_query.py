"""Queries to STUN servers: which address a small server of the test sees, through loss, refusals and silence."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from rtcengine import Certificate, Engine
from rtcengine.config import IceCandidate, IceConfig, TransportConfig
from rtcengine.engine import Batch, EngineError, StunError, Transport
from tests.util import until

HERE = "127.0.0.1"
COOKIE = 0x2112A442


class Server(asyncio.DatagramProtocol):
    """Answers Binding requests: drops the first `lost` of each transaction, refuses with `error`, says `mapped` instead of
    where they came from."""

    def __init__(self) -> None:
        self.lost = 0
        self.error = 0
        self.mapped: tuple[str, int] | None = None
        self.asked: list[tuple[bytes, tuple[str, int]]] = []
        self.elsewhere: socket.socket | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address: tuple[str, int] = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        kind, length, cookie, tid = struct.unpack_from(">HHI12s", data)
        assert (kind, length, cookie) == (0x0001, len(data) - 20, COOKIE)
        self.asked.append((tid, addr))
        if sum(t == tid for t, _ in self.asked) <= self.lost:
            return
        if self.error:
            body = struct.pack(">HHHBB", 0x0009, 4, 0, self.error // 100, self.error % 100)
            answer = struct.pack(">HHI12s", 0x0111, len(body), COOKIE, tid) + body
        else:
            host, port = self.mapped or addr
            ip = int.from_bytes(socket.inet_aton(host), "big") ^ COOKIE
            body = struct.pack(">HHBBHI", 0x0020, 8, 0, 1, port ^ (COOKIE >> 16), ip)
            answer = struct.pack(">HHI12s", 0x0101, len(body), COOKIE, tid) + body
        if self.elsewhere is not None:
            self.elsewhere.sendto(answer, addr)
        else:
            self.transport.sendto(answer, addr)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=(HERE, 0))
    yield server
    transport.close()


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(Certificate.generate(), udp=[(HERE, 0)]) as engine:
        yield engine


def agent(batch: Batch, n: int, role: str = "controlling") -> Transport:
    config = TransportConfig(
        ice=IceConfig(f"ours{n}", "p" * 24, "theirs", "q" * 24),
        ice_role=role,
        fingerprints=(("sha-256", bytes(32)),),
    )
    return batch.transport(config)


async def test_our_address(engine: Engine, server: Server) -> None:
    batch = engine.batch()
    query = batch.stun_query(agent(batch, 1), engine.addresses[0], server.address)
    await batch.commit()
    assert await query == engine.addresses[0]
    assert await query == query.address  # once more


async def test_two_transports_ask_one_server_by_one_socket(engine: Engine, server: Server) -> None:
    server.lost = 1
    batch = engine.batch()
    queries = [batch.stun_query(agent(batch, n), engine.addresses[0], server.address) for n in range(2)]
    await batch.commit()
    assert [await query for query in queries] == engine.addresses * 2
    assert len({tid for tid, _ in server.asked}) == 2


async def test_another_socket(engine: Engine, server: Server) -> None:
    ours = engine.open_udp((HERE, 0))
    batch = engine.batch()
    query = batch.stun_query(agent(batch, 1), ours, server.address)
    await batch.commit()
    assert await query == ours.address


async def test_repeated_while_python_is_blocked(engine: Engine) -> None:
    """The engine's thread asks again and hears the answer, while nothing runs here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HERE, 0))
        server.settimeout(10)
        batch = engine.batch()
        query = batch.stun_query(agent(batch, 1), engine.addresses[0], server.getsockname())
        await batch.commit()
        seen = [server.recvfrom(100) for _ in range(3)]  # blocks asyncio's loop
        assert len({data for data, _ in seen}) == 1
        data, addr = seen[0]
        body = struct.pack(">HHBBHI", 0x0020, 8, 0, 1, 777 ^ (COOKIE >> 16), 0x01020304 ^ COOKIE)
        server.sendto(struct.pack(">HHI12s", 0x0101, 12, COOKIE, data[8:20]) + body, addr)
        assert await query == ("1.2.3.4", 777)
        assert seen[0][1] == engine.addresses[0]


async def test_a_refusal(engine: Engine, server: Server) -> None:
    server.error = 420
    batch = engine.batch()
    query = batch.stun_query(agent(batch, 1), engine.addresses[0], server.address)
    await batch.commit()
    with pytest.raises(StunError, match="refused with 420") as caught:
        await query
    assert caught.value.code == 420
    assert len(server.asked) == 1


@pytest.mark.slow
async def test_no_answer(engine: Engine, server: Server) -> None:
    """Nor one from elsewhere, with the right transaction id."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((HERE, 0))
        server.elsewhere = stranger
        batch = engine.batch()
        query = batch.stun_query(agent(batch, 1), engine.addresses[0], server.address)
        await batch.commit()
        with pytest.raises(StunError, match="did not answer") as caught:
            await query
    assert caught.value.code == 701
    assert len(server.asked) == 7
    assert len({tid for tid, _ in server.asked}) == 1


async def test_what_ends_before(engine: Engine) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HERE, 0))
        batch = engine.batch()
        transport = agent(batch, 1)
        query = batch.stun_query(transport, engine.addresses[0], silent.getsockname())
        await batch.commit()
        waiting = asyncio.ensure_future(asyncio.wait_for(query, 30))
        batch = engine.batch()
        batch.close(transport)
        await batch.commit()
        with pytest.raises(StunError, match="closed") as caught:
            await waiting
        assert caught.value.code == 0


async def test_too_many_queries(engine: Engine) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HERE, 0))
        host, port = silent.getsockname()
        batch = engine.batch()
        transport = agent(batch, 1)
        queries = [batch.stun_query(transport, engine.addresses[0], (host, port)) for _ in range(17)]
        with pytest.raises(EngineError, match="STUN query"):
            await batch.commit()
        with pytest.raises(StunError, match="STUN query"):
            await queries[0]


@pytest.mark.parametrize(
    ("role", "base", "server", "word"),
    [
        ("lite", None, (HERE, 3478), "answers checks"),
        ("controlling", (HERE, 1), (HERE, 3478), "no socket of ours"),
        ("controlling", None, ("::1", 3478), "IPv6"),
        ("controlling", None, (HERE, 0), "port 0"),
        ("controlling", None, (HERE, 65536), "port 65536"),
        ("controlling", None, ("stun.example", 3478), "stun.example"),
    ],
)
async def test_what_cannot_be_asked(engine: Engine, role: str, base: Any, server: Any, word: str) -> None:
    batch = engine.batch()
    transport = agent(batch, 1, role)
    with pytest.raises(ValueError, match=word):
        batch.stun_query(transport, base or engine.addresses[0], server)


@pytest.mark.long
async def test_kept_open_as_long_as_it_is_a_candidate(engine: Engine, server: Server) -> None:
    batch = engine.batch()
    kept, left = agent(batch, 1), agent(batch, 2)
    queries = [batch.stun_query(t, engine.addresses[0], server.address) for t in (kept, left)]
    await batch.commit()
    for query in queries:
        await query
    changed: list[tuple[str, int]] = []
    queries[0].on_change = changed.append
    batch = engine.batch()
    base = engine.addresses[0]
    batch.local_candidate(kept, IceCandidate(address=base, base=base, type="srflx", priority=1, foundation="2"))
    await batch.commit()
    server.mapped = ("192.0.2.7", 99)
    started = time.monotonic()
    await until(lambda: bool(changed), timeout=40)
    assert time.monotonic() - started > 14
    assert changed == [("192.0.2.7", 99)]
    assert queries[0].address == changed[0]
