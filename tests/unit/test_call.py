"""Two RTCPeerConnections on one event loop call each other, over real sockets, with codecs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtcengine import (
    MediaStreamError,
    MediaStreamTrack,
    NetworkOptions,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCSessionDescription,
    SyntheticCamera,
    SyntheticMicrophone,
)
from rtcengine.media.pattern import read_number
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))


async def negotiate(a: RTCPeerConnection, b: RTCPeerConnection) -> None:
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
    await b.setLocalDescription()
    await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]


async def connected(*peers: RTCPeerConnection) -> None:
    await until(lambda: all(pc.connectionState == "connected" for pc in peers), what="both connected")


@contextlib.asynccontextmanager
async def two() -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    a, b = RTCPeerConnection(network=HERE), RTCPeerConnection(network=HERE)
    try:
        yield a, b
    finally:
        await a.close()
        await b.close()


def gather_tracks(pc: RTCPeerConnection) -> list[MediaStreamTrack]:
    found: list[MediaStreamTrack] = []
    pc.on("track", found.append)
    return found


async def take(track: Any, n: int) -> list[Any]:
    return [await asyncio.wait_for(track.recv(), 10) for _ in range(n)]


async def test_pictures_and_sound_both_ways() -> None:
    async with two() as (a, b):
        heard = {pc: gather_tracks(pc) for pc in (a, b)}
        for pc in (a, b):
            pc.addTrack(SyntheticMicrophone())
            pc.addTrack(SyntheticCamera(320, 240, 30))
        await negotiate(a, b)
        await connected(a, b)
        assert (a.iceConnectionState, a.iceGatheringState) == ("completed", "complete")
        for tracks in heard.values():
            assert sorted(t.kind for t in tracks) == ["audio", "video"]
            video = next(t for t in tracks if t.kind == "video")
            numbers = [read_number(f.to_ndarray(format="gray")) for f in await take(video, 10)]
            assert numbers == sorted(numbers) and len(set(numbers)) == 10
            sound = next(t for t in tracks if t.kind == "audio")
            assert {f.sample_rate for f in await take(sound, 10)} == {48000}


async def test_tracks_come_and_go_while_connected() -> None:
    async with two() as (a, b):
        tracks = gather_tracks(b)
        sound = a.addTrack(SyntheticMicrophone())
        await negotiate(a, b)
        await connected(a, b)
        await take(tracks[0], 5)
        picture = a.addTrack(SyntheticCamera(320, 240, 30))
        await negotiate(a, b)
        await take(tracks[1], 5)
        assert a.connectionState == "connected"
        a.removeTrack(picture)
        await negotiate(a, b)
        assert tracks[1].muted and tracks[1].readyState == "live"
        await take(tracks[0], 5)
        picture.replaceTrack(SyntheticCamera(160, 120, 30))
        next(t for t in a.getTransceivers() if t.sender is picture).direction = "sendonly"
        await negotiate(a, b)
        assert (await take(tracks[1], 5))[-1].width == 160
        sound.replaceTrack(None)
        next(t for t in a.getTransceivers() if t.sender is sound).stop()
        await negotiate(a, b)
        with pytest.raises(MediaStreamError):
            await tracks[0].recv()
        await take(tracks[1], 5)


@pytest.mark.slow
async def test_sections_are_used_again() -> None:
    async with two() as (a, b):
        tracks = gather_tracks(b)
        for i in range(12):
            transceiver = a.addTransceiver(SyntheticMicrophone(), "sendonly")
            await negotiate(a, b)
            await connected(a, b)
            await take(tracks[i], 2)
            transceiver.stop()
            await negotiate(a, b)
        assert a.localDescription is not None and a.localDescription.sdp.count("m=audio") == 1


@pytest.mark.parametrize("first", ["a", "b"])
async def test_a_section_is_used_again_that_had_ceased_to_send(first: str) -> None:
    """Whoever left it: no sender of the transceiver that was stopped is in the way of the next one."""
    async with two() as (a, b):
        tracks = gather_tracks(b)
        a.addTrack(SyntheticMicrophone())
        for i in range(3):
            sender = a.addTrack(SyntheticCamera(160, 120, 30))
            await negotiate(a, b)
            await connected(a, b)
            await take(tracks[i + 1], 2)
            a.removeTrack(sender)
            await negotiate(a, b)
            leaving = a if first == "a" else b
            leaving.getTransceivers()[1].stop()
            await (negotiate(a, b) if first == "a" else negotiate(b, a))
        a.addTrack(SyntheticCamera(160, 120, 30))
        await negotiate(a, b)
        await take(tracks[4], 2)
        assert list(a.driver.outgoing) == [t.mid for t in a.getTransceivers()]  # type: ignore[attr-defined]
        assert a.localDescription is not None and a.localDescription.sdp.count("m=video") == 1


async def test_ice_restarts_under_media() -> None:
    async with two() as (a, b):
        tracks = gather_tracks(b)
        a.addTrack(SyntheticMicrophone())
        await negotiate(a, b)
        await connected(a, b)
        await take(tracks[0], 5)
        stop = asyncio.Event()

        async def longest_gap() -> float:
            gap, last = 0.0, time.monotonic()
            while not stop.is_set():
                await tracks[0].recv()
                gap, last = max(gap, time.monotonic() - last), time.monotonic()
            return gap

        listening = asyncio.create_task(longest_gap())
        for _ in range(3):
            before = a.localDescription
            a.restartIce()
            await negotiate(a, b)
            assert before is not None and a.localDescription is not None
            assert ufrags(a.localDescription.sdp).isdisjoint(ufrags(before.sdp))
            stats = await a.getStats()
            first = max(s["packetsSent"] for s in stats.values() if s["type"] == "transport")

            async def more(first: int = first) -> bool:
                stats = await a.getStats()
                return bool(max(s["packetsSent"] for s in stats.values() if s["type"] == "transport") > first + 20)

            await until(more, what="media goes on")
            await connected(a, b)
        stop.set()
        assert await listening < 0.2


async def pass_on(told: list[Any], other: RTCPeerConnection, candidate: Any) -> None:
    told.append(candidate)
    await other.addIceCandidate(candidate)


def ufrags(sdp: str) -> set[str]:
    return {line for line in sdp.splitlines() if line.startswith("a=ice-ufrag")}


async def test_candidates_one_by_one() -> None:
    async with two() as (a, b):
        a.addTransceiver("audio")
        told: dict[RTCPeerConnection, list[Any]] = {a: [], b: []}
        for pc, other in ((a, b), (b, a)):
            pc.on(
                "icecandidate",
                lambda c, pc=pc, other=other: told[pc].append(c) or asyncio.ensure_future(other.addIceCandidate(c)),
            )
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
        await connected(a, b)
        assert all(found and found[-1].candidate == "" for found in told.values())


async def test_what_the_peer_closes_is_closed() -> None:
    async with two() as (a, b):
        a.addTransceiver("audio")
        await negotiate(a, b)
        await connected(a, b)
        await a.close()
        await until(lambda: b.connectionState == "closed", what="the goodbye is heard")


async def test_an_address_with_a_zone_is_passed_over() -> None:
    """Of another machine's interface, and here perhaps of none: neither an error, nor in the way of the others."""
    async with two() as (a, b):
        a.addTransceiver("audio")
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        answer = b.localDescription
        assert answer is not None
        zone = "a=candidate:9 1 udp 2130706431 fe80::1%lo 9 typ host\r\n"
        await a.setRemoteDescription(RTCSessionDescription(answer.sdp + zone, "answer"))
        candidate = RTCIceCandidate(1, "8", "fe80::1%nowhere", 9, 2130706431, "udp", "host", sdpMLineIndex=0)
        await a.addIceCandidate(candidate)
        await connected(a, b)


async def test_a_channel_that_was_never_negotiated_is_closed_with_its_connection() -> None:
    pc = RTCPeerConnection(network=HERE)
    channel = pc.createDataChannel("x")
    closing = pc.close()
    assert channel.readyState == "closed"
    await closing
