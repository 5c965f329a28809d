"""What users see of the package: every public name is explained, typed for them, and one version says which it is."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rtcengine

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["rtcengine", "rtcengine.engine", "rtcengine.relay", "rtcengine.sdp", "rtcengine.srtp"]


def test_one_version() -> None:
    assert rtcengine.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_there_and_explained(module: str) -> None:
    imported = importlib.import_module(module)
    assert imported.__doc__
    assert len(set(imported.__all__)) == len(imported.__all__)
    silent = []
    for name in imported.__all__:
        value = getattr(imported, name)
        if inspect.isclass(value):  # a base's text does not count, nor the one that dataclass makes up
            text = vars(value).get("__doc__") or ""
            silent += [] if text and not text.startswith(f"{name}(") else [name]
        elif inspect.isroutine(value):
            silent += [] if value.__doc__ else [name]
    assert silent == []


def mypy(*args: str | Path, cwd: Path) -> tuple[int, str]:
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
    command = [sys.executable, "-m", "mypy", *cache, "--config-file", os.devnull, *map(str, args)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


# Checked as it stands, by a user's mypy: the ignored errors must be there, or mypy says that nothing is to be ignored.
PROGRAM = """
import asyncio
from typing import Any, assert_type

from aiohttp import web

from rtcengine import Certificate, Engine, EngineStats, IceConfig, SendConfig, Sender, Transport, TransportEvent
from rtcengine.relay import Joining, Refused, Relay, RelayConfig, Room, Session
from rtcengine.srtp import SrtpAuthError, SrtpSession


def secret(packet: bytes) -> bytes:
    session = SrtpSession("AEAD_AES_128_GCM", key=bytes(16), salt=bytes(12))
    try:
        return session.unprotect(session.protect(memoryview(packet)))
    except SrtpAuthError:
        return session.protect("text")  # type: ignore[arg-type]


async def may_join(joining: Joining) -> bool:
    if joining.role != "watch":
        raise Refused("watch only", status=403)
    return joining.room.startswith("open")


def heard(what: str, session: Session) -> None:
    print(what, session.room.name, session.codecs())  # type: ignore[attr-defined]


async def relay() -> web.Application:
    async with Relay(RelayConfig(port=0, udp_port=0), on_join=may_join) as relay:
        relay.listen(heard)
        assert_type(relay.rooms, dict[str, Room])
        assert_type(await relay.stats(), EngineStats)
        app: web.Application = relay.aiohttp_app()
        return app


async def engine() -> int:
    certificate = Certificate.generate()
    async with Engine(certificate, udp=[("127.0.0.1", 0)]) as engine:
        batch = engine.batch()

        def on_event(event: TransportEvent) -> None:
            assert_type(event.transport, Transport)
            assert_type(event.remote, tuple[str, int] | None)

        assert_type(engine.port, int)
        batch.close("transport")  # type: ignore[arg-type]
        await batch.commit()
        ice = IceConfig("ufrag", "password", 1, 2)  # type: ignore[arg-type]
        assert_type(ice.local_ufrag, str)
        return engine.port


def frame(sender: Sender, config: SendConfig) -> None:
    assert_type(config.codec, str)
    sender.send_frame(b"frame", timestamp=0, key=True)


asyncio.run(engine())
"""


@pytest.mark.slow
def test_a_users_program_is_checked_by_mypy(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    code, said = mypy("--strict", "program.py", cwd=tmp_path)
    assert code == 0, said


# Names that only the type checker knows, those that only the extension uses, and what Cython adds by itself.
STUB_ONLY = [r"rtcengine\._core\.(Address|Bytes|Event|Layer|Times)"]
INNER = [r"rtcengine\._core\.Srtp(Jobs|Sealer)"]
BY_CYTHON = [r"rtcengine\._core\.(\w+\.)?(__reduce_cython__|__setstate_cython__|__test__)"]


@pytest.mark.slow
def test_the_stub_is_what_the_extension_has(tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text("\n".join([*STUB_ONLY, *INNER, *BY_CYTHON]))
    command = [sys.executable, "-m", "mypy.stubtest", "rtcengine._core", "--concise", "--ignore-disjoint-bases"]
    options = ["--allowlist", str(tmp_path / "allowed"), "--ignore-unused-allowlist"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
