"""A peer that answers without BUNDLE: our transports have one user name and password, and each gets what is its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtcengine import (
    Certificate,
    Engine,
    NetworkOptions,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    SyntheticCamera,
    SyntheticMicrophone,
)
from tests.util import until

HERE = ("127.0.0.1",)
COMPAT = RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_COMPAT)
WAYS = ["udp", "tcp", "our shared port", "the peer's shared port"]


@contextlib.asynccontextmanager
async def two(way: str) -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    """One that offers by default, and one that keeps its sections apart."""
    alone = NetworkOptions(addresses=HERE, tcp=way == "tcp", udp=way != "tcp")
    async with Engine(Certificate.generate(), udp=[(*HERE, 0)]) as engine:
        shared = NetworkOptions(addresses=HERE, engine=engine, shared_port=True)
        a = RTCPeerConnection(network=shared if way == "our shared port" else alone)
        b = RTCPeerConnection(COMPAT, network=shared if way == "the peer's shared port" else alone)
        for pc in (a, b):
            pc.addTrack(SyntheticMicrophone())
            pc.addTrack(SyntheticCamera(160, 120, 30))
        try:
            yield a, b
        finally:
            await a.close()
            await b.close()


async def exchange(a: RTCPeerConnection, b: RTCPeerConnection) -> None:
    """With all candidates in the descriptions."""
    for one, other in ((a, b), (b, a)):
        await one.setLocalDescription()
        await until(lambda one=one: one.iceGatheringState == "complete", what="gathering ends")
        assert one.localDescription is not None
        lines = [line for line in one.localDescription.sdp.split("\r\n") if not line.startswith("a=group")]
        await other.setRemoteDescription(RTCSessionDescription("\r\n".join(lines), one.localDescription.type))


def names(pc: RTCPeerConnection) -> set[str | None]:
    return {t.sender.transport.transport.getLocalParameters().usernameFragment for t in pc.getTransceivers()}


async def flows(pc: RTCPeerConnection) -> None:
    """More of both kinds, each by a transport of its own."""
    before = await received(pc)
    assert len({way for way, _ in before.values()}) == 2

    async def more() -> bool:
        now = await received(pc)
        return all(now[kind][1] > count + 20 for kind, (_, count) in before.items())

    await until(more, what="sound and pictures")


async def received(pc: RTCPeerConnection) -> dict[str, tuple[str, int]]:
    found: list[Any] = [one for one in (await pc.getStats()).values() if one["type"] == "inbound-rtp"]
    return {one["kind"]: (one["transportId"], one["packetsReceived"]) for one in found}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_both_sections_connect(way: str) -> None:
    async with two(way) as (a, b):
        await exchange(a, b)
        assert len(names(a)) == len(names(b)) == 1
        await until(lambda: a.connectionState == b.connectionState == "connected", what="both connected")
        await until_both(a, b)
        before = names(a) | names(b)
        a.restartIce()
        await exchange(a, b)
        assert len(names(a)) == len(names(b)) == 1 and not (names(a) | names(b)) & before
        await until_both(a, b)
        b.restartIce()
        await exchange(b, a)
        await until_both(a, b)
        assert a.connectionState == b.connectionState == "connected"


async def until_both(a: RTCPeerConnection, b: RTCPeerConnection) -> None:
    async def two_kinds() -> bool:
        return len(await received(a)) == len(await received(b)) == 2

    await until(two_kinds, what="streams of both kinds on both sides")
    await flows(a)
    await flows(b)
