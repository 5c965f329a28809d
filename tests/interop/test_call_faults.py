"""What a call loses when a screen's X server is gone and a disk is full: one clear error each, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtcengine import NotReadableError, SyntheticMicrophone, mediaDevices
from rtcengine.contrib.media import MediaRecorder
from rtcengine.media.record import Recorder, RecordError
from tests.interop.netns import run
from tests.interop.xvfb import Xvfb
from tests.unit.devices_kit import capture_threads
from tests.unit.test_call import connected, gather_tracks, negotiate, two
from tests.util import until

ROOM = 64  # KiB of the disk


@pytest.fixture
async def disk(tmp_path: Path) -> Any:
    """A small one."""
    place = tmp_path / "disk"
    place.mkdir()
    await run("mount", "-t", "tmpfs", "-o", f"size={ROOM}k", "tmpfs", str(place))
    try:
        yield place
    finally:
        await run("umount", str(place))


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Xvfb]:
    server = Xvfb(tmp_path, 320, 240)
    monkeypatch.setenv("DISPLAY", server.name)
    yield server
    server.end()


async def test_a_screen_and_disks_that_fail(screen: Xvfb, disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of three recordings one meets its end under way, two at once."""
    caplog.set_level(logging.WARNING)

    def said() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    screen.show(np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8))
    async with two() as (a, b):
        tracks, told, heard = gather_tracks(b), list[str](), list[Any]()
        microphone = SyntheticMicrophone()
        (shown,) = (await mediaDevices.getDisplayMedia()).getTracks()
        shown.on("ended", lambda: told.append("ended"))
        for track in (microphone, shown):
            a.addTrack(track)
        await negotiate(a, b)
        await connected(a, b)
        there = {track.kind: track for track in tracks}

        async def listen() -> None:
            while True:
                heard.append(await there["audio"].recv())

        listening = asyncio.ensure_future(listen())
        files = [(str(disk / "call.webm"), {}), ("/dev/full", {"format": "webm"})]
        recorders = [Recorder(path, *tracks, **options) for path, options in files]  # type: ignore[arg-type]
        for recorder in recorders:
            await recorder.start()
        anew = MediaRecorder("/dev/full", format="matroska")
        for track in tracks:
            anew.addTrack(track.clone())
        await anew.start()
        full = "recording ended: [Errno 28] No space left on device"
        await until(lambda: sum(one.startswith(full) for one in said()) == 3, timeout=40, what="full disks")
        await asyncio.wait_for(there["video"].recv(), 10)  # which goes on
        assert recorders[0].frames > 20 and not told
        screen.end()
        await until(lambda: told, what="the end of the screen")
        count = len(heard)
        await until(lambda: len(heard) > count + 100, what="sound goes on")
        assert a.connectionState == b.connectionState == "connected" and microphone.readyState == "live"
        assert all(later.pts - before.pts == before.samples for before, later in itertools.pairwise(heard))
        assert b.getReceivers()[0].track.counts.concealed == 0
        assert told == ["ended"] and isinstance(shown.error, NotReadableError)
        for (path, _), recorder in zip(files, recorders, strict=True):
            why = f"recording ended: [Errno 28] No space left on device: '{path}'"
            with pytest.raises(RecordError, match=f"^{re.escape(why)}$"):
                await recorder.stop()
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            await anew.stop()
        screens = f"Screen {screen.name}: {shown.error}"
        assert sorted(said()) == sorted([screens, str(recorders[1].error), *(str(recorder.error) for recorder in recorders)])
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        microphone.stop()
    await until(lambda: not capture_threads(), what="the capture's end")
