"""H.264 within the level of its receiver: what is sent, and what its parameter sets say."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from rtcengine import RTCRtpCodecCapability, SyntheticCamera
from rtcengine.codecs.bounds import blocks
from rtcengine.codecs.encode import make_encoder
from rtcengine.codecs.h264 import least_level
from rtcengine.media.adapt import Adapt, Step
from rtcengine.media.limits import BALANCED
from rtcengine.media.pattern import Pattern
from rtcengine.peer.effects import CodecUse
from rtcengine.peer.streams import bounds_of
from rtcengine.sdp import h264
from tests.unit.test_call import connected, gather_tracks, negotiate, take, two
from tests.unit.test_call_rates import stat

FULL_HD = 1920, 1080


def said(data: bytes) -> tuple[int, int, int] | None:
    """profile_idc, constraint flags and level_idc of a frame's sequence parameter set (H.264 §7.3.2.1)."""
    found = re.search(rb"\x00\x00\x01[\x07\x27\x47\x67](...)", data, re.DOTALL)
    return tuple(found[1]) if found is not None else None  # type: ignore[return-value]


def use(level: str, **more: int) -> CodecUse:
    rest = "".join(f";{name.replace('_', '-')}={value}" for name, value in more.items())
    fmtp = f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e0{level}{rest}"
    return CodecUse(102, "H264", 90000, None, fmtp, (), None)


@pytest.mark.parametrize(
    ("level", "fps", "step"),
    [
        ("1f", 30, Step(1.5, None)),  # 3.1: 1280 x 720
        ("28", 30, Step(1.0, None)),  # 4.0
        ("28", 60, Step(1.0, 30.0)),
        ("2a", 60, Step(1.0, None)),  # 4.2
        ("34", 60, Step(1.0, None)),
    ],
)
def test_full_hd(level: str, fps: int, step: Step) -> None:
    """From the peer's parameters to the pictures and their level."""
    codec, adapt = use(level), Adapt()
    adapt.prefer(BALANCED, bounds_of(codec), 0.0)
    assert adapt.on_source(*FULL_HD, fps, 0.0) == step
    encoder: Any = make_encoder("H264", h264_parameters(codec))
    encoder.scale_down_by = step.scale
    pattern, rate = Pattern(*FULL_HD), min(fps, step.fps or fps)
    (frame,) = encoder.encode(pattern.video_frame(0, 0))
    width, height = encoder.coded_size
    assert (width, height) == ((1280, 720) if step.scale > 1 else FULL_HD)
    _, _, number = said(frame.data) or (0, 0, 0)
    peer, stream = int(level, 16), next(one for one in h264.LEVELS if one.number == number)
    assert number <= peer and blocks(width, height) <= stream.picture_blocks
    assert blocks(width, height) * rate <= stream.second_blocks


def h264_parameters(codec: CodecUse) -> dict[str, str]:
    return dict(part.split("=") for part in (codec.fmtp or "").split(";"))


@pytest.mark.parametrize(
    ("size", "fps", "bps", "name"),
    [
        ((176, 144), 15, 64_000, "1"),
        ((176, 144), 15, 100_000, "1b"),
        ((640, 360), 30, 1_000_000, "3"),
        ((640, 360), 22, 1_000_000, "2.2"),
        ((640, 480), 30, 10_000_000, "3"),
        ((1280, 720), 30, 10_000_000, "3.1"),
        ((1280, 720), 60, 10_000_000, "3.2"),
        ((1920, 1080), 30, 20_000_000, "4"),
        ((1920, 1080), 60, 20_000_000, "4.2"),
        ((3840, 2160), 30, 20_000_000, "5.1"),
        ((3840, 2160), 60, 20_000_000, "5.2"),
        ((3000, 16), 10, 1_000_000, "3.2"),  # longer than pictures of less may be
        ((100_000, 100_000), 1, 1, "6.2"),
    ],
)
def test_least_levels(size: tuple[int, int], fps: float, bps: int, name: str) -> None:
    assert least_level(size, fps, bps).name == name


@pytest.mark.parametrize(("level", "most"), [("0d", 768_000), ("14", 2_000_000), ("1e", 10_000_000), ("34", None)])
def test_bitrate_of_a_level(level: str, most: int | None) -> None:
    """However much a program wishes, and without another key frame."""
    encoder: Any = make_encoder("H264", h264_parameters(use(level)))
    encoder.set_bitrate(400_000)
    keys = []
    for n in range(6):
        if n == 3:
            encoder.set_bitrate(12_000_000)
        keys += [n for e in encoder.encode(Pattern(320, 240).video_frame(n, 3000 * n)) if e.key]
    assert encoder.bitrate == (most or 12_000_000)
    assert keys == ([0] if most is not None else [0, 3])
    assert make_encoder("H264", h264_parameters(use("0d", max_br=1200)))._peer.bps == 1_200_000  # type: ignore[attr-defined]


def test_a_rate_beyond_the_level_begins_anew() -> None:
    """Up to 60 a second there is room."""
    encoder, time, keys, levels = make_encoder("H264"), 0, [], []
    for n in range(40):
        for data, _, key, _ in encoder.encode(Pattern(320, 240).video_frame(n, time)):
            if key:
                keys.append(n)
                levels.append((said(data) or (0, 0, 0))[2])
        time += 3000 if n < 10 else 1500 if n < 20 else 300
    assert len(keys) == 2 and keys[1] >= 20 and levels == [30, 31]


def test_jitter_at_the_edge_of_a_level() -> None:
    """As many pictures as the peer's level has room for, some of them early: no key frame, no other level."""
    encoder, time, found = make_encoder("H264", h264_parameters(use("0d"))), 0, []
    for n in range(40):
        found += [(n, said(e.data)) for e in encoder.encode(Pattern(320, 240).video_frame(n, time)) if e.key]
        time += 1500 if n % 20 > 10 else 3000
    assert [(n, sps[2]) for n, sps in found if sps is not None] == [(0, 13)]


def test_bounds_of_other_codecs() -> None:
    def of(name: str, fmtp: str | None) -> Any:
        return bounds_of(CodecUse(96, name, 90000, None, fmtp, (), None))

    assert of("VP8", "max-fs=12288;max-fr=60").picture_blocks == 12_288 and of("VP9", "max-fr=30").fps == 30
    assert (
        of("VP8", None)
        is of("VP9", "profile-id=0;max-fs=0")
        is of("AV1", "max-fs=3")
        is of("H264", "profile-level-id=?")
        is None
    )
    more = of("H264", use("1f", max_fs=8192, max_mbps=245_760).fmtp)
    assert (more.picture_blocks, more.second_blocks) == (8192, 245_760)


@pytest.mark.slow
@pytest.mark.parametrize(("level", "width"), [("1f", 1280), ("28", 1920)])
async def test_a_call(level: str, width: int) -> None:
    """A receiver of ours says its level as a program's own parameters; the sender keeps within."""
    async with two() as (a, b):
        tracks, data = gather_tracks(a), bytearray()
        parameters = {"profile-level-id": f"42e0{level}", "packetization-mode": 1, "level-asymmetry-allowed": 1}
        transceiver = a.addTransceiver("video", "recvonly")
        transceiver.setCodecPreferences([RTCRtpCodecCapability("video/H264", 90000, None, parameters)])

        def look(frame: Any) -> bytes:
            if frame.key:
                data[:] = frame.data
            return bytes(frame.data)

        transceiver.receiver.transform = look
        b.addTrack(SyntheticCamera(*FULL_HD, 5))
        await negotiate(a, b)
        await connected(a, b)
        frames = await take(tracks[0], 3)
        assert {(f.width, f.height) for f in frames} == {(width, width * 9 // 16)}
        assert all(b.pts > a.pts for a, b in itertools.pairwise(frames))
        assert (said(bytes(data)) or (0, 0, 99))[2] <= int(level, 16)
        assert await stat(b, "outbound-rtp", "qualityLimitationReason") == ("other" if width < 1920 else "none")
