"""Sound made better: what each stage does to speech and to noise, in figures; and tracks that are processed."""

from __future__ import annotations

import itertools
import sys
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import mediaDevices
from rtcengine.media.devices.shape import SoundShape
from rtcengine.media.sound import (
    EchoCanceller,
    GainControl,
    HighPass,
    LevelMeter,
    NoiseSuppressor,
    ProcessedTrack,
    VoiceDetector,
    echo,
    echo_cancellation_available,
    process,
)
from rtcengine.media.sound.gain import Limiter
from rtcengine.media.track import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from tests.unit.media_kit import Listed, loudest, take
from tests.unit.sound_kit import BLOCK, RATE, Signal, blocks, convolve, db, gain, inside, noise, rms, speech, through

SPEECH = -26.0
NOISES = ["white", "pink", "hum"]


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 48000])
@pytest.mark.parametrize(
    ("hertz", "change", "within"),
    [(20, -24.1, 0.5), (40, -12.3, 0.3), (80, -3.0, 0.1), (160, -0.26, 0.1), (1000, 0, 0.05)],
)
def test_high_pass(rate: int, hertz: int, change: float, within: float) -> None:
    tone = np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
    stage, size = HighPass(rate, 2), rate // 100
    pairs = [np.stack((tone, -tone))[:, at : at + size].astype(np.float32) for at in range(0, rate, size)]
    found = np.concatenate([stage(pair) for pair in pairs], axis=1)
    assert db(found[0, rate // 2 :]) - db(tone[rate // 2 :]) == pytest.approx(change, abs=within)
    assert np.allclose(found[0], -found[1])
    assert rms(HighPass(rate)(np.ones((1, size), np.float32))) > 0 > db(found)


def test_high_pass_takes_direct_current() -> None:
    assert db(through(HighPass(RATE), np.full(RATE, 0.5))[RATE // 2 :]) < -100


@pytest.mark.parametrize("kind", NOISES)
def test_noise_goes_and_speech_stays(kind: str) -> None:
    """Noise 18 dB below speech goes down by 10 dB in pauses. Speech keeps its level, and what is done to it is hardly more
    than the noise was."""
    clean, speaks = speech(5, seed=3)
    clean *= gain(SPEECH)
    hiss = noise(kind, len(clean)) * gain(SPEECH - 18)
    found = through(NoiseSuppressor(RATE), clean + hiss)[BLOCK:]  # a block late
    clean, hiss, speaks = clean[: len(found)], hiss[: len(found)], speaks[: len(found)]
    settled = np.arange(len(found)) > 2 * RATE
    pause = inside(~speaks, RATE // 10) & settled
    assert db(hiss[pause]) - db(found[pause]) > 10
    during = speaks & settled
    assert abs(db(found[during]) - db(clean[during])) < 0.5
    before, after = db(clean[during]) - db(hiss[during]), db(clean[during]) - db((found - clean)[during])
    assert before == pytest.approx(18, abs=0.5) and after > before - 2


def test_speech_without_noise_passes() -> None:
    clean, speaks = speech(4, seed=5)
    clean *= gain(SPEECH)
    found = through(NoiseSuppressor(RATE), clean)[BLOCK:]
    assert db(clean[: len(found)][speaks[: len(found)]]) - db((found - clean[: len(found)])[speaks[: len(found)]]) > 20


def test_channels_are_filtered_alike() -> None:
    sound = noise("pink", RATE) * 0.1
    stage = NoiseSuppressor(RATE, 2)
    found = np.concatenate([stage(np.concatenate((one, -one / 2))) for one in blocks(sound)], axis=1)
    assert np.allclose(found[0], -2 * found[1], atol=1e-6)


def decisions(stage: Any, sound: Signal) -> np.ndarray:
    return np.array([stage(block) for block in blocks(sound)])


@pytest.mark.parametrize("ratio", [20, 10, 5])
@pytest.mark.parametrize("kind", NOISES)
def test_voice_is_heard(kind: str, ratio: int) -> None:
    """Of blocks with speech at most 5 % are missed, of those further than the hangover from it at most 2 % taken for speech."""
    clean, speaks = speech(6, seed=3)
    sound = (clean + noise(kind, len(clean)) * gain(-ratio)) * gain(-30)
    found = decisions(VoiceDetector(RATE), sound)
    shape = (len(found), BLOCK)
    begun = np.arange(len(found)) >= 50
    with_speech = speaks[: len(found) * BLOCK].reshape(shape).all(axis=1) & begun
    far = inside(~speaks, RATE // 5)[: len(found) * BLOCK].reshape(shape).all(axis=1) & begun
    assert far.sum() > 40 and with_speech.sum() > 200
    assert 1 - found[with_speech].mean() <= 0.05 and found[far].mean() <= 0.02


def test_silence_is_no_voice() -> None:
    clean, _ = speech(2, seed=3)
    assert not decisions(VoiceDetector(RATE), np.zeros(RATE)).any()
    assert not decisions(VoiceDetector(RATE), clean * gain(-80)).any()
    assert decisions(VoiceDetector(RATE), clean * gain(-40)).any()


def controlled(sound: Signal) -> tuple[Signal, list[float]]:
    voice, control, gains = VoiceDetector(RATE), GainControl(RATE), []

    def stage(block: Any) -> Any:
        found = control(block, voice(block))
        gains.append(control.gain)
        return found

    return through(stage, sound), gains


@pytest.mark.parametrize("level", [-45, -40, -30, -20, -10])
def test_speech_comes_out_at_one_level(level: int) -> None:
    """Near -20 dBov from two seconds of speech on, whatever it was; nothing clips."""
    clean, speaks = speech(6, seed=4)
    sound = np.clip(clean * gain(level), -1, 1) + noise("pink", len(clean)) * gain(-75)
    found, _ = controlled(sound)
    late = speaks[: len(found)] & (np.arange(len(found)) > 3 * RATE)
    assert db(found[late]) == pytest.approx(-20, abs=3)
    assert abs(found).max() < 0.9
    pause = inside(~speaks[: len(found)], RATE // 20) & (np.arange(len(found)) > 3 * RATE)
    assert db(found[pause]) < -45


@pytest.mark.parametrize(("kind", "level"), [("white", -50), ("pink", -60), ("hum", -45)])
def test_silence_is_not_raised(kind: str, level: int) -> None:
    sound = noise(kind, 5 * RATE) * gain(level)
    found, gains = controlled(sound)
    assert np.allclose(found, sound, atol=1e-6) and set(gains) == {0.0}


def test_gain_goes_down_fast_and_up_slowly() -> None:
    clean, speaks = speech(12, seed=6)
    first = np.arange(len(clean)) < 4 * RATE
    _, loud = controlled(np.clip(clean * np.where(first, gain(-40), gain(-14)), -1, 1))
    _, soft = controlled(np.clip(clean * np.where(first, gain(-14), gain(-40)), -1, 1))
    spoken = np.array([speaks[at * BLOCK] for at in range(400, 1200)])
    down = np.argmax(np.array(loud[400:]) < 0)
    assert loud[399] > 15 and 0 < down - np.argmax(spoken) < 100  # by more than 15 dB within a second of speech
    assert np.diff(loud).min() >= -GainControl.DOWN - 1e-9
    assert soft[399] < 0 < 10 < soft[-1] and np.diff(soft[400:]).max() <= GainControl.UP + 1e-9


@pytest.mark.parametrize("rate", [8000, 48000])
def test_limiter(rate: int) -> None:
    """No sample is above the top, nothing jumps but for an onset, and what is soft is as it was."""
    size, rng = rate // 100, np.random.default_rng(7)
    limit, count = Limiter(rate), 300
    sound = rng.standard_normal((2, size * count)).astype(np.float32) * np.repeat(rng.choice([0.01, 0.3, 3.0], count), size)
    sound = sound.astype(np.float32)
    found = np.concatenate([limit(sound[:, at : at + size]) for at in range(0, size * count, size)], axis=1)
    assert abs(found).max() <= gain(-1) * 1.0001
    assert (np.sign(found) == np.sign(sound)).all() and (abs(found) <= abs(sound) + 1e-6).all()
    soft = np.full((1, size), 0.5, np.float32)
    assert Limiter(rate)(soft) is soft


def room(far: Signal) -> Signal:
    """What a microphone hears of a loudspeaker: 40 ms later, with reverberation, 10 dB softer."""
    rng = np.random.default_rng(8)
    answer = np.zeros(RATE // 5)
    tail = np.arange(RATE // 10)
    answer[RATE // 25] = 1
    answer[RATE // 25 : RATE // 25 + len(tail)] += 0.1 * rng.standard_normal(len(tail)) * np.exp(-tail / (0.02 * RATE))
    echoed = convolve(far, answer)
    return echoed * (gain(-10) * rms(far) / rms(echoed))


def cancelled(near: Signal, far: Signal) -> Signal:
    canceller = EchoCanceller(RATE)
    found = []
    for heard, played in zip(blocks(near), blocks(far), strict=True):
        canceller.play(played)
        found.append(canceller(heard)[0])
    return np.concatenate(found).astype(np.float64)


def test_echo_goes() -> None:
    """20 dB of it, after three seconds to learn the room."""
    assert echo_cancellation_available()
    far, _ = speech(6, seed=9)
    far *= gain(-20)
    heard = room(far) + noise("white", len(far)) * gain(-80)
    found = cancelled(heard, far)
    assert db(heard[3 * RATE :]) - db(found[3 * RATE :]) > 20


def test_double_talk_keeps_who_is_near() -> None:
    """Both speak at once: who is near comes out at most 6 dB softer and is what is heard, and no trace of the echo is."""
    far, _ = speech(8, seed=9)
    near, speaks = speech(8, seed=10, pitch=210)
    far, near = far * gain(-20), near * gain(-24)
    near[: 3 * RATE] = 0
    echoed = room(far)
    found = cancelled(echoed + near, far)
    late = slice(4 * RATE, len(found))
    during = speaks[late]
    assert db(found[late][during]) - db(near[late][during]) > -6
    assert similar((echoed + near)[late], echoed[late]) > 0.3
    assert similar(found[late], near[late]) > 0.6 and similar(found[late], echoed[late]) < 0.05


def similar(found: Signal, wanted: Signal) -> float:
    """The greatest correlation at any delay up to 20 ms."""
    count = min(len(found), len(wanted))
    size = 1 << (2 * count).bit_length()
    both = np.fft.irfft(np.fft.rfft(found[:count], size) * np.conj(np.fft.rfft(wanted[:count], size)), size)
    return float(abs(both[: RATE // 50]).max() / count / rms(found[:count]) / rms(wanted[:count]))


def test_echo_cancellation_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    echo_cancellation_available.cache_clear()
    try:
        assert not echo_cancellation_available()
        for make in (lambda: EchoCanceller(RATE), lambda: process(AudioStreamTrack(), echo_cancellation=True)):
            with pytest.raises(RuntimeError, match=r"rtcengine\[apm\]"):
                make()
    finally:
        echo_cancellation_available.cache_clear()
    assert echo.MISSING


def frames(sound: np.ndarray, rate: int, form: str, layout: str, size: int) -> list[Any]:
    """Of one signal in all channels."""
    channels, found = 2 if layout == "stereo" else 1, []
    scale = {"s16": 32767, "s16p": 32767, "flt": 1, "fltp": 1, "s32": 2**31 - 128}[form]
    dtype = {"s16": np.int16, "s16p": np.int16, "flt": np.float32, "fltp": np.float32, "s32": np.int32}[form]
    for at in range(0, len(sound) - size + 1, size):
        rows = np.repeat((sound[at : at + size] * scale).astype(dtype)[np.newaxis], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(rows if form.endswith("p") else rows.T.reshape(1, -1)), format=form, layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        found.append(frame)
    return found


@pytest.mark.parametrize(
    ("rate", "form", "layout", "size", "out"),
    [
        (48000, "s16", "mono", 960, 48000),
        (48000, "fltp", "stereo", 480, 48000),
        (8000, "s16", "mono", 160, 8000),
        (16000, "s32", "stereo", 320, 16000),
        (44100, "s16p", "stereo", 1024, 48000),
        (48000, "flt", "stereo", 1000, 48000),
    ],
)
async def test_a_processed_track(rate: int, form: str, layout: str, size: int, out: int) -> None:
    """A tone goes through with its pitch, in whole blocks whose times go on."""
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    source = Listed("audio", frames(tone, rate, form, layout, size), ends=True, pace=0)
    track = process(source, noise_suppression=False, auto_gain=False)
    found = []
    with pytest.raises(MediaStreamError):
        while True:
            found.append(await track.recv())
    channels = 2 if layout == "stereo" else 1
    assert {(f.sample_rate, f.format.name, len(f.layout.channels)) for f in found} == {(out, "s16", channels)}
    assert all(f.samples % (out // 100) == 0 for f in found)
    for before, after in itertools.pairwise(found):
        assert abs(after.pts - before.pts - before.samples) <= 2 * out // 1000
    sound = np.concatenate([f.to_ndarray().reshape(-1, channels)[:, 0] for f in found]) / 32768
    assert len(sound) > 0.95 * out and loudest(sound, out) == pytest.approx(440, abs=2)
    assert db(sound[out // 5 :]) == pytest.approx(-23, abs=0.5) and track.level == pytest.approx(-23, abs=1)
    assert track.readyState == source.readyState == "ended"


async def test_all_of_it_at_once() -> None:
    """Soft speech in hum and hiss comes out at its level, with less of both than it would have been raised with."""
    clean, speaks = speech(6, seed=11)
    sound = clean * gain(-40) + noise("hum", len(clean)) * gain(-60) + noise("white", len(clean)) * gain(-65)
    track = process(Listed("audio", frames(sound, RATE, "s16", "mono", 960), pace=0))
    found = await take(track, len(sound) // 960)
    heard = np.concatenate([f.to_ndarray()[0] for f in found])[BLOCK:] / 32768
    late = np.arange(len(heard)) > 3 * RATE
    assert db(heard[speaks[: len(heard)] & late]) == pytest.approx(-20, abs=3)
    assert db(heard[inside(~speaks, RATE // 10)[: len(heard)] & late]) < -45
    assert isinstance(track.speaking, bool)


async def test_a_processed_track_cancels_echo() -> None:
    far, _ = speech(6, seed=12)
    far *= gain(-20)
    heard = room(far)
    track = process(
        Listed("audio", frames(heard, RATE, "s16", "mono", 960), pace=0),
        high_pass=False,
        noise_suppression=False,
        auto_gain=False,
        echo_cancellation=True,
    )
    played = frames(far, RATE, "s16", "stereo", 960)
    found = []
    for one in played:
        found.append((await track.recv()).to_ndarray()[0] / 32768)
        track.played(one)  # 20 ms late, as a player's buffer may be
    assert db(heard[3 * RATE :]) - db(np.concatenate(found)[3 * RATE :]) > 15


async def test_a_disabled_track_is_silent() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    source = Listed("audio", frames(tone, RATE, "s16", "mono", 960), pace=0)
    track = process(source, high_pass=False, noise_suppression=False, auto_gain=False)
    await take(track, 2)
    source.enabled = False
    assert not (await take(track, 1))[0].to_ndarray().any() and track.level == -127


async def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="video"):
        process(VideoStreamTrack())
    with pytest.raises(TypeError, match="encoded"):
        await process(Listed("audio", [av.Packet(b"opus")], pace=0)).recv()
    for make in (HighPass, NoiseSuppressor, VoiceDetector):
        with pytest.raises(ValueError, match="44100"):
            make(44100)
    for wrong in (lambda: HighPass(8000, cutoff=4000), lambda: NoiseSuppressor(8000, strength=0)):
        with pytest.raises(ValueError, match="between"):
            wrong()


async def test_stopping_one_stops_both() -> None:
    source = AudioStreamTrack()
    track = process(source)
    assert isinstance(track, ProcessedTrack)
    ended: list[str] = []
    track.on("ended", lambda: ended.append("ended"))
    source.stop()
    assert track.readyState == "ended" and ended == ["ended"]
    source = AudioStreamTrack()
    process(source).stop()
    assert source.readyState == "ended"


def test_level_meter() -> None:
    meter = LevelMeter()
    for frame in frames(0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 10) / RATE), RATE, "flt", "stereo", 480):
        assert meter(frame) == -9
    assert meter.peak == pytest.approx(0.5, abs=0.01) and meter.linear == pytest.approx(gain(-9))
    meter.reset()
    assert meter(frames(np.zeros(480), RATE, "s16", "mono", 480)[0]) == -127 and meter.peak == 0 == meter.linear


async def test_a_microphone_is_mended_as_its_constraints_say() -> None:
    constraints = {"deviceId": {"exact": "synthetic-microphone"}, "autoGainControl": True, "noiseSuppression": True}
    stream = await mediaDevices.getUserMedia({"audio": constraints})
    (track,) = stream.getTracks()
    settings, can = track.getSettings(), track.getCapabilities()
    assert (settings["autoGainControl"], settings["noiseSuppression"], settings["echoCancellation"]) == (True, True, False)
    assert can["autoGainControl"] == can["noiseSuppression"] == [False, True]
    await track.recv()
    await track.applyConstraints()
    assert track.getSettings()["autoGainControl"] is False
    track.stop()
    # What such a track makes of soft speech, and what it is without.
    clean, _ = speech(8, seed=3)
    soft = (np.clip(clean * gain(-40), -1, 1) * 32767).astype(np.int16)
    plain = {"sampleRate": RATE, "channelCount": 1, "latency": 0.02}
    wishes = dict.fromkeys(("noiseSuppression", "autoGainControl", "echoCancellation"), False)
    found = []
    for wished in (wishes, wishes | {"autoGainControl": True}):
        shape, out = SoundShape(plain | wished), []
        for at in range(0, len(soft) - 960, 960):
            frame = av.AudioFrame.from_ndarray(soft[None, at : at + 960], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            out += [f.to_ndarray()[0] for f in shape.fit(frame)]
        found.append(np.concatenate(out)[6 * RATE :] / 32768)
    assert db(found[1]) - db(found[0]) > 12
