"""A machine with devices of its own making: a camera of two sizes and a microphone, which fail when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np

from rtcengine.media.devices.errors import MediaDeviceError, NotReadableError
from rtcengine.media.devices.media_devices import MediaDevices
from rtcengine.media.devices.source import Device
from rtcengine.media.devices.space import Mode, VideoSpace
from rtcengine.media.devices.synthetic import microphone_space

MODES = (Mode(640, 480, (30.0, 15.0)), Mode(1280, 720, (30.0,)))


class Hardware:
    """What is behind a device, for the test to play with. `opened` and `closed` count; `live` is how many are open now."""

    def __init__(self) -> None:
        self.modes: list[Mode | None] = []
        self.opened = self.closed = 0
        self.refuses: MediaDeviceError | None = None
        self.refuses_width = 0
        self.opens = threading.Event()  # while it is clear opening takes its time
        self.opens.set()
        self.fails = False
        self.silent = False

    @property
    def live(self) -> int:
        return self.opened - self.closed

    def source(self) -> FakeSource:
        return FakeSource(self)


class FakeSource:
    """Pictures whose left half is dark and whose right one is bright, or a constant sound, a hundred times a second."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._mode: Mode | None = None
        self._open = False
        self._number = 0

    def open(self, mode: Mode | None) -> None:
        self._hardware.opens.wait(20)
        if self._hardware.refuses is not None:
            raise self._hardware.refuses
        if mode is not None and mode.width == self._hardware.refuses_width:
            raise NotReadableError("no bandwidth for that")
        assert self._hardware.live == 0, "opened twice at once"
        self._hardware.opened += 1
        self._hardware.modes.append(mode)
        self._mode, self._open = mode, True

    def read(self) -> Any:
        time.sleep(0.01)
        if self._hardware.fails:
            raise NotReadableError("the camera is gone: unplugged")
        if self._hardware.silent:
            return None
        self._number += 1
        if self._mode is None:
            sound = av.AudioFrame.from_ndarray(np.full((1, 960), 1000, np.int16), format="s16", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = 48000, self._number * 480, Fraction(1, 48000)
            return sound
        picture = np.full((self._mode.height * 3 // 2, self._mode.width), 128, np.uint8)
        picture[: self._mode.height, : self._mode.width // 2] = 30
        picture[: self._mode.height, self._mode.width // 2 :] = 220
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = self._number * 1000, Fraction(1, round(1000 * self._mode.fastest))
        return frame

    def close(self) -> None:
        if self._open:
            self._open = False
            self._hardware.closed += 1


class Machine:
    """`devices` is its mediaDevices."""

    def __init__(self, *, cameras: int = 1, modes: tuple[Mode, ...] = MODES) -> None:
        self.cameras = [Hardware() for _ in range(cameras)]
        self.microphone = Hardware()
        self.present: list[Device] = [
            Device("video", f"cam{n}", f"Camera {n}", f"group{n}", hardware.source, space_of_camera(modes))
            for n, hardware in enumerate(self.cameras)
        ]
        self.present.append(Device("audio", "mic", "Microphone", "group0", self.microphone.source, microphone_space))
        self.screen = Hardware()
        self.screens: list[Device] = [
            Device("video", "x11grab::9", "Screen :9", "x11::9", self.screen.source, screen_space),
        ]
        self.looked = self.listed = 0
        self.devices = MediaDevices(self._list, lambda: list(self.screens), lambda id: None, self._signs)

    def _list(self) -> list[Device]:
        self.listed += 1
        return list(self.present)

    def _signs(self) -> Any:
        self.looked += 1
        return [(device.deviceId, device.label) for device in self.present]


def space_of_camera(modes: tuple[Mode, ...]) -> Callable[[], VideoSpace]:
    return lambda: VideoSpace(modes)


def screen_space() -> VideoSpace:
    mode = Mode(800, 600, (30.0,))
    shown = {"displaySurface": ("monitor",), "logicalSurface": (True,), "cursor": ("always",)}
    return VideoSpace((mode,), shown, {"width": 800, "height": 600, "frameRate": 30.0})


def capture_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "rtc-capture"]
