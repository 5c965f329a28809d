"""A call of two peers in one process: a picture that flashes and a microphone that beeps, both once a second and at once.
Reports in JSON lines on standard output, one a second: `apart`, ms that the flash came after the beep; `rss` in bytes; `late`,
ms that the flash came after it was captured.

    long_call.py SECONDS
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from rtcengine import MediaStreamTrack, NetworkOptions, RTCPeerConnection
from rtcengine.media.pattern import Pattern

HERE = NetworkOptions(addresses=("127.0.0.1",))
FPS, RATE, PTIME = 30, 48_000, 0.02
WIDTH, HEIGHT = 320, 240


class Clock:
    """Of both tracks: it starts with the first frame of either."""

    def __init__(self) -> None:
        self._start: float | None = None

    @property
    def start(self) -> float:
        if self._start is None:
            self._start = time.monotonic() + 0.1
        return self._start

    async def until(self, media: float) -> None:
        await asyncio.sleep(self.start + media - time.monotonic())


class Camera(MediaStreamTrack):
    kind = "video"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock, self._count = clock, 0
        pattern = Pattern(WIDTH, HEIGHT)
        self._dark = pattern.frame(0)
        self._dark[:HEIGHT] //= 4
        self._flash = np.concatenate([np.full((HEIGHT, WIDTH), 235, np.uint8), np.full((HEIGHT // 2, WIDTH), 128, np.uint8)])

    async def recv(self) -> av.VideoFrame:
        await self._clock.until(self._count / FPS)
        picture = self._flash if self._count % FPS == 0 else self._dark
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = self._count * 90_000 // FPS, Fraction(1, 90_000)
        self._count += 1
        return frame


class Microphone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock, self._count = clock, 0
        at = np.arange(int(PTIME * RATE)) / RATE
        self._beep = (12_000 * np.sin(2 * np.pi * 1000 * at)).astype(np.int16)

    async def recv(self) -> av.AudioFrame:
        await self._clock.until(self._count * PTIME)
        samples = self._beep if self._count % round(1 / PTIME) == 0 else np.zeros_like(self._beep)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._count * len(samples), Fraction(1, RATE)
        self._count += 1
        return frame


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Ear:
    """When a track was loud, or bright, after it had not been."""

    def __init__(self) -> None:
        self.events: list[float] = []
        self._was = True

    def hear(self, on: bool) -> None:
        if on and not self._was:
            self.events.append(time.monotonic())
        self._was = on


async def watch(track: Any, ear: Ear) -> None:
    while True:
        frame = await track.recv()
        array = frame.to_ndarray()
        ear.hear(bool(array[:HEIGHT].mean() > 150) if track.kind == "video" else bool(np.abs(array).max() > 3000))


async def main(seconds: int) -> None:
    clock, ours, theirs = Clock(), RTCPeerConnection(network=HERE), RTCPeerConnection(network=HERE)
    ears, tasks = {"video": Ear(), "audio": Ear()}, []

    @theirs.on("track")
    def on_track(track: Any) -> None:
        tasks.append(asyncio.ensure_future(watch(track, ears[track.kind])))

    ours.addTrack(Camera(clock))
    ours.addTrack(Microphone(clock))
    await ours.setLocalDescription()
    await theirs.setRemoteDescription(ours.localDescription)
    await theirs.setLocalDescription()
    await ours.setRemoteDescription(theirs.localDescription)
    done = 0
    while done < seconds:
        await asyncio.sleep(0.1)
        if min(len(ear.events) for ear in ears.values()) <= done:
            continue
        flash, beep = ears["video"].events[done], ears["audio"].events[done]
        if abs(flash - beep) > 0.5:  # one of them had begun before the other was there
            first = min(ears.values(), key=lambda ear: ear.events[done])
            del first.events[done]
            continue
        if done % 60 == 0:
            gc.collect()
        late = (flash - clock.start) % 1.0
        print(json.dumps({"apart": (flash - beep) * 1000, "late": late * 1000, "rss": rss()}), flush=True)
        done += 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(ours.close(), theirs.close())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
