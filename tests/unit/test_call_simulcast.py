"""Layers of a simulcast from one peer connection to another: all of them, each as it is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rtcengine import RTCConfiguration, RTCPeerConnection, RTCRtpEncodingParameters, RTCRtpReceiver, SyntheticCamera
from rtcengine.media.pattern import read_number
from tests.unit.test_call import HERE, connected, negotiate
from tests.util import until

WIDTHS = {"h": 640, "m": 320, "l": 160}
ENCODINGS = [RTCRtpEncodingParameters(rid=rid, scaleResolutionDownBy=640 / width) for rid, width in WIDTHS.items()]


@asynccontextmanager
async def call(offered: bool = True) -> AsyncIterator[tuple[RTCPeerConnection, RTCRtpReceiver]]:
    """Who sends three layers, which it has `offered` or was asked for, and the receiver of who takes them."""
    sends = RTCPeerConnection(network=HERE)
    takes = RTCPeerConnection(RTCConfiguration(receive_simulcast=offered), network=HERE)
    try:
        camera = SyntheticCamera(640, 360, 30)
        if offered:
            sends.addTransceiver(camera, sendEncodings=ENCODINGS)
            await negotiate(sends, takes)
        else:  # the last one is the largest, as browsers have it
            sends.addTrack(camera)
            takes.addTransceiver("video", "recvonly", receive_layers=["l", "m", "h"])
            await negotiate(takes, sends)
        await connected(sends, takes)
        yield sends, takes.getReceivers()[0]
    finally:
        await sends.close()
        await takes.close()


async def widths(track: Any, count: int = 5) -> set[int]:
    """Of the next pictures, which come in their order."""
    async with asyncio.timeout(30):
        frames = [await track.recv() for _ in range(count)]
    numbers = [read_number(frame.to_ndarray(format="gray")) for frame in frames]
    assert numbers == sorted(set(numbers))
    return {frame.width for frame in frames}


@pytest.mark.parametrize("offered", [True, False])
async def test_each_layer_is_received(offered: bool) -> None:
    async with call(offered) as (_, receiver):
        order = list(WIDTHS) if offered else ["l", "m", "h"]
        assert list(receiver.layers) == order and receiver.layer == order[0]
        found = await asyncio.gather(*(widths(track) for track in receiver.layers.values()))
        assert dict(zip(receiver.layers, found, strict=True)) == {rid: {width} for rid, width in WIDTHS.items()}
        assert [e.rid for e in receiver.getParameters().encodings] == order
        report = await receiver.getStats()
        rows = {row["rid"]: row for row in report.values() if row["type"] == "inbound-rtp"}
        assert {rid: row["frameWidth"] for rid, row in rows.items()} == WIDTHS
        assert len({row["ssrc"] for row in rows.values()}) == 3 and all(row["framesDecoded"] >= 5 for row in rows.values())
        layer = receiver.layers["m"]
        of_layer = await receiver._peer.getStats(layer)
        assert layer.id in {row.get("trackIdentifier") for row in of_layer.values()}


async def test_the_track_is_of_the_layer_that_is_chosen() -> None:
    async with call() as (sends, receiver):
        track: Any = receiver.track
        assert await widths(track) == {640}
        for rid in ("l", "m", "h"):
            receiver.layer = rid
            async with asyncio.timeout(20):
                while (await track.recv()).width != WIDTHS[rid]:
                    pass
            assert await widths(track) == {WIDTHS[rid]} and receiver.layer == rid
        with pytest.raises(ValueError, match="no layer 'x' among 'h', 'm', 'l'"):
            receiver.layer = "x"
        # One that its sender switches off is no end of the others.
        (sender,) = sends.getSenders()
        parameters = sender.getParameters()
        parameters.encodings[0].active = False
        await sender.setParameters(parameters)
        receiver.layer = "m"
        assert await widths(receiver.layers["l"]) == {160}


async def test_they_outlast_an_offer_of_who_takes_them() -> None:
    """And end with the connection."""
    async with call() as (sends, receiver):
        takes: RTCPeerConnection = receiver._peer
        tracks = dict(receiver.layers)
        await widths(tracks["l"])
        takes.addTransceiver("audio")
        await negotiate(takes, sends)
        assert dict(receiver.layers) == tracks and all(t.readyState == "live" for t in tracks.values())
        assert await widths(tracks["m"]) == {320} and await widths(tracks["l"]) == {160}
        ended: list[str] = []
        for rid, track in tracks.items():
            track.on("ended", lambda rid=rid: ended.append(rid))
        await takes.close()
        await until(lambda: sorted(ended) == sorted(WIDTHS), what="all have ended")


async def test_layers_that_are_agreed_on_no_more_end() -> None:
    async with call() as (sends, receiver):
        takes: RTCPeerConnection = receiver._peer
        tracks = dict(receiver.layers)
        takes.setConfiguration(RTCConfiguration())
        await negotiate(sends, takes)
        assert dict(receiver.layers) == {} and receiver.layer == ""
        assert all(t.readyState == "ended" for t in tracks.values()) and receiver.track.readyState == "live"
        assert len(await widths(receiver.track)) == 1


async def test_one_stream_unless_it_is_asked_for() -> None:
    a, b = RTCPeerConnection(network=HERE), RTCPeerConnection(network=HERE)
    try:
        a.addTransceiver(SyntheticCamera(640, 360, 30), sendEncodings=ENCODINGS)
        await negotiate(a, b)
        (receiver,) = b.getReceivers()
        assert dict(receiver.layers) == {} and receiver.layer == ""
        with pytest.raises(ValueError, match="among none"):
            receiver.layer = "h"
        assert len(await widths(receiver.track)) == 1
    finally:
        await a.close()
        await b.close()
