"""`rtcengine publish` and `rtcengine watch` as processes, against the relay and against aiortc's server."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import NetworkOptions, SyntheticCamera, WhepClient, WhipClient
from rtcengine.cli import main
from rtcengine.media.arrays import image
from rtcengine.media.pattern import Pattern, read_number
from tests.browser.relay import serve
from tests.browser.serve import file_server
from tests.interop import aiortc_whip
from tests.interop.xvfb import Xvfb
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))
COMMAND = [sys.executable, "-c", "import sys; from rtcengine.cli import main; sys.exit(main())"]


class Program:
    """One with --json; it is told to end at the end of the test."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    async def event(self, name: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        while line := await asyncio.wait_for(self.process.stdout.readline(), 30):
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == name:
                return self.events[-1]
        raise AssertionError(f"no {name} among {self.events}")

    async def ended(self) -> tuple[int | None, str]:
        out, err = await asyncio.wait_for(self.process.communicate(), 30)
        self.events += map(json.loads, out.splitlines())
        return self.process.returncode, err.decode()


# The command on a machine of tests/unit/devices_kit.py, which has so many cameras.
MACHINE = """
import sys
from rtcengine.cli import main
from rtcengine.media.devices import media_devices
from tests.unit.devices_kit import Machine
media_devices.mediaDevices = Machine(cameras={cameras}).devices
sys.exit(main())
"""


@asynccontextmanager
async def program(*arguments: str, command: Sequence[str] = COMMAND) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(*command, *arguments, "--json", stdout=PIPE, stderr=PIPE)
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def make(path: Path, seconds: float = 8.0) -> None:
    """A file as a camera might have recorded it: numbered pictures in VP8, a tone in Opus."""
    with av.open(str(path), "w") as file:
        options = {"deadline": "realtime", "cpu-used": "8"}
        shown: Any = file.add_stream("libvpx", rate=30, width=320, height=240, pix_fmt="yuv420p", options=options)
        heard: Any = file.add_stream("libopus", rate=48000, layout="stereo")
        shown.codec_context.time_base = Fraction(1, 90000)
        pattern, wave = Pattern(320, 240), np.sin(2 * np.pi * 440 * np.arange(960) / 48000)
        samples = (8000 * np.repeat(wave, 2)).astype(np.int16)[None, :]
        for n in range(round(50 * seconds)):
            sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            sound.sample_rate, sound.pts = 48000, 960 * n
            file.mux(heard.encode(sound))
            if n % 5 < 3:  # 30 pictures to 50 pieces of sound
                number = n // 5 * 3 + n % 5
                file.mux(shown.encode(pattern.video_frame(number, 3000 * number)))
        for stream in (shown, heard):
            file.mux(stream.encode(None))


@pytest.mark.parametrize("copy", [False, True], ids=["encoded", "copied"])
async def test_a_file_is_published_watched_and_recorded(copy: bool, tmp_path: Path) -> None:
    given, kept = tmp_path / "given.webm", tmp_path / "kept.webm"
    make(given)
    more = ["--copy"] if copy else ["--codec", "VP8", "--codec", "opus"]
    async with serve(token="s3cret") as served:
        whip, whep = served.whip("live"), served.whep("live")
        async with AsyncExitStack() as stack:
            publish = program("publish", whip, "--token", "s3cret", "--source", str(given), "--loop", *more)
            out = await stack.enter_async_context(publish)
            await out.event("publishing")
            seen = await stack.enter_async_context(program("watch", whep, "--record", str(kept)))
            await seen.event("connected")
            for one in (out, seen):
                while not {"audio", "video"} <= {f["kind"] for f in (await one.event("stats"))["flows"] if f["kbps"] > 1}:
                    pass
            assert all(f["codec"] in ("VP8", "opus") for f in out.events[-1]["flows"])
            for _ in range(3):
                await seen.event("stats")
            seen.process.send_signal(signal.SIGINT)
            assert await seen.ended() == (0, "")
            assert seen.events[-1]["event"] == "recorded" and seen.events[-1]["frames"] > 60
            out.process.terminate()
            assert await out.ended() == (0, "")
            assert [e["event"] for e in out.events if e["event"] != "stats"] == [
                "connecting",
                "connected",
                "publishing",
                "closed",
            ]
        assert not list(served.relay.sessions)
    with av.open(str(kept)) as file:
        numbers = [read_number(f.to_ndarray(format="gray")) for f in file.decode(video=0)]
    steps = {(later - before) % 240 for before, later in itertools.pairwise(numbers)}
    assert len(numbers) > 30 and (steps == {1} if copy else max(steps) < 15)


async def test_the_screen_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Xvfb(tmp_path, 640, 480)
    monkeypatch.setenv("DISPLAY", screen.name)
    try:
        colours = np.zeros((480, 640, 3), np.uint8)
        colours[:, :320], colours[:, 320:] = (250, 0, 0), (0, 0, 250)
        screen.show(colours)
        async with (
            serve() as served,
            program("publish", served.whip("live"), "--source", "screen", "--fps", "10", "--size", "320x240") as out,
        ):
            said = await out.event("publishing")
            assert said["text"] == f"video of Screen {screen.name}"
            async with WhepClient(served.whep("live"), network=NetworkOptions(addresses=("127.0.0.1",))) as client:
                (video,) = (await client.watch(audio=False)).getVideoTracks()
                async with asyncio.timeout(30):
                    picture = image(await video.recv()).astype(int)
            assert picture.shape == (240, 320, 3)
            for place, colour in ((picture[120, 20], (250, 0, 0)), (picture[120, -20], (0, 0, 250))):
                assert np.abs(place - colour).max() < 30
            screen.end()  # the screen is gone: one clear end
            ended, err = await out.ended()
            assert ended == 0 and "is gone" in err, err
    finally:
        screen.end()


async def test_the_camera_is_published() -> None:
    """And the microphone. Of a machine that has none one sentence is said."""
    async with serve() as served:
        url = served.whip("live")
        command = [sys.executable, "-c", MACHINE.format(cameras=1)]
        async with program("publish", url, "--source", "camera", "--size", "1280x720", command=command) as out:
            assert (await out.event("publishing"))["text"] == "audio of Microphone, video of Camera 0"
            async with WhepClient(served.whep("live"), network=HERE) as client:
                tracks = {track.kind: track for track in (await client.watch()).getTracks()}
                async with asyncio.timeout(30):
                    while (frame := await tracks["video"].recv()).width != 1280:
                        pass
                    assert (await tracks["audio"].recv()).sample_rate == 48000
                luma = frame.to_ndarray(format="yuv420p")[:720].astype(int)
                assert luma.shape == (720, 1280) and abs(luma[360, 100] - 30) < 10 and abs(luma[360, -100] - 220) < 10
            out.process.send_signal(signal.SIGINT)
            assert await out.ended() == (0, "")
        command = [sys.executable, "-c", MACHINE.format(cameras=0)]
        async with program("publish", url, "--source", "camera", command=command) as out:
            ended, err = await out.ended()
            assert ended == 1 and err.startswith("rtcengine publish: no camera: ") and err.count("\n") == 1, err


async def test_an_address_is_published(tmp_path: Path) -> None:
    make(tmp_path / "given.webm", 3.0)
    async with serve() as served, file_server(tmp_path) as site:
        address = f"{site}given.webm"
        async with program("publish", served.whip("live"), "--source", address, "--codec", "VP8", "--codec", "opus") as out:
            await out.event("publishing")
            async with WhepClient(served.whep("live"), network=HERE) as client:
                (video,) = (await client.watch(audio=False)).getVideoTracks()
                async with asyncio.timeout(30):
                    numbers = [read_number((await video.recv()).to_ndarray(format="gray")) for _ in range(10)]
            assert numbers == sorted(set(numbers)) and numbers[-1] < 90
            assert await out.ended() == (0, "")
            assert {e["text"] for e in out.events if e["event"] == "publishing"} == {f"audio of {address}, video of {address}"}
        refused = "http://127.0.0.1:1/a.webm"
        for address, why in ((f"{site}no.webm", "Server returned 404 Not Found"), (refused, "Connection refused")):
            async with program("publish", served.whip("live"), "--source", address) as out:
                assert await out.ended() == (1, f"rtcengine publish: {address} cannot be played: {why}\n")


async def test_a_file_ends_and_so_does_the_program(tmp_path: Path) -> None:
    given = tmp_path / "given.webm"
    make(given, 1.0)
    async with aiortc_whip.serve() as (room, url):
        async with program("publish", f"{url}/whip", "--token", "s3cret", "--source", str(given), "--no-audio") as out:
            assert await out.ended() == (0, "")
            assert out.events[-1]["event"] == "closed"
        assert room.deleted == 1 and "m=audio" not in room.offers[0]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["publish", "URL", "--source", "/nowhere.webm"], 1, "/nowhere.webm cannot be played: No such file or directory"),
        (["publish", "URL", "--source", "screen"], 1, "no screen: there is no screen: DISPLAY names no X11 display"),
        (["publish", "URL", "--source", "screen", "--no-video"], 2, "a screen has no sound: --no-video leaves nothing"),
        (["publish", "URL", "--size", "big"], 2, "--size big is not like 1280x720"),
        (["publish", "URL", "--codec", "mp3"], 2, "'mp3' is none of the codecs that can be sent"),
        (["publish", "ftp://a/b"], 2, "'ftp://a/b' is no address of http or https"),
        (["publish", "URL"], 1, "http://127.0.0.1:1/live cannot be reached: Connection refused"),
        (["watch", "URL"], 1, "http://127.0.0.1:1/live cannot be reached: Connection refused"),
        (["watch", "URL", "--no-audio", "--no-video"], 2, "--no-audio and --no-video leave nothing"),
        (["watch", "URL", "--record", "FILE"], 2, "is there already; --overwrite replaces it"),
        (["watch", "URL", "--record", "/nowhere/a.webm"], 1, "/nowhere/a.webm: No such file or directory"),
        (["watch", "URL", "--seconds", "-1"], 2, "are not below 0"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_sentence(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    there = tmp_path / "there.webm"
    there.write_bytes(b"mine")
    places = {"URL": "http://127.0.0.1:1/live", "FILE": str(there)}
    assert main([*(places.get(a, a) for a in arguments), "--quiet"]) == code
    err = capsys.readouterr().err
    assert said in err and err.startswith(f"rtcengine {arguments[0]}: ") and err.count("\n") == 1, err
    assert there.read_bytes() == b"mine"


async def test_a_token_that_is_wrong() -> None:
    async with serve(token="s3cret") as served, program("publish", served.whip("a"), "--token", "x") as one:
        ended, err = await one.ended()
        assert ended == 1 and "answered POST with 401: this token is not the right one" in err and err.count("\n") == 1


async def test_watch_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a window, whose end is the command's; without a display it says so in one sentence."""
    screen = Xvfb(tmp_path, 640, 480)
    async with serve() as served, WhipClient(served.whip("live"), network=HERE) as publisher:
        camera = SyntheticCamera(320, 240)
        await publisher.publish(camera)
        monkeypatch.delenv("DISPLAY", raising=False)
        async with program("watch", served.whep("live"), "--show", "--no-audio") as blind:
            status, said = await blind.ended()
            assert (status, said.count("\n")) == (2, 1) and "no window can be opened: no display" in said
        monkeypatch.setenv("DISPLAY", screen.name)
        async with program("watch", served.whep("live"), "--show", "--no-audio") as shown:
            luma = np.array([0.299, 0.587, 0.114])

            def there() -> bool:
                return bool(0 <= camera.number - read_number(screen.picture()[:240, :320] @ luma) <= 30)

            await until(there, timeout=20, what="the picture is on the screen")
            screen.end()
            assert (await shown.ended())[0] == 0
