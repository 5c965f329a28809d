"""Sockets that an engine opens and closes while it runs: peers of one process, each with its own."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
from dataclasses import replace

import pytest

from rtcengine import (
    Certificate,
    Engine,
    EngineClosed,
    EngineError,
    IceCandidate,
    IceConfig,
    Socket,
    Transport,
    TransportConfig,
)
from tests.unit.engine_pair import DELTA_FRAME, EXTENSIONS, KEY_FRAME, VIDEO, Names, receive, send
from tests.util import until

CERTIFICATE = Certificate.generate()
PRIORITY = 2130706431


def config(names: Names, *, first: bool) -> TransportConfig:
    return TransportConfig(
        ice=IceConfig(names.ufrag, names.pwd, names.far_ufrag, names.far_pwd),
        ice_role="controlling" if first else "controlled",
        dtls_client=first,
        fingerprints=(("sha-256", CERTIFICATE.digest()),),
        extensions=EXTENSIONS,
        cname="peer",
    )


def host(address: tuple[str, int]) -> IceCandidate:
    return IceCandidate(address=address, type="host", priority=PRIORITY, foundation="1")


def open_sockets() -> int:
    gc.collect()  # engines of other tests
    names = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return sum(os.readlink(name).startswith("socket:") for name in names if os.path.lexists(name))


async def pair(engine: Engine, ip: str, bind: str) -> tuple[Transport, Transport, Socket, Socket]:
    """Two peers of one engine, connected through a socket each."""
    one, two = engine.open_udp((bind, 0)), engine.open_udp((bind, 0))
    names = Names.new()
    batch = engine.batch()
    near, far = batch.transport(config(names, first=True)), batch.transport(config(names.other(), first=False))
    batch.local_candidate(near, host((ip, one.address[1])))  # found by what it is bound to
    batch.local_candidate(far, host((ip, two.address[1])), base=two)
    batch.remote_candidate(near, host((ip, two.address[1])))
    batch.remote_candidate(far, host((ip, one.address[1])))
    await batch.commit()
    await asyncio.wait_for(asyncio.gather(near.wait("connected"), far.wait("connected")), 20)
    return near, far, one, two


@pytest.mark.parametrize(("bind", "ip"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.9"), ("::1", "::1"), ("::", "::1")])
@pytest.mark.parametrize("portable", [False, True])
async def test_peers_of_one_engine(bind: str, ip: str, portable: bool) -> None:
    async with Engine(CERTIFICATE, udp=(), portable=portable) as engine:
        with pytest.raises(EngineError, match="without sockets"):
            _ = engine.port
        near, far, one, two = await pair(engine, ip, bind)
        assert near.remote == (ip, two.address[1])
        assert far.remote == (ip, one.address[1])
        assert near.ice_state in ("connected", "completed")
        batch = engine.batch()
        sender, receiver = send(batch, near, VIDEO, 1000), receive(batch, far, VIDEO)
        await batch.commit()
        for n in range(20):
            sender.send_frame(KEY_FRAME if n == 0 else DELTA_FRAME, n * 3000, n == 0)
        frames = 0
        for _ in range(2000):
            frames = (await engine.stats()).receivers[receiver.id].frames
            if frames == 20:
                break
            await asyncio.sleep(0.01)
        assert frames == 20
        batch = engine.batch()
        batch.close(near)
        batch.close_socket(one)  # and yet the goodbye is heard
        await batch.commit()
        assert one.closed
        await until(lambda: far.state == "closed")
        assert far.reason == "close_notify"
        with pytest.raises(ValueError, match="closed"):
            engine.batch().path(far, (ip, 9), base=one)
    assert two.closed


async def test_two_pairs_do_not_meet() -> None:
    async with Engine(CERTIFICATE, udp=()) as engine:
        pairs = await asyncio.gather(*(pair(engine, "127.0.0.1", "127.0.0.1") for _ in range(4)))
        for near, far, one, two in pairs:
            assert (near.remote, far.remote) == (two.address, one.address)


async def test_path_from_a_socket() -> None:
    async with Engine(CERTIFICATE, udp=[("127.0.0.1", 0)]) as engine:
        mine = engine.open_udp(("127.0.0.1", 0))
        names = Names.new()
        batch = engine.batch()
        near = batch.transport(names.config(CERTIFICATE.digest(), client=True))
        far = batch.transport(names.other().config(CERTIFICATE.digest(), client=False))
        batch.path(near, ("127.0.0.1", engine.port), base=mine)
        await batch.commit()
        await asyncio.wait_for(far.wait("connected"), 20)
        assert far.remote == mine.address


async def test_what_cannot_be_bound() -> None:
    async with Engine(CERTIFICATE, udp=()) as engine:
        taken = engine.open_udp(("127.0.0.1", 0)).address
        with pytest.raises(OSError, match=rf"cannot bind UDP 127\.0\.0\.1:{taken[1]}: ") as caught:
            engine.open_udp(taken)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match=r"cannot bind UDP \[2001:db8::77\]:9: ") as caught:
            engine.open_udp(("2001:db8::77", 9))
        assert caught.value.errno == errno.EADDRNOTAVAIL
        with pytest.raises(ValueError, match="not an IP address"):
            engine.open_udp(("localhost", 0))
        with pytest.raises(ValueError, match="ports to choose from"):
            engine.open_udp(("127.0.0.1", 5), ports=range(5, 9))
        other = engine.open_udp(("127.0.0.1", 0))
        async with Engine(CERTIFICATE, udp=()) as stranger:
            with pytest.raises(ValueError, match="another engine"):
                stranger.batch().close_socket(other)
    with pytest.raises(EngineClosed):
        engine.open_udp(("127.0.0.1", 0))


def free_ports(n: int) -> range:
    """So many ports in a row that nobody has."""
    for first in range(20000, 60000, n):
        held: list[socket.socket] = []
        try:
            for port in range(first, first + n):
                held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                held[-1].bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
        return range(first, first + n)
    raise AssertionError("no ports are free")


async def test_a_range_of_ports() -> None:
    async with Engine(CERTIFICATE, udp=()) as engine:
        ports = free_ports(12)
        opened = [engine.open_udp(("127.0.0.1", 0), ports=ports) for _ in ports]
        assert sorted(one.address[1] for one in opened) == list(ports)
        assert [one.address[1] for one in opened] != list(ports)  # 1 in 12! by chance
        with pytest.raises(OSError, match=r"none of 12 ports is free") as caught:
            engine.open_udp(("127.0.0.1", 0), ports=ports)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match=r"\[2001:db8::77\]"):  # not the ports' fault
            engine.open_udp(("2001:db8::77", 0), ports=ports)
        with pytest.raises(OSError, match="none of 0 ports"):
            engine.open_udp(("127.0.0.1", 0), ports=range(0))


@pytest.mark.slow
async def test_2000_sockets_leave_nothing_behind() -> None:
    async with Engine(CERTIFICATE, udp=()) as engine:
        before = open_sockets()
        for _ in range(2):
            sockets = [engine.open_udp(("127.0.0.1", 0)) for _ in range(1000)]
            batch = engine.batch()
            for one in sockets:
                batch.close_socket(one)
            await batch.commit()
            assert len({one.number for one in sockets}) == 1000
            assert open_sockets() == before
        left = [engine.open_udp(("127.0.0.1", 0)) for _ in range(100)]
        await engine.stats()
        assert open_sockets() == before + 100
    assert open_sockets() == before
    assert all(one.closed for one in left)


async def test_a_failed_batch_closes_its_sockets_all_the_same() -> None:
    async with Engine(CERTIFICATE, udp=()) as engine:
        one, two = engine.open_udp(("127.0.0.1", 0)), engine.open_udp(("127.0.0.1", 0))
        names = Names.new()
        batch = engine.batch()
        far = batch.transport(config(names, first=False))
        batch.local_candidate(far, host(one.address))
        await batch.commit()
        batch = engine.batch()
        batch.transport(replace(config(names, first=False), ice_role="lite"))  # this user name is taken
        batch.close_socket(one)
        with pytest.raises(EngineError, match="transport"):
            await batch.commit()
        await engine.stats()
        assert engine.open_udp(one.address).address == one.address
        with pytest.raises(ValueError, match="no socket of ours"):
            engine.batch().local_candidate(far, host(("127.0.0.1", 1)))
        assert not two.closed
