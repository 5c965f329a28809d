"""Streams of devices in a call: they arrive by their ids, follow constraints on the way, and end with their device."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from rtcengine import MediaStream, RTCTrackEvent, mediaDevices
from rtcengine.media.pattern import read_number
from tests.unit.devices_kit import Machine, capture_threads
from tests.unit.test_call import connected, negotiate, take, two
from tests.util import until

SYNTHETIC: Any = {
    "audio": {"deviceId": {"exact": "synthetic-microphone"}},
    "video": {"deviceId": {"exact": "synthetic-camera"}, "width": 320, "height": 240},
}


async def test_a_stream_arrives_as_one() -> None:
    async with two() as (a, b):
        events: list[RTCTrackEvent] = []
        b.on("track_event", events.append)
        stream = await mediaDevices.getUserMedia(SYNTHETIC)
        for track in stream.getTracks():
            a.addTrack(track, stream)
        await negotiate(a, b)
        await connected(a, b)
        (there,) = {id(event.streams[0]): event.streams[0] for event in events}.values()
        assert isinstance(there, MediaStream) and there.id == stream.id and there.active
        assert {track.id for track in there.getTracks()} == {track.id for track in stream.getTracks()}
        video, audio = there.getVideoTracks()[0], there.getAudioTracks()[0]
        frames = await take(video, 5)
        numbers = [read_number(frame.to_ndarray(format="gray")) for frame in frames]
        assert numbers == sorted(set(numbers)) and (frames[0].width, frames[0].height) == (320, 240)
        assert max(np.abs(frame.to_ndarray()).max() for frame in await take(audio, 10)) > 100
        assert video.getSettings() == {"width": 320, "height": 240, "aspectRatio": 1.3333333333}
        assert (audio.getSettings()["sampleRate"], audio.getSettings()["channelCount"]) == (48000, 2)
        # Another size while it is sent, and the clone at home has its own.
        sent = stream.getVideoTracks()[0]
        own = sent.clone()
        await sent.applyConstraints({"width": 160, "height": 120})
        async with asyncio.timeout(20):
            while (await video.recv()).width != 160:
                pass
        assert (await own.recv()).width == 320
        for track in (*stream.getTracks(), own):
            track.stop()
        await until(lambda: not capture_threads(), what="the devices' end")


async def test_a_device_that_fails_leaves_the_call_up() -> None:
    machine = Machine()
    async with two() as (a, b):
        tracks: list[Any] = []
        b.on("track", tracks.append)
        stream = await machine.devices.getUserMedia({"audio": True, "video": {"width": 320}})
        for track in stream.getTracks():
            a.addTrack(track, stream)
        await negotiate(a, b)
        await connected(a, b)
        there = {track.kind: track for track in tracks}
        await take(there["video"], 3)
        machine.cameras[0].fails = True
        await until(lambda: stream.getVideoTracks()[0].readyState == "ended", what="the camera's end")
        await take(there["audio"], 5)
        assert a.connectionState == b.connectionState == "connected" and stream.active
        machine.cameras[0].fails = False
        again = await machine.devices.getUserMedia(video={"width": 160, "height": 120})
        sender = next(s for s in a.getSenders() if s.kind == "video")
        sender.replaceTrack(again.getVideoTracks()[0])
        async with asyncio.timeout(20):
            while (await there["video"].recv()).width != 160:
                pass
        for track in (*stream.getTracks(), *again.getTracks()):
            track.stop()


async def test_a_peers_stream_may_be_cloned_and_sent_on() -> None:
    """Tracks of a peer are no device's; their clones read what they read."""
    async with two() as (a, b), two() as (c, d):
        events: list[RTCTrackEvent] = []
        b.on("track_event", events.append)
        stream = await mediaDevices.getUserMedia(video=SYNTHETIC["video"])
        a.addTrack(stream.getTracks()[0], stream)
        await negotiate(a, b)
        await connected(a, b)
        (event,) = events
        clone = event.streams[0].clone()
        (copied,) = clone.getTracks()
        arrived: list[Any] = []
        d.on("track", arrived.append)
        c.addTrack(copied, clone)
        await negotiate(c, d)
        await connected(c, d)
        assert len(await take(event.track, 3)) == len(await take(arrived[0], 3)) == 3
        for track in (*stream.getTracks(), copied):
            track.stop()
