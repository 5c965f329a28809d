"""Encoders in hardware: asked for by the environment, and x264 for whatever they do not do."""

from __future__ import annotations

from typing import Any

import av
import pytest

from rtcengine.codecs import h264, h264_hardware
from rtcengine.codecs.h264 import H264Coder, H264Encoder
from rtcengine.codecs.h264_hardware import HARDWARE, VARIABLE, HardwareCoder
from rtcengine.media.pattern import Pattern


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h264_hardware, "_told", set())


def coded(encoder: H264Encoder, frames: int = 4) -> list[bool]:
    """Which of the pictures are key frames."""
    return [e.key for n in range(frames) for e in encoder.encode(Pattern(320, 240).video_frame(n, 3000 * n))]


def missing() -> list[str]:
    """Known here, but not in this FFmpeg or without a device."""
    found = []
    for name in HARDWARE:
        try:
            HardwareCoder(name, (320, 240), 500_000, 30)
        except (av.FFmpegError, ValueError):
            found.append(name)
    return found


@pytest.mark.parametrize("name", HARDWARE)
def test_what_does_not_open(name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where such a device is it has to work."""
    monkeypatch.setenv(VARIABLE, name)
    gone = name in missing()
    for _ in range(3):
        encoder = H264Encoder()
        keys = coded(encoder)
        assert keys[0] and not any(keys[1:]) and (len(keys) == 4 or not gone)
        assert isinstance(encoder._coder, H264Coder if gone else HardwareCoder)
    told = [r.getMessage() for r in caplog.records if r.name == "rtcengine.codecs"]
    assert len(told) == gone and all(f"{name} does not encode here, libx264 does: " in text for text in told)


def test_those_of_the_list_one_after_the_other(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Software stands for the hardware that is not there."""
    monkeypatch.setitem(HARDWARE, "libx264", {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"})
    monkeypatch.setitem(HARDWARE, "h264_none", {})
    monkeypatch.setenv(VARIABLE, " h264_none, libx264,,h265_other")
    encoder = H264Encoder()
    assert coded(encoder) == [True, False, False, False]
    assert isinstance(encoder._coder, HardwareCoder) and encoder._coder.name == "libx264"
    told = sorted(r.getMessage() for r in caplog.records)
    assert (
        len(told) == 2
        and "h264_none does not encode here, libx264 does: " in told[1]
        and "h265_other, but h264_nvenc" in told[0]
    )
    encoder.set_bitrate(encoder.bitrate * 2)
    assert encoder.encode(Pattern(320, 240).video_frame(9, 27_000))[0].key


def test_one_that_fails_later(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(HARDWARE, "libx264", {"preset": "ultrafast", "tune": "zerolatency"})
    monkeypatch.setenv(VARIABLE, "libx264")
    encoder = H264Encoder()
    assert coded(encoder, 2) == [True, False]

    def broken(*arguments: Any) -> Any:
        raise av.FFmpegError(5, "the device is gone")

    monkeypatch.setattr(HardwareCoder, "encode", broken)
    assert coded(encoder, 2) == [True, False]
    assert isinstance(encoder._coder, H264Coder) and "the device is gone" in caplog.text
    monkeypatch.setattr(H264Coder, "encode", broken)
    with pytest.raises(av.FFmpegError):
        coded(encoder, 1)


def test_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(h264, "HardwareCoder", None)  # is not even looked at
    assert coded(H264Encoder(), 1) == [True]
