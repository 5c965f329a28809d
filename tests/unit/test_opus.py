"""Opus as it is asked for: what each parameter changes, what a loss and silence sound like."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from rtcengine.codecs import opus
from rtcengine.codecs.decode import OpusDecoder
from rtcengine.codecs.encode import make_encoder
from rtcengine.codecs.opus import OpusEncoder, repeated
from rtcengine.codecs.sound import SoundEncoder
from rtcengine.frames import EncodedFrame

RATE = 48000
Samples = npt.NDArray[np.int16]


def frame_of(samples: Samples, at: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
    return frame


def voice(seconds: float) -> Samples:
    """A buzz that glides between 100 and 200 Hz, by two formants, as loud as speech and in syllables."""
    t = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(150 + 50 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    formants = {k: math.exp(-(((k - 4) / 3) ** 2)) + 0.5 * math.exp(-(((k - 12) / 4) ** 2)) for k in range(1, 24)}
    buzz = sum(np.sin(k * phase) / k * strength for k, strength in formants.items())
    loud = buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    return (9000 * loud / np.abs(loud).max()).astype(np.int16)


def noise(seconds: float, level: float) -> Samples:
    return (np.random.default_rng(1).normal(0, 1, int(seconds * RATE)) * level).astype(np.int16)


def packets(encoder: OpusEncoder, sound: Samples, size: int = 960) -> list[bytes]:
    return [encoder.encode(sound[at : at + size].reshape(-1, 1)) for at in range(0, len(sound) - size + 1, size)]


def band(packet: bytes) -> int:
    """Samples a second that its bandwidth is good for (RFC 6716 §3.1)."""
    config = packet[0] >> 3
    if config < 12:
        return (8000, 12000, 16000)[config // 4]
    return (24000, 48000)[(config - 12) // 2] if config < 16 else (8000, 16000, 24000, 48000)[(config - 16) // 4]


def test_cbr() -> None:
    sound = np.concatenate((noise(0.5, 3000), voice(0.5), np.zeros(RATE // 2, np.int16)))
    assert len({len(packet) for packet in packets(OpusEncoder(channels=1, bitrate=32_000, cbr=True), sound)}) == 1
    assert len({len(packet) for packet in packets(OpusEncoder(channels=1, bitrate=32_000), sound)}) > 5


@pytest.mark.parametrize("most", [8000, 12000, 16000, 24000, 48000])
def test_no_more_than_is_played(most: int) -> None:
    sent = packets(OpusEncoder(channels=1, max_rate=most), noise(0.5, 3000))
    assert max(map(band, sent)) == most


def test_complexity(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = voice(0.5)
    least, most = OpusEncoder(channels=1, complexity=0), OpusEncoder(channels=1, complexity=10)
    assert (least.complexity, most.complexity) == (0, 10) and packets(least, sound) != packets(most, sound)
    assert OpusEncoder().complexity == opus.COMPLEXITY == 9
    monkeypatch.setattr(opus, "COMPLEXITY", 3)
    encoder = OpusEncoder()
    assert encoder.complexity == 3
    encoder.complexity = 5
    assert encoder.complexity == 5


def test_hints_choose_how_it_is_coded() -> None:
    """At a rate where both would do, speech is coded as speech (SILK, configurations below 16) and music is not."""
    sound = noise(1, 2000) // 2 + voice(1) // 2
    silk = {hint: packets(OpusEncoder(channels=1, bitrate=24_000, hint=hint), sound)[-1][0] >> 3 < 16 for hint in opus.USES}
    assert silk["speech"] and silk["speech-recognition"] and not silk["music"]


def test_a_hint_that_is_none_is_passed_over() -> None:
    stream = make_encoder("opus")
    assert isinstance(stream, SoundEncoder)
    stream.set_hint("motion")
    assert len(stream.encode(frame_of(voice(0.02), 0))) == 1


@pytest.mark.parametrize(
    "wrong", [{"channels": 3}, {"loss": 101}, {"loss": -1}, {"complexity": 11}, {"complexity": -1}, {"hint": "loud"}]
)
def test_what_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}|allowed"):
        OpusEncoder(**wrong)


# --- a stream of packets


def test_packets_of_any_length() -> None:
    """The length may change at any time, and no sample is lost or comes twice."""
    encoder, decoder = make_encoder("opus"), OpusDecoder(1)
    assert isinstance(encoder, SoundEncoder)
    sound, out, sizes, at = voice(3), [], [], 0
    for ms in (20, 10, 60, 40, 10, 20):
        encoder.set_packet_ms(ms)
        for _ in range(25):
            for data, time, *_ in encoder.encode(frame_of(sound[at : at + 960], at)):
                out += decoder.decode(packet_of(data, time))
                sizes.append(out[-1].samples // 48)
            at += 960
    assert set(sizes) == {10, 20, 40, 60} and sizes[:25] == [20] * 25
    assert [f.pts for f in out] == [sum(f.samples for f in out[:n]) for n in range(len(out))]
    heard = np.concatenate([f.to_ndarray()[0] for f in out]).astype(float)
    assert correlation(heard, sound[: len(heard)].astype(float)) > 0.95


def packet_of(data: bytes, time: int, lost: int = 0) -> EncodedFrame:
    return EncodedFrame(data=memoryview(data), timestamp=time, clock_rate=RATE, codec="opus", key=True, lost=lost, arrived=0.0)


def correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """The greatest over delays of up to 10 ms, which a codec has."""
    size = len(a) - 480
    return max(float(np.corrcoef(a[d : d + size], b[:size])[0, 1]) for d in range(0, 480, 8))


def test_the_receivers_word() -> None:
    """RFC 7587 §6.1: what each parameter does to the stream, and that nonsense does nothing."""

    def sent(fmtp: dict[str, Any], sound: Samples) -> list[bytes]:
        encoder, out = make_encoder("opus", fmtp), []
        for at in range(0, len(sound), 960):
            out += [data for data, *_ in encoder.encode(frame_of(sound[at : at + 960], at))]
        return out

    sound = noise(1, 2000)
    usual = sum(map(len, sent({}, sound)))
    assert max(map(band, sent({}, sound))) == 48000
    assert max(map(band, sent({"maxplaybackrate": "16000"}, sound))) == 16000
    assert sum(map(len, sent({"maxplaybackrate": 16000}, sound))) < 0.7 * usual
    assert len(set(map(len, sent({"cbr": 1}, sound)))) == 1 < len(set(map(len, sent({}, voice(1)))))
    for wrong in ({"maxplaybackrate": "x"}, {"maxaveragebitrate": "-1"}, {"maxplaybackrate": "9" * 5000}, {"usedtx": ""}):
        assert sum(map(len, sent(wrong, sound))) == usual
    silence = np.zeros(2 * RATE, np.int16)
    assert len(sent({}, silence)) == 100 and len(sent({"usedtx": 1}, silence)) < 30


def test_silence_is_not_sent() -> None:
    """With usedtx=1 packets are left out and time goes on; the first one after it is marked; who hears gets a steady stream."""
    sound = np.concatenate((voice(1), noise(3, 2), voice(1)))
    encoder, decoder, out, begins, times = make_encoder("opus", {"usedtx": "1"}), OpusDecoder(1), [], [], []
    assert isinstance(encoder, SoundEncoder)
    for at in range(0, len(sound), 960):
        found = encoder.encode(frame_of(sound[at : at + 960], at))
        assert len(found) == len(encoder.heard)
        for (data, time, *_), heard in zip(found, encoder.heard, strict=True):
            times.append(time)
            begins.append(heard.begins)
            out += decoder.decode(packet_of(data, time))
    assert len(times) < 0.7 * len(sound) / 960
    assert begins == [True] + [b - a > 960 for a, b in itertools.pairwise(times)] and 2 <= sum(begins) < 20
    assert times[-1] == len(sound) - 960 and all(time % 960 == 0 for time in times)
    assert [f.pts for f in out] == list(range(0, len(sound), 960))  # comfort noise in between
    level = [float(f.to_ndarray().astype(float).std()) for f in out]
    assert max(level[80:190]) < 50 < 500 < min(level[20:45])


def test_fec_costs_nothing_before_there_is_a_loss() -> None:
    sound, sizes = voice(2), {}
    for loss in (0, 10):
        encoder = make_encoder("opus", {"useinbandfec": 1})
        assert isinstance(encoder, SoundEncoder)
        encoder.set_hint("speech")
        encoder.set_bitrate(24_000)
        encoder.set_loss(loss)
        out = [encoder.encode(frame_of(sound[at : at + 960], at))[0].data for at in range(0, len(sound), 960)]
        sizes[loss] = sum(repeated(data) > 0 for data in out[10:])
    assert sizes[0] == 0 and sizes[10] > 50


@pytest.mark.parametrize("bps", [28_000, 40_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ms", [10, 20, 40, 60])
def test_what_is_repeated_is_seen(ms: int, channels: int, bps: int) -> None:
    """In SILK's packets and in hybrid ones, which hold several frames when they are long."""
    sound = np.repeat(voice(3), channels).reshape(-1, channels)

    def sent(**options: Any) -> set[int]:
        encoder = OpusEncoder(channels=channels, bitrate=bps, hint="speech", **options)
        return {repeated(encoder.encode(sound[at : at + 48 * ms])) for at in range(0, len(sound) - 48 * ms, 48 * ms)}

    assert sent(fec=False) == {0}
    found = sent(fec=True, loss=20)
    assert max(found) > 0 and found <= {0, 960, 48 * ms}


@pytest.mark.parametrize("config", range(32))
def test_what_is_no_packet_repeats_nothing(config: int) -> None:
    for code in range(8):
        for rest in (b"", b"\xff", b"\xff\xff\xff", b"\xc3\xff\xff", b"\x00"):
            assert repeated(bytes([config << 3 | code]) + rest) in (0, 480, 960, 1920, 2880)
    assert repeated(b"") == 0


def test_what_is_made_up_is_counted() -> None:
    """Not what the next packet repeats, nor silence that was not sent."""
    for fec, made in ((True, 960), (False, 1920)):
        sent = packets(OpusEncoder(channels=1, bitrate=24_000, fec=fec, loss=20, hint="speech"), voice(2))
        after = next(n for n in range(20, 50) if repeated(sent[n]) or not fec)
        decoder = OpusDecoder(1)
        for n in (after - 4, after - 3, after, after + 1):
            decoder.decode(packet_of(sent[n], 960 * n, 2 * (n == after)))
            assert decoder.made_up == (made if n == after else 0)
        decoder.decode(packet_of(sent[after + 20], 960 * (after + 20)))
        assert decoder.made_up == 0


def test_a_loss_sounds_better_with_fec() -> None:
    """Speech through 10 % loss: what the next packet knows is nearer to what was said than what is made up, and that nearer
    than nothing."""
    sound = voice(6)
    gone = {n for n in range(5, 299) if n % 10 == 7}

    def distance(fec: bool, silent: bool) -> float:
        encoder = OpusEncoder(channels=1, bitrate=24_000, fec=fec, loss=10, hint="speech")
        whole, cut, far = OpusDecoder(1), OpusDecoder(1), []
        lost = 0
        for n, data in enumerate(packets(encoder, sound)):
            (want,) = whole.decode(packet_of(data, 960 * n))
            said[n] = want.to_ndarray()[0].astype(float)
            if n in gone:
                lost += 1
                continue
            for frame in cut.decode(packet_of(data, 960 * n, lost)):
                at = frame.pts // 960
                if at in gone:
                    found = np.zeros(960) if silent else frame.to_ndarray()[0].astype(float)
                    far.append(float(np.sum((found - said[at]) ** 2) / np.sum(said[at] ** 2)))
            lost = 0
        assert len(far) == len(gone)
        return float(np.mean(far))

    said: dict[int, npt.NDArray[np.float64]] = {}
    with_fec, made_up, nothing = distance(True, False), distance(False, False), distance(False, True)
    print(f"noise of what was lost against its signal: {with_fec:.3f} with FEC, {made_up:.3f} concealed, {nothing:.3f} silent")
    assert with_fec < 0.5 * made_up and made_up < 0.8 * nothing


@pytest.mark.parametrize("ms", [10, 20, 40, 60])
def test_gaps_are_filled_to_the_sample(ms: int) -> None:
    size = 48 * ms
    encoder, decoder, out, lost = OpusEncoder(channels=1, loss=20, hint="speech"), OpusDecoder(1), [], 0
    sent = packets(encoder, voice(3), size)
    for n, data in enumerate(sent):
        if n % 7 in (3, 4) or n % 11 == 5:
            lost += 1
            continue
        out += decoder.decode(packet_of(data, size * n, lost))
        lost = 0
    assert [f.pts for f in out] == [sum(f.samples for f in out[:n]) for n in range(len(out))]
    assert all(f.samples == size for f in out)


def test_a_gap_that_fits_no_packet() -> None:
    """A second and more, or a part of a unit of 2.5 ms: the sound goes on where the packet says."""
    (data,) = packets(OpusEncoder(channels=1), voice(0.02))
    for gap, count in ((48000, 51), (48120, 1), (100, 1), (120, 2), (-960, 1)):
        decoder = OpusDecoder(1)
        decoder.decode(packet_of(data, 0))
        found = decoder.decode(packet_of(data, 960 + gap, 1))
        assert len(found) == count and found[-1].pts == 960 + gap
