"""coturn in the servers' namespace, for hosts behind NATs that let nothing through between them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.interop.nat import TURN, Node
from tests.interop.nat_probe import mapped

PORT = 3478
USER, PASSWORD = "user", "password-of-user"
URL = f"turn:{TURN}:{PORT}?transport=udp"


@asynccontextmanager
async def turn_server(node: Node) -> AsyncIterator[None]:
    """Runs in that namespace, at `TURN`; it answers when the context begins and has ended when it ends."""
    program = shutil.which("turnserver")
    if program is None:
        raise FileNotFoundError("turnserver is not here (Debian: coturn)")
    with tempfile.TemporaryDirectory() as folder:
        argv = [program, "-n", "-c", "/dev/null", "--log-file=stdout", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp"]
        argv += [f"--listening-ip={TURN}", f"--relay-ip={TURN}", f"--listening-port={PORT}"]
        argv += [
            "--lt-cred-mech",
            f"--user={USER}:{PASSWORD}",
            "--realm=nat",
            f"--userdb={folder}/db",
            f"--pidfile={folder}/pid",
        ]
        nothing = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*node.command(*argv), stdin=nothing, stdout=nothing, stderr=nothing)
        try:
            [sock] = node.bind_udp([(node.address, 0)])
            with sock:
                await mapped(sock, (TURN, PORT), timeout=20)
            assert process.returncode is None
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
