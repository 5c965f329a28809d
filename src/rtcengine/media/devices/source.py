"""What a device is, below its tracks: opened in a mode, read on a thread, closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .space import AudioSpace, Mode, VideoSpace


class Source(Protocol):
    """All three may wait; one thread calls them."""

    def open(self, mode: Mode | None) -> None:
        """In this mode, None for a microphone. NotAllowedError or NotReadableError."""

    def read(self) -> Any:
        """The next frame, with its time; None when there is none yet. NotReadableError when there will be no more."""

    def close(self) -> None:
        """Whatever state it is in."""


@dataclass(frozen=True)
class Device:
    """One that can be opened. `space` says what it can do; asking may open it for a moment, and happens on a thread."""

    kind: str
    """ "video" or "audio"."""
    deviceId: str
    label: str
    groupId: str
    source: Callable[[], Source]
    space: Callable[[], VideoSpace | AudioSpace]
    extra: dict[str, Any] = field(default_factory=dict)
    """More settings that all its tracks have."""

    @property
    def ids(self) -> dict[str, str]:
        return {"deviceId": self.deviceId, "groupId": self.groupId}
