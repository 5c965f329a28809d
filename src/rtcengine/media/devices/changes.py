"""Whether devices come and go: looked at while somebody listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .media_devices import InputDeviceInfo

log = logging.getLogger("rtcengine.media")

EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class DeviceChangeEvent:
    """All `devices` that there are now, and those of them that there were not before (mediacapture-main §9.2.3)."""

    target: Any
    devices: list[InputDeviceInfo]
    userInsertedDevices: list[InputDeviceInfo]


class Watch:
    """Asks `signs` each second, on a thread: what is cheap to read and changes with the devices. Where it has changed, `listed`
    says which there are, and `tell` hears of a change. Ends when nothing is `wanted` any more."""

    def __init__(
        self,
        signs: Callable[[], Any],
        listed: Callable[[], Awaitable[list[InputDeviceInfo]]],
        wanted: Callable[[], bool],
        tell: Callable[[list[InputDeviceInfo], list[InputDeviceInfo]], None],
    ) -> None:
        self._signs, self._listed, self._wanted, self._tell = signs, listed, wanted, tell
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """On the loop that runs; where none does, later."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._task is None or self._task.done() or self._task.get_loop().is_closed():
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        seen = await asyncio.to_thread(self._signs)
        before = await self._listed()
        while True:
            await asyncio.sleep(EVERY_S)
            if not self._wanted():
                return
            try:
                now = await asyncio.to_thread(self._signs)
                if now == seen:
                    continue
                seen, devices = now, await self._listed()
            except Exception:
                log.exception("the devices cannot be listed")
                continue
            if list(map(_key, devices)) != list(map(_key, before)):
                known = set(map(_key, before))
                before = devices
                self._tell(devices, [device for device in devices if _key(device) not in known])


def _key(device: InputDeviceInfo) -> tuple[str, ...]:
    return device.deviceId, device.kind, device.label, device.groupId
