"""The synthetic sources and their encoders, checked by decoders that are not ours."""

from __future__ import annotations

import av
import numpy as np
import pytest

from rtcengine.codecs import libopus
from rtcengine.codecs.opus import OpusEncoder
from rtcengine.codecs.vpx import Vp8Encoder
from rtcengine.media.pattern import Pattern, Tone, read_number


@pytest.mark.parametrize("size", [(640, 360), (160, 120), (1280, 720), (322, 242)])
def test_pattern_moves_and_tells_its_number(size: tuple[int, int]) -> None:
    width, height = size
    pattern = Pattern(width, height)
    seen = []
    for number in (0, 1, 2, 12345, 0xFFFFFFFF):
        picture = pattern.frame(number, wall=1_700_000_000.25)
        assert picture.shape == (height * 3 // 2, width)
        assert picture.dtype == np.uint8
        assert read_number(picture[:height]) == number
        seen.append(picture.tobytes())
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("size", [(641, 360), (640, 361), (158, 120), (160, 118)])
def test_pattern_refuses_odd_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even"):
        Pattern(*size)


def test_vp8_decodes_to_the_same_numbers() -> None:
    pattern, encoder = Pattern(), Vp8Encoder(bitrate=600_000)
    decoder = av.CodecContext.create("vp8", "r")
    keys, numbers, size = [], [], 0
    for number in range(60):
        for data, _, key, _ in encoder.encode(pattern.video_frame(number, number * 3000), number == 40):
            keys.append(key)
            size += len(data)
            for frame in decoder.decode(av.Packet(data)):
                numbers.append(read_number(frame.to_ndarray(format="yuv420p")[:360]))
    assert numbers == list(range(60))
    assert [i for i, key in enumerate(keys) if key] == [0, 40]
    assert size * 8 / 2 < 1_200_000


def test_opus_carries_the_tone() -> None:
    tone, encoder = Tone(), OpusEncoder(channels=2, bitrate=64_000)
    decoder = av.CodecContext.create("libopus", "r")
    heard = []
    for _ in range(100):
        packet = encoder.encode(tone.samples(960))
        assert 20 < len(packet) < 1000
        heard += [f.to_ndarray() for f in decoder.decode(av.Packet(packet))]
    level = np.sqrt(np.mean(np.concatenate([h.astype(np.float64).ravel() for h in heard]) ** 2))
    assert level > 100
    encoder.bitrate = 12_000
    assert encoder.bitrate == 12_000
    small = [len(encoder.encode(tone.samples(960))) for _ in range(50)]
    assert sum(small) / len(small) < 60


def test_tone_has_no_break_between_calls() -> None:
    whole, parts = Tone(), Tone()
    assert np.array_equal(whole.samples(4800), np.concatenate([parts.samples(n) for n in (960, 480, 3360)]))


@pytest.mark.parametrize("pcm", [np.zeros((960,), np.int16), np.zeros((960, 1), np.int16), np.zeros((960, 2), np.float32)])
def test_opus_names_the_shape_it_wants(pcm: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"samples, 2"):
        OpusEncoder(channels=2).encode(pcm)


def test_libopus_comes_from_pyav_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RTCENGINE_LIBOPUS", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    path = libopus.library_path()
    assert path is not None
    assert "libopus" in path
    monkeypatch.setenv("RTCENGINE_LIBOPUS", "/somewhere/else.so")
    assert libopus.library_path() == "/somewhere/else.so"
