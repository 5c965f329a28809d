"""Transforms of encoded frames: what they are given and may give, their order, and what a failure does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import Any

import pytest

from rtcengine import (
    RTCPeerConnection,
    RTCRtpEncodingParameters,
    SFrameTransform,
    SyntheticCamera,
    SyntheticMicrophone,
    TransformFrame,
)
from rtcengine.media import tap
from rtcengine.media import transform as module
from rtcengine.media.transform import Transforming, check_readable
from rtcengine.payload import FrameDescription
from tests.unit.media_kit import wire
from tests.unit.test_call import connected, gather_tracks, negotiate, take, two
from tests.util import until

GCM = "AES_128_GCM_SHA256_128"
KEY = bytes(range(16))


def frame(number: int, *, key: bool = False, kind: str = "video") -> TransformFrame:
    data = bytes([number])
    return TransformFrame(data=data, timestamp=number, key=key, kind=kind, ssrc=1, codec="VP8", outgoing=False)


class Harness:
    """A Transforming, and what came of it."""

    def __init__(self, transform: Any) -> None:
        self.given: list[tuple[int, bytes]] = []
        self.keys = 0
        self.dropped: list[bool] = []
        self.work: Transforming[int] = Transforming(transform, "a test", self.give, self.ask, self.dropped.append)

    def give(self, ticket: int, data: Any) -> None:
        self.given.append((ticket, bytes(data)))

    def ask(self) -> None:
        self.keys += 1

    def feed(self, *numbers: int, keys: tuple[int, ...] = (), kind: str = "video") -> None:
        for number in numbers:
            self.work.feed(frame(number, key=number in keys or kind == "audio", kind=kind), number)

    @property
    def tickets(self) -> list[int]:
        return [ticket for ticket, _ in self.given]


def test_data_the_frame_or_nothing() -> None:
    def change(given: TransformFrame) -> Any:
        if given.timestamp == 1:
            return b"other"
        if given.timestamp == 2:
            given.data = bytearray(b"changed")
            return given
        return None if given.timestamp == 3 else given

    side = Harness(change)
    side.feed(0, 1, 2, 3, 4, keys=(0,))
    assert side.given == [(0, b"\0"), (1, b"other"), (2, b"changed"), (4, b"\4")]
    assert side.dropped == [False] and side.keys == 0, "what was left out on purpose is no failure"


@pytest.mark.parametrize("bad", ["text", b"", 7], ids=["text", "empty", "number"])
def test_what_is_no_data(bad: Any, caplog: pytest.LogCaptureFixture) -> None:
    side = Harness(lambda given: bad if given.timestamp == 1 else given.data)
    side.feed(0, 1, 2, keys=(0, 2))
    assert side.tickets == [0, 2] and side.dropped == [True]
    assert "the transform of a test fails" in caplog.text


async def test_order_is_kept_while_some_are_awaited() -> None:
    doors = {number: asyncio.Event() for number in range(0, 12, 3)}

    def mixed(given: TransformFrame) -> Any:
        async def later() -> bytes:
            await doors[given.timestamp].wait()
            return bytes(given.data)

        return later() if given.timestamp in doors else given.data

    side = Harness(mixed)
    side.feed(*range(12), keys=(0,))
    for number in reversed(doors):
        assert side.tickets == []
        doors[number].set()
    await until(lambda: len(side.given) == 12, what="all frames")
    assert side.tickets == list(range(12))
    side.feed(13)
    assert side.tickets[-1] == 13, "nothing is awaited any more: at once"


def test_a_failure_drops_up_to_a_key_frame_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def fails(given: TransformFrame) -> bytes:
        if given.timestamp in (2, 3, 7):
            raise RuntimeError("boom")
        return bytes(given.data)

    side = Harness(fails)
    side.feed(*range(10), keys=(0, 5, 9))
    assert side.tickets == [0, 1, 5, 6, 9]
    assert len(side.dropped) == 5 and all(side.dropped)
    assert side.keys == 4, "at each first failure, and when it works again"
    assert caplog.text.count("RuntimeError: boom") >= 1 and len(caplog.records) == 1
    side.work.transform = fails  # another one may say it again
    side.feed(2)
    assert len(caplog.records) == 2


async def test_an_awaited_failure_is_one_too() -> None:
    async def fails(given: TransformFrame) -> bytes:
        await asyncio.sleep(0)
        if given.timestamp == 1:
            raise asyncio.CancelledError
        if given.timestamp == 3:
            raise ValueError("no")
        return bytes(given.data)

    side = Harness(fails)
    side.feed(*range(6), keys=(0, 2, 5))
    await until(lambda: len(side.given) + len(side.dropped) == 6, what="all frames")
    assert side.tickets == [0, 2, 5]


def test_sound_goes_on_behind_a_failure() -> None:
    def fails(given: TransformFrame) -> bytes:
        if given.timestamp % 2:
            raise RuntimeError("boom")
        return bytes(given.data)

    side = Harness(fails)
    side.feed(*range(6), kind="audio")
    assert side.tickets == [0, 2, 4] and side.keys == 0


def test_who_always_fails_asks_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(tap.time, "monotonic", lambda: now)

    def fails(_: TransformFrame) -> bytes:
        raise RuntimeError("boom")

    side = Harness(fails)
    for _ in range(6000):  # 60 s
        side.feed(1)
        now += 0.01
    assert 8 <= side.keys <= 13


async def test_a_slow_transform_has_a_cap(caplog: pytest.LogCaptureFixture) -> None:
    door = asyncio.Event()

    async def slow(given: TransformFrame) -> bytes:
        await door.wait()
        return bytes(given.data)

    most = module.MOST_WAITING
    side = Harness(slow)
    side.feed(*range(most + 1), keys=(0,))
    assert side.dropped == []
    side.feed(most + 1, most + 2, keys=())
    assert side.dropped == [True, True] and side.keys == 1 and caplog.text.count("too slow") == 1
    door.set()
    await until(lambda: len(side.given) == most + 1, what="those that waited")
    assert side.tickets == list(range(most + 1))


async def test_what_is_under_way_goes_when_it_is_closed() -> None:
    side = Harness(lambda given: asyncio.sleep(3600, given.data))
    side.feed(0, 1, keys=(0,))
    await asyncio.sleep(0)
    side.work.close()
    await asyncio.sleep(0)
    assert side.given == []


def test_packets_that_cannot_be_made_are_named() -> None:
    for codec, data, key in (("h264", b"\0\0\1\x65", True), ("h264", b"\0\0\0\1\x65", False), ("vp8", b"anything", True)):
        check_readable(codec, data, key)
    for data, key in ((b"\x82\x49", True), (b"\x86\x00", False)):
        check_readable("vp9", data, key)
    for codec, data, key in (("h264", b"\x19abc", True), ("h264", b"\0", True), ("vp9", b"\x12", True), ("vp9", b"\x86", True)):
        with pytest.raises(ValueError, match="a transform has to leave"):
            check_readable(codec, data, key)


async def test_both_ends_of_a_call_see_the_same_frames() -> None:
    """An XOR in between, awaited on one side: what arrives is what was sent, picture and sound."""
    sent: list[TransformFrame] = []
    came: list[TransformFrame] = []

    def flip(data: Any) -> bytes:
        return bytes(byte ^ 0x55 for byte in bytes(data)[10:])

    def scramble(given: TransformFrame) -> bytes:
        sent.append(given)
        return bytes(given.data)[:10] + flip(given.data)

    async def restore(given: TransformFrame) -> bytes:
        came.append(given)
        await asyncio.sleep(0)
        return bytes(given.data)[:10] + flip(given.data)

    async with two() as (a, b):
        tracks = gather_tracks(b)
        for track in (SyntheticMicrophone(), SyntheticCamera(320, 240, 30)):
            a.addTrack(track).transform = scramble
        await negotiate(a, b)
        for receiver in b.getReceivers():
            receiver.transform = restore
        await connected(a, b)
        for track in tracks:
            assert len(await take(track, 10)) == 10
            assert track.broken == 0  # type: ignore[attr-defined]
        for kind in ("audio", "video"):
            out = [given for given in sent if given.kind == kind]
            arrived = [given for given in came if given.kind == kind]
            assert {given.ssrc for given in out} == {given.ssrc for given in arrived} != {0}
            assert out[0].key and arrived[0].key and out[0].outgoing and not arrived[0].outgoing
            times = [given.timestamp for given in out]
            assert [given.timestamp for given in arrived if given.timestamp not in times] == []
        pictures = [given.metadata for given in sent if given.kind == "video"]
        assert {given.metadata["payloadType"] for given in came if given.kind == "video"} == {pictures[0]["payloadType"]}
        assert pictures[0]["width"] == 320 and pictures[0]["height"] == 240 and pictures[0]["mimeType"] == "video/VP8"


async def test_a_transform_that_raises_stops_no_track(caplog: pytest.LogCaptureFixture) -> None:
    def now_and_then() -> Any:
        count = 0

        def each(given: TransformFrame) -> TransformFrame:
            nonlocal count
            count += 1
            if count % 20 == 10:
                raise RuntimeError("boom")
            return given

        return each

    async with two() as (a, b):
        tracks = gather_tracks(b)
        sender = a.addTrack(SyntheticCamera(320, 240, 30))
        sender.transform = now_and_then()
        await negotiate(a, b)
        b.getReceivers()[0].transform = now_and_then()
        await take(tracks[0], 40)
        assert caplog.text.count("boom (such frames are dropped") == 2, "once a side"
        assert tracks[0].broken > 0 and tracks[0].readyState == "live"  # type: ignore[attr-defined]
        # And without one again, from a key frame on.
        sender.transform = b.getReceivers()[0].transform = None
        await take(tracks[0], 20)


async def test_encrypted_while_the_call_goes_on() -> None:
    """Both sides change to SFrame, and to another key: the pictures go on. Who has no key sees none."""
    async with two() as (a, b):
        tracks = gather_tracks(b)
        sender = a.addTrack(SyntheticCamera(320, 240, 30))
        await negotiate(a, b)
        receiver = b.getReceivers()[0]
        await take(tracks[0], 5)
        out, in_ = SFrameTransform(GCM, KEY, 1), SFrameTransform(GCM, KEY, 1)
        receiver.transform, sender.transform = in_, out
        await take(tracks[0], 10)
        broken = tracks[0].broken  # type: ignore[attr-defined]
        await take(tracks[0], 10)
        assert tracks[0].broken == broken  # type: ignore[attr-defined]
        out.set_key(KEY[::-1], 2)
        await until(lambda: tracks[0].broken > broken, what="a key that the other side does not have")  # type: ignore[attr-defined]
        in_.add_key(2, KEY[::-1])
        while tracks[0]._ready:  # type: ignore[attr-defined]
            await take(tracks[0], 1)
        await take(tracks[0], 10)


async def test_each_reader_gets_each_frame_once() -> None:
    """A frame goes through the transform once, whoever reads: a second time it would be a replay."""
    async with two() as (a, b):
        tracks: list[Any] = gather_tracks(b)
        for track in (SyntheticMicrophone(), SyntheticCamera(320, 240, 30)):
            a.addTrack(track)
        shared = SFrameTransform(GCM, KEY, 1)  # one counter for all that goes out
        for sender in a.getSenders():
            sender.transform = shared
        await negotiate(a, b)
        there = SFrameTransform(GCM, KEY, 1)
        for receiver in b.getReceivers():
            receiver.transform = there
        video = next(track for track in tracks if track.kind == "video")
        found: list[list[int]] = [[], []]

        async def read(into: list[int]) -> None:
            async with contextlib.aclosing(video.encoded()) as frames:
                async for given in frames:
                    into.append(given.timestamp)
                    if len(into) == 30:
                        return

        await asyncio.gather(take(video, 10), *(read(into) for into in found), take(tracks[0], 10))
        assert all(times == sorted(set(times)) for times in found)
        assert video.broken == 0


async def test_temporal_layers_behind_encryption() -> None:
    """What a frame was made from stands in the descriptors alone; how many layers there are changes with a key frame."""
    layers: list[tuple[bool, int]] = []
    sframe = SFrameTransform(GCM, KEY, 1)

    def note(given: TransformFrame) -> bytes:
        layers.append((given.key, given.metadata["temporalIndex"]))
        return sframe(given)

    async with two() as (a, b):
        tracks: list[Any] = gather_tracks(b)
        wanted = RTCRtpEncodingParameters(scalabilityMode="L1T3")
        sender = a.addTransceiver(SyntheticCamera(320, 240, 30), sendEncodings=[wanted]).sender
        sender.transform = note
        await negotiate(a, b)
        b.getReceivers()[0].transform = SFrameTransform(GCM, KEY, 1)
        await take(tracks[0], 20)
        assert {layer for _, layer in layers} == {0, 1, 2}
        parameters = sender.getParameters()
        parameters.encodings[0].scalabilityMode = "L1T1"
        before = len(layers)
        await sender.setParameters(parameters)
        await until(lambda: any(key for key, _ in layers[before:]), what="a key frame for what has changed")
        await take(tracks[0], 20)
        assert tracks[0].broken == 0


async def test_one_encoding_two_transforms() -> None:
    """Two senders of one track share its encoder, and each has its own key."""
    async with two() as (a, b), two() as (c, d):
        camera = SyntheticCamera(320, 240, 30)
        tracks: list[Any] = []
        for number, (near, far) in enumerate(((a, b), (c, d))):
            heard = gather_tracks(far)
            near.addTrack(camera).transform = SFrameTransform(GCM, bytes([number]) * 16, number)
            await negotiate(near, far)
            far.getReceivers()[0].transform = SFrameTransform(GCM, bytes([number]) * 16, number)
            tracks += heard
        await asyncio.gather(*(take(track, 10) for track in tracks))
        assert [track.broken for track in tracks] == [0, 0]


async def test_codecs_that_cannot_be_encrypted() -> None:
    from rtcengine.peer.capabilities import DEFAULT

    async with two() as (a, b):
        transceiver = a.addTransceiver(SyntheticCamera(320, 240, 30))
        transceiver.setCodecPreferences([c for c in DEFAULT.of("video").codecs if c.name in ("H264", "rtx")])
        with pytest.raises(TypeError):
            transceiver.sender.transform = 7  # type: ignore[assignment]
        await negotiate(a, b)
        with pytest.raises(ValueError, match="H264 cannot go out encrypted"):
            transceiver.sender.transform = SFrameTransform(GCM, KEY, 1)
        assert transceiver.sender.transform is None
        track = b.getReceivers()[0].track
        await take(track, 3)
        # One that leaves the start codes alone goes; one that does not is told.
        transceiver.sender.transform = lambda given: given
        await take(track, 10)


async def test_nothing_goes_out_in_clear_when_it_cannot_be_encrypted(caplog: pytest.LogCaptureFixture) -> None:
    """The transform is set before it is known that the peer takes H.264 alone, or no descriptors."""
    for codec, why in (("H264", "cannot go out encrypted"), ("VP8", "dependency descriptors")):
        async with wire(codec) as side:
            counts = side.pump.counts
            side.pump.set_transform(SFrameTransform(GCM, KEY, 1))
            side.pump.set_track(SyntheticCamera(320, 240))
            await until(lambda counts=counts: counts.dropped > 5, what="frames are dropped")
            assert counts.frames == 0 and caplog.text.count(why) == 1


async def test_a_wrong_key_gives_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async with two() as (a, b):
        tracks: list[Any] = gather_tracks(b)
        a.addTrack(SyntheticCamera(320, 240, 30)).transform = SFrameTransform(GCM, KEY, 3)
        await negotiate(a, b)
        b.getReceivers()[0].transform = SFrameTransform(GCM, os.urandom(16), 3)
        read = asyncio.ensure_future(tracks[0].recv())
        await until(lambda: tracks[0].broken > 10, what="frames that cannot be read")
        assert not read.done() and tracks[0].readyState == "live"
        read.cancel()
        told = [r for r in caplog.records if r.name == "rtcengine.media" and r.levelno >= logging.ERROR]
        assert len(told) == 1 and "SFrameAuthError: a frame with the KID 3" in told[0].getMessage()


async def test_no_transform_costs_nothing() -> None:
    async with wire("VP8") as side:
        side.pump.set_track(SyntheticCamera(320, 240))
        await take(side.remote, 3)
        assert side.pump._transforming is None and side.remote._transformed is None and side.pump._description is None


def test_one_key_is_not_begun_twice() -> None:
    transform = SFrameTransform(GCM, KEY, 1, keys={2: KEY})
    for kid in (1, 2):
        with pytest.raises(ValueError, match="already"):
            transform.set_key(KEY, kid)
    transform.set_key(KEY, 3)
    assert transform.kid == 3
    transform.remove_key(2)
    with pytest.raises(KeyError):
        transform.remove_key(2)


async def test_a_peer_connection_offers_descriptors() -> None:
    pc = RTCPeerConnection()
    pc.addTransceiver("video")
    await pc.setLocalDescription()
    assert pc.localDescription is not None and "#dependency-descriptor-rtp-header-extension" in pc.localDescription.sdp
    await pc.close()


async def test_descriptions_are_checked() -> None:
    async with wire("VP8") as side:
        for bad in (FrameDescription(layers=4), FrameDescription(width=65536), FrameDescription(height=-1)):
            with pytest.raises(ValueError, match="sides of 0 to 65535"):
                side.sender.send_frame(b"\x10abc", 0, True, description=bad)
        side.sender.send_frame(b"\x10abc", 0, True, description=FrameDescription(3, 65535, 65535))
