"""Recording as received: what is in the file is what came, byte for byte, with its times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rtcengine.codecs.encode import make_encoder
from rtcengine.frames import EncodedFrame
from rtcengine.media.mux import DoesNotFitError, Muxer
from rtcengine.media.pattern import Pattern, read_number
from rtcengine.media.record import Recorder, RecordError
from rtcengine.media.synthetic import SyntheticMicrophone
from tests.util import until


def pictures(codec: str, count: int = 30, size: tuple[int, int] = (320, 240)) -> list[EncodedFrame]:
    encoder, pattern, found = make_encoder(codec, {}), Pattern(*size), []
    for number in range(count):
        for e in encoder.encode(pattern.video_frame(number, 3000 * number), number == 0, at=3000 * number):
            found.append(frame(codec, e.data, e.timestamp, e.key, 90000, 100 + e.timestamp / 90000))
    return found


async def sounds(codec: str, count: int = 50) -> list[EncodedFrame]:
    encoder, microphone = make_encoder(codec, {}), SyntheticMicrophone()
    rate, found = 48000 if codec == "opus" else 8000, []
    while len(found) < count:
        for e in encoder.encode(await microphone.recv(), False, at=rate // 50 * len(found)):
            found.append(frame(codec, e.data, e.timestamp, True, rate, 100.01 + e.timestamp / rate))
    microphone.stop()
    return found[:count]


def frame(codec: str, data: bytes, timestamp: int, key: bool, rate: int, arrived: float) -> EncodedFrame:
    whole = memoryview(bytes(data))
    return EncodedFrame(data=whole, timestamp=timestamp, clock_rate=rate, codec=codec.upper(), key=key, lost=0, arrived=arrived)


class Given:
    """A track that gives frames, and what `then` does after them."""

    def __init__(self, kind: str, frames: list[EncodedFrame], then: Callable[[], Any] | None = None) -> None:
        self.kind, self.frames, self.then, self.closed = kind, frames, then, False

    async def encoded(self) -> AsyncGenerator[EncodedFrame, None]:
        try:
            for one in self.frames:
                yield one
                await asyncio.sleep(0)
            if self.then is not None:
                await self.then()
        finally:
            self.closed = True


def packets(path: Path) -> dict[str, list[Any]]:
    with av.open(str(path)) as file:
        found: dict[str, list[Any]] = {"audio": [], "video": []}
        for packet in file.demux():
            if packet.size:
                found[packet.stream.type].append((bytes(packet), Fraction(packet.pts) * packet.time_base, packet.is_keyframe))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "video", "audio"),
    [
        ("a.webm", "vp8", "opus"),
        ("a.webm", "vp9", "opus"),
        ("a.mkv", "h264", "opus"),
        ("a.mov", "h264", "pcmu"),
        ("a.mp4", "h264", "opus"),
        ("a.mp4", "vp9", "opus"),
    ],
)
async def test_what_is_recorded_is_what_came(tmp_path: Path, name: str, video: str, audio: str) -> None:
    shown, heard = pictures(video), await sounds(audio)
    path = tmp_path / name
    async with Recorder(str(path), Given("video", shown), Given("audio", heard)) as recorder:
        await recorder.ended()
    assert recorder.frames == len(shown) + len(heard)
    found = packets(path)
    assert b"".join(p[0] for p in found["audio"]) == b"".join(bytes(f.data) for f in heard)
    if video != "h264":  # whose start codes become lengths
        assert [p[0] for p in found["video"]] == [bytes(f.data) for f in shown]
    assert [p[2] for p in found["video"]] == [f.key for f in shown]
    # Times to a millisecond, as Matroska has them; sound came 10 ms later, and durations are exact to a frame.
    for kind, frames, late in (("video", shown, 0), ("audio", heard, Fraction(1, 100))):
        if kind == "audio" and audio == "pcmu":
            continue  # which is read in pieces of another size
        for packet, came in zip(found[kind], frames, strict=True):
            assert abs(packet[1] - Fraction(came.timestamp, came.clock_rate) - late) <= Fraction(1, 1000)
    with av.open(str(path)) as file:
        # Matroska adds what Opus has before its first sample, 6.5 ms.
        assert file.duration is not None and abs(file.duration / 1e6 - 1.01) < 0.008
        numbers = [read_number(p.to_ndarray(format="gray")) for p in file.decode(video=0)]
    assert numbers == list(range(30))


async def test_sound_alone(tmp_path: Path) -> None:
    heard = await sounds("opus")
    path = tmp_path / "a.ogg"
    async with Recorder(str(path), Given("audio", heard)) as recorder:
        await recorder.ended()
    assert [p[0] for p in packets(path)["audio"]] == [bytes(f.data) for f in heard]
    with av.open(str(path)) as file:
        sound = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    assert abs(sound.size - 48000) <= 960 and np.abs(sound).max() > 0.05


async def test_a_codec_that_does_not_fit_is_said(tmp_path: Path) -> None:
    given = Given("video", pictures("h264", 3))
    recorder = Recorder(str(tmp_path / "a.webm"), given)
    await recorder.start()
    await recorder.ended()
    with pytest.raises(RecordError, match="H264 does not go into webm, but av1, opus, vp8, vp9"):
        await recorder.stop()
    assert given.closed
    with pytest.raises(DoesNotFitError, match="mp3 is none of"):
        Muxer(str(tmp_path / "a.mp3")).check("opus")


async def test_who_comes_too_late_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    come = asyncio.Event()
    monkeypatch.setattr("rtcengine.media.record.FIRST_S", 0.05)

    class Late(Given):
        async def encoded(self) -> AsyncGenerator[EncodedFrame, None]:
            await come.wait()
            async for one in super().encoded():
                yield one

    heard = await sounds("opus")
    path = tmp_path / "a.webm"
    recorder = Recorder(str(path), Given("audio", heard), Late("video", pictures("vp8", 3)))
    await recorder.start()
    await until(lambda: recorder.frames == len(heard), what="the sound is written")
    come.set()
    await recorder.ended()
    await recorder.stop()
    assert "too late" in caplog.text
    found = packets(path)
    assert len(found["audio"]) == len(heard) and not found["video"]


@pytest.mark.slow
async def test_what_waits_for_a_key_frame_is_not_lost(tmp_path: Path) -> None:
    """Sound begins long before the first picture; and a file that is stopped while it waits has what came."""
    shown, heard = pictures("vp8", 5), await sounds("opus", 100)
    written = asyncio.Event()

    class Late(Given):
        async def encoded(self) -> AsyncGenerator[EncodedFrame, None]:
            await written.wait()
            async for one in super().encoded():
                yield one

    async def then() -> None:
        written.set()

    path = tmp_path / "a.webm"
    async with Recorder(str(path), Given("audio", heard, then), Late("video", shown)) as recorder:
        await recorder.ended()
    found = packets(path)
    assert (len(found["audio"]), len(found["video"])) == (100, 5)
    written.clear()
    gave = asyncio.Event()

    async def waits() -> None:
        gave.set()
        await asyncio.get_running_loop().create_future()

    async with Recorder(str(path), Given("audio", heard, waits), Late("video", shown)):
        await gave.wait()
    assert len(packets(path)["audio"]) == 100


@pytest.mark.slow
async def test_a_header_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcengine.media.record.MOST_HELD", 2000)
    heard = await sounds("opus", 100)

    class Never(Given):
        async def encoded(self) -> AsyncGenerator[EncodedFrame, None]:
            await asyncio.get_running_loop().create_future()
            yield self.frames[0]

    recorder = Recorder(str(tmp_path / "a.webm"), Given("audio", heard), Never("video", []))
    await recorder.start()
    await until(lambda: recorder.frames == len(heard), what="the sound is written")
    await recorder.stop()


@pytest.mark.slow
async def test_a_full_disk_is_one_error() -> None:
    heard = await sounds("opus", 200)
    recorder = Recorder("/dev/full", Given("audio", heard), format="webm")
    await recorder.start()
    await recorder.ended()
    with pytest.raises(RecordError, match="No space left"):
        await recorder.stop()


async def test_a_recording_begins_once(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path / "a.webm"), Given("audio", await sounds("opus", 3)))
    await recorder.start()
    with pytest.raises(RuntimeError, match="has begun"):
        await recorder.start()
    with pytest.raises(RuntimeError, match="has begun"):
        recorder.add(Given("audio", []))
    await recorder.stop()
    await recorder.stop()
    with pytest.raises(RuntimeError, match="has begun"):
        await recorder.start()
