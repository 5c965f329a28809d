"""Encoders: what goes in comes out of the decoders again, whatever its size, format or rate; frames given stay as they were."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from rtcengine import EncodedFrame
from rtcengine.codecs.decode import make_decoder
from rtcengine.codecs.encode import Encoded, default_bitrate, make_encoder
from rtcengine.codecs.vpx import own_version
from rtcengine.media.pattern import Pattern, Tone, read_number

VIDEO = ["VP8", "VP9", "H264", "AV1"]


def decoded(codec: str, frames: list[Encoded], rate: int = 90000) -> list[Any]:
    decoder, found = make_decoder(codec), []
    for data, time, key, _ in frames:
        frame = EncodedFrame(data=memoryview(data), timestamp=time, clock_rate=rate, codec=codec, key=key, lost=0, arrived=0.0)
        found += decoder.decode(frame)
    return found


@pytest.mark.parametrize("codec", VIDEO)
@pytest.mark.parametrize("form", ["yuv420p", "rgb24", "bgra", "gray", "yuv422p", "nv12"])
def test_pixel_formats(codec: str, form: str) -> None:
    encoder, pattern, out = make_encoder(codec), Pattern(320, 240), []
    for n in range(3):
        frame = pattern.video_frame(n + 5, 3000 * n)
        given = frame.reformat(format=form)
        given.pict_type, given.pts, given.time_base = PictureType.I, n, Fraction(1, 30)
        before = given.to_ndarray().copy()
        out += encoder.encode(given)
        assert (given.pts, given.time_base, given.pict_type) == (n, Fraction(1, 30), PictureType.I)
        assert np.array_equal(given.to_ndarray(), before)
    assert [(time, key) for _, time, key, _ in out] == [(0, True), (3000, False), (6000, False)]
    assert [read_number(f.to_ndarray(format="gray")) for f in decoded(codec, out)] == [5, 6, 7]


@pytest.mark.parametrize("codec", VIDEO)
def test_another_size_begins_with_a_key_frame(codec: str) -> None:
    """Of VP9 where its library is ours only one that is larger than all before: test_rates.py has more."""
    encoder, out = make_encoder(codec), []
    sizes = [(320, 240), (320, 240), (640, 360), (640, 360), (320, 240)]
    for n, (width, height) in enumerate(sizes):
        out += encoder.encode(Pattern(width, height).video_frame(n, 3000 * n))
    assert [key for _, _, key, _ in out] == [True, False, True, False, codec != "VP9" or not own_version()]
    shown = decoded(codec, out)
    assert [(f.width, f.height) for f in shown] == sizes
    assert [read_number(f.to_ndarray(format="gray")) for f in shown] == list(range(5))


@pytest.mark.parametrize("codec", VIDEO)
def test_smaller_and_odd_sizes(codec: str) -> None:
    frame = Pattern(640, 480).video_frame(9, 0)
    for by, size in ((2.0, (320, 240)), (1.5, (426, 320)), (4.0, (160, 120)), (1000.0, (2, 2))):
        encoder: Any = make_encoder(codec)
        encoder.scale_down_by = by
        (shown,) = decoded(codec, encoder.encode(frame))
        assert (shown.width, shown.height) == size
        assert size == (2, 2) or read_number(shown.to_ndarray(format="gray")) == 9
    odd = frame.reformat(width=321, height=241)
    (shown,) = decoded(codec, make_encoder(codec).encode(odd))
    assert (shown.width, shown.height) == (320, 240)


@pytest.mark.parametrize("codec", VIDEO)
def test_key_frames_come_when_they_are_wanted(codec: str) -> None:
    encoder, pattern = make_encoder(codec), Pattern(320, 240)
    black = np.zeros((360, 320), np.uint8)
    keys = []
    for n in range(40):
        frame = pattern.video_frame(n, 3000 * n)
        if n == 20:  # a change of scene is none
            frame = av.VideoFrame.from_ndarray(black, format="yuv420p")
            frame.pts, frame.time_base = 3000 * n, Fraction(1, 90000)
        keys += [time // 3000 for _, time, key, _ in encoder.encode(frame, n in (7, 31)) if key]
    assert keys == [0, 7, 31]


@pytest.mark.slow
@pytest.mark.parametrize("codec", VIDEO)
def test_bitrate_changes_while_it_runs(codec: str) -> None:
    """Of H.264 and AV1, and where libvpx is ours, without a key frame."""
    rng = np.random.default_rng(1)
    encoder = make_encoder(codec)
    sizes, keys = [], []
    for n in range(240):
        if n in (0, 120):
            encoder.set_bitrate(800_000 if n == 0 else 250_000)
        picture = np.full((270, 320), 128, np.uint8)
        picture[:180] = np.kron(rng.integers(96, 160, (18, 32), dtype=np.uint8), np.ones((10, 10), np.uint8))
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = n * 3000, Fraction(1, 90000)
        for data, _, key, _ in encoder.encode(frame):
            sizes.append(len(data))
            keys += [n] if key else []
    quiet = codec in ("H264", "AV1") or bool(own_version())
    assert keys == ([0] if quiet else [0, 120])
    assert sum(sizes[180:]) < 0.6 * sum(sizes[60:120])
    encoder.set_bitrate(12_000_000)  # beyond what H.264 can be raised to
    assert encoder.encode(frame)[0].key == (codec == "H264" or not quiet)


def test_a_bitrate_that_suits_the_size() -> None:
    assert default_bitrate(160, 120) == 200_000 < default_bitrate(640, 480) < default_bitrate(1280, 720) < 2_500_001
    assert default_bitrate(3840, 2160) == 2_500_000


def tone(rate: int, channels: int, count: int, form: str, start: int = 0) -> av.AudioFrame:
    at = (np.arange(count) + start) / rate
    wave = np.repeat((8000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)[:, None], channels, axis=1)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
    if form != "s16":
        frame = av.AudioResampler(form, layout, rate).resample(frame)[0]
    return frame


def loudest(sound: np.ndarray, rate: int) -> float:
    """Frequency of the strongest tone."""
    return float(np.fft.rfftfreq(len(sound), 1 / rate)[np.abs(np.fft.rfft(sound * np.hanning(len(sound)))).argmax()])


@pytest.mark.parametrize(("codec", "rate"), [("opus", 48000), ("PCMU", 8000), ("PCMA", 8000), ("G722", 16000)])
@pytest.mark.parametrize(
    ("source", "channels", "count", "form"),
    [(48000, 2, 960, "s16"), (8000, 1, 160, "s16"), (44100, 2, 1024, "fltp"), (16000, 1, 512, "s16p"), (48000, 6, 480, "flt")],
)
def test_sound_of_any_form(codec: str, rate: int, source: int, channels: int, count: int, form: str) -> None:
    encoder, out = make_encoder(codec, {"stereo": "1"}), []
    for start in range(0, source, count):
        frame = tone(source, channels, count, form, start)
        before = frame.to_ndarray().copy(), frame.pts, frame.time_base
        out += encoder.encode(frame)
        assert np.array_equal(frame.to_ndarray(), before[0]) and (frame.pts, frame.time_base) == before[1:]
    clock_rate = 8000 if codec == "G722" else rate  # RFC 3551 §4.5.2
    assert [time for _, time, _, _ in out] == [n * clock_rate // 50 for n in range(len(out))] and len(out) >= 48
    assert all(key for _, _, key, _ in out)
    sounds = decoded(codec, out, clock_rate)
    assert [(f.pts, f.time_base) for f in sounds] == [(n * rate // 50, Fraction(1, rate)) for n in range(len(out))]
    heard = np.concatenate([f.to_ndarray().reshape(-1, 2 if codec == "opus" else 1)[:, 0] for f in sounds])[rate // 5 :]
    assert loudest(heard.astype(float), rate) == pytest.approx(440, abs=3)


def test_times_of_sound() -> None:
    """Jitter is not heard, a gap is kept, and another form goes on where the last one was."""
    encoder, out = make_encoder("PCMU"), []
    for start, rate in ((0, 8000), (170, 8000), (310, 8000), (480, 8000), (8000, 8000), (16320, 16000), (16640, 16000)):
        out += [time for _, time, _, _ in encoder.encode(tone(rate, 1, rate // 50, "s16", start))]
    assert out == [0, 160, 320, 480, 8000, 8160]
    encoder = make_encoder("PCMU")
    assert encoder.encode(tone(8000, 1, 100, "s16", 0)) == []
    times = [time for _, time, _, _ in encoder.encode(tone(8000, 1, 200, "s16", 8000))]
    assert times == [0, 8000]  # what was left before the gap is filled up
    again = [time for at in (0, 160, 320) for _, time, _, _ in encoder.encode(tone(8000, 1, 160, "s16", at))]
    assert again == [8160, 8320, 8480]  # a source that begins anew
    assert [time for _, time, _, _ in encoder.encode(tone(8000, 1, 160, "s16", 0), at=480)] == [8640]


def test_opus_does_as_the_receiver_says() -> None:
    def size(fmtp: dict[str, Any], bps: int | None = None) -> tuple[int, int]:
        encoder, source, total = make_encoder("opus", fmtp), Tone(), 0
        encoder.set_bitrate(bps)
        for n in range(100):
            frame = av.AudioFrame.from_ndarray(source.samples(960).reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, n * 960, Fraction(1, 48000)
            ((data, _, _, _),) = encoder.encode(frame)
            total += len(data)
        return total * 4, data[0] >> 2 & 1  # bits per second, and the bit of two channels (RFC 6716 §3.1)

    assert size({})[1] == 0 and size({"stereo": 1})[1] == 1
    assert size({"maxaveragebitrate": 12000})[0] < 16_000 < size({})[0]
    assert size({"maxaveragebitrate": 12000}, 64_000)[0] < 16_000
    assert size({}, 16_000)[0] < 20_000


def test_what_is_not_known() -> None:
    with pytest.raises(ValueError, match="codec 'VP7': opus, VP8, .*AV1.* can be encoded"):
        make_encoder("VP7")
