"""A device while tracks want it: one thread reads it for all of them, and it is closed with the last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...codecs.about import captured_at, tell
from ..timeline import Timeline
from ..track import VIDEO_CLOCK_RATE
from .constraints import Constraints
from .errors import MediaDeviceError, NotReadableError, OverconstrainedError
from .select import Settings, failed_constraint, fitness_distance, select_settings
from .source import Device, Source
from .space import CROP_AND_SCALE, AudioSpace, Mode, VideoSpace

if TYPE_CHECKING:
    from .track import CaptureTrack

log = logging.getLogger("rtcengine.media")

STALL_S = 2.0
"""Without a frame for so long its tracks are muted."""
ASK_AGAIN_S = 0.005

Space = VideoSpace | AudioSpace


def space_of(device: Device) -> Space:
    """What it can do, its ids among that. May wait for the device."""
    space = device.space()
    ids = {name: (value,) for name, value in device.ids.items()}
    if isinstance(space, VideoSpace):
        return replace(space, fixed={**space.fixed, **ids})
    return replace(space, values={**space.values, **ids})


class Capture:
    """A device that is open, or about to be, until the last track has left it."""

    def __init__(self, device: Device, space: Space) -> None:
        self.device, self.space = device, space
        self.loop = asyncio.get_running_loop()
        self.mode: Mode | None = None
        self.closed = False
        self._over = threading.Event()
        self._turn = asyncio.Lock()
        self._tracks: tuple[CaptureTrack, ...] = ()
        self._asking = 0  # who may have a track of it soon
        self._orders: queue.SimpleQueue[tuple[Mode | None, asyncio.Future[None]]] = queue.SimpleQueue()
        self._quit = threading.Event()
        self._thread: threading.Thread | None = None
        self._times = Timeline(VIDEO_CLOCK_RATE)
        self._frame_at = time.monotonic()
        self._stalled = False
        self._watch: asyncio.TimerHandle | None = None

    # --- on the loop

    async def add(self, make: Callable[[Settings], CaptureTrack], constraints: Constraints) -> CaptureTrack:
        """A track with these constraints, which `make` makes; the device runs when this returns."""
        self._asking += 1
        try:
            async with self._turn:
                return make(await self._configure(None, constraints))
        finally:
            self._asking -= 1
            self._close_if_unused()

    def join(self, track: CaptureTrack) -> None:
        """The track gets frames from now on."""
        self._tracks = (*self._tracks, track)
        track._set_muted(self._stalled)

    def leave(self, track: CaptureTrack) -> None:
        """It gets none any more."""
        self._tracks = tuple(t for t in self._tracks if t is not track)
        self._close_if_unused()

    async def change(self, track: CaptureTrack, constraints: Constraints) -> Settings:
        """Other constraints of a track of it. OverconstrainedError, and nothing has changed."""
        async with self._turn:
            return await self._configure(track, constraints)

    async def _configure(self, track: CaptureTrack | None, constraints: Constraints) -> Settings:
        space, running = self.space, self.mode
        possible = space.possible(constraints)

        def rank(settings: Settings) -> tuple[Any, ...]:
            return running is not None and not running.gives(settings), *space.rank(settings)

        best = select_settings(possible, constraints, rank)
        if best is None:
            raise OverconstrainedError(failed_constraint(possible, constraints))
        if isinstance(space, AudioSpace):
            await self._run(None)
            return best
        others = [t for t in self._tracks if t is not track]
        if running is not None and running.gives(best):
            return best
        if not others:
            await self._run(space.mode_for(best))
            return best
        return await self._agree(space, constraints, best, others)

    async def _agree(self, space: VideoSpace, constraints: Constraints, best: Settings, others: list[CaptureTrack]) -> Settings:
        """A mode in which all tracks have what they require, and the one that asks what fits it best."""
        found: list[tuple[float, float, int, Mode, Settings, list[Settings]]] = []
        rates = {float(s["frameRate"]) for s in (best, *(t.settings for t in others))}
        for mode in (single for each in space.modes for single in each.at(*rates)):
            only = space.only(mode)
            own = select_settings(only.possible(constraints), constraints, only.rank)
            theirs = [_settings_in(only, mode, t) for t in others]
            if own is None or any(one is None for one in theirs):
                continue
            settled = [one for one in theirs if one is not None]
            far = sum(fitness_distance(s, t.constraints.basic) for s, t in zip(settled, others, strict=True))
            found.append((fitness_distance(own, constraints.basic), far, mode.width * mode.height, mode, own, settled))
        if not found:
            raise OverconstrainedError("", f"{self.device.label} has no mode that suits all of its tracks")
        *_, mode, own, settled = min(found, key=lambda one: one[:3])
        await self._run(mode)
        for other, settings in zip(others, settled, strict=True):
            other._settle(settings)
        return own

    async def _run(self, mode: Mode | None) -> None:
        """The device runs in this mode when it returns."""
        if self.closed:
            raise NotReadableError(f"{self.device.label} is gone")
        if self._thread is not None and mode == self.mode:
            return
        done: asyncio.Future[None] = self.loop.create_future()
        self._orders.put((mode, done))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rtc-capture", daemon=True)
            self._thread.start()
            self._look()
        await done
        self.mode = mode
        for track in self._tracks:
            track._forget()

    def _close_if_unused(self) -> None:
        if not self._tracks and not self._asking:
            self._end(None)

    def _end(self, error: MediaDeviceError | None) -> None:
        if self.closed:
            return
        self.closed = True
        self._quit.set()
        if self._watch is not None:
            self._watch.cancel()
        if self._thread is None:
            self._over.set()
        if error is not None:
            log.warning("%s: %s", self.device.label, error)
            self._refuse_orders(error)  # that came when the thread was at its end
        for track in self._tracks:
            track._fail(error)

    def _refuse_orders(self, error: MediaDeviceError) -> None:
        while not self._orders.empty():
            self._tell(_settle, self._orders.get_nowait()[1], error)

    def abandon(self) -> None:
        """The loop that it was on is closed: nobody will hear of it any more."""
        self.closed = True
        self._quit.set()

    def wait_until_over(self, seconds: float) -> bool:
        """Whether the device is closed by then."""
        return self._over.wait(seconds)

    def _look(self) -> None:
        """Whether frames come."""
        stalled = time.monotonic() - self._frame_at > STALL_S
        if stalled and not self._stalled:
            self._mute(True)
        self._watch = self.loop.call_later(STALL_S / 4, self._look)

    def _mute(self, muted: bool) -> None:
        self._stalled = muted
        for track in self._tracks:
            track._set_muted(muted)

    # --- on the thread

    def _work(self) -> None:
        source, error = self.device.source(), None
        try:
            self._serve(source)
        except MediaDeviceError as failed:
            error = failed
        except Exception as failed:
            log.exception("%s failed", self.device.label)
            error = NotReadableError(f"{self.device.label} failed: {failed}")
        finally:
            source.close()
            self._refuse_orders(error or NotReadableError(f"{self.device.label} is closed"))
            self._tell(self._end, error)
            self._over.set()

    def _serve(self, source: Source) -> None:
        running: Mode | None = None
        opened = False
        while not self._quit.is_set() and not self.loop.is_closed():
            try:
                mode, done = self._orders.get_nowait()
            except queue.Empty:
                self._read(source)
                continue
            refused: MediaDeviceError | None = NotReadableError(f"{self.device.label} failed")
            try:
                source.close()
                source.open(mode)
                running, opened, refused = mode, True, None
            except MediaDeviceError as error:
                refused = error
                if not opened:
                    raise
                source.open(running)  # as it was
            finally:
                self._tell(_settle, done, refused)
            self._times.cut()

    def _read(self, source: Source) -> None:
        frame = source.read()
        if frame is None:
            self._quit.wait(ASK_AGAIN_S)
            return
        now = self._frame_at = time.monotonic()
        if self._stalled:
            self._tell(self._mute, False)
        at = None
        if self.device.kind == "video":
            at = None if frame.pts is None else math.floor(frame.pts * frame.time_base * VIDEO_CLOCK_RATE)
            at = self._times.at(at, now)
            frame.pts, frame.time_base = at, Fraction(1, VIDEO_CLOCK_RATE)
        # Sound is read when its last sample is there.
        tell(frame, captured_at(now if at is not None else now - frame.samples / frame.sample_rate))
        for track in self._tracks:
            track._offer(frame, at)

    def _tell(self, what: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(what, *args)


def _settings_in(only: VideoSpace, mode: Mode, track: CaptureTrack) -> Settings | None:
    """What a track gets of a mode that another one asked for: as before, if that may be."""
    kept = {**track.settings, "resizeMode": CROP_AND_SCALE}
    possible = [*only.possible(track.constraints), *([kept] if mode.gives(kept) else [])]
    same = ("width", "height", "frameRate")
    return select_settings(possible, track.constraints, lambda s: ([s[n] != kept[n] for n in same], *only.rank(s)))


def _settle(done: asyncio.Future[None], error: MediaDeviceError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
