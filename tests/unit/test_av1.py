"""The AV1 encoder: what its frames are made of, what a change costs, that pictures are whole; what there is without libaom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rtcengine.codecs import av1, registry
from rtcengine.codecs.av1 import Av1Encoder
from rtcengine.codecs.decode import make_decoder
from rtcengine.codecs.encode import Encoded, make_encoder
from rtcengine.media.pattern import Pattern, read_number
from rtcengine.payload import picture_size, split
from tests.unit.test_payload import obus, of


def types(frame: bytes) -> list[int]:
    """Of a frame's OBUs (AV1 bitstream §5.3.2)."""
    return [obu[0] >> 3 & 15 for obu in obus(frame)]


def decoded(decoder: Any, frame: Encoded) -> Any:
    (shown,) = decoder.decode(of("AV1", frame.data, frame.timestamp, frame.key))
    return shown


def test_what_frames_are_made_of() -> None:
    """OBUs that have their sizes, and a sequence header in each key frame: no delimiter, which is not sent."""
    encoder, pattern = Av1Encoder(), Pattern(320, 240)
    for n in range(12):
        (frame,) = encoder.encode(pattern.video_frame(n, 3000 * n), n == 7)
        assert frame.key == (n in (0, 7))
        assert types(frame.data) == ([1, 6] if frame.key else [6])
        assert all(obu[0] & 2 for obu in obus(frame.data))


def test_no_block_is_left_of_an_older_picture() -> None:
    """Each picture's number is read, and all of it is near to what it was."""
    encoder, decoder, pattern = Av1Encoder(bitrate=800_000), make_decoder("AV1"), Pattern(640, 360)
    for n in range(150):
        given = pattern.video_frame(n, 3000 * n)
        (frame,) = encoder.encode(given)
        shown = decoded(decoder, frame)
        assert read_number(shown.to_ndarray(format="gray")) == n
        off = np.abs(shown.to_ndarray()[:360].astype(int) - given.to_ndarray()[:360])
        assert off.reshape(45, 8, 80, 8).mean((1, 3)).max() < 40, n  # of blocks of 8 x 8


def test_what_costs_a_key_frame() -> None:
    """Another size, and nothing else; the stream's header has the size that it is."""
    encoder, keys, time = Av1Encoder(bitrate=500_000), [], 0
    for n in range(70):
        match n:
            case 10 | 20:
                encoder.set_bitrate(540_000 if n == 10 else 900_000)
            case 30:
                encoder.set_bitrate(200_000)
            case 50 | 60:
                encoder.scale_down_by = 2.0 if n == 50 else 1.0
        time += 9000 if 40 <= n < 45 else 450_000 if n == 60 else 3000  # the last: when a size may change again
        for frame in encoder.encode(Pattern(320, 240).video_frame(n, time)):
            if frame.key:
                keys.append(n)
                assert picture_size("AV1", split("AV1", frame.data)[0]) == ((160, 120) if n == 50 else (320, 240))
    assert keys == [0, 50, 60]


def test_without_libaom(monkeypatch: pytest.MonkeyPatch) -> None:
    """AV1 is not offered as what can be sent, and who asks is told why; an encoder of a program's own is welcome."""
    monkeypatch.setattr(registry, "_libaom", bool)
    assert registry.encodes("VP8") and not registry.encodes("AV1")
    with pytest.raises(ValueError, match="codec 'AV1': opus, VP8, VP9, H264, PCMU, PCMA, G722 can be encoded"):
        make_encoder("AV1")
    take_back = registry.register("AV1", encoder=lambda fmtp: make_encoder("VP8", fmtp))
    assert registry.encodes("AV1")
    take_back()
    assert not registry.encodes("AV1")
    monkeypatch.setattr(av1, "own_version", str)
    with pytest.raises(RuntimeError, match="install libaom-dev"):
        Av1Encoder()


def test_with_libaom() -> None:
    assert registry.encodes("AV1") and isinstance(make_encoder("av1"), Av1Encoder)
    assert av1.own_version().count(".") >= 2
