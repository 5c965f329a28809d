"""The built-in server: where it listens, and what it bears from clients that open much and send little."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtcengine.relay import Relay
from rtcengine.relay import guard as guard_module
from rtcengine.relay.guard import Limits
from rtcengine.relay.server import Server
from tests.unit.whip_kit import PUBLISHER, SDP
from tests.util import until

# Longer than any test waits, but for the one that a test is about.
SLOW = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
LONG = Limits(head_seconds=60, body_seconds=60, write_seconds=60, idle_seconds=60)


@contextlib.asynccontextmanager
async def serving(limits: Limits = LONG, **settings: Any) -> AsyncIterator[tuple[Relay, Server]]:
    async with Relay(port=0, udp_port=0, **settings) as relay, Server(relay, limits) as server:
        yield relay, server


class Client:
    """A bare TCP client from one of loopback's many addresses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: Server, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Client:
        streams = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(source, 0), ssl=tls)
        return cls(*streams)

    async def get(self, path: str = "/healthz") -> bytes:
        """The first line of the answer; the whole answer is read."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self.reader.readexactly(length)
        return head.partition(b"\r\n")[0]

    async def is_ended(self) -> bool:
        """Waits until the server has closed the connection, and says whether it did without an answer."""
        try:
            return not await self.reader.read()
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


def connections(server: Server) -> int:
    assert server._gate is not None
    return len(server._gate)


async def test_serves_and_ends() -> None:
    async with serving() as (_, server):
        client = await Client.connect(server)
        assert await client.get() == b"HTTP/1.1 200 OK"
        assert connections(server) == 1
    assert await client.is_ended()
    assert connections(server) == 0
    with pytest.raises(OSError):
        await Client.connect(server)


async def test_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with Relay(port=port, udp_port=0) as relay:
            with pytest.raises(OSError, match=f"cannot serve on 127.0.0.1 port {port}: "):
                async with Server(relay):
                    pass


async def test_host_that_is_none() -> None:
    async with Relay(host="198.51.100.77", port=0, udp_port=0) as relay:
        with pytest.raises(OSError, match="cannot serve on 198.51.100.77"):
            async with Server(relay):
                pass


@pytest.mark.parametrize("host", ["localhost", "::", ""])
async def test_one_free_port_for_all_addresses(host: str) -> None:
    async with serving(host=host) as (_, server):
        assert server._server is not None
        assert {sock.getsockname()[1] for sock in server._server.sockets} == {server.port}
        await (await Client.connect(server)).get()


async def test_urls() -> None:
    async with serving(host="0.0.0.0", public_ips=("192.0.2.9", "2001:db8::9")) as (_, server):
        assert server.urls() == [f"http://{h}:{server.port}/" for h in ("localhost", "192.0.2.9")]
        assert server.local_url("r/whip") == f"http://127.0.0.1:{server.port}/r/whip"
    async with serving(host="::", public_ips=("192.0.2.9", "2001:db8::9")) as (_, server):
        assert server.urls() == [f"http://{h}:{server.port}/" for h in ("localhost", "192.0.2.9", "[2001:db8::9]")]
    async with serving() as (_, server):
        assert server.urls() == [f"http://127.0.0.1:{server.port}/"]


async def test_a_port_that_is_free_at_one_address_and_taken_at_another(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, taken = asyncio.get_running_loop(), []
    create = loop.create_server

    async def create_server(protocol: Any, host: Any, port: int) -> asyncio.Server:
        if port and not taken:
            taken.append(port)
            raise OSError(errno.EADDRINUSE, "taken")
        return await create(protocol, host, port)

    monkeypatch.setattr(loop, "create_server", create_server)
    async with serving(host="::") as (_, server):
        assert taken and server.port


# Time limits. Each test shortens one and lets the others be long: what ends the connection is what it is about.


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\nX: y"], ids=["nothing", "word", "half"])
async def test_head_that_does_not_come(sent: bytes) -> None:
    async with serving(replace(LONG, head_seconds=0.2)) as (_, server):
        client = await Client.connect(server)
        client.writer.write(sent)
        assert await client.is_ended()
        assert connections(server) == 0


async def test_head_byte_by_byte() -> None:
    """What comes slowly does not put the end off."""
    async with serving(replace(LONG, head_seconds=0.3)) as (_, server):
        client = await Client.connect(server)
        client.writer.write(SLOW)

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    client.writer.write(b"x")
                    await client.writer.drain()
                    await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        assert await client.is_ended()
        dripping.cancel()


async def test_second_head_that_does_not_come() -> None:
    async with serving(replace(LONG, head_seconds=0.3)) as (_, server):
        client = await Client.connect(server)
        assert await client.get() == b"HTTP/1.1 200 OK"
        client.writer.write(b"GET / HT")
        assert await client.is_ended()


async def test_idle_connection_is_kept_longer_than_a_head() -> None:
    async with serving(replace(LONG, head_seconds=0.1)) as (_, server):
        kept, other = await Client.connect(server), await Client.connect(server)
        assert await kept.get() == b"HTTP/1.1 200 OK"
        assert await other.is_ended(), "the time of a head is over"
        assert await kept.get() == b"HTTP/1.1 200 OK"


async def test_idle_connection_ends() -> None:
    async with serving(replace(LONG, idle_seconds=0.2)) as (_, server):
        client = await Client.connect(server)
        assert await client.get() == b"HTTP/1.1 200 OK"
        assert await client.is_ended()


@pytest.mark.slow
async def test_body_that_does_not_come() -> None:
    async with serving(replace(LONG, body_seconds=0.2, head_seconds=0.1)) as (relay, server):
        client = await Client.connect(server)
        client.writer.write(
            b"POST /r/whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 99\r\n\r\nv="
        )
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 408 ")
        assert relay.sessions == []
        client.close()  # else the server goes on reading for a while, so that the answer arrives


async def test_answer_that_is_not_read() -> None:
    """The same file asked for again and again by a client that never reads: writing stops, then time is up."""
    async with serving(replace(LONG, write_seconds=0.2)) as (_, server):
        client = await Client.connect(server)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        request = b"GET /static/page.js HTTP/1.1\r\nHost: x\r\n\r\n" * 50

        async def flood() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    client.writer.write(request)
                    await client.writer.drain()

        flooding = asyncio.ensure_future(flood())
        await until(lambda: connections(server) == 0)
        flooding.cancel()


async def test_slow_hook_is_no_slow_client() -> None:
    go = asyncio.Event()

    async def hook(joining: object) -> None:
        await go.wait()

    async with serving(replace(LONG, head_seconds=0.1, body_seconds=0.2), on_publish=hook) as (_, server):
        async with aiohttp.ClientSession() as http:
            asking = asyncio.ensure_future(http.post(server.local_url("r/whip"), data=PUBLISHER, headers={"Content-Type": SDP}))
            other = await Client.connect(server)
            assert await other.is_ended(), "longer than both times"
            assert not asking.done()
            go.set()
            assert (await asking).status == 201


# Numbers of connections


class Held:
    """A hook that keeps publishers waiting: their connections are being served, and stay."""

    def __init__(self) -> None:
        self.waiting = 0
        self.go = asyncio.Event()

    async def __call__(self, joining: object) -> None:
        self.waiting += 1
        await self.go.wait()


def publishing(room: str) -> bytes:
    head = f"POST /{room}/whip HTTP/1.1\r\nHost: x\r\nContent-Type: {SDP}\r\nContent-Length: {len(PUBLISHER)}\r\n\r\n"
    return head.encode() + PUBLISHER


@pytest.mark.parametrize(
    ("limits", "sources"),
    [
        (replace(LONG, connections_of_one=3), ["127.0.0.1"] * 3),
        (replace(LONG, connections=3), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]),
    ],
    ids=["of-one-address", "in-all"],
)
async def test_too_many_connections(limits: Limits, sources: list[str]) -> None:
    held = Held()
    async with serving(limits, on_publish=held) as (_, server):
        served = [await Client.connect(server, source) for source in sources]
        for n, client in enumerate(served):
            client.writer.write(publishing(f"r{n}"))
        await until(lambda: held.waiting == 3)
        assert await (await Client.connect(server)).is_ended(), "nobody is waited for: the newcomer is turned away"
        other = await Client.connect(server, "127.0.0.9")
        if limits.connections_of_one == 3:
            assert await other.get() == b"HTTP/1.1 200 OK"
        else:
            assert await other.is_ended()
        served[0].close()
        await until(lambda: connections(server) == (3 if limits.connections_of_one == 3 else 2))
        newcomer = await Client.connect(server)
        assert await newcomer.get() == b"HTTP/1.1 200 OK"
        held.go.set()
        for client in served[1:]:
            assert (await client.reader.readline()).startswith(b"HTTP/1.1 201 ")


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", SLOW, publishing("slow")[:200]], ids=["nothing", "half-a-head", "half-a-body"])
async def test_slow_clients_give_way(sent: bytes) -> None:
    """The one that we have waited for longest, of the same address where that one has too many."""
    async with serving(replace(LONG, connections_of_one=3)) as (_, server):
        elsewhere = await Client.connect(server, "127.0.0.2")
        await until(lambda: connections(server) == 1)
        slow = []
        for _ in range(3):
            slow.append(await Client.connect(server))
            slow[-1].writer.write(sent)
            await until(lambda: connections(server) == len(slow) + 1)
        assert await (await Client.connect(server)).get() == b"HTTP/1.1 200 OK"
        assert await slow[0].is_ended()
        assert await elsewhere.get() == b"HTTP/1.1 200 OK"
        assert connections(server) >= 3, "the other slow ones are still there"


async def test_idle_connections_give_way() -> None:
    """Browsers keep connections open for later; thirty people behind one address must not shut the next one out."""
    async with serving(replace(LONG, connections_of_one=3)) as (_, server):
        old = [await Client.connect(server) for _ in range(3)]
        for client in old:
            await client.get()
        assert await old[0].get() == b"HTTP/1.1 200 OK"  # now the second is idle longest
        elsewhere = await Client.connect(server, "127.0.0.2")
        await elsewhere.get()
        new = await Client.connect(server)
        assert await new.get() == b"HTTP/1.1 200 OK"
        assert await old[1].is_ended()
        for client in (old[0], old[2], elsewhere):
            assert await client.get() == b"HTTP/1.1 200 OK"


async def test_files_are_left_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    monkeypatch.setattr(guard_module, "SPARE_FILES", files - 2)
    async with serving() as (_, server):
        clients = [await Client.connect(server, f"127.0.0.{n + 1}") for n in range(3)]
        assert await clients[0].is_ended()
        assert connections(server) == 2


async def test_defaults() -> None:
    assert Limits() == Limits(
        head_seconds=5, body_seconds=10, write_seconds=10, idle_seconds=75, connections=1024, connections_of_one=32
    )


@pytest.mark.slow
async def test_publishing_beside_slow_clients() -> None:
    """The house is full of clients that send a byte now and then and come back when they are thrown out."""
    async with serving(replace(LONG, connections=200)) as (relay, server):
        ended = 0

        async def slow(source: str) -> None:
            nonlocal ended
            while True:
                client = await Client.connect(server, source)
                with contextlib.suppress(ConnectionError):
                    client.writer.write(SLOW)
                    while not client.writer.is_closing():
                        client.writer.write(b"x")
                        await client.writer.drain()
                        await asyncio.sleep(0.05)
                ended += 1

        tasks = [asyncio.ensure_future(slow(f"127.0.1.{n // 32 + 1}")) for n in range(240)]
        await until(lambda: connections(server) == 200 and ended > 0)
        for n in range(20):
            async with aiohttp.ClientSession() as http, asyncio.timeout(5):
                url = server.local_url(f"r{n}/whip")
                answer = await http.post(url, data=PUBLISHER, headers={"Content-Type": SDP})
                assert answer.status == 201
        assert len(relay.sessions) == 20
        for task in tasks:
            assert not task.done(), "the attack went on to the end"
            task.cancel()


# https


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "rtcengine" / "page.crt"))


async def test_https(kept: Path) -> None:
    async with serving(self_signed=True) as (_, server):
        assert server.local_url().startswith("https://127.0.0.1:")
        context = trusting(kept)
        for _ in range(5):  # a request right behind the handshake's end comes now before, now after it is noticed
            async with aiohttp.ClientSession() as http:
                answer = await http.get(server.local_url("demo"), ssl=context)
                assert answer.status == 200
                headers = {"Content-Type": SDP}
                answer = await http.post(server.local_url("r/whip"), data=PUBLISHER, headers=headers, ssl=context)
                assert answer.status in (201, 409)
        await until(lambda: connections(server) == 0)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "half-a-hello"])
async def test_handshake_that_does_not_come(kept: Path, sent: bytes) -> None:
    async with serving(replace(LONG, head_seconds=0.2), self_signed=True) as (_, server):
        client = await Client.connect(server)
        client.writer.write(sent)
        assert await client.is_ended()
        assert connections(server) == 0


async def test_head_that_does_not_come_after_the_handshake(kept: Path) -> None:
    async with serving(replace(LONG, head_seconds=0.4), self_signed=True) as (_, server):
        client = await Client.connect(server, tls=trusting(kept))
        client.writer.write(b"GET / HT")
        assert await client.is_ended()
        await until(lambda: connections(server) == 0)


async def test_half_open_handshakes_count(kept: Path) -> None:
    async with serving(replace(LONG, connections_of_one=3), self_signed=True) as (_, server):
        held = [await Client.connect(server) for _ in range(4)]
        assert await held.pop(0).is_ended()
        assert connections(server) == 3
        held[0].close()
        await until(lambda: connections(server) == 2)
        held[1].writer.write(b"GET / HTTP/1.1\r\n\r\n")  # plain text to a TLS port
        await until(lambda: connections(server) == 1)
        assert await (await Client.connect(server, tls=trusting(kept))).get() == b"HTTP/1.1 200 OK"
    assert await held[2].is_ended()
    assert connections(server) == 0
