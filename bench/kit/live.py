"""One end of a live call of this engine or of aiortc, by the API that both have. A process of bench/media.py.

    python live.py KIND send WIDTH HEIGHT PICTURES     offers a camera and a microphone
    python live.py KIND take                           answers, decodes, and tells how late what it decodes is

KIND: engine or aiortc. Pictures say when they were captured, as their number, in tenths of a millisecond of the system's
monotonic clock; sound clicks when that clock is at a whole half second. PICTURES 0: each is drawn when it is due; else so many
are drawn beforehand and given again and again, so that sending alone costs anything.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from peers import Kind, answer, connected, orders

from rtcengine.media.pattern import Pattern, read_number

FPS = 30
RATE, PTIME = 48_000, 0.02
CLICK_S = 0.5
UNIT = 10_000
ENCODERS = ("rtc-encode", "asyncio_")
"""How Python's threads are called that encode: ours, aiortc's."""


def stamp() -> int:
    return int(time.monotonic() * UNIT) & 0xFFFFFFFF


class Camera:
    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.due = 0.0
        self.count = 0

    def prepare(self, width: int, height: int, pictures: int) -> None:
        self.pattern = Pattern(width, height)
        self.ready = [self.pattern.video_frame(n, 0) for n in range(pictures)]

    async def recv(self) -> av.VideoFrame:
        self.due = max(self.due + 1 / FPS, time.monotonic() - 1 / FPS)
        await asyncio.sleep(self.due - time.monotonic())
        pts = int(time.monotonic() * 90_000)
        if self.ready:
            frame = self.ready[self.count % len(self.ready)]
            frame.pts = pts
        else:
            frame = self.pattern.video_frame(stamp(), pts)
        frame.time_base = Fraction(1, 90_000)
        self.count += 1
        return frame


class Microphone:
    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.start: float | None = None
        self.count = 0

    async def recv(self) -> av.AudioFrame:
        if self.start is None:
            self.start = math.ceil(time.monotonic() / CLICK_S) * CLICK_S
        await asyncio.sleep(self.start + self.count * PTIME - time.monotonic())
        samples = np.zeros((1, 2 * int(PTIME * RATE)), dtype=np.int16)
        if self.count % round(CLICK_S / PTIME) == 0:
            samples[0, :192] = 20_000 * np.sin(np.arange(192) / 192 * 8 * np.pi)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.count * int(PTIME * RATE), Fraction(1, RATE)
        self.count += 1
        return frame


class Delays:
    """What has come since the last look, in ms after it was captured."""

    def __init__(self) -> None:
        self.video: list[float] = []
        self.audio: list[float] = []

    async def watch(self, track: Any) -> None:
        while True:
            frame = await track.recv()
            late = stamp() - read_number(frame.to_ndarray()[: frame.height])
            self.video.append((late & 0xFFFFFFFF) * 1000 / UNIT)

    async def hear(self, track: Any) -> None:
        quiet = 0
        while True:
            frame = await track.recv()
            now = time.monotonic()
            loud = bool(np.abs(frame.to_ndarray()).max() > (8000 if frame.format.name.startswith("s16") else 0.25))
            quiet = 0 if loud else quiet + 1
            if loud and quiet == 0 and self.last_was_quiet:
                self.audio.append(now % CLICK_S * 1000)
            self.last_was_quiet = not loud

    last_was_quiet = True

    def take(self) -> dict[str, list[float]]:
        found = {"video": self.video, "audio": self.audio}
        self.video, self.audio = [], []
        return found


def used() -> dict[str, float]:
    """CPU seconds of this process: all, and of the threads that encode."""
    encoding, tick = 0.0, os.sysconf("SC_CLK_TCK")
    for thread in threading.enumerate():
        if thread.name.startswith(ENCODERS):
            stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
            encoding += sum(map(int, stat.rpartition(")")[2].split()[11:13])) / tick
    return {"all": time.process_time(), "encoding": encoding}


async def main() -> None:
    kind = Kind(sys.argv[1], live=True)
    pc, delays, tasks = kind.peer(), Delays(), []
    camera, microphone = kind.make("video", Camera), kind.make("audio", Microphone)

    @pc.on("track")
    def on_track(track: Any) -> None:
        tasks.append(asyncio.ensure_future((delays.watch if track.kind == "video" else delays.hear)(track)))

    async for told in orders():
        match told["do"]:
            case "offer":
                camera.prepare(*map(int, sys.argv[3:6]))
                pc.addTrack(camera)
                pc.addTrack(microphone)
                await pc.setLocalDescription(await pc.createOffer())
                answer(sdp=pc.localDescription.sdp)
            case "answer":
                await pc.setRemoteDescription(kind.Description(told["sdp"], "offer"))
                await pc.setLocalDescription(await pc.createAnswer())
                answer(sdp=pc.localDescription.sdp)
            case "accept":
                await pc.setRemoteDescription(kind.Description(told["sdp"], "answer"))
                await connected(pc)
                answer(connected=True)
            case "delays":
                answer(**delays.take())
            case "used":
                answer(**used(), pictures=camera.count)
    for task in tasks:
        task.cancel()
    await pc.close()


if __name__ == "__main__":
    asyncio.run(main())
