"""Devices by FFmpeg: v4l2, alsa, x11grab, avfoundation, dshow."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import av

from .errors import NotAllowedError, NotReadableError
from .space import Mode, Span, VideoSpace

ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")
PROBED_RATES = Span(1.0, 60.0)
_environment = threading.Lock()


class AvSource:
    """A device of one of FFmpeg's formats, by its name there. `options`: what a mode means to the format."""

    def __init__(self, format: str, name: str, options: Callable[[Mode | None], Mapping[str, str]]) -> None:
        self._format, self._name, self._options = format, name, options
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())

    def open(self, mode: Mode | None) -> None:
        if self._format == "alsa":
            find_alsa_config()
        try:
            self._container = av.open(self._name, format=self._format, options=dict(self._options(mode)))
        except PermissionError as error:
            raise NotAllowedError(f"{self._name} may not be opened by this user: {error.strerror}") from error
        except (OSError, av.FFmpegError) as error:
            raise NotReadableError(f"{self._name} cannot be opened by {self._format}: {_why(error)}") from error
        streams = [s for s in self._container.streams if s.type in ("audio", "video")]
        if not streams:
            self.close()
            raise NotReadableError(f"{self._name} has neither pictures nor sound")
        self._frames = self._container.decode(streams[0])

    def read(self) -> Any:
        try:
            return next(self._frames)
        except BlockingIOError:
            # A generator that raised is over.
            self._frames = self._container.decode(self._container.streams[0])
            return None
        except (StopIteration, EOFError):
            raise NotReadableError(f"{self._name} is gone: it gives no more") from None
        except (OSError, av.FFmpegError) as error:
            raise NotReadableError(f"{self._name} is gone: {_why(error)}") from error

    def close(self) -> None:
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    def native(self) -> tuple[int, int, float]:
        """Size and rate of what has been opened, where it is a picture."""
        stream = self._container.streams.video[0]
        return stream.width, stream.height, float(stream.average_rate or 30)


def probe(source: AvSource) -> Mode:
    """The mode in which a device opens by itself, for one that cannot be asked."""
    source.open(None)
    try:
        width, height, rate = source.native()
        return Mode(width, height, (rate,))
    finally:
        source.close()


def screen_space(source: AvSource) -> VideoSpace:
    """A screen is captured as often as wanted."""
    mode = probe(source)
    return VideoSpace(
        (Mode(mode.width, mode.height, PROBED_RATES),),
        {"displaySurface": ("monitor",), "logicalSurface": (True,), "cursor": ("always",)},
        {"width": mode.width, "height": mode.height, "frameRate": 30.0},
    )


def find_alsa_config() -> None:
    """The ALSA that comes with PyAV looks for its configuration where it was built."""
    with _environment:
        if ALSA_CONFIG.exists():
            os.environ.setdefault("ALSA_CONFIG_PATH", str(ALSA_CONFIG))


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
