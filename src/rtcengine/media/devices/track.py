"""Tracks of devices."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from ..inbox import Inbox
from ..track import Done, MediaStreamError, MediaStreamTrack
from .capture import Capture
from .constraints import AUDIO as AUDIO_NAMES
from .constraints import DISPLAY, EITHER, VIDEO, Constraints, parse, plain
from .errors import MediaDeviceError
from .select import Settings
from .shape import Shape, shape_of

VIDEO_WAITS, AUDIO_WAITS = 1, 25
"""Frames that wait for a reader; the newest stay, `dropped` counts the others."""
NAMES = {"audio": AUDIO_NAMES | EITHER, "video": VIDEO | DISPLAY | EITHER}


class CaptureTrack(MediaStreamTrack):
    """What a device gives, as its constraints want it. Clones share the device; each has constraints, an end and a queue of its
    own. When the device fails or is taken away the track ends, and `error` says why. Any thread may call `played` and read
    `dropped`, besides what a MediaStreamTrack allows."""

    def __init__(self, capture: Capture, given: Any, constraints: Constraints, settings: Settings) -> None:
        super().__init__()
        self.kind = capture.device.kind
        self._capture = capture
        self._given = given
        self.constraints, self.settings = constraints, settings
        self._shape: Shape = shape_of(self.kind, settings)
        self._inbox = Inbox(self.kind, VIDEO_WAITS if self.kind == "video" else AUDIO_WAITS)
        capture.join(self)

    @property
    def label(self) -> str:
        return self._capture.device.label

    @property
    def dropped(self) -> int:
        """Frames that nobody read in time."""
        return self._inbox.dropped

    def getSettings(self) -> dict[str, Any]:
        return {**self.settings, **self._capture.device.extra}

    def getCapabilities(self) -> dict[str, Any]:
        return {**self._capture.space.capabilities(), **self._capture.device.ids}

    def getConstraints(self) -> dict[str, Any]:
        return copy.deepcopy(self._given)

    async def applyConstraints(self, constraints: Any = None) -> None:
        parsed = parse(constraints, NAMES[self.kind])
        if self.readyState == "live":
            settings = await self._capture.change(self, parsed)
            self.constraints = parsed
            self._settle(settings)
        self._given = given(constraints)

    async def recv(self) -> Any:
        while self.readyState == "live":
            frame = await self._inbox.get()
            if frame is None:
                break
            if self.kind == "audio":
                return frame
            shape: Any = self._shape
            if (frame.width, frame.height) == (shape.width, shape.height):
                return frame
            return await asyncio.to_thread(shape.fit, frame)
        raise MediaStreamError(str(self.error or "")) from self.error

    def played(self, frame: Any) -> None:
        """What a loudspeaker gives now (av.AudioFrame), which echo cancellation takes out of what a microphone hears. Does
        nothing where that is not on."""
        if self.kind == "audio":
            self._shape.played(frame)  # type: ignore[union-attr]

    def stop(self) -> Done:
        if self.readyState == "live":
            super().stop()
            self._inbox.end()
            self._inbox.clear()
            self._capture.leave(self)
        return Done()

    def _copy(self) -> MediaStreamTrack:
        return CaptureTrack(self._capture, copy.deepcopy(self._given), self.constraints, self.settings)

    def _settle(self, settings: Settings) -> None:
        """Other settings from now on."""
        if settings != self.settings:
            self.settings = settings
            self._shape = shape_of(self.kind, settings)

    def _forget(self) -> None:
        """What waits is of before."""
        self._inbox.clear()

    def _fail(self, error: MediaDeviceError | None) -> None:
        if self.readyState == "live":
            self.error = error
            self.stop()

    def _offer(self, frame: Any, at: int | None) -> None:
        """From the device's thread."""
        shape: Any = self._shape
        if at is None:
            for sound in shape.fit(frame):
                self._inbox.put(sound)
        elif shape.passes(at):
            self._inbox.put(frame)


def given(constraints: Any) -> dict[str, Any]:
    """What getConstraints gives back."""
    value = plain(constraints)
    return copy.deepcopy(dict(value)) if value is not None and not isinstance(value, bool) else {}
