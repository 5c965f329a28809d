"""rtcengine.contrib.media with files that the tests make: what is played is what was recorded, and nothing is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import inspect
import io
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiortc.contrib.media
import av
import numpy as np
import pytest

from rtcengine.contrib import media
from rtcengine.contrib.media import MediaBlackhole, MediaPlayer, MediaRecorder, MediaRelay
from rtcengine.media import inbox
from rtcengine.media.pattern import Pattern, read_number
from rtcengine.media.player import PATIENCE_S
from rtcengine.media.synthetic import SyntheticCamera, SyntheticMicrophone
from rtcengine.media.track import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from tests.unit.media_kit import Listed, gray, loudest, take
from tests.util import until


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    left = [t for t in threading.enumerate() if t.name.startswith(("rtc-player", "rtc-recorder"))]
    for thread in left:
        thread.join(10)
    assert not any(thread.is_alive() for thread in left)


def make(path: Path, *, pictures: int = 15, seconds: float = 0.5, video: str = "libx264", audio: str = "aac") -> str:
    """A file with numbered pictures and a tone of 440 Hz."""
    with av.open(str(path), "w") as file:
        shown = heard = None
        if pictures:
            options = {"deadline": "realtime", "cpu-used": "8"} if video == "libvpx" else {"bf": "0"}
            shown = file.add_stream(video, rate=30, width=320, height=240, pix_fmt="yuv420p", options=options)
        if seconds:
            heard = file.add_stream(audio, rate=48000 if audio != "pcm_s16le" else 8000)
        if shown is not None:
            for n in range(pictures):
                file.mux(shown.encode(Pattern(320, 240).video_frame(n, 3000 * n)))
            file.mux(shown.encode(None))
        if heard is not None:
            rate = heard.rate
            wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.int16)
            for start in range(0, len(wave), rate // 50):
                frame = av.AudioFrame.from_ndarray(wave[None, start : start + rate // 50], format="s16", layout="mono")
                frame.sample_rate, frame.pts = rate, start
                file.mux(heard.encode(frame))
            file.mux(heard.encode(None))
    return str(path)


def read(path: str) -> bytes:
    return Path(path).read_bytes()


async def to_the_end(track: Any) -> list[Any]:
    found = []
    async with asyncio.timeout(30):
        try:
            while True:
                found.append(await track.recv())
        except MediaStreamError:
            return found


def test_the_names_and_parameters_are_aiortcs() -> None:
    for name in media.__all__:
        ours, theirs = getattr(media, name), getattr(aiortc.contrib.media, name)
        methods = {n for n, _ in inspect.getmembers(theirs, inspect.isfunction) if not n.startswith("_")}
        assert methods <= {n for n, _ in inspect.getmembers(ours, inspect.isfunction)}
        for method in methods & set(vars(theirs)) | {"__init__"}:
            assert list(inspect.signature(getattr(ours, method)).parameters) == list(
                inspect.signature(getattr(theirs, method)).parameters
            )


async def test_a_file_is_played(tmp_path: Path) -> None:
    player = MediaPlayer(make(tmp_path / "a.mp4"))
    assert player.audio is not None and player.video is not None
    assert (player.audio.kind, player.video.kind) == ("audio", "video")
    pictures, sounds = await asyncio.gather(to_the_end(player.video), to_the_end(player.audio))
    assert [read_number(gray(frame)) for frame in pictures] == list(range(15))
    assert [frame.time for frame in pictures] == pytest.approx([n / 30 for n in range(15)])
    assert [frame.pts for frame in sounds] == [960 * n for n in range(len(sounds))]
    assert all((f.samples, f.sample_rate, f.layout.name, f.format.name) == (960, 48000, "stereo", "s16") for f in sounds)
    sound = np.concatenate([f.to_ndarray().reshape(-1, 2)[:, 0] for f in sounds]).astype(float)
    assert len(sound) > 20_000 and loudest(sound[4800:], 48000) == pytest.approx(440, abs=3)
    assert player.video.readyState == player.audio.readyState == "ended"
    with pytest.raises(MediaStreamError):
        await player.video.recv()


async def test_it_takes_as_long_as_it_is(tmp_path: Path) -> None:
    player = MediaPlayer(make(tmp_path / "a.wav", pictures=0, seconds=0.8, audio="pcm_s16le"))
    assert player.video is None
    start = asyncio.get_running_loop().time()
    sounds = await to_the_end(player.audio)
    # No more is claimed of time than that the file does not end early.
    assert len(sounds) >= 38 and asyncio.get_running_loop().time() - start > 0.6


async def test_from_memory(tmp_path: Path) -> None:
    player = MediaPlayer(io.BytesIO(read(make(tmp_path / "a.mkv", seconds=0))), format="matroska")
    assert player.audio is None and len(await to_the_end(player.video)) == 15


@contextlib.contextmanager
def site(data: bytes, whole: bool = True) -> Iterator[str]:
    """An address that gives these bytes, or nothing after half of them."""
    enough = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data if whole else data[: len(data) // 2])
            self.wfile.flush()
            if not whole:
                enough.wait(30)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/a.mkv"
        finally:
            enough.set()
            server.shutdown()
            serving.join()


async def test_an_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = read(make(tmp_path / "a.mkv", pictures=30, seconds=1.0))
    with site(data) as url:
        player = MediaPlayer(url)
        pictures, sounds = await asyncio.gather(to_the_end(player.video), to_the_end(player.audio))
        assert [read_number(gray(frame)) for frame in pictures] == list(range(30)) and len(sounds) >= 48
    assert not caplog.records
    with site(data, whole=False) as url:
        player = MediaPlayer(url, timeout=(10, 0.5))
        pictures, _ = await asyncio.gather(to_the_end(player.video), to_the_end(player.audio))
        assert [read_number(gray(frame)) for frame in pictures] == list(range(len(pictures))) and 0 < len(pictures) < 30
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"{url} cannot be read any further: ")


@pytest.mark.parametrize("decode", [True, False])
async def test_over_and_over(decode: bool, tmp_path: Path) -> None:
    player = MediaPlayer(make(tmp_path / "a.mp4", pictures=6, seconds=0), loop=True, decode=decode)
    assert player.video is not None
    found = await take(player.video, 15)
    times = [float(item.pts * item.time_base) for item in found]
    assert times == pytest.approx([n / 30 for n in range(15)], abs=0.002)
    if decode:
        assert [read_number(gray(frame)) for frame in found] == [n % 6 for n in range(15)]
    player.video.stop()
    with pytest.raises(ValueError, match="sought"):
        MediaPlayer("testsrc", format="lavfi", loop=True)


@pytest.mark.parametrize(("name", "video", "audio"), [("a.mkv", "libvpx", "libopus"), ("a.mp4", "libx264", "aac")])
async def test_packets(name: str, video: str, audio: str, tmp_path: Path) -> None:
    player = MediaPlayer(make(tmp_path / name, video=video, audio=audio), decode=False)
    assert (player.audio is None) == (audio == "aac")  # which cannot be sent
    tracks = [track for track in (player.video, player.audio) if track is not None]
    pictures, *sounds = await asyncio.gather(*(to_the_end(track) for track in tracks))
    assert all(isinstance(packet, av.Packet) for packet in [*pictures, *itertools.chain(*sounds)])
    assert pictures[0].is_keyframe and len(pictures) == 15 and all(len(found) > 20 for found in sounds)


async def test_stop_closes_everything(tmp_path: Path) -> None:
    player = MediaPlayer(make(tmp_path / "a.mp4"), loop=True)
    assert player.audio is not None and player.video is not None
    player.video.stop()  # the other may still be read
    await take(player.audio, 3)
    waiting = asyncio.create_task(take(player.audio, 10_000))
    await asyncio.sleep(0)
    player.audio.stop()
    with pytest.raises(MediaStreamError):
        await waiting
    unread = MediaPlayer(make(tmp_path / "b.mp4"))
    assert unread.audio is not None and unread.video is not None
    unread.audio.stop()
    unread.video.stop()
    await until(lambda: player._container.name and not alive("rtc-player"), what="the thread's end")


def alive(name: str) -> bool:
    return any(t.name.startswith(name) for t in threading.enumerate())


async def test_slow_and_absent_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file waits for who reads; who does not read keeps nobody waiting."""
    monkeypatch.setattr(inbox, "VIDEO_WAITS", 4)
    monkeypatch.setattr(inbox, "AUDIO_WAITS", 4)
    monkeypatch.setattr("rtcengine.media.player.PATIENCE_S", 30.0)  # a machine may be away for longer than ours
    player = MediaPlayer(make(tmp_path / "a.mp4"))
    found = []
    assert player.video is not None and player.audio is not None
    async with asyncio.timeout(30):
        while len(found) < 15:
            found.append(read_number(gray(await player.video.recv())))
            await asyncio.sleep(0.06)
    assert found == list(range(15))
    assert player.audio._inbox.dropped > 0  # type: ignore[attr-defined]
    assert not player.audio._inbox.read_within(PATIENCE_S)  # type: ignore[attr-defined]
    relay, camera = MediaRelay(), SyntheticCamera(320, 240, 60)
    sleeper, reader = relay.subscribe(camera), relay.subscribe(camera)
    await asyncio.gather(sleeper.recv(), reader.recv())
    await take(reader, 10)
    waiting: Any = sleeper
    assert waiting._inbox.dropped >= 6 and waiting._inbox.full
    for track in (sleeper, reader):
        track.stop()


async def test_a_file_waits_for_who_is_about_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread may be faster than the reader, who has begun it and has not taken a frame yet."""
    monkeypatch.setattr(inbox, "VIDEO_WAITS", 4)
    monkeypatch.setattr("rtcengine.media.player.PATIENCE_S", 30.0)
    player = MediaPlayer(make(tmp_path / "a.mp4", seconds=0))
    track: Any = player.video
    player._start(track)
    await until(lambda: track._inbox.full, what="more than the track holds")
    await asyncio.sleep(0.1)  # in which the thread would go on
    assert [read_number(gray(frame)) for frame in await to_the_end(track)] == list(range(15))


async def test_a_file_that_is_cut(tmp_path: Path) -> None:
    cut = io.BytesIO(read(make(tmp_path / "a.mkv", seconds=0))[:-2000])
    assert 0 < len(await to_the_end(MediaPlayer(cut).video)) < 15
    with pytest.raises(av.FFmpegError):
        MediaPlayer(str(tmp_path / "none.mp4"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "video", "audio"), [("a.mp4", "h264", "aac"), ("a.webm", "vp8", "opus"), ("a.mkv", "h264", "aac")]
)
async def test_what_is_recorded_can_be_played(name: str, video: str, audio: str, tmp_path: Path) -> None:
    recorder = MediaRecorder(str(tmp_path / name))
    pictures = [Pattern(320, 240).video_frame(n + 3, 3000 * n) for n in range(20)]
    sounds = await take(SyntheticMicrophone(), 30)
    before = [(f.pts, f.time_base, f.pict_type) for f in pictures], [(f.pts, f.time_base) for f in sounds]
    tracks = Listed("video", pictures, ends=True), Listed("audio", sounds, ends=True)
    for track in tracks:
        recorder.addTrack(track)
    await recorder.start()
    await until(lambda: all(track.readyState == "ended" for track in tracks), timeout=20, what="the end of both")
    await asyncio.gather(recorder.stop(), recorder.stop())  # each track's "ended" may call it
    await recorder.stop()
    assert before == ([(f.pts, f.time_base, f.pict_type) for f in pictures], [(f.pts, f.time_base) for f in sounds])
    with av.open(str(tmp_path / name)) as file:
        names = [stream.codec_context.name for stream in file.streams]
        assert [n.removeprefix("lib") for n in names] == [video, audio]
        shown = [read_number(gray(frame)) for frame in file.decode(video=0)]
    assert shown == list(range(3, 23))
    with av.open(str(tmp_path / name)) as file:
        heard = sum(frame.samples for frame in file.decode(audio=0))
    assert 28_000 <= heard <= 32_000


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.ogg", "libopus"), ("a.mp3", "mp3")])
async def test_sound_alone(name: str, codec: str, tmp_path: Path) -> None:
    recorder, track = MediaRecorder(str(tmp_path / name)), Listed("audio", await take(AudioStreamTrack(), 20), ends=True)
    recorder.addTrack(track)
    await recorder.start()
    await until(lambda: track.readyState == "ended", what="the end")
    await recorder.stop()
    with av.open(str(tmp_path / name)) as file:
        assert sum(f.samples / f.sample_rate for f in file.decode(audio=0)) == pytest.approx(0.4, abs=0.1)


async def test_pictures_as_files(tmp_path: Path) -> None:
    recorder = MediaRecorder(str(tmp_path / "%3d.png"))
    track = Listed("video", [Pattern(320, 240).video_frame(n, 3000 * n) for n in range(3)], ends=True)
    recorder.addTrack(track)
    await recorder.start()
    await until(lambda: track.readyState == "ended", what="the end")
    await recorder.stop()
    assert sorted(os.listdir(tmp_path)) == ["001.png", "002.png", "003.png"]


async def test_a_track_without_a_frame_leaves_the_others(tmp_path: Path) -> None:
    recorder = MediaRecorder(str(tmp_path / "a.mp4"))
    pictures = [Pattern(320, 240).video_frame(n, 3000 * n) for n in range(9)]
    silent, camera = Listed("audio", []), Listed("video", pictures, ends=True)
    for track in (silent, camera):
        recorder.addTrack(track)
    await recorder.start()
    await until(lambda: camera.readyState == "ended", what="the end")
    await recorder.stop()
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert len(list(file.decode(video=0))) == 9
    never = MediaRecorder(str(tmp_path / "b.mp4"))
    never.addTrack(VideoStreamTrack())
    await never.stop()


@pytest.mark.parametrize("buffered", [True, False])
async def test_one_track_for_many(buffered: bool) -> None:
    relay = MediaRelay()
    source = Listed("video", [Pattern(320, 240).video_frame(n, 3000 * n) for n in range(10)], ends=True)
    tracks = [relay.subscribe(source, buffered) for _ in range(3)]
    assert source.given == 0 and {track.kind for track in tracks} == {"video"}
    found = await asyncio.gather(*(to_the_end(track) for track in tracks))
    assert all([frame.pts for frame in frames] == [3000 * n for n in range(10)] for frames in found)
    assert found[0][0] is found[1][0] and not any(tee.reading for tee in relay._tees.values())
    tracks.clear()
    assert not relay._tees
    with pytest.raises(MediaStreamError):
        await asyncio.wait_for(relay.subscribe(source).recv(), 5)


async def test_a_reader_that_is_not_buffered_gets_the_newest() -> None:
    relay, camera = MediaRelay(), SyntheticCamera(320, 240, 60)
    slow, quick = relay.subscribe(camera, buffered=False), relay.subscribe(camera)
    await asyncio.gather(slow.recv(), quick.recv())
    frames = await take(quick, 10)
    assert (await slow.recv()).pts >= frames[-1].pts
    slow.stop()
    quick.stop()
    await until(lambda: not any(tee.reading for tee in relay._tees.values()), what="the source's rest")
    assert camera.readyState == "live" and (await take(relay.subscribe(camera), 1))[0].pts > frames[-1].pts


async def test_a_black_hole_reads() -> None:
    hole, source = MediaBlackhole(), Listed("video", [Pattern(320, 240).video_frame(n, 3000 * n) for n in range(5)])
    hole.addTrack(source)
    hole.addTrack(source)
    assert source.given == 0
    await hole.start()
    await until(lambda: source.given == 5, what="the end")
    await hole.stop()
    await hole.stop()
    assert source.readyState == "live"
