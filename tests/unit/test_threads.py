"""What docs/media.md allows from any thread is called from two, without a pause, while calls go on."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rtcengine import (
    CaptureTrack,
    MediaStreamTrack,
    Recorder,
    RTCPeerConnection,
    Sender,
    SFrameTransform,
    SyntheticMicrophone,
    WhepClient,
    WhipClient,
    Window,
    mediaDevices,
)
from rtcengine.contrib.media import MediaPlayer, MediaRecorder
from rtcengine.media.encoded import EncodedReader
from rtcengine.media.receive import RemoteTrack
from rtcengine.media.sound import process
from rtcengine.media.sound.process import ProcessedTrack
from rtcengine.media.tee import FrameReader
from tests.unit.engine_pair import KEY_FRAME
from tests.unit.media_kit import wire
from tests.unit.test_call import connected, gather_tracks, negotiate, take, two
from tests.util import until

GUIDE = Path(__file__).parents[2] / "docs" / "media.md"
SUITE, KEY, KEPT = "AES_128_GCM_SHA256_128", bytes(16), 16
THREADS, ROUNDS, PICTURES = 2, 30, 60

Calls = dict[str, dict[str, Callable[[], object]]]


def allowed() -> dict[str, set[str]]:
    """By class, from the guide's table."""
    section = GUIDE.read_text(encoding="utf-8").partition("\n## Threads\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.M)
    names = {of: set(re.findall(r"`(\w+)(?:\(.*?\))?`", what)) for of, what in rows}
    return {name: names[of] for of in names for name in re.findall(r"`(\w+)`", of)}


def attributes(of: Any, *names: str) -> dict[str, Callable[[], object]]:
    return {name: lambda name=name: getattr(of, name) for name in names}  # type: ignore[misc]


def setting(of: Any, name: str, *values: object) -> Callable[[], object]:
    """Reads it, and sets it to each."""

    def change() -> object:
        had = getattr(of, name)
        for value in values:
            setattr(of, name, value)
        return had

    return change


class Keys:
    """Another key again and again, of which who decrypts has the last ones."""

    def __init__(self, out: SFrameTransform, there: SFrameTransform) -> None:
        self.out, self.there, self._lock = out, there, threading.Lock()

    def calls(self) -> dict[str, Callable[[], object]]:
        return {**attributes(self.out, "kid"), **dict.fromkeys(("add_key", "set_key", "remove_key"), self._next)}

    def _next(self) -> None:
        with self._lock:  # one thread at a time
            kid = self.out.kid + 1
            self.there.add_key(kid, KEY)
            self.out.set_key(KEY, kid)
            if kid > KEPT:
                self.there.remove_key(kid - KEPT)
                self.out.remove_key(kid - KEPT)
        threading.Event().wait(0.02)


def track_calls(track: Any, hint: str) -> dict[str, Callable[[], object]]:
    calls = attributes(track, "id", "kind", "label", "readyState", "muted", "error")
    calls |= {name: getattr(track, name) for name in ("getSettings", "getCapabilities", "getConstraints")}
    return calls | {"enabled": setting(track, "enabled", False, True), "contentHint": setting(track, "contentHint", hint, "")}


@contextmanager
def under_way(calls: Calls) -> Iterator[tuple[list[BaseException], list[int]]]:
    """Meanwhile all are called. What they raised, and how often each thread has called all."""
    errors: list[BaseException] = []
    rounds, stopped, usual = [0] * THREADS, threading.Event(), sys.getswitchinterval()

    def run(place: int) -> None:
        while not stopped.is_set():
            for of, named in calls.items():
                for name, call in named.items():
                    try:
                        call()
                    except BaseException as error:
                        error.add_note(f"{of}.{name}")
                        errors.append(error)
            rounds[place] += 1

    threads = [threading.Thread(target=run, args=(place,)) for place in range(THREADS)]
    sys.setswitchinterval(0.0005)
    for thread in threads:
        thread.start()
    try:
        yield errors, rounds
    finally:
        stopped.set()
        sys.setswitchinterval(usual)
        for thread in threads:
            thread.join()


KINDS = (
    CaptureTrack,
    EncodedReader,
    FrameReader,
    MediaPlayer,
    MediaRecorder,
    MediaStreamTrack,
    ProcessedTrack,
    Recorder,
    RemoteTrack,
    RTCPeerConnection,
    Sender,
    SFrameTransform,
    WhepClient,
    WhipClient,
    Window,
)


def test_the_classes_say_so() -> None:
    assert {kind.__name__ for kind in KINDS} == allowed().keys()
    for kind in KINDS:
        texts = [inspect.cleandoc(one.__doc__ or "") for one in kind.__mro__ if one.__module__.startswith("rtcengine")]
        assert any("any thread" in " ".join(text.lower().split()) for text in texts), kind


@pytest.mark.slow
async def test_all_that_is_allowed(tmp_path: Path) -> None:
    wanted = {"audio": {"deviceId": "synthetic-microphone"}, "video": {"deviceId": "synthetic-camera", "width": 320}}
    stream = await mediaDevices.getUserMedia(wanted)
    (camera,), (microphone,) = stream.getVideoTracks(), stream.getAudioTracks()
    processed, loudspeaker = process(microphone), await SyntheticMicrophone().recv()
    out, there = (SFrameTransform(SUITE, KEY, 0) for _ in range(2))
    with wave.open(str(tmp_path / "in.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    made: list[Any] = []
    async with two() as (a, b), wire("VP8", within=True) as pair:
        tracks: list[Any] = gather_tracks(b)
        for track in (processed, camera):
            a.addTrack(track)
        for sender in a.getSenders():
            sender.transform = out
        await negotiate(a, b)
        for receiver in b.getReceivers():
            receiver.transform = there
        await connected(a, b)
        heard, seen = sorted(tracks, key=lambda track: track.kind)
        await asyncio.gather(take(heard, 1), take(seen, 1))
        frames, encoded = seen.frames(), seen.encoded()

        def send() -> None:
            try:
                pair.sender.send_frame(KEY_FRAME, 0, True)
            except BufferError:
                threading.Event().wait(0.001)  # 64 wait already

        def make() -> None:
            if len(made) < 20:
                made.append(MediaPlayer(str(tmp_path / "in.wav")))
                made.append(MediaRecorder(str(tmp_path / f"out{len(made)}-{threading.get_ident()}.wav")))

        async with Recorder(str(tmp_path / "call.webm"), *tracks) as recorder:
            states = ("signalingState", "connectionState", "iceConnectionState", "iceGatheringState")
            told = ("id", *states, "localDescription", "remoteDescription", "timeline", "failure")
            calls: Calls = {
                "MediaStreamTrack": track_calls(camera, "detail") | track_calls(processed, "speech"),
                "RemoteTrack": {**attributes(seen, "dropped", "broken", "counts"), "upright": setting(seen, "upright", True)},
                "CaptureTrack": {**attributes(camera, "dropped"), "played": lambda: microphone.played(loudspeaker)},
                "ProcessedTrack": {
                    **attributes(processed, "level", "speaking"),
                    "played": lambda: processed.played(loudspeaker),
                },
                "FrameReader": attributes(frames, "dropped"),
                "EncodedReader": attributes(encoded, "dropped"),
                "RTCPeerConnection": attributes(a, *told) | attributes(b, *told),
                "Recorder": attributes(recorder, "frames", "error"),
                "Window": attributes(Window(seen), "shown", "process_id"),
                "WhipClient": attributes(WhipClient("http://127.0.0.1:9/live/whip"), "url", "state", "failure"),
                "WhepClient": attributes(WhepClient("http://127.0.0.1:9/live/whep"), "url", "state", "failure"),
                "SFrameTransform": Keys(out, there).calls(),
                "Sender": {"send_frame": send},
                "MediaPlayer": {"": make},
                "MediaRecorder": {"": make},
            }
            assert {of: set(named) - {""} for of, named in calls.items()} == allowed()
            with under_way(calls) as (errors, rounds):
                async with asyncio.timeout(60):
                    shown = 0
                    while shown < PICTURES or min(rounds) < ROUNDS:
                        await asyncio.gather(anext(frames), anext(encoded), take(heard, 1))
                        shown += 1
            assert errors == []
            assert recorder.error is None and recorder.frames > 0 and seen.broken == heard.broken == 0
            assert pair.receiver.ssrc == 1000 and out.kid > KEPT
            frames.close()
            await encoded.aclose()
        assert camera.enabled and (await take(seen, 1))[0].width == 320
        for one in made:
            if isinstance(one, MediaRecorder):
                await one.stop()
        assert len(made) >= 20
    for track in (processed, camera):
        track.stop()
    await until(lambda: microphone.readyState == "ended", what="the end of the microphone")
