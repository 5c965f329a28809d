"""mediaDevices: getUserMedia, getDisplayMedia, enumerateDevices (W3C mediacapture-main §9 and §10, screen-capture §5)."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, overload

from pyee.asyncio import AsyncIOEventEmitter

from ..handlers import Handler
from ..stream import MediaStream
from . import synthetic as synthetic_devices
from . import system
from .capture import Capture, Space, space_of
from .changes import DeviceChangeEvent, Watch
from .constraints import AUDIO, DISPLAY, EITHER, SUPPORTED, VIDEO, Constraints, parse, plain
from .errors import MediaDeviceError, NotFoundError, NotReadableError, OverconstrainedError
from .select import Settings, failed_constraint, fitness_distance, select_settings
from .source import Device
from .track import CaptureTrack, given

Told = Callable[[Exception], Any]

CLOSING_S = 5.0
"""How long a device that was just let go is waited for before it is opened again."""


@dataclass(frozen=True)
class InputDeviceInfo:
    """A camera ("videoinput") or microphone ("audioinput")."""

    deviceId: str
    kind: str
    label: str
    groupId: str
    device: Device = field(repr=False, compare=False)

    def getCapabilities(self) -> dict[str, Any]:
        """May open the device for a moment, where it cannot be asked otherwise."""
        return {**space_of(self.device).capabilities(), **self.device.ids}


class MediaDevices(AsyncIOEventEmitter):
    """Devices of this machine. `listed` and `screens` say which there are, `named` finds one by an id that is not in them,
    `signs` changes when what is listed does. "devicechange" brings a DeviceChangeEvent, within two seconds; devices are looked
    at for it while somebody listens."""

    ondevicechange = Handler("devicechange", lambda _, event: event)

    def __init__(
        self,
        listed: Callable[[], list[Device]] = system.devices,
        screens: Callable[[], list[Device]] = system.screens,
        named: Callable[[str], Device | None] = system.named,
        signs: Callable[[], Any] = system.signs,
    ) -> None:
        super().__init__()
        self._listed, self._screens, self._named = listed, screens, named
        self._captures: dict[str, Capture] = {}
        self._legacy: set[asyncio.Task[None]] = set()
        self._watch = Watch(signs, self._all, lambda: bool(self.listeners("devicechange")), self._changed)
        self.on("new_listener", self._on_listener)

    async def enumerateDevices(self, *, synthetic: bool = False) -> list[InputDeviceInfo]:
        """Microphones and cameras; with `synthetic` also the two that every machine has."""
        if self.listeners("devicechange"):
            self._watch.begin()
        return _infos([*await asyncio.to_thread(self._listed), *(synthetic_devices.devices() if synthetic else ())])

    def getSupportedConstraints(self) -> dict[str, bool]:
        """Names of properties that count."""
        return dict.fromkeys(sorted(SUPPORTED - DISPLAY), True)

    @overload
    def getUserMedia(self, constraints: Any = None, *, audio: Any = None, video: Any = None) -> Awaitable[MediaStream]: ...

    @overload
    def getUserMedia(self, constraints: Any, success: Callable[[MediaStream], Any], failure: Told | None = None) -> None: ...

    def getUserMedia(
        self,
        constraints: Any = None,
        success: Callable[[MediaStream], Any] | None = None,
        failure: Told | None = None,
        *,
        audio: Any = None,
        video: Any = None,
    ) -> Awaitable[MediaStream] | None:
        """A stream of a microphone's or a camera's track, or of both: `await getUserMedia({"video": True, "audio": {..}})`, or
        with the two as keywords.

        TypeError for what asks for nothing or cannot be read, NotFoundError without a device of the kind,
        OverconstrainedError when none can do what is required, NotAllowedError and NotReadableError when it cannot be opened.

        Deprecated: with `success` and `failure`, the stream or the error goes to one of them, as before there were promises.
        """
        wanted = _both(constraints, audio, video)
        if success is None and failure is None:
            return self._user_media(wanted)
        warnings.warn("getUserMedia with callbacks is deprecated: await it", DeprecationWarning, stacklevel=2)
        task = asyncio.get_running_loop().create_task(self._call_back(wanted, success, failure))
        self._legacy.add(task)
        task.add_done_callback(self._legacy.discard)
        return None

    def getDisplayMedia(self, options: Any = None, *, video: Any = None, audio: Any = None) -> Awaitable[MediaStream]:
        """A stream of the screen, of pictures alone. Constraints may only make it smaller or slower: TypeError for `min`,
        `exact` and `advanced`. NotFoundError where there is no X11 display."""
        return self._display_media(_both(options, audio, video))

    def _on_listener(self, event: str, _: Any) -> None:
        if event == "devicechange":
            self._watch.begin()

    async def _all(self) -> list[InputDeviceInfo]:
        return _infos(await asyncio.to_thread(self._listed))

    def _changed(self, devices: list[InputDeviceInfo], new: list[InputDeviceInfo]) -> None:
        self.emit("devicechange", DeviceChangeEvent(self, devices, new))

    async def _user_media(self, wanted: Mapping[str, Any]) -> MediaStream:
        kinds = [kind for kind in ("audio", "video") if wanted.get(kind) not in (None, False)]
        if not kinds:
            raise TypeError("neither audio nor video is asked for")
        names = {"audio": AUDIO | EITHER, "video": VIDEO | EITHER}
        parsed = {kind: parse(wanted[kind], names[kind]) for kind in kinds}
        listed = await asyncio.to_thread(self._listed)
        found = [(kind, await self._fitting(kind, parsed[kind], listed)) for kind in kinds]
        stream = MediaStream()
        try:
            for kind, devices in found:
                stream.addTrack(await self._open(devices, wanted[kind], parsed[kind]))
        except BaseException:
            for track in stream.getTracks():
                track.stop()
            raise
        return stream

    async def _display_media(self, wanted: Mapping[str, Any]) -> MediaStream:
        video = wanted.get("video")
        if video is False:
            raise TypeError("a screen has pictures: video may not be False")
        video = True if video is None else video
        parsed = parse(video, VIDEO | DISPLAY | EITHER)
        one_sided = [name for name, one in parsed.basic.items() if one.exact or one.low is not None]
        if parsed.advanced or one_sided:
            raise TypeError(f"of a screen no min, exact or advanced may be asked: {', '.join(one_sided) or 'advanced'}")
        screens = await asyncio.to_thread(self._screens)
        screens += [d for d in self._asked_for("video", parsed, screens) if d.deviceId.startswith("x11grab:")]
        if not screens:
            raise NotFoundError("there is no screen: DISPLAY names no X11 display")
        devices = await self._choose(screens, parsed)
        return MediaStream([await self._open(devices, video, parsed)])

    async def _fitting(self, kind: str, parsed: Constraints, listed: list[Device]) -> list[tuple[Device, Space]]:
        devices = [device for device in listed if device.kind == kind]
        devices += self._asked_for(kind, parsed, devices)
        if not devices:
            made = synthetic_devices.CAMERA if kind == "video" else synthetic_devices.MICROPHONE
            what = made.removeprefix("synthetic-")
            raise NotFoundError(f'there is no {what}; a synthetic one is asked for by {{"deviceId": {{"exact": "{made}"}}}}')
        return await self._choose(devices, parsed)

    def _asked_for(self, kind: str, parsed: Constraints, listed: list[Device]) -> list[Device]:
        """Those that are in no list but named by the constraints."""
        sets = (parsed.basic, *parsed.advanced)
        ids = [i for one in sets if "deviceId" in one for i in (*one["deviceId"].exact, *one["deviceId"].ideal)]
        known = {device.deviceId for device in listed}
        made = {device.deviceId: device for device in synthetic_devices.devices()}
        found = [made.get(id) or self._named(id) for id in dict.fromkeys(ids) if id not in known]
        return [device for device in found if device is not None and device.kind == kind]

    async def _choose(self, devices: list[Device], parsed: Constraints) -> list[tuple[Device, Space]]:
        """Those that fit, the best first."""
        fitting: list[tuple[float, int, Device, Space]] = []
        every: list[Settings] = []
        errors: list[MediaDeviceError] = []
        for number, device in enumerate(devices):
            running = self._captures.get(device.deviceId)
            try:
                known = running is not None and not running.closed
                space = running.space if known and running else await asyncio.to_thread(space_of, device)
            except MediaDeviceError as error:
                errors.append(error)
                continue
            possible = space.possible(parsed)
            every += possible
            best = select_settings(possible, parsed, space.rank)
            if best is not None:
                fitting.append((fitness_distance(best, parsed.basic), number, device, space))
        if not every:
            raise errors[0]
        if not fitting:
            raise OverconstrainedError(failed_constraint(every, parsed))
        return [(device, space) for _, _, device, space in sorted(fitting, key=lambda one: one[:2])]

    async def _open(self, devices: list[tuple[Device, Space]], wanted: Any, parsed: Constraints) -> CaptureTrack:
        """Of the first that opens."""
        last: MediaDeviceError | None = None
        for device, space in devices:
            try:
                capture = await self._capture(device, space)

                def make(settings: Settings, capture: Capture = capture) -> CaptureTrack:
                    return CaptureTrack(capture, given(wanted), parsed, settings)

                return await capture.add(make, parsed)
            except MediaDeviceError as error:
                last = last or error
        assert last is not None
        raise last

    async def _capture(self, device: Device, space: Space) -> Capture:
        """The one that runs, or a new one."""
        id, loop = device.deviceId, asyncio.get_running_loop()
        while (running := self._captures.get(id)) is not None:
            if running.loop is not loop and not running.loop.is_closed():
                raise NotReadableError(f"{device.label} is in use by another event loop of this program")
            if not running.closed and running.loop is loop:
                return running
            running.abandon()
            if not await asyncio.to_thread(running.wait_until_over, CLOSING_S):
                raise NotReadableError(f"{device.label} was let go and does not come back")
            if self._captures.get(id) is running:
                del self._captures[id]
        capture = self._captures[id] = Capture(device, space)
        return capture

    async def _call_back(
        self, wanted: Mapping[str, Any], success: Callable[..., Any] | None, failure: Callable[..., Any] | None
    ) -> None:
        try:
            stream = await self._user_media(wanted)
        except Exception as error:
            told = failure(error) if failure is not None else None
        else:
            told = success(stream) if success is not None else None
        if asyncio.iscoroutine(told):
            await told


def _infos(devices: list[Device]) -> list[InputDeviceInfo]:
    """Microphones first, else as the system orders them."""
    devices = sorted(devices, key=lambda device: device.kind)
    return [InputDeviceInfo(d.deviceId, f"{d.kind}input", d.label, d.groupId, d) for d in devices]


def _both(given: Any, audio: Any, video: Any) -> Mapping[str, Any]:
    given = plain(given)
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"constraints are a dict with audio and video, not {given!r}")
    found = dict(given or {})
    found.update({kind: one for kind, one in (("audio", audio), ("video", video)) if one is not None})
    return found


mediaDevices = MediaDevices()
