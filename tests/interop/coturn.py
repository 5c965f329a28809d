"""coturn on loopback, as its Debian package has it: started by a test, ended by its id."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from rtcengine import Certificate
from tests.util import until

HERE = "127.0.0.1"
USER, PASSWORD, REALM = "alice", "secret-of-alice", "example.org"


@dataclass(frozen=True)
class Coturn:
    """One that runs. `said`: the lines of its log so far; `certificate`: what it shows, as PEM."""

    port: int
    tls_port: int
    said: list[str]
    certificate: bytes

    @property
    def address(self) -> tuple[str, int]:
        return HERE, self.port


def free_port() -> int:
    """One that is free for UDP and TCP now."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((HERE, 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind((HERE, port))
                return port


@contextlib.asynccontextmanager
async def coturn(
    folder: Path, *options: str, loopback_peers: bool = True, cert_pem: bytes = b"", key_pem: bytes = b""
) -> AsyncIterator[Coturn]:
    """`cert_pem`, `key_pem`: what it shows by TLS, else one that signed itself."""
    program = shutil.which("turnserver") or "/usr/bin/turnserver"
    port, tls_port = free_port(), free_port()
    if not cert_pem:
        made = Certificate.generate()
        cert_pem, key_pem = made.cert_pem, made.key_pem
    cert, key = folder / "turn-cert.pem", folder / "turn-key.pem"
    cert.write_bytes(cert_pem)
    key.write_bytes(key_pem)
    command = ["stdbuf", "-oL", program, "-n", "-c", "/dev/null", "--log-file=stdout", "--simple-log", "--verbose", "--no-cli"]
    command += [f"--pidfile={folder / 'turn.pid'}", f"--userdb={folder / 'turn.db'}", f"--cert={cert}", f"--pkey={key}"]
    command += [f"--listening-ip={HERE}", f"--relay-ip={HERE}", f"--listening-port={port}", f"--tls-listening-port={tls_port}"]
    command += ["--lt-cred-mech", f"--user={USER}:{PASSWORD}", f"--realm={REALM}", "--no-dtls", *options]
    if loopback_peers:
        command.append("--allow-loopback-peers")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder
    )
    server = Coturn(port, tls_port, [], cert_pem)
    assert process.stdout is not None
    output = process.stdout

    async def read() -> None:
        async for line in output:
            server.said.append(line.decode(errors="replace").rstrip())

    reading = asyncio.create_task(read())

    async def answers() -> bool:
        assert process.returncode is None, "coturn ended:\n" + "\n".join(server.said[-30:])
        try:
            _, writer = await asyncio.open_connection(HERE, port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(answers, timeout=20, what="coturn listens")
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading
