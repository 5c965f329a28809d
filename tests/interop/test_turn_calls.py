"""Calls between two RTCPeerConnections that meet by a TURN server alone, over UDP, TCP and TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rtcengine import (
    NetworkOptions,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    SyntheticCamera,
    SyntheticMicrophone,
)
from tests.interop.coturn import PASSWORD, USER, Coturn, coturn
from tests.util import until

HERE = "127.0.0.1"


def peer(server: Coturn, url: str, password: str = PASSWORD) -> RTCPeerConnection:
    port = server.tls_port if url.startswith("turns") else server.port
    servers = [RTCIceServer(url.format(f"{HERE}:{port}"), USER, password)]
    configuration = RTCConfiguration(iceServers=servers, iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    return RTCPeerConnection(configuration, network=NetworkOptions(addresses=(HERE,), turn_insecure=True))


async def take(track: Any, n: int) -> None:
    for _ in range(n):
        await asyncio.wait_for(track.recv(), 10)


@pytest.mark.parametrize("url", ["turn:{}", "turn:{}?transport=tcp", "turns:{}?transport=tcp"], ids=["udp", "tcp", "tls"])
async def test_by_turn_alone(url: str, tmp_path: Path) -> None:
    async with coturn(tmp_path) as server:
        a, b = peer(server, url), peer(server, url)
        try:
            tracks: list[Any] = []
            b.on("track", tracks.append)
            a.addTrack(SyntheticMicrophone())
            a.addTrack(SyntheticCamera(320, 240, 30))
            await a.setLocalDescription()
            offer = a.localDescription
            assert offer is not None and {line.split()[7] for line in offer.sdp.splitlines() if "a=candidate" in line} == {
                "relay"
            }
            await b.setRemoteDescription(offer)
            await b.setLocalDescription()
            await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
            await until(lambda: a.connectionState == b.connectionState == "connected", what="both connected")
            await asyncio.gather(*(take(track, 20) for track in tracks))
        finally:
            await a.close()
            await b.close()


async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    async with coturn(tmp_path) as server:
        pc = peer(server, "turn:{}", "wrong")
        errors: list[Any] = []
        pc.on("icecandidateerror", errors.append)
        try:
            pc.addTransceiver("audio")
            await pc.setLocalDescription()
            await until(lambda: pc.iceGatheringState == "complete", what="gathering ends")
            assert [e.errorCode for e in errors] == [401] and "401" in errors[0].errorText
            other = peer(server, "turn:{}")
            await other.setRemoteDescription(pc.localDescription)  # type: ignore[arg-type]
            await other.setLocalDescription()
            await pc.setRemoteDescription(other.localDescription)  # type: ignore[arg-type]
            url = f"turn:{HERE}:{server.port}"
            why = f"there is no candidate of ours; {url} gave no candidate: TURN refused: 401 Unauthorized"
            assert (await pc.report()).why == f"no pair works yet: {why}"
            assert any("401" in moment.what for moment in pc.timeline)
            await other.close()
        finally:
            await pc.close()


def relayed(pc: RTCPeerConnection) -> list[str]:
    """The relayed candidates that its description tells."""
    assert pc.localDescription is not None
    return [line for line in pc.localDescription.sdp.splitlines() if "typ relay" in line]


async def test_restarted_by_turn_alone(tmp_path: Path) -> None:
    """The server gives a socket one allocation: a restart tells that again; other credentials have a socket of their own."""
    async with coturn(tmp_path, "--user=another:word") as server:
        a, b = peer(server, "turn:{}"), peer(server, "turn:{}")
        try:
            tracks: list[Any] = []
            b.on("track", tracks.append)
            a.addTrack(SyntheticMicrophone())
            told: list[list[str]] = []
            for turn in range(3):
                if turn:
                    a.restartIce()
                if turn == 2:
                    servers = [RTCIceServer(f"turn:{HERE}:{server.port}", "another", "word")]
                    a.setConfiguration(RTCConfiguration(iceServers=servers, iceTransportPolicy=RTCIceTransportPolicy.RELAY))
                await a.setLocalDescription()
                told.append(relayed(a))
                await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
                await b.setLocalDescription()
                assert relayed(b)
                await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
                await until(lambda: a.iceConnectionState == b.iceConnectionState == "completed", what="all is checked")
                await take(tracks[0], 20)
            assert told[0] and told[1] == told[0] and told[2] and told[2] != told[0]
        finally:
            await a.close()
            await b.close()
