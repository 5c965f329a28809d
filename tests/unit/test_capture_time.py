"""When frames were captured: from the source by sender reports or abs-capture-time to who decodes them; picture and sound of
one moment agree. All is compared with the moments at which the sources say they made their frames, never with the clock."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import RTCSessionDescription, SyntheticCamera, SyntheticMicrophone
from rtcengine.codecs.about import About, about, captured_at, pass_on, tell
from rtcengine.media.devices.shape import SoundShape
from rtcengine.media.pattern import read_number
from rtcengine.media.sound import process
from rtcengine.media.sound.blocks import samples
from rtcengine.rtp import Extension
from tests.unit.devices_kit import Machine
from tests.unit.media_kit import Listed, gray, take, take_while
from tests.unit.test_call import connected, gather_tracks, two
from tests.unit.test_rotation import without

FPS = 30
CLOCKS = 0.005  # how far two readings of the wall clock and the monotonic one may lie apart


def wall() -> float:
    """Unix time when time.monotonic() was 0."""
    return time.time() - time.monotonic()


def beeps(sound: list[av.AudioFrame]) -> list[float]:
    """When the tone that begins with each second began, by the frames' capture times."""
    found, quiet = [], 0
    for frame in sound:
        wave, step, moment = np.abs(samples(frame)[0]), frame.sample_rate // 500, about(frame).capture_time
        assert moment is not None
        for at in range(0, len(wave) - step + 1, step):
            loud = wave[at : at + step].max() > 0.13
            if loud and quiet >= 50:
                found.append(moment + at / frame.sample_rate)
            quiet = 0 if loud else quiet + 1
    return found


@pytest.mark.parametrize("told", [True, False])
async def test_from_camera_and_microphone_to_the_peer(told: bool) -> None:
    """By abs-capture-time from the first frame on; without it by sender reports, once one has come."""
    async with two() as (a, b):
        tracks = gather_tracks(b)
        camera, microphone = SyntheticCamera(320, 240, FPS), SyntheticMicrophone()
        a.addTrack(camera)
        a.addTrack(microphone)
        await a.setLocalDescription()
        offer = a.localDescription.sdp
        assert offer.count(Extension.ABS_CAPTURE_TIME) == 2
        offer = offer if told else without(offer, Extension.ABS_CAPTURE_TIME)
        await b.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await b.setLocalDescription()
        assert (Extension.ABS_CAPTURE_TIME in b.localDescription.sdp) == told
        await a.setRemoteDescription(b.localDescription)
        await connected(a, b)
        video, audio = (next(t for t in tracks if t.kind == kind) for kind in ("video", "audio"))
        first = (await take(video, 1))[0]
        if told:
            assert about(first).capture_time is not None
        await take_while(video, lambda f: about(f).capture_time is None)
        await take_while(audio, lambda f: about(f).capture_time is None)

        heard: list[Any] = []
        while not beeps(heard):
            heard += await take(audio, 25)
        shown = await take(video, 20)
        moments = [about(frame).capture_time for frame in shown]
        assert moments == sorted(moments) and len(set(moments)) == len(moments)
        assert camera._start is not None and microphone._start is not None
        for frame, moment in zip(shown, moments, strict=True):
            made = wall() + camera._start + read_number(gray(frame)) / FPS
            assert moment == pytest.approx(made, abs=CLOCKS)
            assert about(frame).captured is None  # which is of this program's own sources
        for receiver, last in zip(b.getReceivers(), (moments[-1], about(heard[-1]).capture_time), strict=True):
            (source,) = receiver.getSynchronizationSources()
            assert source.captureTimestamp is not None  # NTP's, of what was decoded last
            assert -0.001 <= source.captureTimestamp / 1000 - 2_208_988_800 - last < 20
        # The picture that was made with a beep and the beep are of the same moment, but for the 6.5 ms that Opus looks ahead.
        for moment in beeps(heard):
            second = round(moment - wall() - microphone._start)
            assert moment == pytest.approx(wall() + microphone._start + second, abs=0.015)


async def test_of_sources_here() -> None:
    before = time.monotonic()
    machine = Machine()
    stream = await machine.devices.getUserMedia({"video": True, "audio": {"sampleRate": 16000, "latency": 0.01}})
    tracks = [SyntheticCamera(160, 120), SyntheticMicrophone(), *stream.getTracks()]
    for track in tracks:
        found = [about(frame) for frame in await take(track, 5)]
        captured: list[Any] = [known.captured for known in found]
        assert before - 0.1 <= captured[0] and captured == sorted(captured) and captured[-1] <= time.monotonic()
        for known in found:
            assert known.capture_time == pytest.approx(wall() + known.captured, abs=CLOCKS)
        track.stop()


async def test_of_sound_that_was_processed() -> None:
    """Its frames are other ones, and so are their moments."""
    given = []
    for number in range(20):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 720), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 720 * number, Fraction(1, 48000)
        tell(frame, captured_at(500 + 0.015 * number))
        given.append(frame)
    made = process(Listed("audio", given, pace=0))
    for frame in await take(made, 10):
        assert about(frame).captured == pytest.approx(500 + frame.pts / 48000, abs=1e-6)
    made.stop()


def test_of_sound_that_a_device_gives_in_other_pieces() -> None:
    shape = SoundShape(
        {
            "sampleRate": 16000,
            "channelCount": 1,
            "latency": 0.02,
            "noiseSuppression": False,
            "autoGainControl": False,
            "echoCancellation": False,
        }
    )
    late, found = [0.0, 0.003, 0.0, 0.002], []
    for number in range(40):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1440), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 1440 * number, Fraction(1, 48000)
        tell(frame, captured_at(500 + 0.03 * number + late[number % 4]))
        found += shape.fit(frame)
    assert len(found) > 50
    for frame in found:
        assert -1e-6 <= about(frame).captured - (500 + frame.pts / 16000) <= max(late) + 1e-6  # type: ignore[operator]


def test_what_has_no_moment_has_none() -> None:
    one, other = av.VideoFrame(16, 16, "yuv420p"), av.VideoFrame(16, 16, "yuv420p")
    one.pts = other.pts = 0
    pass_on(one, other)
    assert about(other).capture_time is None
    tell(one, About(10.0, None))
    one.time_base, other.time_base, other.pts = Fraction(1, 10), Fraction(1, 100), 150
    pass_on(one, other)
    assert about(other) == About(11.5, None)
