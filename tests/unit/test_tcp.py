"""ICE over TCP, and connections to TURN servers: engines with each other, and with peers of asyncio that cut what they send."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import hmac
import ipaddress
import re
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rtcengine import Certificate, Engine, IceCandidate, IceConfig, Socket, TlsConfig, Transport, TransportConfig
from tests.unit.engine_pair import DELTA_FRAME, EXTENSIONS, KEY_FRAME, VIDEO, Names, receive, send
from tests.util import until

CERTIFICATE = Certificate.generate()
HERE = ("127.0.0.1", 0)
PASSIVE = (90 << 24) | (4 << 13 | 8191) << 8 | 255
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def config(names: Names, *, first: bool, lite: bool = False) -> TransportConfig:
    return TransportConfig(
        ice=IceConfig(names.ufrag, names.pwd, names.far_ufrag, names.far_pwd),
        ice_role="lite" if lite else "controlling" if first else "controlled",
        dtls_client=first,
        fingerprints=(("sha-256", CERTIFICATE.digest()),),
        extensions=EXTENSIONS,
        cname="peer",
    )


def check(names: Names) -> bytes:
    """A Binding request as the far side of these names sends it (RFC 8445 §7.2.2)."""
    user = f"{names.ufrag}:{names.far_ufrag}".encode()
    body = struct.pack("!HH", 0x0006, len(user)) + user + bytes(-len(user) % 4)
    body += struct.pack("!HHI", 0x0024, 4, 1) + struct.pack("!HHQ", 0x802A, 8, 1)

    def head(n: int) -> bytes:
        return struct.pack("!HHI", 0x0001, n, 0x2112A442) + b"transaction."

    mac = hmac.new(names.pwd.encode(), head(len(body) + 24) + body, hashlib.sha1).digest()
    body += struct.pack("!HH", 0x0008, 20) + mac
    crc = zlib.crc32(head(len(body) + 8) + body) ^ 0x5354554E
    return head(len(body) + 8) + body + struct.pack("!HHI", 0x8028, 4, crc)


def framed(datagram: bytes) -> bytes:
    return struct.pack("!H", len(datagram)) + datagram


async def answer(reader: asyncio.StreamReader, *, turn: bool = False) -> bytes:
    """The next STUN message, which has to be a Binding success."""
    async with asyncio.timeout(20):
        length = 0 if turn else struct.unpack("!H", await reader.readexactly(2))[0]
        message = await reader.readexactly(20)
        message += await reader.readexactly(struct.unpack("!H", message[2:4])[0])
    assert turn or length == len(message)
    assert message[:2] == b"\x01\x01"
    assert message[8:20] == b"transaction."
    return message


@contextlib.asynccontextmanager
async def listening(*, lite: bool = True) -> AsyncIterator[tuple[Engine, Socket, Names, Transport]]:
    async with Engine(CERTIFICATE, udp=()) as engine:
        listener = engine.listen_tcp(HERE)
        names = Names.new()
        batch = engine.batch()
        transport = batch.transport(config(names, first=False, lite=lite))
        if not lite:
            mine = IceCandidate(address=listener.address, type="host", priority=PASSIVE, tcp=True)
            batch.local_candidate(transport, mine, listener)
        await batch.commit()
        yield engine, listener, names, transport


async def drops(engine: Engine, reason: str) -> int:
    return (await engine.stats()).hub["drops"][reason]


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
async def test_engines_by_tcp_alone(portable: bool, ip: str) -> None:
    async with Engine(CERTIFICATE, udp=(), portable=portable) as one, Engine(CERTIFICATE, udp=()) as two:
        listener = one.listen_tcp((ip, 0))
        names = Names.new()
        batch = one.batch()
        near = batch.transport(config(names, first=False))
        batch.local_candidate(near, IceCandidate(address=listener.address, type="host", priority=PASSIVE, tcp=True), listener)
        receiver = receive(batch, near, VIDEO)
        await batch.commit()
        batch = two.batch()
        far = batch.transport(config(names.other(), first=True))
        told = IceCandidate(address=listener.address, type="host", priority=PASSIVE, tcp=True)
        connection = batch.tcp_connect(far, told)
        sender = send(batch, far, VIDEO, 1000)
        await batch.commit()
        await asyncio.wait_for(asyncio.gather(near.wait("connected"), far.wait("connected")), 20)
        assert connection.state == "connected"
        assert near.remote == connection.address
        assert far.remote == listener.address
        assert near.ice_state in ("connected", "completed")
        assert (near.remote_type, far.local_type, far.remote_type) == ("prflx", "host", "host")
        for n in range(40):
            sender.send_frame(KEY_FRAME if n == 0 else DELTA_FRAME, n * 3000, n == 0)
        frames = 0
        for _ in range(2000):
            frames = (await one.stats()).receivers[receiver.id].frames
            if frames == 40:
                break
            await asyncio.sleep(0.01)
        assert frames == 40
        batch = two.batch()
        batch.close(far)
        batch.close_socket(connection)
        await batch.commit()
        await until(lambda: near.state == "closed")
        assert near.reason == "close_notify"


async def test_udp_candidates_are_not_asked_by_tcp() -> None:
    """A peer that listens on one port by both is two candidates."""
    async with Engine(CERTIFICATE, udp=()) as one, Engine(CERTIFICATE, udp=()) as two:
        listener = one.listen_tcp(HERE)
        there = one.open_udp(listener.address)
        here = two.open_udp(HERE)
        names = Names.new()
        batch = one.batch()
        near = batch.transport(config(names, first=False))
        mine = IceCandidate(address=listener.address, type="host", priority=PASSIVE, tcp=True)
        batch.local_candidate(near, mine, listener)
        batch.local_candidate(near, IceCandidate(address=there.address, type="host", priority=2130706431), there)
        await batch.commit()
        batch = two.batch()
        far = batch.transport(config(names.other(), first=True))
        batch.local_candidate(far, IceCandidate(address=here.address, type="host", priority=2130706431), here)
        batch.tcp_connect(far, mine)
        batch.remote_candidate(far, IceCandidate(address=there.address, type="host", priority=2130706431))
        await batch.commit()
        await asyncio.wait_for(asyncio.gather(near.wait("connected"), far.wait("connected")), 20)
        await until(lambda: near.remote == here.address)  # UDP is preferred
        with pytest.raises(ValueError, match="TCP socket"):
            two.batch().local_candidate(far, IceCandidate(address=here.address, type="host", priority=1, tcp=True), here)


@pytest.mark.parametrize("lite", [True, False])
async def test_a_check_cut_everywhere(lite: bool) -> None:
    async with listening(lite=lite) as (engine, listener, names, _):
        whole = framed(check(names))
        for cut in range(1, len(whole)):
            reader, writer = await asyncio.open_connection(*listener.address)
            writer.write(whole[:cut])
            await writer.drain()
            await engine.stats()  # it had the time to read that
            writer.write(whole[cut:])
            message = await answer(reader)
            ip, port = writer.get_extra_info("sockname")
            mapped = struct.pack("!BBHI", 0, 1, port ^ 0x2112, int(ipaddress.ip_address(ip)) ^ 0x2112A442)
            assert mapped in message
            writer.close()
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(whole * 20)
        for _ in range(20):
            if lite:
                await answer(reader)
        writer.close()
        assert await drops(engine, "stranger") == 0


async def test_a_stranger_is_cut_off() -> None:
    async with listening() as (engine, listener, names, _):
        for words in (framed(b"GET / HTTP/1.1\r\n\r\n"), b"GET / HTTP/1.1\r\n\r\n" * 400):
            reader, writer = await asyncio.open_connection(*listener.address)
            writer.write(words)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(20):
                    assert await reader.read() == b""
            writer.close()
        assert await drops(engine, "stranger") == 2
        batch = engine.batch()
        batch.close_socket(listener)
        await batch.commit()
        with pytest.raises(OSError, match="refused|111"):
            await asyncio.open_connection(*listener.address)
        assert names


async def test_connections_that_cannot_be_made() -> None:
    async with Engine(CERTIFICATE, udp=()) as engine:
        listener = engine.listen_tcp(HERE)
        taken = listener.address
        with pytest.raises(OSError, match=rf"cannot bind TCP 127\.0\.0\.1:{taken[1]}: "):
            engine.listen_tcp(taken)
        batch = engine.batch()
        batch.close_socket(listener)
        await batch.commit()
        changes: list[str] = []
        connection = engine.connect_tcp(taken)
        connection.on_change = lambda socket: changes.append(socket.state)
        assert connection.state == "connecting"
        await until(lambda: connection.closed)
        assert connection.error == "Connection refused"
        assert changes == ["closed"]
        with pytest.raises(OSError, match=r"cannot connect to TCP 127\.0\.0\.1:9"):
            engine.connect_tcp(("127.0.0.1", 9), local="2001:db8::1")
        batch = engine.batch()
        batch.close_socket(connection)
        await batch.commit()


async def test_a_connection_that_the_peer_ends() -> None:
    held: list[Streams] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append((reader, writer))

    async with serving(serve, None) as address, Engine(CERTIFICATE, udp=()) as engine:
        connection = engine.connect_tcp(address)
        await until(lambda: connection.state == "connected")
        await until(lambda: bool(held))
        held[0][1].close()
        await until(lambda: connection.closed)
        assert connection.error == ""
        batch = engine.batch()
        near = batch.transport(config(Names.new(), first=True))
        with pytest.raises(ValueError, match="closed"):
            batch.path(near, address, connection)


def authority(tmp_path: Path, name: str) -> tuple[ssl.SSLContext, bytes]:
    """A server's context for this name, and the certificate that vouches for it: its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    tomorrow = now + datetime.timedelta(1)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now, tomorrow)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "cert").write_bytes(pem)
    plain = serialization.NoEncryption()
    (tmp_path / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    return context, pem


@contextlib.asynccontextmanager
async def serving(handle: Callable[..., Awaitable[None]], context: ssl.SSLContext | None) -> AsyncIterator[tuple[str, int]]:
    server = await asyncio.start_server(handle, *HERE, ssl=context)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()  # not `async with`: from Python 3.12 on that waits for connections that nobody closes


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_messages_of_turn_cut_everywhere(tmp_path: Path, secret: bool, version: ssl.TLSVersion) -> None:
    """What carries TURN's messages is tested with checks, which the engine answers wherever they come from."""
    names = Names.new()
    context, pem = authority(tmp_path, "turn.example")
    context.maximum_version = version
    done = asyncio.get_running_loop().create_future()
    channel = b"\x40\x01\x00\x05hello\0\0\0"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            whole = channel + check(names)
            for cut in range(1, len(whole)):
                writer.write(whole[:cut])
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(whole[cut:])
                await answer(reader, turn=True)
            writer.write(whole * 30)
            for _ in range(30):
                await answer(reader, turn=True)
            done.set_result(len(whole) - 1 + 30)
        except Exception as error:
            done.set_exception(error)

    async with serving(serve, context if secret else None) as address, Engine(CERTIFICATE, udp=()) as engine:
        batch = engine.batch()
        batch.transport(config(names, first=False, lite=True))
        await batch.commit()
        tls = TlsConfig(server_name="turn.example", ca_pem=pem) if secret else None
        connection = engine.connect_turn(address, tls=tls)
        rounds = await asyncio.wait_for(done, 30)
        assert connection.state == "connected"
        hub = (await engine.stats()).hub
        assert hub["in_packets"] == 2 * rounds
        batch = engine.batch()
        batch.close_socket(connection)
        await batch.commit()


@pytest.mark.parametrize(
    ("trusts", "expects", "error"),
    [
        (True, "turn.example", ""),
        (True, "other.example", "ostname mismatch"),
        (False, "turn.example", "self.signed certificate"),
    ],
)
async def test_who_a_server_is(tmp_path: Path, trusts: bool, expects: str, error: str) -> None:
    context, pem = authority(tmp_path, "turn.example")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    async with serving(serve, context) as address, Engine(CERTIFICATE, udp=()) as engine:
        connection = engine.connect_turn(address, tls=TlsConfig(server_name=expects, ca_pem=pem if trusts else b""))
        await until(lambda: connection.state != "connecting")
        assert connection.state == ("closed" if error else "connected")
        if error:
            assert re.search(error, connection.error)
            accepted = engine.connect_turn(address, tls=TlsConfig(server_name=expects, insecure=True))
            await until(lambda: accepted.state != "connecting")
            assert accepted.state == "connected"


async def test_a_server_by_its_address(tmp_path: Path) -> None:
    context, pem = authority(tmp_path, "127.0.0.1")
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    async with serving(serve, context) as address, Engine(CERTIFICATE, udp=()) as engine:
        connection = engine.connect_turn(address, tls=TlsConfig(server_name="127.0.0.1", ca_pem=pem))
        await until(lambda: connection.state == "connected")
        gone.set()
        await until(lambda: connection.closed)
        assert connection.error == ""
        other = engine.connect_turn(address, tls=TlsConfig(server_name="127.0.0.2", ca_pem=pem))
        await until(lambda: other.closed)
        assert "IP address mismatch" in other.error


async def test_a_server_that_speaks_no_tls() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-example\r\n")

    async with serving(serve, None) as address, Engine(CERTIFICATE, udp=()) as engine:
        for tls, why in ((TlsConfig(server_name="x", insecure=True), "wrong version number"), (None, "not framed")):
            connection = engine.connect_turn(address, tls=tls)
            await until(lambda one=connection: one.closed)  # type: ignore[misc]
            assert why in connection.error
        for unusable in (TlsConfig(server_name=""), TlsConfig(server_name="x", ca_pem=b"no certificate")):
            with pytest.raises(ValueError, match="TLS name and authorities"):
                engine.connect_turn(address, tls=unusable)
