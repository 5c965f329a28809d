"""The examples of identity, two processes each, whose signalling the test carries, and tampers with."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Every refusal is in tests/unit/test_identity.py within one process; here every run has one of each sort.
SAME_SORT = pytest.mark.long
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ALICE, BOB = "alice@example.org", "bob@example.org"
LIMIT = 1 << 20


class Program:
    """A running example. `lines` are what it has told so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, script: str, *args: str | Path) -> Program:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, str(EXAMPLES / script), *map(str, args)]
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LIMIT))

    async def _read(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            async with self._news:
                self.lines.append(line.decode().rstrip())
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def message(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        assert line, self.lines
        return json.loads(line)  # type: ignore[no-any-return]

    def hear(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def tells(self, pattern: str) -> str:
        """The line that matches, once there is one."""

        def found() -> str | None:
            return next((line for line in self.lines if re.fullmatch(pattern, line)), None)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30), self._news:
                await self._news.wait_for(lambda: found() or self._reading.done())
        line = found()
        assert line is not None, (pattern, self.lines)
        return line

    async def end(self) -> int:
        """Hangs up and waits; what it returned."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(30):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            raise
        await self._reading
        return code

    @property
    def got_media(self) -> bool:
        return any(line.startswith("media") for line in self.lines)

    @property
    def connected(self) -> bool:
        return "connected" in self.lines


@contextlib.asynccontextmanager
async def programs(*starting: Any) -> AsyncIterator[list[Program]]:
    running = [await start for start in starting]
    try:
        yield running
    finally:
        for program in running:
            if program.process.returncode is None:
                program.process.kill()
                await program.process.wait()
            await program._reading


def key(path: Path) -> Path:
    made = Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM
    path.write_bytes(made.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public = made.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


# --- by a provider


def user(role: str, me: str, peer: str, provider: Path, seconds: float = 60.0) -> Any:
    return Program.start("identity.py", role, me, peer, provider, "--seconds", str(seconds))


async def nobody_talks(caller: Program, callee: Program, why: str) -> None:
    """The callee has refused the offer, and ended; the caller never connects."""
    assert why in await callee.tells("refused: .*")
    assert await callee.end() == 0
    assert await caller.end() == 0  # it may be refused for having heard nothing
    for program in (caller, callee):
        assert not program.connected and not program.got_media, program.lines


async def test_a_call_with_assertions(tmp_path: Path) -> None:
    provider = key(tmp_path / "provider.pem")
    async with programs(user("offer", ALICE, BOB, provider), user("answer", BOB, ALICE, provider)) as (alice, bob):
        bob.hear(await alice.message())
        alice.hear(await bob.message())
        await alice.tells(f"media of {BOB}")
        await bob.tells(f"media of {ALICE}")
        assert alice.connected and bob.connected
        assert await alice.end() == 0 and await bob.end() == 0


async def test_forged(tmp_path: Path) -> None:
    """Signed by somebody else's key."""
    provider, other = key(tmp_path / "provider.pem"), key(tmp_path / "other.pem")
    async with programs(user("offer", ALICE, BOB, other), user("answer", BOB, ALICE, provider)) as (alice, bob):
        bob.hear(await alice.message())
        await nobody_talks(alice, bob, "the provider failed")


async def test_expired(tmp_path: Path) -> None:
    provider = key(tmp_path / "provider.pem")
    async with programs(user("offer", ALICE, BOB, provider, -1), user("answer", BOB, ALICE, provider)) as (alice, bob):
        bob.hear(await alice.message())
        await nobody_talks(alice, bob, "expired")


async def test_foreign(tmp_path: Path) -> None:
    """Alice's own assertion, in the offer of another who has another certificate."""
    provider = key(tmp_path / "provider.pem")
    mallory_key = key(tmp_path / "mallory.pem")
    alice_, mallory_ = user("offer", ALICE, BOB, provider), user("offer", ALICE, BOB, mallory_key)
    async with programs(alice_, mallory_, user("answer", BOB, ALICE, provider)) as (alice, mallory, bob):
        stolen = re.search(r"a=identity:\S+", (await alice.message())["sdp"])
        offer = await mallory.message()
        assert stolen is not None
        offer["sdp"] = re.sub(r"a=identity:\S+", stolen[0], offer["sdp"])
        bob.hear(offer)
        await nobody_talks(mallory, bob, "other certificates")
        await alice.end()


@SAME_SORT
async def test_no_assertion_and_another_users(tmp_path: Path) -> None:
    provider = key(tmp_path / "provider.pem")
    async with programs(user("offer", ALICE, BOB, provider), user("answer", BOB, ALICE, provider)) as (alice, bob):
        offer = await alice.message()
        offer["sdp"] = re.sub(r"a=identity:\S+\r\n", "", offer["sdp"])
        bob.hear(offer)
        await nobody_talks(alice, bob, "nobody's identity")
    carol_ = user("offer", "carol@example.org", BOB, provider)
    async with programs(carol_, user("answer", BOB, ALICE, provider)) as (carol, bob):
        bob.hear(await carol.message())
        await nobody_talks(carol, bob, "the peer is carol@example.org")


async def test_a_forged_answer(tmp_path: Path) -> None:
    """The other direction: the caller refuses, and the answerer, who would talk, gets nothing."""
    provider = key(tmp_path / "provider.pem")
    async with programs(user("offer", ALICE, BOB, provider), user("answer", BOB, ALICE, provider)) as (alice, bob):
        bob.hear(await alice.message())
        answer = await bob.message()
        text = re.search(r"a=identity:(\S+)", answer["sdp"])
        assert text is not None
        said = json.loads(base64.b64decode(text[1]))
        said["assertion"] = said["assertion"].replace(BOB, ALICE)
        forged = base64.b64encode(json.dumps(said).encode()).decode()
        answer["sdp"] = answer["sdp"].replace(text[1], forged)
        alice.hear(answer)
        assert "the provider failed" in await alice.tells("refused: .*")
        assert await alice.end() == 0 and await bob.end() == 0
        for program in (alice, bob):
            assert not program.connected and not program.got_media, program.lines


# --- by signatures of the program's own


def login(folder: Path, role: str, me: str, peer: str) -> Any:
    return Program.start("signed_fingerprint.py", role, me, folder / f"{me}.pem", peer, folder / f"{peer}.pub")


@pytest.fixture
def logins(tmp_path: Path) -> Path:
    for name in ("alice", "bob"):
        key(tmp_path / f"{name}.pem")
    return tmp_path


async def test_logins(logins: Path) -> None:
    async with programs(login(logins, "offer", "alice", "bob"), login(logins, "answer", "bob", "alice")) as (alice, bob):
        bob.hear(await alice.message())
        alice.hear(await bob.message())
        for program, peer in ((alice, "bob"), (bob, "alice")):
            await program.tells(f"{peer} is verified")
            await program.tells(f"media of {peer}")
        assert await alice.end() == 0 and await bob.end() == 0


async def test_a_swapped_certificate(logins: Path) -> None:
    """Who sits in the signalling answers in bob's place, with bob's signature and a certificate of his own."""
    alice_, bob_ = login(logins, "offer", "alice", "bob"), login(logins, "answer", "bob", "alice")
    async with programs(alice_, bob_, login(logins, "answer", "bob", "alice")) as (alice, bob, mallory):
        offer = await alice.message()
        mallory.hear(offer)
        bob.hear(offer | {"sdp": re.sub(r"a=candidate:.*\r\n", "", offer["sdp"])})  # he is not to meet her himself
        answer = await mallory.message() | {k: v for k, v in (await bob.message()).items() if k in ("statement", "signature")}
        alice.hear(answer)
        await alice.tells("refused: this is not the certificate of bob")
        await alice.tells("failed")
        # To mallory the handshake was over: what he then gets is its end, and no media.
        await mallory.tells("closed|failed|disconnected|new")
        assert not alice.connected and not alice.got_media, alice.lines
        assert not mallory.got_media, mallory.lines
        for program in (alice, bob, mallory):
            assert await program.end() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"signature": "00" * 64},
        pytest.param({"statement": '["bob", "alice", "00", 9e9]'}, marks=SAME_SORT),
        pytest.param({"signature": "no hex"}, marks=SAME_SORT),
    ],
)
async def test_signatures_that_are_not_the_peers(logins: Path, change: dict[str, str]) -> None:
    async with programs(login(logins, "offer", "alice", "bob"), login(logins, "answer", "bob", "alice")) as (alice, bob):
        bob.hear(await alice.message())
        alice.hear(await bob.message() | change)
        await alice.tells("refused: .*")
        assert await alice.end() == 0 and await bob.end() == 0
        assert not alice.connected and not alice.got_media and not bob.got_media
