"""rtcengine.payload on packets that others made: a capture gives exactly its frames, which decode, and split and join again."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from rtcengine import EncodedFrame
from rtcengine.codecs.decode import make_decoder
from rtcengine.payload import PayloadInfo, Vp8Descriptor, join, look, picture_size, split
from tests.unit.payload_kit import FOLDER, READERS, digest, read

FILES = sorted(FOLDER.glob("*.txt"))
CLOCKS = {"opus": 48000, "PCMU": 8000, "PCMA": 8000, "G722": 8000}
SOUND = set(CLOCKS)
SAMPLES = {"opus": 960, "PCMU": 160, "PCMA": 160, "G722": 320}  # of 20 ms


def test_there_are_captures_of_all() -> None:
    there = {tuple(path.stem.split("_")[:2]) for path in FILES}
    chromium = {("chromium", codec) for codec in ("vp8", "vp9", "h264", "av1", "opus")}
    firefox = {("firefox", codec) for codec in ("vp8", "vp9", "opus")}
    assert there == chromium | firefox | {("gst", codec) for codec in ("h264", "h265", "pcmu", "pcma", "g722")}
    assert all(path.stat().st_size <= 40_000 for path in FILES)
    layers = [frame.layer for frame in read(FOLDER / "chromium_vp8_layers.txt").frames]
    assert layers == ["0", "2", "1", "2"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_capture(path: Path) -> None:
    vector = read(path)
    codec, decoder, keys, loudest = vector.codec, make_decoder(vector.codec, 2), 0, 0
    for one, after in itertools.pairwise(vector.packets):
        assert after.number == one.number + 1 & 0xFFFF
    for place, (frame, packets) in enumerate(vector.by_frame()):
        payloads = [packet.payload for packet in packets]
        assert {packet.time for packet in packets} == {frame.time}
        assert codec in SOUND or [packet.marker for packet in packets] == [False] * (len(packets) - 1) + [True]
        whole = join(codec, payloads)
        assert (len(whole), digest(whole)) == (frame.bytes, frame.sha256) and whole == READERS[codec](payloads)
        assert look(codec, payloads[0]) == PayloadInfo(True, frame.key)
        assert any(look(codec, payload).key for payload in payloads) == frame.key
        sizes = {picture_size(codec, payload) for payload in payloads} - {None}
        assert {"x".join(map(str, size)) for size in sizes if size} == {frame.size} - {"-"}
        assert (frame.size == "320x240") == (frame.key and codec not in SOUND and codec != "H265")
        if codec == "VP8":
            descriptors = [Vp8Descriptor.parse(payload) for payload in payloads]
            assert {d.temporal_id for d in descriptors} == {None if frame.layer == "-" else int(frame.layer)}
            assert [d.start and not d.partition for d in descriptors] == [True] + [False] * (len(packets) - 1)
        came = EncodedFrame(
            data=memoryview(whole),
            timestamp=frame.time,
            clock_rate=CLOCKS.get(codec, 90_000),
            codec=codec,
            key=frame.key,
            lost=0,
            arrived=0.0,
        )
        (decoded,) = decoder.decode(came)
        if codec in SOUND:
            assert decoded.samples == SAMPLES[codec]
            loudest = max(loudest, int(abs(decoded.to_ndarray().astype(int)).max()))
        else:
            assert (decoded.width, decoded.height) == (320, 240) and decoded.to_ndarray(format="gray").std() > 10
        if codec != "H265":  # which is not split
            for most in (64, 300, 1200) if codec not in SOUND else (1200,):
                assert join(codec, split(codec, whole, most, picture_id=place)) == trimmed(codec, whole)
        keys += frame.key
    assert keys == (len(vector.frames) if codec in SOUND else 1) and vector.frames[0].key and len(vector.frames) >= 3
    assert codec not in SOUND or loudest > 1000


def trimmed(codec: str, whole: bytes) -> bytes:
    """Zeros at the end of a unit of H.264 belong to no unit (H.264 §B.1); Chromium has one after its SPS."""
    return re.sub(rb"\x00+(?=\x00{3}\x01)", b"", whole) if codec == "H264" else whole
