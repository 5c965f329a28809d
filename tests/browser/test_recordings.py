"""What is recorded as it came plays in ffprobe and Chromium: from the first picture to the last, as long as it was."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rtcengine import (
    EncodedFrame,
    NetworkOptions,
    RTCPeerConnection,
    RTCRtpSender,
    SyntheticCamera,
    SyntheticMicrophone,
)
from rtcengine.codecs.decode import make_decoder
from rtcengine.media.pattern import read_number
from rtcengine.media.record import Recorder
from tests.browser import media
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.relay import Pages
from tests.browser.serve import file_server
from tests.figures import note
from tests.interop.ffprobe import Probed, ffprobe
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERE = NetworkOptions(addresses=("127.0.0.1",))
SIZE = (640, 360)
PICTURES = 50
SOUNDS = 80
FRAME_S = {"video": 1 / 30, "audio": 1 / 50}
MILLISECOND = 0.0011  # that of Matroska, rounded
PRE_SKIP = 0.0085  # what Opus has before its first sample, and a millisecond on either side
_LIBRARY = Path(__file__).with_name("pictures.js").read_text(encoding="utf-8")
PLAY = """
const element = document.createElement(arg.kind);
document.body.append(element);
window.played = { ended: false, error: null, element };
element.muted = true;
element.onended = () => (played.ended = true);
element.onerror = () => (played.error = element.error.message);
element.src = arg.name;
if (arg.kind === "video" && arg.numbered) pictures.begin(element, false);
await element.play();
"""
STATE = """
const { element, ended, error } = played;
return { ended, error, duration: element.duration, at: element.currentTime, size: [element.videoWidth, element.videoHeight] };
"""


class Kept:
    """A track, and what a recorder took of it."""

    def __init__(self, track: Any) -> None:
        self.kind: str = track.kind
        self.track = track
        self.frames: list[EncodedFrame] = []

    async def encoded(self) -> AsyncGenerator[EncodedFrame, None]:
        async with aclosing(self.track.encoded()) as frames:
            async for frame in frames:
                self.frames.append(frame)
                yield frame

    def times(self) -> list[float]:
        """From the first one on."""
        return [(frame.timestamp - self.frames[0].timestamp) / frame.clock_rate for frame in self.frames]


@dataclass(frozen=True)
class Recording:
    path: Path
    kept: dict[str, Kept]

    def begins(self) -> dict[str, float]:
        """Each of them in the file: as they came."""
        first = min(one.frames[0].arrived for one in self.kept.values())
        return {kind: one.frames[0].arrived - first for kind, one in self.kept.items()}

    def ends(self) -> dict[str, float]:
        """Each of them in the file: the last frame lasts as long as the one before."""
        found = {}
        for kind, begin in self.begins().items():
            times = self.kept[kind].times()
            found[kind] = begin + times[-1] + (times[-1] - times[-2])
        return found

    def pictures(self) -> list[tuple[float, int]]:
        """Time in the file and number of each."""
        kept, begin = self.kept["video"], self.begins()["video"]
        decoder, found = make_decoder(kept.frames[0].codec), []
        for time, frame in zip(kept.times(), kept.frames, strict=True):
            (picture,) = decoder.decode(frame)
            found.append((begin + time, read_number(picture.to_ndarray(format="gray"))))
        return found


@asynccontextmanager
async def two(video: str, audio: str) -> AsyncIterator[list[Any]]:
    """What arrives of a camera and a microphone of ours, in these codecs, or without."""
    ours, theirs, tracks = RTCPeerConnection(network=HERE), RTCPeerConnection(network=HERE), list[Any]()
    theirs.on("track", tracks.append)
    for codec, track in ((video, SyntheticCamera(*SIZE, 30)), (audio, SyntheticMicrophone())):
        if codec:
            transceiver = ours.addTransceiver(track, "sendonly")
            known = RTCRtpSender.getCapabilities(track.kind).codecs
            transceiver.setCodecPreferences([c for c in known if c.name.lower() in (codec.lower(), "rtx")])
    try:
        await ours.setLocalDescription()
        await theirs.setRemoteDescription(ours.localDescription)
        await theirs.setLocalDescription()
        await ours.setRemoteDescription(theirs.localDescription)
        yield tracks
    finally:
        await asyncio.gather(ours.close(), theirs.close())


async def record(path: Path, tracks: list[Any]) -> Recording:
    """A second and a half or more of each."""
    kept = {track.kind: Kept(track) for track in tracks}
    async with Recorder(str(path), *kept.values()) as recorder:

        def enough() -> bool:
            least = {"video": PICTURES, "audio": SOUNDS}
            return all(len(one.frames) >= least[kind] for kind, one in kept.items())

        await until(enough, timeout=30, what="enough to record")
    left = sum(len(one.frames) for one in kept.values()) - recorder.frames
    assert 0 <= left <= len(kept)  # that were on their way when it was stopped
    for one in kept.values():
        assert all(frame.lost == 0 for frame in one.frames)
    return Recording(path, kept)


async def record_ours(folder: Path, name: str, video: str, audio: str) -> Recording:
    async with two(video, audio) as tracks:
        return await record(folder / name, tracks)


async def probe(recording: Recording) -> Probed:
    """ffprobe finds all frames, each at its time, and the length that they had."""
    found = await ffprobe(recording.path)
    assert set(found.streams) == set(recording.kept)
    begins, exact = recording.begins(), PRE_SKIP
    for kind, kept in recording.kept.items():
        stream, count = found.streams[kind], len(kept.frames)
        assert stream.codec == kept.frames[0].codec.lower().replace("pcmu", "pcm_mulaw")
        if stream.codec == "pcm_mulaw":  # which is read in pieces of another size
            exact += FRAME_S[kind]  # the last one may have been on its way
            continue
        assert len(stream.times) == stream.frames and count - 1 <= stream.frames <= count
        del kept.frames[stream.frames :]
        for found_at, time in zip(stream.times, kept.times(), strict=True):
            assert abs(found_at - stream.times[0] - time) <= MILLISECOND
        assert abs(stream.times[0] - begins[kind]) < PRE_SKIP
        assert stream.keys == sum(frame.key for frame in kept.frames)
    assert abs(found.duration - max(recording.ends().values())) < exact
    return found


async def play(page: Page, recording: Recording, length: float, *, numbered: bool = True) -> None:
    """Chromium plays it to its end, which is where ffprobe has it, and finds each picture at its time."""
    kind = "video" if "video" in recording.kept else "audio"
    await page.evaluate(f"{_LIBRARY}\nwindow.pictures = pictures;")
    await page.evaluate(PLAY, {"kind": kind, "name": recording.path.name, "numbered": numbered})

    async def ended() -> dict[str, Any] | None:
        state: dict[str, Any] = await page.evaluate(STATE)
        assert state["error"] is None, state
        return state if state["ended"] else None

    state = await until(ended, timeout=20, what=f"the end of {recording.path.name}")
    note("recording in Chromium", file=recording.path.name, off=round(state["duration"] - length, 4))
    assert abs(state["duration"] - length) < FRAME_S[kind] and state["at"] == pytest.approx(state["duration"], abs=0.001)
    if kind == "audio" or not numbered:
        return
    pictures = recording.pictures()
    numbers, shown = [number for _, number in pictures], await seen(page)
    assert state["size"] == [*SIZE] and not shown["torn"]
    assert shown["numbers"] == [n for n in numbers if n in set(shown["numbers"])] and len(shown["numbers"]) > 3
    assert shown["numbers"][-1] in numbers[-2:]
    times = [time for time, _ in pictures]
    for part in (0.7, 0.2, 0.5):
        wanted = part * times[-1] + (1 - part) * times[0]
        place = bisect.bisect_right(times, wanted) - 1
        at = (times[place] + times[place + 1]) / 2  # when it has been there for half of its time
        before = len((await seen(page))["numbers"])
        await page.evaluate("played.element.currentTime = arg", at)

        async def sought(before: int = before) -> int | None:
            found = (await seen(page))["numbers"]
            return int(found[-1]) if len(found) > before else None

        assert await until(sought, what=f"the picture at {at:.3f} s") == numbers[place]


async def seen(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate("pictures.seen()")
    assert found["error"] is None, found
    return found


async def play_all(chrome: ChromiumPage, pages: Pages, recordings: list[Recording], **options: Any) -> None:
    probed = await asyncio.gather(*map(probe, recordings))
    async with file_server(recordings[0].path.parent) as url:
        opened = [await pages.open(chrome, url) for _ in recordings]
        playing = (play(p, r, found.duration, **options) for p, r, found in zip(opened, recordings, probed, strict=True))
        await asyncio.gather(*playing)


SETS = {
    "usual": [("vp8.webm", "VP8", "opus"), ("h264.mp4", "H264", "opus"), ("opus.ogg", "", "opus")],
    "rest": [("vp9.webm", "VP9", "opus"), ("av1.webm", "AV1", "opus"), ("opus.webm", "", "opus"), ("vp8.mkv", "VP8", "")],
    "others": [("vp9.mp4", "VP9", "opus"), ("av1.mp4", "AV1", "opus"), ("opus.mp4", "", "opus"), ("h264.mkv", "H264", "opus")],
}


@pytest.mark.parametrize("name", ["usual", *(pytest.param(name, marks=pytest.mark.long) for name in ("rest", "others"))])
async def test_recordings_play(name: str, chrome: ChromiumPage, pages: Pages, tmp_path: Path) -> None:
    recordings = await asyncio.gather(*(record_ours(tmp_path, *one) for one in SETS[name]))
    await play_all(chrome, pages, recordings)


@pytest.mark.long
async def test_of_telephones(tmp_path: Path) -> None:
    """Which browsers do not play."""
    for recording in await asyncio.gather(
        record_ours(tmp_path, "pcmu.wav", "", "PCMU"), record_ours(tmp_path, "pcmu.mov", "H264", "PCMU")
    ):
        await probe(recording)


@pytest.mark.long
@pytest.mark.parametrize("name", ["vp8.webm", "h264.mp4", "vp9.mp4", "av1.webm"])
async def test_what_chromium_sends_plays_there(name: str, chrome: ChromiumPage, pages: Pages, tmp_path: Path) -> None:
    """Its pictures grow under way."""
    codec = name.split(".")[0].upper()
    page, ours = await pages.open(chrome), RTCPeerConnection(network=HERE)
    async with call(page, ours) as made:
        await made("add", {"video": media.CAMERA, "audio": True})
        await page.evaluate(f"call.prefer('video', {codec!r})")
        await made.negotiate(False)
        await made.connected()
        recording = await record(tmp_path / name, [made.track("audio"), made.track("video")])
    await play_all(chrome, pages, [recording], numbered=False)
