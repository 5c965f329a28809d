"""One camera to files, a callback, a window and two peers, each at its own pace; one that stalls costs the others nothing."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticCamera, SyntheticMicrophone, Window, WindowError
from rtcengine.contrib.media import MediaRecorder
from rtcengine.media.pattern import read_number
from rtcengine.media.record import Recorder
from tests.interop.xvfb import Xvfb, display
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))
WIDTH, HEIGHT = 320, 240
PICTURES = 60
BUSY = 10  # of those that go through an encoder: it takes the newest, and a busy machine may keep it
STALLED = 100  # pictures: more than wait anywhere


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Xvfb]:
    with display(tmp_path, monkeypatch, 640, 480) as server:
        yield server


def number_of(frame: Any) -> int:
    return read_number(frame.to_ndarray(format="yuv420p")[: frame.height])


class Call:
    """The camera to another peer, which notes the numbers of what it decodes."""

    def __init__(self) -> None:
        self.ours, self.theirs = RTCPeerConnection(network=HERE), RTCPeerConnection(network=HERE)
        self.numbers: list[int] = []
        self.track: Any = None
        self._task: asyncio.Task[None] | None = None

    async def begin(self, camera: SyntheticCamera) -> None:
        self.theirs.on("track", self._on_track)
        self.ours.addTrack(camera)
        await self.ours.setLocalDescription()
        await self.theirs.setRemoteDescription(self.ours.localDescription)
        await self.theirs.setLocalDescription()
        await self.ours.setRemoteDescription(self.theirs.localDescription)

    def _on_track(self, track: Any) -> None:
        self.track = track
        self._task = asyncio.ensure_future(self._read(track))

    async def _read(self, track: Any) -> None:
        async with track.frames(maxsize=64) as frames:
            async for frame in frames:
                self.numbers.append(number_of(frame))

    async def encode_s(self) -> float:
        rows = (await self.ours.getStats()).values()
        return float(next(row["totalEncodeTime"] for row in rows if row["type"] == "outbound-rtp"))

    async def close(self) -> None:
        await asyncio.gather(self.ours.close(), self.theirs.close())
        if self._task is not None:
            await self._task


def missed(some: list[int], all_: list[int]) -> list[int]:
    """What `all_` has from the first to the last of `some`, which are in order, and they have not."""
    assert some == sorted(set(some))
    return [number for number in all_ if some[0] <= number <= some[-1] and number not in set(some)]


def recorded(path: Path) -> list[int]:
    with av.open(str(path)) as file:
        return [number_of(frame) for frame in file.decode(video=0)]


async def called_back(camera: SyntheticCamera, numbers: list[int]) -> None:
    async with camera.frames(maxsize=64) as frames:
        async for frame in frames:
            numbers.append(number_of(frame))


async def test_one_camera_to_many(screen: Xvfb, tmp_path: Path) -> None:
    camera, given, calls = SyntheticCamera(WIDTH, HEIGHT, 30), list[int](), [Call(), Call()]
    callback = asyncio.ensure_future(called_back(camera, given))
    recorder = MediaRecorder(str(tmp_path / "camera.mkv"))
    recorder.addTrack(camera.clone())
    await recorder.start()
    for one in calls:
        await one.begin(camera)
    forgotten = camera.frames(maxsize=2)
    await anext(forgotten)  # and never again
    async with Window(camera, "a camera") as window:
        await until(lambda: window.shown > 10, what="the window shows pictures")
        luma = screen.picture() @ np.array([0.299, 0.587, 0.114])
        assert 0 <= camera.number - read_number(luma[:HEIGHT, :WIDTH]) <= 10
        assert window.process_id is not None
        os.kill(window.process_id, signal.SIGSTOP)  # now it stalls
        before = len(given)
        await until(lambda: len(given) > before + PICTURES, timeout=20, what="pictures while a window stalls")
        await until(lambda: all(len(one.numbers) > PICTURES for one in calls), what="the peers have them")
        shown = window.shown
        os.kill(window.process_id, signal.SIGCONT)
        await until(lambda: window.shown > shown + 1, what="it goes on")
    encoding = [await one.encode_s() for one in calls]
    await recorder.stop()
    camera.stop()
    await asyncio.gather(callback, *(one.close() for one in calls))
    assert given == sorted(set(given)) and forgotten.dropped > PICTURES
    for one in calls:
        assert len(missed(one.numbers, given)) <= BUSY
    assert sorted(seconds > 0 for seconds in encoding) == [False, True]  # one encodes, for both
    numbers = recorded(tmp_path / "camera.mkv")
    assert len(numbers) > PICTURES and not missed(numbers, given)


class Pipe:
    """A file on a disk that stalls until `flow`: it cannot even be opened, or when it is `begun`, soon no more be written."""

    def __init__(self, path: Path, begun: bool) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if begun else -1
        if begun:
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, 4096)

    def flow(self) -> list[int]:
        """To its end; the numbers of the pictures in what has come."""
        with open(self._fd if self._fd >= 0 else self.path, "rb") as file:
            os.set_blocking(file.fileno(), True)
            whole = file.read()
        kept = Path(self.path).with_suffix(".kept")
        kept.write_bytes(whole)
        return recorded(kept)


async def test_disks_that_stall(tmp_path: Path) -> None:
    """Of a camera here and of what a peer gets of it, encoded anew and as it came: other files, the peer and a callback miss
    nothing meanwhile, and when the disks go on so do their files."""
    camera, given, one = SyntheticCamera(WIDTH, HEIGHT, 30), list[int](), Call()
    disks = [Pipe(tmp_path / f"{n}.mkv", begun=n % 2 == 1) for n in range(4)]
    here = [MediaRecorder(path) for path in (str(tmp_path / "here.mkv"), disks[0].path, disks[1].path)]
    callback = asyncio.ensure_future(called_back(camera, given))
    for encoding in here:
        encoding.addTrack(camera.clone())
        await encoding.start()
    await one.begin(camera)
    track = await until(lambda: one.track, what="a track there")
    there = [Recorder(path, track) for path in (str(tmp_path / "there.mkv"), disks[2].path, disks[3].path)]
    for recorder in there:
        await recorder.start()
    await until(lambda: there[0].frames > there[2].frames + STALLED, timeout=40, what="a disk is behind")
    before = [recorder.frames for recorder in there]
    assert before[1] == 0 and len(given) > STALLED
    flowing, at = [asyncio.ensure_future(asyncio.to_thread(disk.flow)) for disk in disks], given[-1]
    for n in (1, 2):
        await until(lambda n=n: there[n].frames > before[n] + STALLED, timeout=40, what="the file goes on")  # type: ignore[misc]
    await asyncio.gather(*(recorder.stop() for recorder in (*here, *there)))
    camera.stop()
    await asyncio.gather(callback, one.close())
    assert given == sorted(set(given)) and len(missed(one.numbers, given)) <= BUSY
    whole = [recorded(tmp_path / name) for name in ("here.mkv", "there.mkv")]
    for numbers, most in zip(whole, (0, BUSY), strict=True):
        assert len(numbers) > STALLED and len(missed(numbers, given)) <= most
    for disk, numbers in enumerate(await asyncio.gather(*flowing)):
        gone = missed(numbers, whole[disk // 2])
        assert numbers[-1] > at
        if disk >= 2:  # of those here as many wait as have been given meanwhile
            assert gone and not missed(gone, whole[1])  # at one place


async def test_a_window_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(WindowError, match="no window can be opened: no display"):
        async with Window(SyntheticCamera()):
            pass
    with pytest.raises(ValueError, match="a track of audio cannot be shown"):
        Window(SyntheticMicrophone())


async def test_a_display_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window's end, not the program's; the camera goes on."""
    server, camera = Xvfb(tmp_path, 640, 480), SyntheticCamera(WIDTH, HEIGHT, 30)
    monkeypatch.setenv("DISPLAY", server.name)
    async with Window(camera) as window:
        await until(lambda: window.shown > 3, what="the window shows pictures")
        server.end()
        async with asyncio.timeout(20):
            await window.closed()
        assert (await camera.recv()).width == WIDTH
    camera.stop()
