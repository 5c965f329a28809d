"""Tracks over two engines: what one side's track gives, the other side's track has, and nothing is left of it at the end."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine.media.limits import MAINTAIN_BOTH, FrameGate, Limits
from rtcengine.media.pattern import Pattern, read_number
from rtcengine.media.receive import RemoteTrack
from rtcengine.media.synthetic import SyntheticCamera, SyntheticMicrophone
from rtcengine.media.timeline import Timeline
from rtcengine.media.track import AudioStreamTrack, MediaStreamError, MediaStreamTrack, VideoStreamTrack
from tests.unit.media_kit import Listed, codec_threads, gray, loudest, take, take_while, wire
from tests.util import until


@pytest.mark.parametrize("codec", ["VP8", "VP9", "H264"])
async def test_pictures_arrive(codec: str) -> None:
    async with wire(codec) as pair:
        unmuted: list[str] = []
        pair.remote.on("unmute", lambda: unmuted.append("unmute"))
        assert pair.remote.muted and not codec_threads()
        pair.pump.set_track(SyntheticCamera(320, 240))
        frames = await take(pair.remote, 15)
        numbers = [read_number(gray(frame)) for frame in frames]
        assert numbers == sorted(set(numbers)) and {(f.width, f.height) for f in frames} == {(320, 240)}
        first = frames[0]
        for frame, number in zip(frames, numbers, strict=True):
            assert frame.time_base == Fraction(1, 90000) and frame.pts - first.pts == (number - numbers[0]) * 3000
        assert first.pts == 0 and unmuted == ["unmute"] and not pair.remote.muted
        assert pair.pump.counts.frames >= 15 and pair.pump.counts.keys >= 1
        assert (pair.pump.counts.width, pair.pump.counts.height) == (320, 240) and pair.pump.counts.encode_s > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "rate", "channels"), [("opus", 48000, 2), ("PCMU", 8000, 1), ("PCMA", 8000, 1), ("G722", 16000, 1)]
)
async def test_sound_arrives(codec: str, rate: int, channels: int) -> None:
    class Whistle(AudioStreamTrack):
        async def recv(self) -> Any:
            frame = await super().recv()
            wave = 8000 * np.sin(2 * np.pi * 440 * (frame.pts + np.arange(160)) / 8000)
            frame.planes[0].update(wave.astype(np.int16).tobytes())
            return frame

    async with wire(codec) as pair:
        pair.pump.set_track(Whistle())
        frames = await take(pair.remote, 60)
        assert [f.pts for f in frames] == [n * rate // 50 for n in range(60)]
        assert all((f.sample_rate, len(f.layout.channels)) == (rate, channels) for f in frames)
        sound = np.concatenate([f.to_ndarray().reshape(-1, channels)[:, 0] for f in frames])[rate // 5 :].astype(float)
        assert loudest(sound, rate) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_another_track_takes_over(codec: str) -> None:
    """Its size is another, its times begin at 0 again; the reader's go on."""
    async with wire(codec) as pair:
        first, second = SyntheticCamera(320, 240), SyntheticCamera(640, 360)
        pair.pump.set_track(first)
        frames = await take(pair.remote, 5)
        pair.pump.set_track(second)
        assert pair.pump.track is second
        frames += await take_while(pair.remote, lambda frame: frame.width == 320)
        frames += await take(pair.remote, 5)
        times = [frame.pts for frame in frames]
        assert times == sorted(set(times)) and times[-1] < 30 * 90000
        assert {(f.width, f.height) for f in frames[-5:]} == {(640, 360)}
        read = first.number
        pair.pump.set_track(None)
        pair.pump.set_track(first)
        frames = await take_while(pair.remote, lambda frame: frame.width == 640)
        assert read_number(gray(frames[-1])) >= read
        assert first.readyState == second.readyState == "live"


async def test_key_frames_that_are_asked_for() -> None:
    async with wire("VP8") as pair:
        pair.pump.set_track(SyntheticCamera(320, 240))
        await take(pair.remote, 3)
        keys = pair.pump.counts.keys
        pair.pump.force_key()
        await until(lambda: pair.pump.counts.keys == keys + 1, what="a key frame")
        pair.remote._request_key()  # goes to the peer as a PLI
        await until(lambda: pair.pump.counts.keys == keys + 2, what="another")
        await take(pair.remote, 10)
        assert pair.pump.counts.keys == keys + 2


async def test_a_broken_frame_is_left_out() -> None:
    async with wire("VP8") as pair:
        asked: list[None] = []
        pair.remote.attach(pair.receiver, lambda: asked.append(None))
        pair.pump.set_track(SyntheticCamera(320, 240))
        await take(pair.remote, 3)
        when = pair.pump._times.at(None, time.monotonic())
        pair.sender.send_frame(b"\x11\xff\xff", when, False)  # its first part is longer than all of it
        await until(lambda: asked, what="a wish for a key frame")
        assert pair.remote.broken == 1
        pair.pump.force_key()
        await take(pair.remote, RemoteTrack.VIDEO_WAITS + 5)


async def test_ended_tracks() -> None:
    async with wire("VP8") as pair:
        source = Listed("video", [Pattern(320, 240).video_frame(n, 3000 * n) for n in range(3)], ends=True)
        pair.pump.set_track(source)
        reading = asyncio.create_task(take(pair.remote, 100))
        await until(lambda: source.readyState == "ended", what="the source's end")
        assert pair.remote.readyState == "live"  # its sender may go on with another
        ended: list[None] = []
        pair.remote.on("ended", lambda: ended.append(None))
        await pair.hang_up()
        with pytest.raises(MediaStreamError):
            await reading
        assert ended == [None] and pair.remote.readyState == "ended"
        with pytest.raises(MediaStreamError):
            await pair.remote.recv()


async def test_stop_wakes_who_reads() -> None:
    track = RemoteTrack("audio", "its id")
    reading = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    assert (track.id, track.kind, track.muted) == ("its id", "audio", True)
    track.stop()
    with pytest.raises(MediaStreamError):
        await asyncio.wait_for(reading, 5)


async def test_nothing_is_decoded_while_nobody_reads() -> None:
    async with wire("VP8") as pair:
        pair.pump.set_track(SyntheticCamera(320, 240))
        await until(lambda: pair.pump.counts.frames > 10, what="frames")
        assert not any(name.startswith("rtc-decode") for name in codec_threads()) and not pair.receiver.wants_frames
        pair.remote.IDLE_S = 0.0  # type: ignore[misc]
        keys = pair.pump.counts.keys
        await take(pair.remote, 1)
        await until(lambda: not pair.receiver.wants_frames, what="the end of decoding")
        await take(pair.remote, 1)
        assert pair.pump.counts.keys > keys


@pytest.mark.parametrize("codec", ["VP8", "opus"])
async def test_a_slow_reader_gets_the_newest(codec: str) -> None:
    async with wire(codec) as pair:
        source: MediaStreamTrack = SyntheticCamera(320, 240, 60) if codec == "VP8" else SyntheticMicrophone()
        most = RemoteTrack.VIDEO_WAITS if codec == "VP8" else 5
        pair.remote.AUDIO_WAITS = 5  # type: ignore[misc]
        pair.pump.set_track(source)
        (first,) = await take(pair.remote, 1)
        await until(lambda: pair.remote.dropped >= 20, what="frames that are dropped")
        assert len(pair.remote._ready) == most
        (second,) = await take(pair.remote, 1)
        assert second.time - first.time > 15 / 60


async def test_a_slow_encoder_misses_frames_and_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire("VP8") as pair:
        encode, ended = pair.pump._encode, threading.Event()

        def slow(*given: Any) -> Any:
            ended.wait(0.2)
            return encode(*given)

        monkeypatch.setattr(pair.pump, "_encode", slow)
        camera = SyntheticCamera(320, 240, 60)
        pair.pump.set_track(camera)
        frames = await take(pair.remote, 4)
        numbers = [read_number(gray(frame)) for frame in frames]
        assert all(b - a > 5 for a, b in itertools.pairwise(numbers))
        assert pair.pump._thread._work_queue.qsize() <= 1
        ended.set()


async def test_limits() -> None:
    async with wire("VP9", Limits(scale_down_by=2, max_framerate=10)) as pair:
        pair.pump.set_track(SyntheticCamera(640, 480))
        frames = await take(pair.remote, 6)
        assert {(f.width, f.height) for f in frames} == {(320, 240)}
        assert all(8000 <= b.pts - a.pts for a, b in itertools.pairwise(frames))
        pair.pump.set_limits(Limits(scale_down_by=4))
        frames = await take_while(pair.remote, lambda frame: frame.width != 160)
        pair.pump.set_limits(Limits(active=False))
        count = -1
        while count != pair.pump.counts.frames:
            count = pair.pump.counts.frames
            await asyncio.sleep(0.2)
        pair.pump.set_limits(Limits(max_bitrate=100_000, preference=MAINTAIN_BOTH))
        frames = await take_while(pair.remote, lambda frame: frame.width != 640)
    for wrong in ({"max_bitrate": 0}, {"max_framerate": -1}, {"scale_down_by": 0.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Limits(**wrong)  # type: ignore[arg-type]


async def test_a_disabled_camera_is_black() -> None:
    async with wire("VP8") as pair:
        camera = SyntheticCamera(320, 240)
        camera.enabled = False
        pair.pump.set_track(camera)
        frames = await take(pair.remote, 2)
        assert all(gray(frame).max() < 30 for frame in frames) and frames[1].pts - frames[0].pts >= 80_000
        camera.enabled = True
        frames = await take_while(pair.remote, lambda frame: gray(frame).max() < 30)
        read_number(gray(frames[-1]))
        camera.enabled = False
        await take_while(pair.remote, lambda frame: gray(frame).max() > 30)


async def test_a_disabled_microphone_is_silent() -> None:
    async with wire("PCMU") as pair:
        microphone = SyntheticMicrophone()
        pair.pump.set_track(microphone)
        await take_while(pair.remote, lambda frame: np.abs(frame.to_ndarray().astype(int)).max() < 500)
        microphone.enabled = False
        frames = await take_while(pair.remote, lambda frame: np.abs(frame.to_ndarray().astype(int)).max() > 8)
        frames = frames[-1:] + await take(pair.remote, 10)
        assert [b.pts - a.pts for a, b in itertools.pairwise(frames)] == [160] * 10
        assert all(np.abs(f.to_ndarray().astype(int)).max() <= 8 for f in frames)


async def test_a_track_that_fails_is_no_more_sent(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(VideoStreamTrack):
        async def recv(self) -> Any:
            raise ZeroDivisionError

    async with wire("VP8") as pair:
        pair.pump.set_track(Broken())
        await until(lambda: "ZeroDivisionError" in caplog.text, what="the log")
        pair.pump.set_track(Listed("video", ["no frame"]))
        await until(lambda: "could not be encoded" in caplog.text or "failed" in caplog.text, what="the log")
        pair.pump.set_track(SyntheticCamera(320, 240))
        await take(pair.remote, 2)
        pair.pump.close()
        pair.pump.close()
        with pytest.raises(RuntimeError, match="closed"):
            pair.pump.set_track(SyntheticCamera(320, 240))


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "name"), [("H264", "libx264"), ("VP8", "libvpx"), ("opus", "libopus")])
async def test_packets_pass_as_they_are(codec: str, name: str, tmp_path: Any) -> None:
    """From a file, H.264 from MP4 with its lengths."""
    path = str(tmp_path / ("file.mp4" if codec == "H264" else "file.mkv"))
    with av.open(path, "w") as file:
        if codec == "opus":
            stream: Any = file.add_stream(name, rate=48000)
            tone = SyntheticMicrophone()
            frames: Any = [await tone.recv() for _ in range(30)]
        else:
            options = {"bf": "0", "profile": "baseline"} if codec == "H264" else {"deadline": "realtime", "cpu-used": "8"}
            stream = file.add_stream(name, rate=30, width=320, height=240, pix_fmt="yuv420p", options=options)
            frames = [Pattern(320, 240).video_frame(n, 3000 * n) for n in range(30)]
        for frame in frames:
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with av.open(path) as file:
        packets = [packet for packet in file.demux() if packet.size]
        async with wire(codec) as pair:
            reading = asyncio.create_task(take(pair.remote, 25))
            await until(lambda: pair.receiver.wants_frames, what="the reader")
            pair.pump.set_track(Listed("audio" if codec == "opus" else "video", packets))
            found = await reading
            assert not any(name.startswith("rtc-encode") for name in codec_threads())
            if codec != "opus":
                assert [read_number(gray(frame)) for frame in found] == list(range(25))
                # Matroska counts in milliseconds.
                assert [frame.pts for frame in found] == pytest.approx([3000 * n for n in range(25)], abs=90)


async def test_packets_of_another_codec(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    path = str(tmp_path / "file.mkv")
    with av.open(path, "w") as file:
        options = {"deadline": "realtime", "cpu-used": "8"}
        stream: Any = file.add_stream("libvpx", rate=30, width=320, height=240, pix_fmt="yuv420p", options=options)
        for n in range(5):
            file.mux(stream.encode(Pattern(320, 240).video_frame(n, 3000 * n)))
        file.mux(stream.encode())
    with av.open(path) as file:
        packets = [packet for packet in file.demux() if packet.size]
        async with wire("H264") as pair:
            track = Listed("video", packets, ends=True)
            pair.pump.set_track(track)
            await until(lambda: track.readyState == "ended", what="the end")
            assert pair.pump.counts.frames == 0 and caplog.text.count("another codec than h264") == 1


def test_times_go_on() -> None:
    line = Timeline(1000, 500)
    line.cut()
    assert [line.at(time, 0.0) for time in (7, 17, 27)] == [500, 510, 520]
    assert line.at(27, 0.0) == 521  # never the same twice
    assert line.at(30, 0.1) == 524
    assert line.at(None, 0.2) == 624  # without a time: the clock's
    assert line.at(0, 0.3) == 724  # back: the clock's, from there on
    assert line.at(100, 5.0) == 824
    assert line.at(100_000, 5.5) == 1324  # far ahead
    line.cut()
    assert [line.at(time, 6.0) for time in (100_010, 100_020)] == [1824, 1834]
    assert [line.at(time, 6.0, back=True) for time in (100_060, 100_040, 100_080)] == [1874, 1854, 1894]


@pytest.mark.parametrize(("source", "most", "given"), [(30, 30, 30), (30, 15, 15), (60, 20, 20), (25, 10, 10), (10, 30, 10)])
def test_frame_rates(source: int, most: int, given: int) -> None:
    gate = FrameGate(90000)
    passed = [gate.passes(n * 90000 // source + n % 2 * 90, most) for n in range(source * 10)]
    assert sum(passed) == pytest.approx(given * 10, abs=2)
    assert not gate.passes(0, 0) and gate.passes(0, None)
