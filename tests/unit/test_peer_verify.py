"""Connections that show certificates of the program's own and let it look at the peer's, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rtcengine import AudioStreamTrack, Certificate, NetworkOptions, RTCCertificate, RTCConfiguration, RTCPeerConnection
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))


@asynccontextmanager
async def pair(one: RTCConfiguration, other: RTCConfiguration) -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    a, b = RTCPeerConnection(one, network=HERE), RTCPeerConnection(other, network=HERE)
    try:
        a.addTrack(AudioStreamTrack())
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
        yield a, b
    finally:
        await asyncio.gather(a.close(), b.close())


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
async def test_certificates_of_the_configuration(kind: str) -> None:
    shown: list[list[bytes]] = []

    async def verify(certificates: list[bytes]) -> bool:
        shown.append(certificates)
        return True

    mine = RTCCertificate.of(Certificate.generate(kind))
    configuration = RTCConfiguration(certificates=[mine])
    async with pair(configuration, RTCConfiguration(verify_peer=verify)) as (a, b):
        await until(lambda: a.connectionState == b.connectionState == "connected")
        [[der]] = shown
        assert hashlib.sha256(der).digest() == mine.certificate.digest()
        assert f"a=fingerprint:sha-256 {mine.certificate.fingerprint()}" in b.remoteDescription.sdp  # type: ignore[union-attr]
    async with pair(configuration, RTCConfiguration(certificates=[mine], verify_peer=lambda certificates: True)) as (a, b):
        await until(lambda: a.connectionState == b.connectionState == "connected")  # one for several connections


@pytest.mark.parametrize(
    "verify",
    [lambda shown: False, lambda shown: None, lambda shown: 1, lambda shown: shown[7]],
    ids=["no", "nothing", "not clear", "fails"],
)
async def test_refused(verify: Callable[[list[bytes]], Any]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    seen: list[str] = []
    async with pair(RTCConfiguration(), RTCConfiguration(verify_peer=verify)) as (a, b):
        b.on("connectionstatechange", lambda: seen.append(b.connectionState))
        await until(lambda: b.connectionState == "failed")
        assert "connected" not in seen
        await until(lambda: a.connectionState not in ("connecting", "connected"))  # told by close_notify
